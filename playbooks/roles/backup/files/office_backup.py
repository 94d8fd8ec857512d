#!/usr/bin/python3
"""office-backup: this machine's backups: run, list, files, check, restore, export; accept, rekey.

Says one JSON object a line, exits 1 when something failed. The nightly timer and `provisioner backup` both call it.
"""

import argparse
import os
import signal
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, "/usr/local/lib/office-backup")

import browse  # noqa: E402 - the path comes first
import nightly  # noqa: E402 - the same
import recovery  # noqa: E402 - the same
import rekey  # noqa: E402 - the same
from keeping import missing, moment  # noqa: E402 - the same
from places import VOICE, Gone, Stopped, Trouble, Wrong, alone, config, places, remembered, say  # noqa: E402 - the same


def listed(only):
    """Every place's snapshots; a place that cannot be asked does not hide the other."""
    well = True
    for place in places(only):
        try:
            there = place.present()
            found = place.snapshots() if there else []
        except Trouble as error:
            well = False
            say("place_failed", place=place.name, cause=str(error))
        else:
            state = remembered()["places"].get(place.name, {})
            lost = missing(state.get("held", {}), {one["id"]: moment(one["time"]) for one in found})
            what = "snapshots are gone that nobody forgot" if there else "the repository is gone"
            gone = str(Gone(place.name, f"{what} ({len(lost)} were there)")) if lost else ""
            well = well and not gone
            known = {word: state.get(word) for word in ("last_success", "last_failure", "cause", "checked_at", "note")}
            say("snapshots", place=place.name, snapshots=found, gone=gone, **known)
    return well


def checked(only, everything):
    """Whether each repository is sound."""
    well = True
    with alone():
        for place in places(only):
            try:
                if not place.present():
                    raise Trouble("nothing was backed up there yet")
                place.unlock()
                nightly.check(place, "100%" if everything else "")
            except Trouble as error:
                well = False
                say("place_failed", place=place.name, cause=str(error))
            else:
                say("place_sound", place=place.name)
    return well


def rekeyed(only):
    """Each repository that answers opens with the vault's password alone."""
    well = True
    with alone():
        for place in places(only):
            try:
                if place.present():
                    rekey.rekey(place)
            except Trouble as error:
                well = False
                say("place_failed", place=place.name, cause=str(error))
    return well


def first():
    """The place that is asked when none is named."""
    return next(iter(config()["places"]))


def stopped(*_):
    """End in good order: what was moved is moved back, restic takes its lock away."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped


def watch_caller():
    """Wait for the caller's end. Below Python's own streams: their locks would break the end of the program."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def exported(given):
    """A snapshot, or one path of it, as a tar on standard output."""
    VOICE[0] = sys.stderr
    return recovery.export(places(given.place or first())[0], given.snapshot, given.path)


def restored(given):
    """A snapshot, or one path of it, back where it was."""
    place = places(given.place or first())[0]
    return recovery.restore(place, given.snapshot, given.path, given.to, plan_only=given.plan)


VERBS = {
    "run": lambda given: nightly.everything(given.place),
    "list": lambda given: listed(given.place),
    "files": lambda given: browse.listed(places(given.place or first())[0], given.snapshot, given.path),
    "check": lambda given: checked(given.place, given.everything),
    "restore": restored,
    "export": exported,
    "rekey": lambda given: rekeyed(given.place),
    "accept": lambda given: nightly.accept(given.place, given.why),
}


def main():
    """The verbs."""
    parser = argparse.ArgumentParser(prog="office-backup", description="This machine's backups.")
    parser.add_argument("--attached", action="store_true", help="stop when standard input ends: the caller is gone")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in VERBS:
        words = verbs.add_parser(verb)
        words.add_argument("--place", default="")
        if verb == "accept":
            words.add_argument("--why", required=True)
        if verb == "check":
            words.add_argument("--everything", action="store_true")
        if verb in ("files", "restore", "export"):
            words.add_argument("--snapshot", default="latest")
            words.add_argument("--path", default="")
        if verb == "restore":
            words.add_argument("--to", default="")
            words.add_argument("--plan", action="store_true")
    given = parser.parse_args()
    os.umask(0o077)
    signal.signal(signal.SIGTERM, stopped)
    if given.attached:
        threading.Thread(target=watch_caller, daemon=True).start()
    try:
        well = VERBS[given.verb](given)
    except (Trouble, OSError) as error:
        say("failed", cause=str(error), input=isinstance(error, Wrong))
        well = False
    except Stopped:
        say("failed", cause="stopped; nothing is left half done")
        well = False
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
