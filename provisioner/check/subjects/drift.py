"""Drift: what the last apply wrote, and what the last push left on a router, is what lies there still."""

from collections.abc import Iterable

from provisioner.check.condition import Drift
from provisioner.check.subjects import Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.inventory.placement import roles
from provisioner.language import N_

FILES, ROUTER = "files", "router"


def judge(machine: Machine, drift: Drift) -> Iterable[Finding]:
    """By the notes of the machine itself: it tells of a hand that meant well, not of one that hides."""
    if drift.files is None:
        told = N_("No apply has noted on {host} yet what it wrote there.")
        yield machine.judged(FILES, Level.UNKNOWN, told, f"provisioner apply {machine.office.name}")
    else:
        paths = sorted(drift.files)
        told = (
            N_("On {host} these files are no more as the last apply wrote them: {paths}.")
            if paths
            else N_("What the last apply wrote on {host} is as it was.")
        )
        seen = "; ".join(f"{path}: {drift.files[path]}" for path in paths)
        yield machine.judged(FILES, Level.WARNING if paths else Level.OK, told, seen, paths=", ".join(paths[:8]))
    if "router" not in roles(machine.pack, machine.office, machine.host):
        return
    if drift.pushed is None:
        yield machine.judged(ROUTER, Level.UNKNOWN, N_("No configuration was pushed to {host} yet."))
        return
    told = (
        N_("On {host} the configuration was changed since its last push: {paths}.")
        if drift.pushed
        else N_("{host} has the configuration of its last push.")
    )
    level = Level.WARNING if drift.pushed else Level.OK
    yield machine.judged(ROUTER, level, told, "; ".join(drift.pushed), paths=", ".join(drift.pushed[:8]))


SUBJECT = Subject(
    FILES, N_("Managed files"), "drift",
    N_("warning when a file is no more as the last apply wrote it, or a router's configuration as the last push left it"), judge,
)  # fmt: skip
