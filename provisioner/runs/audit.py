"""The audit of an office: one summary a run, each with the hash of the one before; `check` says what no longer holds."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.documents.ledger import Entry, Ledger, unlike
from provisioner.laptop.clock import REFUSED_S
from provisioner.runs import COUNTS, Change, HostRun, Run, iso

CLOCK = timedelta(seconds=REFUSED_S)  # how far two laptops' clocks may differ: a run by one that is further off is refused


def summary(run: Run) -> dict[str, Any]:
    """What the audit keeps of a run, without diffs: who, when, what, the counts, the failures."""
    return {
        "run": run.id,
        "office": run.office,
        "verb": run.verb,
        "technician": run.technician,
        "lab": run.lab,
        "started": iso(run.started),
        "finished": iso(run.finished) if run.finished else None,
        "status": run.status,
        **({"error": run.error} if run.error else {}),
        **run.detail,
        "tasks": run.tasks,
        "hosts": {name: host.counts for name, host in sorted(run.hosts.items())},
        "changes": {n: [c.task for c in h.changes] for n, h in sorted(run.hosts.items()) if h.changes},
        "problems": {
            name: {"task": host.problem_task, "problem": host.problem} for name, host in sorted(run.hosts.items()) if host.problem
        },
    }


def recall(data: Mapping[str, Any]) -> Run:
    """The run that a summary tells of, without diffs.

    Raises:
        ValueError: it tells of none any more.
    """

    def at(word: str) -> float:
        return datetime.fromisoformat(data[word]).timestamp() if data.get(word) else 0.0

    try:
        problems = data.get("problems") or {}
        hosts = {
            name: HostRun(
                {**dict.fromkeys(COUNTS, 0), **counts},
                [Change(task) for task in (data.get("changes") or {}).get(name, ())],
                str(problems.get(name, {}).get("problem", "")),
                str(problems.get(name, {}).get("task", "")),
            )
            for name, counts in (data.get("hosts") or {}).items()
        }
        office, verb, technician, status, error = (
            str(data.get(word) or "") for word in ("office", "verb", "technician", "status", "error")
        )
        return Run(
            data["run"], office, verb, technician, bool(data.get("lab")), at("started"), at("finished"), status, hosts,
            error=error,
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise ValueError(f"not a summary: {problem}") from problem


def ledger(folder: Path) -> Ledger:
    """The summaries of an office as a chain."""
    return Ledger(folder, 5, "summary", "begins", CLOCK)


def summaries(folder: Path) -> list[Path]:
    """The summary files of an office, in the order of their numbers."""
    return ledger(folder).files()


def read(raw: bytes) -> dict[str, Any]:
    """One summary, as its file has it.

    Raises:
        ValueError: it is not one any more.
    """
    try:
        data = json.loads(raw)
        shape = [type(data[key]) for key in ("number", "run", "started")]
        counts = [count for host in data.get("hosts", {}).values() for count in host.values()]
        shown = [name for finding in data.get("findings", ()) for name in dict(finding).get("pictures", ())]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if shape != [int, str, str] or {*map(type, counts)} - {int} or {*map(type, shown)} - {str}:
        raise ValueError("an entry of another kind")
    whole: dict[str, Any] = data
    return whole


def keep(folder: Path, data: Mapping[str, Any]) -> Path:
    """Add one summary to the audit: numbered, with the hash of the one before; whole or not at all, one process at a time."""
    import fcntl

    from provisioner.laptop.disk import make, write

    make(folder)
    with contextlib.ExitStack() as held:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        held.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        chain = ledger(folder)
        number = chain.next_number()
        own = {"number": number, "former": chain.newest_sha256()}
        body = own | dict(data) | own  # first, and no word of a run takes their place
        path = folder / chain.name(number, data["run"])
        write(path, json.dumps(body, ensure_ascii=False, indent=1, default=str) + "\n")
        return path


def pictures(folder: Path) -> Path:
    """Where what screens showed lies, each file named by the hash of its content."""
    return folder / "pictures"


def keep_pictures(folder: Path, shown: Mapping[str, bytes]) -> None:
    """Add pictures to the audit, by their names."""
    from provisioner.laptop.disk import make, write

    for name, data in shown.items():
        make(pictures(folder))
        write(pictures(folder) / name, data)


def _unlike_their_names(folder: Path, data: Mapping[str, Any]) -> Iterator[str]:
    """The pictures of a summary that are gone or not what they were."""
    for finding in data.get("findings", ()):
        for name in finding.get("pictures", ()):
            path = pictures(folder) / name
            if not path.is_file():
                yield f"{name}: deleted"
            elif f"{hashlib.sha256(path.read_bytes()).hexdigest()}.png" != name:
                yield f"{name}: altered"


def _dated(data: Mapping[str, Any]) -> bool:
    """Whether a run's date means something: one that reached no host has nobody's word for the laptop's clock."""
    hosts = data.get("hosts")
    return (
        not hosts
        or not isinstance(hosts, dict)
        or any(isinstance(counts, dict) and counts.get("ok") for counts in hosts.values())
    )


def check(folder: Path, newest: Mapping[str, str] | None = None, joined: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with the audit of an office, one sentence each; empty when it holds.

    Args:
        folder: the office's `runs/`.
        newest: file name -> sha256 of summaries that others remember (git, the hosts' marks).
        joined: two heads to be taken as joined (`Ledger.heads`).
    """

    def entry(_: Path, raw: bytes) -> Entry:
        data = read(raw)
        at = datetime.fromisoformat(data["started"]).astimezone(UTC)
        problems = list(_unlike_their_names(folder, data))
        together = data.get("joined")
        held = {str(name): str(seal) for name, seal in together.items()} if isinstance(together, dict) else {}
        return Entry(data["number"], data.get("former"), data["run"], at if _dated(data) else None, problems, held)

    return [*ledger(folder).check(entry, joined), *unlike(folder, newest or {})]
