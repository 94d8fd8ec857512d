"""A command over a connection that is open already: as `ssh` would have it, and whatever is odd about the socket, by `ssh`."""

import contextlib
import errno
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from provisioner.errors import Unreachable, Unreadable
from provisioner.hosts import access, control_socket
from provisioner.hosts.access import SshAccess
from provisioner.inventory.target import Target
from tests.hosts.loopback import loopback
from tests.router.boxes import soon

AT = "127.0.0.1"
HELLO = struct.pack(">III", 8, control_socket.HELLO, control_socket.VERSION)


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshAccess]:
    """The way into a host on this laptop's loopback; no connection is open yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    target = Target(tmp_path / "net", "bakery")
    target.known_hosts.parent.mkdir(parents=True)
    with loopback(tmp_path, target, "server") as server, tempfile.TemporaryDirectory() as short:  # a socket's path has 107 bytes
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        monkeypatch.setattr(access, "PORT", server.port)
        way = SshAccess(target, "c.lefevre", server.key)
        yield way
        way.close()


@pytest.fixture
def opened(ssh: SshAccess) -> SshAccess:
    """The same, a connection kept open."""
    assert ssh.run("server", AT, ["true"]).returncode == 0
    assert soon(path(ssh).is_socket, 10)
    return ssh


def path(ssh: SshAccess) -> Path:
    """Where its connection's socket lies."""
    return ssh.control / control_socket.name(AT, access.PORT, ssh.user)


def master(ssh: SshAccess) -> int:
    """The process that holds the connection."""
    words = ["ssh", "-F", "none", "-o", f"ControlPath={path(ssh)}", "-O", "check", "--", "x"]
    found = re.search(r"pid=(\d+)", subprocess.run(words, capture_output=True, text=True, check=True).stderr)
    assert found
    return int(found[1])


@contextlib.contextmanager
def no_ssh() -> Iterator[None]:
    """A laptop where `ssh` cannot be started: what works then went by the socket."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        yield


@contextlib.contextmanager
def stand_in(ssh: SshAccess, talk: Callable[[socket.socket], object]) -> Iterator[None]:
    """Something else listens where the connection's socket would be."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path(ssh)))
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0] as client:
                        talk(client)

        threading.Thread(target=serve, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "line",
    [
        "exit 7", "exit 0", "echo said; echo told >&2; exit 254", "cat; cat >&2", "printf 'a\\0\\377b'",
        "head -c 3000000 /dev/zero", "cat | wc -c",
    ],
)  # fmt: skip
def test_what_a_command_says_is_what_ssh_would_have_brought(ssh: SshAccess, line: str) -> None:
    """Both streams, byte for byte, what it is given, its exit status: the first call is ssh's, the next has none to call."""
    given = "é" * 300_000 if line.startswith("cat |") else "what it is given\n"
    first = ssh.run("server", AT, [line], stdin=given)
    with no_ssh():
        again = ssh.run("server", AT, [line], stdin=given)

    assert (again.returncode, again.stdout, again.stderr) == (first.returncode, first.stdout, first.stderr)


def test_several_words_are_quoted(opened: SshAccess) -> None:
    """A word of a client's with blanks, quotes and `$` is one word there."""
    with no_ssh():
        assert opened.run("server", AT, ["printf", "%s|", "a b", "$HOME", "'", ";"]).stdout == "a b|$HOME|'|;|"


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_who_says_too_much_is_not_listened_to(opened: SshAccess, stream: str) -> None:
    """An answer without end is refused at its limit and ended there; the connection serves the next command."""
    began = time.monotonic()
    with no_ssh(), pytest.raises(Unreadable, match="says more than 1 MB"):
        opened.run("server", AT, [f"exec yes{stream}"], limit_bytes=1 << 20)
    assert time.monotonic() - began < 20
    with no_ssh():
        assert opened.run("server", AT, ["echo on"]).stdout == "on\n"


def test_who_hangs_holds_up_nobody(opened: SshAccess) -> None:
    """A command that never ends is given up in time, while others over the same connection come and go."""
    with no_ssh(), ThreadPoolExecutor(8) as pool:
        hanging = pool.submit(opened.run, "server", AT, ["sleep 60"], timeout_s=3)
        others = [pool.submit(opened.run, "server", AT, [f"echo {n}"]) for n in range(12)]
        assert [one.result(20).stdout for one in others] == [f"{n}\n" for n in range(12)]
        assert not hanging.done()
        with pytest.raises(Unreachable, match="gave no answer within 3 s"):
            hanging.result(20)


@pytest.mark.parametrize("how", ["kill -9 $$", "exit 255"])
def test_a_signal_and_255_are_no_answer(opened: SshAccess, how: str) -> None:
    """As with ssh, which ends with 255 for both: the host's last words are the evidence."""
    with no_ssh(), pytest.raises(Unreachable, match="does not answer: last words"):
        opened.run("server", AT, [f"echo last words >&2; {how}"])


def test_a_connection_that_breaks_in_the_middle_runs_nothing_twice(opened: SshAccess, tmp_path: Path) -> None:
    """Its master dies while a command runs: that is no answer, at once, and nobody begins the command again."""
    ran, holder = tmp_path / "ran", master(opened)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(opened.run, "server", AT, [f"echo once >> {ran}; sleep 60"])
        assert soon(ran.exists, 10)
        os.kill(holder, signal.SIGKILL)
        with pytest.raises(Unreachable, match="does not answer"):
            running.result(10)
    assert ran.read_text() == "once\n"


def test_a_master_that_is_gone_is_replaced(opened: SshAccess) -> None:
    """It was killed, and its socket lies there still: ssh connects again, and the next command goes by the new one."""
    os.kill(master(opened), signal.SIGKILL)

    def refused() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(path(opened))) == errno.ECONNREFUSED

    assert soon(refused, 10)
    assert opened.run("server", AT, ["echo again"]).stdout == "again\n"
    with no_ssh():
        assert opened.run("server", AT, ["echo and again"]).stdout == "and again\n"


def test_a_master_that_hangs_is_gone_around(opened: SshAccess) -> None:
    """It takes the call and says nothing: soon ssh is called, for a connection of its own."""
    holder = master(opened)
    os.kill(holder, signal.SIGSTOP)
    try:
        assert opened.run("server", AT, ["echo around"], timeout_s=15).stdout == "around\n"
    finally:
        os.kill(holder, signal.SIGCONT)


@pytest.mark.parametrize(
    "says",
    [
        b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 64, b"\0" * 64, HELLO[:7],
        struct.pack(">III", 8, control_socket.HELLO, 5), struct.pack(">III", 8, control_socket.SESSION_OPENED, 4),
        HELLO + struct.pack(">IIII", 12, 0x80000002, 1, 0), HELLO + struct.pack(">IIII", 12, 0x80000003, 1, 0),
        HELLO + struct.pack(">IIII", 12, control_socket.SESSION_OPENED, 2, 0),
    ],
    ids=["silent", "http", "ones", "zeros", "half", "version", "kind", "denied", "failure", "another"],
)  # fmt: skip
def test_a_socket_that_speaks_otherwise_is_left_to_ssh(ssh: SshAccess, says: bytes) -> None:
    """Garbage, another version, a refusal, an end in the middle: the command is begun once, by ssh."""
    heard: list[bytes] = []

    def talk(client: socket.socket) -> None:
        client.sendall(says)
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while more := client.recv(1 << 16):
                heard.append(more)

    with stand_in(ssh, talk):
        assert ssh.run("server", AT, ["echo by ssh"], timeout_s=40).stdout == "by ssh\n"
    assert (b"echo by ssh" in b"".join(heard)) == (len(says) > len(HELLO) and says.startswith(HELLO))  # told to nobody unknown


@pytest.mark.parametrize("says", [HELLO, HELLO + b"\0\0", HELLO + b"\0" * 4], ids=["nothing", "cut", "empty"])
def test_a_master_that_ends_once_it_was_told_the_command_is_a_broken_connection(
    ssh: SshAccess, tmp_path: Path, says: bytes
) -> None:
    """The host may have begun it: it is said, and ssh does not begin it a second time."""

    def talk(client: socket.socket) -> None:
        client.sendall(says)
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while client.recv(1 << 16):
                pass

    with stand_in(ssh, talk), pytest.raises(Unreachable, match="the open connection ended"):
        ssh.run("server", AT, [f"touch {tmp_path / 'twice'}"], timeout_s=20)
    assert not (tmp_path / "twice").exists()


def test_a_session_that_is_never_opened_is_given_up_in_time(ssh: SshAccess) -> None:
    """The master greets, takes the command, and stays silent: no answer within the time there was."""

    def talk(client: socket.socket) -> None:
        client.sendall(HELLO)
        time.sleep(20)

    began = time.monotonic()
    with stand_in(ssh, talk), pytest.raises(Unreachable, match="gave no answer within 2 s"):
        ssh.run("server", AT, ["true"], timeout_s=2)
    assert time.monotonic() - began < 10


WAITING = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from provisioner.cli import __main__ as cli
from provisioner.hosts import control_socket
def verb(**_):
    with ThreadPoolExecutor(2) as pool:
        lines = [pool.submit(control_socket.call, Path(sys.argv[1]), "sleep 60", stdin="", timeout_s=60) for _ in range(2)]
        while len(control_socket._under_way) < 2:
            time.sleep(0.01)
        print("waiting", flush=True)
        lines[0].result()
cli.provisioner.main = verb
cli.main([])
"""


def test_ctrl_c_ends_what_goes_over_sockets_too(opened: SshAccess) -> None:
    """As it ends each ssh in front of the terminal: nobody waits for hosts that hang, and the tool says "interrupted"."""
    words = [sys.executable, "-c", WAITING, str(path(opened))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tool:
        try:
            assert tool.stdout
            assert tool.stdout.readline() == "waiting\n"
            began = time.monotonic()
            tool.send_signal(signal.SIGINT)
            said = tool.communicate(timeout=30)[1]
        finally:
            tool.kill()
    assert time.monotonic() - began < 10
    assert tool.returncode == 130, said
    assert "interrupted" in said
