"""An existing Cisco router (IOS 15, IOS XE) in the dossier's words, by what `show running-config` prints. Pure.

Forms: Cisco IOS command references (IP Addressing: DHCP, NAT; Interface; Basic System Management). What is neither understood
here nor said word for word by the office's own rendering is told: of the office's sort it would go with the next push, all else
stays on the router.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from provisioner.inventory.fields import mac_form
from provisioner.router.platforms import cisco_ios
from provisioner.router.reading import Fixed, Inward, Line, Network, Reading, staying

_SILENT = re.compile(
    r"version |hostname |ip dns server$|ipv6 unicast-routing$|end$|Building configuration|Current configuration|"
    r"ip nat inside source list "
)


@dataclass(slots=True)
class _Port:
    name: str
    address: IPv4Interface | None = None
    dhcp: bool = False
    inside: bool = False
    outside: bool = False
    vlan: int | None = None
    line: Line | None = None


@dataclass(slots=True)
class _Pool:
    name: str
    line: Line
    network: IPv4Interface | None = None
    host: IPv4Address | None = None
    mac: str = ""
    called: str = ""
    domain: str = ""
    left: list[Line] = field(default_factory=list)


def read(text: str) -> Reading:
    """What a router's running configuration says."""
    found, ports, pools = Reading(), [], []
    shut: list[tuple[IPv4Address, IPv4Address]] = []
    gateway = ""
    for head, below in _sections(text):
        line = Line("running-config", head)
        if head.startswith("interface "):
            ports.append(_port(head, below, found))
        elif head.startswith("ip dhcp pool "):
            pools.append(_pool(head, below))
        elif said := re.fullmatch(r"ip dhcp excluded-address ([\d.]+)(?: ([\d.]+))?", head):
            shut.append((IPv4Address(said[1]), IPv4Address(said[2] or said[1])))
        elif said := re.fullmatch(r"ip route 0\.0\.0\.0 0\.0\.0\.0 ([\d.]+)", head):
            gateway = said[1]
        elif said := re.fullmatch(r"ip name-server ([\d. ]+)", head):
            found.wan["dns"] = [*found.wan.get("dns", []), *said[1].split()]
        elif said := re.fullmatch(r"ip domain[ -]name (\S+)", head):
            found.domain = said[1]
        elif said := re.fullmatch(r"ntp server (\S+)(?: prefer)?", head):
            found.time_servers.append(said[1])
        elif (said := re.fullmatch(r"logging (?:host )?([\d.]+)(?: transport udp port (\d+))?", head)) and not found.syslog:
            found.syslog = (said[1], int(said[2] or 514), "udp", line)
        elif said := _STATIC.fullmatch(head):
            found.inward.append(Inward(said[1], int(said[4]), IPv4Address(said[2]), int(said[3]), "", line))
        elif not _SILENT.match(head):
            found.left += [_left(head, head), *(_left(head, one) for one in below)]
    _line(ports, gateway, found)
    _inside(ports, found)
    _given(pools, shut, found)
    return found


_STATIC = re.compile(r"ip nat inside source static (tcp|udp) ([\d.]+) (\d+) interface \S+ (\d+)")


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    head, below = "", list[str]()
    for raw in text.splitlines():
        line = raw.rstrip()
        if not line.strip() or line.lstrip().startswith("!"):
            continue
        if line.startswith(" "):
            below.append(line.strip())
            continue
        if head:
            yield head, below
        head, below = line, []
    if head:
        yield head, below


def _left(head: str, line: str) -> Line:
    where = "running-config" if line == head else f"running-config, {head}"
    if cisco_ios.ours(f"{head}\n", ""):
        return Line(where, line)
    return staying(where, line)


def _port(head: str, below: list[str], found: Reading) -> _Port:
    port = _Port(head.removeprefix("interface "))
    for line in below:
        if said := re.fullmatch(r"ip address ([\d.]+) ([\d.]+)", line):
            port.address = IPv4Interface(f"{said[1]}/{said[2]}")
            port.line = Line(f"running-config, {head}", line)
        elif line == "ip address dhcp":
            port.dhcp = True
        elif said := re.fullmatch(r"encapsulation dot1Q (\d+)", line):
            port.vlan = int(said[1])
        elif line in ("ip nat inside", "ip nat outside"):
            port.inside, port.outside = port.inside or line.endswith("inside"), port.outside or line.endswith("outside")
        elif not re.match(r"description |no |shutdown$|duplex |speed |negotiation |ipv6 address FD", line):
            found.left.append(Line(f"running-config, {head}", line))
    return port


def _line(ports: list[_Port], gateway: str, found: Reading) -> None:
    lines = [port for port in ports if port.outside or port.dhcp]
    lines += [port for port in ports if not lines and port.address and gateway and IPv4Address(gateway) in port.address.network]
    if not lines:
        return
    line, *others = lines
    found.left += [Line("running-config", f"interface {one.name}", why="the dossier has one line") for one in others]
    found.wan_port, _, vlan = line.name.partition(".")
    if line.vlan or vlan:
        found.wan["vlan"] = line.vlan or int(vlan)
    found.wan["type"] = "static" if line.address else "dhcp"
    if line.address:
        found.wan |= {"address": str(line.address), "gateway": gateway}
    line.outside = True


def _inside(ports: list[_Port], found: Reading) -> None:
    for port in ports:
        if port.outside or not port.address or not port.line:
            continue
        name = port.name.partition(".")[0]
        found.networks.append(Network(port.address, port.name, [] if port.vlan else [name], port.line, vlan=port.vlan))


def _pool(head: str, below: list[str]) -> _Pool:
    pool = _Pool(head.removeprefix("ip dhcp pool "), Line("running-config", head))
    for line in below:
        if said := re.fullmatch(r"network ([\d.]+) ([\d.]+)", line):
            pool.network = IPv4Interface(f"{said[1]}/{said[2]}")
        elif said := re.fullmatch(r"host ([\d.]+)(?: [\d.]+)?", line):
            pool.host = IPv4Address(said[1])
        elif said := re.fullmatch(r"(?:client-identifier 01|hardware-address )([\da-fA-F.:-]+)(?: .*)?", line):
            digits = re.sub("[^0-9a-f]", "", said[1].lower())
            pool.mac = mac_form(digits) if len(digits) == 12 else ""
        elif said := re.fullmatch(r"client-name (\S+)", line):
            pool.called = said[1]
        elif said := re.fullmatch(r"domain-name (\S+)", line):
            pool.domain = said[1]
        elif not re.match(r"default-router |dns-server |lease 0 12$|option 42 ip ", line):
            pool.left.append(Line(f"running-config, {head}", line))
    return pool


def _given(pools: list[_Pool], shut: list[tuple[IPv4Address, IPv4Address]], found: Reading) -> None:
    for pool in pools:
        found.left += pool.left
        found.domain = found.domain or pool.domain
        if pool.host and pool.mac:
            name = pool.called or pool.name
            found.fixed.append(Fixed(pool.mac, pool.host, name, pool.line))
            continue
        network = pool.network and next((one for one in found.networks if one.address.network == pool.network.network), None)
        if not network:
            found.left.append(Line(pool.line.where, pool.line.text, why="no pool of a network behind the router"))
            continue
        ranges = _free(network, shut)
        network.first, network.last = max(ranges, key=lambda one: int(one[1]) - int(one[0]), default=(None, None))
        if len(ranges) > 1:
            found.left.append(Line(pool.line.where, pool.line.text, why="a second pool of the same network"))


def _free(network: Network, shut: list[tuple[IPv4Address, IPv4Address]]) -> list[tuple[IPv4Address, IPv4Address]]:
    """The ranges of a network that are given out: what is not excluded, and not the router's own address."""
    inside = network.address.network
    own = network.address.ip
    taken = sorted(one for one in (*shut, (own, own)) if one[1] in inside)
    found, at = [], inside[1]
    for first, last in taken:
        if first > at:
            found.append((at, first - 1))
        at = max(at, last + 1)
    if at <= inside[-2]:
        found.append((at, inside[-2]))
    return found
