"""Backups: each place has a young snapshot, its last try was good, it was read lately, and somebody proved it."""

from collections.abc import Iterable
from datetime import UTC, datetime

from provisioner.check.condition import Place
from provisioner.check.subjects import DAY_S, Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.language import N_

OLD_H, LOST_H, READ_DAYS, PROVEN_DAYS = 30, 72, 10, 92
AHEAD_S = 3600.0  # what is dated later than that tells nothing of its age
CHECK, PROOFS = "backups", "proofs"


def _at(moment: str) -> float | None:
    try:
        return datetime.fromisoformat(moment).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def judge(machine: Machine, places: dict[str, Place] | None) -> Iterable[Finding]:
    """One finding a place, by the machine's own memory of it; ages by the time at which it answered."""
    if places is None:
        if "backup" in machine.pack.roles(machine.host.kind, machine.office.variant):
            yield machine.judged(CHECK, Level.CRITICAL, N_("{host} is to be backed up, and nothing does it."))
        return
    for name, place in places.items():
        success, failure, read = _at(place.last_success), _at(place.last_failure), _at(place.checked_at)
        seen = f"{name}: last success {place.last_success or 'never'}; last failure {place.last_failure or 'never'}"
        seen += f"; {place.cause}" if place.cause else ""
        hours = round((machine.condition.at - success) / 3600) if success else 0
        values = {"place": name, "hours": hours}
        if success is None:
            yield machine.judged(CHECK, Level.CRITICAL, N_("Nothing of {host} was ever backed up to {place}."), seen, **values)
        elif failure and failure >= success:
            told = N_("The last backup of {host} to {place} failed.")
            yield machine.judged(CHECK, Level.CRITICAL, told, seen, **values)
        elif success > machine.condition.at + AHEAD_S:
            told = N_("The last backup of {host} to {place} is dated in the future: how old it is nobody knows.")
            yield machine.judged(CHECK, Level.UNKNOWN, told, seen, **values)
        elif hours >= OLD_H:
            level = Level.CRITICAL if hours >= LOST_H else Level.WARNING
            yield machine.judged(CHECK, level, N_("The last backup of {host} to {place} is {hours} hours old."), seen, **values)
        elif place.odd:
            told = N_("The backups of {host} in {place} look odd: somebody has to look.")
            yield machine.judged(CHECK, Level.WARNING, told, place.odd, **values)
        elif read is None or not -AHEAD_S <= machine.condition.at - read <= READ_DAYS * DAY_S:
            told = N_("The backups of {host} in {place} were not read back lately.")
            yield machine.judged(CHECK, Level.WARNING, told, f"{seen}; read {place.checked_at or 'never'}", **values)
        else:
            yield machine.judged(CHECK, Level.OK, N_("{host} was backed up to {place} {hours} hours ago."), seen, **values)
    for name in places:
        yield _proven(machine, name)


def _proven(machine: Machine, place: str) -> Finding:
    """The last word of `backup prove` on a place."""
    made, cause = machine.proofs.get(place, ("", ""))
    at, values = _at(made), {"place": place, "day": made[:10]}
    if not made and machine.lab:
        return machine.judged(PROOFS, Level.NOT_APPLICABLE, N_("The backups of a lab need no proof."))
    if cause:
        told = N_("The backups of {host} in {place} could not be restored on {day}.")
        return machine.judged(PROOFS, Level.CRITICAL, told, cause, **values)
    if at is None:
        told = N_("Nobody has proven yet that the backups of {host} in {place} can be restored.")
        return machine.judged(PROOFS, Level.WARNING, told, f"provisioner backup prove {machine.office.name}", **values)
    old = not -AHEAD_S <= machine.condition.at - at <= PROVEN_DAYS * DAY_S
    told = (
        N_("That the backups of {host} in {place} can be restored was last proven on {day}.")
        if old
        else N_("The backups of {host} in {place} were restored and used on {day}.")
    )
    return machine.judged(PROOFS, Level.WARNING if old else Level.OK, told, made, **values)


SUBJECT = Subject(
    CHECK, N_("Backups"), "backups",
    N_("warning from 30 hours old, not read for 10 days or not proven for 92; critical from 72 hours or when the last failed"),
    judge,
)  # fmt: skip
