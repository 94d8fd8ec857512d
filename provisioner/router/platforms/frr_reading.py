"""An existing FRR router in the dossier's words, by what vtysh prints of its configuration and its links. Pure.

Forms: FRR User Guide (Static Routing; Zebra). The static routes of the default VRF are what a push owns: one that is neither
understood here nor said word for word by the office's own rendering is told, for the next push takes it away. All else stays on
the router, and is told too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, NetmaskValueError

from provisioner.router.platforms import frr
from provisioner.router.reading import Line, Network, Reading, Route, staying

WHERE, LINKS = "running-config", "show interface brief"
_SILENT = re.compile(r"frr (version|defaults) |exit|end$|Building configuration|Current configuration")
_ROUTE = re.compile(r"ip route ([\d.]+/\d+) ([\d.]+)")


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the default VRF, with its IPv4 addresses."""

    name: str
    up: bool
    addresses: tuple[str, ...]


def links(brief: str) -> list[Link]:
    """What `show interface brief` says; IPv6 is no address here."""
    found: list[Link] = []
    default = False
    for line in brief.replace("\r", "").splitlines():
        if said := re.match(r"(\S+) +(up|down) +(\S+) *(\S+/\d+)?", line):
            default = said[3] == "default"
            if default:
                found.append(Link(said[1], said[2] == "up", (said[4],) if said[4] and ":" not in said[4] else ()))
        elif default and (more := re.match(r" +(\d[\d.]+/\d+)", line)):
            last = found.pop()
            found.append(Link(last.name, last.up, (*last.addresses, more[1])))
    return [one for one in found if one.name != "lo"]


def read(running: str, brief: str) -> Reading:
    """What a router's running configuration and its links say."""
    found, there = Reading(), links(brief)
    gateway = ""
    for head, line in _lines(running):
        route = _ROUTE.fullmatch(line) if not head else None
        if route and _network(route[1]) == IPv4Network("0.0.0.0/0") and not gateway and _line(route[2], there, found):
            gateway = route[2]
        elif route and _network(route[1]) == IPv4Network("0.0.0.0/0"):
            why = "the dossier has one line" if gateway else "no link of the router is in the network of this way out"
            found.left.append(Line(WHERE, line, why))
        elif route and (network := _network(route[1])):
            found.routes.append(Route(network, IPv4Address(route[2]), Line(WHERE, line)))
        elif not head and frr.ROUTE.fullmatch(line):
            found.left.append(Line(WHERE, line))
        else:
            found.left.append(staying(f"{WHERE}, {head}" if head else WHERE, line))
    for link in there:
        for address in link.addresses:
            if link.name != found.wan_port:
                said = Line(LINKS, f"{link.name} {address}")
                found.networks.append(Network(IPv4Interface(address), link.name, [link.name], said))
    return found


def _network(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text)
    except (AddressValueError, NetmaskValueError, ValueError):
        return None


def _lines(running: str) -> Iterator[tuple[str, str]]:
    """Each line with the head of the block that it stands in, empty where it stands in none."""
    head = ""
    for raw in running.replace("\r", "").splitlines():
        line = raw.strip()
        if not line or line.startswith(("!", frr.MARK)) or _SILENT.match(line):
            continue
        if raw.startswith(" "):
            yield head, line
        else:
            head = line
            yield "", line


def _line(gateway: str, there: list[Link], found: Reading) -> bool:
    """Whether a link is in the network of the way out; then it is the office's line."""
    for link in there:
        for address in link.addresses:
            if IPv4Address(gateway) in IPv4Interface(address).network:
                found.wan = {"type": "static", "address": address, "gateway": gateway}
                found.wan_port = link.name
                return True
    return False
