"""Pinned connections: the only room that imports paramiko.

Two kinds. First contact (adopt) is paramiko's: there is no pinned key yet, a person looks at the fingerprint,
then a password or a key goes over that one connection. Everything after is OpenSSH with the pinned key, through control
sockets that Ansible shares, because the handshake is what a connection costs (76 ms of laptop CPU, 5 over a socket).

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
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner import answers
from provisioner.errors import HostKeyChanged, Missing, Unreachable, Unreadable
from provisioner.inventory.disk import write
from provisioner.inventory.target import Target

if TYPE_CHECKING:
    import paramiko

CONNECT_TIMEOUT_S = 6
_PID = re.compile(r"[0-9a-f]{1,8}")
PORT = 22

UNREADABLE = "look at the machine itself: what it says is not what was asked"
SILENT = "takes the connection and stays silent"
# Debian 13's sshd, after some wrong logins from one address (sshd_config(5), PerSourcePenalties); a busy one too.
HANGS_UP = "hangs up before the login, as hosts do for a while after several wrong ones"


class NoRoomHere(Unreachable):
    """This laptop has no room for a connection's socket: nothing is wrong with the host, and none is worth asking."""

    exit_code = 2


@dataclass(frozen=True)
class Door:
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
        """The folder of our sockets: of this target and process. Its name is short: a socket's path has 107 bytes (unix(7))."""
        folder = self.target.control / f"{os.getpid():x}"
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
            *([words[0] if len(words) == 1 else shlex.join(words)] if words else []),
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
            done = answers.call(self.command(host, address, words), stdin=stdin, timeout_s=timeout_s, limit_bytes=limit_bytes)
        except subprocess.TimeoutExpired as error:
            raise Unreachable(f"{host} ({address}) gave no answer within {timeout_s:.0f} s") from error
        except answers.TooMuch as error:
            raise Unreadable(
                f"{host} ({address}) says {error} where a short answer belongs; the rest was not read", hint=UNREADABLE
            ) from error
        if done.returncode == 255:
            raise explain(host, address, self.user, done.stderr)
        return done

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
    for entry in target.control.iterdir():
        if entry.is_socket():  # of a version whose sockets all lay here
            entry.unlink(missing_ok=True)
        elif not (_PID.fullmatch(entry.name) and Path(f"/proc/{int(entry.name, 16)}").exists()):
            _close(entry)


def _literal(path: Path) -> str:
    return str(path).replace("%", "%%")


def explain(host: str, address: str, user: str, stderr: str) -> HostKeyChanged | Unreachable:
    """Turn what OpenSSH said into one plain sentence with the host's name; its words come last, as evidence.

    Raises:
        NoRoomHere: it is this laptop that has no room for the connection's socket.
    """
    if full := re.search(rf"unix_listener: .* path (.+): {os.strerror(errno.ENOSPC)}", stderr):
        said = f"no room is left on this laptop's disk: {os.strerror(errno.ENOSPC)}: {full[1]}"
        raise NoRoomHere(said, hint="df -h; df -i; make room, then again")
    if "IDENTIFICATION HAS CHANGED" in stderr or "Host key verification failed" in stderr:
        return HostKeyChanged(
            f"{host} ({address}) shows another host key than the pinned one; nothing was sent to it",
            hint=f"look at the machine itself; if it was reinstalled: provisioner adopt OFFICE {host} --replace-key",
        )
    last = next((line for line in reversed(stderr.strip().splitlines()) if line.strip()), "no answer")
    if "Permission denied" in stderr:
        return Unreachable(
            f"{host} ({address}) refuses {user}'s key",
            hint=f"provisioner adopt OFFICE {host}, or check the key you use",
        )
    if "timed out during banner exchange" in stderr:
        return Unreachable(f"{host} ({address}) {SILENT}", hint=f"is it {host}, and does its sshd run?")
    if "banner" in stderr or "kex_exchange" in stderr or "Connection reset" in stderr:
        return Unreachable(f"{host} ({address}) {HANGS_UP}: {last}", hint="wait a minute, then again")
    if "Connection closed" in stderr:  # by PAM once it took the key, or by a setting: why is told to the host's own log alone
        hint = f"is {user} closed there? or it refuses us for a while: wait a minute, then again"
        return Unreachable(f"{host} ({address}) ends the connection when {user} logs in: {last}", hint=hint)
    return Unreachable(f"{host} ({address}) does not answer: {last}", hint=f"is {host} switched on and plugged in?")


@dataclass(frozen=True)
class Found:
    """Where a host was met, or why not and what to try. Exactly one of `address` and `problem` is set.

    `ahead_s`: how far its clock is ahead of ours; None when it did not say.
    """

    host: str
    address: str = ""
    problem: str = ""
    hint: str = ""
    key_changed: bool = False
    ahead_s: float | None = None


def locate(door: Door, candidates: dict[str, list[str]]) -> dict[str, Found]:
    """Log in to each host at the first of its addresses where the pinned key answers; all hosts at once.

    The connection made stays open (control socket): who comes next pays no handshake.

    Args:
        door: who knocks.
        candidates: host -> its possible addresses, the likeliest first.

    Raises:
        NoRoomHere: this laptop cannot make a connection.
    """
    with ThreadPoolExecutor(max_workers=max(1, min(32, len(candidates)))) as pool:
        found = pool.map(lambda item: _locate(door, *item), candidates.items())
        return {one.host: one for one in found}


def _locate(door: Door, host: str, addresses: list[str]) -> Found:
    problems: list[HostKeyChanged | Unreachable] = []
    for address in addresses:
        try:
            done = door.run(host, address, ["sudo", "-n", "date", "+%s"], timeout_s=CONNECT_TIMEOUT_S + 10)
        except NoRoomHere:
            raise
        except (HostKeyChanged, Unreachable) as error:
            problems.append(error)
            continue
        if done.returncode:
            said = " ".join((done.stderr.strip() or done.stdout.strip())[:200].split())
            why = "refuses sudo to {}" if "sudo" in said else "lets {} in, but runs no command"
            return Found(host, problem=f"{host} ({address}) {why.format(door.user)}{': ' * bool(said)}{said}")
        said = done.stdout.strip()
        seconds = int(said) if said.isascii() and said.isdecimal() and len(said) < 12 else None
        return Found(host, address, ahead_s=None if seconds is None else seconds - time.time())
    if not problems:
        return Found(host, problem=f"{host} has no known address")
    if changed := next((p for p in problems if isinstance(p, HostKeyChanged)), None):
        return Found(host, problem=str(changed), hint=changed.hint, key_changed=True)
    return Found(host, problem="; ".join(map(str, problems)), hint=problems[-1].hint)


# ---------------------------------------------------------------------------------------------- pins


def pinned(target: Target) -> dict[str, list[str]]:
    """The pinned keys of the office: host -> `type base64` lines."""
    pins: dict[str, list[str]] = {}
    if target.known_hosts.exists():
        for line in target.known_hosts.read_text().splitlines():
            alias, _, key = line.strip().partition(" ")
            host, _, office = alias.partition(".")
            if office == target.office and key:
                pins.setdefault(host, []).append(key)
    return pins


def pin(target: Target, host: str, keys: Iterable[str] = ()) -> None:
    """Make `keys` the host's pinned keys, in place of any other (none: forget the host)."""
    pins = {**pinned(target), host: list(keys)}
    lines = [f"{target.alias(name)} {key}\n" for name in sorted(pins) for key in pins[name]]
    write(target.known_hosts, "".join(lines))


# ---------------------------------------------------------------------------------------- neighbours


def shown_key(address: str) -> str:
    """The host key of whoever answers at an address, `type base64`; empty when nobody does. No login is begun."""
    try:
        with FirstContact(address) as contact:
            return contact.key
    except Unreachable:
        return ""


def on_lan(network: str) -> bool:
    """Whether this laptop has an address of its own in that network; nothing is sent."""
    import ipaddress
    import json

    lan = ipaddress.IPv4Network(network)
    shown = subprocess.run(["ip", "-j", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    return any(ipaddress.ip_address(entry["local"]) in lan for link in json.loads(shown) for entry in link.get("addr_info", []))


def neighbours(network: str) -> dict[str, list[str]]:
    """Who is on the LAN: MAC -> IPv4 addresses, from the kernel after one datagram to each address made it ask (ARP).

    A machine that was just given another address stands at both for a while; the one that answered now comes first.

    Empty, and nothing is sent, where this laptop is not on that LAN. No privilege needed; at most a /22, because a larger
    sweep overflows the kernel's table (1,024 entries).
    """
    import ipaddress
    import json
    import socket

    lan = ipaddress.IPv4Network(network)
    if not on_lan(network):  # the sweep would leave through the default route, to whoever has these addresses there
        return {}
    if lan.num_addresses <= 1024:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setblocking(False)
            for count, address in enumerate(lan.hosts()):
                try:
                    probe.sendto(b"", (str(address), 9))  # discard, RFC 863
                except OSError:
                    continue
                if count % 64 == 63:
                    time.sleep(0.05)  # the kernel queues few unresolved neighbours at once
        time.sleep(1.0)
    shown = subprocess.run(["ip", "-j", "-4", "neigh"], capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = {}
    entries = [e for e in json.loads(shown or "[]") if "lladdr" in e and ipaddress.ip_address(e["dst"]) in lan]
    for entry in sorted(entries, key=lambda e: "REACHABLE" not in e.get("state", [])):
        found.setdefault(entry["lladdr"].lower(), []).append(entry["dst"])
    return found


def answering(known: list[str], port: int = PORT) -> str:
    """The first of these addresses of one machine at which something listens; the first of all when nothing does.

    A machine that was set up anew has another address, and the kernel goes on knowing the former for a while.
    """
    import contextlib
    import socket

    for address in known if len(known) > 1 else []:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=2):
            return address
    return known[0]


# --------------------------------------------------------------------------------------------- keys


def technician_key(target: Target) -> Path:
    """The private key file to log in with: a lab's own (made here), or the technician's.

    The technician's is `git config provisioner.key` of the inventory, else the usual places.

    Raises:
        Missing: there is none.
    """
    if target.lab:
        key = target.state / "technician"
        if not key.exists():
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab of {target.office}", "-f", str(key)],
                check=True,
            )
        return key
    named = subprocess.run(
        ["git", "-C", str(target.inventory), "config", "--type=path", "provisioner.key"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    usual = [Path.home() / ".ssh" / name for name in ("id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_rsa")]
    for path in [Path(named)] if named else usual:
        if path.is_file() or path.with_suffix(".pub").is_file():
            return path
    raise Missing(
        f"no private key to log in with{f' at {named}' if named else ''}",
        hint="ssh-keygen -t ed25519, or git config provisioner.key FILE in the inventory",
    )


def public_key(key: Path) -> str:
    """The public line (`type base64 comment`) that belongs to a private key file."""
    beside = key.with_name(key.name + ".pub")
    if beside.exists():
        return beside.read_text().strip()
    return subprocess.run(["ssh-keygen", "-y", "-f", str(key)], capture_output=True, text=True, check=True).stdout.strip()


_BASE64 = re.compile(r"^[A-Za-z0-9+/=]+$")


def fingerprint(key: str) -> str:
    """`SHA256:…` of a `type base64` line, as `ssh-keygen -l` shows it."""
    import base64
    import hashlib

    blob = key.split()[1]
    if not _BASE64.match(blob):
        raise ValueError(f"not a public key: {key[:40]}")
    return "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode().rstrip("=")


# ------------------------------------------------------------------------------------- first contact


def _private(path: Path) -> "paramiko.PKey":
    """The key in a file and nothing beside it: paramiko's own loader would show a stale `FILE-cert.pub` in its place.

    Raises:
        paramiko.SSHException: it is no key, or has a passphrase.
    """
    import paramiko

    kinds: list[type[paramiko.PKey]] = [paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey]
    for kind in kinds:
        try:
            return kind.from_private_key_file(str(path))
        except paramiko.PasswordRequiredException as error:
            raise paramiko.SSHException(f"{path} has a passphrase") from error
        except (paramiko.SSHException, ValueError):
            continue
    raise paramiko.SSHException(f"{path} is no private key that can be used here")


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
        began = time.monotonic()
        self._transport = paramiko.Transport(self._socket)
        self._transport.banner_timeout = CONNECT_TIMEOUT_S
        try:
            self._transport.start_client(timeout=CONNECT_TIMEOUT_S)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self._socket.close()
            if time.monotonic() - began >= CONNECT_TIMEOUT_S:
                raise Unreachable(f"{self.named} {SILENT}", hint="is it the right machine, and does its sshd run?") from error
            if isinstance(error, paramiko.SSHException) and "banner" not in str(error):
                raise Unreachable(f"{self.named} does not answer as an SSH server: {error}") from error
            raise Unreachable(f"{self.named} {HANGS_UP}: {error or 'no word'}", hint="wait a minute, then again") from error
        remote = self._transport.get_remote_server_key()
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
                self._transport.auth_publickey(user, _private(key))
        except paramiko.AuthenticationException as error:
            what = "password" if password is not None else "key"
            raise Unreachable(f"{self.named} refuses {user}'s {what}", hint="look at the machine for its login") from error
        except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
            raise Unreachable(f"{self.named}: the login of {user} failed: {error}") from error
        self._user, self._password, self._may_sudo = user, password, False

    def run(self, command: str, *, stdin: str = "", sudo: bool = False, timeout_s: float = 120) -> tuple[int, str, str]:
        """Run a shell command, as root with `sudo`; the sudo password goes by standard input, before a line `BEGIN`.

        A sudo that asks for no password leaves that line unread: the command starts by reading up to `BEGIN`. The password
        is proven by itself first: of a wrong one sudo would take the lines that follow for two more tries.

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
            stdin = f"{password or chr(10)}BEGIN\n{stdin}"
        return self._run(command, stdin, timeout_s)

    def _run(self, command: str, stdin: str, timeout_s: float) -> tuple[int, str, str]:
        channel = self._transport.open_session(timeout=timeout_s)
        channel.settimeout(timeout_s)
        try:
            channel.exec_command(command)
            channel.sendall(stdin.encode())
            channel.shutdown_write()
            out, err = bytearray(), bytearray()
            for said, more in ((out, channel.recv), (err, channel.recv_stderr)):
                while chunk := more(65536):
                    said.extend(chunk)
                    if len(said) > answers.LIMIT_BYTES:
                        raise Unreadable(f"{self.named} says too much where a short answer belongs", hint=UNREADABLE)
            return channel.recv_exit_status(), out.decode(errors="replace"), err.decode(errors="replace")
        except (OSError, EOFError) as error:
            raise Unreachable(f"{self.named} stopped answering while running: {command[:60]}") from error
        finally:
            channel.close()
