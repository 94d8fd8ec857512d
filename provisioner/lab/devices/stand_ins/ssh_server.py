"""The SSH side of a stand-in: paramiko's server, one thread a session; the link it hangs on can be cut."""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import paramiko
from paramiko import common

from provisioner.lab.devices.stand_ins import Box, Gone, System, Terminal, sftp_server

BEAT_S = 0.05


class Wire:
    """A connection that stands still, both ways, while the link is cut."""

    def __init__(self, plain: socket.socket, box: Box) -> None:
        self._plain, self._box = plain, box

    def recv(self, size: int) -> bytes:
        """Some bytes."""
        while self._box.cut:
            time.sleep(BEAT_S)
        return self._plain.recv(size)

    def send(self, data: bytes) -> int:
        """Write some."""
        while self._box.cut:
            time.sleep(BEAT_S)
        return self._plain.send(data)

    def settimeout(self, seconds: float | None) -> None:
        """As the plain one."""
        self._plain.settimeout(seconds)

    def close(self) -> None:
        """As the plain one."""
        self._plain.close()

    def getpeername(self) -> object:
        """As the plain one."""
        return self._plain.getpeername()


class Server(paramiko.ServerInterface):
    """Who may log in, and what they get."""

    def __init__(self, system: System, box: Box) -> None:
        self.system, self.box, self.asked = system, box, threading.Event()
        self.command: str | None = None
        self.user = ""

    def get_allowed_auths(self, _username: str) -> str:
        """Passwords alone."""
        return "password"

    def get_banner(self) -> tuple[str, str]:
        """What is said before the login."""
        return self.system.banner, "en-US"

    def check_auth_password(self, username: str, password: str) -> int:
        """Whether they fit; that one came is noted."""
        self.box.note(f"password from {username}")
        self.user = username
        fits = self.system.login(username, password)
        return int(common.AUTH_SUCCESSFUL if fits else common.AUTH_FAILED)

    def check_channel_request(self, kind: str, _number: int) -> int:
        """Sessions alone."""
        return int(common.OPEN_SUCCEEDED if kind == "session" else common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)

    def check_channel_pty_request(self, *_: object) -> bool:
        """A terminal is had."""
        return True

    def check_channel_shell_request(self, _channel: paramiko.Channel) -> bool:
        """A session begins."""
        self.asked.set()
        return True

    def check_channel_exec_request(self, _channel: paramiko.Channel, command: bytes) -> bool:
        """A line came with the connection."""
        self.command = command.decode("utf-8", "replace")
        self.asked.set()
        return True


@dataclass
class Line:
    """A session's bytes."""

    channel: paramiko.Channel

    def send(self, data: bytes) -> None:
        """Write.

        Raises:
            Gone: nobody reads.
        """
        try:
            self.channel.sendall(data)
        except OSError as error:
            raise Gone from error

    def complain(self, data: bytes) -> None:
        """Write to the second stream.

        Raises:
            Gone: nobody reads.
        """
        try:
            self.channel.sendall_stderr(data)
        except OSError as error:
            raise Gone from error

    def receive(self) -> bytes:
        """Some bytes.

        Raises:
            Gone: nobody writes.
        """
        try:
            data = self.channel.recv(65536)
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        return data


def listen(box: Box) -> socket.socket:
    """The box's port; its address may come some time after its start, as a gateway's does."""
    until = time.monotonic() + 120
    while True:
        try:
            return socket.create_server((box.address, box.port), backlog=32)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def serve(box: Box, system: System) -> None:
    """Take connections for as long as the process lives."""
    listener = listen(box)
    key = _key(box.folder / "host_key")
    (box.folder / "ready").touch()
    while True:
        plain, (client, _) = listener.accept()
        while box.cut:
            time.sleep(BEAT_S)
        if system.admits(client):
            threading.Thread(target=_talk, args=(box, system, plain, key), daemon=True).start()
        else:
            threading.Thread(target=_silence, args=(plain,), daemon=True).start()


def _silence(plain: socket.socket) -> None:
    """A firewall that drops: nothing is ever said."""
    with suppress(OSError):
        while plain.recv(4096):
            pass


def _key(path: Path) -> paramiko.PKey:
    return paramiko.Ed25519Key.from_private_key_file(str(path))


def _talk(box: Box, system: System, plain: socket.socket, key: paramiko.PKey) -> None:
    transport = paramiko.Transport(cast(socket.socket, Wire(plain, box)))
    transport.add_server_key(key)
    if (files := getattr(system, "files", None)) is not None:
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, sftp_server.Folder, files)
    server = Server(system, box)
    try:
        transport.start_server(server=server)
        while (channel := transport.accept(60)) is not None and server.asked.wait(30):
            command, server.command = server.command, None
            server.asked.clear()  # before the client hears the end of this one and asks for the next
            with suppress(Gone, OSError, EOFError):
                if command is None:
                    system.shell(Terminal(box, Line(channel), user=server.user))
                else:
                    terminal = Terminal(box, Line(channel), height=0, echo=False)
                    box.obeyed(terminal)
                    channel.send_exit_status(system.execute(command, terminal))
                    channel.close()  # the end of the answer is said (RFC 4254 5.3), before the connection is hung up
                    if getattr(system, "several", False):
                        continue  # one connection bears as many sessions as are asked for
            return
    except (paramiko.SSHException, OSError, EOFError):
        pass  # whoever it was is gone
    finally:
        transport.close()
