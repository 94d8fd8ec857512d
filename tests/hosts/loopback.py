"""An SSH server on this laptop's loopback: whoever has the one key runs any command, as whoever runs the tests."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from provisioner.hosts.pins import pin
from provisioner.inventory.target import Target
from tests.router.boxes import make_key


@dataclass
class Loopback(paramiko.ServerInterface):
    """Where it listens, and who may come in."""

    key: Path
    port: int = 0
    logins: list[str] = field(default_factory=list)

    def get_allowed_auths(self, _username: str) -> str:
        """Keys alone."""
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Whether it is the one; each try is noted."""
        fits = key.get_base64() == self.key.with_suffix(".pub").read_text().split()[1]
        self.logins.append(username)
        return int(AUTH_SUCCESSFUL if fits else AUTH_FAILED)

    def check_channel_request(self, _kind: str, _number: int) -> int:
        """A session is had."""
        return int(OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Run it."""
        threading.Thread(target=_run, args=(channel, command), daemon=True).start()
        return True


def _run(channel: paramiko.Channel, command: bytes) -> None:
    process = subprocess.Popen(
        ["/bin/sh", "-c", command], env={"PATH": os.defpath}, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    assert process.stderr

    def feed() -> None:
        assert process.stdin
        with contextlib.suppress(OSError), process.stdin:
            while data := channel.recv(65536):
                process.stdin.write(data)

    def tell(pipe: int, send: "object") -> None:
        with contextlib.suppress(OSError):
            while data := os.read(pipe, 65536):
                send(data)  # type: ignore[operator]

    threading.Thread(target=feed, daemon=True).start()
    telling = [
        threading.Thread(target=tell, args=(process.stdout.fileno(), channel.sendall), daemon=True),
        threading.Thread(target=tell, args=(process.stderr.fileno(), channel.sendall_stderr), daemon=True),
    ]
    for one in telling:
        one.start()
    while any(one.is_alive() for one in telling) and not channel.closed:
        telling[0].join(0.02)
        telling[1].join(0.02)
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL if channel.closed else 0)
    code = process.wait()
    with contextlib.suppress(OSError, EOFError):
        if code >= 0:
            channel.send_exit_status(code)
        channel.close()


@contextlib.contextmanager
def loopback(folder: Path, target: Target, host: str) -> Iterator[Loopback]:
    """It, pinned as a host of an office, for a while."""
    make_key(folder / "key")
    pin(target, host, [make_key(folder / "host_key")])
    server = Loopback(folder / "key")
    transports: list[paramiko.Transport] = []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        server.port = listener.getsockname()[1]

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    transport = paramiko.Transport(listener.accept()[0])
                    transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(folder / "host_key")))
                    transports.append(transport)
                    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                        transport.start_server(server=server)

        threading.Thread(target=serve, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
    for transport in transports:
        transport.close()
