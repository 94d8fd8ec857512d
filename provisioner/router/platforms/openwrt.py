"""An OpenWrt router (23.05, 24.10): its packages network, dhcp, firewall, wireless and system, as files of UCI's. Pure.

They are the office's whole: what somebody else set in one of them is shown as taken away before it is. What only the board
knows (its radios' hardware, its lights, its switch) is kept (`merged`). Accounts, dropbear, LuCI and packages are left alone.
"""

import contextlib
import zoneinfo
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from provisioner.router.description import Description, Subnet
from provisioner.router.platforms import File, Files, without_radio, without_routes
from provisioner.router.platforms.uci import Section, section, write

FOLDER = "/etc/config"
PACKAGES = ("network", "dhcp", "firewall", "wireless", "system")
RENDERED = "# The office's dossier, for any board.\n"
HEAD = "# Set by the office's dossier; changes here are overwritten.\n"
WAN, LAN = "wan", ["lan1", "lan2", "lan3", "lan4"]
BRIDGE, GUESTS = "br-lan", "br-guests"
LEASE = "12h"
SECURITY = {"wpa3": ("sae", 2), "wpa3-wpa2": ("sae-mixed", 1), "wpa2": ("psk2", 0)}
_BOARD = {"system": ("led", "gpio_switch", "rngd"), "network": ("switch", "switch_vlan", "switch_port", "dsl", "atm-bridge"),
          "wireless": ("wifi-device",)}  # fmt: skip


def render(wanted: Description) -> Files:
    """The packages; equal descriptions give equal bytes."""
    parts = {"network": _network, "dhcp": _dhcp, "firewall": _firewall, "wireless": _wireless, "system": _system}
    return {
        f"{FOLDER}/{name}": File(RENDERED + write(list(part(wanted))), "0600", secret=name in ("network", "wireless"))
        for name, part in parts.items()
    }


def cannot(wanted: Description) -> list[str]:
    """What it leaves out, or takes for granted."""
    said = [*without_radio(wanted), *without_routes(wanted)]
    if not wanted.interfaces.wan or not wanted.interfaces.lan:
        said.append("interfaces: are not all said in the router's section of the dossier: wan, and lan1 to lan4 are meant")
    if _posix(wanted.timezone) is None:
        said.append(f"the router's clock stays at UTC: this laptop does not know the time zone {wanted.timezone}")
    return said


def merged(package: str, here: Sequence[Section], wanted: Sequence[Section]) -> list[Section]:
    """What is wanted, with what only the board knows of it."""
    named = {one.name: one for one in here if one.name}
    found, kinds = [], _BOARD.get(package, ())
    for one in wanted:
        there = named.get(one.name)
        if one.type == "wifi-device" and there and there.type == one.type:
            one = Section(one.type, one.name, tuple({**dict(there.options), **dict(one.options)}.items()))  # noqa: PLW2901
        found.append(one)
    ours = {one.name for one in found if one.name} | {str(one.get("name")) for one in found if one.type == "device"}
    found += [one for one in here if one.type in kinds and one.name not in ours]
    if package == "network":  # a port's own address on the wire, as the board's maker wrote it
        found += [
            one for one in here
            if one.type == "device" and one.get("macaddr") and not one.get("type") and str(one.get("name")) not in ours
        ]  # fmt: skip
    return found


# --------------------------------------------------------------------------------------- network


def _network(wanted: Description) -> Iterator[Section]:
    wan, others = wanted.wan, (wanted.interfaces.wan or WAN, wanted.interfaces.guests)
    ports = wanted.interfaces.lan or [port for port in LAN if port not in others]
    vlans = wanted.guests is not None and not wanted.interfaces.guests
    yield section("interface", "loopback", device="lo", proto="static", ipaddr="127.0.0.1", netmask="255.0.0.0")
    yield section("globals", "globals", ula_prefix=str(wanted.ula))
    yield section("device", "office_bridge", name=BRIDGE, type="bridge", ports=ports)
    lan, guests = BRIDGE, GUESTS
    if vlans and wanted.guests:
        own = 2 if wanted.guests.vlan == 1 else 1
        lan, guests = f"{BRIDGE}.{own}", f"{BRIDGE}.{wanted.guests.vlan}"
        for name, number, how in (("office_lan", own, "u*"), ("office_guests", wanted.guests.vlan, "t")):
            yield section("bridge-vlan", name, device=BRIDGE, vlan=number, ports=[f"{port}:{how}" for port in ports])
    yield _subnet("lan", lan, wanted.lan, 0)
    if wanted.guests:
        if not vlans:
            yield section("device", "office_guests", name=GUESTS, type="bridge", ports=[wanted.interfaces.guests or ""])
        yield _subnet("guests", guests, wanted.guests, 1)
    port = wanted.interfaces.wan or WAN
    device = f"{port}.{wan.vlan}" if wan.vlan else port
    dns = [str(one) for one in wan.dns]
    own_dns = "0" if dns else None
    if wan.type == "static":
        address = wan.address
        assert address
        yield section("interface", "wan", device=device, proto="static", ipaddr=str(address.ip),
                      netmask=str(address.netmask), gateway=str(wan.gateway), dns=dns)  # fmt: skip
    elif wan.type == "pppoe":
        yield section("interface", "wan", device=device, proto="pppoe", username=wan.user, password=wanted.wan_password,
                      ipv6="1" if wan.ipv6 else "0", peerdns=own_dns, dns=dns)  # fmt: skip
    else:
        yield section("interface", "wan", device=device, proto="dhcp", peerdns=own_dns, dns=dns)
    if wan.ipv6:
        yield section("interface", "wan6", device="@wan", proto="dhcpv6", reqaddress="try", reqprefix="auto", peerdns=own_dns)
    if tunnel := wanted.tunnel:
        yield section("interface", "tunnel", proto="wireguard", private_key=tunnel.key, addresses=[str(tunnel.address)])
        yield section("wireguard_tunnel", "office_peer", public_key=tunnel.peer_key, endpoint_host=tunnel.endpoint,
                      endpoint_port=tunnel.port, allowed_ips=[str(one.network) for one in tunnel.allowed],
                      route_allowed_ips="1", persistent_keepalive="25")  # fmt: skip


def _subnet(name: str, device: str, subnet: Subnet, number: int) -> Section:
    return section("interface", name, device=device, proto="static", ipaddr=str(subnet.address.ip),
                   netmask=str(subnet.address.netmask), ip6assign="64", ip6hint=str(number))  # fmt: skip


# ------------------------------------------------------------------------------------------ dhcp


def _dhcp(wanted: Description) -> Iterator[Section]:
    domain, lan = wanted.domain, wanted.lan
    servers = [f"/{domain}/{wanted.dns}", f"/{_reverse(lan.address.network)}/{wanted.dns}"] if wanted.dns else []
    yield section(
        "dnsmasq", "office", domainneeded="1", boguspriv="1", localise_queries="1", rebind_protection="1", rebind_localhost="1",
        rebind_domain=[*([domain] if wanted.dns else []), *wanted.websites], local=None if wanted.dns else f"/{domain}/",
        domain=domain, expandhosts="1", authoritative="1", readethers="1", leasefile="/tmp/dhcp.leases",  # noqa: S108 - its own place
        resolvfile="/tmp/resolv.conf.d/resolv.conf.auto", localservice="1", ednspacket_max="1232", server=servers,  # noqa: S108
    )  # fmt: skip
    yield section("odhcpd", "odhcpd", maindhcp="0", leasefile="/tmp/hosts/odhcpd", leasetrigger="/usr/sbin/odhcpd-update",  # noqa: S108
                  loglevel="4")  # fmt: skip
    yield section("dhcp", "wan", interface="wan", ignore="1")
    for name, subnet in (("lan", lan), ("guests", wanted.guests)):
        if subnet is None:
            continue
        answers = wanted.dns if wanted.dns and name == "lan" else subnet.address.ip
        words = f"119,{domain}" if name == "lan" else "15"
        yield section(
            "dhcp", name, interface=name, start=int(subnet.first) - int(subnet.address.network.network_address),
            limit=int(subnet.last) - int(subnet.first) + 1, leasetime=LEASE, dhcpv4="server", ra="server", ra_flags=["none"],
            ra_dns="0" if answers == wanted.dns else "1", dhcp_option=[f"6,{answers}", f"42,{subnet.address.ip}", words],
        )  # fmt: skip
    for one in wanted.reservations:
        yield section("host", _name("host", one.name), name=one.name, mac=one.mac, ip=str(one.address))
    names = [(wanted.host, lan.address.ip)] if wanted.dns else wanted.names
    for name, address in names:
        yield section("domain", _name("name", name), name=f"{name}.{domain}", ip=str(address))


def _reverse(network: IPv4Network) -> str:
    """The zone of a network's addresses (RFC 2317 has none between the octets: the wider one is asked)."""
    octets = str(network.network_address).split(".")[: max(1, network.prefixlen // 8)]
    return ".".join([*reversed(octets), "in-addr.arpa"])


def _name(sort: str, name: str) -> str:
    """A section's name has letters, digits and `_` alone (libuci, util.c uci_validate_str)."""
    return f"{sort}_{name.replace('-', '__')}"


# -------------------------------------------------------------------------------------- firewall


def _rule(label: str, **options: str | int | Sequence[str] | None) -> Section:
    return section("rule", "", name=label, **options, target="ACCEPT")


def _firewall(wanted: Description) -> Iterator[Section]:
    yield section("defaults", "", syn_flood="1", input="REJECT", output="ACCEPT", forward="REJECT")
    yield _zone("lan", ["lan"])
    yield _zone("wan", ["wan", *(["wan6"] if wanted.wan.ipv6 else [])], input="DROP", masq="1", mtu_fix="1")
    if wanted.guests:
        yield _zone("guests", ["guests"])
    if wanted.tunnel:
        yield _zone("tunnel", ["tunnel"])
    yield section("forwarding", "", src="lan", dest="wan")
    if wanted.guests:
        yield section("forwarding", "", src="guests", dest="wan")
    yield _rule("office: echo and errors", src="*", proto=["icmp"])
    yield _rule("office: the line's address", src="wan", family="ipv4", proto=["udp"], dest_port="68")
    if wanted.wan.ipv6:
        yield _rule("office: the line's prefix", src="wan", family="ipv6", proto=["udp"], src_ip="fe80::/10", dest_port="546")
    for one in wanted.open_ports:
        port = str(one.first) if one.first == one.last else f"{one.first}-{one.last}"
        yield _rule(f"office: {one.role}", src="lan", proto=[one.protocol], dest_port=port)
    yield _rule("office: time", src="lan", proto=["udp"], dest_port="123")
    if wanted.guests:
        yield _rule("office: names, addresses and time for guests", src="guests", proto=["udp"], dest_port="53 67 123")
        yield _rule("office: names for guests", src="guests", proto=["tcp"], dest_port="53")
    if wanted.tunnel:
        beyond = [str(one.network) for one in wanted.tunnel.allowed]
        yield _rule("office: maintenance", src="tunnel", src_ip=beyond, proto=["tcp"], dest_port="22")
        yield _rule("office: maintenance of the LAN", src="tunnel", dest="lan", src_ip=beyond, proto=["all"])
    # a network's name stands for the addresses that it has now (fw4.uc parse_subnet); without, whatever comes in would be led on
    own = str(wanted.wan.address.ip) if wanted.wan.address else "wan"
    for forward in wanted.forwards:
        yield section(
            "redirect", "", name=forward.name, src="wan", dest="lan", family="ipv4", proto=[forward.protocol],
            src_dip=own, src_dport=forward.port,
            dest_ip=str(forward.address), dest_port=forward.to_port, reflection="0", target="DNAT",
        )  # fmt: skip


def _zone(name: str, networks: list[str], **options: str) -> Section:
    return section("zone", "", **{"name": name, "network": networks, "input": "REJECT", "output": "ACCEPT", "forward": "REJECT",
                                  **options})  # fmt: skip


# ---------------------------------------------------------------------------- wireless and system


def _wireless(wanted: Description) -> Iterator[Section]:
    if not (radio := wanted.interfaces.radio) or not wanted.wireless:
        return
    yield section("wifi-device", radio, country=wanted.country, channel="auto", disabled="0")
    for one in wanted.wireless:
        encryption, frames = SECURITY[one.security]
        into = "lan" if one.subnet == "staff" else "guests"
        yield section("wifi-iface", f"office_{one.subnet}", device=radio, mode="ap", network=into, ssid=one.ssid,
                      encryption=encryption, key=one.key, ieee80211w=frames,
                      isolate="1" if into == "guests" else None)  # fmt: skip


def _system(wanted: Description) -> Iterator[Section]:
    sink = wanted.syslog
    log = {"log_ip": str(sink.address), "log_port": str(sink.port), "log_proto": sink.protocol} if sink else {}
    yield section("system", "office", hostname=wanted.host, timezone=_posix(wanted.timezone) or "UTC",
                  zonename=wanted.timezone, ttylogin="0", log_size="64", **log)  # fmt: skip
    yield section("timeserver", "ntp", enabled="1", enable_server="1", server=wanted.time_servers)


def _posix(zone: str) -> str | None:
    """A zone's rule as POSIX has it: the last line of its file (RFC 8536, 3.3); None where there is none."""
    for folder in zoneinfo.TZPATH:
        with contextlib.suppress(OSError, ValueError):
            return (Path(folder) / zone).read_bytes().rsplit(b"\n", 2)[1].decode("ascii")
    with contextlib.suppress(OSError, ModuleNotFoundError, ValueError):
        from importlib.resources import files

        return files("tzdata.zoneinfo").joinpath(*zone.split("/")).read_bytes().rsplit(b"\n", 2)[1].decode("ascii")
    return None
