"""Run plugged into a lab by bench_lab.access: one revocation asked of each host many times, as if it were as many hosts.

The program holds a lock on its host, so one host answers one after the other: with as many hosts it could only be sooner.
"""

import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from provisioner import access
from provisioner.inventory import open_inventory, technicians
from provisioner.inventory.target import Target
from provisioner.work import prepare


def main(root: Path, office: str, times: int) -> None:
    """Ask, and print how many answered what in how long."""
    work = prepare(Target(root, office, lab=True))
    work.door = replace(work.door, shared=False)
    keys = {"n.petit": technicians.keys_ever(open_inventory(root), work.reseller, "n.petit")}
    asked = access.request(work, keys, do="refuse")
    began = time.monotonic()
    told = [told for _, told in access.everywhere([access.Call(work, host, asked) for host in work.hosts for _ in range(times)])]
    took_s = time.monotonic() - began
    print(json.dumps({"took_s": took_s, "states": Counter(one.state for one in told), "slowest_s": max(t.took_s for t in told)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
