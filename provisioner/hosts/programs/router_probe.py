"""What an office's router reaches of the world, asked on the router itself: the line, the Internet, names, the LAN.

Reads one JSON object on stdin (`internet`: [address, port]s, one of which must answer; `server` and `name`; `lan`: addresses)
and prints `{"probes": {probe: what is wrong}}`, empty when nothing. With `state` beside it what the guard says of pushes, and the
probes only once one is loaded.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from provisioner.hosts.programs.router_guard import state

Data = dict[str, Any]

PATIENCE_S = 8


def ip(*words: str) -> list[Data]:
    """What ip(8) says in JSON."""
    said = subprocess.run(["ip", "-json", *words], capture_output=True, text=True, check=False).stdout
    found: list[Data] = json.loads(said or "[]")
    return found


def pings(address: str, timeout_s: int) -> bool:
    """Whether an address answers one echo (RFC 792)."""
    words = ["ping", "-n", "-q", "-c", "1", "-W", str(timeout_s), address]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def gateway() -> str:
    """The next machine on the way out answers."""
    routes = ip("route", "show", "default")
    if not routes:
        return "no way out: there is no default route"
    via = str(routes[0].get("gateway", ""))
    if not via:
        return ""  # a line without a neighbour, as PPP
    return "" if pings(via, 2) else f"the line's next machine, {via}, does not answer"


def reached(address: str, port: int) -> str:
    """A TCP connection is taken, or refused by whoever is there."""
    try:
        socket.create_connection((address, port), timeout=3).close()
    except ConnectionRefusedError:
        return ""
    except OSError as error:
        return f"{address}:{port}: {error}"
    return ""


def resolved(server: str, name: str) -> str:
    """A DNS server answers for a name (RFC 1035 4.1); any answer to the question will do but a failure."""
    number = os.urandom(2)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.rstrip(".").split("."))
    query = number + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\x00\x00\x01\x00\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(2)
        try:
            asking.sendto(query, (server, 53))
            answer = asking.recv(4096)
        except OSError as error:
            return f"{server} does not answer for {name}: {error}"
    code = answer[3] & 15 if len(answer) > 3 and answer[:2] == number else 2
    return "" if code == 0 else f"{server} knows no {name} (DNS answer {code})"


def neighbour(addresses: list[str]) -> str:
    """One of the LAN's machines answers, be it only to ARP."""
    for address in addresses:
        pings(address, 1)
        near = ip("neigh", "show", address)
        if any("REACHABLE" in one.get("state", []) or "DELAY" in one.get("state", []) for one in near):
            return ""
    return f"none of the LAN's machines answers ({', '.join(addresses)})"


def probe(ask: Data) -> Data:
    """What of the world the router reaches now: probe -> what is wrong, empty when nothing. All at once, each with its time."""
    asked: dict[str, Callable[[], str]] = {"line": gateway}
    if ask.get("internet"):
        asked["internet"] = lambda: anywhere([(str(address), int(port)) for address, port in ask["internet"]])
    if ask.get("name"):
        asked["names"] = lambda: resolved(str(ask["server"]), str(ask["name"]))
    if ask.get("lan"):
        asked["lan"] = lambda: neighbour([str(address) for address in ask["lan"]])
    found = dict.fromkeys(asked, f"no answer within {PATIENCE_S} s")

    def note(name: str) -> None:
        found[name] = asked[name]()

    # a name nobody resolves takes resolvers 20 s and more: such a thread ends with us
    asking = [threading.Thread(target=note, args=(name,), daemon=True) for name in asked]
    for thread in asking:
        thread.start()
    until = time.monotonic() + PATIENCE_S
    for thread in asking:
        thread.join(max(0.0, until - time.monotonic()))
    return {"probes": dict(found)}


def anywhere(targets: list[tuple[str, int]]) -> str:
    """Empty when one of them is reached."""
    said = [reached(address, port) for address, port in targets]
    return "" if "" in said else "; ".join(said)


if __name__ == "__main__":
    asked = json.loads(sys.stdin.read() or "{}")
    here = state() if asked.get("state") else {}
    loading = here and not (here["pending"] and (here["loaded"] or {}).get("token") == here["pending"]["token"])
    print(json.dumps({**here, **({"probes": {}} if loading else probe(asked))}))
