"""How a Debian router runs now: system, links, the way out, who has a lease, the tunnel; standard library only."""

import json
import platform
import subprocess
import time
from typing import Any

LEASES = "/var/lib/misc/dnsmasq.leases"


def call(*words: str) -> str:
    """What a program says, or nothing."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def links() -> list[dict[str, Any]]:
    """Each link but the loopback: `name`, `mac`, `up`, `addresses` (with their prefixes, without link-local ones)."""
    found = json.loads(call("ip", "-json", "address", "show") or "[]")
    return [
        {
            "name": one.get("ifname", ""), "mac": one.get("address", ""), "up": "LOWER_UP" in one.get("flags", []),
            "addresses": [f"{a['local']}/{a['prefixlen']}" for a in one.get("addr_info", []) if a.get("scope") == "global"],
        }
        for one in found
        if one.get("ifname") != "lo"
    ]  # fmt: skip


def leases() -> list[dict[str, str]]:
    """Who has an address of the pool, or one reserved (dnsmasq(8), the lease file): `address`, `mac`, `name`."""
    try:
        with open(LEASES, encoding="utf-8", errors="replace") as file:
            rows = [line.split() for line in file]
    except OSError:
        return []
    return [
        {"address": row[2], "mac": row[1], "name": row[3] if row[3] != "*" else ""} for row in rows if len(row) == 5
    ]  # fmt: skip


def tunnel() -> dict[str, Any] | None:
    """The WireGuard tunnel (wg(8), show dump): `endpoint`, and when the other end was last heard (s, epoch; 0 never)."""
    rows = [line.split("\t") for line in call("wg", "show", "office-tunnel", "dump").splitlines()][1:]
    return {"endpoint": rows[0][2], "heard": int(rows[0][4])} if rows and len(rows[0]) > 4 else None


def main() -> None:
    """All of it."""
    began = call("systemctl", "show", "--property", "UserspaceTimestampMonotonic", "--value").strip()
    up_s = time.monotonic() - int(began or 0) / 1e6  # of the system itself: a container's kernel is older
    route = json.loads(call("ip", "-json", "-4", "route", "show", "default") or "[]")
    way = {word: str(route[0].get(word, "")) for word in ("gateway", "dev")} if route else None
    found = {
        "version": platform.freedesktop_os_release().get("PRETTY_NAME", ""), "up_s": up_s, "links": links(), "route": way,
        "leases": leases(), "tunnel": tunnel(),
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
