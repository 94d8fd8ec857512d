"""How a RouterOS router runs and what it reaches, asked by its own commands; each answer is read by shape."""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from provisioner.errors import Unreadable
from provisioner.router.platforms import Probes
from provisioner.router.platforms.routeros_syntax import quoted
from provisioner.router.platforms.routeros_terminal import Terminal

_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_CLOCK = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(\d+):(\d+):(\d+)")
UPTIME = ":put [/system resource get uptime]"
DEFAULT = 'where dst-address="0.0.0.0/0" and active'


def running(at: Terminal) -> dict[str, Any]:
    """version, up_s, links, leases, route, tunnel."""
    addresses: dict[str, list[str]] = {}
    for link, address in _each(at, "/ip address", "", "interface", "address"):
        addresses.setdefault(link, []).append(address)
    links = _each(at, "/interface", "", "name", "running")
    leases = _each(at, "/ip dhcp-server lease", 'where status="bound"', "address", "mac-address", "host-name")
    routes = list(_each(at, "/ip route", DEFAULT, "gateway", "immediate-gw"))
    tunnels = list(_each(at, "/interface wireguard peers", "", "endpoint-address", "endpoint-port", "last-handshake"))
    route = {"gateway": routes[0][0], "dev": routes[0][1].partition("%")[2] or routes[0][0]} if routes else None
    return {
        "version": f"RouterOS {at.run(':put [/system resource get version]').strip()[:60]}",
        "up_s": seconds(at.run(UPTIME)),
        "links": [
            {"name": name, "up": up in ("true", "yes"), "addresses": addresses.get(name, [])} for name, up in links
        ],
        "leases": [{"address": address, "mac": mac, "name": name} for address, mac, name in leases],
        "route": route,
        "tunnel": (
            {"endpoint": f"{tunnels[0][0]}:{tunnels[0][1]}", "heard": _heard(tunnels[0][2])} if tunnels else None
        ),
    }  # fmt: skip


def _each(at: Terminal, menu: str, where: str, *names: str) -> Iterator[tuple[str, ...]]:
    """Properties of a menu's items, a line each: what stands between is a sign that no value of these holds."""
    told = ' . "|" . '.join(f"[{menu} get $i {name}]" for name in names)
    said = at.run(f":foreach i in=[{menu} find{' ' + where if where else ''}] do={{:put ({told})}}")
    for line in said.splitlines():
        values = tuple(line.strip().split("|"))
        if len(values) == len(names):
            yield tuple(value[:200] for value in values)


def seconds(text: str) -> float:
    """A duration as it prints it: `2w3d04:05:06`, or `3m7s`.

    Raises:
        Unreadable: it is none.
    """
    text = text.strip()
    if found := _CLOCK.fullmatch(text):
        weeks, days, hours, minutes, rest = (int(part or 0) for part in found.groups())
        return weeks * 604800 + days * 86400 + hours * 3600 + minutes * 60 + rest
    parts = re.findall(r"(\d+)([wdhms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Unreadable(f"no duration: {text[:40]!r}", hint="look at the router itself")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def _heard(text: str) -> int:
    """When a peer was heard last, 0 for never."""
    return int(time.time() - seconds(text)) if text.strip() else 0


# ------------------------------------------------------------------------------------------------ what it reaches


def probes(at: Terminal, wanted: Probes) -> dict[str, str]:
    """`line`, `internet`, `names`, `lan`: what is wrong with each, empty when nothing."""
    return {"line": _line(at), "internet": _internet(at, wanted), "names": _names(at, wanted), "lan": _lan(at, wanted)}


def _answers(at: Terminal, address: str) -> bool:
    """Whether one echo comes back; what `ping` gives is how many did."""
    said = at.run(f":put [/ping {address} count=1]")
    return said.strip().splitlines()[-1:] == ["1"] or " received=1" in said


def _line(at: Terminal) -> str:
    gateways = [gateway for (gateway,) in _each(at, "/ip route", DEFAULT, "gateway")]
    if not gateways:
        return "no way out: there is no default route"
    address = gateways[0].partition("%")[0]
    if not re.fullmatch(r"[0-9.]+", address):
        return ""  # a line without a neighbour, as PPP
    return "" if _answers(at, address) else f"the line's next machine, {address}, does not answer"


def _internet(at: Terminal, wanted: Mapping[str, Any]) -> str:
    for address, _ in wanted["internet"]:
        named = address if re.fullmatch(r"[0-9.]+", address) else f"[:resolve {quoted(address)}]"
        if _told(at, f":if ([/ping {named} count=2] > 0) do={{:put reached}}") == "reached":
            return ""
    return f"the Internet does not answer: {', '.join(address for address, _ in wanted['internet'])}"


def _names(at: Terminal, wanted: Mapping[str, Any]) -> str:
    name, server = wanted["name"], wanted["server"]
    said = _told(at, f":put [:resolve {quoted(name)} server={server}]")
    return "" if re.fullmatch(r"[0-9.]+", said) else f"{server} does not answer for {name}: {said[:100]}"


def _lan(at: Terminal, wanted: Mapping[str, Any]) -> str:
    for address in wanted["lan"]:
        if _answers(at, address) or _told(at, f":put [:len [/ip arp find where address={address} and complete]]") == "1":
            return ""
    return f"no machine of the LAN answers: {', '.join(wanted['lan'])}" if wanted["lan"] else ""


def _told(at: Terminal, line: str) -> str:
    """The last line of an answer, a refusal too."""
    try:
        return (at.run(line).strip().splitlines() or [""])[-1].strip()
    except Unreadable as refused:
        return str(refused)
