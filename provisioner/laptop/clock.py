"""Whether this laptop's clock can be believed: beside those of the office's hosts, and beside the inventory's newest commit.

What a run leaves bears the laptop's time: the audit, the hand-over record, the office's certificates. So nothing is done by a
clock that every host contradicts; a host that is alone with its time is named, and work goes on.
"""

from collections.abc import Mapping

SAID_S = 300.0  # what Kerberos bears between two machines (RFC 4120 1.6)
REFUSED_S = 3600.0  # what two laptops' clocks may differ by: the audit and the record bear it


def judge(offsets: Mapping[str, float], behind_s: float) -> tuple[list[str], bool]:
    """Who differs, and whether it is this laptop. Pure.

    Args:
        offsets: host -> how far its clock is ahead of this laptop's (s); negative: behind.
        behind_s: how far this laptop's clock is behind the inventory's newest commit (s); negative: ahead of it.

    Returns:
        The hosts whose clocks differ from ours, and whether every host that can be believed contradicts ours. One that is
        itself behind the newest commit cannot: it lives before what it is to be given.
    """
    differing = sorted(host for host, offset in offsets.items() if abs(offset) > SAID_S)
    believed = [offset for offset in offsets.values() if offset > behind_s - REFUSED_S]
    wrong = bool(believed) and all(abs(offset) > REFUSED_S for offset in believed)
    # hosts that contradict each other as well prove nothing against us
    return differing, wrong and max(believed) - min(believed) <= REFUSED_S


def span(seconds: float) -> str:
    """A difference in words, before what it is a difference to: `3652 days ahead of`, `2.5 hours behind`."""
    way = "ahead of" if seconds > 0 else "behind"
    for unit, size, from_s in (("days", 86400, 2 * 86400), ("hours", 3600, 2 * 3600), ("minutes", 60, 0)):
        if abs(seconds) >= from_s:
            number = f"{abs(seconds) / size:.1f}".removesuffix(".0")
            return f"{number} {unit} {way}"
    raise AssertionError
