"""A Cisco router (IOS 15, IOS XE): the office's part of its configuration, as `show running-config` prints it. Pure.

The router's other part (accounts, lines, keys, what was set by hand) is nobody's here: `ours` picks what is, `remedy` says which
lines bring one to the other. hier_config would do that too, but puts a new class behind `class-default`, where it never matches,
takes `hostname` away before it sets it, and lets go of nothing that is in use: so the forty lines are our own. Forms are of the
Cisco IOS command references (IP Addressing: DHCP, NAT; Security: Zone-Based Policy Firewall), as `show running-config` prints.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface, IPv4Network

from provisioner.router.description import Description, Subnet
from provisioner.router.platforms import File, Files, without_routes

CONFIGURATION = "configuration"
WAN, LAN = "GigabitEthernet0/0", "GigabitEthernet0/1"
DIALER = "Dialer1"
OURS = "office"
Section = tuple[str, tuple[str, ...]]

# The lines that are ours, by how they begin. Of an interface, those that follow it alone.
_LINES = re.compile(
    r"hostname |ip domain.name |ip dhcp (excluded-address |pool office-)|ip dns server|ip host |ip name-server |"
    r"ipv6 unicast-routing|ip nat inside source |ip route 0\.0\.0\.0 0\.0\.0\.0 |ntp server |logging host |"
    r"(ip access-list extended|ipv6 access-list|class-map type inspect match-(any|all)|policy-map type inspect"
    r"|zone security|zone-pair security) office-"
)
_OF_INTERFACE = re.compile(
    r"description office|encapsulation |ip address |no ip address|ip nat |zone-member |ip access-group |ipv6 |shutdown"
)
_ORDERED = re.compile(r"(ip|ipv6) access-list |policy-map ")  # what comes first in them matters
# Where a line stands: names before who uses them, so that the lines can be entered from the top.
_ORDER = (
    "hostname", "ip domain", "ip access-list", "ipv6 access-list", "class-map", "policy-map", "zone security", "zone-pair",
    "ipv6 unicast", "interface", "ip dhcp excluded", "ip dhcp pool", "ip nat", "ip route", "ip dns", "ip name-server", "ip host",
    "logging", "ntp",
)  # fmt: skip


def render(wanted: Description) -> Files:
    """The office's part; equal descriptions give equal bytes."""
    return {CONFIGURATION: File(text(sections("\n".join(_lines(wanted)) + "\n")))}


def cannot(wanted: Description) -> list[str]:
    """What it leaves out."""
    said = without_routes(wanted)
    if wanted.wireless:
        said.append(
            "Wi-Fi is left out: IOS routers have none that is configured here; access points with keys of their own do it"
        )
    if wanted.tunnel:
        said.append("the WireGuard tunnel is left out: IOS has no WireGuard")
    if wanted.wan.type == "pppoe":
        said.append("the line by PPPoE is left as the router has it (Dialer1): it is set up on the router itself")
    if len(wanted.interfaces.lan) > 1:
        said.append(f"only {lan_port(wanted)} is the LAN's: a router's other ports are no switch, so plug one in")
    if wanted.syslog and wanted.syslog.protocol != "udp":
        said.append("messages go to the syslog machine by UDP: this router sends none by TCP here")
    return said


# ------------------------------------------------------------------------------------- what is wanted


def _lines(wanted: Description) -> Iterator[str]:
    lan, guests = wanted.lan, wanted.guests
    yield f"hostname {wanted.host}"
    yield f"ip domain name {wanted.domain}"
    yield "ipv6 unicast-routing"
    yield from _firewall(wanted)
    yield from _line(wanted)
    yield from _subnet(wanted, lan, lan_port(wanted), "lan")
    if guests:
        yield from _subnet(wanted, guests, guests_port(wanted), "guests")
    for subnet in filter(None, (lan, guests)):
        yield from _pool(wanted, subnet)
    for one in wanted.reservations:
        yield f"ip dhcp pool office-host-{one.name}"
        yield f" host {one.address} {lan.address.netmask}"
        yield f" client-identifier {_client(one.mac)}"
        yield f" client-name {one.name}"
    yield from _translation(wanted)
    yield "ip dns server"
    yield from (f"ip name-server {server}" for server in wanted.wan.dns)
    own = () if wanted.dns else wanted.names
    yield from (f"ip host {name}.{wanted.domain} {address}" for name, address in own)
    yield from (f"ntp server {server}" for server in wanted.time_servers)
    if wanted.syslog:
        port = "" if wanted.syslog.port == 514 else f" transport udp port {wanted.syslog.port}"
        yield f"logging host {wanted.syslog.address}{port}"


def wan_port(wanted: Description) -> str:
    """The interface that leads to the Internet."""
    if wanted.wan.type == "pppoe":
        return DIALER
    port = wanted.interfaces.wan or WAN
    return f"{port}.{wanted.wan.vlan}" if wanted.wan.vlan else port


def lan_port(wanted: Description) -> str:
    """The interface that the LAN is on."""
    return (wanted.interfaces.lan or [LAN])[0]


def guests_port(wanted: Description) -> str:
    """The interface that guests are on: one of their own, or a VLAN on the LAN's."""
    assert wanted.guests
    return wanted.interfaces.guests or f"{lan_port(wanted)}.{wanted.guests.vlan}"


def _line(wanted: Description) -> Iterator[str]:
    wan, port = wanted.wan, wan_port(wanted)
    yield f"interface {port}"
    yield " description office: the line"
    if wan.vlan and wan.type != "pppoe":
        yield f" encapsulation dot1Q {wan.vlan}"
    if wan.type == "static":
        assert wan.address
        yield f" ip address {wan.address.ip} {wan.address.netmask}"
    elif wan.type == "dhcp":
        yield " ip address dhcp"
    yield " ip nat outside"
    yield " zone-member security office-line"
    if wan.ipv6 and wan.type != "pppoe":
        yield from (" ipv6 address autoconfig default", " ipv6 enable", " ipv6 dhcp client pd office")


def _subnet(wanted: Description, subnet: Subnet, port: str, zone: str) -> Iterator[str]:
    number = int(subnet.ula.network.network_address) >> 64 & 0xFFFF
    yield f"interface {port}"
    yield f" description office: {zone}"
    if "." in port:
        yield f" encapsulation dot1Q {port.rpartition('.')[2]}"
    yield f" ip address {subnet.address.ip} {subnet.address.netmask}"
    yield " ip nat inside"
    yield f" zone-member security office-{zone}"
    yield f" ipv6 address {str(subnet.ula).upper()}"
    if wanted.wan.ipv6 and wanted.wan.type != "pppoe":
        yield f" ipv6 address office ::{number:X}:0:0:0:1/64" if number else " ipv6 address office ::1/64"


def _pool(wanted: Description, subnet: Subnet) -> Iterator[str]:
    inside = subnet.address.network
    for first, last in ((inside[1], subnet.first - 1), (subnet.last + 1, inside[-2])):
        if first <= last:
            yield f"ip dhcp excluded-address {first} {last}" if first < last else f"ip dhcp excluded-address {first}"
    yield f"ip dhcp pool office-{subnet.name}"
    yield f" network {inside.network_address} {inside.netmask}"
    if subnet.name != "guests":
        yield f" domain-name {wanted.domain}"
    yield f" default-router {subnet.address.ip}"
    yield f" dns-server {wanted.dns if wanted.dns and subnet.name != 'guests' else subnet.address.ip}"
    yield f" option 42 ip {subnet.address.ip}"
    yield " lease 0 12"


def _client(mac: str) -> str:
    """A MAC as a client's identifier: 01 (Ethernet, RFC 2132 9.14) before it, in groups of four."""
    digits = "01" + mac.replace(":", "")
    return ".".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def _translation(wanted: Description) -> Iterator[str]:
    port = wan_port(wanted)
    yield f"ip nat inside source list office-nat interface {port} overload"
    for one in wanted.forwards:
        yield f"ip nat inside source static {one.protocol} {one.address} {one.to_port} interface {port} {one.port}"
    if wanted.wan.type == "static":
        yield f"ip route 0.0.0.0 0.0.0.0 {wanted.wan.gateway}"


def _wild(network: IPv4Network | IPv4Interface) -> str:
    inside = network.network if isinstance(network, IPv4Interface) else network
    return f"{inside.network_address} {inside.hostmask}"


def _firewall(wanted: Description) -> Iterator[str]:
    """Zones: what has no pair of zones does not pass. To the router itself everything passes that no pair stops."""
    subnets = [wanted.lan, *([wanted.guests] if wanted.guests else [])]
    yield "ip access-list extended office-nat"
    yield from (f" permit ip {_wild(one.address)} any" for one in subnets)
    yield "ip access-list extended office-to-router"
    yield from (" permit udp any eq bootps any eq bootpc", " permit icmp any any")
    yield "ipv6 access-list office-to-router-6"
    yield from (" permit icmp any any", " permit udp any any eq 546")
    if wanted.guests:
        yield "ipv6 access-list office-guests-to-router-6"
        yield from (" permit icmp any any", *(f" permit {kind} any any eq domain" for kind in ("udp", "tcp")))
        yield "ip access-list extended office-guests-to-router"
        yield " permit udp any eq bootpc any eq bootps"
        yield from (f" permit {kind} any any eq domain" for kind in ("udp", "tcp"))
        yield from (" permit udp any any eq ntp", " permit icmp any any")
    if wanted.forwards:
        yield "ip access-list extended office-forwards"
        yield from (f" permit {one.protocol} any host {one.address} eq {one.to_port}" for one in wanted.forwards)
    yield "class-map type inspect match-any office-any"
    yield from (f" match protocol {kind}" for kind in ("tcp", "udp", "icmp"))
    named = ["to-router", *(["guests-to-router"] if wanted.guests else []), *(["forwards"] if wanted.forwards else [])]
    for name in named:
        yield f"class-map type inspect match-any office-{name}"
        yield f" match access-group name office-{name}"
        if name.endswith("to-router"):
            yield f" match access-group name office-{name}-6"
    for policy, classes in (("out", "any"), *((name, name) for name in named)):
        yield f"policy-map type inspect office-{policy}"
        yield f" class type inspect office-{classes}"
        yield "  pass" if policy.endswith("to-router") else "  inspect"
        yield from (" class class-default", "  drop")
    zones = ["line", "lan", *(["guests"] if wanted.guests else [])]
    yield from (f"zone security office-{zone}" for zone in zones)
    pairs = [("lan", "office-line", "out"), ("line", "self", "to-router"), ("router", "office-line", "out")]
    if wanted.guests:
        pairs += [("guests", "office-line", "out"), ("guests", "self", "guests-to-router")]
    if wanted.forwards:
        pairs.append(("line", "office-lan", "forwards"))
    for source, to, policy in pairs:
        from_ = "self" if source == "router" else f"office-{source}"
        yield f"zone-pair security office-{source}-{to.removeprefix('office-')} source {from_} destination {to}"
        yield f" service-policy type inspect office-{policy}"


# ----------------------------------------------------------------------------- what is there, and the way


def sections(text_: str) -> list[Section]:
    """A configuration as lines with the lines below them, in a fixed order; remarks and numbers of entries are out."""
    found: list[tuple[str, list[str]]] = []
    for raw in text_.splitlines():
        line = raw.rstrip()
        if not line.strip() or line.lstrip().startswith("!"):
            continue
        if not line.startswith(" "):
            found.append((line, []))
        elif found:
            found[-1][1].append(re.sub(r"^ (sequence )?\d+ (?=permit|deny)", " ", line))
    merged: dict[str, list[str]] = {}
    for head, below in found:
        merged.setdefault(head, []).extend(below)
    each = ((head, tuple(below if _ORDERED.match(head) else sorted(below))) for head, below in merged.items())
    return sorted(each, key=lambda one: (_place(one[0]), one[0]))


def _place(head: str) -> int:
    return next((number for number, word in enumerate(_ORDER) if head.startswith(word)), len(_ORDER))


def text(of: Sequence[Section]) -> str:
    """Sections as a configuration."""
    return "".join(f"{head}\n" + "".join(f"{line}\n" for line in below) for head, below in of)


def ours(running: str, wanted: str) -> str:
    """The office's part of a configuration: the lines that are its, and of the interfaces that it has or is to have its own."""
    named = {head for head, _ in sections(wanted) if head.startswith("interface ")}
    found: list[Section] = []
    for head, below in sections(running):
        if head.startswith("interface "):
            mine = tuple(line for line in below if _OF_INTERFACE.match(line.strip()) and line.strip() != "no ip address")
            if (head in named or any(line.startswith(f" description {OURS}: ") for line in below)) and mine:
                found.append((head, mine))
        elif _LINES.match(head):
            found.append((head, below))
    return text(found)


def remedy(there: str, wanted: str) -> list[str]:
    """The lines that make the office's part as wanted, to be entered from the top in configuration mode."""
    before, after = dict(sections(there)), dict(sections(wanted))
    anew = {head for head in before if _ORDERED.match(head) and before[head] != after.get(head)}
    if any(head.startswith(("class-map ", "policy-map ")) and before.get(head) != after.get(head) for head in {*before, *after}):
        anew |= {head for head in before if head.startswith("zone-pair ")}  # what is in use cannot be taken away
    undo: list[str] = []
    for head, below in reversed(before.items()):
        if head in anew or (head not in after and not head.startswith("hostname ")):  # one always has a name
            undo += _without(head, below)
        elif head in after and (gone := _gone(below, after[head])):
            undo += [head, *gone]
    do: list[str] = []
    for head, below in after.items():
        new = [line for line in below if head in anew or line not in before.get(head, ())]
        if new or head in anew or head not in before:
            do += [head, *new]
    return undo + do


def _without(head: str, below: Sequence[str]) -> list[str]:
    if head.startswith("interface ") and "." not in head:  # a port is there for good: what is ours of it goes
        return [head, *(f" no {line.strip()}" for line in below)]
    return [f"no {head}"]


def _gone(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """What is taken out of a section. A value whose place another takes is not: for a moment the router would have none."""
    kept = {_value(line) for line in after if line not in before}
    return [f" no {line.strip()}" for line in before if line not in after and _value(line) not in kept]


def _value(line: str) -> str:
    """What a line sets, where it has one value alone; else the line."""
    one = re.match(
        r" (description|ip address|zone-member security|host|network|client-identifier|client-name|domain-name|lease)\b", line
    )
    return one[1] if one else line
