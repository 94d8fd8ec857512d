"""Memory: enough of it, and nobody was ended for want of it."""

from collections.abc import Iterable

from provisioner.check.condition import Memory
from provisioner.check.subjects import Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.language import N_

LEAST = 0.05


def judge(machine: Machine, memory: Memory) -> Iterable[Finding]:
    """What is left of it now, and what the kernel had to do since the start."""
    part = memory.available / memory.bytes if memory.bytes else 0.0
    seen = f"{memory.available / 1e9:.1f} of {memory.bytes / 1e9:.1f} GB available; ended for want of it: {memory.killed}"
    if memory.killed:
        told = N_("{host} ended {killed} programs for want of memory since it started.")
        yield machine.judged("memory", Level.WARNING, told, seen, killed=memory.killed)
    else:
        short = part < LEAST
        told = N_("{host} has hardly any memory left.") if short else N_("{host} has memory left.")
        yield machine.judged("memory", Level.WARNING if short else Level.OK, told, seen)


SUBJECT = Subject(
    "memory", N_("Memory"), "memory", N_("warning below 5 % available, or when the kernel ended a program for want of it"), judge
)
