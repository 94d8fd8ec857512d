"""A RouterOS 7 router (MikroTik): its menus as lines of its own configuration.

The menus in `OWNED` are the office's alone: what else stands in them is taken away, and said so at the plan. Everything else
(accounts, services, certificates, queues) is left as it is. Items bear a comment of ours, `office: …`, by which they are found
again. The menu `wifi` and what the guard needs came with RouterOS 7.13.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.router.description import Description, Subnet, Wireless
from provisioner.router.platforms import File, Files, without_routes
from provisioner.router.platforms.routeros_syntax import Item

FILE = "office.rsc"
MARK = "office: "
WAN, LAN = "ether1", ("ether2", "ether3", "ether4", "ether5")
BRIDGE, GUESTS, VLAN_WAN, LINE, TUNNEL = "office-lan", "office-guests", "office-line", "office-ppp", "office-tunnel"
POOL = "office-prefix"
LOG, TOPICS = "officelog", ("info", "warning", "error", "critical")  # a name of letters and digits, or it is refused
RADIO_DEFAULT = "[ find default-name={} ]"
LEASE = "12h"
SECRETS = frozenset({"password", "passphrase", "private-key", "preshared-key", "security.passphrase", "wpa2-pre-shared-key"})


@dataclass(frozen=True, slots=True)
class Menu:
    """One menu that is ours. `key`: what names an item there; `ordered`: the first one that fits counts."""

    key: str = "comment"
    ordered: bool = False
    removable: str = "!dynamic"  # of what is there by itself nothing can be removed
    only: tuple[str, str] | None = None  # of a menu that is not ours alone: what ours have
    defaults: tuple[tuple[str, str], ...] = ()  # an export leaves them out, older ones here and there do not


# In the order in which they lean on each other. What a line is when nothing is said stands in MikroTik's pages of each menu.
OWNED: dict[str, Menu] = {
    "/interface bridge": Menu("name", removable="", defaults=(("protocol-mode", "rstp"),)),
    "/interface vlan": Menu("name", removable=""),
    "/interface pppoe-client": Menu("name", removable="", defaults=(("disabled", "yes"), ("use-peer-dns", "no"))),
    "/interface wireguard": Menu("name", removable="", defaults=(("mtu", "1420"), ("listen-port", "13231"))),
    "/interface wireguard peers": Menu("name", removable=""),
    "/interface wifi security": Menu("name", removable=""),
    "/interface wifi datapath": Menu("name", removable="", defaults=(("client-isolation", "no"),)),
    "/interface wifi configuration": Menu("name", removable="", defaults=(("hide-ssid", "no"),)),
    "/interface wifi": Menu("name", removable="", defaults=(("disabled", "yes"),)),
    "/interface bridge port": Menu(defaults=(("pvid", "1"), ("frame-types", "admit-all"))),
    "/interface bridge vlan": Menu(),
    "/ip pool": Menu("name", removable=""),
    "/ip address": Menu(),
    "/ip dhcp-client": Menu(defaults=(("use-peer-dns", "yes"), ("add-default-route", "yes"), ("use-peer-ntp", "yes"))),
    "/ip dhcp-server": Menu("name", removable=""),
    "/ip dhcp-server network": Menu(removable=""),
    "/ip dhcp-server lease": Menu(),
    "/ip dns": Menu(defaults=(("servers", ""), ("use-doh-server", ""), ("allow-remote-requests", "no"))),
    "/ip dns static": Menu(defaults=(("type", "A"), ("ttl", "1d"), ("match-subdomain", "no"))),
    "/ip route": Menu(defaults=(("distance", "1"), ("routing-table", "main"))),
    "/ip firewall filter": Menu(ordered=True),
    "/ip firewall nat": Menu(ordered=True),
    "/ipv6 address": Menu(defaults=(("advertise", "yes"),)),
    "/ipv6 dhcp-client": Menu(defaults=(("use-peer-dns", "yes"), ("add-default-route", "no"))),
    "/ipv6 nd": Menu(removable="!default", defaults=(("advertise-dns", "yes"),)),
    "/ipv6 firewall filter": Menu(ordered=True),
    "/system clock": Menu(defaults=(("time-zone-autodetect", "yes"), ("time-zone-name", "manual"))),
    "/system ntp client": Menu(defaults=(("enabled", "no"), ("mode", "unicast"))),
    "/system ntp client servers": Menu("address", removable=""),
    "/system ntp server": Menu(defaults=(("enabled", "no"),)),
    "/system logging action": Menu("name", removable="", only=("name", LOG), defaults=(("remote-port", "514"),)),
    "/system logging": Menu("topics", removable="", only=("action", LOG)),
}  # fmt: skip

# As its own list of countries calls them (WiFi, "country"); elsewhere its Wi-Fi is left out, and that is said.
COUNTRIES = {
    "AT": "Austria", "BE": "Belgium", "BG": "Bulgaria", "CA": "Canada", "CH": "Switzerland", "CZ": "Czech", "DE": "Germany",
    "DK": "Denmark", "EE": "Estonia", "ES": "Spain", "FI": "Finland", "FR": "France", "GB": "United Kingdom", "GR": "Greece",
    "HR": "Croatia", "HU": "Hungary", "IE": "Ireland", "IT": "Italy", "LT": "Lithuania", "LU": "Luxembourg", "LV": "Latvia",
    "MA": "Morocco", "NL": "Netherlands", "NO": "Norway", "PL": "Poland", "PT": "Portugal", "RO": "Romania", "SE": "Sweden",
    "SI": "Slovenia", "SK": "Slovakia", "TN": "Tunisia",
}  # fmt: skip


def cannot(wanted: Description) -> list[str]:
    """What of a description it does not do."""
    said = without_routes(wanted)
    if wanted.wireless and not wanted.interfaces.radio:
        said.append("Wi-Fi is left out: this router has no radio (interfaces: radio: in its section of the dossier)")
    elif wanted.wireless and wanted.country not in COUNTRIES:
        said.append(f"Wi-Fi is left out: RouterOS' name of the country {wanted.country} is not known here")
    if wanted.syslog and wanted.syslog.protocol != "udp":
        said.append("syslog is left out: RouterOS sends its messages by UDP alone (syslog: protocol: udp)")
    return said


def render(wanted: Description) -> Files:
    """The one file, as an export has it; equal descriptions give equal bytes. It holds secrets, so it is never shown as it is."""
    return {FILE: File("".join(f"{item.text}\n" for item in items(wanted)), "0600", secret=True)}


def items(wanted: Description) -> list[Item]:
    """Its lines, menu by menu."""
    found = list(_items(wanted))
    assert {item.menu for item in found} <= set(OWNED), {item.menu for item in found} - set(OWNED)
    place = list(OWNED)
    return sorted(found, key=lambda item: place.index(item.menu))


def wan_link(wanted: Description) -> str:
    """The link that leads to the Internet."""
    if wanted.wan.type == "pppoe":
        return LINE
    return VLAN_WAN if wanted.wan.vlan else wanted.interfaces.wan or WAN


def _add(menu: str, mark: str, **props: str | int) -> Item:
    """An item with our mark; `_` in a property's name stands for `-`."""
    named = {name.replace("_", "-"): str(value) for name, value in props.items()}
    return Item(menu, "add", {**named, **({"comment": MARK + mark} if mark else {})})


def _items(wanted: Description) -> Iterator[Item]:
    yield from _line(wanted)
    yield from _bridge(wanted)
    yield from _radio(wanted)
    for subnet, link in ((wanted.lan, BRIDGE), *(((wanted.guests, GUESTS),) if wanted.guests else ())):
        yield from _subnet(wanted, subnet, link)
    yield Item("/ipv6 nd", "set", {"disabled": "yes"}, "[ find default=yes ]")
    yield from _names(wanted)
    yield from _time_and_messages(wanted)
    if wanted.tunnel:
        yield from _tunnel(wanted)
    yield from _filter(wanted, "/ip firewall filter", "icmp")
    yield from _filter(wanted, "/ipv6 firewall filter", "icmpv6")
    yield from _nat(wanted)


def _line(wanted: Description) -> Iterator[Item]:
    wan, port = wanted.wan, wanted.interfaces.wan or WAN
    if wan.vlan:
        yield _add("/interface vlan", "line", name=VLAN_WAN, interface=port, vlan_id=wan.vlan)
        port = VLAN_WAN
    peer_dns = "no" if wan.dns else "yes"
    if wan.type == "pppoe":
        yield _add("/interface pppoe-client", "line", name=LINE, interface=port, user=wan.user or "", disabled="no",
                   password=wanted.wan_password, add_default_route="yes", use_peer_dns=peer_dns)  # fmt: skip
    elif wan.type == "static":
        assert wan.address and wan.gateway
        yield _add("/ip address", "line", address=str(wan.address), interface=port, network=str(wan.address.network[0]))
        # by the link too, so that a gateway beyond the line's own network is reached
        inside = wan.gateway in wan.address.network
        yield _add("/ip route", "line", dst_address="0.0.0.0/0", gateway=str(wan.gateway) + ("" if inside else f"%{port}"))
    else:
        yield _add("/ip dhcp-client", "line", interface=port, use_peer_dns=peer_dns, use_peer_ntp="no")
    if wan.ipv6:
        yield _add("/ipv6 dhcp-client", "line", interface=wan_link(wanted), request="prefix", pool_name=POOL,
                   add_default_route="yes", use_peer_dns="no")  # fmt: skip


def _bridge(wanted: Description) -> Iterator[Item]:
    """One bridge for the LAN; with guests it knows VLANs, and theirs reaches the router on it."""
    own, others = wanted.interfaces.guests, (wanted.interfaces.guests, wanted.interfaces.wan or WAN)
    ports = wanted.interfaces.lan or [port for port in LAN if port not in others]
    filtering = {"vlan_filtering": "yes"} if wanted.guests else {}
    yield _add("/interface bridge", "lan", name=BRIDGE, **filtering)
    for port in ports:
        yield _add("/interface bridge port", f"lan {port}", bridge=BRIDGE, interface=port)
    if wanted.guests:
        vlan = wanted.guests.vlan or 1
        tagged = ",".join([BRIDGE, *([] if own else ports)])
        yield _add("/interface vlan", "guests", name=GUESTS, interface=BRIDGE, vlan_id=vlan)
        yield _add("/interface bridge vlan", "guests", bridge=BRIDGE, tagged=tagged, vlan_ids=vlan)
        if own:
            yield _guest_port(own, vlan)


def _guest_port(port: str, vlan: int) -> Item:
    return _add("/interface bridge port", f"guests {port}", bridge=BRIDGE, interface=port, pvid=vlan,
                frame_types="admit-only-untagged-and-priority-tagged")  # fmt: skip


_AUTHENTICATION = {
    # WiFi, "Security Properties": WPA3 alone asks for protected management frames, both together offer them
    "wpa3": {"authentication_types": "wpa3-psk", "management_protection": "required"},
    "wpa3-wpa2": {"authentication_types": "wpa2-psk,wpa3-psk", "management_protection": "allowed"},
    "wpa2": {"authentication_types": "wpa2-psk", "management_protection": "disabled"},
}


def _radio(wanted: Description) -> Iterator[Item]:
    radio = wanted.interfaces.radio
    if not radio or not wanted.wireless or wanted.country not in COUNTRIES:
        return
    first, *others = wanted.wireless
    for one in wanted.wireless:
        yield from _profile(wanted, one)
    on = {"configuration": f"office-{first.subnet}", "disabled": "no"}
    yield Item("/interface wifi", "set", on, RADIO_DEFAULT.format(radio))
    for one in others:
        yield _add("/interface wifi", f"wifi {one.subnet}", name=f"office-wifi-{one.subnet}", master_interface=radio,
                   configuration=f"office-{one.subnet}", disabled="no")  # fmt: skip
    for link, one in zip([radio, *(f"office-wifi-{other.subnet}" for other in others)], wanted.wireless, strict=True):
        if one.subnet == "guests" and wanted.guests:
            yield _guest_port(link, wanted.guests.vlan or 1)
        else:
            yield _add("/interface bridge port", f"lan {link}", bridge=BRIDGE, interface=link)


def _profile(wanted: Description, one: Wireless) -> Iterator[Item]:
    name = f"office-{one.subnet}"
    yield _add("/interface wifi security", one.subnet, name=name, passphrase=one.key, wps="disable",
               **_AUTHENTICATION[one.security])  # fmt: skip
    isolated = {"client_isolation": "yes"} if one.subnet == "guests" else {}
    yield _add("/interface wifi datapath", one.subnet, name=name, **isolated)
    yield _add("/interface wifi configuration", one.subnet, name=name, country=COUNTRIES[wanted.country], datapath=name,
               mode="ap", security=name, ssid=one.ssid)  # fmt: skip


def _subnet(wanted: Description, subnet: Subnet, link: str) -> Iterator[Item]:
    """A network behind the router: its own addresses, DHCP with what is reserved, what it advertises."""
    name, network = subnet.name, subnet.address.network
    pool = f"office-{name}"
    server = wanted.dns if wanted.dns and subnet is wanted.lan else subnet.address.ip
    yield _add("/ip address", name, address=str(subnet.address), interface=link, network=str(network[0]))
    yield _add("/ip pool", "", name=pool, ranges=f"{subnet.first}-{subnet.last}")
    yield _add("/ip dhcp-server", name, name=pool, address_pool=pool, interface=link, lease_time=LEASE)
    own_ip = str(subnet.address.ip)
    domain = {"domain": wanted.domain} if subnet is wanted.lan else {}
    yield _add("/ip dhcp-server network", name, address=str(network), dns_server=str(server), gateway=own_ip, ntp_server=own_ip,
               **domain)  # fmt: skip
    if subnet is wanted.lan:
        for one in wanted.reservations:
            yield _add("/ip dhcp-server lease", one.name, address=str(one.address), mac_address=one.mac.upper(), server=pool)
    yield _add("/ipv6 address", f"{name} ula", address=str(subnet.ula), interface=link)
    if wanted.wan.ipv6:
        yield _add("/ipv6 address", name, address="::1", from_pool=POOL, interface=link)
    own = wanted.dns is None or subnet is not wanted.lan
    advertised = {"dns": str(subnet.ula.ip)} if own else {"advertise_dns": "no"}
    yield _add("/ipv6 nd", name, interface=link, **advertised)


def _names(wanted: Description) -> Iterator[Item]:
    servers = {"servers": ",".join(map(str, wanted.wan.dns))} if wanted.wan.dns else {}
    yield Item("/ip dns", "set", {"allow-remote-requests": "yes", **servers})
    own = f"{wanted.host}.{wanted.domain}"
    if wanted.dns:
        yield _add("/ip dns static", wanted.host, name=own, address=str(wanted.lan.address.ip))
        yield _add("/ip dns static", "the office's names", name=wanted.domain, type="FWD", forward_to=str(wanted.dns),
                   match_subdomain="yes")  # fmt: skip
        return
    for name, address in wanted.names:
        yield _add("/ip dns static", name, name=f"{name}.{wanted.domain}", address=str(address))


def _time_and_messages(wanted: Description) -> Iterator[Item]:
    yield Item("/system clock", "set", {"time-zone-autodetect": "no", "time-zone-name": wanted.timezone})
    yield Item("/system ntp client", "set", {"enabled": "yes"})
    for server in wanted.time_servers:
        yield _add("/system ntp client servers", "", address=server)
    yield Item("/system ntp server", "set", {"enabled": "yes"})
    sink = wanted.syslog
    if sink and sink.protocol == "udp":
        yield _add("/system logging action", "", name=LOG, target="remote", remote=str(sink.address), remote_port=sink.port)
        for topic in TOPICS:
            yield _add("/system logging", "", action=LOG, topics=topic)


def _tunnel(wanted: Description) -> Iterator[Item]:
    tunnel = wanted.tunnel
    assert tunnel
    yield _add("/interface wireguard", "tunnel", name=TUNNEL, private_key=tunnel.key, listen_port=13231, mtu=1420)
    yield _add("/interface wireguard peers", "tunnel", name=TUNNEL, interface=TUNNEL, public_key=tunnel.peer_key,
               endpoint_address=tunnel.endpoint, endpoint_port=tunnel.port, persistent_keepalive="25s",
               allowed_address=",".join(str(one.network) for one in tunnel.allowed))  # fmt: skip
    yield _add("/ip address", "tunnel", address=str(tunnel.address), interface=TUNNEL, network=str(tunnel.address.network[0]))
    for one in tunnel.allowed:
        if not one.network.subnet_of(tunnel.address.network):
            yield _add("/ip route", f"tunnel {one.network}", dst_address=str(one.network), gateway=TUNNEL)


def _ports(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _filter(wanted: Description, menu: str, icmp: str) -> Iterator[Item]:
    """Who may reach the router (input) and what it passes on (forward); the same for both versions of IP."""
    old, wan = menu.startswith("/ip "), wan_link(wanted)

    def rule(mark: str, chain: str, action: str = "accept", **props: str | int) -> Item:
        return _add(menu, mark, chain=chain, action=action, **props)

    yield rule("known", "input", connection_state="established,related,untracked")
    yield rule("torn", "input", "drop", connection_state="invalid")
    yield rule("echo", "input", protocol=icmp)
    yield rule("itself", "input", src_address_type="local", dst_address_type="local")
    if not old:
        yield rule("the line's prefix", "input", protocol="udp", dst_port=546, src_address="fe80::/10", in_interface=wan)
    for link in (BRIDGE, GUESTS) if wanted.guests else (BRIDGE,):
        yield rule(f"time {link}", "input", in_interface=link, protocol="udp", dst_port=123)
    for one in wanted.open_ports:
        yield rule(f"{one.role} {one.protocol} {_ports(one.first, one.last)}", "input", in_interface=BRIDGE,
                   protocol=one.protocol, dst_port=_ports(one.first, one.last))  # fmt: skip
    if wanted.guests:
        yield rule("guests: names and addresses", "input", in_interface=GUESTS, protocol="udp", dst_port="53,67")
        yield rule("guests: names", "input", in_interface=GUESTS, protocol="tcp", dst_port=53)
    if wanted.tunnel and old:
        for by in wanted.tunnel.allowed:
            yield rule(f"maintenance {by.network}", "input", in_interface=TUNNEL, protocol="tcp", dst_port=22,
                       src_address=str(by.network))  # fmt: skip
    yield rule("all else", "input", "drop")
    yield rule("known on its way", "forward", connection_state="established,related,untracked")
    yield rule("torn on its way", "forward", "drop", connection_state="invalid")
    if old:
        yield rule("forwarded ports", "forward", connection_nat_state="dstnat", in_interface=wan)
    yield rule("staff to the Internet", "forward", in_interface=BRIDGE, out_interface=wan)
    if wanted.guests:
        yield rule("guests to the Internet", "forward", in_interface=GUESTS, out_interface=wan)
    if wanted.tunnel and old:
        for by in wanted.tunnel.allowed:
            yield rule(f"maintenance of machines {by.network}", "forward", in_interface=TUNNEL, out_interface=BRIDGE,
                       src_address=str(by.network))  # fmt: skip
    yield rule("all else on its way", "forward", "drop")


def _nat(wanted: Description) -> Iterator[Item]:
    wan, menu = wan_link(wanted), "/ip firewall nat"
    yield _add(menu, "masquerade", chain="srcnat", action="masquerade", out_interface=wan)
    for one in wanted.forwards:
        # only what was sent to the router itself: a neighbour on the line can send any address of his choice here
        yield _add(menu, f"forward {one.name}", chain="dstnat", action="dst-nat", in_interface=wan, dst_address_type="local",
                   protocol=one.protocol, dst_port=one.port, to_addresses=str(one.address), to_ports=one.to_port)  # fmt: skip
