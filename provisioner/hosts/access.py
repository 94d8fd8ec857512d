"""Pinned connections: the only room that imports paramiko.

Two kinds. First contact (adopt) is paramiko's: there is no pinned key yet, a person looks at the fingerprint,
then a password or a key goes over that one connection. Everything after is OpenSSH with the pinned key, through control
sockets that Ansible shares, because the handshake is what a connection costs (76 ms of laptop CPU, under 2 over a socket).

The key file is always named and certificates are switched off: a stale certificate beside a good key locks paramiko
and netmiko out. The laptop's own ssh configuration is not read: a `Host *` with `StrictHostKeyChecking no` there
would undo the pin.
"""

import contextlib
import errno
import os
import re
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import HostKeyChanged, Unreachable, Unreadable
from provisioner.hosts import answers, control_socket
from provisioner.inventory.target import Target

if TYPE_CHECKING:
    pass

CONNECT_TIMEOUT_S = 6
PORT = 22

UNREADABLE = "look at the machine itself: what it says is not what was asked"
SILENT = "takes the connection and stays silent"
# Debian 13's sshd, after some wrong logins from one address (sshd_config(5), PerSourcePenalties); a busy one too.
HANGS_UP = "hangs up before the login, as hosts do for a while after several wrong ones"


class NoRoomHere(Unreachable):
    """This laptop has no room for a connection's socket: nothing is wrong with the host, and none is worth asking."""

    exit_code = 2


@dataclass(frozen=True)
class SshAccess:
    """How one technician gets into the hosts of one target: login, private key file, pins.

    `shared` connections are reused over sockets, which lie in a folder of this process alone: `close` ends what we opened and
    nobody else's. A person's own session must not be one of them.
    """

    target: Target
    user: str
    key: Path
    shared: bool = True

    def options(self, host: str) -> list[str]:
        """The words for `ssh` that hold whatever the host's address is; used by us and by Ansible alike.

        `%` is doubled where the client would expand it (ssh_config(5), TOKENS).
        """
        return [
            "-F", "none",
            "-o", f"HostKeyAlias={self.target.alias(host)}",
            "-o", f'UserKnownHostsFile="{_literal(self.target.known_hosts)}"',
            "-o", "GlobalKnownHostsFile=/dev/null",
            "-o", "StrictHostKeyChecking=yes",
            "-o", "UpdateHostKeys=no",
            "-o", "CheckHostIP=no",
            "-o", "VerifyHostKeyDNS=no",
            "-o", "IdentitiesOnly=yes",
            "-o", f'IdentityFile="{_literal(self.key)}"',
            "-o", "CertificateFile=none",
            "-o", "PreferredAuthentications=publickey",
            "-o", "PasswordAuthentication=no",
            "-o", "ForwardAgent=no",
            "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}",
            "-o", "ServerAliveInterval=5",
            "-o", "ServerAliveCountMax=4",
            "-o", f"Port={PORT}",
        ]  # fmt: skip

    @property
    def control(self) -> Path:
        """The folder of our sockets: of this target and process."""
        folder = self.target.control(os.getpid())
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def sharing(self) -> list[str]:
        """The words that make connections to one host share a socket."""
        return [
            "-o", "ControlMaster=auto",
            "-o", "ControlPersist=60",
            "-o", f"ControlPath={_literal(self.control)}/%C",
        ]  # fmt: skip

    def command(self, host: str, address: str, words: Sequence[str] = (), *, batch: bool = True) -> list[str]:
        """The whole `ssh` command line for a host: one word is a line for its shell, several are quoted, none is a login."""
        return [
            "ssh",
            *self.options(host),
            *(self.sharing() if self.shared else []),
            *(["-o", "BatchMode=yes"] if batch else []),
            "-l", self.user,
            "--", address,
            *([_line(words)] if words else []),
        ]  # fmt: skip

    def run(
        self,
        host: str,
        address: str,
        words: Sequence[str],
        *,
        stdin: str = "",
        timeout_s: float = 60,
        limit_bytes: int = answers.LIMIT_BYTES,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host and return what it said; a secret, if any, goes by `stdin`.

        Raises:
            HostKeyChanged: the host shows another key than the pinned one.
            Unreachable: no connection, no login, or no answer within `timeout_s`.
            Unreadable: it says more than `limit_bytes`.
        """
        try:
            done = self._call(host, address, words, stdin, timeout_s, limit_bytes)
        except subprocess.TimeoutExpired as error:
            raise Unreachable(f"{host} ({address}) gave no answer within {timeout_s:.0f} s") from error
        except answers.TooMuch as error:
            raise Unreadable(
                f"{host} ({address}) says {error} where a short answer belongs; the rest was not read", hint=UNREADABLE
            ) from error
        if done.returncode == 255:
            raise explain(host, address, self.user, done.stderr, self.target.words)
        return done

    def _call(
        self, host: str, address: str, words: Sequence[str], stdin: str, timeout_s: float, limit_bytes: int
    ) -> subprocess.CompletedProcess[str]:
        """By the connection that is open, else by `ssh`, which opens one; beside one that is odd, without a socket."""
        until, way = time.monotonic() + timeout_s, self
        if self.shared:
            socket = self.control / control_socket.name(address, PORT, self.user)
            try:
                return control_socket.call(socket, _line(words), stdin=stdin, timeout_s=timeout_s, limit_bytes=limit_bytes)
            except control_socket.NoMaster:
                pass
            except control_socket.NotBegun:
                way = replace(self, shared=False)
        command, left_s = way.command(host, address, words), max(0.0, until - time.monotonic())
        return answers.call(command, stdin=stdin, timeout_s=left_s, limit_bytes=limit_bytes)

    def close(self) -> None:
        """End the connections that we opened."""
        _close(self.control)


def _close(folder: Path) -> None:
    """End the connections behind the sockets of a folder, and remove it."""
    with contextlib.suppress(OSError):  # somebody else sweeps it too
        for socket in folder.iterdir():
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    ["ssh", "-F", "none", "-o", f"ControlPath={_literal(socket)}", "-O", "exit", "--", "x"],
                    capture_output=True, check=False, timeout=10,
                )  # fmt: skip
            socket.unlink(missing_ok=True)
        folder.rmdir()


def sweep(target: Target) -> None:
    """End the connections that killed processes of ours left open; those of living ones are theirs."""
    for pid, folder in target.controls().items():
        if not Path(f"/proc/{pid}").exists():
            _close(folder)


def _line(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else shlex.join(words)


def _literal(path: Path) -> str:
    return str(path).replace("%", "%%")


def changed(host: str, address: str, office: str = "OFFICE") -> HostKeyChanged:
    """What is said of a host that shows another key than the pinned one."""
    return HostKeyChanged(
        f"{host} ({address}) shows another host key than the pinned one; nothing was sent to it",
        hint=f"look at the machine itself; if it was reinstalled: provisioner adopt {office} {host} --replace-key",
    )


def explain(host: str, address: str, user: str, stderr: str, office: str = "OFFICE") -> HostKeyChanged | Unreachable:
    """Turn what OpenSSH said into one plain sentence with the host's name; its words come last, as evidence.

    Raises:
        NoRoomHere: it is this laptop that has no room for the connection's socket.
    """
    if full := re.search(rf"unix_listener: .* path (.+): {os.strerror(errno.ENOSPC)}", stderr):
        said = f"no room is left on this laptop's disk: {os.strerror(errno.ENOSPC)}: {full[1]}"
        raise NoRoomHere(said, hint="df -h; df -i; make room, then again")
    if "IDENTIFICATION HAS CHANGED" in stderr or "Host key verification failed" in stderr:
        return changed(host, address, office)
    last = next((line for line in reversed(stderr.strip().splitlines()) if line.strip()), "no answer")
    if "Permission denied" in stderr:
        return Unreachable(
            f"{host} ({address}) refuses {user}'s key",
            hint=f"provisioner adopt {office} {host}, or check the key you use",
        )
    if "timed out during banner exchange" in stderr:
        return Unreachable(f"{host} ({address}) {SILENT}", hint=f"is it {host}, and does its sshd run?")
    if "banner" in stderr or "kex_exchange" in stderr or "Connection reset" in stderr:
        return Unreachable(f"{host} ({address}) {HANGS_UP}: {last}", hint="wait a minute, then again")
    if "Connection closed" in stderr:  # by PAM once it took the key, or by a setting: why is told to the host's own log alone
        hint = f"is {user} closed there? or it refuses us for a while: wait a minute, then again"
        return Unreachable(f"{host} ({address}) ends the connection when {user} logs in: {last}", hint=hint)
    return Unreachable(f"{host} ({address}) does not answer: {last}", hint=f"is {host} switched on and plugged in?")
