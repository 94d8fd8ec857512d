"""A router whose routing is FRR's (8.4 and later): its static routes, as `show running-config` has them. Pure.

They are the office's alone: another static route goes, and is shown before it does. All else of FRR's (its other daemons, its
routes of another VRF) and all else of the machine (addresses, DHCP, names, firewall, Wi-Fi) is left as it is.
"""

import hashlib
import re
from collections.abc import Iterable

from provisioner.router.description import Description
from provisioner.router.platforms import File, Files

CONFIGURATION = "routes"
ROUTE = re.compile(r"^ip(?:v6)? route \S.*$", re.M)
MARK = "access-list office-"  # how the guard and whoever pushes tell each other what is under way


def render(wanted: Description) -> Files:
    """The routes; equal descriptions give equal bytes."""
    lines = [f"ip route {one.network} {one.via}" for one in wanted.routes]
    if wanted.wan.type == "static":
        lines.append(f"ip route 0.0.0.0/0 {wanted.wan.gateway}")
    return {CONFIGURATION: File(text(lines))}


def text(lines: Iterable[str]) -> str:
    """Routes, as they are compared and kept: each once, in one order."""
    return "".join(f"{line}\n" for line in sorted(set(lines)))


def ours(running: str) -> str:
    """The static routes of a running configuration; a line of a VRF's block has a blank before it and is none of them."""
    return text(found.rstrip() for found in ROUTE.findall(running))


def digest(routes: str) -> str:
    """What the router's guard notes of the routes of the last push."""
    return hashlib.sha256(routes.encode()).hexdigest()[:16]


def cannot(wanted: Description) -> list[str]:
    """What of a description it does not do: all but the routes."""
    said = ["addresses, DHCP, names, time and firewall are left as the machine has them: FRR does the routes alone"]
    said += ["Wi-Fi is left out: FRR has none"] if wanted.wireless else []
    said += ["guests are left out: FRR keeps nobody apart"] if wanted.guests else []
    said += ["port forwards are left out: FRR has none"] if wanted.forwards else []
    said += ["the tunnel is left out: FRR has no WireGuard"] if wanted.tunnel else []
    said += ["syslog is left out: FRR sends its messages nowhere"] if wanted.syslog else []
    if wanted.wan.type != "static":
        said.append(f"the line by {wanted.wan.type} is left as the machine has it, its way out too")
    return said
