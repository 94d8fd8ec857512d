"""Updates: none that mends a weakness waits, lists are fresh, and no restart is due."""

from collections.abc import Iterable

from provisioner.check.condition import Updates
from provisioner.check.subjects import DAY_S, Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.language import N_

AHEAD_S = 3600.0
OLD_DAYS = 3  # apt fetches its lists each day; a desktop may be off for a weekend


def judge(machine: Machine, updates: Updates) -> Iterable[Finding]:
    """The worst of what waits, said first."""
    seen = f"security: {' '.join(updates.security[:40]) or '-'}; held: {' '.join(updates.held) or '-'}"
    count = len(updates.security)
    if updates.audit:
        yield machine.judged("updates", Level.CRITICAL, N_("{host} has half installed packages."), updates.audit)
    elif updates.lists_s is None:
        yield machine.judged("updates", Level.UNKNOWN, N_("{host} never asked which updates there are."), seen)
    elif updates.lists_s < -AHEAD_S:
        told = N_("The lists of updates of {host} are dated in the future: how old they are nobody knows.")
        yield machine.judged("updates", Level.UNKNOWN, told, seen)
    elif updates.lists_s > OLD_DAYS * DAY_S:
        told = N_("{host} has not asked for updates for {days} days.")
        yield machine.judged("updates", Level.WARNING, told, seen, days=round(updates.lists_s / DAY_S))
    elif count:
        yield machine.judged("updates", Level.WARNING, N_("{host} lacks {count} security updates."), seen, count=count)
    elif updates.held:
        told = N_("{host} holds packages back: {held}.")
        yield machine.judged("updates", Level.WARNING, told, seen, held=", ".join(updates.held[:8]))
    else:
        yield machine.judged("updates", Level.OK, N_("{host} has every security update."), seen)
    waits = "" if updates.restart is True or not updates.restart else updates.restart
    told = N_("{host} has to be restarted to run what was updated.") if updates.restart else N_("{host} runs what is installed.")
    yield machine.judged("restart", Level.WARNING if updates.restart else Level.OK, told, waits)


SUBJECT = Subject(
    "updates", N_("Security updates"), "updates",
    N_("warning when one waits, lists are older than 3 days, or a restart is due; critical when packages are half installed"),
    judge,
)  # fmt: skip
