"""Security updates that wait on this machine, what is in their way, and what a restart waits for; root, standard library only.

Reads one JSON object on stdin and prints one. `ready`: a shell script to run first that makes apt's lists fresh, or empty;
`environment`: what apt is to find there. Nothing is installed.
"""

import json
import os
import re
import subprocess
import sys
from typing import Any

from provisioner.hosts.programs.stale import busy, due, units

READY_S = 1000
INSTALL = re.compile(r"^Inst (\S+) (?:\[([^]]*)\] )?\((\S+) (.*?) \[", re.M)


def call(*words: str, **more: Any) -> "subprocess.CompletedProcess[str]":
    """A program's end and words."""
    return subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, **more)


def simulated(*more: str) -> list[dict[str, str]]:
    """What apt would upgrade for a weakness' sake: name, version that is there, version to come, where from."""
    done = call("apt-get", "-s", "-q", *more, "dist-upgrade", timeout=120)
    if done.returncode:
        raise RuntimeError(f"apt-get: {done.stderr.strip()[-400:]}")
    return [
        {"name": name, "old": old, "new": new, "origin": origin}
        for name, old, new, origin in INSTALL.findall(done.stdout)
        if "ecurity" in origin
    ]


def main() -> None:
    """All of it; what could not be done is `problem`."""
    ask = json.load(sys.stdin)
    environment = {**os.environ, "LC_ALL": "C", **ask["environment"]}
    os.environ["LC_ALL"] = "C"
    audit = call("dpkg", "--audit", timeout=60).stdout.strip()
    notes, problem = [], ""
    if ask["ready"]:
        done = call("sh", "-s", "ask", "300", "600", input=ask["ready"], env=environment, timeout=READY_S)
        notes = [line.removeprefix("note: ") for line in done.stdout.splitlines() if line.startswith("note: ")]
        problem = done.stderr.strip()[-1500:] or "apt is not fit to work with" if done.returncode else ""
    packages: list[dict[str, str]] = []
    kept: list[dict[str, str]] = []
    held = call("apt-mark", "showhold", timeout=60).stdout.split()
    try:
        packages = simulated()
        kept = [one for one in simulated("--ignore-hold") if one["name"] in held] if held else []
    except (RuntimeError, subprocess.TimeoutExpired) as why:
        problem = problem or ("" if audit else str(why))  # what is half installed is mended first
    stale = units()
    print(json.dumps({
        "packages": packages, "held": held, "kept_back": kept, "audit": audit[:3000], "notes": notes[:20], "problem": problem,
        "machine": due(stale), "services": stale, "busy": busy(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
