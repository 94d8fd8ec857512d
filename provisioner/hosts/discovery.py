"""Who is on the LAN, as the kernel knows it."""

import contextlib
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass
from provisioner.hosts.access import PORT


def on_lan(network: str) -> bool:
    """Whether this laptop has an address of its own in that network; nothing is sent."""
    import ipaddress
    import json

    lan = ipaddress.IPv4Network(network)
    shown = subprocess.run(["ip", "-j", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    return any(ipaddress.ip_address(entry["local"]) in lan for link in json.loads(shown) for entry in link.get("addr_info", []))


def neighbours(network: str) -> dict[str, list[str]]:
    """Who is on the LAN: MAC -> IPv4 addresses, from the kernel after one datagram to each address made it ask (ARP).

    A machine that was just given another address stands at both for a while; the one that answered now comes first.

    Empty, and nothing is sent, where this laptop is not on that LAN. No privilege needed; at most a /22, because a larger
    sweep overflows the kernel's table (1,024 entries).
    """
    import ipaddress
    import json
    import socket

    lan = ipaddress.IPv4Network(network)
    if not on_lan(network):  # the sweep would leave through the default route, to whoever has these addresses there
        return {}
    if lan.num_addresses <= 1024:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setblocking(False)
            for count, address in enumerate(lan.hosts()):
                try:
                    probe.sendto(b"", (str(address), 9))  # discard, RFC 863
                except OSError:
                    continue
                if count % 64 == 63:
                    time.sleep(0.05)  # the kernel queues few unresolved neighbours at once
        time.sleep(1.0)
    shown = subprocess.run(["ip", "-j", "-4", "neigh"], capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = {}
    entries = [e for e in json.loads(shown or "[]") if "lladdr" in e and ipaddress.ip_address(e["dst"]) in lan]
    for entry in sorted(entries, key=lambda e: "REACHABLE" not in e.get("state", [])):
        found.setdefault(entry["lladdr"].lower(), []).append(entry["dst"])
    return found


def answering(known: list[str], port: int = PORT) -> str:
    """The first of these addresses of one machine at which something listens; the first of all when nothing does.

    A machine that was set up anew has another address, and the kernel goes on knowing the previous one for a while.
    """
    import socket

    for address in known if len(known) > 1 else []:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=2):
            return address
    return known[0]
