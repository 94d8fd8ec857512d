"""Keeps the lease and the marks of a host, as root, in /var/lib/provisioner.

Reads one JSON object on stdin (`do`: read, take, renew, mark, note, release; and what that needs) and prints one. What lies
there is read by shape: a mark that is none is named in `torn`, and the next one of ours takes its place. What is written is on
disk (fsync) before it is answered: a host whose power goes must not forget who works on it.
"""

import fcntl
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

Data = dict[str, Any]
Shape = Mapping[str, tuple[type, ...]]

BASE = "/var/lib/provisioner"
BOOT = "/proc/sys/kernel/random/boot_id"
TEXT, NUMBER, MAYBE = (str,), (int, float), (str, type(None))
LEASE = {"token": TEXT, "technician": TEXT, "laptop": TEXT, "run": TEXT, "boot": TEXT, "lease_s": NUMBER, "renewed_up": NUMBER}
MARK = {"technician": TEXT, "at": TEXT, "commit": MAYBE}
NEWEST = {"summary": TEXT, "summary_sha256": TEXT}

torn: set[str] = set()


def boot() -> str:
    """This start of the host."""
    with open(BOOT) as file:
        return file.read().strip()


def up() -> float:
    """Seconds since it, those asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def fits(data: object, shape: Shape) -> bool:
    """Whether it is an object with these words, each of its kind."""
    return isinstance(data, dict) and all(type(data.get(word)) in kinds for word, kinds in shape.items())


def read(name: str, shape: Shape) -> Data | None:
    """A file's object; None where there is none, or none of this shape."""
    try:
        with open(f"{BASE}/{name}") as file:
            data: Data | None = json.loads(file.read(1 << 20))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        data = None
    if not fits(data, shape):
        torn.add(name)
        return None
    return data


def put(name: str, data: Data) -> None:
    """Write a file whole or not at all, and make sure that it lies on the disk."""
    part = f"{BASE}/.{name}.part"
    try:
        with open(part, "w") as file:
            os.fchmod(file.fileno(), 0o600)
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        if os.path.exists(part):
            os.unlink(part)
        raise
    os.rename(part, f"{BASE}/{name}")
    folder = os.open(BASE, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def ago(lease: Data) -> float:
    """How long ago it was renewed, in seconds; of one from before this start, how long the host is up."""
    return up() - (float(lease["renewed_up"]) if lease["boot"] == boot() else 0)


def live(lease: Data | None) -> bool:
    """Whether its holder may work."""
    return lease is not None and 0 <= ago(lease) < float(lease["lease_s"])


def applied() -> Data | None:
    """What was last applied here, and from which commits somebody was shut out since."""
    mark, refused = read("applied.json", MARK), read("refused.json", {})
    if refused and not all(fits(one, MARK) for one in refused.values()):
        torn.add("refused.json")
        refused = None
    return {**(mark or {}), "refused": list(refused.values())} if refused else mark


def busy(run: str) -> list[str]:
    """What a run that ended without giving its lease back left at work: its laptop died, its task here goes on."""
    found = set()
    for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                given = file.read(1 << 20).split(b"\0")
            with open(f"/proc/{pid}/comm") as file:
                comm = file.read().strip()
        except OSError:
            continue
        runs = [one.partition(b"=")[2].decode(errors="replace") for one in given if one.startswith(b"PROVISIONER_RUN=")]
        if run in runs:
            found.add(comm)
    return sorted(found)[:5]


def stamped(who: Data) -> Data:
    """A lease renewed now."""
    return {**who, "boot": boot(), "renewed_up": up()}


def change(ask: Data) -> Data:
    """Do what is asked of the lease or the marks, if the asker may; the answer."""
    lease = read("lease.json", LEASE)
    mine = lease is not None and lease["token"] == ask["token"]
    if ask["do"] == "take":
        if lease and live(lease) and not mine and lease["token"] != ask["over"]:
            return {"ok": False, "lease": lease, "ago_s": ago(lease), "restarted": lease["boot"] != boot()}
        put("lease.json", stamped({**ask["who"], "token": ask["token"]}))
        return {"ok": True, **({"of": lease["run"], "busy": busy(lease["run"])} if lease and not mine else {})}
    if not lease or not mine:
        return {"ok": False, "lease": lease}
    if ask["do"] == "renew":
        put("lease.json", stamped(lease))
        return {"ok": True, **({"busy": busy(ask["of"])} if ask.get("of") else {})}
    if ask["do"] == "mark":
        put("applied.json", ask["applied"])
        if os.path.exists(f"{BASE}/refused.json"):  # this copy knew who had left
            os.unlink(f"{BASE}/refused.json")
    elif ask["do"] == "note":
        put("newest.json", ask["newest"])
    else:
        os.unlink(f"{BASE}/lease.json")
    return {"ok": True}


def main() -> None:
    """One question, one answer."""
    ask = json.load(sys.stdin)
    if ask["do"] == "read":
        lease = read("lease.json", LEASE)
        answer = {"lease": lease, "live": live(lease)}
    else:
        os.makedirs(BASE, mode=0o700, exist_ok=True)
        os.chmod(BASE, 0o700)
        lock = os.open(BASE, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = change(ask)
    answer["applied"] = applied()
    answer["newest"] = read("newest.json", NEWEST)
    print(json.dumps({**answer, "torn": sorted(torn)}))


if __name__ == "__main__":
    main()
