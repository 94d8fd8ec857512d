"""`fw4`, which makes a ruleset of the package firewall, and what that ruleset lets in.

From its source (openwrt/firewall4, root/usr/share/ucode/fw4.uc): the options that a section may have and what each may say
(`parse_defaults`, `parse_zone`, `parse_rule`, `parse_forwarding`, `parse_redirect`), its words for what it does not take
(`warn_section`; tests/03_rules/03_constraints); a section with a wrong value is left out with a warning and the rest goes on, an
unknown option is left out alone. From root/sbin/fw4: `check` prints those warnings and asks `nft -c`, whose refusal (an unknown
protocol, say) makes it fail; a reload that `nft` refuses leaves the former ruleset in force.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface, ip_network

from provisioner.lab.devices.stand_ins.openwrt.uci_files import Package, Section

Value = "str | list[str]"
PROTOCOLS = {
    "all",
    "any",
    "*",
    "tcp",
    "udp",
    "tcpudp",
    "icmp",
    "icmpv6",
    "ipv6-icmp",
    "esp",
    "ah",
    "igmp",
    "gre",
    "sctp",
    "udplite",
}
_BOOL = {"1", "on", "true", "yes", "0", "off", "false", "no"}
_COMMON = {"enabled": "bool", "name": "string", "family": "family", "src": "zone", "dest": "zone", "proto": "protocol",
           "src_ip": "network", "src_mac": "mac", "src_port": "port", "dest_ip": "network", "dest_port": "port", "limit": "limit",
           "limit_burst": "int", "icmp_type": "string", "utc_time": "bool", "start_date": "string", "stop_date": "string",
           "start_time": "string", "stop_time": "string", "weekdays": "string", "mark": "string", "log": "string",
           "counter": "bool", "target": "target", "ipset": "string", "helper": "string", "log_limit": "limit"}  # fmt: skip
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "defaults": {"input": "policy", "output": "policy", "forward": "policy", "drop_invalid": "bool", "syn_flood": "bool",
                 "synflood_protect": "bool", "synflood_rate": "limit", "synflood_burst": "int", "tcp_syncookies": "bool",
                 "tcp_ecn": "int", "tcp_window_scaling": "bool", "accept_redirects": "bool", "accept_source_route": "bool",
                 "auto_helper": "bool", "flow_offloading": "bool", "flow_offloading_hw": "bool", "auto_includes": "bool"},
    "zone": {"enabled": "bool", "name": "identifier", "family": "family", "network": "string", "device": "string",
             "subnet": "network", "input": "policy", "output": "policy", "forward": "policy", "masq": "bool",
             "masq_allow_invalid": "bool", "masq_src": "network", "masq_dest": "network", "masq6": "bool", "mtu_fix": "bool",
             "log": "int", "log_limit": "limit", "auto_helper": "bool", "helper": "string", "counter": "bool"},
    "rule": {**_COMMON, "device": "string", "direction": "string", "set_mark": "string", "set_xmark": "string",
             "set_dscp": "string", "set_helper": "string", "dscp": "string"},
    "redirect": {**_COMMON, "src_dip": "network", "src_dport": "port", "reflection": "bool", "reflection_src": "string",
                 "reflection_zone": "zone"},
    "forwarding": {"enabled": "bool", "name": "string", "family": "family", "src": "zone", "dest": "zone"},
}  # fmt: skip
_LISTS = {"network", "device", "subnet", "masq_src", "masq_dest", "proto", "src_ip", "src_mac", "src_port", "dest_ip",
          "dest_port", "icmp_type", "helper", "reflection_zone"}  # fmt: skip
_NO_LIST_OF_A_REDIRECT = {"src_ip", "src_port", "dest_ip", "dest_port"}


def _enumerated(*choices: str) -> Callable[[str], bool]:
    """Any beginning of one of them will do (`parse_enum`)."""
    return lambda value: any(one.startswith(value.lower()) for one in choices)


def _family(value: str) -> bool:
    return value in ("any", "all", "*", "inet") or "4" in value or "6" in value


def _port(value: str) -> bool:
    found = re.fullmatch(r"(\d{1,5})(?:[-:](\d{1,5}))?", value.strip().removeprefix("!").strip())
    numbers = [int(one) for one in found.groups() if one] if found else []
    return bool(numbers) and max(numbers) <= 65535 and numbers == sorted(numbers)


def _address(value: str) -> bool:
    try:
        first, _, last = value.partition("-")
        if last:
            return ip_address(first).version == ip_address(last).version
        ip_interface(value)
    except ValueError:
        return False
    return True


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "bool": _BOOL.__contains__,
    "policy": _enumerated("accept", "reject", "drop"),
    "target": _enumerated("accept", "reject", "drop", "notrack", "helper", "mark", "dscp", "dnat", "snat", "masquerade"),
    "family": _family,
    "port": _port,
    "protocol": lambda value: bool(value.strip().removeprefix("!").strip()),
    "mac": lambda value: re.fullmatch(r"!?\s*[0-9A-Fa-f]{1,2}([:-][0-9A-Fa-f]{1,2}){5}", value) is not None,
    "limit": lambda value: re.fullmatch(r"!?\s*\d+(/[a-z]+)?", value) is not None,
    "int": lambda value: re.fullmatch(r"-?(\d+|0x[0-9A-Fa-f]+)", value) is not None,
    "identifier": lambda value: re.fullmatch(r"[a-zA-Z_.][a-zA-Z0-9/_.-]*", value) is not None,
    "string": lambda _value: True,
}  # fmt: skip


def values(value: "str | list[str] | None") -> list[str]:
    """A list's values; a text's are its words."""
    return [] if value is None else value.split() if isinstance(value, str) else list(value)


@dataclass
class Ruleset:
    """What is in force: zones by their name, and rules in their order."""

    zones: dict[str, dict[str, "str | list[str]"]] = field(default_factory=dict)
    rules: list[dict[str, "str | list[str]"]] = field(default_factory=list)
    redirects: list[dict[str, "str | list[str]"]] = field(default_factory=list)
    defaults: dict[str, str] = field(default_factory=dict)

    def zone_of(self, network: str) -> str:
        """The zone that a network is in; empty for none."""
        return next((name for name, one in self.zones.items() if network in values(one.get("network"))), "")

    def admits(self, network: str, protocol: str, port: int) -> bool:
        """Whether something new from a network gets to the router itself."""
        zone = self.zone_of(network)
        for rule in self.rules:
            src = rule.get("src")
            if rule.get("dest") or src not in ("*", zone) or not zone:
                continue
            protocols = {word.lower() for word in values(rule.get("proto")) or ["tcpudp"]}
            if not protocols & {protocol, "all", "any", "*", "tcpudp"}:
                continue
            ports = values(rule.get("dest_port"))
            if ports and not any(_within(port, one) for one in ports):
                continue
            if rule.get("src_ip") or rule.get("src_mac") or rule.get("src_port"):
                continue  # who comes is not known here
            return str(rule.get("target", "")).lower().startswith("a")
        policy = str(self.zones[zone].get("input", "")) if zone else ""
        return (policy or self.defaults.get("input", "drop")).lower().startswith("a")

    def lets_out(self, network: str) -> bool:
        """Whether the router itself reaches what is beyond a network."""
        zone = self.zone_of(network)
        policy = str(self.zones[zone].get("output", "")) if zone else ""
        return (policy or self.defaults.get("output", "drop")).lower().startswith("a")


def _within(port: int, ports: str) -> bool:
    first, _, last = ports.replace(":", "-").partition("-")
    return int(first) <= port <= int(last or first)


def made(package: Package, networks: Collection[str]) -> tuple[Ruleset, list[str], str]:
    """The ruleset, the warnings, and why `nft` refuses it (empty where it does not). `networks`: those that ubus knows."""
    ruleset, warnings, refused = Ruleset(), list[str](), ""
    for kind in ("defaults", "zone", "rule", "forwarding", "redirect"):
        for section in [one for one in package.sections if one.type == kind]:
            label = package.label(section)
            named = section.options.get("name")
            head = f"[!] Section {label}" + (f" ({named})" if named else "")
            told = list(_wrong(kind, section, ruleset, networks))
            warnings += [f"{head} {one}" for one in told if one]
            if any("specifies unknown option" not in one for one in told):
                if kind in ("zone", "rule", "redirect", "forwarding"):
                    warnings.append(f"{head} skipped due to invalid options")
                continue
            warnings += [f"{head} {one}" for one in _kept(kind, section, ruleset)]
            unknown = [one for one in values(section.options.get("proto")) if _protocol(one) not in PROTOCOLS]
            if unknown and kind in ("rule", "redirect"):
                refused = f"/dev/stdin:1:1-1: Error: Could not resolve protocol name\n\t\tmeta l4proto {unknown[0]}"
    return ruleset, warnings, refused


def _protocol(word: str) -> str:
    word = word.lower().lstrip("! ")
    return "tcp" if word.isdigit() and int(word) < 256 else word


def _wrong(kind: str, section: Section, ruleset: Ruleset, networks: Collection[str]) -> Iterator[str]:
    """What a section says that it may not."""
    known = OPTIONS[kind]
    required = {"zone": ("name",), "forwarding": ("src", "dest")}.get(kind, ())
    for key in required:
        if key not in section.options:
            yield f"option '{key}' is mandatory but not set"
    for key, value in section.options.items():
        if key not in known:
            yield f"specifies unknown option '{key}'"
            continue
        several = key in _LISTS and not (kind == "redirect" and key in _NO_LIST_OF_A_REDIRECT)
        if not several and isinstance(value, list):
            yield f"option '{key}' must not be a list"
            continue
        for one in values(value) if several else [str(value)]:
            if not _takes(known[key], one, ruleset, networks):
                yield f"option '{key}' specifies invalid value '{one}'"
                break


def _takes(kind: str, value: str, ruleset: Ruleset, networks: Collection[str]) -> bool:
    if kind == "zone":
        return value == "*" or value in ruleset.zones
    if kind == "network":
        plain = value.strip().removeprefix("!").strip()
        return _address(plain) or plain in networks
    return _CHECKS[kind](value)


def _kept(kind: str, section: Section, ruleset: Ruleset) -> Iterator[str]:
    """Put a sound section in force, or say why it is not."""
    options = section.options
    if str(options.get("enabled", "1")) in ("0", "off", "false", "no"):
        yield "is disabled, ignoring section"
    elif kind == "defaults":
        if ruleset.defaults:
            yield ": ignoring duplicate defaults section"
            return
        ruleset.defaults |= {key: str(options[key]) for key in ("input", "output", "forward") if key in options} or {
            "input": "drop"
        }
    elif kind == "zone":
        ruleset.zones[str(options["name"])] = dict(options)
    elif _mixed(options):
        yield f"{_mixed(options)}, skipping"
    elif kind == "rule":
        ruleset.rules.append(dict(options))
    elif kind == "redirect":
        if not str(options.get("target", "dnat")).lower().startswith("s"):
            if "src" not in options:
                yield "has no source specified"
                return
            if options["src"] == "*":
                yield "must not have source '*' for dnat target"
                return
        ruleset.redirects.append(dict(options))


def _mixed(options: "Mapping[str, str | list[str]]") -> str:
    """Where its family and its addresses do not go together (`infer_family`)."""
    family = str(options.get("family", ""))
    want = 4 if family == "inet" or "4" in family else 6 if "6" in family else 0
    for key, label in (("src_ip", "source IP"), ("dest_ip", "destination IP"), ("src_dip", "destination IP")):
        for value in values(options.get(key)):
            plain = value.lstrip("! ").partition("-")[0]
            if not want or not _address(plain):
                continue
            if ip_network(plain, strict=False).version != want:
                return f"referenced IPv{6 if want == 4 else 4} {label} in IPv{want} section"
    return ""
