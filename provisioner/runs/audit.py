"""The audit of an office: one summary a run, each with the hash of the one before; `check` says what no longer holds."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.laptop.clock import REFUSED_S
from provisioner.runs import Run, iso

CLOCK = timedelta(seconds=REFUSED_S)  # how far two laptops' clocks may differ: a run by one that is further off is refused


_NAME = re.compile(r"\d+-[^/]+\.json")  # of a summary


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


def summaries(folder: Path) -> list[Path]:
    """The summary files of an office, in the order of their numbers."""
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name)) if folder.is_dir() else []


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
    """Add one summary to the audit: numbered, with the hash of the former; whole or not at all, one process at a time."""
    import fcntl

    from provisioner.laptop.disk import make, write

    make(folder)
    with contextlib.ExitStack() as held:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        held.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return _keep(folder, data, write)


def _keep(folder: Path, data: Mapping[str, Any], write: Callable[[Path, str], object]) -> Path:
    former = summaries(folder)
    number = int(former[-1].name.split("-")[0]) + 1 if former else 1
    body = {
        "number": number,
        "former": hashlib.sha256(former[-1].read_bytes()).hexdigest() if former else None,
        **data,
    }
    path = folder / f"{number:05d}-{data['run']}.json"
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


def check(folder: Path, newest: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with the audit of an office, one sentence each; empty when it holds.

    Args:
        folder: the office's `runs/`.
        newest: file name -> sha256 of summaries that others remember (git, the hosts' marks).
    """
    problems: list[str] = []
    expected, former = 1, None
    last: datetime | None = None
    for path in summaries(folder):
        raw = path.read_bytes() if path.is_file() else b""
        try:
            data = read(raw)
            number, claimed, run = data["number"], data.get("former"), data["run"]
            started = datetime.fromisoformat(data["started"]).astimezone(UTC)
        except ValueError:
            problems.append(f"{path.name}: not a summary any more")
            former, expected = hashlib.sha256(raw).hexdigest(), expected + 1
            continue
        if path.name != f"{number:05d}-{run}.json":
            problems.append(f"{path.name}: says it is number {number} of run {run}")
        if number > expected:
            problems.append(f"{path.name}: {number - expected} missing before it")
        elif number < expected:
            problems.append(f"{path.name}: two heads: number {number} stands twice")
        elif claimed != former:
            problems.append(f"{path.name}: the one before it was altered after it was written")
        if _dated(data):
            if last and started < last - CLOCK:
                problems.append(f"{path.name}: begins before the one it follows")
            last = max(last or started, started)
        problems += _unlike_their_names(folder, data)
        expected, former = max(expected, number + 1), hashlib.sha256(raw).hexdigest()
    for name, digest in sorted((newest or {}).items()):
        path = folder / name
        if not path.is_file():
            problems.append(f"{name}: deleted")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            problems.append(f"{name}: altered")
    return problems
