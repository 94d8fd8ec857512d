"""Disks: room, inodes, how soon they fill, and whether one went read-only."""

from collections.abc import Iterable, Sequence

from provisioner.check.condition import Disk
from provisioner.check.subjects import DAY_S, Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.language import N_

WARNED, SHORT = 0.85, 0.95  # part used
SOON_DAYS, LEAST_DAYS = 30, 2  # warned within; judged by samples over at least so many
SMALL = 64 << 20  # a file system of that size is no place that fills: a boot partition's own


def full_in(samples: Sequence[tuple[float, float]]) -> float | None:
    """In how many days no byte is left, by the straight line through what was free; None where it does not shrink. Pure.

    Args:
        samples: (s since 1970, bytes free), the oldest first.
    """
    if len(samples) < 3 or samples[-1][0] - samples[0][0] < LEAST_DAYS * DAY_S:
        return None
    middle = sum(at for at, _ in samples) / len(samples)
    mean = sum(free for _, free in samples) / len(samples)
    spread = sum((at - middle) ** 2 for at, _ in samples)
    slope = sum((at - middle) * (free - mean) for at, free in samples) / spread  # bytes a second
    return samples[-1][1] / -slope / DAY_S if slope < 0 else None


def judge(machine: Machine, disks: list[Disk]) -> Iterable[Finding]:
    """One finding a file system."""
    for disk in disks:
        if disk.bytes < SMALL:
            continue
        room = 1 - disk.free / disk.bytes
        names = 1 - disk.inodes_free / disk.inodes if disk.inodes else 0.0
        used, days = max(room, names), full_in(machine.samples.get(f"free:{disk.where}", ()))
        seen = f"{disk.where} ({disk.device}): {room:.0%} of {disk.bytes / 1e9:.1f} GB, {names:.0%} of the inodes used"
        values = {"where": disk.where, "used": round(used * 100)}
        if disk.read_only:
            yield machine.judged("disks", Level.CRITICAL, N_("{where} of {host} takes no writes any more."), seen, **values)
        elif used >= WARNED:
            level = Level.CRITICAL if used >= SHORT else Level.WARNING
            yield machine.judged("disks", level, N_("{where} of {host} is {used} % full."), seen, **values)
        elif days is not None and days < SOON_DAYS:
            told = N_("{where} of {host} is {used} % full, and full in {days} days if it goes on so.")
            yield machine.judged("disks", Level.WARNING, told, seen, **values, days=round(days))
        else:
            yield machine.judged("disks", Level.OK, N_("{where} of {host} has room: {used} % used."), seen, **values)


SUBJECT = Subject(
    "disks", N_("Room on the disks"), "disks",
    N_("warning from 85 % used (bytes or inodes) or when full within 30 days, critical from 95 % or read-only"), judge,
)  # fmt: skip
