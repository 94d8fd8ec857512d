"""What an office's router is to do, in words of no vendor: read off the dossier, the pack and the vault alone. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

from provisioner.inventory.dossier import Interfaces, Office
from provisioner.inventory.models import Kind
from provisioner.inventory.network import Wan
from provisioner.inventory.packs import Pack
from provisioner.inventory.placement import WEBSITE, forwards, ports, services
from provisioner.secrets.models import Secrets

TIME_SERVERS = tuple(f"{number}.pool.ntp.org" for number in range(4))  # their DNS answers with those that are near


@dataclass(frozen=True, slots=True)
class Subnet:
    """One network behind the router: its own address there, the DHCP pool, the /64 of the office's ULA."""

    name: str
    address: IPv4Interface
    first: IPv4Address
    last: IPv4Address
    ula: IPv6Interface
    vlan: int | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A machine that always gets the same address, and its name."""

    name: str
    mac: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class Wireless:
    """One Wi-Fi network: `subnet` is the name of the one that it leads into."""

    ssid: str
    security: str
    key: str
    subnet: str


@dataclass(frozen=True, slots=True)
class PortForward:
    """One port of the line that leads to a machine of the LAN."""

    name: str
    protocol: str
    port: int
    address: IPv4Address
    to_port: int


@dataclass(frozen=True, slots=True)
class OpenPort:
    """Ports of the router itself that the LAN may reach, `first` to `last`, and the role that has them."""

    role: str
    protocol: str
    first: int
    last: int
    only: str = ""  # the one address that may


@dataclass(frozen=True, slots=True)
class MessageSink:
    """The machine of the office that takes the router's messages (syslog)."""

    address: IPv4Address
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """A network behind another router of the LAN."""

    network: IPv4Network
    via: IPv4Address


@dataclass(frozen=True, slots=True)
class WireGuard:
    """The way to the reseller: the router's address and key there, the other end, and who may come in by it."""

    address: IPv4Interface
    key: str
    peer_key: str
    endpoint: str
    port: int
    allowed: tuple[IPv4Interface, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """All that a router is to do.

    `dns` is the machine that has the office's names, None where it is the router itself. `time_servers` (names or addresses,
    never none) are asked for the time, which the router gives the LAN and the guests.
    """

    host: str
    domain: str
    country: str
    interfaces: Interfaces
    wan: Wan
    wan_password: str
    lan: Subnet
    guests: Subnet | None
    ula: IPv6Network
    dns: IPv4Address | None
    reservations: tuple[Reservation, ...]
    names: tuple[tuple[str, IPv4Address], ...]
    wireless: tuple[Wireless, ...]
    forwards: tuple[PortForward, ...]
    routes: tuple[StaticRoute, ...]
    open_ports: tuple[OpenPort, ...]
    timezone: str
    time_servers: tuple[str, ...]
    syslog: MessageSink | None
    tunnel: WireGuard | None
    websites: tuple[str, ...]  # public names of sites that the office serves itself: they may lead to an address of its own


def describe(office: Office, pack: Pack, secrets: Secrets, host: str) -> Description:
    """The description of the office's router `host`."""
    lan = office.lan
    own = office.hosts[host]
    directory = services(pack, office).get("directory")
    reserved = {name: (one.mac, one.address) for name, one in office.hosts.items() if one.kind is not Kind.ROUTER}
    reserved |= {name: (one.mac, one.address) for name, one in office.reserved.items()}
    addresses = {name: one.address for name, one in office.hosts.items()}
    addresses |= {name: one.address for name, one in office.printers.items() if name not in addresses}
    addresses |= {name: one.address for name, one in office.reserved.items() if name not in addresses}
    return Description(
        host=host,
        domain=lan.domain,
        country=(office.wifi.country if office.wifi else None) or office.address.country,
        interfaces=own.interfaces or Interfaces(),
        wan=office.wan,
        wan_password=secrets.wan.get("password", ""),
        lan=_subnet(
            "staff", IPv4Interface(f"{own.address}/{lan.network.prefixlen}"), lan.dhcp_first, lan.dhcp_last, office.ula, 0
        ),
        guests=_guests(office),
        ula=office.ula,
        dns=IPv4Address(directory["address"]) if directory else None,
        reservations=tuple(Reservation(name, mac, address) for name, (mac, address) in sorted(reserved.items())),
        names=tuple(sorted(addresses.items())),
        wireless=_wireless(office, secrets),
        forwards=tuple(
            PortForward(name, one.protocol, one.port, addresses[one.to], one.to_port or one.port)
            for name, one in sorted(forwards(pack, office).items())
        ),
        routes=tuple(StaticRoute(one.network, one.via) for _, one in sorted(office.routes.items())),
        open_ports=tuple(
            OpenPort(one["role"], one["protocol"], one["port"], one["last"], one["only"]) for one in ports(pack, office, own)
        ),
        timezone=office.timezone,
        time_servers=tuple(office.time.servers) if office.time else TIME_SERVERS,
        syslog=(
            MessageSink(addresses[office.syslog.to], office.syslog.port, office.syslog.protocol) if office.syslog else None
        ),
        tunnel=_tunnel(office, secrets),
        websites=(office.website.domain,) if office.website and WEBSITE in services(pack, office) else (),
    )  # fmt: skip


def _subnet(
    name: str,
    address: IPv4Interface,
    first: IPv4Address,
    last: IPv4Address,
    ula: IPv6Network,
    number: int,
    vlan: int | None = None,
) -> Subnet:
    """The subnet's /64 is the office's ULA with its number; the router's own address there ends in 1."""
    inside = IPv6Interface(f"{ula.network_address + (number << 64) + 1}/64")
    return Subnet(name, address, first, last, inside, vlan)


def _guests(office: Office) -> Subnet | None:
    if not (guests := office.guests):
        return None
    own = IPv4Interface(f"{guests.gateway}/{guests.network.prefixlen}")
    return _subnet("guests", own, guests.dhcp_first, guests.dhcp_last, office.ula, 1, guests.vlan)


def _wireless(office: Office, secrets: Secrets) -> tuple[Wireless, ...]:
    radios = {"staff": office.wifi.staff, "guests": office.wifi.guests} if office.wifi else {}
    return tuple(
        Wireless(radio.ssid, radio.security, secrets.wifi.get(subnet, ""), subnet) for subnet, radio in radios.items() if radio
    )


def _tunnel(office: Office, secrets: Secrets) -> WireGuard | None:
    if not (tunnel := office.tunnel):
        return None
    return WireGuard(
        tunnel.address, secrets.tunnel.get("key", ""), tunnel.peer_key, tunnel.endpoint, tunnel.port, tuple(tunnel.allowed)
    )
