"""Where the hosts of an office answer now."""

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from provisioner.errors import HostKeyChanged, Unreachable
from provisioner.hosts.access import CONNECT_TIMEOUT_S, NoRoomHere, SshAccess, changed
from provisioner.hosts.first_contact import FirstContact
from provisioner.hosts.pins import pinned


@dataclass(frozen=True)
class HostLookup:
    """Where a host was met, or why not and what to try. Exactly one of `address` and `problem` is set.

    `ahead_s`: how far its clock is ahead of ours; None when it did not say.
    """

    host: str
    address: str = ""
    problem: str = ""
    hint: str = ""
    key_changed: bool = False
    ahead_s: float | None = None


def look_up(
    ssh: SshAccess, candidates: dict[str, list[str]], appliances: Collection[str] = ()
) -> dict[str, HostLookup]:  # fmt: skip
    """Log in to each host at the first of its addresses where the pinned key answers; all hosts at once.

    The connection made stays open (control socket): who comes next pays no handshake.

    Args:
        ssh: who logs in, and how.
        candidates: host -> its possible addresses, the likeliest first.
        appliances: those of them where nobody logs in yet: that the pinned key is shown is enough.

    Raises:
        NoRoomHere: this laptop cannot make a connection.
    """
    with ThreadPoolExecutor(max_workers=max(1, min(32, len(candidates)))) as pool:
        found = pool.map(
            lambda item: _shown(ssh, *item) if item[0] in appliances else _look_up(ssh, *item), candidates.items()
        )  # fmt: skip
        return {one.host: one for one in found}


def _look_up(ssh: SshAccess, host: str, addresses: list[str]) -> HostLookup:
    problems: list[HostKeyChanged | Unreachable] = []
    for address in addresses:
        try:
            done = ssh.run(host, address, ["sudo", "-n", "date", "+%s"], timeout_s=CONNECT_TIMEOUT_S + 10)
        except NoRoomHere:
            raise
        except (HostKeyChanged, Unreachable) as error:
            problems.append(error)
            continue
        if done.returncode:
            said = " ".join((done.stderr.strip() or done.stdout.strip())[:200].split())
            why = "refuses sudo to {}" if "sudo" in said else "lets {} in, but runs no command"
            return HostLookup(host, problem=f"{host} ({address}) {why.format(ssh.user)}{': ' * bool(said)}{said}")
        said = done.stdout.strip()
        seconds = int(said) if said.isascii() and said.isdecimal() and len(said) < 12 else None
        return HostLookup(host, address, ahead_s=None if seconds is None else seconds - time.time())
    return _unmet(host, problems)


def _shown(ssh: SshAccess, host: str, addresses: list[str]) -> HostLookup:
    """Where a machine shows the pinned key; no login is begun."""
    problems: list[HostKeyChanged | Unreachable] = []
    for address in addresses:
        try:
            with FirstContact(address, host) as contact:
                refuse_other_key(ssh, host, address, contact.key)
        except (HostKeyChanged, Unreachable) as error:
            problems.append(error)
        else:
            return HostLookup(host, address)
    return _unmet(host, problems)


def refuse_other_key(ssh: SshAccess, host: str, address: str, key: str) -> None:
    """Let a host through that shows the key pinned for it.

    Raises:
        HostKeyChanged: it shows another one.
    """
    if key not in pinned(ssh.target).get(host, []):
        raise changed(host, address, ssh.target.words)


def _unmet(host: str, problems: list[HostKeyChanged | Unreachable]) -> HostLookup:
    if not problems:
        return HostLookup(host, problem=f"{host} has no known address")
    if other := next((p for p in problems if isinstance(p, HostKeyChanged)), None):
        return HostLookup(host, problem=str(other), hint=other.hint, key_changed=True)
    return HostLookup(host, problem="; ".join(map(str, problems)), hint=problems[-1].hint)
