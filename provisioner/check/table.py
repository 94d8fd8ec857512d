"""Every check there is, in the order in which it is told."""

from provisioner.check.subjects import (
    Subject,
    answering,
    backups,
    certificates,
    clock,
    disks,
    drift,
    ends,
    hardware,
    memory,
    ports,
    units,
    updates,
    ways_in,
)
from provisioner.language import N_

REACHED = "reached"
SILENT = N_("{host} does not answer: nothing else is known of it.")
SUBJECTS: tuple[Subject, ...] = (
    backups.SUBJECT, disks.SUBJECT, *units.SUBJECTS, *answering.SUBJECTS, updates.SUBJECT,
    ways_in.SUBJECT, ports.SUBJECT, certificates.SUBJECT,
    clock.SUBJECT, memory.SUBJECT, drift.SUBJECT, *hardware.SUBJECTS, ends.SUBJECT,
)  # fmt: skip
# what a subject concludes besides the check of its own name
MORE = {
    "share": N_("Shares"),
    "router": N_("Router's configuration"),
    "proofs": N_("Proofs of backups"),
    "restart": N_("Restarts that are due"),
    "keys": N_("SSH keys"),
    "warranty": N_("Warranty"),
}
TITLES = {REACHED: N_("Machines that answer"), **{one.name: one.title for one in SUBJECTS}, **MORE}
