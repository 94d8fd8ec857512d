"""An existing OpenWrt router in the dossier's words, by its files in /etc/config. Pure.

Forms: OpenWrt's user guide (Network, VLAN, DHCP and DNS, Firewall, Wi-Fi, System configuration), with the older `ifname`. What is
neither understood here nor said word for word by the office's own rendering is told.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from provisioner.inventory.fields import Domain, Mac, PortName, TunnelKey, mac_form
from provisioner.inventory.network import LineUser, PortNumber, Server
from provisioner.router.platforms import Files, uci
from provisioner.router.platforms.openwrt import FOLDER, LEASE, PACKAGES, SECURITY
from provisioner.router.platforms.openwrt_part import Part, addresses
from provisioner.router.platforms.openwrt_part import parts as sections
from provisioner.router.reading import Air, Fixed, Inward, Line, Network, Reading, fits, staying

Packages = Mapping[str, list["Part"]]
TIME_SERVERS = 8


def read(files: Mapping[str, str], others: Sequence[str] = (), staged: Sequence[str] = ()) -> Reading:
    """What a router's packages say; `others` are packages that are not ours, `staged` those of which changes wait.

    Raises:
        ValueError: a file is none of UCI's.
    """
    found, parts = Reading(), {package: list(sections(package, files.get(package, ""))) for package in PACKAGES}
    links = _Links(parts["network"])
    line = _line(parts, links, found)
    for part in parts["network"]:
        if part.section.type == "interface" and part is not line:
            _network(part, links, found)
    _tunnel(parts["network"], found)
    for part in parts["dhcp"]:
        if understand := _DHCP.get(part.section.type):
            understand(part, found)
    for part in parts["firewall"]:
        if part.section.type == "redirect":
            _inward(part, line, found)
    _wireless(parts["wireless"], found)
    _system(parts["system"], found)
    for package in PACKAGES:
        for part in parts[package]:
            found.left += _board(part, found) if _of_the_board(part) else part.left()
    found.left += [staying(f"{FOLDER}/{name}", name) for name in others]
    found.left += [Line("uci changes", name, why="changes wait there to be committed, and are not read") for name in staged]
    return found


def statements(files: Files) -> list[str]:
    """All that packages say, in the form of what is told, to be compared with it."""
    return [
        said
        for path, file in files.items()
        for said in uci.statements(path.rpartition("/")[2], uci.read(file.content))
    ]  # fmt: skip


def _of_the_board(part: Part) -> bool:
    """What a push leaves as the board has it (`openwrt.merged`)."""
    one = part.section
    if part.package == "network":
        return one.type.startswith("switch") or (one.type == "device" and bool(one.get("macaddr")) and not one.get("type"))
    return one.type in ("wifi-device", "led", "gpio_switch", "rngd")


def _board(part: Part, found: Reading) -> Iterator[Line]:
    one = part.section
    ours = ("country", "channel", "disabled") if one.type == "wifi-device" and one.name == found.radio else ()
    for key in ours:
        for value in part.all(key):
            yield Line(part.where, uci.statement(part.package, one, key, value))
    part.take(*ours)
    yield from (staying(line.where, line.text) for line in part.left())


# --------------------------------------------------------------------------------------------- network


class _Links:
    """Which ports and which VLAN a name of a device stands for."""

    def __init__(self, parts: list[Part]) -> None:
        self.bridges: dict[str, list[str]] = {}
        self.tagged: dict[str, tuple[str, int]] = {}
        self.members: dict[tuple[str, int], tuple[list[str], list[str]]] = {}
        for part in parts:
            if part.section.type == "device" and part.get("type") == "bridge":
                self.bridges[part.get("name")] = part.words("ports") or part.words("ifname")
                part.take("name", "type", "ports", "ifname")
            elif part.section.type == "device" and part.get("type") == "8021q" and part.get("vid").isdecimal():
                self.tagged[part.get("name")] = (part.get("ifname"), int(part.get("vid")))
                part.take("name", "type", "ifname", "vid")
            elif part.section.type == "bridge-vlan" and part.get("vlan").isdecimal():
                said = [word.partition(":") for word in part.words("ports")]
                plain = [port for port, _, how in said if "t" not in how]
                with_tag = [port for port, _, how in said if "t" in how]
                self.members[part.get("device"), int(part.get("vlan"))] = (plain, with_tag)
                part.take("device", "vlan", *(() if plain and with_tag else ("ports",)))

    def split(self, name: str) -> tuple[str, int | None]:
        """The device, and the VLAN on it."""
        if name in self.tagged:
            return self.tagged[name]
        parent, _, number = name.rpartition(".")
        return (parent, int(number)) if parent and number.isdecimal() else (name, None)

    def ports(self, part: Part) -> tuple[list[str], int | None]:
        """An interface's ports, or the VLAN that it has on those of another."""
        names = part.words("device") or part.words("ifname")
        part.take("device", "ifname")
        part.take_if("type", "bridge")
        name = names[0] if names else ""
        if len(names) > 1 or name in self.bridges:
            return self.bridges.get(name, names), None
        parent, vlan = self.split(name)
        if vlan is not None and (parent, vlan) in self.members:
            plain, _ = self.members[parent, vlan]
            return plain, None if plain else vlan
        return ([] if vlan is not None else names), vlan


def _address(part: Part) -> IPv4Interface | None:
    """The first address of an interface; those beyond it are left."""
    said = part.words("ipaddr")
    try:
        found = IPv4Interface(said[0] if "/" in said[0] else f"{said[0]}/{part.get('netmask', '255.255.255.0')}")
    except (ValueError, IndexError):
        return None
    part.take("netmask")
    part.used.add(("ipaddr", said[0]))
    return found


def _line(parts: Packages, links: _Links, found: Reading) -> Part | None:
    """The line to the Internet: the interface in the zone that hides what is behind it, else the one called so."""
    hidden = {name for part in parts["firewall"] if part.get("masq") == "1" for name in part.words("network")}
    ways = [
        part
        for part in parts["network"]
        if part.section.type == "interface"
        and (part.get("proto") in ("dhcp", "pppoe") or (part.get("proto") == "static" and part.get("gateway")))
        and part.get("disabled") != "1"
    ]
    ways.sort(key=lambda part: (part.section.name not in hidden, part.section.name != "wan"))
    if not ways:
        return None
    line, *others = ways
    found.left += [other.line(why="the dossier has one line") for other in others if other.get("proto") != "static"]
    port, vlan = links.split(next(iter(line.words("device") or line.words("ifname")), ""))
    if fits(PortName, port):
        found.wan_port = port
        line.take("device", "ifname")
    wan: dict[str, Any] = {"type": line.get("proto")}
    wan |= {"vlan": vlan} if vlan else {}
    if wan["type"] == "static" and (address := _address(line)) and (gateway := addresses(line.words("gateway"))):
        wan |= {"address": str(address), "gateway": gateway[0]}
        line.take("gateway")
    elif wan["type"] == "static":
        found.left.append(line.line(why="a line without an address of IPv4"))
        return line
    if wan["type"] == "pppoe":
        if not fits(LineUser, line.get("username")):
            found.left.append(line.line(why="a line whose user no dossier takes"))
            return line
        wan["user"] = line.get("username")
        found.secrets |= {"wan.password": line.get("password")} if line.get("password") else {}
        line.take("username", "password")
        line.take_if("ipv6", "0", "1", "auto")
    if (dns := addresses(line.words("dns"))) is not None and dns:
        wan["dns"] = dns
        line.take("dns")
        line.take_if("peerdns", "0")
    line.take("proto")
    wan["ipv6"] = _prefix(parts["network"], line)
    found.wan = wan
    return line


def _prefix(parts: list[Part], line: Part) -> bool:
    """Whether the line asks for a prefix of IPv6."""
    asked = line.get("proto") == "pppoe" and line.get("ipv6") == "auto"
    own = {f"@{line.section.name}", line.get("device") or line.get("ifname")}
    for part in parts:
        if part.get("proto") == "dhcpv6" and (part.get("device") or part.get("ifname")) in own:
            part.take("proto", "device", "ifname")
            part.take_if("peerdns", "0")
            asked = True
    return asked


def _network(part: Part, links: _Links, found: Reading) -> None:
    if part.get("proto") != "static" or part.get("device", part.get("ifname")) == "lo":
        return
    if part.get("disabled") == "1":
        found.left.append(part.line(why="it is switched off there"))
        return
    if not (address := _address(part)):
        return
    ports, vlan = links.ports(part)
    said = uci.statement("network", part.section, "ipaddr", part.get("ipaddr"))
    line = Line(part.where, said)
    kept = [port for port in ports if fits(PortName, port)]
    found.left += [Line(part.where, uci.statement("network", part.section, "device", port)) for port in ports if port not in kept]
    found.networks.append(Network(address, part.section.name, kept, line, vlan=vlan))
    part.take("proto")
    part.take_if("ip6assign", "64")


def _tunnel(parts: list[Part], found: Reading) -> None:
    tunnels = [part for part in parts if part.section.type == "interface" and part.get("proto") == "wireguard"]
    for number, part in enumerate(tunnels):
        peers = [one for one in parts if one.section.type == f"wireguard_{part.section.name}"]
        made = _one_tunnel(part, peers) if not number else None
        if not made:
            why = "the dossier has one tunnel, which calls out"
            found.left += [part.line(why=why), *(peer.line(why=why) for peer in peers)]
            continue
        found.tunnel = made
        if key := part.get("private_key"):
            found.secrets["tunnel.key"] = key
        part.take("proto", "private_key")
        peers[0].take("public_key", "endpoint_host", "endpoint_port", "allowed_ips")
        peers[0].take_if("route_allowed_ips", "1")
        peers[0].take_if("persistent_keepalive", "25")


def _one_tunnel(part: Part, peers: list[Part]) -> dict[str, Any] | None:
    try:
        address, *_ = [str(IPv4Interface(one)) for one in part.words("addresses") if ":" not in one]
        (peer,) = peers
        allowed = [str(IPv4Interface(one)) for one in peer.words("allowed_ips") if ":" not in one]
    except ValueError:
        return None
    endpoint, port = peer.get("endpoint_host"), peer.get("endpoint_port", "51820")
    if not (fits(TunnelKey, peer.get("public_key")) and fits(Domain, endpoint) and fits(PortNumber, port) and allowed):
        return None
    part.used |= {("addresses", one) for one in part.all("addresses") if one.partition("/")[0] == address.partition("/")[0]}
    made = {"address": address, "peer_key": peer.get("public_key"), "endpoint": endpoint}
    return {**made, **({"port": int(port)} if port != "51820" else {}), "allowed": allowed}


# ------------------------------------------------------------------------------------ addresses and names


def _names(part: Part, found: Reading) -> None:
    domain = part.get("domain")
    if fits(Domain, domain):
        found.domain = domain
        part.take("domain")
        part.take_if("local", f"/{domain}/")


def _pool(part: Part, found: Reading) -> None:
    network = next((one for one in found.networks if one.link == part.get("interface")), None)
    if part.get("ignore") == "1":
        part.take("interface", "ignore")
        return
    start, limit = part.get("start", "100"), part.get("limit", "150")
    if not network or not (start.isdecimal() and limit.isdecimal()) or not int(limit):
        return
    first = int(network.address.network.network_address) + int(start)
    last = min(first + int(limit) - 1, int(network.address.network.broadcast_address) - 1)
    if not int(network.address.network.network_address) < first <= last:
        return
    network.first, network.last = IPv4Address(first), IPv4Address(last)
    part.take("interface", "start", "limit", "ra_dns")
    if (lease := part.get("leasetime", LEASE)) != LEASE:
        text = uci.statement(part.package, part.section, "leasetime", lease)
        found.left.append(Line(part.where, text, why=f"a lease of {lease[:20]}; the office's are of {LEASE}"))
    part.take("leasetime")
    for key, value in (("dhcpv4", "server"), ("ra", "server"), ("ra_flags", "none")):
        part.take_if(key, value)
    own = network.address.ip
    part.take_if("dhcp_option", f"3,{own}", f"6,{own}", f"42,{own}", "15", f"15,{found.domain}", f"119,{found.domain}")


def _fixed(part: Part, found: Reading) -> None:
    macs = [mac_form(word) for word in part.words("mac")]
    address = addresses(part.words("ip"))
    if not address or len(address) != 1 or len(macs) != 1 or not fits(Mac, macs[0]):
        return
    part.take("name", "mac", "ip")
    part.take_if("dns", "1")
    found.fixed.append(Fixed(macs[0], IPv4Address(address[0]), part.get("name"), Line(part.where, uci.whole(part.section))))


_DHCP = {"dnsmasq": _names, "dhcp": _pool, "host": _fixed}


# ---------------------------------------------------------------------------------------------- firewall

_REDIRECT = {"name", "src", "dest", "proto", "src_dport", "dest_ip", "dest_port", "target", "family", "reflection", "src_dip",
             "enabled"}  # fmt: skip


def _inward(part: Part, line: Part | None, found: Reading) -> None:
    """A port that leads in, where it leads in for everybody; one with a condition more is told, not widened."""
    protocols = [one.lower() for word in part.words("proto") or ["tcpudp"] for one in ("tcp", "udp") if one in word.lower()]
    outside, inside = part.get("src_dport"), part.get("dest_port") or part.get("src_dport")
    own = {"", line.section.name, line.get("ipaddr").partition("/")[0]} if line else {""}
    plain = part.section.options and {key for key, _ in part.section.options} <= _REDIRECT
    where = (part.get("target", "DNAT"), part.get("src", "wan"), part.get("enabled", "1")) == ("DNAT", "wan", "1")
    family = part.get("family", "ipv4") == "ipv4" and part.get("src_dip") in own
    address = addresses(part.words("dest_ip"))
    if not (plain and where and family and address and len(address) == 1 and protocols):
        return
    if not (fits(PortNumber, outside) and fits(PortNumber, inside)):
        return
    for protocol in dict.fromkeys(protocols):
        said = Line(part.where, uci.whole(part.section))
        found.inward.append(Inward(protocol, int(outside), IPv4Address(address[0]), int(inside), part.get("name"), said))
    part.take(*_REDIRECT)


# ------------------------------------------------------------------------------------------ Wi-Fi, system

_MODES = {"sae": "wpa3", "sae-mixed": "wpa3-wpa2", "psk2": "wpa2"}


def _wireless(parts: list[Part], found: Reading) -> None:
    off = {part.section.name for part in parts if part.section.type == "wifi-device" and part.get("disabled") == "1"}
    ours = []
    for part in parts:
        if part.section.type != "wifi-iface":
            continue
        if part.get("disabled") == "1" or part.get("device") in off:
            found.left.append(part.line(why="it is switched off there"))
        elif part.get("mode", "ap") == "ap":
            ours.append(part)
    counted = Counter(part.get("device") for part in ours)
    radio = max(counted, key=lambda name: counted[name], default="")
    found.radio = radio if fits(PortName, radio) else ""
    for part in ours:
        security = _MODES.get(part.get("encryption").partition("+")[0], "")
        if part.get("device") != radio:
            found.left.append(part.line(why="a second radio; the dossier has one"))
        elif not security or not part.get("key"):
            found.left.append(part.line(why="a Wi-Fi without a common key"))
        else:
            said = Line(part.where, uci.statement("wireless", part.section, "ssid", part.get("ssid")))
            found.air.append(Air(part.get("ssid"), security, part.get("key"), part.get("network"), said))
            part.take("device", "mode", "network", "ssid", "encryption", "key")
            part.take_if("ieee80211w", str(SECURITY[security][1]))
            part.take_if("isolate", "0" if part.get("network") == "lan" else "1")


def _system(parts: list[Part], found: Reading) -> None:
    for part in parts:
        if part.section.type == "system" and (to := addresses(part.words("log_ip"))):
            port, protocol = part.get("log_port", "514"), part.get("log_proto", "udp")
            if fits(PortNumber, port) and protocol in ("tcp", "udp"):
                said = Line(part.where, uci.statement("system", part.section, "log_ip", to[0]))
                found.syslog = (to[0], int(port), protocol, said)
                part.take("log_ip", "log_port", "log_proto")
        elif part.section.type == "timeserver" and part.get("enabled", "1") == "1":
            known = [one for one in part.words("server") if fits(Server, one)][:TIME_SERVERS]
            found.time_servers = known
            part.used |= {("server", value) for value in part.all("server") if set(value.split()) <= set(known)}
            part.take("enabled")
