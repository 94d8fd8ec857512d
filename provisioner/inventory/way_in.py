"""The way in for maintenance: who has which address in the tunnels, what each end is to be set to, and whether it is open here.

An office is met at addresses of its own ULA (RFC 4193), so two offices with the same LAN are two: each host's is the prefix with
the host's IPv4 address in its last 32 bits. The tunnel ends at the office's server, because every office has that one alike,
whatever its router is, and a push that breaks the router does not set the tunnel; only without a server at a Debian router.

Technicians' addresses lie in subnet 1 of the hub's prefix, each derived from the login: the office's log knows who came by it.
"""

import hashlib
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from provisioner.errors import BadInput
from provisioner.inventory.dossier import Office
from provisioner.inventory.models import Kind
from provisioner.inventory.resellers import Reseller
from provisioner.inventory.target import Target
from provisioner.laptop.processes import born

ROLE, PORT = "remote", 51820
RECORD = "remote.json"


def gate(office: Office) -> str:
    """The host at which the office's tunnel ends; empty where the office has none that could."""
    debian = {name: host for name, host in office.hosts.items() if not host.appliance}
    for kind in (Kind.SERVER, Kind.ROUTER):
        if found := next((name for name, host in debian.items() if host.kind is kind), ""):
            return found
    return ""


def hub_of(office: Office, look: Callable[[str], Office]) -> Office:
    """The hub that an office calls, or itself where it is one; `look` reads an office.

    Raises:
        BadInput: it calls none, or the one it names does not know it.
    """
    if office.hub:
        return office
    if not office.remote:
        raise BadInput(
            f"{office.name} has no way in: its dossier names no hub",
            hint=f"remote: {{hub: OFFICE}} in offices/{office.name}/dossier.yml, and the office in that one's hub.offices",
        )
    hub = look(office.remote.hub)
    if not hub.hub or office.name not in hub.hub.offices:
        raise BadInput(
            f"{office.name} calls {hub.name}, which is no hub that leads to it",
            hint=f"hub: {{endpoint: …, offices: [{office.name}]}} in offices/{hub.name}/dossier.yml",
        )
    return hub


def address(office: Office, at: IPv4Address) -> IPv6Address:
    """Where a technician meets the host that has this address in the office's LAN."""
    return IPv6Address(int(office.ula.network_address) + int(at))


def technicians(hub: Office) -> IPv6Network:
    """The network that technicians come from."""
    return IPv6Network((int(hub.ula.network_address) + (1 << 64), 64))


def technician(hub: Office, login: str) -> IPv6Address:
    """A technician's own address."""
    number = int.from_bytes(hashlib.sha256(login.encode()).digest()[:8], "big")
    return IPv6Address(int(technicians(hub).network_address) + number)


def plan(
    office: Office, hub: Office, offices: Mapping[str, Office], reseller: Reseller, keys: Mapping[str, str],
    laptops: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """What the end of a tunnel at `office` is to be set to; `office` may be the hub itself.

    Args:
        offices: those that the hub leads to, by name; read for the hub's own end alone.
        keys: public keys by office, as far as they are known: without its key an office is left out.
        laptops: public keys of technicians by login, where they differ from the reseller's file (a lab's own).

    Returns:
        `port` (0: any), `peers` (name, key, allowed, endpoint), `relays` (host, listen, to), `technicians` (address -> name),
        `technicians_from` and `offices` (networks).
    """
    own = {login: one.tunnel_key for login, one in reseller.technicians.items() if one.tunnel_key} | dict(laptops)
    found: dict[str, Any] = {
        "port": 0,
        "peers": [],
        "relays": [
            {"host": name, "listen": str(address(office, host.address)), "to": str(host.address)}
            for name, host in office.hosts.items()
        ],
        "technicians": {str(technician(hub, login)): one.name for login, one in reseller.technicians.items()},
        "technicians_from": str(technicians(hub)),
        "offices": [],
    }
    if office.name != hub.name:
        assert hub.hub
        if hub.name in keys:
            endpoint = f"{hub.hub.endpoint}:{PORT}"
            allowed = [str(technicians(hub))]
            found["peers"] = [{"name": hub.name, "key": keys[hub.name], "allowed": allowed, "endpoint": endpoint}]
        return found
    there = {name: one for name, one in offices.items() if name in keys}
    peers = [{"name": name, "key": keys[name], "allowed": [str(one.ula)], "endpoint": ""} for name, one in there.items()]
    peers += [
        {"name": login, "key": key, "allowed": [f"{technician(hub, login)}/128"], "endpoint": ""}
        for login, key in own.items()
        if login in reseller.technicians
    ]
    return found | {"port": PORT, "peers": peers, "offices": [str(one.ula) for one in there.values()]}


@dataclass(frozen=True)
class Opened:
    """That a technician opens the way to an office on this laptop: the hub, who, why, since when (s, epoch).

    It is open once the office was met by it, noted why, and the audit has it; until then it is its owner's alone, the process
    (pid, start) that opens it: whatever kills that one leaves nothing open.
    """

    hub: str
    who: str
    because: str
    since: float
    boot: str
    owner: str = ""
    met: bool = False

    @property
    def alive(self) -> bool:
        """Whether this is of this start of the laptop, and either open or about to be."""
        return self.boot == boot() and (self.met or (self.owner != "" and self.owner == process(int(self.owner.split()[0]))))


def process(pid: int) -> str:
    """One process in the world, as an owner is written; empty where there is none."""
    return f"{pid} {started}" if (started := born(pid)) else ""


def boot() -> str:
    """This start of the laptop's: with it goes every link."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def recorded(target: Target) -> Opened | None:
    """What is written down of the way to an office, open or about to be; None where that is of the past."""
    try:
        found = Opened(**json.loads((target.state / RECORD).read_text(encoding="utf-8")))
        return found if found.alive else None
    except (OSError, ValueError, TypeError, AttributeError, IndexError):
        return None


def opened(target: Target) -> Opened | None:
    """How the way to an office is open here; None: it is not, and its hosts are looked for on the LAN.

    A real one needs its link too, which anybody may have taken down; a lab's lies in a network that a call is yet to enter.
    """
    found = recorded(target)
    if not found or not found.met:
        return None
    return found if target.lab or linked(link(Target(target.inventory, found.hub))) else None


def linked(name: str) -> bool:
    """Whether this network has a link of that name."""
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False


def link(hub: Target) -> str:
    """What the technician's link to a hub is called on this laptop."""
    return f"pr-{hub.id}"


def public_key(target: Target) -> str:
    """The public key of an office's end; empty where none was made yet."""
    try:
        return target.tunnel_public.read_text(encoding="ascii").strip()
    except OSError:
        return ""
