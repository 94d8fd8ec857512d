"""Backups: what the office's server keeps each night, asked for, made now, and put back.

The work is done by `office-backup` on the server (role `backup`), the same that its timer calls; here are the choice of a
snapshot, the lease, the journal and the audit. Whoever goes away in the middle stops it, and a restore undoes itself then.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from provisioner import runs
from provisioner.errors import BadInput, HostFailed, Missing, Unreachable
from provisioner.inventory import git, open_inventory
from provisioner.inventory.ansible import services
from provisioner.inventory.target import Target
from provisioner.lease import Lease
from provisioner.runs import Event, Run
from provisioner.ssh import explain
from provisioner.work import Listener, Work, begin, bystanders, end, reach, technician

PROGRAM = "/usr/local/sbin/office-backup"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One night's backup at one place; `size_bytes` is what a whole restore would write."""

    id: str
    place: str
    at: datetime
    host: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """What a place says of itself; `problem` is why it could not be asked, the times are the server's, ISO 8601."""

    name: str
    problem: str = ""
    snapshots: tuple[Snapshot, ...] = ()
    last_success: str = ""
    last_failure: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a restore would put back: from where, what, and into which places; nothing is touched yet."""

    snapshot: Snapshot
    path: str
    to: str
    items: list[dict[str, Any]]
    others: list[str] = field(default_factory=list)  # places that hold another copy


def keeper(target: Target) -> str:
    """The host that makes the office's backups.

    Raises:
        Missing: the office has none.
    """
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    found = services(inventory.pack(office.pack), office).get("backup")
    if not found:
        raise Missing(
            f"{target.office} has no backups: no server whose pack has them", hint=f"provisioner office show {target.office}"
        )
    return found["name"]


# ---------------------------------------------------------------------------------------------- asking


def _address(work: Work, watch: Listener) -> tuple[str, str]:
    """The keeper and where it answers."""
    reach(work, watch)
    host = work.hosts[0]
    if host not in work.met:
        raise Unreachable(work.found[host].problem, hint=f"is {host} switched on and plugged in?")
    return host, work.met[host]


def _said(work: Work, host: str, address: str, words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What the program says, as it says it. It stops when we go away: its standard input is our sign of life.

    Raises:
        HostFailed: the host has no such program yet, or it broke.
        Unreachable, HostKeyChanged: the connection failed or broke.
    """
    command = work.door.command(host, address, ["sudo", "-n", PROGRAM, "--attached", *words])
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        try:
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
            stderr = process.stderr.read()
        except BaseException:
            process.terminate()
            raise
        finally:
            process.stdin.close()
    if process.returncode == 255:
        raise explain(host, address, work.door.user, stderr)
    if process.returncode not in (0, 1):
        said = (stderr.strip().splitlines() or ["no reason given"])[-1]
        missing = "not found" in said
        raise HostFailed(
            f"{host} makes no backups yet" if missing else f"office-backup broke on {host}: {said}",
            hint=f"provisioner apply {work.target.office}",
        )


def ask(work: Work, place: str = "", watch: Listener = lambda _: None) -> list[Place]:
    """All snapshots of every place, or of one; a place that cannot be asked says why.

    Raises:
        HostFailed: the host knows no such place, or makes no backups.
        Unreachable, HostKeyChanged: it gives no answer.
    """
    host, address = _address(work, watch)
    found = []
    for line in _said(work, host, address, ["list", *_place(place)]):
        if line["event"] == "failed":
            raise _error(line, work)
        name = line["place"]
        if line["event"] == "place_failed":
            found.append(Place(name, line["cause"]))
            continue
        snapshots = tuple(
            Snapshot(one["id"], name, _moment(one["time"]), one["hostname"], int(one["bytes"])) for one in line["snapshots"]
        )
        known = {word: line.get(word) or "" for word in ("last_success", "last_failure", "cause")}
        found.append(Place(name, "", snapshots, **known))
    return found


def _place(place: str) -> list[str]:
    return ["--place", place] if place else []


def _error(line: Mapping[str, Any], work: Work) -> BadInput | HostFailed:
    office = f"{work.target.office}{' --lab' if work.target.lab else ''}"
    if line.get("input"):
        return BadInput(line["cause"], hint=f"provisioner backup list {office}")
    return HostFailed(f"{work.hosts[0]}: {line['cause']}", hint=f"provisioner backup list {office}")


def _moment(text: str) -> datetime:
    """restic's time, nanoseconds and any zone (RFC 3339), to the second."""
    return datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))


def choose(snapshots: Sequence[Snapshot], at: str, zone: str) -> Snapshot:
    """The newest snapshot; with `at`, the one whose id begins so, or the newest of that day or moment or before. Pure.

    Args:
        snapshots: of one place, at least one.
        at: the first 4 digits or more of an id, `2026-11-22`, or `2026-11-22 14:30` in the office's time.
        zone: the office's time zone.

    Raises:
        BadInput: it is neither, or there is none so old.
    """
    ordered = sorted(snapshots, key=lambda one: one.at)
    if not at:
        return ordered[-1]
    if re.fullmatch(r"[0-9a-f]{4,64}", at):
        fitting = [one for one in ordered if one.id.startswith(at)]
        if len(fitting) != 1:
            raise BadInput(f"{'no snapshot' if not fitting else 'more than one snapshot'} begins with {at}", hint=_known(ordered))
        return fitting[0]
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise BadInput(f"{at!r} is neither a snapshot nor a time", hint="--at 2026-11-22, --at '2026-11-22 14:30'") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
    if moment.time() == time() and len(at) <= len("2026-11-22"):
        moment += timedelta(days=1)  # a day means its end
    fitting = [one for one in ordered if one.at <= moment]
    if not fitting:
        raise BadInput(f"there is no snapshot of {at} or before", hint=_known(ordered))
    return fitting[-1]


def _known(ordered: Sequence[Snapshot]) -> str:
    return f"the oldest is {ordered[0].id[:8]} of {ordered[0].at:%Y-%m-%d %H:%M}, the newest {ordered[-1].id[:8]}"


# ---------------------------------------------------------------------------------------------- doing


def run(work: Work, *, place: str = "", watch: Listener, say: Callable[[str], None], commit: bool = True) -> Run:
    """Back the office up now, to every place or to one; what became of each is an event.

    Raises:
        Busy: somebody works on the office.
        HostFailed, Unreachable, HostKeyChanged: nothing was begun, or the connection broke.
    """

    def heard(line: Mapping[str, Any], host: str) -> Iterator[Event]:
        what, name = line["event"], line.get("place", "")
        task = f"Back up to {name}"
        if what == "place_started":
            yield Event("task_started", host, task)
        elif what == "place_done":
            yield Event("host_changed", host, task, {"diff": "", **{k: v for k, v in line.items() if k != "event"}})
        elif what == "place_failed":
            yield Event("host_failed", host, task, {"problem": f"{name}: {line['cause']}", "place": name})
        elif what == "failed":
            yield Event("host_failed", host, "Back up", {"problem": line["cause"]})
        elif what == "progress" and line["total"]:
            say(f"  {name}: {line['done'] / line['total']:.0%} of {line['total'] / 1e6:,.0f} MB")

    return _do(work, "backup", ["run", *_place(place)], heard, watch, commit=commit)


def offer(work: Work, *, place: str = "", at: str = "", path: str = "", to: str = "", watch: Listener) -> Offer:
    """What a restore would put back: the first place that has a fitting snapshot, unless one is named.

    Raises:
        BadInput: no such snapshot, no such path in it.
        HostFailed: no place can be asked, or the disk is too small for it.
    """
    asked = ask(work, place, watch)
    usable = [one for one in asked if one.snapshots]
    if not usable:
        why = "; ".join(f"{one.name}: {one.problem or 'nothing was backed up there yet'}" for one in asked)
        raise HostFailed(f"there is nothing to restore from: {why}", hint=f"provisioner backup run {work.target.office}")
    chosen, refused = None, None
    for one in usable:
        try:
            chosen = choose(one.snapshots, at, work.office.timezone)
            break
        except BadInput as error:
            refused = refused or error
    if chosen is None:
        assert refused
        raise refused
    words = ["restore", "--plan", "--place", chosen.place, "--snapshot", chosen.id]
    words += [*(["--path", path] if path else []), *(["--to", to] if to else [])]
    host, address = work.hosts[0], work.met[work.hosts[0]]
    items: list[dict[str, Any]] = []
    for line in _said(work, host, address, words):
        if line["event"] == "failed":
            raise _error(line, work)
        items = line.get("items", items)
    return Offer(chosen, path, to, items, [one.name for one in usable if one.name != chosen.place])


def restore(work: Work, offered: Offer, *, watch: Listener, commit: bool = True) -> Run:
    """Put back what was offered; what fails leaves the host as it was.

    Raises:
        Busy: somebody works on the office.
        HostFailed, Unreachable, HostKeyChanged: nothing was begun, or the connection broke and the host undid it.
    """
    chosen = offered.snapshot
    words = ["restore", "--place", chosen.place, "--snapshot", chosen.id]
    words += [*(["--path", offered.path] if offered.path else []), *(["--to", offered.to] if offered.to else [])]

    def heard(line: Mapping[str, Any], host: str) -> Iterator[Event]:
        what = line["event"]
        if what == "staging":
            yield Event("task_started", host, f"Read {', '.join(line['names'])} from {chosen.place}")
        elif what == "moving":
            yield Event("task_started", host, f"Put {', '.join(line['names'])} in place")
        elif what == "restored":
            detail = {"diff": "", **{word: value for word, value in line.items() if word != "event"}}
            yield Event("host_changed", host, f"Restore {', '.join(line['items'])}", detail)
        elif what == "failed":
            yield Event("host_failed", host, "Restore", {"problem": line["cause"]})

    asked = {"from": chosen.place, "snapshot": chosen.id[:8], "snapshot_at": chosen.at.isoformat(), "path": offered.path}
    return _do(work, "restore", words, heard, watch, commit=commit, asked=asked | ({"to": offered.to} if offered.to else {}))


def _do(
    work: Work,
    verb: str,
    words: Sequence[str],
    heard: Callable[[Mapping[str, Any], str], Iterator[Event]],
    watch: Listener,
    *,
    commit: bool,
    asked: Mapping[str, Any] | None = None,
) -> Run:
    """One run under the lease: journal, fold, summary, commit."""
    recorder = begin(work, verb, watch, **(asked or {}))
    status, error, begun = "interrupted", "", False
    lease: Lease | None = None
    try:
        host, address = _address(work, recorder)
        lease = Lease(work.door, work.met | bystanders(work), work.run_id, work.door.user, lost=lambda _: None)
        lease.__enter__()
        recorder(Event("lease_taken", detail={"hosts": sorted(lease.met)}))
        begun = True
        for line in _said(work, host, address, words):
            for event in heard(line, host):
                recorder(event)
        status = runs.verdict(runs.fold(recorder.events).hosts)
    except BaseException as problem:
        status, error = ("interrupted" if isinstance(problem, KeyboardInterrupt) else "stopped"), str(problem)
        raise
    finally:
        done = end(recorder, status, error)
        try:
            if begun:
                _keep(work, done, commit=commit)
        finally:
            if lease:
                lease.__exit__()
            work.door.close()
    return done


def _keep(work: Work, done: Run, *, commit: bool) -> None:
    """The summary in the audit, and one commit (real offices)."""
    target = work.target
    runs.keep(target.summaries, runs.summary(done))
    if commit and not target.lab:
        _, name, email = technician(target)
        message = f"{target.office}: {done.verb} by {done.technician}: {done.status}\n\nrun {done.id}\n"
        git.commit(target.inventory, [target.folder], message, name=name, email=email)
