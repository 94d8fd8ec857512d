"""What this side knows of an office's snapshots, so that a server that lost its own memory, or its honesty, hides nothing.

Each `backup run` in the audit names the newest snapshots of every place; what `backup list` saw since lies in the state folder.
What is known and no longer there, though nobody may have forgotten it, is named until a person says why (`backup accept`).
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from provisioner import runs
from provisioner.inventory.disk import write
from provisioner.inventory.target import Target
from provisioner.nights import Place
from provisioner.place import keeping

Known = dict[str, dict[str, float]]  # place -> snapshot's id, cut to 12 digits -> seconds since 1970
MOST = 60  # of the newest: the days that nobody may forget, and some that had more than one


def newest(places: Iterable[Place]) -> Known:
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
    for path in reversed(runs.summaries(target.summaries)):
        try:
            data = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue  # `runs check` says so
        accepted = data.get("accepted") if isinstance(data, dict) else None
        for name, held in _shaped(data.get("held") if isinstance(data, dict) else None).items():
            if name not in done:
                found[name] = found.get(name, {}) | held
                done.add(name)
        done |= {name for name in accepted if isinstance(name, str)} if isinstance(accepted, list) else set()
    for name, held in _seen(target).items():
        found[name] = found.get(name, {}) | held
    return found


def _seen(target: Target) -> Known:
    try:
        return _shaped(json.loads((target.state / "backups.json").read_text()))
    except (OSError, ValueError):
        return {}


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
    both = {
        name: dict(sorted((before.get(name, {}) | held).items(), key=lambda one: one[1])[-MOST:]) for name, held in seen.items()
    }
    write(target.state / "backups.json", json.dumps({**before, **both}))


def forget(target: Target, names: Iterable[str], seen: Known) -> None:
    """Somebody accepted it: of these places what is there now is all there is."""
    write(target.state / "backups.json", json.dumps({**_seen(target), **{name: seen.get(name, {}) for name in names}}))


def missing(known: Mapping[str, Mapping[str, float]], places: Iterable[Place]) -> dict[str, str]:
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
