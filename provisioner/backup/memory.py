"""What this side knows of an office's snapshots, so that a server that lost its own memory, or its honesty, hides nothing.

Each `backup run` in the audit names the newest snapshots of every place; what `backup list` saw since lies in the state folder.
What is known and no longer there, though nobody may have forgotten it, is named until a person says why (`backup accept`).
"""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime

from provisioner import runs
from provisioner.backup.snapshots import Repository
from provisioner.inventory.target import Target
from provisioner.laptop.disk import write
from provisioner.repository_server import keeping
from provisioner.runs import audit

Known = dict[str, dict[str, float]]  # place -> snapshot's id, cut to 12 digits -> seconds since 1970
MOST = 60  # of the newest: the days that nobody may forget, and some that had more than one


def newest(places: Iterable[Repository]) -> Known:
    """What is to be remembered of what was seen."""
    return {
        place.name: {
            one.id[:12]: one.at.timestamp() for one in sorted(place.snapshots, key=lambda one: one.at)[-MOST:]
        }
        for place in places
        if place.snapshots
    }  # fmt: skip


def known(target: Target) -> Known:
    """What audit and state folder tell, each place back to the last time that somebody accepted what was missing there."""
    found: Known = {}
    done: set[str] = set()
    accepted: dict[str, str] = {}
    for path in reversed(audit.summaries(target.summaries)):
        try:
            data = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue  # `runs check` says so
        if not isinstance(data, dict):
            continue
        for name, held in _shaped(data.get("held")).items():
            if name not in done:
                found[name] = held
                done.add(name)
        names = data.get("accepted")
        for name in [name for name in names if isinstance(name, str)] if isinstance(names, list) else ():
            done.add(name)
            accepted.setdefault(name, str(data.get("finished") or data.get("started")))
    for name, (at, held) in _seen(target).items():
        if at > accepted.get(name, ""):  # what was seen before somebody accepted the loss, on whatever laptop, counts no more
            found[name] = found.get(name, {}) | held
    return found


def _seen(target: Target) -> dict[str, tuple[str, dict[str, float]]]:
    """Of each place when it was last seen, ISO 8601, and what there was."""
    try:
        data = json.loads((target.state / "backups.json").read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(data, dict):
        return {}
    held = _shaped({name: one.get("held") for name, one in data.items() if isinstance(one, dict)})
    return {name: (str(data[name].get("at", "")), one) for name, one in held.items()}


def _write(target: Target, seen: Mapping[str, tuple[str, Mapping[str, float]]]) -> None:
    body = {name: {"at": at, "held": dict(held)} for name, (at, held) in seen.items()}
    write(target.state / "backups.json", json.dumps(body))


def _shaped(value: object) -> Known:
    if not isinstance(value, dict):
        return {}
    return {
        str(name): {str(key): float(at) for key, at in held.items() if isinstance(at, int | float)}
        for name, held in value.items()
        if isinstance(held, dict)
    }


def remember(target: Target, seen: Known) -> None:
    """Keep what was seen beside what was known."""
    before = _seen(target)
    for name, held in seen.items():
        both = before.get(name, ("", {}))[1] | held
        newest = {key: both[key] for key in sorted(both, key=both.__getitem__)[-MOST:]}
        before[name] = (runs.iso(time.time()), newest)
    _write(target, before)


def forget(target: Target, names: Iterable[str]) -> None:
    """Somebody accepted it: of these places what is seen from now on is all there is."""
    _write(target, {name: one for name, one in _seen(target).items() if name not in names})


def missing(known: Mapping[str, Mapping[str, float]], places: Iterable[Repository]) -> dict[str, str]:
    """Places that have lost snapshots which nobody may have forgotten: name -> the sentence. Pure."""
    found = {}
    for place in places:
        there = {one.id: one.at.timestamp() for one in place.snapshots}
        lost = keeping().missing(dict(known.get(place.name, {})), there)
        if lost and (place.snapshots or not place.problem):
            last = max(lost, key=lambda name: known[place.name][name])
            when = datetime.fromtimestamp(known[place.name][last]).astimezone()
            found[place.name] = (
                f"{len(lost)} snapshots are gone that were there, the newest {last[:8]} of {when:%Y-%m-%d %H:%M}"
                f" ({len(there)} are there now)"
            )
    return found
