"""Runs: what happened, as events; what it amounts to, as `fold(events) -> Run`; the journal and the audit on disk.

The journal (state folder) holds every event of a run, one JSON line each, numbered, written before the next thing
happens: after a SIGKILL it says how far the run came. The summary (in the office's `runs/`, so in git) is one small file
a run; each carries the hash of the one before, so an edited, deleted or reordered one shows.
"""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from provisioner.laptop.clock import span

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


# ----------------------------------------------------------------------------------------- summaries


def iso(at: float) -> str:
    """A moment (seconds since 1970) as the audit writes it: UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# --------------------------------------------------------------------------------------- learnt totals
