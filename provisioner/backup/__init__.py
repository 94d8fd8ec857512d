"""Backups: what the office's server keeps each night, asked for, made now, and put back.

The work is done by `office-backup` on the server (role `backup`), the same that its timer calls; here are the choice of a
snapshot, the lease, the journal and the audit. Whoever goes away in the middle stops it, and a restore undoes itself then.
"""

from collections.abc import Callable, Iterator, Sequence

from provisioner.backup import memory
from provisioner.backup.lines import Accepted, Failed, Message, PlaceDone, PlaceFailed, PlaceStarted, Progress, as_detail
from provisioner.backup.restore import look, offer, restore
from provisioner.backup.talk import Talk, ask, backup_server, conduct, listed, place_words, said
from provisioner.operation import Listener, Operation
from provisioner.operation.selection import Selection
from provisioner.runs import Event, Run

__all__ = ["accept", "ask", "backup_server", "look", "offer", "restore", "run"]


def accept(
    selection: Selection, why: str, *, place: str = "", watch: Listener, say: Callable[[str], None], commit: bool = True
) -> Run:
    """A person says why snapshots are missing, or that a clock that looked odd is right: what is there now is what there is.

    Raises:
        Busy: somebody works on the office.
        HostFailed, Unreachable, HostKeyChanged: nothing was accepted.
    """
    names: list[str] = []

    def heard(line: Message, host: str) -> Iterator[Event]:
        if isinstance(line, Accepted):
            names.append(line.place)
            detail = {"diff": "", "why": why, **as_detail(line)}
            yield Event("host_changed", host, f"Accept what is missing at {line.place}", detail)
        elif isinstance(line, Failed):
            yield Event("host_failed", host, "Accept", {"problem": line.cause})

    words = ["accept", *place_words(place), "--why", why]

    def speak(_: Operation, host: str, talk: Talk) -> Iterator[Message]:
        return said(selection, host, selection.met[host], words, talk)

    done = conduct(selection, "backup accept", speak, heard, watch, say, commit=commit, asked={"why": why}, accepted=names)
    memory.forget(selection.target, names)
    return done


def run(selection: Selection, *, place: str = "", watch: Listener, say: Callable[[str], None], commit: bool = True) -> Run:
    """Back the office up now, to every place or to one; what became of each is an event.

    A place that lost what this side knows of is not written to: a new repository must not hide that the old one is gone.

    Raises:
        Busy: somebody works on the office.
        HostFailed, Unreachable, HostKeyChanged: nothing was begun, or the connection broke.
    """

    def heard(line: Message, host: str) -> Iterator[Event]:
        task = f"Back up to {getattr(line, 'place', '')}"
        if isinstance(line, PlaceStarted):
            yield Event("task_started", host, task)
        elif isinstance(line, PlaceDone):
            yield Event("host_changed", host, task, {"diff": "", **as_detail(line)})
        elif isinstance(line, PlaceFailed):
            yield Event("host_failed", host, task, {"problem": f"{line.place}: {line.cause}", "place": line.place})
        elif isinstance(line, Failed):
            yield Event("host_failed", host, "Back up", {"problem": line.cause})
        elif isinstance(line, Progress) and line.total:
            say(f"  {line.place}: {line.done / line.total:.0%} of {line.total / 1e6:,.0f} MB")

    office = selection.office.backup
    if office and not office.append_only and place != "disk":
        over = f"provisioner backup place {selection.target.words}"
        say(f"! the second place lets this office's server delete what it keeps; the way over: {over}")

    def speak(op: Operation, host: str, talk: Talk) -> Iterator[Message]:
        for words in _steps(selection, place, _lost(op, host, place, talk)):
            op.check()
            yield from said(selection, host, selection.met[host], words, talk)

    return conduct(selection, "backup", speak, heard, watch, say, commit=commit)


def _lost(op: Operation, host: str, place: str, talk: Talk) -> list[str]:
    """Places that lost what this side knows of, each a failure of its own; empty when nothing is missing."""
    known = memory.known(op.selection.target)
    if not any(known.values()):
        return []
    seen = listed(op.selection, host, place, talk)
    found = memory.missing(known, seen)
    office = f"{op.selection.target.office}{' --lab' if op.selection.target.lab else ''}"
    for name, lost in found.items():
        how = f"find out why, then: provisioner backup accept {office} --place {name} --why WHY"
        problem = f"{name}: {lost}; nothing was written there; {how}"
        op.recorder(Event("host_failed", host, f"Back up to {name}", {"problem": problem, "place": name}))
    return list(found)


def _steps(selection: Selection, place: str, spared: Sequence[str]) -> list[list[str]]:
    """The calls of the server's program: one for all, or one for each place that may be written to."""
    if not spared:
        return [["run", *place_words(place)]]
    every = ["disk", *(["remote"] if selection.office.backup else [])]
    return [["run", "--place", name] for name in every if name not in spared and place in ("", name)]
