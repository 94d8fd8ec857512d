"""A snapshot put back: which one, what it would replace, and into place, or into a folder of another host of the office."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.backup.lines import Failed, Files, Message, Plan, Restored, Step, as_detail
from provisioner.backup.snapshots import RestorePlan, Snapshot, choose
from provisioner.backup.talk import PROGRAM, WORK_IDLE_S, Talk, ask, backup_server, conduct, failure, lines, said
from provisioner.errors import BadInput, HostFailed, Unreadable
from provisioner.hosts.access import UNREADABLE, explain
from provisioner.operation import Listener, Operation
from provisioner.operation.selection import Selection
from provisioner.runs import Event, Run


def find(selection: Selection, *, place: str, at: str, watch: Listener) -> tuple[Snapshot, list[str]]:
    """The snapshot that is meant, from the first place that has a fitting one; and the other places that hold any.

    Raises:
        BadInput: no such snapshot.
        HostFailed: no place can be asked, or nothing was backed up yet.
    """
    asked = ask(selection, place, watch)
    usable = [one for one in asked if one.snapshots]
    if not usable:
        why = "; ".join(f"{one.name}: {one.problem or 'nothing was backed up there yet'}" for one in asked)
        lab = " --lab" if selection.target.lab else ""
        raise HostFailed(f"there is no backup: {why}", hint=f"provisioner backup run {selection.target.words}{lab}")
    chosen, refused = None, None
    for one in usable:
        try:
            chosen = choose(one.snapshots, at, selection.office.timezone)
            break
        except BadInput as error:
            refused = refused or error
    if chosen is None:
        assert refused
        raise refused
    return chosen, [one.name for one in usable if one.name != chosen.place]


def offer(
    selection: Selection, *, place: str = "", at: str = "", path: str = "", to: str = "", onto: str = "", watch: Listener
) -> RestorePlan:
    """What a restore would put back: the first place that has a fitting snapshot, unless one is named.

    With `onto`, it goes into the folder `to` of that host of the office instead, which `selection` must hold too.

    Raises:
        BadInput: no such snapshot, no such path in it.
        HostFailed: no place can be asked, or the disk is too small for it.
    """
    chosen, others = find(selection, place=place, at=at, watch=watch)
    words = ["restore", "--plan", "--place", chosen.place, "--snapshot", chosen.id]
    words += [*(["--path", path] if path else []), *(["--to", "/var/lib/office-backup/export" if onto else to] if to else [])]
    host = backup_server(selection.target)
    address = selection.met[host]
    items: list[dict[str, Any]] = []
    for line in said(selection, host, address, words):
        if isinstance(line, Failed):
            raise failure(line, selection, path)
        if isinstance(line, Plan):
            items = [item.model_dump() for item in line.items]
    if onto:
        items = [item | {"target": f"{onto}:{to}", "replaces": False} for item in items]
        _room(selection, onto, to, sum(item["bytes"] for item in items))
    return RestorePlan(chosen, path, to, onto, items, others)


def look(selection: Selection, *, place: str = "", at: str = "", path: str = "", watch: Listener) -> Files:
    """What lies in a folder of a snapshot, nothing restored; without a path, the folders that it was made of.

    Raises:
        BadInput: no such snapshot, no such path in it.
        HostFailed: no place can be asked, or nothing was backed up yet.
    """
    chosen, _ = find(selection, place=place, at=at, watch=watch)
    host = backup_server(selection.target)
    words = ["files", "--place", chosen.place, "--snapshot", chosen.id, *(["--path", path] if path else [])]
    for line in said(selection, host, selection.met[host], words):
        if isinstance(line, Failed):
            raise failure(line, selection, path)
        if isinstance(line, Files):
            return line
    raise Unreadable(f"{host} says nothing of the snapshot {chosen.id[:8]}", hint=UNREADABLE)


def restore(
    selection: Selection, offered: RestorePlan, *, watch: Listener, say: Callable[[str], None], commit: bool = True
) -> Run:
    """Put back what was offered; what fails leaves the host as it was.

    Raises:
        Busy: somebody works on the office.
        HostFailed, Unreachable, HostKeyChanged: nothing was begun, or the connection broke and the host undid it.
    """
    chosen, onto = offered.snapshot, offered.onto
    words = ["export" if onto else "restore", "--place", chosen.place, "--snapshot", chosen.id]
    words += [*(["--path", offered.path] if offered.path else []), *(["--to", offered.to] if offered.to and not onto else [])]

    def heard(line: Message, host: str) -> Iterator[Event]:
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

    def speak(_: Operation, host: str, talk: Talk) -> Iterator[Message]:
        return carried(selection, host, words, carry, talk) if carry else said(selection, host, selection.met[host], words, talk)

    return conduct(selection, "restore", speak, heard, watch, say, commit=commit, asked=asked)


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


def _room(selection: Selection, host: str, to: str, size: int) -> None:
    """Stop where the other host has not the room, or when the folder cannot be one."""
    if not to.startswith("/"):
        raise BadInput(f"{to or 'no folder'} is no folder of {host}", hint="--to with a path that begins with /")
    near = 'path=$1; while [ ! -d "$path" ]; do path=$(dirname "$path"); done; df -B1 --output=avail "$path" | tail -n 1'
    done = selection.ssh.run(host, selection.met[host], ["sudo", "-n", "sh", "-c", near, "sh", to])
    told = done.stdout.strip()
    free = int(told) if told.isascii() and told.isdecimal() and len(told) < 20 else 0
    if size > free:
        raise HostFailed(
            f"the disk is too small: {size / 1e6:.1f} MB are to be restored and {free / 1e6:.1f} MB are free on {host}"
        )


def carried(selection: Selection, host: str, words: Sequence[str], carry: Carry, talk: Talk) -> Iterator[Message]:
    """The same as `said`, and what the program writes goes over this laptop's two connections into another host's folder."""
    unpack = ["sudo", "-n", "sh", "-c", _UNPACK, "unpack", carry.to, str(carry.most_bytes)]
    there = selection.ssh.command(carry.host, selection.met[carry.host], unpack)
    here = selection.ssh.command(host, selection.met[host], ["sudo", "-n", PROGRAM, *words])
    pipe, refused = subprocess.PIPE, bytearray()
    with (
        subprocess.Popen(here, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as giver,
        subprocess.Popen(there, stdin=giver.stdout, stdout=subprocess.DEVNULL, stderr=pipe) as taker,
    ):
        assert giver.stdout
        assert giver.stderr
        assert taker.stderr
        talk.hold(giver, taker)
        giver.stdout.close()  # the taker's now: its end is the giver's
        last: Message | None = None
        try:
            for last in lines(host, giver.stderr, {taker.stderr: refused}, WORK_IDLE_S):
                if not isinstance(last, Restored):
                    yield last
            refused += taker.stderr.read(65536)
        except BaseException:
            talk.stop()
            raise
    if talk.stopped:
        return
    if 255 in (giver.returncode, taker.returncode):
        raise explain(
            host if giver.returncode == 255 else carry.host,
            "",
            selection.ssh.user,
            refused.decode(errors="replace"),
            selection.target.words,
        )
    if taker.returncode and isinstance(last, Restored | Step):
        words = refused.decode(errors="replace").strip().splitlines() or ["it did not take it"]
        cause = f"{carry.host}: {words[-1][:400]}"
        yield Failed(event="failed", cause=cause)
    elif isinstance(last, Restored):
        yield last
