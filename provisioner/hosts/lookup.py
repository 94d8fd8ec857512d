"""Where the hosts of an office answer now."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.errors import HostKeyChanged, Unreachable

if TYPE_CHECKING:
    pass
from provisioner.hosts.access import CONNECT_TIMEOUT_S, NoRoomHere, SshAccess


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


def look_up(ssh: SshAccess, candidates: dict[str, list[str]]) -> dict[str, HostLookup]:
    """Log in to each host at the first of its addresses where the pinned key answers; all hosts at once.

    The connection made stays open (control socket): who comes next pays no handshake.

    Args:
        ssh: who logs in, and how.
        candidates: host -> its possible addresses, the likeliest first.

    Raises:
        NoRoomHere: this laptop cannot make a connection.
    """
    with ThreadPoolExecutor(max_workers=max(1, min(32, len(candidates)))) as pool:
        found = pool.map(lambda item: _look_up(ssh, *item), candidates.items())
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
    if not problems:
        return HostLookup(host, problem=f"{host} has no known address")
    if changed := next((p for p in problems if isinstance(p, HostKeyChanged)), None):
        return HostLookup(host, problem=str(changed), hint=changed.hint, key_changed=True)
    return HostLookup(host, problem="; ".join(map(str, problems)), hint=problems[-1].hint)
