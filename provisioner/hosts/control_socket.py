"""A command over a connection that `ssh` holds open, by its control socket's own protocol (OpenSSH, PROTOCOL.mux and mux.c).

`ssh` as the client of its own master is a whole program, started to hand over three file descriptors: some 10 ms of CPU for what
costs less than one here. Whatever is odd about the socket is `NotBegun`: whoever asks calls `ssh`, which finds out and says
why. Who is at the other end, and whether its key is the pinned one, the master settled when it connected.
"""

import contextlib
import hashlib
import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from provisioner.hosts import answers

VERSION = 4
HELLO, NEW_SESSION, EXIT_MESSAGE, SESSION_OPENED = 0x00000001, 0x10000002, 0x80000004, 0x80000006
REQUEST, NO_ESCAPE = 1, 0xFFFFFFFF
HELLO_S = 1.0  # a process of this laptop, with nothing else to do
PACKET_BYTES = 1 << 18  # mux.c, CHANNEL_MUX_MAX_PACKET
LOST = 255  # what `ssh` exits with when no exit status came: the connection broke, or a signal ended the command

_under_way: set[socket.socket] = set()


class NotBegun(Exception):
    """Nobody began the command at this socket."""


class NoMaster(NotBegun):
    """Nobody listens there."""


class MasterEnded(Exception):
    """The master ended after it was told the command: whether the host began it, nobody knows."""


def name(address: str, port: int, user: str) -> str:
    """What `%C` in a ControlPath stands for when there is no jump host (readconf.c, `ssh_connection_hash`)."""
    said = f"{socket.gethostname()}{address}{port}{user}"
    return hashlib.sha1(said.encode(), usedforsecurity=False).hexdigest()


def call(
    path: Path, line: str, *, stdin: str, timeout_s: float, limit_bytes: int = answers.LIMIT_BYTES
) -> subprocess.CompletedProcess[str]:
    """Run a line of the host's shell to its end: the same answer, and return code, as `answers.call` has of `ssh`.

    A master that ends once it was told the line is a connection that broke (255): the host may have begun it.

    Raises:
        NoMaster: there is no such socket, or nobody at its other end.
        NotBegun: somebody is, and does not speak as they must, or opens no session.
        TooMuch: it said more than `limit_bytes` on stdout or stderr; the session was closed.
        subprocess.TimeoutExpired: it took longer than `timeout_s`; the session was closed.
    """
    until = time.monotonic() + timeout_s
    with contextlib.ExitStack() as ending:
        master = ending.enter_context(_greeted(path, min(HELLO_S, timeout_s)))
        end = master.fileno()
        try:
            readers = _session(master, line, stdin, until, ending)
            out, err, left = answers.gather([*readers, end], until=until, limit_bytes=limit_bytes, last=end)
        except TimeoutError:
            raise subprocess.TimeoutExpired([line], timeout_s) from None
        except NotBegun:
            if master in _under_way:
                raise
            out = err = left = b""
        except MasterEnded as problem:
            out, err, left = b"", f"the open connection ended: {problem}\n".encode(), b""
        return answers.completed([line], _exit_status(left) if master in _under_way else -signal.SIGINT, out, err)


def interrupt() -> None:
    """End every session under way, as Ctrl-C ends each `ssh` in front of a terminal."""
    while _under_way:
        with contextlib.suppress(OSError, KeyError):
            _under_way.pop().shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _greeted(path: Path, timeout_s: float) -> Iterator[socket.socket]:
    """The master behind a socket, once it has said that it speaks as we do."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as master:
        master.settimeout(timeout_s)
        try:
            master.connect(str(path))
        except OSError as problem:
            raise NoMaster(f"{path}: {problem}") from None
        try:
            kind, version = struct.unpack_from(">II", _packet(master))
        except (OSError, EOFError, struct.error) as problem:
            raise NotBegun(f"{path}: {problem}") from None
        if (kind, version) != (HELLO, VERSION):
            raise NotBegun(f"{path} speaks another protocol")
        _under_way.add(master)
        try:
            yield master
        finally:
            _under_way.discard(master)


def _session(master: socket.socket, line: str, stdin: str, until: float, ending: contextlib.ExitStack) -> list[int]:
    """Have a line begun; where its stdout and stderr can be read until `ending` ends."""
    flags = struct.pack(">5I", 0, 0, 0, 0, NO_ESCAPE)  # no terminal, no X11, no agent, no subsystem
    request = struct.pack(">II", NEW_SESSION, REQUEST) + _text(b"") + flags + _text(b"") + _text(os.fsencode(line))
    readers: list[int] = []
    with contextlib.ExitStack() as handed:
        given = [handed.enter_context(answers.to_read(stdin)).fileno()]
        for _ in range(2):
            reader, writer = os.pipe2(os.O_CLOEXEC)
            ending.callback(os.close, reader)
            handed.callback(os.close, writer)
            readers.append(reader)
            given.append(writer)
        try:
            master.settimeout(max(0.001, until - time.monotonic()))
            master.sendall(_text(struct.pack(">II", HELLO, VERSION)) + _text(request))
            for descriptor in given:  # each with a byte of its own (monitor_fdpass.c)
                socket.send_fds(master, [b"\0"], [descriptor])
        except TimeoutError:
            raise
        except OSError as problem:
            raise NotBegun(str(problem)) from None
    try:
        kind, number = struct.unpack_from(">II", _packet(master))
    except TimeoutError:
        raise
    except (OSError, EOFError, struct.error) as problem:
        raise MasterEnded(str(problem)) from None
    if (kind, number) != (SESSION_OPENED, REQUEST):
        raise NotBegun("the master opens no session")
    return readers


def _text(said: bytes) -> bytes:
    return struct.pack(">I", len(said)) + said


def _packet(master: socket.socket) -> bytes:
    """The next message: its length, then so many bytes.

    Raises:
        EOFError: it ended, or is longer than any can be.
    """
    (size,) = struct.unpack(">I", _exactly(master, 4))
    if size > PACKET_BYTES:
        raise EOFError("that is no message")
    return _exactly(master, size)


def _exactly(master: socket.socket, size: int) -> bytes:
    said = b""
    while len(said) < size:
        if not (more := master.recv(size - len(said))):
            raise EOFError("the socket ended")
        said += more
    return said


def _exit_status(said: bytes) -> int:
    """Of the command, by the one message there is once its session is open; only its last byte counts, as for every program."""
    if len(said) != 16 or struct.unpack_from(">II", said) != (12, EXIT_MESSAGE):
        return LOST
    return said[-1]
