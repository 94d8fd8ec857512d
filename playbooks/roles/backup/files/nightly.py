"""One night's backup: a consistent copy of the directory first, then each place by itself, whatever became of the other."""

import json
import os
import shutil
import tarfile
import time

from keeping import may_go, missing, moment, odd, old
from places import WORK, Gone, Trouble, alone, cause, config, now, places, remember, remembered, run, say
from rekey import former, rekey

COPY = f"{WORK}/directory"
WEEK_S = 7 * 86400
PRUNE_AFTER_S = 20 * 3600  # what a night forgets is still there the next one
LISTED = 60  # of the newest snapshots, told to whoever asked for this backup
SLICES = 8  # of all data, one read a week: everything is read about every two months


def copy_directory():
    """Lay out the directory's databases as they are at one moment; Samba's own way, while it goes on serving.

    Raises:
        Trouble: Samba could not; no older copy is left to be taken for a new one.
    """
    fresh = f"{WORK}/directory.new"
    for folder in (fresh, COPY):
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(fresh, mode=0o700)
    done = run("samba-tool", "domain", "backup", "offline", f"--targetdir={fresh}")
    made = [name for name in os.listdir(fresh) if name.endswith(".tar.bz2")]
    if done.returncode or len(made) != 1:
        shutil.rmtree(fresh)
        raise Trouble(f"the directory could not be copied: {(done.stderr or done.stdout).strip()[-300:]}")
    with tarfile.open(f"{fresh}/{made[0]}") as tar:
        # Debian 12's Python 3.11.2 has no filters yet; the file is Samba's, made a moment ago in a folder of root's
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        tar.extractall(fresh)
    os.unlink(f"{fresh}/{made[0]}")
    os.rename(fresh, COPY)


def everything(only=""):
    """Back up to every place, or to one; True when all is well."""
    with alone():
        settings = config()
        trouble = ""
        missing = [part["name"] for part in settings["parts"] if part["required"] and not os.path.exists(part["path"])]
        if missing:
            trouble = f"not there, so not in this backup: {', '.join(missing)}"
        if settings["directory"]:
            try:
                copy_directory()
            except (Trouble, OSError, tarfile.TarError) as error:
                trouble = str(error)
        well = True
        for place in places(only):
            say("place_started", place=place.name)
            began = time.monotonic()
            try:
                done = backup(place, settings)
                if trouble:
                    raise Trouble(trouble)
            except (Trouble, OSError, ValueError) as error:
                well = False
                remember(place.name, last_failure=now(), cause=str(error))
                say("place_failed", place=place.name, cause=str(error))
            except BaseException:
                remember(place.name, last_failure=now(), cause="it was stopped before its end")
                raise
            else:
                remember(place.name, last_success=now(), cause="")
                say("place_done", place=place.name, seconds=round(time.monotonic() - began, 1), **done)
        return well


def backup(place, settings):
    """One place: its repository made at the first time, a snapshot, what is too old forgotten, once a week tidied and read.

    Raises:
        Gone: snapshots are missing that nobody forgot; tonight's is made all the same where the repository is there.
    """
    state = remembered()["places"].get(place.name, {})
    if not place.present():
        if state.get("held") or state.get("snapshot"):
            raise Gone(place.name, f"the repository is gone, which held {len(state.get('held', {})) or 'some'} snapshots, "
                       f"the newest of {state.get('snapshot_at', 'an unknown time')}; none is made in its place")  # fmt: skip
        say("repository_made", place=place.name)
        place.ask("init")
        state = {"made": now(), "shut": former()}
        remember(place.name, **state)
    rekey(place)
    place.unlock()
    before = nights(place)
    gone = missing(state.get("held", {}), before)
    if not gone:
        prune(place, state)
    done = snapshot(place, settings)
    remember(
        place.name, snapshot=done["snapshot"], snapshot_at=now(), bytes=done["bytes"], added=done["added"], files=done["files"]
    )
    remember(place.name, held={**state.get("held", {}), **nights(place)})  # whatever comes: what was there is known
    if gone:
        shown = ", ".join(f"{name[:8]} of {time.strftime('%Y-%m-%d', time.gmtime(state['held'][name]))}" for name in gone[-3:])
        raise Gone(place.name, f"{len(gone)} snapshots are gone that nobody forgot, among them {shown}; tonight's is made")
    note = forget(place, settings["keep"], before)
    held = nights(place)
    remember(place.name, held=held, note=note)
    if due(state.get("checked", 0), time.time()):  # what failed is not `checked`: it is said again each night
        check(place, f"{int(time.time() // WEEK_S) % SLICES + 1}/{SLICES}")
    newest = sorted(held, key=held.get)[-LISTED:]
    listed = [{"id": name, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(held[name]))} for name in newest]
    return {**done, "held": listed, "note": note}


def nights(place):
    """Every snapshot of a place: id -> seconds since 1970."""
    return {one["id"]: moment(one["time"]) for one in json.loads(place.ask("snapshots", "--json", "--no-lock") or "[]") or []}


def prune(place, state):
    """Once a week give the room back of what was forgotten in a night before this one."""
    since = time.time() - state.get("forgotten", 0)
    if place.append_only or not state.get("forgotten") or not due(state.get("pruned", 0), time.time()) or since < PRUNE_AFTER_S:
        return
    say("tidying", place=place.name)
    place.ask("prune", "--max-unused", "10%")
    remember(place.name, pruned=time.time(), forgotten=0)


def due(at, now):
    """Whether what was done at a moment is to be done again: a week later, or when a clock that was ahead dated it."""
    return not 0 <= now - at <= WEEK_S


def snapshot(place, settings):
    """One snapshot of all there is; a file that changed under our hands gets a second try."""
    there = [part["path"] for part in settings["parts"] if os.path.exists(part["path"])]
    excluded = [f"--exclude={pattern}" for pattern in settings["exclude"]]
    words = ["backup", "--json", "--host", settings["host"], "--tag", "office", "--exclude-caches", *excluded, "--", *there]
    for attempt in (1, 2):
        summary = {}

        def heard(line, summary=summary):
            try:
                said = json.loads(line)
            except ValueError:
                return
            if said.get("message_type") == "summary":
                summary.update(said)
            elif said.get("message_type") == "status":
                say("progress", place=place.name, done=said.get("bytes_done", 0), total=said.get("total_bytes", 0))

        code, _, err = place.call(*words, on_line=heard)
        if code == 3 and attempt == 1:
            continue
        if code == 3:
            raise Trouble(f"some files could not be read, so the snapshot is not whole: {_unread(err)}")
        if code or "snapshot_id" not in summary:
            raise Trouble(cause(err))
        return {
            "snapshot": summary["snapshot_id"][:8], "bytes": summary["total_bytes_processed"],
            "added": summary.get("data_added_packed", summary["data_added"]), "files": summary["total_files_processed"],
        }  # fmt: skip
    raise AssertionError


def _unread(err):
    found = []
    for line in err.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if said.get("message_type") == "error":
            found.append(f"{said.get('item', '')}: {(said.get('error') or {}).get('message', '')}".strip())
    return "; ".join(found[:3]) or cause(err)


def forget(place, keep, before):
    """Drop what is older than the pack keeps, but never the newest days' nights; what is to be known about it.

    By age alone, because counts would let fake snapshots push out real ones. A clock that jumped, or a machine that was off for
    long, makes all former nights old at once: nothing is forgotten then, until a person says that it is right.

    Raises:
        Trouble: a snapshot lies in the future. restic counts ages back from the newest, so all others would be forgotten.
    """
    if place.append_only:
        return ""  # whoever keeps the place does that, with a key that is not here
    state = remembered()["places"].get(place.name, {})
    ignored = state.get("ignored", {})
    newest = max((at for name, at in before.items() if name not in ignored), default=None)
    wrong = odd(newest, time.time())
    if wrong == "in the future":
        at = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(newest))
        how = f"provisioner backup accept OFFICE --place {place.name}"
        raise Trouble(f"a snapshot is dated {at}, in the future: nothing is forgotten; if it is to be ignored: {how}")
    if wrong:
        remember(place.name, odd=f"the night before was {wrong} by this machine's clock ({now()[:10]})")
        state = remembered()["places"].get(place.name, {})
    if said := state.get("odd"):
        return f"nothing is forgotten: {said}; if that clock is right: provisioner backup accept OFFICE --place {place.name}"
    there = nights(place)
    going = may_go({name: at for name, at in there.items() if name not in ignored}, old(there, keep, ignored))
    if going:
        place.ask("forget", *going)
        remember(place.name, forgotten=time.time())
    return ""


def accept(only, why):
    """A person says why nights are missing, or that the clock is right: what is there now is what there is."""
    with alone():
        for place in places(only):
            held = nights(place) if place.present() else {}
            before = remembered()["places"].get(place.name, {}).get("held", {})
            accepted = {"why": why, "at": now(), "missing": len(missing(before, held))}
            ahead = {name: at for name, at in held.items() if at > time.time() + 86400}  # of a clock that was wrong: they stay
            news = {"held": held, "ignored": ahead, "odd": "", "note": "", "cause": "", "accepted": accepted}
            remember(place.name, **news, **({} if held else {"snapshot": ""}))
            say("accepted", place=place.name, missing=accepted["missing"], snapshots=len(held))
    return True


def check(place, subset=""):
    """Whether the repository is sound; `subset` of its data is read and compared too (`n/t`, `100%`)."""
    say("checking", place=place.name, subset=subset)
    code, out, err = place.call("check", *([f"--read-data-subset={subset}"] if subset else []))
    if code:
        raise Trouble(f"the check found damage: {cause(err or out)}")
    remember(place.name, checked=time.time(), checked_at=now())
