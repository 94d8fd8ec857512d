"""Which nights may go, and which are missing: pure, the same on the server, at the place that keeps, and on the laptop.

Nothing is forgotten on the word of one clock: whatever the pack's ages say, the newest `FLOOR_DAYS` days that have a night stay,
and so the last night of a place; and while the night before is odd against the clock, everything does.
"""

import datetime

DAY_S = 86400
FLOOR_DAYS = 30
ODD_S = 7 * DAY_S  # longer than a night was ever missed by without somebody noticing


def moment(text):
    """Seconds since 1970 of restic's time: nanoseconds and any zone (RFC 3339)."""
    head, _, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    return datetime.datetime.fromisoformat((head + zone).replace("Z", "+00:00")).timestamp()


def floor(nights):
    """The ids that stay in any case: of `nights` (id -> seconds since 1970) the newest days that have one, all of each day."""
    days = sorted({int(at // DAY_S) for at in nights.values()}, reverse=True)[:FLOOR_DAYS]
    return {name for name, at in nights.items() if int(at // DAY_S) in days}


def may_go(nights, wanted):
    """Of the snapshots that the pack's ages would drop those that may go."""
    return sorted(set(wanted) & set(nights) - floor(nights))


def odd(former, now):
    """What is odd about the newest night before this one (seconds since 1970) against the clock; empty when nothing is."""
    if former is None:
        return ""
    if former > now + DAY_S:
        return "in the future"
    return f"{(now - former) / DAY_S:.0f} days ago" if former < now - ODD_S else ""


def missing(known, there):
    """The ids of `known` (id -> seconds) that are gone from `there` (the same) though nobody may have forgotten them.

    One that is older than the floor of what is there may have been dropped by its age. Ids may be cut short in `known`.
    """
    oldest = min((there[name] for name in floor(there)), default=None)
    full = len({int(at // DAY_S) for at in there.values()}) >= FLOOR_DAYS
    return sorted(
        name
        for name, at in known.items()
        if not any(one.startswith(name) for one in there) and not (full and oldest is not None and at < oldest)
    )
