"""Backups: what the office's server keeps each night, asked for, made now, and put back.

The work is done by `office-backup` on the server (role `backup`), the same that its timer calls; here are the choice of a
snapshot, the lease, the journal and the audit. Whoever goes away in the middle stops it, and a restore undoes itself then.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from provisioner import runs
from provisioner.backup.lines import (
    ALL_BYTES,
    LINE_BYTES,
    Failed,
    PlaceDone,
    PlaceFailed,
    PlaceStarted,
    Plan,
    Progress,
    Restored,
    Said,
    Snapshots,
    Step,
    as_detail,
    moment,
    read,
)
from provisioner.errors import BadInput, HostFailed, Missing, Unreachable, Unreadable
from provisioner.inventory import open_inventory
from provisioner.inventory.ansible import services
from provisioner.inventory.target import Target
from provisioner.nights import Offer, Place, Snapshot, choose
from provisioner.operation import Listener, operation
from provisioner.operation.reaching import reach
from provisioner.operation.selection import Work
from provisioner.runs import Event, Run
from provisioner.ssh import UNREADABLE, explain

PROGRAM = "/usr/local/sbin/office-backup"


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


class Talk:
    """The programs that speak with the server now, so that somebody else can end them: the server undoes what it was at."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen[str]] = []
        self.stopped = False

    def stop(self, _: str = "") -> None:
        """End them."""
        self.stopped = True
        for process in self.running:
            process.terminate()


def _address(work: Work, watch: Listener) -> tuple[str, str]:
    """The keeper and where it answers, as every other chosen host does."""
    reach(work, watch)
    for host in work.hosts:
        if host not in work.met:
            raise Unreachable(work.found[host].problem, hint=work.found[host].hint or f"is {host} switched on and plugged in?")
    host = keeper(work.target)
    return host, work.met[host]


def _lines(host: str, stream: IO[str]) -> Iterator[Said]:
    """What a program says, each line by its shape.

    Raises:
        Unreadable: a line of another shape, or too much of it.
    """
    total = 0
    while line := stream.readline(LINE_BYTES):
        total += len(line)
        if total > ALL_BYTES or not line.endswith("\n"):
            raise Unreadable(f"{host} says too much where a short answer belongs; the rest was not read", hint=UNREADABLE)
        if line.startswith("{"):
            try:
                if said := read(line):
                    yield said
            except ValueError as error:
                raise Unreadable(f"{host} says what cannot be read: {error}", hint=UNREADABLE) from error


def _said(work: Work, host: str, address: str, words: Sequence[str], talk: Talk | None = None) -> Iterator[Said]:
    """What the program says, as it says it. It stops when we go away: its standard input is our sign of life.

    Raises:
        HostFailed: the host has no such program yet, or it broke.
        Unreachable, HostKeyChanged: the connection failed or broke.
        Unreadable: it says what cannot be read.
    """
    command = work.door.command(host, address, ["sudo", "-n", PROGRAM, "--attached", *words])
    talk = talk or Talk()
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True, errors="replace"
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        talk.running.append(process)
        try:
            yield from _lines(host, process.stdout)
        except BaseException:
            process.terminate()
            raise
        finally:
            process.stdin.close()
        process.wait()
        complaints.seek(0)
        stderr = complaints.read(65536).decode(errors="replace")
    if talk.stopped:
        return
    if process.returncode == 255:
        raise explain(host, address, work.door.user, stderr)
    if process.returncode not in (0, 1):
        said = (stderr.strip().splitlines() or ["no reason given"])[-1][:400]
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
        if isinstance(line, Failed):
            raise _error(line, work)
        if isinstance(line, PlaceFailed):
            found.append(Place(line.place, line.cause))
        elif isinstance(line, Snapshots):
            snapshots = tuple(Snapshot(one.id, line.place, moment(one.time), one.hostname, one.bytes) for one in line.snapshots)
            found.append(
                Place(
                    line.place,
                    "",
                    snapshots,
                    line.last_success or "",
                    line.last_failure or "",
                    line.cause or "",
                    line.note or "",
                )
            )
    return found


def _place(place: str) -> list[str]:
    return ["--place", place] if place else []


def _error(line: Failed, work: Work) -> BadInput | HostFailed:
    office = f"{work.target.office}{' --lab' if work.target.lab else ''}"
    if line.input:
        return BadInput(line.cause, hint=f"provisioner backup list {office}")
    return HostFailed(f"{keeper(work.target)}: {line.cause}", hint=f"provisioner backup list {office}")


# ---------------------------------------------------------------------------------------------- doing


def run(work: Work, *, place: str = "", watch: Listener, say: Callable[[str], None], commit: bool = True) -> Run:
    """Back the office up now, to every place or to one; what became of each is an event.

    Raises:
        Busy: somebody works on the office.
        HostFailed, Unreachable, HostKeyChanged: nothing was begun, or the connection broke.
    """

    def heard(line: Said, host: str) -> Iterator[Event]:
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

    return _do(work, "backup", ["run", *_place(place)], heard, watch, say, commit=commit)


def offer(work: Work, *, place: str = "", at: str = "", path: str = "", to: str = "", onto: str = "", watch: Listener) -> Offer:
    """What a restore would put back: the first place that has a fitting snapshot, unless one is named.

    With `onto`, it goes into the folder `to` of that host of the office instead, which `work` must hold too.

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
    words += [*(["--path", path] if path else []), *(["--to", "/var/lib/office-backup/export" if onto else to] if to else [])]
    host = keeper(work.target)
    address = work.met[host]
    items: list[dict[str, Any]] = []
    for line in _said(work, host, address, words):
        if isinstance(line, Failed):
            raise _error(line, work)
        if isinstance(line, Plan):
            items = [item.model_dump() for item in line.items]
    if onto:
        items = [item | {"target": f"{onto}:{to}", "replaces": False} for item in items]
        _room(work, onto, to, sum(item["bytes"] for item in items))
    return Offer(chosen, path, to, onto, items, [one.name for one in usable if one.name != chosen.place])


def restore(work: Work, offered: Offer, *, watch: Listener, say: Callable[[str], None], commit: bool = True) -> Run:
    """Put back what was offered; what fails leaves the host as it was.

    Raises:
        Busy: somebody works on the office.
        HostFailed, Unreachable, HostKeyChanged: nothing was begun, or the connection broke and the host undid it.
    """
    chosen, onto = offered.snapshot, offered.onto
    words = ["export" if onto else "restore", "--place", chosen.place, "--snapshot", chosen.id]
    words += [*(["--path", offered.path] if offered.path else []), *(["--to", offered.to] if offered.to and not onto else [])]

    def heard(line: Said, host: str) -> Iterator[Event]:
        if isinstance(line, Step) and line.event == "staging":
            yield Event("task_started", host, f"Read {', '.join(line.names)} from {chosen.place}")
        elif isinstance(line, Step):
            yield Event("task_started", host, f"Put {', '.join(line.names)} in place")
        elif isinstance(line, Restored):
            yield Event("host_changed", host, f"Restore {', '.join(line.items)}", {"diff": "", **as_detail(line)})
        elif isinstance(line, Failed):
            yield Event("host_failed", host, "Restore", {"problem": line.cause})

    asked = {"from": chosen.place, "snapshot": chosen.id[:8], "snapshot_at": chosen.at.isoformat(), "path": offered.path}
    asked |= {word: value for word, value in (("to", offered.to), ("onto", onto)) if value}
    size = sum(item["bytes"] for item in offered.items)
    carry = (
        Carry(onto, offered.to, size + size // 8 + (64 << 20)) if onto else None
    )  # a tar is somewhat larger than what it holds
    return _do(work, "restore", words, heard, watch, say, commit=commit, asked=asked, carry=carry)


@dataclass(frozen=True)
class Carry:
    """Where to on another host, and how much may come: the server's word alone must not fill that one's disk."""

    host: str
    to: str
    most_bytes: int


# On the other host: beside its place first, then into it; what stands there already stays. Standard input: a tar.
_UNPACK = """
set -eu
mkdir -p -- "$1"
part=$(mktemp -d "$1/.office-restore.XXXXXX")
trap 'rm -rf -- "$part"' EXIT
head -c "$2" | tar -x --no-same-owner -C "$part"
find "$part" -mindepth 1 -maxdepth 1 -exec sh -c '
  for path; do [ ! -e "$0/${path##*/}" ] || { echo "$0/${path##*/} is there already" >&2; exit 1; }; done
  mv -t "$0" -- "$@"' "$1" {} +
"""


def _room(work: Work, host: str, to: str, size: int) -> None:
    """Stop where the other host has not the room, or when the folder cannot be one."""
    if not to.startswith("/"):
        raise BadInput(f"{to or 'no folder'} is no folder of {host}", hint="--to with a path that begins with /")
    near = 'path=$1; while [ ! -d "$path" ]; do path=$(dirname "$path"); done; df -B1 --output=avail "$path" | tail -n 1'
    done = work.door.run(host, work.met[host], ["sudo", "-n", "sh", "-c", near, "sh", to])
    said = done.stdout.strip()
    free = int(said) if said.isascii() and said.isdecimal() and len(said) < 20 else 0
    if size > free:
        raise HostFailed(
            f"the disk is too small: {size / 1e6:.1f} MB are to be restored and {free / 1e6:.1f} MB are free on {host}"
        )


def _carried(work: Work, host: str, address: str, words: Sequence[str], carry: Carry, talk: Talk) -> Iterator[Said]:
    """The same as `_said`, and what the program writes goes over this laptop's two connections into another host's folder."""
    unpack = ["sudo", "-n", "sh", "-c", _UNPACK, "unpack", carry.to, str(carry.most_bytes)]
    there = work.door.command(carry.host, work.met[carry.host], unpack)
    here = work.door.command(host, address, ["sudo", "-n", PROGRAM, *words])
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(here, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace") as giver,
        subprocess.Popen(there, stdin=giver.stdout, stdout=subprocess.DEVNULL, stderr=pipe, text=True, errors="replace") as taker,
    ):
        assert giver.stdout
        assert giver.stderr
        assert taker.stderr
        talk.running += [giver, taker]
        giver.stdout.close()  # the taker's now: its end is the giver's
        last: Said | None = None
        try:
            for last in _lines(host, giver.stderr):
                if not isinstance(last, Restored):
                    yield last
        except BaseException:
            talk.stop()
            raise
        refused = taker.stderr.read(65536).strip()
    if talk.stopped:
        return
    if 255 in (giver.returncode, taker.returncode):
        raise explain(host if giver.returncode == 255 else carry.host, "", work.door.user, refused)
    if taker.returncode and isinstance(last, Restored | Step):
        cause = f"{carry.host}: {(refused.splitlines() or ['it did not take it'])[-1][:400]}"
        yield Failed(event="failed", cause=cause)
    elif isinstance(last, Restored):
        yield last


def _do(
    work: Work,
    verb: str,
    words: Sequence[str],
    heard: Callable[[Said, str], Iterator[Event]],
    watch: Listener,
    say: Callable[[str], None],
    *,
    commit: bool,
    asked: Mapping[str, Any] | None = None,
    carry: Carry | None = None,
) -> Run:
    """One run under the lease: journal, fold, summary, commit."""
    with operation(work, verb, watch=watch, say=say, needs=work.hosts, commit=commit, detail=asked) as op:
        host = keeper(work.target)
        if host not in work.met:
            raise HostFailed(work.found[host].problem, hint=f"provisioner runs show {work.target.office} {work.run_id}")
        op.begun = True
        talk = Talk()
        with op.stopping(talk.stop):
            address = work.met[host]
            for line in _carried(work, host, address, words, carry, talk) if carry else _said(work, host, address, words, talk):
                for event in heard(line, host):
                    op.recorder(event)
        op.status = runs.verdict(runs.fold(op.recorder.events).hosts)
    return op.run
