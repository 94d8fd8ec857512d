"""The links of an existing Debian router, by systemd-networkd's files or ifupdown's: addresses, line, VLANs, bridges. Pure."""

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from typing import Any

from provisioner.router.reading import Line

FOLDER = "/etc/systemd/network/"


@dataclass(slots=True)
class Link:
    """One link, as the files have it."""

    name: str
    kind: str = ""
    vlan: int | None = None
    parent: str = ""
    members: list[str] = field(default_factory=list)
    addresses: list[tuple[IPv4Interface, Line]] = field(default_factory=list)
    gateway: str = ""
    dhcp: bool = False
    ipv6: bool = True
    dns: list[str] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)  # of WireGuard: as systemd.netdev(5) calls them
    allowed: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Links:
    """All of them by name, and the lines for which a link has no word."""

    by_name: dict[str, Link] = field(default_factory=dict)
    left: list[Line] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)  # whose file was met: of several the first alone is in force (systemd.network)

    def of(self, name: str) -> Link:
        """The link of that name, made where it is not known yet."""
        return self.by_name.setdefault(name, Link(name))


@dataclass(frozen=True, slots=True)
class _Entry:
    section: str
    word: str
    value: str
    line: Line


def read(raw: Mapping[str, Any], files: Mapping[str, str]) -> Links:
    """What both sorts of files say; `raw` for the links that run (`addresses`)."""
    found = Links()
    known = {str(one.get("address", "")).lower(): str(one.get("ifname", "")) for one in raw["addresses"]}
    for path, text in files.items():
        if path.startswith(FOLDER) and path.endswith(".netdev"):
            _netdev(list(_ini(path, text)), found)
    for path, text in files.items():
        if path.startswith(FOLDER) and path.endswith(".network"):
            _network(path, list(_ini(path, text)), found, known)
        elif path.startswith(FOLDER) and not path.endswith((".netdev", ".key")):
            found.left += [one.line for one in _ini(path, text)]
        elif path.startswith("/etc/network/interfaces"):
            _ifupdown(path, text, found)
    return found


def _ini(path: str, text: str) -> Iterator[_Entry]:
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if not bare or bare[0] in "#;":
            continue
        if bare.startswith("["):
            section = f"{bare.strip('[]')} {number}"
            continue
        word, _, value = bare.partition("=")
        yield _Entry(section, word.strip(), value.strip(), Line(f"{path}:{number}", bare))


def _of(section: str) -> str:
    return section.partition(" ")[0]


def _netdev(entries: list[_Entry], found: Links) -> None:
    said = {(_of(one.section), one.word): one for one in entries}
    if not (name := said.get(("NetDev", "Name"))):
        return
    link = found.of(name.value)
    kind = said.get(("NetDev", "Kind"))
    link.kind = kind.value if kind else ""
    for one in entries:
        place = (_of(one.section), one.word)
        if place == ("VLAN", "Id") and one.value.isdecimal():
            link.vlan = int(one.value)
        elif place == ("WireGuardPeer", "AllowedIPs"):
            link.allowed += [part.strip() for part in one.value.split(",")]
        elif place[0] in ("WireGuard", "WireGuardPeer") and one.word not in link.words:
            link.words[one.word] = one.value
        elif place not in (("NetDev", "Name"), ("NetDev", "Kind")):
            found.left.append(one.line)
    if link.kind not in ("vlan", "bridge", "wireguard"):
        found.left += [kind.line] if kind else []


# What the office's rendering says by itself, whatever the value: no word of the dossier's changes it.
_SILENT = {
    "ConfigureWithoutCarrier", "IPv6SendRA", "DHCPPrefixDelegation", "GatewayOnLink", "UseHostname", "UseDomains", "UseDNS",
    "EmitDNS", "EmitDomains", "IPForward", "IPv4Forwarding", "IPv6Forwarding", "LinkLocalAddressing", "RequiredForOnline",
}  # fmt: skip


def _network(path: str, entries: list[_Entry], found: Links, known: Mapping[str, str]) -> None:
    matches = [one for one in entries if _of(one.section) == "Match"]
    matched = [name for one in matches for name in _matched(one, known)]
    names = [name for name in matched if name not in found.settled]
    if matched and not names:
        return
    found.settled |= set(names)
    routes = {one.section: one.value for one in entries if _of(one.section) == "Route" and one.word == "Destination"}
    if not names:
        found.left += [one.line for one in entries] or [Line(path, path, why="no link of this name runs")]
    for number, name in enumerate(names):
        link = found.of(name)
        left = [one.line for one in entries if one not in matches and not _took(one, link, found, routes)]
        found.left += left if number == 0 else []


def _matched(one: _Entry, known: Mapping[str, str]) -> list[str]:
    if one.word == "MACAddress":
        return [name for mac in one.value.lower().split() if (name := known.get(mac))]
    if one.word != "Name":
        return []
    found = []
    for pattern in one.value.split():
        many = set(pattern) & set("*?[")
        found += [name for name in known.values() if fnmatch.fnmatchcase(name, pattern)] if many else [pattern]
    return found


def _took(one: _Entry, link: Link, found: Links, routes: Mapping[str, str]) -> bool:
    """Whether the link has a word for a line of its file, and now says it."""
    match _of(one.section), one.word, one.value:
        case ("Network" | "Address", "Address", value):
            return _address(value, link, one.line)
        case ("Network", "DHCP", value):
            link.dhcp = value.lower() in ("yes", "true", "ipv4", "1")
            link.ipv6 = link.ipv6 and value.lower() != "ipv4"
        case ("Network", "DNS", value) if all(is_address(part) for part in value.split()):
            link.dns += value.split()
        case ("Network", "VLAN", value):
            found.of(value).parent = link.name
        case ("Network", "Bridge", value):
            found.of(value).members.append(link.name)
        case ("Network" | "Route", "Gateway", value) if is_address(value) and one.section not in routes:
            link.gateway = value
        case ("Network", "IPv6AcceptRA", value):
            link.ipv6 = link.ipv6 and value.lower() in ("yes", "true", "1")
        case ("Network", "IPMasquerade", value):
            return value in ("ipv4", "both", "yes", "no")
        case ("Route", "Destination" | "Scope", _):
            return link.kind == "wireguard" and (one.word == "Scope" or one.value in link.allowed)
        case ("IPv6Prefix", "Prefix", value):
            return value.startswith("fd")
        case (_, word, _):
            return word in _SILENT
    return True


def _address(value: str, link: Link, line: Line) -> bool:
    try:
        found = IPv4Interface(value)
    except ValueError:
        try:
            return IPv6Interface(value).ip.packed[0] == 0xFD  # the office's own, of its ULA
        except ValueError:
            return False
    link.addresses.append((found, line))
    return True


def is_address(text: str) -> bool:
    """Whether a text is an IPv4 address."""
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


# ------------------------------------------------------------------------------------------- ifupdown


def _ifupdown(path: str, text: str, found: Links) -> None:
    """interfaces(5): stanzas of one interface and one family each."""
    joined, link, method = re.sub(r"\\\n\s*", " ", text), None, ""
    said: dict[str, tuple[str, Line]] = {}
    for number, whole in enumerate(joined.splitlines(), start=1):
        words, line = whole.split(), Line(f"{path}:{number}", whole.strip())
        if not words or words[0].startswith("#"):
            continue
        first, rest = words[0], " ".join(words[1:])
        if first in ("auto", "allow-hotplug", "allow-auto", "source", "source-directory"):
            _settled(link, method, said, found)
            link, said = None, {}
        elif first == "iface" and len(words) >= 4:
            _settled(link, method, said, found)
            said, method = {}, words[3]
            link = None if words[1] == "lo" or words[2] != "inet" else found.of(words[1])
            if words[2] == "inet6" and method not in ("auto", "loopback"):
                found.left.append(line)
            if link:
                link.dhcp, said["iface"] = method == "dhcp", (rest, line)
                if method not in ("dhcp", "static", "manual", "loopback", "ppp"):
                    found.left.append(line)
        elif link is None or first not in _STANZA or first in said:
            found.left.append(line)
        else:
            said[first] = (rest, line)
    _settled(link, method, said, found)


_STANZA = {"address", "netmask", "network", "broadcast", "gateway", "dns-nameservers", "dns-nameserver", "bridge_ports",
           "bridge-ports", "vlan-raw-device", "vlan_raw_device", "provider"}  # fmt: skip


def _settled(link: Link | None, method: str, said: Mapping[str, tuple[str, Line]], found: Links) -> None:
    if link is None or not said:
        return
    words = {word.replace("_", "-"): value for word, (value, _) in said.items()}
    if method == "static" and "address" in words:
        mask = f"/{words['netmask']}" if "netmask" in words and "/" not in words["address"] else ""
        if not _address(words["address"] + mask, link, said["address"][1]):
            found.left.append(said["address"][1])
    link.gateway = words.get("gateway", link.gateway)
    link.dns += [
        one for one in f"{words.get('dns-nameservers', '')} {words.get('dns-nameserver', '')}".split() if is_address(one)
    ]
    if "bridge-ports" in words:
        link.kind = "bridge"
        link.members += [one for one in words["bridge-ports"].split() if one != "none"]
    parent, _, number = link.name.partition(".")
    if number.isdecimal() or "vlan-raw-device" in words:
        digits = number or re.sub(r"\D", "", link.name)
        link.kind, link.vlan = "vlan", int(digits) if digits else None
        link.parent = words.get("vlan-raw-device", parent)
