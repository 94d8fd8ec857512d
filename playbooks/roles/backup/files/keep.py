#!/usr/bin/python3
"""At the second place: whoever keeps it forgets and tidies what the office itself can only add to.

The forced command of the keeper's key (`keep.py FOLDER`), as the account's own user. Reads one JSON object on stdin: `password`
of the repository, `keep` (the pack's ages), `now` (the clock of whoever asks); prints one. Standard library and restic alone.
"""

import json
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from keeping import DAY_S, may_go, missing, moment, odd  # noqa: E402 - the path comes first

PRUNE_AFTER_S = 20 * 3600


class Trouble(Exception):
    """What went wrong, in one sentence."""


def restic(folder, password, *words):
    """Run restic on the repository; its password comes by a file in memory."""
    secret = os.memfd_create("password")
    try:
        os.write(secret, password.encode())
        os.lseek(secret, 0, os.SEEK_SET)
        base = ["restic", "--repo", folder, "--password-file", f"/proc/self/fd/{secret}", "--no-cache"]
        done = subprocess.run(
            [*base, *words], pass_fds=[secret], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            check=False, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    finally:
        os.close(secret)
    if done.returncode:
        raise Trouble((done.stderr.strip().splitlines() or ["restic ended without a word"])[-1][:300])
    return done.stdout


def nights(folder, password):
    """Every snapshot: id -> seconds since 1970."""
    found = json.loads(restic(folder, password, "snapshots", "--json", "--no-lock") or "[]") or []
    return {one["id"]: moment(one["time"]) for one in found}


def state(folder):
    """What was done here before."""
    try:
        with open(f"{folder}.kept.json", encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        found = {}
    return found if isinstance(found, dict) else {}


def remember(folder, **news):
    """Write down what is new, whole or not at all."""
    whole = {**state(folder), **news}
    with open(f"{folder}.kept.part", "w", encoding="utf-8") as file:
        json.dump(whole, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{folder}.kept.part", f"{folder}.kept.json")


def keep(folder, ask):
    """Tidy what was forgotten before today, then forget what is too old; what is there now."""
    password, now, before = ask["password"], time.time(), state(folder)
    if abs(now - ask["now"]) > DAY_S:
        raise Trouble("the clocks of this place and of whoever asks differ by more than a day: nothing is forgotten")
    there = nights(folder, password)
    if gone := missing(before.get("held", {}), there):
        raise Trouble(f"{len(gone)} snapshots are gone that nobody forgot: nothing is forgotten")
    if wrong := odd(max(there.values(), default=None), now):
        raise Trouble(f"the newest snapshot is dated {wrong}: nothing is forgotten until somebody has looked at it")
    pruned = bool(before.get("forgotten")) and now - before["forgotten"] >= PRUNE_AFTER_S
    if pruned:
        restic(folder, password, "prune", "--max-unused", "10%")
        remember(folder, forgotten=0)
    ages = [f"--{word.replace('_', '-')}={value}" for word, value in ask["keep"].items() if word.startswith("keep_within")]
    dry = restic(folder, password, "forget", "--dry-run", "--json", "--no-lock", "--group-by", "host", *ages) if ages else "[]"
    going = may_go(there, [one["id"] for group in json.loads(dry or "[]") or [] for one in group.get("remove") or []])
    if going:
        restic(folder, password, "forget", *going)
        remember(folder, forgotten=now)
    left = nights(folder, password)
    remember(folder, held=left)
    return {"snapshots": len(left), "forgotten": len(going), "tidied": pruned}


def main():
    """One request."""
    try:
        answer = keep(sys.argv[1], json.load(sys.stdin))
    except (Trouble, OSError) as error:
        answer = {"problem": str(error)}
    print(json.dumps(answer))
    sys.exit("problem" in answer)


if __name__ == "__main__":
    main()
