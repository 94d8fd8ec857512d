#!/usr/bin/python3
"""At the second place: whoever keeps it forgets and tidies what the office itself can only add to.

The forced command of the keeper's key (`keep.py FOLDER`), as the account's own user. Reads one JSON object on stdin: `password`
of the repository, those it had (`former`), `keep` (the pack's ages), `now` (the clock of whoever asks), `accept` (why something
is missing or odd); prints one. Standard library and restic alone.
"""

import json
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from keeping import DAY_S, may_go, missing, moment, odd, old  # noqa: E402 - the path comes first

PRUNE_AFTER_S = 20 * 3600


class Trouble(Exception):
    """What went wrong, in one sentence."""


def restic(folder, password, *words, also=()):
    """Run restic on the repository; its password comes by a file in memory."""
    secret = os.memfd_create("password")
    try:
        os.write(secret, password.encode())
        os.lseek(secret, 0, os.SEEK_SET)
        base = ["restic", "--repo", folder, "--password-file", f"/proc/self/fd/{secret}", "--no-cache"]
        done = subprocess.run(
            [*base, *words], pass_fds=[secret, *also], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
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


def rekey(folder, ask):
    """Let the repository open with the vault's password, and with none that it had before: the office cannot delete a key."""
    password = ask["password"]
    known = [before for before in ask.get("former", []) if opens(folder, before)]
    if not opens(folder, password):
        if not known:
            raise Trouble("the repository has another password than the office's vault, now and before")
        secret = os.memfd_create("new")
        try:
            os.write(secret, password.encode())
            os.lseek(secret, 0, os.SEEK_SET)
            restic(folder, known[-1], "key", "add", "--new-password-file", f"/proc/self/fd/{secret}", also=[secret])
        finally:
            os.close(secret)
    for before in known:
        restic(folder, password, "key", "remove", opens(folder, before))


def opens(folder, password):
    """The id of the key that a password opens; empty when it opens none."""
    try:
        keys = json.loads(restic(folder, password, "key", "list", "--json", "--no-lock"))
    except Trouble as error:
        if "wrong password or no key found" in str(error):
            return ""
        raise
    return next(key["id"] for key in keys if key["current"])


def keep(folder, ask):
    """Tidy what was forgotten before today, then forget what is too old; what is there now is what there is from here on."""
    rekey(folder, ask)
    password, now, before = ask["password"], time.time(), state(folder)
    if abs(now - ask["now"]) > DAY_S:
        raise Trouble("the clocks of this place and of whoever asks differ by more than a day: nothing is forgotten")
    there = nights(folder, password)
    if ask.get("accept"):
        before = {"forgotten": before.get("forgotten", 0), "ignored": [name for name, at in there.items() if at > now + DAY_S]}
        remember(folder, held=there, **before, accepted={"why": ask["accept"], "at": now})
    ignored = before.get("ignored", [])
    if gone := missing(before.get("held", {}), there):
        raise Trouble(f"{len(gone)} snapshots are gone that nobody forgot: nothing is forgotten")
    wrong = odd(max((at for name, at in there.items() if name not in ignored), default=None), now)
    if wrong and not (ask.get("accept") and wrong != "in the future"):
        raise Trouble(f"the newest snapshot is dated {wrong}: nothing is forgotten until somebody has looked at it")
    pruned = bool(before.get("forgotten")) and now - before["forgotten"] >= PRUNE_AFTER_S
    if pruned:
        restic(folder, password, "prune", "--max-unused", "10%")
        remember(folder, forgotten=0)
    going = may_go({name: at for name, at in there.items() if name not in ignored}, old(there, ask["keep"], ignored))
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
