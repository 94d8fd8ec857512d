"""One night's backup: a consistent copy of the directory first, then each place by itself, whatever became of the other."""

import datetime
import json
import os
import shutil
import tarfile
import time

from places import WORK, Trouble, alone, cause, config, now, places, remember, remembered, run, say
from rekey import former, rekey

COPY = f"{WORK}/directory"
WEEK_S = 7 * 86400
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
    """One place: its repository made at the first time, a snapshot, what is too old forgotten, once a week tidied and read."""
    if not place.present():
        say("repository_made", place=place.name)
        place.ask("init")
        remember(place.name, made=now(), pruned=time.time(), shut=former())
    rekey(place)
    place.unlock()
    done = snapshot(place, settings)
    news = {
        "snapshot": done["snapshot"],
        "snapshot_at": now(),
        "bytes": done["bytes"],
        "added": done["added"],
        "files": done["files"],
    }
    remember(place.name, **news)
    state = remembered()["places"].get(place.name, {})
    forget(place, settings["keep"])
    if due(state.get("pruned", 0), time.time()):
        say("tidying", place=place.name)
        place.ask("prune", "--max-unused", "10%")
        remember(place.name, pruned=time.time())
    if due(state.get("checked", 0), time.time()):  # what failed is not `checked`: it is said again each night
        check(place, f"{int(time.time() // WEEK_S) % SLICES + 1}/{SLICES}")
    return done


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


def forget(place, keep):
    """Drop what is older than the pack keeps; by age alone, because counts would let fake snapshots push out real ones.

    Raises:
        Trouble: a snapshot lies in the future. restic counts ages back from the newest, so all others would be forgotten.
    """
    times = [one["time"] for one in json.loads(place.ask("snapshots", "--json", "--no-lock") or "[]")]
    newest = max((_moment(at) for at in times), default=0)
    if newest > time.time() + 86400:
        raise Trouble(f"a snapshot is dated {max(times)[:16]}, in the future: nothing is forgotten until it is gone")
    place.ask("forget", "--group-by", "host", *(f"--{word.replace(chr(95), chr(45))}={value}" for word, value in keep.items()))


def _moment(text):
    """Seconds since 1970 of restic's time: nanoseconds and any zone (RFC 3339)."""
    head, _, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    return datetime.datetime.fromisoformat((head + zone).replace("Z", "+00:00")).timestamp()


def check(place, subset=""):
    """Whether the repository is sound; `subset` of its data is read and compared too (`n/t`, `100%`)."""
    say("checking", place=place.name, subset=subset)
    code, out, err = place.call("check", *([f"--read-data-subset={subset}"] if subset else []))
    if code:
        raise Trouble(f"the check found damage: {cause(err or out)}")
    remember(place.name, checked=time.time(), checked_at=now())
