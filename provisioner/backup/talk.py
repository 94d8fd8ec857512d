"""The conversation with `office-backup` on the server: its lines as it says them, and one run under the lease around it."""

import contextlib
import posixpath
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import IO, Any

from provisioner import runs
from provisioner.backup import memory
from provisioner.backup.lines import ALL_BYTES, LINE_BYTES, Failed, Message, PlaceDone, PlaceFailed, Snapshots, moment, read
from provisioner.backup.snapshots import Repository, Snapshot
from provisioner.errors import BadInput, HostFailed, Missing, Unreachable, Unreadable
from provisioner.hosts import answers
from provisioner.hosts.access import UNREADABLE, explain
from provisioner.inventory import open_inventory
from provisioner.inventory.placement import services
from provisioner.inventory.target import Target
from provisioner.operation import Listener, Operation, operation
from provisioner.operation.reaching import reach
from provisioner.operation.selection import Selection
from provisioner.runs import Event, Run

PROGRAM = "/usr/local/sbin/office-backup"
LIST_IDLE_S = 30 * 60  # restic counts what each night holds before it says anything
WORK_IDLE_S = 6 * 3600  # a repository that is tidied or read says nothing meanwhile


def backup_server(target: Target) -> str:
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


class Talk:
    """The programs that speak with the server now, so that somebody else can end them: the server undoes what it was at."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen[bytes]] = []
        self.stopped = False

    def hold(self, *processes: "subprocess.Popen[bytes]") -> None:
        """One more; it is ended at once when the talk is over already."""
        self.running += processes
        if self.stopped:
            self.stop()

    def stop(self, _: str = "") -> None:
        """End them."""
        self.stopped = True
        for process in self.running:
            process.terminate()


def meet(selection: Selection, watch: Listener) -> tuple[str, str]:
    """The backup server and where it answers, as every other chosen host does."""
    reach(selection, watch)
    for host in selection.hosts:
        if host not in selection.met:
            raise Unreachable(
                selection.found[host].problem, hint=selection.found[host].hint or f"is {host} switched on and plugged in?"
            )
    host = backup_server(selection.target)
    return host, selection.met[host]


def lines(host: str, stream: IO[bytes], beside: Mapping[IO[bytes], bytearray], idle_s: float) -> Iterator[Message]:
    """What a program says, each line by its shape.

    Raises:
        Unreadable: a line of another shape, too much of it, or nothing for too long.
    """
    try:
        for line in answers.follow(stream, beside, idle_s=idle_s, line_bytes=LINE_BYTES, all_bytes=ALL_BYTES):
            if line.startswith("{") and (one := read(line)):
                yield one
    except answers.TooMuch as error:
        raise Unreadable(f"{host} says {error} where a short answer belongs; the rest was not read", hint=UNREADABLE) from error
    except TimeoutError as error:
        raise Unreadable(f"{host} says {error}, and was not waited for any longer", hint=UNREADABLE) from error
    except ValueError as error:
        raise Unreadable(f"{host} says what cannot be read: {error}", hint=UNREADABLE) from error


def said(selection: Selection, host: str, address: str, words: Sequence[str], talk: Talk | None = None) -> Iterator[Message]:
    """What the program says, as it says it. It stops when we go away: its standard input is our sign of life.

    Raises:
        HostFailed: the host has no such program yet, or it broke.
        Unreachable, HostKeyChanged: the connection failed or broke.
        Unreadable: it says what cannot be read.
    """
    command = selection.ssh.command(host, address, ["sudo", "-n", PROGRAM, "--attached", *words])
    talk = talk or Talk()
    complaints = bytearray()
    quick = words[0] in ("list", "files") or "--plan" in words
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        talk.hold(process)
        try:
            yield from lines(host, process.stdout, {process.stderr: complaints}, LIST_IDLE_S if quick else WORK_IDLE_S)
        except BaseException:
            process.kill()  # the connection's end is what its program there ends by
            raise
        finally:
            with contextlib.suppress(OSError):
                process.stdin.close()
        process.wait()
    if talk.stopped:
        return
    stderr = complaints.decode(errors="replace")
    if process.returncode == 255:
        raise explain(host, address, selection.ssh.user, stderr, selection.target.words)
    if process.returncode not in (0, 1):
        last = (stderr.strip().splitlines() or ["no reason given"])[-1][:400]
        raise HostFailed(
            f"{host} makes no backups yet" if "not found" in last else f"office-backup broke on {host}: {last}",
            hint=f"provisioner apply {selection.target.words}",
        )


def ask(selection: Selection, place: str = "", watch: Listener = lambda _: None) -> list[Repository]:
    """All snapshots of every place, or of one; a place that cannot be asked says why.

    Raises:
        HostFailed: the host knows no such place, or makes no backups.
        Unreachable, HostKeyChanged: it gives no answer.
        Unreadable: it says what cannot be read, or of no place at all.
    """
    host, _ = meet(selection, watch)
    found = listed(selection, host, place)
    missing = memory.missing(memory.known(selection.target), found)
    memory.remember(selection.target, memory.newest(one for one in found if one.name not in missing))
    return [replace(one, problem=one.problem or missing.get(one.name, "")) for one in found]


def listed(selection: Selection, host: str, place: str, talk: Talk | None = None) -> list[Repository]:
    """What the server itself says of every place, or of one."""
    found = []
    for line in said(selection, host, selection.met[host], ["list", *place_words(place)], talk):
        if isinstance(line, Failed):
            raise failure(line, selection)
        if isinstance(line, PlaceFailed):
            found.append(Repository(line.place, line.cause))
        elif isinstance(line, Snapshots):
            snapshots = tuple(Snapshot(one.id, line.place, moment(one.time), one.hostname, one.bytes) for one in line.snapshots)
            found.append(
                Repository(
                    line.place,
                    line.gone,
                    snapshots,
                    line.last_success or "",
                    line.last_failure or "",
                    line.cause or "",
                    line.note or "",
                )
            )
    if not found and not (talk and talk.stopped):  # an office with backups has a place at least
        raise Unreadable(f"{host} says nothing of its backups", hint=UNREADABLE)
    return found


def place_words(place: str) -> list[str]:
    """The option that names one place."""
    return ["--place", place] if place else []


def failure(line: Failed, selection: Selection, path: str = "") -> BadInput | HostFailed:
    """What the program could not do, as an error; where a `path` was asked for, the hint shows what is beside it."""
    office = f"{selection.target.office}{' --lab' if selection.target.lab else ''}"
    if line.input:
        beside = f" --files {shlex.quote(posixpath.dirname(posixpath.normpath(path)))}" if path.startswith("/") else ""
        return BadInput(line.cause, hint=f"provisioner backup list {office}{beside}")
    return HostFailed(f"{backup_server(selection.target)}: {line.cause}", hint=f"provisioner backup list {office}")


def conduct(
    selection: Selection,
    verb: str,
    speak: Callable[[Operation, str, Talk], Iterator[Message]],
    heard: Callable[[Message, str], Iterator[Event]],
    watch: Listener,
    say: Callable[[str], None],
    *,
    commit: bool,
    asked: Mapping[str, Any] | None = None,
    accepted: list[str] | None = None,
) -> Run:
    """One run under the lease: journal, fold, summary, commit.

    Args:
        selection: the backup server, and another host that a restore goes to.
        verb: what it is called.
        speak: what is asked of it, line by line; it may add events of its own.
        heard: a line as events.
        watch: gets every event.
        say: gets one line for the person waiting, now and then.
        commit: one commit for the run.
        asked: what the journal says of how it was asked for.
        accepted: places whose losses somebody has explained, filled by `heard`.
    """
    with operation(selection, verb, watch=watch, say=say, needs=selection.hosts, commit=commit, detail=asked) as op:
        host = backup_server(selection.target)
        if host not in selection.met:
            raise HostFailed(
                selection.found[host].problem, hint=f"provisioner runs show {selection.target.words} {selection.run_id}"
            )
        op.begun = True
        talk, held = Talk(), dict[str, dict[str, float]]()
        with op.stopping(talk.stop):
            op.check()
            for line in speak(op, host, talk):
                if isinstance(line, PlaceDone):
                    held[line.place] = {one.id[:12]: moment(one.time).timestamp() for one in line.held}
                for event in heard(line, host):
                    op.recorder(event)
        op.check()
        op.status = runs.verdict(runs.fold(op.recorder.events).hosts)
        memory.remember(selection.target, held)
        op.more |= {**({"held": held} if held else {}), **({"accepted": accepted} if accepted else {})}
    return op.run
