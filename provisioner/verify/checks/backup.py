"""Backup: a file of the last backup comes back, identical to the bit, from each place it is kept at."""

from collections.abc import Iterable

from provisioner.findings import Finding, Level
from provisioner.language import N_
from provisioner.verify.checks import NO_SERVER, NOT_IN_PACK, Check, VerifySession, judged, not_applicable

FRESH_H = 30  # one a night, and some hours of grace
SAID = {  # where -> a file came back, it did not, there is none yet
    "disk": (
        N_("A file of the last backup was restored from the office's backup disk, identical to the bit."),
        N_("No file of a recent backup could be restored from the office's backup disk."),
        N_("No backup was made on the office's backup disk yet: “{command}” makes the first one."),
    ),
    "remote": (
        N_("A file of the last backup was restored from the second place, away from the office, identical to the bit."),
        N_("No file of a recent backup could be restored from the second place, away from the office."),
        N_("No backup was made at the second place, away from the office, yet: “{command}” makes the first one."),
    ),
}


def run(session: VerifySession) -> Iterable[Finding]:
    """Each place by itself: one that is lost must not hide behind the other."""
    if "backup" not in session.services:
        yield not_applicable("backup", NOT_IN_PACK if session.server else NO_SERVER)
        return
    if session.office.backup is None:
        yield not_applicable("backup", N_("The office keeps no copy of its backups elsewhere."), "remote")
    for place in ("disk", "remote") if session.office.backup else ("disk",):
        said = session.ask(session.server, "server", do="restored", place=place, fresh_h=FRESH_H, timeout_s=60)
        back, lost, none_yet = SAID[place]
        if said.get("none") is True:
            yield Finding("backup", Level.CRITICAL, none_yet, {"command": _makes(session)}, place)
        else:
            yield judged("backup", said["ok"], back, lost, said["evidence"], place)


def _makes(session: VerifySession) -> str:
    return f"provisioner backup run {session.office.name}{' --lab' if session.lab else ''}"


CHECK = Check("backup", N_("Restoring from the backup"), run, frozenset({"backup_disk", "provider"}))
