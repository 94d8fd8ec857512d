"""What a machine is and how it stands: system, versions, pending updates, firewall; as root, standard library only.

Reads one JSON object on stdin (`packages`: names worth telling) and prints one.
"""

import json
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

TIMERS = ("apt-daily", "apt-daily-upgrade")  # the one fetches the lists, the other installs


def call(*words: str) -> str:
    """What a program says, or nothing."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=40, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def read(path: str) -> str:
    """One line of a file, or nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""


def system() -> dict[str, Any]:
    """os-release(5), the kernel, and what the maker wrote into the machine."""
    release = platform.freedesktop_os_release()
    container = bool(call("systemd-detect-virt", "--container").strip() not in ("", "none"))
    maker = {"serial": "product_serial", "model": "product_name"}
    return {
        "id": release.get("ID", ""), "version": release.get("VERSION_ID", ""), "pretty": release.get("PRETTY_NAME", ""),
        "kernel": platform.release(), "container": container,
        **{word: "" if container else read(f"/sys/class/dmi/id/{file}") for word, file in maker.items()},
    }  # fmt: skip


def packages(names: list[str]) -> dict[str, str]:
    """The versions of those that are installed."""
    lines = call("dpkg-query", "-W", "-f", "${binary:Package} ${db:Status-Status} ${Version}\n", *names).splitlines()
    return {line.split()[0].split(":")[0]: line.split()[2] for line in lines if line.split()[1:2] == ["installed"]}


def updates(call: Callable[..., str] = call) -> dict[str, Any]:
    """What apt would upgrade, by its archive; packages held back on purpose; what a killed dpkg left."""
    pending = re.findall(r"^Inst (\S+) .*?\(\S+ (.*?)\[", call("apt-get", "-s", "-q", "dist-upgrade"), re.M)
    return {
        "security": sorted({name for name, archive in pending if "ecurity" in archive}),
        "others": sorted({name for name, archive in pending if "ecurity" not in archive}),
        "held": call("apt-mark", "showhold").split(),
        "audit": call("dpkg", "--audit").strip(),
        # apt's own word, whatever file it comes from: a Debian without a setting has it on
        "automatic": " ".join(call("apt-config", "dump", "APT::Periodic").split("\n")).strip(),
        "timer": " ".join(sorted({call("systemctl", "is-enabled", f"{unit}.timer").strip() for unit in TIMERS})),
    }


def firewall() -> list[str] | None:
    """The ports the kernel's own list of rules lets in, as "tcp 22"; None where no such list is loaded."""
    listed = call("nft", "list", "chain", "inet", "office", "input")
    if "policy drop" not in listed:
        return None
    return sorted({f"{protocol} {port}" for protocol, port in re.findall(r"\b(tcp|udp) dport (\S+) accept", listed)})


def up_s() -> float:
    """For how many seconds the system has been up: a container's own start, not its machine's."""
    began = call("systemctl", "show", "--property", "UserspaceTimestampMonotonic", "--value").strip()
    return time.monotonic() - int(began or 0) / 1e6


def main() -> None:
    """All of it."""
    ask = json.load(sys.stdin)
    facts = {"system": system(), "packages": packages(ask["packages"]), "updates": updates(), "firewall": firewall()}
    kept = call("timedatectl", "show", "-p", "NTP", "-p", "NTPSynchronized").split()
    synchronised = "NTPSynchronized=yes" in kept
    print(json.dumps({**facts, "up_s": up_s(), "time": " ".join(kept), "synchronised": synchronised, "now": time.time()}))


if __name__ == "__main__":
    main()
