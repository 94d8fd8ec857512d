"""Runs: what happened, as events; what it amounts to, as `fold(events) -> Run`; the journal and the audit on disk.

The journal (state folder) holds every event of a run, one JSON line each, numbered, written before the next thing
happens: after a SIGKILL it says how far the run came. The summary (in the office's `runs/`, so in git) is one small file
a run; each carries the hash of the former, so an edited, deleted or reordered one shows.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.laptop.clock import REFUSED_S, span

CLOCK = timedelta(seconds=REFUSED_S)  # how far two laptops' clocks may differ: a run by one that is further off is refused

_NAME = re.compile(r"\d+-[^/]+\.json")  # of a summary
COUNTS = ("ok", "changed", "failed", "unreachable", "skipped", "rescued", "ignored")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `what` is in the past tense; `at` is seconds since 1970, by this laptop's clock."""

    what: str
    host: str = ""
    task: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Change:
    """What one task changed, or would change, on one host; `diff` is text as `diff -u` writes it."""

    task: str
    diff: str = ""


@dataclass
class HostRun:
    """One host's part of a run; the counts are Ansible's."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    changes: list[Change] = field(default_factory=list)
    problem: str = ""
    problem_task: str = ""
    notes: list[str] = field(default_factory=list)  # what a task could not do and may be left undone for now


@dataclass
class Run:
    """What the events of one run amount to."""

    id: str = ""
    office: str = ""
    verb: str = ""
    technician: str = ""
    lab: bool = False
    started: float = 0.0
    finished: float = 0.0
    status: str = "interrupted"  # until an event says otherwise: a killed run never wrote its end
    hosts: dict[str, HostRun] = field(default_factory=dict)
    tasks: int = 0
    error: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """How many changes, all hosts together."""
        return sum(h.counts["changed"] for h in self.hosts.values())


def fold(events: Iterable[Event]) -> Run:
    """What the events amount to; pure. Counts are Ansible's own when the play reached its end, else added up here."""
    run = Run()
    for event in events:
        if event.what == "run_started":
            run.id, run.started = event.detail["run"], event.at
            run.office, run.verb = event.detail["office"], event.detail["verb"]
            run.technician, run.lab = event.detail.get("technician", ""), bool(event.detail.get("lab"))
            run.detail |= {k: v for k, v in event.detail.items() if k not in ("run", "office", "verb", "technician", "lab")}
        elif event.what == "run_finished":
            run.status, run.finished = event.detail["status"], event.at
            run.error = event.detail.get("error", "")
        elif event.what == "task_started":
            run.tasks += 1
        elif event.what == "play_counted":
            for name, counts in event.detail["hosts"].items():
                here = run.hosts.setdefault(name, HostRun())
                # a host that never got into the play keeps what we know of it
                here.counts = {**dict.fromkeys(COUNTS, 0), **counts}
        elif event.what == "clock_differs":
            run.hosts.setdefault(event.host, HostRun()).notes.append(
                f"its clock is {span(event.detail['ahead_s'])} this laptop's"
            )
        elif event.what.startswith("host_"):
            _fold_host(run.hosts.setdefault(event.host, HostRun()), event)
    return run


def _fold_host(host: HostRun, event: Event) -> None:
    counts = host.counts
    host.notes += event.detail.get("notes", [])
    if event.what in ("host_ok", "host_changed"):
        counts["ok"] += 1
    if event.what == "host_changed":
        counts["changed"] += 1
        host.changes.append(Change(event.task, event.detail.get("diff", "")))
    elif event.what == "host_skipped":
        counts["skipped"] += 1
    elif event.what == "host_ignored":
        counts["ok"] += 1
        counts["ignored"] += 1
    elif event.what in ("host_failed", "host_unreachable"):
        counts["failed" if event.what == "host_failed" else "unreachable"] += 1
        host.problem, host.problem_task = event.detail.get("problem", ""), event.task


def verdict(hosts: Mapping[str, HostRun]) -> str:
    """`failed`, `unreachable`, `changed` or `unchanged`; nobody reached is never a success."""
    total = {key: sum(h.counts[key] for h in hosts.values()) for key in COUNTS}
    if total["failed"]:
        return "failed"
    if total["unreachable"] or not total["ok"]:
        return "unreachable"
    return "changed" if total["changed"] else "unchanged"


def new_id() -> str:
    """A run's name: UTC time to the second and four random hex digits; sorts by time, fit for a file name."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.urandom(2).hex()}"


# ------------------------------------------------------------------------------------------- journal


class Journal:
    """Appends the events of one run to a file, one JSON line each, numbered from 1; 0600.

    Every line is flushed; those that a later command relies on (`durable`) are also fsynced.
    """

    def __init__(self, path: Path) -> None:
        from provisioner.laptop.disk import flush

        self.path = path
        self._seq = 0
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600), "w")
        flush(path.parent)

    def write(self, event: Event, *, durable: bool = False) -> Event:
        """Append one event."""
        self._seq += 1
        # not asdict(): it copies deeply, and this runs for every task and host
        line = {
            "seq": self._seq, "at": round(event.at, 3), "what": event.what,
            "host": event.host, "task": event.task, "detail": event.detail,
        }  # fmt: skip
        self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        self._file.flush()
        if durable:
            os.fsync(self._file.fileno())
        return event

    def close(self) -> None:
        """End the file on disk."""
        os.fsync(self._file.fileno())
        self._file.close()


def read_journal(path: Path) -> Iterator[Event]:
    """The events of a journal; a last line torn by a kill is left out."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                raw = json.loads(line)
            except ValueError:
                return
            yield Event(raw["what"], raw["host"], raw["task"], raw["detail"], raw["at"])


# ----------------------------------------------------------------------------------------- summaries


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


def iso(at: float) -> str:
    """A moment (seconds since 1970) as the audit writes it: UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


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


# --------------------------------------------------------------------------------------- learnt totals


def learn(path: Path, key: str, total: int) -> None:
    """Remember how many steps `key` took, for the next progress bar."""
    totals = learnt(path)
    totals[key] = total
    from provisioner.laptop.disk import write

    write(path, json.dumps(totals))


def learnt(path: Path) -> dict[str, int]:
    """The remembered totals; empty when there are none or the file is damaged: they only draw a bar."""
    try:
        raw = json.loads(path.read_text())
        return {str(k): int(v) for k, v in raw.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
