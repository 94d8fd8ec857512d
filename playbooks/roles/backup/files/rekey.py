"""Whoever knew a repository's password has left: it opens with the vault's new one, and no longer with any it had.

restic locks its one master key with each password, so nothing is encrypted anew. What somebody copied from a repository while
they knew its password stays readable to them; the repository itself is not.
"""

import json
import os
import re

from places import HOME, Trouble, cause, remember, remembered, say

NEW = "password"


def former():
    """The files of passwords that the repositories may still have, the newest last."""
    found = [name for name in os.listdir(HOME) if re.fullmatch(r"former-[1-9][0-9]*", name)]
    return sorted(found, key=lambda name: int(name.partition("-")[2]))


def opens(place, name):
    """The id of the key that a password opens; empty when it opens none."""
    code, out, err = place.call("key", "list", "--json", "--no-lock", "--quiet", password=name)
    if not code:
        return next(key["id"] for key in json.loads(out) if key["current"])
    if re.search(r"wrong password or no key found", err, re.IGNORECASE):
        return ""
    raise Trouble(cause(err))


def rekey(place):
    """Bring a repository to the new password; True when it had to be. Killed anywhere, the next call does the rest.

    A key with another password that none of ours opens is a person's own, and stays.
    """
    names = former()
    if set(names) <= set(remembered()["places"].get(place.name, {}).get("shut", ())):
        return False
    changed = False
    if not opens(place, NEW):
        known = next((name for name in reversed(names) if opens(place, name)), "")
        if not known:
            raise Trouble("the repository has another password than the office's vault, now and before")
        place.unlock(password=known)
        place.ask("key", "add", "--new-password-file", f"{HOME}/{NEW}", password=known)
        changed = True
    for name in [] if place.append_only else names:  # there whoever keeps the place takes them away (keep.py)
        if key := opens(place, name):
            place.unlock()
            place.ask("key", "remove", key)
            changed = True
    remember(place.name, shut=names)
    if changed:
        say("rekeyed", place=place.name)
    return changed
