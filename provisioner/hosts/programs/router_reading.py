"""What an existing Debian router's configuration says, read as root and left as it is; standard library only.

Prints one JSON object: `files` (path -> text) of what the tool can read, `rules` (nft(8)'s ruleset), `unread` (configurations
of other programs that do the same things), `addresses` and `routes` as ip(8) has them.
"""

import glob
import json
import os
import subprocess
from typing import Any

LIMIT = 1 << 18  # characters of one file
READ = (
    "/etc/systemd/network/*.network", "/etc/systemd/network/*.netdev", "/etc/systemd/network/*.link",
    "/etc/systemd/network/*.network.d/*.conf", "/etc/network/interfaces", "/etc/network/interfaces.d/*",
    "/etc/dnsmasq.conf", "/etc/dnsmasq.d/*", "/etc/hostapd/*.conf", "/etc/ppp/peers/*", "/etc/chrony/*.conf",
    "/etc/chrony/conf.d/*.conf", "/etc/chrony/sources.d/*.sources", "/etc/systemd/timesyncd.conf",
    "/etc/systemd/timesyncd.conf.d/*.conf", "/etc/rsyslog.conf", "/etc/rsyslog.d/*.conf",
)  # fmt: skip
SECRETS = ("/etc/ppp/*-secret*", "/etc/systemd/network/*.key")
OTHERS = (
    "/etc/dhcp/dhcpd.conf", "/etc/kea/*.conf", "/etc/bind/named.conf.local", "/etc/unbound/unbound.conf.d/*.conf",
    "/etc/NetworkManager/system-connections/*", "/etc/netplan/*.yaml", "/etc/wireguard/*.conf", "/etc/openvpn/*.conf",
    "/etc/ipsec.conf", "/etc/swanctl/conf.d/*.conf", "/etc/frr/frr.conf", "/etc/radvd.conf", "/etc/squid/squid.conf",
    "/etc/iptables/rules.v4", "/etc/iptables/rules.v6", "/etc/shorewall/rules", "/etc/ufw/user.rules", "/etc/firewalld/zones/*",
    "/etc/ntpsec/ntp.conf", "/etc/miniupnpd/miniupnpd.conf", "/etc/fail2ban/jail.local",
)  # fmt: skip


def call(*words: str) -> str:
    """What a program says, or nothing."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def texts(patterns: tuple[str, ...]) -> dict[str, str]:
    """The files of these patterns, in the order of their names."""
    found = {}
    for path in sorted({path for pattern in patterns for path in glob.glob(pattern) if os.path.isfile(path)}):
        with open(path, encoding="utf-8", errors="replace") as file:
            found[path] = file.read(LIMIT)
    return found


def main() -> None:
    """All of it."""
    found: dict[str, Any] = {
        "files": {**texts(READ), **texts(SECRETS)},
        "rules": call("nft", "-s", "list", "ruleset"),
        "unread": sorted(texts(OTHERS)),
        "addresses": json.loads(call("ip", "-json", "address", "show") or "[]"),
        "routes": json.loads(call("ip", "-json", "-4", "route", "show") or "[]"),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
