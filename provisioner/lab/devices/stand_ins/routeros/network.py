"""What a RouterOS system's configuration comes to on its cables: who reaches it, what it reaches, what is there by itself.

From help.mikrotik.com: "Filter" (the first rule that fits decides, without one it is accepted), "Bridging and Switching" (a port
of a bridge has no addresses of its own), "DHCP" (what a bound client adds), "IP Routing" (a gateway has to be on a connected
network).
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Protocol

from provisioner.lab.devices.stand_ins.routeros.menus import Config, Item

LINE, GATEWAY = IPv4Interface("198.51.100.23/24"), IPv4Address("198.51.100.1")  # RFC 5737


@dataclass(frozen=True)
class Cables:
    """Where a router's cables lead: the provider's line, and the LAN with who is on it."""

    line_port: str = "ether1"
    line_address: IPv4Interface = LINE
    line_gateway: IPv4Address = GATEWAY
    lan_port: str = "ether2"
    answers: tuple[str, ...] = ()  # who is there in the world, on the LAN and beyond the line
    names: dict[str, str] = field(default_factory=dict)


class Configured(Protocol):
    """A system, as far as its cables know it."""

    config: Config
    cables: Cables

    def value(self, menu: str, item: Item, name: str) -> str:
        """A property, or what it is when nothing is said."""

    def links(self) -> dict[str, str]:
        """Every interface by its name, and the menu it is of."""


def _on(system: Configured, menu: str) -> list[Item]:
    return [item for item in system.config[menu] if system.value(menu, item, "disabled") != "yes"]


def above(system: Configured, port: str) -> str:
    """The interface that has what comes in at a port: its bridge, or itself."""
    names = system.links()
    for item in _on(system, "/interface bridge port"):
        if item["interface"] == port and item["bridge"] in names:
            return item["bridge"]
    return port


def _line(system: Configured, cables: Cables) -> str:
    """The interface over which the provider gives an address, empty when there is none."""
    links = {item["interface"] for item in _on(system, "/ip dhcp-client")}
    return cables.line_port if cables.line_port in links and above(system, cables.line_port) == cables.line_port else ""


def dynamic(system: Configured, menu: str) -> list[Item]:
    """The items that are there by themselves: connected routes, what the line's DHCP gave."""
    cables = system.cables
    line, given = _line(system, cables), cables.line_address
    if menu == "/ip address" and line:
        return [{".id": "*D1", "address": str(given), "interface": line, "network": str(given.network[0]), "dynamic": "yes"}]
    if menu != "/ip route":
        return []
    addresses = [*_on(system, "/ip address"), *dynamic(system, "/ip address")]
    found = [
        {".id": f"*D{number:X}", "dst-address": str(IPv4Interface(item["address"]).network), "gateway": item["interface"],
         "distance": "0", "dynamic": "yes", "active": "yes"}
        for number, item in enumerate(addresses, start=16)
    ]  # fmt: skip
    client = next((item for item in _on(system, "/ip dhcp-client") if item["interface"] == line), None)
    if client and system.value("/ip dhcp-client", client, "add-default-route") == "yes":
        found.append({".id": "*DF", "dst-address": "0.0.0.0/0", "gateway": str(cables.line_gateway), "distance": "1",
                      "dynamic": "yes", "active": "yes", "immediate-gw": f"{cables.line_gateway}%{line}"})  # fmt: skip
    return found


def _networks(system: Configured) -> dict[str, list[IPv4Interface]]:
    found: dict[str, list[IPv4Interface]] = {}
    for item in [*_on(system, "/ip address"), *dynamic(system, "/ip address")]:
        found.setdefault(item["interface"], []).append(IPv4Interface(item["address"]))
    return found


def way_out(system: Configured) -> bool:
    """Whether its default route leads to the provider's machine over the line."""
    cables = system.cables
    near = [one for one in _networks(system).get(cables.line_port, []) if cables.line_gateway in one.network]
    routes = [*_on(system, "/ip route"), *dynamic(system, "/ip route")]
    default = [one for one in routes if system.value("/ip route", one, "dst-address") == "0.0.0.0/0"]
    return bool(near) and any(one.get("gateway", "").partition("%")[0] == str(cables.line_gateway) for one in default)


def reaches(system: Configured, address: str) -> bool:
    """Whether an echo to an address is answered."""
    cables = system.cables
    if any(address == str(one.ip) for there in _networks(system).values() for one in there):
        return True
    if near(system, address):
        return address in cables.answers
    return way_out(system) and address in (*cables.answers, str(cables.line_gateway))


def near(system: Configured, address: str) -> bool:
    """Whether an address lies on the network of the router's LAN port."""
    lan = _networks(system).get(above(system, system.cables.lan_port), [])
    return any(IPv4Address(address) in one.network for one in lan)


def reachable(system: Configured) -> bool:
    """Whether a machine of the LAN gets an SSH connection to any of the router's addresses there."""
    own = _networks(system).get(above(system, system.cables.lan_port), [])
    return any(accepts(system, 22, str(one.ip)) for one in own)


def accepts(system: Configured, port: int, address: str) -> bool:
    """Whether a machine of the LAN that dials `address` gets a new connection to one of the router's own services."""
    cables = system.cables
    link = above(system, cables.lan_port)
    own = next((one for one in _networks(system).get(link, []) if str(one.ip) == address), None)
    service = any(item["port"] == str(port) for item in _on(system, "/ip service"))
    return own is not None and service and _passes(system, link, port, str(own.network[50]))


def _passes(system: Configured, link: str, port: int, source: str) -> bool:
    for rule in _on(system, "/ip firewall filter"):
        if rule["chain"] == "input" and _fits(system, rule, link, port, source):
            action = rule.get("action", "accept")
            if action in ("accept", "drop", "reject"):
                return action == "accept"
    return True


def _fits(system: Configured, rule: Item, link: str, port: int, source: str) -> bool:
    """Whether a rule is about a new TCP connection from the LAN to the router itself."""
    named = rule.get("in-interface", link)
    listed = rule.get("in-interface-list", "all")
    members = {item["interface"] for item in _on(system, "/interface list member") if item["list"] == listed.lstrip("!")}
    parts = [part.partition("-") for part in rule.get("dst-port", str(port)).split(",")]
    return (
        "new" in rule.get("connection-state", "new").split(",")
        and rule.get("protocol", "tcp") in ("tcp", "6")
        and "src-port" not in rule and "out-interface" not in rule and rule.get("src-address-type") != "local"
        and (named.lstrip("!") == link) is not named.startswith("!")
        and (listed.lstrip("!") == "all" or link in members) is not listed.startswith("!")
        and any(int(first) <= port <= int(last or first) for first, _, last in parts)
        and IPv4Address(source) in IPv4Network(rule.get("src-address", "0.0.0.0/0"), strict=False)
    )  # fmt: skip


def resolved(system: Configured, name: str, server: str = "") -> str | None:
    """The address of a name as the router itself knows or asks it; None when nobody does."""
    cables = system.cables
    own = {str(one.ip) for there in _networks(system).values() for one in there} | {"", "127.0.0.1"}
    if server in own:
        for item in _on(system, "/ip dns static"):
            if item.get("name") == name and system.value("/ip dns static", item, "type") == "A":
                return item.get("address")
        for item in _on(system, "/ip dns static"):
            domain = item.get("name", "")
            if item.get("type") == "FWD" and (
                name == domain or (item.get("match-subdomain") == "yes" and name.endswith(f".{domain}"))
            ):
                return cables.names.get(name) if reaches(system, item.get("forward-to", "")) else None
        return cables.names.get(name) if way_out(system) else None
    return cables.names.get(name) if reaches(system, server) else None
