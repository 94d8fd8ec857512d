"""Hardware: drives by their own word (SMART), arrays, power supplies, printers' queues."""

from collections.abc import Iterable

from provisioner.check.condition import Array, Battery, Drive, Queue
from provisioner.check.subjects import Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.language import N_

OF_A_VIRTUAL_ONE = N_("{host} has no drive of its own: it is a virtual machine.")
MANY = 10  # pages that wait
WORN = {"percentage_used": 90}  # of what a drive is made for; every other count of damage is one too many


def drives(machine: Machine, found: list[Drive] | None) -> Iterable[Finding]:
    """By the drive's own verdict, then by what wears out."""
    if not found:
        level = Level.NOT_APPLICABLE if found is None else Level.UNKNOWN
        told = OF_A_VIRTUAL_ONE if found is None else N_("{host} shows no drive that tells its health.")
        yield machine.judged("drives", level, told)
        return
    for drive in found:
        worn = [f"{name} {count}" for name, count in drive.worn.items() if count > WORN.get(name, 0)]
        seen, values = f"{drive.drive}: {', '.join(f'{k} {v}' for k, v in drive.worn.items()) or '-'}", {"drive": drive.drive}
        if drive.passed is False:
            yield machine.judged("drives", Level.CRITICAL, N_("The drive {drive} of {host} says that it fails."), seen, **values)
        elif drive.passed is None:
            told = N_("The drive {drive} of {host} does not say how it is.")
            yield machine.judged("drives", Level.UNKNOWN, told, seen, **values)
        else:
            told = N_("The drive {drive} of {host} wears out.") if worn else N_("The drive {drive} of {host} is well.")
            yield machine.judged("drives", Level.WARNING if worn else Level.OK, told, seen, **values)


def arrays(machine: Machine, found: list[Array]) -> Iterable[Finding]:
    """Whole or not; a machine without one has none to lose."""
    for array in found:
        broken = "_" in array.members
        told = N_("The array {array} of {host} lacks a drive.") if broken else N_("The array {array} of {host} is whole.")
        level = Level.CRITICAL if broken else Level.OK
        yield machine.judged("arrays", level, told, f"{array.name} {array.members}", array=array.name)


def batteries(machine: Machine, found: list[Battery] | None) -> Iterable[Finding]:
    """NUT's words: OL on line, OB on battery, LB low, RB to be replaced (upsd.conf(5))."""
    for ups in found or ():
        words = set(ups.state.split())
        bad = Level.CRITICAL if words & {"LB", "RB", "FSD"} else Level.WARNING if "OB" in words else Level.OK
        level = bad if words else Level.UNKNOWN
        told = (
            N_("The power supply {ups} of {host} is well.")
            if level is Level.OK
            else N_("The power supply {ups} of {host} needs somebody.")
        )
        yield machine.judged("power", level, told, f"{ups.state or 'no answer'}; charge {ups.charge or '-'} %", ups=ups.ups)


def queues(machine: Machine, found: list[Queue] | None) -> Iterable[Finding]:
    """Stopped, or full of what does not come out."""
    for queue in found or ():
        values, seen = {"printer": queue.printer, "waiting": queue.waiting}, f"{queue.waiting} waiting"
        if queue.stopped:
            yield machine.judged("queues", Level.WARNING, N_("The printer {printer} is stopped."), seen, **values)
        elif queue.waiting >= MANY:
            yield machine.judged("queues", Level.WARNING, N_("{waiting} pages wait for the printer {printer}."), seen, **values)
        else:
            yield machine.judged("queues", Level.OK, N_("The printer {printer} takes pages."), seen, **values)


SUBJECTS = (
    Subject("drives", N_("Drives"), "drives", N_("critical when a drive says that it fails, warning when it wears out"), drives),
    Subject("arrays", N_("Arrays of drives"), "arrays", N_("critical when one lacks a drive"), arrays),
    Subject(
        "power", N_("Power supplies"), "batteries", N_("warning on battery, critical when it is low or to be replaced"), batteries
    ),
    Subject("queues", N_("Printers"), "queues", N_("warning when one is stopped or 10 pages wait"), queues),
)
