"""First contact: one unpinned connection to a machine, by paramiko; no credential goes before its key was accepted."""

import contextlib
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import Unreachable, Unreadable
from provisioner.hosts import answers

if TYPE_CHECKING:
    import paramiko
from provisioner.hosts import keys
from provisioner.hosts.access import CONNECT_TIMEOUT_S, HANGS_UP, PORT, SILENT, UNREADABLE


def shown_key(address: str) -> str:
    """The host key of whoever answers at an address, `type base64`; empty when nobody does. No login is begun."""
    try:
        with FirstContact(address) as contact:
            return contact.key
    except Unreachable:
        return ""


def private(path: Path) -> "paramiko.PKey":
    """The key in a file and nothing beside it: paramiko's own loader would show a stale `FILE-cert.pub` in its place.

    One with a passphrase, or whose public half alone is there, is the agent's to use; none of the agent's other keys is tried.

    Raises:
        paramiko.SSHException: it is no key, or has a passphrase and no agent holds it.
    """
    import paramiko

    path = keys.existing(path) or path
    if not path.is_file():
        return _of_agent(path)
    kinds: list[type[paramiko.PKey]] = [paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey]
    for kind in kinds:
        try:
            return kind.from_private_key_file(str(path))
        except paramiko.PasswordRequiredException:
            return _of_agent(path)
        except (paramiko.SSHException, ValueError):
            continue
    raise paramiko.SSHException(f"{path} is no private key that can be used here")


def _of_agent(path: Path) -> "paramiko.PKey":
    import paramiko

    blob = keys.public_key(path).split()[1]
    for key in paramiko.Agent().get_keys():
        if key.get_base64() == blob:
            return key
    raise paramiko.SSHException(f"{path} has a passphrase and no agent holds it open (ssh-add {path})")


class FirstContact:
    """One unpinned connection to a machine: its key is read first, credentials go only after `accept` of that key.

    Use as a context manager. paramiko's transport is opened by us, and the same transport that showed the key carries
    the login, so no second, different machine can slip in between. `host` is only for what is said about it.
    """

    def __init__(self, address: str, host: str = "", port: int = PORT) -> None:
        import socket

        import paramiko

        self.address, self.named = address, f"{host} ({address})" if host else address
        try:
            self._socket = socket.create_connection((address, port), timeout=CONNECT_TIMEOUT_S)
        except OSError as error:
            raise Unreachable(
                f"{self.named} does not answer: {error}", hint="is the machine on, and is openssh-server installed?"
            ) from error
        # several small packets in a row must not wait for each other's acknowledgement
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.monotonic()
        self._transport = paramiko.Transport(self._socket)
        self._transport.banner_timeout = CONNECT_TIMEOUT_S
        try:
            self._transport.start_client(timeout=CONNECT_TIMEOUT_S)
            remote = self._transport.get_remote_server_key()  # a time-out of the line above says nothing; there is no key then
        except (OSError, EOFError, paramiko.SSHException) as error:
            self._socket.close()
            if time.monotonic() - began >= CONNECT_TIMEOUT_S:
                raise Unreachable(f"{self.named} {SILENT}", hint="is it the right machine, and does its sshd run?") from error
            if isinstance(error, paramiko.SSHException) and "banner" not in str(error):
                raise Unreachable(f"{self.named} does not answer as an SSH server: {error}") from error
            raise Unreachable(f"{self.named} {HANGS_UP}: {error or 'no word'}", hint="wait a minute, then again") from error
        self.key = f"{remote.get_name()} {remote.get_base64()}"
        self.banner = self._transport.remote_version

    def __enter__(self) -> "FirstContact":
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()
        self._socket.close()

    def login(self, user: str, *, password: str | None = None, key: Path | None = None) -> None:
        """Log in with a password or a key file; one try, because hosts punish more (PerSourcePenalties).

        Raises:
            Unreachable: refused.
        """
        import paramiko

        try:
            if password is not None:
                self._transport.auth_password(user, password)
            else:
                assert key is not None
                self._transport.auth_publickey(user, private(key))
        except paramiko.AuthenticationException as error:
            what = "password" if password is not None else "key"
            raise Unreachable(f"{self.named} refuses {user}'s {what}", hint="look at the machine for its login") from error
        except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
            raise Unreachable(f"{self.named}: the login of {user} failed: {error}") from error
        self._user, self._password, self._may_sudo = user, password, False

    def run(
        self, command: str, *, stdin: str | None = "", sudo: bool = False, timeout_s: float = 120, errors: str = "replace"
    ) -> tuple[int, str, str]:
        """Run a shell command, as root with `sudo`; the sudo password goes by standard input, before a line `BEGIN`.

        A sudo that asks for no password leaves that line unread: the command starts by reading up to `BEGIN`. The password
        is proven by itself first: of a wrong one sudo would take the lines that follow for two more tries.

        Args:
            stdin: None sends nothing, not even its end: a router hangs up once it has answered, and what comes then resets the
                connection under its answer.
            errors: what becomes of bytes that are no UTF-8; `surrogateescape` keeps them (PEP 383), both ways.

        Returns:
            (exit code, stdout, stderr)
        """
        if sudo:
            password = f"{self._password}\n" if self._password else ""
            if not self._may_sudo:
                refused = self._run("sudo -S -p '' -- true", password, timeout_s)
                if refused[0]:
                    return refused
                self._may_sudo = True
            command = 'while IFS= read -r line && [ "$line" != BEGIN ]; do :; done\n' + command
            command = f"sudo -S -p '' -- sh -c {shlex.quote(command)}"
            stdin = f"{password or chr(10)}BEGIN\n{stdin or ''}"
        return self._run(command, stdin, timeout_s, errors)

    def _run(self, command: str, stdin: str | None, timeout_s: float, errors: str = "replace") -> tuple[int, str, str]:
        channel = self._transport.open_session(timeout=timeout_s)
        channel.settimeout(timeout_s)
        try:
            channel.exec_command(command)
            if stdin is not None:
                channel.sendall(stdin.encode("utf-8", "surrogateescape" if errors == "surrogateescape" else "strict"))
                channel.shutdown_write()
            out, err = bytearray(), bytearray()
            for said, more in ((out, channel.recv), (err, channel.recv_stderr)):
                while chunk := more(65536):
                    said.extend(chunk)
                    if len(said) > answers.LIMIT_BYTES:
                        raise Unreadable(f"{self.named} says too much where a short answer belongs", hint=UNREADABLE)
            return channel.recv_exit_status(), out.decode(errors=errors), err.decode(errors=errors)
        except (OSError, EOFError) as error:
            raise Unreachable(f"{self.named} stopped answering while running: {command[:60]}") from error
        finally:
            with contextlib.suppress(OSError, EOFError):  # a router has hung up already
                channel.close()
