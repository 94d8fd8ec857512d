"""What is kept of an office: its nights, at each place, and which of them is meant; pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from provisioner.errors import BadInput


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One night's backup at one place; `size_bytes` is what a whole restore would write."""

    id: str
    place: str
    at: datetime
    host: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Repository:
    """What a place says of itself; `problem` is why it could not be asked, the times are the server's, ISO 8601."""

    name: str
    problem: str = ""
    snapshots: tuple[Snapshot, ...] = ()
    last_success: str = ""
    last_failure: str = ""
    cause: str = ""
    note: str = ""  # what is not wrong, and is to be known


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore would put back: from where, what, and into which places; nothing is touched yet."""

    snapshot: Snapshot
    path: str
    to: str
    onto: str  # another host of the office, or none
    items: list[dict[str, Any]]
    others: list[str] = field(default_factory=list)  # places that hold another copy


def choose(snapshots: Sequence[Snapshot], at: str, zone: str) -> Snapshot:
    """The newest snapshot; with `at`, the one whose id begins so, or the newest of that day or moment or before. Pure.

    Args:
        snapshots: of one place, at least one.
        at: the first 4 digits or more of an id, `2026-11-22`, or `2026-11-22 14:30` in the office's time.
        zone: the office's time zone.

    Raises:
        BadInput: it is neither, or there is none so old.
    """
    ordered = sorted(snapshots, key=lambda one: one.at)
    if not at:
        return ordered[-1]
    if re.fullmatch(r"[0-9a-f]{4,64}", at):
        fitting = [one for one in ordered if one.id.startswith(at)]
        if len(fitting) != 1:
            raise BadInput(f"{'no snapshot' if not fitting else 'more than one snapshot'} begins with {at}", hint=_known(ordered))
        return fitting[0]
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise BadInput(f"{at!r} is neither a snapshot nor a time", hint="--at 2026-11-22, --at '2026-11-22 14:30'") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
    if moment.time() == time() and len(at) <= len("2026-11-22"):
        moment += timedelta(days=1, microseconds=-1)  # a day means its end
    fitting = [one for one in ordered if one.at <= moment]
    if not fitting:
        raise BadInput(f"there is no snapshot of {at} or before", hint=_known(ordered))
    return fitting[-1]


def _known(ordered: Sequence[Snapshot]) -> str:
    return f"the oldest is {ordered[0].id[:8]} of {ordered[0].at:%Y-%m-%d %H:%M}, the newest {ordered[-1].id[:8]}"
