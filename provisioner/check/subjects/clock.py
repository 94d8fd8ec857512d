"""Clock: beside this laptop's, and whether it follows the world's time."""

from collections.abc import Iterable

from provisioner.check.condition import Clock
from provisioner.check.subjects import Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.language import N_

OFF_S, FAR_S = 5.0, 60.0


def judge(machine: Machine, clock: Clock) -> Iterable[Finding]:
    """How far off, before whether it is kept."""
    off = clock.now - machine.condition.at
    seen = f"{off:+.1f} s; NTP: {'yes' if clock.kept else 'no'}; synchronised: {'yes' if clock.synchronised else 'no'}"
    if abs(off) > OFF_S:
        level = Level.CRITICAL if abs(off) > FAR_S else Level.WARNING
        yield machine.judged("clock", level, N_("The clock of {host} is {seconds} s off."), seen, seconds=round(off))
    elif machine.lab or clock.synchronised:  # a lab's machines share this laptop's clock
        yield machine.judged("clock", Level.OK, N_("The clock of {host} is right."), seen)
    else:
        yield machine.judged("clock", Level.WARNING, N_("The clock of {host} follows no other."), seen)


SUBJECT = Subject(
    "clock", N_("The time"), "clock", N_("warning from 5 s off or when it follows no other, critical from 60 s off"), judge
)
