"""Which nights may go, and which are missing: pure, the same on the server, at the place that keeps, and on the laptop.

Nothing is forgotten on the word of one clock: whatever the pack's ages say, the newest `FLOOR_DAYS` days that have a night stay,
and so the last night of a place; and while the night before is odd against the clock, everything does.
"""

import datetime
import re

DAY_S = 86400
FLOOR_DAYS = 30
ODD_S = 7 * DAY_S  # longer than a night was ever missed by without somebody noticing


def moment(text):
    """Seconds since 1970 of restic's time: nanoseconds and any zone (RFC 3339)."""
    head, _, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    return datetime.datetime.fromisoformat((head + zone).replace("Z", "+00:00")).timestamp()


SPAN_S = {"y": 366 * DAY_S, "m": 31 * DAY_S, "d": DAY_S, "h": 3600}
BUCKETS = {"hourly": "%Y%m%d%H", "daily": "%Y%m%d", "weekly": "%G%V", "monthly": "%Y%m", "yearly": "%Y"}


def span(text):
    """Seconds of restic's duration, `1y`, `2m15d` (restic's manual, forget); a month or a year counts in full."""
    found = re.findall(r"([0-9]+)([ymdh])", text)
    if "".join(number + unit for number, unit in found) != text or not found:
        raise ValueError(f"{text!r} is no duration")
    return sum(int(number) * SPAN_S[unit] for number, unit in found)


def old(nights, keep, ignored=()):
    """The ids that the pack's ages would drop: `keep` has restic's keep_within and keep_within_daily and so on.

    Ages count back from the newest night that a person has not said to ignore. No word of `keep`: nothing is old.
    """
    counted = {name: at for name, at in nights.items() if name not in ignored}
    words = {word: text for word, text in keep.items() if word.startswith("keep_within")}
    if not counted or not words:
        return []
    newest, kept = max(counted.values()), set()
    for word, text in words.items():
        inside = sorted((at, name) for name, at in counted.items() if at >= newest - span(str(text)))
        bucket = BUCKETS.get(word.removeprefix("keep_within").strip("_"))
        named = {}
        for at, name in inside:  # the last one of each is the newest
            key = datetime.datetime.fromtimestamp(at, datetime.UTC).strftime(bucket) if bucket else name
            named[key] = name
        kept |= set(named.values())
    return sorted(set(counted) - kept)


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
