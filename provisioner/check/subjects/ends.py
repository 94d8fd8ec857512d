"""Ends: until when Debian supports a machine's system, and until when its maker answers for it."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from provisioner.check.subjects import Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.hosts.facts import System
from provisioner.language import N_

# The end of Debian's long-term support, whole months (wiki.debian.org/LTS, as of 2026-11).
SUPPORT = {"11": date(2026, 8, 31), "12": date(2028, 6, 30), "13": date(2030, 6, 30)}
SOON_DAYS = 180


def judge(machine: Machine, system: System) -> Iterable[Finding]:
    """The system's end, then the warranty's, each in days from the time of the answer."""
    today = datetime.fromtimestamp(machine.condition.at, UTC).date()
    end, values = SUPPORT.get(system.version) if system.id == "debian" else None, {"system": system.pretty}
    if end is None:
        told = N_("How long {system} on {host} is supported is not known.")
        yield machine.judged("support", Level.UNKNOWN, told, f"{system.id} {system.version}", **values)
    else:
        left = (end - today).days
        told = (
            N_("{system} on {host} gets no more security updates since {end}.") if left < 0
            else N_("{system} on {host} gets security updates until {end}.")
        )  # fmt: skip
        level = Level.CRITICAL if left < 0 else Level.WARNING if left < SOON_DAYS else Level.OK
        yield machine.judged("support", level, told, f"{left} days", **values, end=end.isoformat())
    if warranty := machine.host.warranty_end:
        left = (warranty - today).days
        told = N_("The warranty of {host} ended on {end}.") if left < 0 else N_("{host} is under warranty until {end}.")
        level = Level.OK if left >= SOON_DAYS // 2 else Level.WARNING
        yield machine.judged("warranty", level, told, f"{left} days", end=warranty.isoformat())


SUBJECT = Subject(
    "support", N_("Support and warranty"), "system",
    N_("warning 180 days before the system's support ends or 90 before the warranty's, critical when support has ended"), judge,
)  # fmt: skip
