"""Certificates: when each that a machine shows to others ends."""

from collections.abc import Iterable

from provisioner.check.subjects import DAY_S, Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.language import N_

SOON_DAYS, SHORT_DAYS = 21, 7
FILES = (
    "/etc/nginx/tls/*.crt", "/etc/samba/tls/office.crt", "/etc/postfix/tls.pem", "/etc/letsencrypt/live/*/cert.pem",
)  # fmt: skip


def judge(machine: Machine, ends: dict[str, float]) -> Iterable[Finding]:
    """One finding a certificate."""
    for path, end in sorted(ends.items()):
        days = (end - machine.condition.at) / DAY_S
        seen, values = f"{path}: {days:.1f} days", {"path": path, "days": int(days)}
        if days <= 0:
            yield machine.judged("certificates", Level.CRITICAL, N_("A certificate of {host} has ended: {path}."), seen, **values)
        elif days < SOON_DAYS:
            level = Level.CRITICAL if days < SHORT_DAYS else Level.WARNING
            yield machine.judged(
                "certificates", level, N_("A certificate of {host} ends in {days} days: {path}."), seen, **values
            )
        else:
            told = N_("A certificate of {host} is good for {days} days: {path}.")
            yield machine.judged("certificates", Level.OK, told, seen, **values)


SUBJECT = Subject(
    "certificates", N_("Certificates"), "certificates", N_("warning 21 days before the end, critical 7 days before"), judge
)
