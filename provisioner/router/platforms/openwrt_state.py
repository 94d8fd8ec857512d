"""How an OpenWrt router runs and what it reaches, asked by its own commands; each answer is read by shape."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from provisioner.router.platforms import Probes

Ask = Callable[[str], tuple[int, str]]
HANDSHAKES = "wg show all latest-handshakes 2> /dev/null"


def running(ask: Ask) -> dict[str, Any]:
    """version, up_s, links, leases, route, tunnel."""
    board, _, up = ask("ubus call system board; echo =; cat /proc/uptime")[1].rpartition("=\n")
    release = _object(_object(_json(board)).get("release"))
    networks = list(_interfaces(ask("ubus call network.interface dump")[1]))
    found = re.match(r"\d+(?:\.\d+)?", up)
    return {
        "version": f"OpenWrt {_word(release.get('version'))}".strip(),
        "up_s": float(found[0]) if found else 0.0,
        "links": [
            {"name": _word(one.get("interface")), "up": one.get("up") is True, "addresses": list(_addresses(one))}
            for one in networks
        ],
        "leases": list(_leases(ask("cat /tmp/dhcp.leases 2> /dev/null")[1])),
        "route": _route(networks),
        "tunnel": _tunnel(ask(HANDSHAKES)[1]),
    }  # fmt: skip


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _word(value: object) -> str:
    return value[:100] if isinstance(value, str) else ""


def _interfaces(text: str) -> Iterator[dict[str, Any]]:
    yield from (one for one in _list(_object(_json(text)).get("interface")) if isinstance(one, dict))


def _addresses(one: dict[str, Any]) -> Iterator[str]:
    for key in ("ipv4-address", "ipv6-address"):
        for each in _list(one.get(key)):
            if isinstance(each, dict) and isinstance(each.get("mask"), int):
                yield f"{_word(each.get('address'))}/{each['mask']}"


def _route(networks: list[dict[str, Any]]) -> dict[str, str] | None:
    for one in networks:
        for route in _list(one.get("route")):
            if isinstance(route, dict) and route.get("mask") == 0 and route.get("target") == "0.0.0.0":  # noqa: S104 - the route of all
                return {"gateway": _word(route.get("nexthop")), "dev": _word(one.get("l3_device"))}
    return None


def _leases(text: str) -> Iterator[dict[str, str]]:
    """dnsmasq's file: when it ends, MAC, address, name, client."""
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and words[0].isdigit():
            yield {"address": words[2][:50], "mac": words[1][:50], "name": "" if words[3] == "*" else words[3][:100]}


def _tunnel(text: str) -> dict[str, Any] | None:
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "tunnel" and words[2].isdigit():
            return {"endpoint": words[1][:50], "heard": int(words[2])}
    return None


# ------------------------------------------------------------------------------------------------ what it reaches


def probes(ask: Ask, wanted: Probes) -> dict[str, str]:
    """`internet`, `names`, `lan`: what is wrong with each, empty when nothing. By echoes: BusyBox' nc knows no time-out."""
    found = {}
    if targets := [str(address) for address, _ in wanted.get("internet", ())]:
        found["internet"] = "" if _any(ask, targets) else f"the Internet does not answer: {', '.join(targets)}"
    if name := wanted.get("name"):
        code, said = ask(f"nslookup {shlex.quote(str(name))} 127.0.0.1 2>&1")
        answered = not code and re.search(rf"^Name:\s+{re.escape(str(name))}\s", said, re.M)
        found["names"] = "" if answered else f"the router does not answer for {name}"
    if near := [str(address) for address in wanted.get("lan", ())]:
        found["lan"] = "" if _any(ask, near) else f"no machine of the LAN answers: {', '.join(near)}"
    return found


def _any(ask: Ask, addresses: list[str]) -> bool:
    """Whether one of them answers an echo."""
    tries = " || ".join(f"ping -c 1 -W 2 {shlex.quote(one)}" for one in addresses)
    return ask(f"({tries}) > /dev/null 2>&1")[0] == 0
