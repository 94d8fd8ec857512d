"""What on this machine still runs code that an update has replaced; told, or restarted; as root, standard library only.

As a script, `restart`: restarts the services, a line `service NAME` each, unless the machine is to be restarted as a whole, which
is the caller's. A machine with somebody at its screen is left as it is, with a line `note: …`.
"""

import glob
import os
import re
import subprocess
import sys

# What takes people's sessions or half the system with it: the machine is restarted instead.
WHOLE = ("init.scope", "dbus.service", "dbus-broker.service", "systemd-logind.service", "lightdm.service")
NOBODY = "/usr/local/libexec/office-nobody-works"
REQUIRED = "/run/reboot-required"


def units() -> list[str]:
    """systemd's units with a process whose program or library is not on the disk any more; people's sessions are left out."""
    found = set()
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(f"{folder}/cgroup", encoding="utf-8", errors="replace") as file:
                group = file.read()
            with open(f"{folder}/maps", encoding="utf-8", errors="replace") as file:
                # only what runs (`x`), from where packages lie: a deleted scratch file is nobody's update
                old = any(re.search(r"^\S+ ..x. .* /(usr|lib\w*|s?bin)/.* \(deleted\)$", line) for line in file)
        except OSError:  # it ended
            continue
        unit = re.search(r"/([^/\n]+\.service)(?:/|$)", group, re.M) or re.search(r"(init\.scope)$", group, re.M)
        if old and unit and "/user.slice/" not in group:
            found.add(unit[1])
    return sorted(found)


def due(stale: list[str]) -> str:
    """Why the machine is to be restarted as a whole; empty when it is not."""
    if os.path.exists(REQUIRED):
        try:
            with open(f"{REQUIRED}.pkgs", encoding="utf-8", errors="replace") as file:
                return " ".join(sorted(set(file.read(2000).split()))) or "reboot-required"
        except OSError:
            return "reboot-required"
    return " ".join(unit for unit in stale if unit in WHOLE)


def busy() -> bool:
    """Whether somebody works at the machine's screen."""
    return os.path.exists(NOBODY) and subprocess.run([NOBODY], check=False).returncode != 0


def main() -> int:
    """Restart what may be; exits 1 when a service did not come back."""
    stale = units()
    if not stale or due(stale):
        return 0
    if busy():
        print("note: somebody works at its screen: nothing is restarted now")
        return 0
    failed = 0
    for unit in stale:
        done = subprocess.run(["systemctl", "restart", "--", unit], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            print(f"{unit} did not come back: {done.stderr.strip()[-300:]}", file=sys.stderr)
            failed = 1
        else:
            print(f"service {unit}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
