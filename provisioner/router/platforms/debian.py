"""A Debian router: networkd, nftables, dnsmasq, chrony, WireGuard, hostapd, pppd, rsyslog, as files of ours and nothing else.

Ansible owns the machine (accounts, sshd, updates, packages: role `router`); these files alone own addresses, firewall, DHCP
and DNS. They come before anybody else's by their names, so what was there is in force again once they are gone.
"""

from collections.abc import Iterator

from provisioner.router.description import Description, MessageSink, Subnet, Wireless
from provisioner.router.platforms import File, Files, without_radio, without_routes

NETWORK = "/etc/systemd/network"
HEAD = "# Set by the office's dossier; changes here are overwritten.\n"
WAN, LAN, BSS = "wan0", "lan0", "office-wifi"
VLAN_WAN, LINE, BRIDGE, TUNNEL = "office-line", "office-ppp", "office-lan", "office-tunnel"
GUESTS, VLAN_GUESTS = "office-guests", "office-vlan"
LEASE = "12h"
# Every path that may be ours: a push takes away those of them that it does not set.
_NAMES = ("wan", "lan", "guests", "vlan", "line", "tunnel", *(f"port-{number}" for number in range(8)))
OWNED = (
    *(f"{NETWORK}/10-office-{name}.{kind}" for name in _NAMES for kind in ("network", "netdev")),
    f"{NETWORK}/10-office-tunnel.key",
    "/etc/office/firewall.nft", "/etc/dnsmasq.d/office.conf", "/etc/sysctl.d/60-office-router.conf",
    "/etc/systemd/resolved.conf.d/office.conf", "/etc/hostapd/office.conf", "/etc/hostapd/office-guests.conf",
    "/etc/ppp/peers/office", "/etc/ppp/office-secret", "/etc/chrony/office.conf", "/etc/rsyslog.d/60-office.conf",
)  # fmt: skip


def render(wanted: Description) -> Files:
    """The files; equal descriptions give equal bytes."""
    found = dict(_files(wanted))
    assert set(found) <= set(OWNED), set(found) - set(OWNED)
    return dict(sorted(found.items()))


def cannot(wanted: Description) -> list[str]:
    """What it leaves out."""
    said = [*without_radio(wanted), *without_routes(wanted)]
    if wanted.wan.type == "pppoe" and wanted.wan.ipv6:
        said.append("the line's IPv6 is left out: not over PPPoE (wan: ipv6: false says the same in the dossier)")
    return said


def wan_link(wanted: Description) -> str:
    """The link that leads to the Internet."""
    if wanted.wan.type == "pppoe":
        return LINE
    return VLAN_WAN if wanted.wan.vlan else wanted.interfaces.wan or WAN


def lan_link(wanted: Description) -> str:
    """The link that the LAN is on: a port, or a bridge of several and the radio."""
    return BRIDGE if _bridged(wanted) else (wanted.interfaces.lan or [LAN])[0]


def guests_link(wanted: Description) -> str:
    """The link that guests are on."""
    return GUESTS if _guests_on_radio(wanted) else wanted.interfaces.guests or GUESTS


def _bridged(wanted: Description) -> bool:
    return len(wanted.interfaces.lan) > 1 or bool(wanted.interfaces.radio and wanted.wireless)


def _files(wanted: Description) -> Iterator[tuple[str, File]]:
    yield from _line(wanted)
    yield from _lan(wanted)
    if wanted.guests:
        yield from _guests(wanted, wanted.guests)
    if wanted.tunnel:
        yield from _tunnel(wanted)
    yield from _radios(wanted)
    yield "/etc/office/firewall.nft", File(_firewall(wanted), "0755")
    yield "/etc/dnsmasq.d/office.conf", File(_names(wanted))
    yield "/etc/chrony/office.conf", File(_time(wanted))
    if wanted.syslog:
        yield "/etc/rsyslog.d/60-office.conf", File(_messages(wanted.syslog))
    yield "/etc/sysctl.d/60-office-router.conf", File(f"{HEAD}net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\n")
    # it only keeps what the line's DHCP says for dnsmasq, and answers nobody
    yield (
        "/etc/systemd/resolved.conf.d/office.conf",
        File(f"{HEAD}[Resolve]\nLLMNR=no\nMulticastDNS=no\nDNSStubListener=no\n"),
    )


def _network(name: str, match: str, *sections: str) -> tuple[str, File]:
    return f"{NETWORK}/10-office-{name}.network", File("\n".join((f"{HEAD}[Match]\n{match}", *sections)))


def _line(wanted: Description) -> Iterator[tuple[str, File]]:
    wan, port = wanted.wan, wanted.interfaces.wan or WAN
    if wan.vlan:
        yield f"{NETWORK}/10-office-line.netdev", File(f"{HEAD}[NetDev]\nName={VLAN_WAN}\nKind=vlan\n\n[VLAN]\nId={wan.vlan}\n")
        yield _network("wan", f"Name={port}\n", f"[Network]\nVLAN={VLAN_WAN}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n")
    name, match = ("line", f"Name={VLAN_WAN}\n") if wan.vlan else ("wan", f"Name={port}\n")
    if wan.type == "pppoe":
        if not wan.vlan:
            yield _network(name, match, "[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n")
        yield from _pppoe(wanted, VLAN_WAN if wan.vlan else port)
        return
    ask = f"IPv6AcceptRA={'yes' if wan.ipv6 else 'no'}\n" + ("" if wan.ipv6 else "LinkLocalAddressing=no\n")
    if wan.type == "static":
        servers = "".join(f"DNS={server}\n" for server in wan.dns)
        yield _network(name, match, f"[Network]\nAddress={wan.address}\n{servers}{ask}",
                       f"[Route]\nGateway={wan.gateway}\nGatewayOnLink=yes\n")  # fmt: skip
        return
    servers = "".join(f"DNS={server}\n" for server in wan.dns)
    lease = "[DHCPv4]\nUseHostname=no\nUseDomains=no\n" + ("UseDNS=no\n" if wan.dns else "")
    yield _network(name, match, f"[Network]\nDHCP={'yes' if wan.ipv6 else 'ipv4'}\n{servers}{ask}", lease)


def _pppoe(wanted: Description, port: str) -> Iterator[tuple[str, File]]:
    peer = (
        f"{HEAD}plugin pppoe.so\nnic-{port}\nifname {LINE}\nuser {_quoted(wanted.wan.user or '')}\nfile /etc/ppp/office-secret\n"
        "noauth\npersist\nmaxfail 0\nholdoff 5\ndefaultroute\nreplacedefaultroute\nusepeerdns\nlcp-echo-interval 10\n"
        f"lcp-echo-failure 3\nmtu 1492\nmru 1492\nnoipdefault\nnoipv6\n"
    )
    yield "/etc/ppp/peers/office", File(peer, "0640", "dip")
    yield "/etc/ppp/office-secret", File(f"password {_quoted(wanted.wan_password)}\n", "0600", secret=True)


def _quoted(text: str) -> str:
    """A word of pppd's (pppd(8), OPTIONS FILES): quotes and backslashes in it bear a backslash."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _subnet_sections(wanted: Description, subnet: Subnet, more: str = "") -> tuple[str, ...]:
    delegated = "DHCPPrefixDelegation=yes\n" if wanted.wan.ipv6 else ""
    own = f"DNS={subnet.ula.ip}\n" if wanted.dns is None or subnet.name == "guests" else ""
    return (
        f"[Network]\nAddress={subnet.address}\nAddress={subnet.ula}\nConfigureWithoutCarrier=yes\nIPv6SendRA=yes\n"
        f"IPv6AcceptRA=no\n{delegated}{more}",
        f"[IPv6SendRA]\nEmitDNS={'yes' if own else 'no'}\n{own}EmitDomains=no\n",
        f"[IPv6Prefix]\nPrefix={subnet.ula.network}\n",
    )


def _lan(wanted: Description) -> Iterator[tuple[str, File]]:
    vlan = wanted.guests and not wanted.interfaces.guests
    guests = f"VLAN={VLAN_GUESTS if _guests_on_radio(wanted) else GUESTS}\n" if vlan else ""
    if _bridged(wanted):
        yield f"{NETWORK}/10-office-lan.netdev", File(f"{HEAD}[NetDev]\nName={BRIDGE}\nKind=bridge\n")
        for number, port in enumerate(wanted.interfaces.lan or [LAN]):
            yield _network(f"port-{number}", f"Name={port}\n", f"[Network]\nBridge={BRIDGE}\n")
    yield _network("lan", f"Name={lan_link(wanted)}\n", *_subnet_sections(wanted, wanted.lan, guests))


def _guests_on_radio(wanted: Description) -> bool:
    return bool(wanted.interfaces.radio) and any(one.subnet == "guests" for one in wanted.wireless)


def _guests(wanted: Description, guests: Subnet) -> Iterator[tuple[str, File]]:
    """A port of their own, or a VLAN on the LAN's cables; with guests on the radio too, a bridge of both."""
    port = wanted.interfaces.guests
    vlan = f"Kind=vlan\n\n[VLAN]\nId={guests.vlan}\n"
    if _guests_on_radio(wanted):
        if not port:
            yield f"{NETWORK}/10-office-vlan.netdev", File(f"{HEAD}[NetDev]\nName={VLAN_GUESTS}\n{vlan}")
        yield _network("vlan", f"Name={port or VLAN_GUESTS}\n", f"[Network]\nBridge={GUESTS}\n")
        yield f"{NETWORK}/10-office-guests.netdev", File(f"{HEAD}[NetDev]\nName={GUESTS}\nKind=bridge\n")
    elif not port:
        yield f"{NETWORK}/10-office-guests.netdev", File(f"{HEAD}[NetDev]\nName={GUESTS}\n{vlan}")
    yield _network("guests", f"Name={guests_link(wanted)}\n", *_subnet_sections(wanted, guests))


def _tunnel(wanted: Description) -> Iterator[tuple[str, File]]:
    tunnel = wanted.tunnel
    assert tunnel
    allowed = "".join(f"AllowedIPs={one}\n" for one in tunnel.allowed)
    yield (
        f"{NETWORK}/10-office-tunnel.netdev",
        File(
            f"{HEAD}[NetDev]\nName={TUNNEL}\nKind=wireguard\n\n[WireGuard]\nPrivateKeyFile={NETWORK}/10-office-tunnel.key\n\n"
            f"[WireGuardPeer]\nPublicKey={tunnel.peer_key}\nEndpoint={tunnel.endpoint}:{tunnel.port}\n{allowed}PersistentKeepalive=25\n"
        ),
    )
    yield f"{NETWORK}/10-office-tunnel.key", File(f"{tunnel.key}\n", "0640", "systemd-network", secret=True)
    routes = "".join(f"\n[Route]\nDestination={one.network}\nScope=link\n" for one in tunnel.allowed)
    yield _network("tunnel", f"Name={TUNNEL}\n", f"[Network]\nAddress={tunnel.address}\nIPv6AcceptRA=no\n{routes}")


_AUTHENTICATION = {
    # hostapd.conf(5): WPA3 alone asks for protected management frames, both together offer them
    "wpa3": "wpa_key_mgmt=SAE\nieee80211w=2\nsae_require_mfp=1\n",
    "wpa3-wpa2": "wpa_key_mgmt=SAE WPA-PSK\nieee80211w=1\nsae_require_mfp=1\n",
    "wpa2": "wpa_key_mgmt=WPA-PSK\nieee80211w=0\n",
}


def _radios(wanted: Description) -> Iterator[tuple[str, File]]:
    if not wanted.interfaces.radio or not wanted.wireless:
        return
    radio = wanted.interfaces.radio
    first, *others = wanted.wireless
    text = (
        f"{HEAD}interface={radio}\ndriver=nl80211\ncountry_code={wanted.country}\nieee80211d=1\nieee80211h=1\nhw_mode=g\nchannel=0\n"
        f"ieee80211n=1\nwmm_enabled=1\n{_network_of(wanted, first)}"
    )
    for number, other in enumerate(others, start=1):
        text += f"\nbss={BSS}-{number}\n{_network_of(wanted, other)}"
    yield "/etc/hostapd/office.conf", File(text, "0600", secret=True)


def _network_of(wanted: Description, one: Wireless) -> str:
    """One network of the radio. The name goes as hexadecimal (ssid2 of hostapd.conf): no sign of it is special."""
    into = lan_link(wanted) if one.subnet == "staff" else guests_link(wanted)
    return (
        f"bridge={into}\nssid2={one.ssid.encode().hex()}\nutf8_ssid=1\nauth_algs=1\nwpa=2\nrsn_pairwise=CCMP\n"
        f"{_AUTHENTICATION[one.security]}wpa_passphrase={one.key}\n"
        + ("ap_isolate=1\n" if one.subnet == "guests" else "")
    )  # fmt: skip


def _ports(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _from(only: str) -> str:
    return f"ip saddr {only} " if only else ""


def _firewall(wanted: Description) -> str:
    wan, lan = wan_link(wanted), lan_link(wanted)
    reserved = [
        f'\t\tiifname "{lan}" {_from(one.only)}{one.protocol} dport {_ports(one.first, one.last)} accept comment "{one.role}"'
        for one in wanted.open_ports
    ]
    guests, tunnel, behind = "", "", guests_link(wanted)
    guests_forward, tunnel_forward = "", ""
    inside = f'{{ "{lan}", "{behind}" }}' if wanted.guests else f'"{lan}"'
    if wanted.guests:
        guests = (
            f'\t\tiifname "{behind}" udp dport {{ 53, 67 }} accept comment "guests: names and addresses"\n'
            f'\t\tiifname "{behind}" tcp dport 53 accept\n'
        )
        guests_forward = f'\t\tiifname "{behind}" oifname "{wan}" accept comment "guests see the Internet"\n'
    if wanted.tunnel:
        beyond = ", ".join(str(one.network) for one in wanted.tunnel.allowed)
        tunnel = f'\t\tiifname "{TUNNEL}" ip saddr {{ {beyond} }} tcp dport 22 accept comment "maintenance"\n'
        tunnel_forward = f'\t\tiifname "{TUNNEL}" ip saddr {{ {beyond} }} oifname "{lan}" accept comment "maintenance"\n'
    # Only what was sent to the line's own address: a neighbour on the line can send any other one of his choice here.
    translated = "".join(
        f'\t\tiifname "{wan}" fib daddr . iif type local {one.protocol} dport {one.port} dnat ip to {one.address}:{one.to_port}'
        f' comment "{one.name}"\n'
        for one in wanted.forwards
    )
    # Who asks for the office's outer address from behind it, for its website, is led the same way, and back by the router.
    beyond = "fib daddr type local fib daddr . iif type != local"
    translated += "".join(
        f'\t\tiifname != "{wan}" {beyond} {one.protocol} dport {one.port} dnat ip to {one.address}:{one.to_port}'
        f' comment "{one.name}"\n'
        for one in wanted.forwards
    )
    back = f'\t\tiifname "{lan}" oifname "{lan}" ct status dnat masquerade\n' if wanted.forwards else ""
    return f"""#!/usr/sbin/nft -f
{HEAD.strip()} Other programs' tables are left alone.
table inet office
delete table inet office
table inet office {{
	chain input {{
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ct state established,related accept
		ct state invalid drop
		meta l4proto {{ icmp, ipv6-icmp }} accept
		iifname "{wan}" ip6 saddr fe80::/10 udp dport 546 accept comment "the line's prefix"
		iifname {inside} udp dport 123 accept comment "time"
{chr(10).join(reserved)}
{guests}{tunnel}	}}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		tcp flags syn tcp option maxseg size set rt mtu
		ct state established,related accept
		ct state invalid drop
		ct status dnat accept
		iifname "{lan}" oifname "{wan}" accept
{guests_forward}{tunnel_forward}	}}
	chain prerouting {{
		type nat hook prerouting priority dstnat;
{translated}	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat;
		oifname "{wan}" meta nfproto ipv4 masquerade
{back}	}}
}}
"""


def _time(wanted: Description) -> str:
    """chrony(5): the time of others, given on; without the Internet the office keeps one time all the same."""
    inside = [wanted.lan, *([wanted.guests] if wanted.guests else [])]
    return "\n".join((
        HEAD.strip(),
        *(f"server {one} iburst" for one in wanted.time_servers),
        *(f"allow {network}" for subnet in inside for network in (subnet.address.network, subnet.ula.network)),
        "local stratum 10",
        "driftfile /var/lib/chrony/chrony.drift",
        "makestep 1 3",
        "rtcsync\n",
    ))  # fmt: skip


def _messages(sink: MessageSink) -> str:
    """rsyslog's omfwd: what cannot be sent waits in memory, and nothing of the router waits for it."""
    return (
        f'{HEAD}*.* action(type="omfwd" target="{sink.address}" port="{sink.port}" protocol="{sink.protocol}"'
        ' queue.type="LinkedList" queue.size="5000" action.resumeRetryCount="-1")\n'
    )


def _upstream(wanted: Description) -> list[str]:
    """Whom the router asks for the Internet's names: the dossier's servers, else those that the line gives."""
    if wanted.wan.type == "pppoe":
        return (
            ["no-resolv", *(f"server={one}" for one in wanted.wan.dns)]
            if wanted.wan.dns
            else ["resolv-file=/etc/ppp/resolv.conf"]
        )
    return ["resolv-file=/run/systemd/resolve/resolv.conf"]


def _names(wanted: Description) -> str:
    lan, domain = wanted.lan, wanted.domain
    lines = [
        HEAD.strip(),
        f"interface={lan_link(wanted)}",
        *([f"interface={guests_link(wanted)}"] if wanted.guests else []),
        "except-interface=lo",
        "bind-dynamic",
        "no-hosts",
        "domain-needed",
        "bogus-priv",
        "stop-dns-rebind",
        *(f"rebind-domain-ok=/{one}/" for one in wanted.websites),
        *_upstream(wanted),
        "dhcp-authoritative",
        f"domain={domain}",
    ]
    own = f"{wanted.host}.{domain}"
    if wanted.dns:
        lines.append(f"host-record={own},{wanted.host},{lan.address.ip}")
        lines += [
            f"server=/{domain}/{wanted.dns}",
            f"rev-server={lan.address.network},{wanted.dns}",
            f"rebind-domain-ok=/{domain}/",
        ]
    else:
        lines.append(f"local=/{domain}/")
        lines += [f"host-record={name}.{domain},{name},{address}" for name, address in wanted.names]
    for subnet in (lan, wanted.guests) if wanted.guests else (lan,):
        servers = wanted.dns if wanted.dns and subnet is lan else subnet.address.ip
        lines += [
            f"dhcp-range=set:{subnet.name},{subnet.first},{subnet.last},{subnet.address.netmask},{LEASE}",
            f"dhcp-option=tag:{subnet.name},option:router,{subnet.address.ip}",
            f"dhcp-option=tag:{subnet.name},option:dns-server,{servers}",
            f"dhcp-option=tag:{subnet.name},option:ntp-server,{subnet.address.ip}",
        ]
    lines.append(f"dhcp-option=tag:{lan.name},option:domain-search,{domain}")
    if wanted.guests:
        lines.append(f"dhcp-option=tag:{wanted.guests.name},option:domain-name")
    lines += [f"dhcp-host={one.mac},{one.address},{one.name}" for one in wanted.reservations]
    return "\n".join(lines) + "\n"
