"""An existing Debian router in the dossier's words: links, dnsmasq, nftables, hostapd, pppd, time, messages. Pure.

What is read is what `router_reading` brought from it. Each line is either understood here, or what the office's own rendering
says word for word (`reading.said`), or told as left.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any

from provisioner.inventory.fields import mac_form
from provisioner.router.platforms import debian_links
from provisioner.router.platforms.debian import LEASE
from provisioner.router.platforms.debian_links import FOLDER, Link, Links, is_address
from provisioner.router.reading import Air, Fixed, Inward, Line, Network, Reading


def read(raw: Mapping[str, Any]) -> Reading:
    """What a router's configuration says."""
    files: Mapping[str, str] = raw["files"]
    found = Reading()
    links = debian_links.read(raw, files)
    found.left += links.left
    default = next((str(one.get("dev", "")) for one in raw["routes"] if one.get("dst") == "default"), "")
    line = _line(links, default, files, found)
    _networks(links, line, found)
    _tunnel(links, files, found)
    for path, text in files.items():
        if path.startswith("/etc/dnsmasq"):
            _dnsmasq(path, text, found)
        elif path.startswith("/etc/hostapd/"):
            _hostapd(path, text, found)
        elif path.startswith(("/etc/chrony/", "/etc/systemd/timesyncd")):
            _time(path, text, found)
        elif path.startswith("/etc/rsyslog"):
            _messages(path, text, found)
    _rules(raw["rules"], links, line, found)
    found.left += [
        Line(path, path.rpartition("/")[2], why="another program's: it is not read, and what it does is in no dossier")
        for path in raw["unread"]
    ]
    return found


def shaped(said: Mapping[str, Any]) -> dict[str, Any] | None:
    """An answer of `router_reading` that has its shape to the last word; None when it has not."""
    files, rules, unread = said.get("files"), said.get("rules"), said.get("unread")
    texts = isinstance(files, dict) and all(isinstance(text, str) for text in files.values()) and isinstance(rules, str)
    paths = isinstance(unread, list) and all(isinstance(path, str) for path in unread)
    tables = [said.get("addresses"), said.get("routes")]
    sound = texts and paths and all(isinstance(rows, list) and all(isinstance(row, dict) for row in rows) for rows in tables)
    return dict(said) if sound else None


def _numbered(path: str, text: str) -> Iterator[tuple[str, Line]]:
    for number, whole in enumerate(text.splitlines(), start=1):
        bare = whole.strip()
        if bare and not bare.startswith(("#", ";")):
            yield bare, Line(f"{path}:{number}", bare)


def _line(links: Links, default: str, files: Mapping[str, str], found: Reading) -> str:
    """The line to the Internet; the name of its link."""
    for path, text in files.items():
        if path.startswith("/etc/ppp/peers/") and "pppoe" in text:
            return _pppoe(path, text, files, links, found)
    candidates = [one for one in links.by_name.values() if one.dhcp or one.gateway]
    candidates.sort(key=lambda one: (one.name != default, not one.gateway))
    if not candidates:
        return default
    line, *others = candidates
    found.left += [Line(other.name, other.name, why="the dossier has one line") for other in others]
    _line_port(line, found)
    if line.addresses and not line.dhcp:
        found.wan |= {"type": "static", "address": str(line.addresses[0][0]), "gateway": line.gateway}
        found.left += [Line(one.where, one.text, why="a second address of the line") for _, one in line.addresses[1:]]
    else:
        found.wan["type"] = "dhcp"
    if line.dns:
        found.wan["dns"] = list(dict.fromkeys(line.dns))
    if not line.ipv6:
        found.wan["ipv6"] = False
    return line.name


def _line_port(line: Link, found: Reading) -> None:
    found.wan_port = line.name
    if line.kind == "vlan" and line.vlan:
        found.wan_port, found.wan["vlan"] = line.parent, line.vlan


def _pppoe(path: str, text: str, files: Mapping[str, str], links: Links, found: Reading) -> str:
    found.wan["type"] = "pppoe"
    link, more = "ppp0", [(path, text)]
    for at, said in more:
        for bare, line in _numbered(at, said):
            word, _, rest = bare.partition(" ")
            value = re.sub(r'^"(.*)"$', lambda it: re.sub(r"\\(.)", r"\1", it[1]), rest.strip())
            if word == "user":
                found.wan["user"] = value
            elif word == "password":
                found.secrets["wan.password"] = value
            elif word == "file" and value in files:
                more.append((value, files[value]))
            elif word == "ifname":
                link = value
            elif word.startswith("nic-"):
                _line_port(links.of(word.removeprefix("nic-")), found)
            elif word not in _PPP:
                found.left.append(line)
    return link


_PPP = {
    "plugin", "noauth", "persist", "maxfail", "holdoff", "defaultroute", "replacedefaultroute", "usepeerdns", "mtu", "mru",
    "lcp-echo-interval", "lcp-echo-failure", "noipdefault", "noipv6", "hide-password", "noaccomp", "default-asyncmap",
}  # fmt: skip


def _networks(links: Links, line: str, found: Reading) -> None:
    for link in links.by_name.values():
        if link.name == line or link.kind == "wireguard":
            continue
        for number, (address, where) in enumerate(link.addresses):
            if number:
                found.left.append(Line(where.where, where.text, why="a second address on the same link"))
                continue
            network = Network(address, link.name, [], where)
            for port in link.members or [link.name]:
                below = links.by_name.get(port)
                if below and below.kind == "vlan" and below.vlan:
                    network.vlan = below.vlan
                elif not (below and below.kind == "bridge" and not below.members):
                    network.ports.append(port)
            found.networks.append(network)


def _tunnel(links: Links, files: Mapping[str, str], found: Reading) -> None:
    tunnels = [one for one in links.by_name.values() if one.kind == "wireguard" and one.addresses]
    for number, link in enumerate(tunnels):
        where = link.addresses[0][1]
        if number or not {"PublicKey", "Endpoint"} <= link.words.keys():
            found.left.append(Line(where.where, link.name, why="the dossier has one tunnel, which calls out"))
            continue
        endpoint, _, port = link.words["Endpoint"].rpartition(":")
        found.tunnel = {"address": str(link.addresses[0][0]), "peer_key": link.words["PublicKey"], "endpoint": endpoint}
        if port != "51820":
            found.tunnel["port"] = int(port) if port.isdecimal() else port
        found.tunnel["allowed"] = link.allowed
        key = link.words.get("PrivateKey") or files.get(link.words.get("PrivateKeyFile", ""), "").strip()
        if key:
            found.secrets["tunnel.key"] = key
        found.left += [
            Line(f"{FOLDER}{link.name}", f"{word}={value}") for word, value in link.words.items() if word not in _WIREGUARD
        ]


_WIREGUARD = {"PublicKey", "Endpoint", "PrivateKey", "PrivateKeyFile", "PersistentKeepalive"}


# ------------------------------------------------------------------------------------------- names and addresses

_DNSMASQ = {
    "interface", "except-interface", "bind-dynamic", "bind-interfaces", "no-hosts", "domain-needed", "bogus-priv", "no-resolv",
    "stop-dns-rebind", "resolv-file", "dhcp-authoritative", "expand-hosts", "listen-address", "conf-dir", "no-poll",
}  # fmt: skip
_OWN_OPTIONS = {"router", "3", "dns-server", "6", "ntp-server", "42", "domain-search", "119", "domain-name", "15"}


def _dnsmasq(path: str, text: str, found: Reading) -> None:
    own = {str(one.address.ip) for one in found.networks}
    for bare, line in _numbered(path, text):
        word, _, value = bare.partition("=")
        parts = [part.strip() for part in value.split(",")]
        match word.strip():
            case "dhcp-range":
                _pool(parts, line, found)
            case "dhcp-host":
                _host(parts, line, found)
            case "domain" if len(parts) == 1:
                found.domain = value.strip()
            case "local" if value.strip("/") == found.domain:
                pass
            case "server" if is_address(value):
                found.wan["dns"] = list(dict.fromkeys([*found.wan.get("dns", []), value.strip()]))
            case "dhcp-option":
                tagless = [part for part in parts if not part.startswith("tag:")]
                option = tagless[0].removeprefix("option:") if tagless else ""
                if option not in _OWN_OPTIONS or not set(tagless[1:]) <= {*own, found.domain}:
                    found.left.append(line)
            case known if known not in _DNSMASQ:
                found.left.append(line)


def _pool(parts: list[str], line: Line, found: Reading) -> None:
    addresses = [IPv4Address(part) for part in parts if is_address(part)]
    here = next((one for one in found.networks if addresses and addresses[0] in one.address.network), None)
    if here is None or len(addresses) < 2:
        found.left.append(Line(line.where, line.text, why="no pool of a network behind the router"))
    elif here.first:
        found.left.append(Line(line.where, line.text, why="a second pool of the same network"))
    else:
        here.first, here.last = addresses[0], addresses[1]
        if lease := [part for part in parts if re.fullmatch(r"\d+[mhd]?|infinite", part) and part != LEASE]:
            found.left.append(Line(line.where, line.text, why=f"a lease of {lease[0]}; the office's are of {LEASE}"))


_MAC = re.compile("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


def _host(parts: list[str], line: Line, found: Reading) -> None:
    macs = [part for part in parts if _MAC.fullmatch(part)]
    addresses = [part for part in parts if is_address(part)]
    names = [
        part for part in parts if part not in macs and part not in addresses and not re.fullmatch(r"\d+[hmds]?|infinite", part)
    ]
    if len(macs) == 1 and len(addresses) == 1 and len(names) <= 1 and ":" not in "".join(names):
        found.fixed.append(Fixed(mac_form(macs[0]), IPv4Address(addresses[0]), names[0] if names else "", line))
    else:
        found.left.append(line)


# ------------------------------------------------------------------------------------------- firewall

_PORTS = {"22", "53", "67", "123", "546", "547"}
_UNDERSTOOD = re.compile("|".join((
    r"chain \S+ \{", r"\}", r"(table|delete table|flush ruleset).*",
    r"type (filter|nat) hook \S+ priority [^;]+;( policy accept;)?",
    r'(iif|iifname) "?lo"? accept', r"ct state (\{ )?(established|related)[a-z, ]*( \})? accept",
    r"ct state (\{ )?invalid( \})? drop", r"ct status dnat accept", r".*tcp option maxseg size set rt mtu",
    r"(meta l4proto|ip protocol|ip6 nexthdr) .*icmp.* accept",
    r"icmp(v6)? type .* accept", r".*masquerade", r"drop", r"reject( with .*)?",
    r'iifname "[^"]+" ip6 saddr fe80::/10 udp dport 546 accept',
)))  # fmt: skip


def _rules(text: str, links: Links, line: str, found: Reading) -> None:
    """nft(8)'s ruleset, rule by rule."""
    inside = {one.link for one in found.networks}
    tunnels = {one.name for one in links.by_name.values() if one.kind == "wireguard"}
    table = chain = ""
    for whole in text.splitlines():
        bare = re.sub(r" counter( packets \d+ bytes \d+)?", "", whole.strip())
        comment = re.search(r' comment "([^"]*)"$', bare)
        rule = bare[: comment.start()] if comment else bare
        if started := re.match(r"(table|chain) (.+) \{$", rule):
            table, chain = (started[2], "") if started[1] == "table" else (table, started[2])
        said = Line(f"nftables {table} {chain}".strip(), bare)
        if not rule or rule.startswith("#") or table.split()[-1:] == ["io.systemd.nat"]:  # networkd's own, of IPMasquerade=
            continue
        if policy := re.fullmatch(r"type filter hook (input|forward) priority [^;]+; policy (accept|drop);", rule):
            if policy[2] == "accept" and chain:
                found.left.append(Line(said.where, rule, why="the office's firewall lets in what it names and nothing else"))
        elif (inward := _DNAT.fullmatch(rule)) and inward["link"] in (None, line):
            to = IPv4Address(inward["to"])
            named = comment[1] if comment else ""
            for port in map(int, re.findall(r"\d+", inward["ports"])):
                found.inward.append(Inward(inward["protocol"], port, to, int(inward["to_port"] or port), named, said))
        elif not (_outward(rule, inside, line) or _open(rule, inside, tunnels) or _UNDERSTOOD.fullmatch(rule)):
            found.left.append(said)


_DNAT = re.compile(
    r'(?:(?:iif|iifname) "(?P<link>[^"]+)" )?(?P<protocol>tcp|udp) dport (?P<ports>\d+|\{ [\d, ]+ \}) dnat (?:ip )?to '
    r"(?P<to>\d+(?:\.\d+){3})(?::(?P<to_port>\d+))?"
)


def _outward(rule: str, inside: set[str], line: str) -> bool:
    """The LAN, or guests, may go out by the line, and nobody in."""
    if rule in (f'iif "{line}" drop', f'iifname "{line}" drop'):
        return True  # what is not let in is shut out anyway
    found = re.fullmatch(r'(?:iif|iifname) (.+) (?:oif|oifname) "([^"]+)" accept', rule)
    return bool(found and found[2] == line and set(re.findall(r'"([^"]+)"', found[1])) <= inside and '"' in found[1])


def _open(rule: str, inside: set[str], tunnels: set[str]) -> bool:
    """A port of the router that the office's own firewall opens to the same link."""
    if found := re.fullmatch(r'iifname "([^"]+)" ip saddr .* (tcp dport 22|oifname "[^"]+") accept', rule):
        return found[1] in tunnels
    found = re.fullmatch(r"(?:iif|iifname) (.+) (?:tcp|udp) dport (.+) accept", rule)
    if not found:
        return False
    named = set(re.findall(r'"([^"]+)"', found[1]))
    return bool(named) and named <= inside and set(re.findall(r"\d+", found[2])) <= _PORTS


# ------------------------------------------------------------------------------------------- radio, time, messages

_RADIO = {
    "interface", "bss", "driver", "hw_mode", "channel", "ieee80211n", "ieee80211ac", "ieee80211d", "ieee80211h", "wmm_enabled",
    "utf8_ssid", "auth_algs", "wpa", "rsn_pairwise", "ieee80211w", "sae_require_mfp", "country_code", "ap_isolate", "bridge",
    "ssid", "ssid2", "wpa_key_mgmt", "wpa_passphrase", "sae_password",
}  # fmt: skip


def _hostapd(path: str, text: str, found: Reading) -> None:
    parts: list[dict[str, tuple[str, Line]]] = [{}]
    for bare, line in _numbered(path, text):
        word, _, value = bare.partition("=")
        if word == "bss":
            parts.append({})
        if word not in _RADIO:
            found.left.append(line)
        parts[-1][word] = (value, line)
    found.radio = parts[0]["interface"][0] if "interface" in parts[0] else ""
    for part in parts:
        called = part.get("ssid2") or part.get("ssid")
        if not called:
            continue
        name, line = called
        if "ssid2" in part:
            quoted = re.fullmatch('"(.*)"', name)
            name = quoted[1] if quoted else bytes.fromhex(name).decode("utf-8", "replace")
        keys = part.get("wpa_key_mgmt", ("", line))[0].split()
        security = "wpa3-wpa2" if {"SAE", "WPA-PSK"} <= set(keys) else "wpa3" if "SAE" in keys else "wpa2"
        key = (part.get("sae_password") or part.get("wpa_passphrase") or ("", line))[0]
        if set(keys) - {"SAE", "WPA-PSK"} or not key:
            found.left.append(Line(line.where, line.text, why="a Wi-Fi without a common key"))
            continue
        found.air.append(Air(name, security, key, part.get("bridge", ("", line))[0], line))


_CLOCK = {"driftfile", "makestep", "rtcsync", "local", "allow", "keyfile", "logdir", "maxupdateskew", "leapsectz", "leapseclist",
          "confdir", "sourcedir", "ntsdumpdir", "hwclockfile"}  # fmt: skip


def _time(path: str, text: str, found: Reading) -> None:
    for bare, line in _numbered(path, text):
        word, _, value = bare.replace("=", " ").partition(" ")
        if word in ("server", "pool", "NTP"):
            ours = [
                one for one in (value.split() if word == "NTP" else value.split()[:1]) if not one.endswith("debian.pool.ntp.org")
            ]
            found.time_servers += [one for one in ours if one not in found.time_servers]
        elif not bare.startswith("[") and word not in _CLOCK and word != "FallbackNTP":
            found.left.append(line)


def _messages(path: str, text: str, found: Reading) -> None:
    """Only what leaves the machine: how its own files are kept is no matter of the network."""
    for bare, line in _numbered(path, text):
        short = re.search(r"\s(@@?)(\d+(?:\.\d+){3})(?::(\d+))?$", bare)
        long = re.search(r'type="omfwd".*target="(\d+(?:\.\d+){3})"', bare)
        if not (short or long or "omfwd" in bare or "@" in bare):
            continue
        words = dict(re.findall(r'(\w+)="([^"]*)"', bare))
        address = short[2] if short else long[1] if long else ""
        if found.syslog or not address:
            found.left.append(Line(line.where, line.text, why="the dossier has one host of the office for the messages"))
            continue
        port = int((short[3] if short else words.get("port")) or 514)
        protocol = ("tcp" if short[1] == "@@" else "udp") if short else words.get("protocol", "udp").lower()
        found.syslog = (address, port, protocol, line)
        if not bare.startswith(("*.*", "action(")):
            found.left.append(Line(line.where, line.text, why="the dossier has all messages sent, not some"))
