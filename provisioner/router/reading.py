"""A router's own configuration in the words of a dossier, and what of it the dossier cannot say. Pure.

A platform reads its lines into a `Reading`; `proposal` fits that into an office. No line is dropped: what no word was found
for is kept with its place, and told.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from pydantic import TypeAdapter, ValidationError

from provisioner.inventory.dossier import Office
from provisioner.inventory.models import Kind
from provisioner.inventory.network import Ssid
from provisioner.inventory.strict_yaml import Place


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a router's configuration: where it stands, what it says, and why the dossier does not say it."""

    where: str
    text: str
    why: str = "the dossier has no word for it"
    like: str = ""  # how the office's own rendering says the same, where that is not `text`

    @property
    def shown(self) -> str:
        """The line without a secret in it."""
        return _SECRET.sub(_STARS, _IN_ADDRESS.sub(_STARS, self.text))

    def __str__(self) -> str:
        return f"{self.where}: {self.shown}: {self.why}"


def staying(where: str, text: str) -> Line:
    """A line of what is not ours."""
    return Line(where, text, why="it stays on the router: a push leaves it alone")


_SECRET = re.compile(r"(?i)((?:pass\w*|secret|psk|key|community|pre-shared\S*|pincode|wps_pin)[\w-]*\s*[=: ]\s*)(?!.*[{]$)(\S.*)")
_IN_ADDRESS = re.compile(r"(://[^/\s:@]*:)[^@\s/]+(?=@)")
_STARS = r"\1********"


def fits(form: Any, value: object) -> bool:
    """Whether the dossier takes this in a place of that form; what does not fit is told, so that all else is read."""
    try:
        TypeAdapter(form).validate_python(value)
        str(value).encode()  # a file of text has no place for other bytes
    except (ValidationError, UnicodeEncodeError):
        return False
    return True


@dataclass(slots=True)
class Network:
    """One network behind the router: its address there, its ports, its pool."""

    address: IPv4Interface
    link: str
    ports: list[str]
    line: Line
    first: IPv4Address | None = None
    last: IPv4Address | None = None
    vlan: int | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    """An address that the router keeps for one machine."""

    mac: str
    address: IPv4Address
    name: str
    line: Line


@dataclass(frozen=True, slots=True)
class Inward:
    """A port of the line that leads in."""

    protocol: str
    port: int
    address: IPv4Address
    to_port: int
    name: str
    line: Line


@dataclass(frozen=True, slots=True)
class Route:
    """A network behind another router of the LAN, whose address there is `via`."""

    network: IPv4Network
    via: IPv4Address
    line: Line


@dataclass(frozen=True, slots=True)
class Air:
    """One Wi-Fi network; `port` is the link that it is bridged into."""

    ssid: str
    security: str
    key: str
    port: str
    line: Line


@dataclass(slots=True)
class Reading:
    """What a router's configuration says. `wan` and `tunnel` are in the words of the dossier's sections."""

    wan: dict[str, Any] = field(default_factory=dict)
    wan_port: str = ""
    radio: str = ""
    domain: str = ""
    networks: list[Network] = field(default_factory=list)
    fixed: list[Fixed] = field(default_factory=list)
    inward: list[Inward] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    air: list[Air] = field(default_factory=list)
    time_servers: list[str] = field(default_factory=list)
    syslog: tuple[str, int, str, Line] | None = None  # address, port, protocol
    tunnel: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)  # name in the vault -> text
    left: list[Line] = field(default_factory=list)


@dataclass(slots=True)
class Proposal:
    """What a dossier would say: `values` by their place, `secrets` for the vault, and what stays unsaid."""

    values: list[tuple[Place, str, Any]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    left: list[Line] = field(default_factory=list)


def proposal(office: Office, host: str, met: str, found: Reading) -> Proposal:
    """What the office's dossier would say with this router as it is; `met` is the address at which it answered."""
    made = Proposal(secrets=dict(found.secrets), left=list(found.left))
    lan = _lan(office, host, met, found)
    guests = _guests(found, lan, made)
    if found.wan:
        made.values += [(("wan",), word, value) for word, value in found.wan.items()]
    if lan:
        made.values += _subnet(("lan",), lan)
        made.values.append((("hosts", host), "address", str(lan.address.ip)))
    if found.domain:
        made.values.append((("lan",), "domain", found.domain))
    if guests:
        made.values += _subnet(("guests",), guests)
        if guests.vlan:
            made.values.append((("guests",), "vlan", guests.vlan))
    named = _fixed(office, found, lan, made)
    _inward(office, found, named, made)
    _routes(office, found, lan, made)
    _air(found, lan, guests, made)
    if found.time_servers:
        made.values.append((("time",), "servers", found.time_servers))
    if found.syslog:
        address, port, protocol, line = found.syslog
        if to := named.get(IPv4Address(address)):
            made.values += [(("syslog",), word, value) for word, value in (("to", to), ("port", port), ("protocol", protocol))]
        else:
            made.left.append(Line(line.where, line.text, why=f"{address} is no host of the office and has no reserved address"))
    made.values += [(("tunnel",), word, value) for word, value in found.tunnel.items()]
    interfaces = {
        "wan": found.wan_port, "lan": lan.ports if lan else [],
        "guests": guests.ports[0] if guests and guests.ports and not guests.vlan else "", "radio": found.radio,
    }  # fmt: skip
    if any(interfaces.values()):
        made.values.append((("hosts", host), "interfaces", {word: value for word, value in interfaces.items() if value}))
    return made


def _lan(office: Office, host: str, met: str, found: Reading) -> Network | None:
    """The network that the router was met in, else that of its address in the dossier."""
    known = [] if ":" in met else [IPv4Address(met)]  # by the office's way in it was met at no address of its own
    for address in (*known, office.hosts[host].address):
        for one in found.networks:
            if address in one.address.network:
                return one
    return None


def _guests(found: Reading, lan: Network | None, made: Proposal) -> Network | None:
    chosen: Network | None = None
    for one in found.networks:
        if one is lan:
            continue
        why = "a third network: the dossier has the office's and one for guests"
        if not chosen:
            first = one.address.network.network_address + 1
            why = f"the router's address in the guests' network is the first one, {first}" if one.address.ip != first else ""
            why = why or ("a network without a DHCP pool" if not (one.first and one.last) else "")
            if not why:
                chosen = one
                continue
        made.left.append(Line(one.line.where, one.line.text, why))
    return chosen


def _subnet(place: Place, one: Network) -> list[tuple[Place, str, Any]]:
    words: dict[str, object] = {"network": one.address.network}
    if one.first and one.last:
        words |= {"dhcp_first": one.first, "dhcp_last": one.last}
    return [(place, word, str(value)) for word, value in words.items()]


def name_of(text: str, taken: Iterable[str]) -> str:
    """A name of the dossier's pattern that is near a text and not taken."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    base = re.sub("[^a-z0-9]+", "-", plain.lower()).strip("-")[:26] or "thing"
    base = base if base[0].isalpha() else f"thing-{base}"
    base = base if len(base) > 1 else f"{base}-1"
    number, name = 2, base
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def _fixed(office: Office, found: Reading, lan: Network | None, made: Proposal) -> dict[IPv4Address, str]:
    """Reservations that are not the dossier's hosts' own; every address that has a name afterwards."""
    hosts = {name: one for name, one in office.hosts.items() if one.kind is not Kind.ROUTER}
    named = {one.address: name for name, one in office.reserved.items()} | {one.address: name for name, one in hosts.items()}
    macs = {one.mac: (name, one.address) for name, one in office.reserved.items()}
    macs |= {one.mac: (name, one.address) for name, one in hosts.items()}
    taken = {*office.hosts, *office.printers, *office.reserved}
    for one in found.fixed:
        if known := macs.get(one.mac):
            if known[1] != one.address:
                why = f"the dossier has {known[1]} for {known[0]}, whose mac this is"
                made.left.append(Line(one.line.where, one.line.text, why))
            continue
        if printer := next((name for name, it in office.printers.items() if it.address == one.address), ""):
            made.left.append(
                Line(one.line.where, one.line.text, why=f"the address is the printer's, {printer}: printers have no mac")
            )
            continue
        if why := _unfit(one.address, named, lan):
            made.left.append(Line(one.line.where, one.line.text, why))
            continue
        name = name_of(one.name or f"thing-{one.address.packed[-1]}", taken)
        taken.add(name)
        named[one.address] = name
        made.values.append((("reserved",), name, {"address": str(one.address), "mac": one.mac}))
    return named


def _unfit(address: IPv4Address, named: dict[IPv4Address, str], lan: Network | None) -> str:
    if address in named:
        return f"{address} is the address of {named[address]} in the dossier"
    if not lan or address not in lan.address.network:
        return "an address outside the office's network"
    if lan.first and lan.last and lan.first <= address <= lan.last:
        return "an address inside the DHCP pool; the dossier keeps the two apart"
    return ""


def _inward(office: Office, found: Reading, named: dict[IPv4Address, str], made: Proposal) -> None:
    known: dict[tuple[str, int], str] = {(one.protocol, one.port): name for name, one in office.forwards.items()}
    taken = set(office.forwards)
    seen: set[tuple[str, int]] = set()
    for one in found.inward:
        to = named.get(one.address)
        if not to:
            why = f"{one.address} is no host of the office and has no reserved address"
            made.left.append(Line(one.line.where, one.line.text, why))
            continue
        if (one.protocol, one.port) in seen:
            made.left.append(Line(one.line.where, one.line.text, why="the port leads in already"))
            continue
        seen.add((one.protocol, one.port))
        name = known.get((one.protocol, one.port)) or name_of(one.name or f"{to}-{one.port}", taken)
        taken.add(name)
        value: dict[str, Any] = {"port": one.port, "to": to}
        value |= {"to_port": one.to_port} if one.to_port != one.port else {}
        value |= {"protocol": one.protocol} if one.protocol != "tcp" else {}
        made.values.append((("forwards",), name, value))


def _routes(office: Office, found: Reading, lan: Network | None, made: Proposal) -> None:
    """Networks that no other of the dossier's shares an address with, by somebody in the LAN."""
    known = {one.network: name for name, one in office.routes.items()}
    inside = lan.address.network if lan else office.lan.network
    own = {inside, *(one.address.network for one in found.networks)}
    own |= {office.guests.network} if office.guests else set()
    own |= {IPv4Interface(found.wan["address"]).network} if "address" in found.wan else set()
    taken, seen = set(office.routes), set[IPv4Network]()
    for one in found.routes:
        why = "an address outside the office's network" if one.via not in inside else ""
        if one.network in seen or any(one.network.overlaps(other) for other in own | (known.keys() - {one.network})):
            why = "it shares addresses with a network that the dossier has already"
        if why:
            made.left.append(Line(one.line.where, one.line.text, why))
            continue
        name = known.get(one.network) or name_of(f"behind-{str(one.via).rpartition('.')[2]}", taken)
        taken.add(name)
        seen.add(one.network)
        known[one.network] = name
        made.values.append((("routes",), name, {"network": str(one.network), "via": str(one.via)}))


def _air(found: Reading, lan: Network | None, guests: Network | None, made: Proposal) -> None:
    there: dict[str, str] = {}
    for one in found.air:
        word = "guests" if guests and one.port == guests.link else "staff" if lan and one.port == lan.link else ""
        if not word or word in there:
            why = f"a second Wi-Fi of the {word}" if word else f"a Wi-Fi into {one.port}, no network of the office"
            made.left.append(Line(one.line.where, one.line.text, why))
            continue
        if not fits(Ssid, one.ssid) or one.ssid in there.values():
            made.left.append(Line(one.line.where, one.line.text, why="a name of a Wi-Fi that no dossier takes"))
            continue
        there[word] = one.ssid
        made.values.append((("wifi",), word, {"ssid": one.ssid, "security": one.security}))
        if one.key:
            made.secrets[f"wifi.{word}"] = one.key


def said(lines: Iterable[Line], rendered: Iterable[str]) -> Iterator[Line]:
    """The lines that the dossier's own rendering does not say word for word."""
    words = {" ".join(line.split()) for text in rendered for line in text.splitlines()}
    return (line for line in lines if " ".join((line.like or line.text).split()) not in words)
