"""The virtual LAN: a namespace per host, their cables into one bridge, and a way out that ends at a package cache.

Everything is made inside namespaces of the lab's own: no link, address or rule ever appears in the laptop's network.
"""

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from provisioner.errors import BadInput
from provisioner.inventory.dossier import Backup, Host, Interfaces, Mail, Office, serves_websites
from provisioner.inventory.models import Kind
from provisioner.inventory.placement import LAB_INTERNET, LAB_PROXY_PORT
from provisioner.lab.remove import mounts_below
from provisioner.laptop.processes import run

NAMESPACES = Path("/run/netns")

# TEST-NET-2 (RFC 5737) stands for the Internet, or for the near end of the line to one that labs share; it exists inside the
# lab's namespaces only.
INTERNET = IPv4Interface(f"{LAB_INTERNET}/24")
OUTSIDE = IPv4Interface("198.51.100.2/24")
PROXY_PORT = LAB_PROXY_PORT
INTERNET_LINK = "internet"
SHARED = IPv4Network("203.0.113.0/24")  # TEST-NET-3: the outer addresses of gateways on an Internet that labs share


@dataclass(frozen=True, slots=True)
class Cable:
    """A host's link into the LAN: its name and MAC inside the host, and its port on the bridge."""

    host: str
    namespace: str
    link: str
    mac: str
    port: str


@dataclass(frozen=True, slots=True)
class Printer:
    """A printer on the LAN: its cable, its address with the prefix, and what it says of itself."""

    cable: Cable
    address: str
    port: int
    model: str
    location: str


@dataclass(frozen=True, slots=True)
class Provider:
    """The machine that stands in the lab's Internet for all of the office's providers, and what it offers."""

    name: str
    mail: Mapping[str, Any] | None
    backup: Mapping[str, Any] | None
    website: str = ""  # the name of a site that wants a certificate, and leads to the office's line


@dataclass(frozen=True, slots=True)
class Appliance:
    """A router that is driven by its own login: what stands in for it where its system cannot be had here, who answers around."""

    host: str
    address: str
    platform: str
    login: str
    answers: tuple[str, ...]

    @property
    def real(self) -> bool:
        """Whether it is a machine of the lab's own, with the very programs."""
        return self.platform == "frr"


@dataclass(frozen=True, slots=True)
class Line:
    """A lab's line to an Internet that it shares: the name of that one, and the number there that its addresses end in."""

    internet: str
    number: int

    @property
    def outside(self) -> IPv4Interface:
        """The outer address of the lab's gateway, alone on its wire as at a provider's."""
        return IPv4Interface(f"{SHARED[self.number]}/32")


@dataclass(frozen=True, slots=True)
class Network:
    """The plan of one lab's network; pure, nothing is made yet. `internet` is the namespace of the lab's own end of its line."""

    lan: str
    internet: str
    gateway: str
    router: str
    laptop: str
    pool_offset: int
    pool_size: int
    cables: tuple[Cable, ...]
    printers: tuple[Printer, ...] = ()
    provider: Provider | None = None
    appliances: tuple[Appliance, ...] = ()
    line: Line | None = None
    wan: str = "wan0"  # the router's own names for its ports
    guest_port: str = ""
    guests: str = ""  # the namespace of somebody who sits in the guests' network
    far_end: str = ""  # of a static line: the provider's own address there, with the prefix
    own_address: str = ""  # and the office's

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Network":
        """The one that `asdict` and JSON made `data` of."""
        printers = tuple(Printer(**one | {"cable": Cable(**one["cable"])}) for one in data.get("printers", ()))
        provider = Provider(**data["provider"]) if data.get("provider") else None
        cables = tuple(Cable(**cable) for cable in data["cables"])
        stand_ins = tuple(Appliance(**one | {"answers": tuple(one["answers"])}) for one in data.get("appliances", ()))
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}  # a newer version's has more
        return cls(**{**known, "cables": cables, "printers": printers, "provider": provider, "appliances": stand_ins})

    @property
    def namespaces(self) -> list[str]:
        """The names of all its namespaces."""
        return [self.lan, self.internet, *([self.guests] if self.guests else []), *(cable.namespace for cable in self.wired)]

    @property
    def real(self) -> dict[str, Appliance]:
        """Its hosts that are routers with a login of their own and no stand-ins, by name."""
        return {one.host: one for one in self.appliances if one.real}

    @property
    def wired(self) -> list[Cable]:
        """Every cable into the LAN, of hosts and of printers."""
        return [*self.cables, *(printer.cable for printer in self.printers)]

    @property
    def outside(self) -> IPv4Interface:
        """The outer address of its gateway."""
        return self.line.outside if self.line else OUTSIDE

    @property
    def machines(self) -> int:
        """How many systems boot."""
        return len(self.cables) + bool(self.provider)

    def cable(self, name: str) -> Cable:
        """The cable of one host or printer.

        Raises:
            KeyError: the lab has none of this name.
        """
        return {cable.host: cable for cable in self.wired}[name]


def _mac(text: str) -> str:
    """A stable, locally administered MAC (IEEE 802, second bit of the first octet)."""
    return "02:" + ":".join(f"{octet:02x}" for octet in hashlib.sha256(text.encode()).digest()[:5])


def plan(office: Office, lab_id: str) -> Network:
    """Lay out the network of `office`; a gateway stands in when the dossier has no router.

    The laptop gets the highest address that is neither a host's nor in the DHCP pool.

    Raises:
        BadInput: the LAN has no address left for the gateway or the laptop, or the pool is not in it.
    """
    lan: IPv4Network = office.lan.network
    first, last = office.lan.dhcp_first, office.lan.dhcp_last
    taken = {host.address for host in office.hosts.values()} | {office.lan.gateway}
    taken |= {printer.address for printer in office.printers.values()}
    free = [a for a in lan.hosts() if a not in taken and not first <= a <= last] if lan.num_addresses <= 65536 else []
    if len(free) < 2 or first not in lan or last not in lan or last < first:
        raise BadInput(f"{office.name}: no room for a lab in {lan} beside its pool {first} to {last}")
    routers = [name for name, host in office.hosts.items() if host.kind is Kind.ROUTER]
    hosts: dict[str, Host | None] = dict(office.hosts)
    if routers:
        router, gateway = routers[0], office.hosts[routers[0]].address
    else:
        router, gateway = (
            next(n for n in ("gateway", "lab-gateway", "gateway-of-the-lab") if n not in hosts),
            office.lan.gateway or free[0],
        )
        hosts[router] = None
    ports = (office.hosts[router].interfaces if routers else None) or Interfaces()
    cables = [
        Cable(
            host=name,
            namespace=f"pv-{lab_id}-{name}",
            link=(ports.lan or ["lan0"])[0] if name == router else "eth0",
            mac=host.mac if host else _mac(f"{lab_id} {name}"),
            port=f"port{number}",
        )
        for number, (name, host) in enumerate(hosts.items(), start=1)
    ]
    return Network(
        # A host's name has no dot, so these two never meet a host called "lan" or "net".
        lan=f"pv-{lab_id}-lan." if "lan" in hosts else f"pv-{lab_id}-lan",
        internet=f"pv-{lab_id}-net." if "net" in hosts else f"pv-{lab_id}-net",
        gateway=f"{gateway}/{lan.prefixlen}",
        router=router,
        laptop=f"{free[-1]}/{lan.prefixlen}",
        pool_offset=int(first) - int(lan.network_address),
        pool_size=int(last) - int(first) + 1,
        cables=tuple(cables),
        printers=_printers(office, lab_id, len(cables)),
        provider=_provider(office),
        appliances=tuple(
            Appliance(name, str(one.address), one.platform, one.account, tuple(str(o.address) for o in office.hosts.values()))
            for name, one in office.hosts.items()
            if one.appliance
        ),
        wan=ports.wan or "wan0",
        guest_port=ports.guests or "" if office.guests else "",
        guests=(f"pv-{lab_id}-guests." if "guests" in hosts else f"pv-{lab_id}-guests") if office.guests and ports.guests else "",
        far_end=f"{office.wan.gateway}/{office.wan.address.network.prefixlen}" if office.wan.address else "",
        own_address=str(office.wan.address or ""),
    )


def _printers(office: Office, lab_id: str, hosts: int) -> tuple[Printer, ...]:
    return tuple(
        Printer(
            # a printer may bear the name of a host; no host's has a dot
            Cable(name, f"pv-{lab_id}-printer.{name}", "eth0", _mac(f"{lab_id} printer {name}"), f"port{number}"),
            f"{printer.address}/{office.lan.network.prefixlen}",
            printer.port,
            printer.model,
            printer.location,
        )
        for number, (name, printer) in enumerate(office.printers.items(), start=hosts + 1)
    )


def _provider(office: Office) -> Provider | None:
    def plain(one: Mail | Backup | None) -> dict[str, Any] | None:
        return one.model_dump(mode="json", exclude={"host_key"}) if one else None

    website = office.website.domain if office.website and serves_websites(office) else ""
    if not (office.mail or office.backup or website):
        return None
    names = ("provider", "lab-provider", "provider-of-the-lab")
    free = next(name for name in names if name not in office.hosts and name not in office.printers)
    return Provider(free, plain(office.mail), plain(office.backup), website)


def ip(namespace: str | None, *lines: str) -> None:
    """Do these lines of ip(8) in a namespace, None for the laptop's own.

    Raises:
        HostFailed: it refused one; the message says what.
    """
    inside = ["-netns", namespace] if namespace else []
    run(["ip", *inside, "-batch", "-"], stdin="\n".join(lines).encode())


def build(network: Network) -> None:
    """Make the namespaces, the bridge and the cables.

    Raises:
        HostFailed: iproute2 refused; the message says what.
    """
    ip(None, *(f"netns add {name}" for name in network.namespaces))
    lines = [
        "link set lo up",
        f"link add lan address {_mac(network.lan)} type bridge",
        f"address add {network.laptop} dev lan",
        "link set lan up",
    ]
    for cable in network.wired:
        peer = f"peer name {cable.link} address {cable.mac} netns {cable.namespace}"
        lines += [f"link add {cable.port} type veth {peer}", f"link set {cable.port} master lan up alias {cable.host}"]
    lines.append(f"route add default via {network.gateway.split('/')[0]}")
    ip(network.lan, *lines)
    for printer in network.printers:
        ip(
            printer.cable.namespace,
            "link set lo up",
            f"address add {printer.address} dev {printer.cable.link}",
            f"link set {printer.cable.link} up",
            f"route add default via {network.gateway.split('/')[0]}",
        )
    if network.guests:
        _build_guests(network)
    out = f"peer name {network.wan} address {_mac(network.internet)} netns {network.cable(network.router).namespace}"
    ip(
        network.internet,
        "link set lo up",
        f"link add {INTERNET_LINK} type veth {out}",
        f"address add {INTERNET} dev {INTERNET_LINK}",
        *([f"address add {network.far_end} dev {INTERNET_LINK}"] if network.far_end else []),
        f"link set {INTERNET_LINK} up",
    )


def _build_guests(network: Network) -> None:
    """The guests' own cables: from the router's port, and to somebody who sits there."""
    router = network.cable(network.router).namespace
    ip(
        network.lan,
        f"link add guests address {_mac(network.guests)} type bridge",
        "link set guests up",
        f"link add guest-port type veth peer name {network.guest_port} address {_mac(network.guests + ' port')} netns {router}",
        "link set guest-port master guests up",
        f"link add guest-seat type veth peer name eth0 address {_mac(network.guests + ' seat')} netns {network.guests}",
        "link set guest-seat master guests up",
    )
    ip(network.guests, "link set lo up", "link set eth0 up")


def unplug(network: Network, host: str, *, plugged: bool) -> None:
    """Take the port of a host or printer on the bridge down, or up again."""
    ip(network.lan, f"link set {network.cable(host).port} {'up' if plugged else 'down'}")


def route_beyond(network: Network) -> None:
    """Let the Internet's side send to the LAN's addresses too, as a neighbour on the line could."""
    ip(network.internet, f"route replace {IPv4Interface(network.gateway).network} via {network.outside.ip}")


def remove(namespaces: list[str]) -> None:
    """Remove the namespaces that exist, and all links in them."""
    there = [name for name in namespaces if (NAMESPACES / name).exists()]
    if there:
        run(["ip", "-batch", "-"], stdin="\n".join(f"netns delete {name}" for name in there).encode())
    with contextlib.suppress(OSError):
        if not any(NAMESPACES.iterdir()):  # `ip netns add` mounted this folder on itself; it does so again at need
            while mounts_below(NAMESPACES) == [NAMESPACES]:
                run(["umount", str(NAMESPACES)])
            run(["rmdir", str(NAMESPACES)], check=False)


def files(network: Network, host: str) -> dict[str, str]:
    """What the host's systemd-networkd needs: path below / -> content. Hosts ask DHCP; the gateway gives it."""
    if host != network.router:
        # By MAC, not by DUID: a machine set up anew keeps its lease, as with the routers offices have.
        return {
            "etc/systemd/network/50-eth0.network": "[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\n\n"
            "[DHCPv4]\nClientIdentifier=mac\n"
        }
    link = network.cable(host).link
    return {
        "etc/systemd/network/50-lan0.network": f"[Match]\nName={link}\n\n[Network]\nAddress={network.gateway}\n"
        "DHCPServer=yes\nIPMasquerade=ipv4\n\n"
        f"[DHCPServer]\nPoolOffset={network.pool_offset}\nPoolSize={network.pool_size}\nEmitDNS=no\nEmitNTP=no\n",
        "etc/sysctl.d/50-gateway.conf": "net.ipv4.ip_forward=1\n",
        **(_SSHD_OFF if network.router in {one.host for one in network.appliances if not one.real} else {}),
        **outer_files(network),
    }


_OFF = "[Unit]\nConditionPathExists=/nonexistent\n"
_SSHD_OFF = {f"etc/systemd/system/{unit}.d/stand-in.conf": _OFF for unit in ("ssh.service", "ssh.socket")}


def outer_files(network: Network) -> dict[str, str]:
    """What of the gateway's `files` tells of its line: another one for a gateway that comes from a snapshot."""
    way = "[Route]\nGateway={}\nGatewayOnLink=yes\n" if network.line else "Gateway={}\n"
    head = f"[Match]\nName={network.wan}\n\n[Network]\nAddress={network.outside}\n"
    if network.own_address and network.router in network.real:  # whose way out a push gives, its address never
        return {"etc/systemd/network/50-wan0.network": f"{head}Address={network.own_address}\n"}
    return {"etc/systemd/network/50-wan0.network": head + way.format(INTERNET.ip)}
