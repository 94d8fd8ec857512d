"""RouterOS' menus that the stand-in has: what an item of each may hold, and what its console says of a wrong value.

From help.mikrotik.com, each menu's page, "Properties": "Bridging and Switching", "VLAN", "PPPoE", "WireGuard", "WiFi", "IP
Pools",
"IP Addressing", "DHCP", "DNS", "IP Routing", "Filter", "NAT", "IPv6 Neighbor Discovery", "Scheduler", "Scripting" (repository),
"Services",
"Identity", "NTP", "Interface Lists", "User", "Log". A menu or property that is not here is refused as the console refuses it.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field

Item = dict[str, str]
Config = dict[str, list[Item]]

TIME = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_MAC, _KEY = re.compile(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}"), re.compile(r"[A-Za-z0-9+/]{43}=")
CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})")


class Wrong(ValueError):
    """A value that the console does not take."""


@dataclass(frozen=True)
class Menu:
    """`props`: name -> kind. `single`: it is one thing and has no items. `fixed`: items are the hardware's, nothing is added.

    `unique`: a value that no two items share, with what is said then. `defaults` are what an export leaves out.
    """

    props: dict[str, str]
    single: bool = False
    fixed: bool = False
    required: tuple[str, ...] = ()
    unique: tuple[tuple[str, str], ...] = ()
    defaults: dict[str, str] = field(default_factory=dict)
    ordered: bool = False
    shown: bool = True  # in an export


SAME_NAME = "failure: already have such name"
BRIDGE_PORT = "failure: device already added as bridge port"
_LINK = {"name": "name", "comment": "text", "disabled": "bool", "mtu": "1..65535"}
_ITEM = {"comment": "text", "disabled": "bool"}
_FILTER = {
    **_ITEM, "chain": "text", "action": "text", "protocol": "text", "src-address": "range", "dst-address": "range",
    "src-port": "ports", "dst-port": "ports", "in-interface": "link", "out-interface": "link", "in-interface-list": "text",
    "out-interface-list": "text", "connection-state": "=established,invalid,new,related,untracked",
     "connection-nat-state": "text",
    "src-address-type": "=unicast,local,broadcast,multicast,blackhole,unreachable,prohibit",
    "dst-address-type": "=unicast,local,broadcast,multicast,blackhole,unreachable,prohibit", "src-address-list": "text",
    "dst-address-list": "text", "log": "bool", "log-prefix": "text", "limit": "text", "jump-target": "text",
     "icmp-options": "text",
    "reject-with": "text", "hop-limit": "text", "ipsec-policy": "text", "tcp-flags": "text", "src-mac-address": "mac",
}  # fmt: skip
_FILTERS = Menu(_FILTER, required=("chain",), ordered=True, defaults={"disabled": "no", "log": "no", "log-prefix": ""})
_OFF = {"disabled": "no"}

MENUS: dict[str, Menu] = {
    "/interface ethernet": Menu({**_LINK, "default-name": "ro", "mac-address": "mac"}, fixed=True, defaults={**_OFF,
     "mtu": "1500"}),
    "/interface bridge": Menu(
        {**_LINK, "protocol-mode": "=none,rstp,stp,mstp", "vlan-filtering": "bool", "admin-mac": "mac", "auto-mac": "bool",
         "igmp-snooping": "bool", "pvid": "1..4094", "frame-types": "text", "ingress-filtering": "bool", "fast-forward": "bool"},
        unique=(("name", SAME_NAME),), defaults={**_OFF, "protocol-mode": "rstp", "vlan-filtering": "no", "auto-mac": "yes",
         "pvid": "1"}),
    "/interface vlan": Menu({**_LINK, "interface": "link", "vlan-id": "1..4095"}, required=("interface", "vlan-id"),
                            unique=(("name", SAME_NAME),), defaults=_OFF),
    "/interface pppoe-client": Menu(
        {**_LINK, "interface": "link", "user": "text", "password": "text", "add-default-route": "bool", "use-peer-dns": "bool",
         "profile": "text", "max-mtu": "text", "max-mru": "text", "keepalive-timeout": "text",
          "default-route-distance": "0..255"},
        required=("interface",), unique=(("name", SAME_NAME),),
        defaults={"disabled": "yes", "add-default-route": "no", "use-peer-dns": "no", "profile": "default"}),
    "/interface wireguard": Menu({**_LINK, "private-key": "key", "listen-port": "0..65535"}, unique=(("name", SAME_NAME),),
     defaults=_OFF),
    "/interface wireguard peers": Menu(
        {**_ITEM, "name": "text", "interface": "link", "public-key": "key", "preshared-key": "key", "endpoint-address": "text",
         "endpoint-port": "0..65535", "allowed-address": "networks", "persistent-keepalive": "time"},
        required=("interface", "public-key"), defaults=_OFF),
    "/interface wifi security": Menu(
        {**_ITEM, "name": "name", "authentication-types": "=wpa-psk,wpa2-psk,wpa-eap,wpa2-eap,wpa3-psk,owe,wpa3-eap",
         "passphrase": "passphrase", "management-protection": "=allowed,disabled,required", "wps": "=disable,push-button",
         "ft": "bool", "ft-over-ds": "bool", "group-key-update": "time"},
        unique=(("name", SAME_NAME),), defaults=_OFF),
    "/interface wifi datapath": Menu({**_ITEM, "name": "name", "bridge": "link", "client-isolation": "bool", "vlan-id": "text"},
                                     unique=(("name", SAME_NAME),), defaults={**_OFF, "client-isolation": "no"}),
    "/interface wifi configuration": Menu(
        {**_ITEM, "name": "name", "country": "country", "ssid": "ssid", "mode": "=ap,station,station-bridge",
         "hide-ssid": "bool",
         "security": "ref:/interface wifi security", "datapath": "ref:/interface wifi datapath", "channel": "text"},
        unique=(("name", SAME_NAME),), defaults={**_OFF, "hide-ssid": "no"}),
    "/interface wifi": Menu(
        {**_LINK, "default-name": "ro", "master-interface": "link", "configuration": "ref:/interface wifi configuration",
         "configuration.country": "country", "configuration.ssid": "ssid", "configuration.mode": "=ap,station,station-bridge",
         "security.authentication-types": "=wpa2-psk,wpa3-psk,owe", "security.passphrase": "passphrase", "channel.band": "text",
         "security": "ref:/interface wifi security", "datapath": "ref:/interface wifi datapath", "mac-address": "mac"},
        required=("master-interface",), unique=(("name", SAME_NAME),), defaults={"disabled": "yes"}),
    "/interface bridge port": Menu(
        {**_ITEM, "bridge": "link", "interface": "link", "pvid": "1..4094", "hw": "bool", "path-cost": "text",
         "frame-types": "=admit-all,admit-only-untagged-and-priority-tagged,admit-only-vlan-tagged", "ingress-filtering": "bool",
         "edge": "text", "horizon": "text"},
        required=("bridge", "interface"), unique=(("interface", BRIDGE_PORT),),
        defaults={**_OFF, "pvid": "1", "frame-types": "admit-all", "ingress-filtering": "yes", "hw": "yes"}),
    "/interface bridge vlan": Menu({**_ITEM, "bridge": "link", "tagged": "links", "untagged": "links", "vlan-ids": "ports"},
                                   required=("bridge", "vlan-ids"), defaults={**_OFF, "untagged": ""}),
    "/interface list": Menu({**_ITEM, "name": "name", "include": "text", "exclude": "text"}, unique=(("name", SAME_NAME),),
     defaults=_OFF),
    "/interface list member": Menu({**_ITEM, "list": "ref:/interface list", "interface": "link"}, required=("list",
     "interface"), defaults=_OFF),
    "/ip pool": Menu({"name": "name", "ranges": "ranges", "next-pool": "text", "comment": "text"}, required=("ranges",),
                     unique=(("name", "failure: pool with such name exists"),)),
    "/ip address": Menu({**_ITEM, "address": "interface4", "interface": "link", "network": "address4"}, required=("address",
     "interface"),
                        unique=(("address interface", "failure: already have such address"),), defaults=_OFF),
    "/ip dhcp-client": Menu(
        {**_ITEM, "interface": "link", "use-peer-dns": "bool", "use-peer-ntp": "bool",
         "add-default-route": "=yes,no,special-classless",
         "default-route-distance": "0..255", "dhcp-options": "text"},
        required=("interface",), unique=(("interface", "failure: dhcp-client on that interface already exists"),),
        defaults={**_OFF, "use-peer-dns": "yes", "use-peer-ntp": "yes", "add-default-route": "yes",
         "dhcp-options": "hostname,clientid"}),
    "/ip dhcp-server": Menu(
        {**_ITEM, "name": "name", "interface": "link", "address-pool": "pool", "lease-time": "time", "authoritative": "text"},
        required=("interface",), unique=(("name", SAME_NAME), ("interface",
         "failure: can not run two dhcp servers on one interface")),
        defaults={**_OFF, "lease-time": "30m", "authoritative": "yes"}),
    "/ip dhcp-server network": Menu(
        {**_ITEM, "address": "network4", "gateway": "addresses", "dns-server": "addresses", "domain": "text", "netmask": "0..32",
         "ntp-server": "addresses", "dns-none": "bool"}, required=("address",), defaults={"disabled": "no", "dns-none": "no"},
        unique=(("address", "failure: already have network with such address"),)),
    "/ip dhcp-server lease": Menu(
        {**_ITEM, "address": "address4", "mac-address": "mac", "server": "ref:/ip dhcp-server", "client-id": "text",
         "lease-time": "time"},
        required=("address",), unique=(("address server", "failure: already have static lease with this IP address"),
                                       ("mac-address server", "failure: already have static lease for this client")),
                                        defaults=_OFF),
    "/ip dns": Menu(
        {"servers": "addresses", "allow-remote-requests": "bool", "use-doh-server": "text", "verify-doh-cert": "bool",
         "cache-size": "text", "max-udp-packet-size": "text"}, single=True,
        defaults={"servers": "", "allow-remote-requests": "no", "use-doh-server": "", "verify-doh-cert": "no"}),
    "/ip dns static": Menu(
        {**_ITEM, "name": "text", "address": "address", "type": "=A,AAAA,CNAME,FWD,NXDOMAIN,TXT,MX,NS,SRV", "forward-to": "text",
         "match-subdomain": "bool", "ttl": "time", "cname": "text", "regexp": "text"},
        defaults={**_OFF, "type": "A", "ttl": "1d", "match-subdomain": "no"}),
    "/ip route": Menu({**_ITEM, "dst-address": "network4", "gateway": "gateway", "distance": "1..255", "routing-table": "text",
                       "blackhole": "text", "check-gateway": "=none,ping,arp", "scope": "0..255", "target-scope": "0..255"},
                      defaults={**_OFF, "distance": "1", "routing-table": "main"}),
    "/ip firewall filter": _FILTERS,
    "/ip firewall nat": Menu({**_FILTER, "to-addresses": "range", "to-ports": "ports"}, required=("chain",), ordered=True,
                             defaults=_FILTERS.defaults),
    "/ip firewall mangle": _FILTERS,
    "/ip firewall raw": _FILTERS,
    "/ip firewall address-list": Menu({**_ITEM, "list": "text", "address": "text", "timeout": "time"}, required=("list",),
     defaults=_OFF),
    "/ipv6 address": Menu({**_ITEM, "address": "interface6", "interface": "link", "from-pool": "text", "advertise": "bool",
     "eui-64": "bool"},
                          required=("interface",), defaults={**_OFF, "advertise": "yes", "eui-64": "no"}),
    "/ipv6 dhcp-client": Menu(
        {**_ITEM, "interface": "link", "request": "=address,prefix,info", "pool-name": "text", "pool-prefix-length": "1..128",
         "add-default-route": "bool", "use-peer-dns": "bool", "rapid-commit": "bool", "prefix-hint": "text"},
        required=("interface", "request"), defaults={**_OFF, "add-default-route": "no", "use-peer-dns": "yes",
         "pool-prefix-length": "64"}),
    "/ipv6 nd": Menu({**_ITEM, "interface": "link", "advertise-dns": "bool", "dns": "addresses", "ra-interval": "text",
                      "advertise-mac-address": "bool", "managed-address-configuration": "bool", "other-configuration": "bool"},
                     required=("interface",), unique=(("interface", "failure: already have such interface"),),
                     defaults={**_OFF, "advertise-dns": "yes"}),
    "/ipv6 firewall filter": _FILTERS,
    "/ipv6 settings": Menu({"disable-ipv6": "bool", "forward": "bool", "accept-router-advertisements": "text"}, single=True,
                           defaults={"disable-ipv6": "no", "forward": "yes",
                            "accept-router-advertisements": "yes-if-forwarding-disabled"}),
    "/ip service": Menu({"name": "ro", "port": "1..65535", "disabled": "bool", "address": "networks"}, fixed=True,
                        defaults={**_OFF, "address": ""}),
    "/ip neighbor discovery-settings": Menu({"discover-interface-list": "text"}, single=True,
     defaults={"discover-interface-list": "static"}),
    "/system identity": Menu({"name": "text"}, single=True, defaults={"name": "MikroTik"}),
    "/system clock": Menu({"time-zone-name": "text", "time-zone-autodetect": "bool"}, single=True,
                          defaults={"time-zone-name": "manual", "time-zone-autodetect": "yes"}),
    "/system ntp client": Menu({"enabled": "bool"}, single=True, defaults={"enabled": "no"}),
    "/system ntp client servers": Menu({**_ITEM, "address": "text"}, required=("address",), defaults=_OFF),
    "/system ntp server": Menu({"enabled": "bool", "broadcast": "bool", "use-local-clock": "bool"}, single=True,
     defaults={"enabled": "no"}),
    "/system logging action": Menu(
        {"name": "letters", "target": "=disk,echo,email,memory,remote", "remote": "address", "remote-port": "0..65535",
         "bsd-syslog": "bool", "src-address": "address"},
        unique=(("name", "failure: action with such name already exists"),), defaults={"remote-port": "514",
         "bsd-syslog": "no"}),
    "/system logging": Menu({"action": "ref:/system logging action", "topics": "text", "prefix": "text", "disabled": "bool"},
                            defaults={**_OFF, "prefix": ""}),
    "/system note": Menu({"note": "text", "show-at-login": "bool"}, single=True, defaults={"note": "", "show-at-login": "yes"}),
    "/system script": Menu({"name": "name", "source": "source", "comment": "text", "policy": "text",
     "dont-require-permissions": "bool"},
                           unique=(("name", "failure: item with this name already exists"),)),
    "/system scheduler": Menu(
        {**_ITEM, "name": "name", "start-date": "text", "start-time": "start", "interval": "time", "on-event": "source",
         "policy": "text"},
        unique=(("name", "failure: item with this name already exists"),), defaults=_OFF),
    "/user": Menu({**_ITEM, "name": "name", "group": "text", "password": "text", "address": "networks"}, shown=False,
                  required=("name", "group"), unique=(("name", "failure: user with the same name already exists"),),
                   defaults=_OFF),
}  # fmt: skip
# Menus that say something and have nothing to be set.
TOLD = ("/system resource", "/system history", "/system script job", "/system routerboard", "/system backup", "/file", "/log",
 "/certificate",
        "/interface", "/ip arp", "/interface wifi registration-table", "/system package", "/ip", "/system", "/ipv6",
         "/ip firewall")  # fmt: skip
SERVICES = {"telnet": "23", "ftp": "21", "www": "80", "ssh": "22", "api": "8728", "winbox": "8291", "api-ssl": "8729"}
SENSITIVE = {"password", "passphrase", "private-key", "preshared-key", "security.passphrase"}
COUNTRIES = {"Austria", "Belgium", "Canada", "France", "Germany", "Italy", "Latvia", "Luxembourg", "Portugal", "Spain",
             "Switzerland", "United Kingdom", "United States"}  # fmt: skip


def seconds(text: str) -> float:
    """A time as the console takes it: `1d2h`, `10m`, `30s`, `00:05:00`.

    Raises:
        Wrong: it is none.
    """
    if found := CLOCK.fullmatch(text):
        hours, minutes, rest = map(int, found.groups())
        return hours * 3600 + minutes * 60 + rest
    if text.isdigit():
        return float(text)
    found = TIME.fullmatch(text)
    if not text or not found:
        raise Wrong("invalid time value")
    return sum(int(part) * unit for part, unit in zip(found.groups(), (604800, 86400, 3600, 60, 1, 0.001), strict=True) if part)


def written(total: float) -> str:
    """A time as the console writes it."""
    whole, text = int(total), ""
    for unit, name in ((604800, "w"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if whole >= unit:
            text += f"{whole // unit}{name}"
            whole %= unit
    return text or "0s"


_LENGTHS = {"passphrase": (8, 63, "value of {} must be 8 to 63 characters long"), "ssid": (1, 32, "invalid value of {}")}
_WRONG: dict[str, tuple[Callable[[str], bool], str]] = {
    "mac": (lambda value: not _MAC.fullmatch(value), "invalid value of mac-address, mac address required"),
    "key": (lambda value: not _KEY.fullmatch(value), "invalid value of key: base64 of 32 bytes expected"),
    "country": (lambda value: value not in COUNTRIES, "input does not match any value of country"),
    "letters": (lambda value: not value.isalnum(), "failure: action name can contain only letters and numbers"),
    "ro": (lambda _: True, "expected end of command"),
}


def checked(kind: str, value: str, name: str) -> str:
    """A value as it is kept; references to other items are looked up by whoever has them.

    Raises:
        Wrong: the console's words.
    """
    try:
        return _checked(kind, value, name)
    except (ipaddress.AddressValueError, ipaddress.NetmaskValueError, ValueError) as error:
        if isinstance(error, Wrong):
            raise
        raise Wrong(f"invalid value for argument {name}") from None


def _checked(kind: str, value: str, name: str) -> str:
    if kind == "bool" and value not in ("yes", "no", "true", "false"):
        raise ValueError
    if kind == "bool":
        return {"true": "yes", "false": "no"}.get(value, value)
    if kind == "time":
        return written(seconds(value))
    if kind in _LENGTHS:
        low, high, said = _LENGTHS[kind]
        if value and not low <= len(value.encode("utf-8", "surrogateescape")) <= high:
            raise Wrong(said.format(name))
    if kind.startswith("=") and any(part.lstrip("!") not in kind[1:].split(",") for part in value.split(",")):
        raise Wrong(f"input does not match any value of {name}")
    if kind in _WRONG and _WRONG[kind][0](value):
        raise Wrong(_WRONG[kind][1])
    return _numbered(kind, value, name) if ".." in kind else _address(kind, value)


def _numbered(kind: str, value: str, name: str) -> str:
    low, high = map(int, kind.split(".."))
    if not low <= int(value) <= high:
        raise Wrong(f"value of {name} out of range ({low}..{high})")
    return str(int(value))


def _address(kind: str, value: str) -> str:
    if kind in _MADE:
        return str(_MADE[kind](value if kind != "interface6" or "/" in value else f"{value}/64"))
    if kind in ("addresses", "networks"):
        for part in filter(None, value.split(",")):
            (ipaddress.ip_address if kind == "addresses" else ipaddress.ip_network)(part)
    elif kind == "ranges":
        for part in value.split(","):
            first, _, last = part.partition("-")
            if ipaddress.IPv4Address(first) > ipaddress.IPv4Address(last or first):
                raise ValueError
    elif kind == "range" and value:
        for part in value.lstrip("!").split("-"):
            ipaddress.ip_network(part, strict=False)
    elif kind == "ports" and not _PORTS.fullmatch(value):
        raise ValueError
    return value.upper() if kind == "mac" else value


_PORTS = re.compile(r"!?\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*")
_MADE: dict[str, Callable[[str], object]] = {
    "address": ipaddress.ip_address, "address4": ipaddress.IPv4Address, "interface4": ipaddress.IPv4Interface,
    "interface6": ipaddress.IPv6Interface, "network4": ipaddress.IPv4Network,
}  # fmt: skip
