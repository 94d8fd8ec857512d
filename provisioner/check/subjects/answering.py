"""What people use answers: the directory, the shares, the website, each asked on the machine that serves it."""

from collections.abc import Iterable

from provisioner.check.condition import Website
from provisioner.check.subjects import Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.inventory.placement import roles
from provisioner.language import N_

DIRECTORY, SHARE = "directory", "share"
ROLES = {"directory": DIRECTORY, "file_share": SHARE}
TOLD = {
    DIRECTORY: (N_("The directory on {host} answers."), N_("The directory on {host} does not answer: nobody can log in.")),
    SHARE: (N_("The shares on {host} answer."), N_("The shares on {host} do not answer.")),
}


def served(machine: Machine) -> list[str]:
    """What this machine has to answer for."""
    here = roles(machine.pack, machine.office, machine.host)
    return [name for role, name in ROLES.items() if role in here]


def services(machine: Machine, said: dict[str, str]) -> Iterable[Finding]:
    """Each that the pack's roles put there."""
    for name in served(machine):
        good, bad = TOLD[name]
        why = said.get(name, "it was not asked")
        yield machine.judged(name, Level.CRITICAL if why else Level.OK, bad if why else good, why)


def websites(machine: Machine, found: list[Website] | None) -> Iterable[Finding]:
    """What was put online, against what lies there and what the web server answers."""
    for site in found or ():
        seen = f"{site.domain}: release {site.release or '-'}, status {site.status}"
        seen += f"; {site.problem}" if site.problem else ""
        if not site.release:
            level, told = Level.NOT_APPLICABLE, N_("The website {domain} has not been put online yet.")
        elif site.problem or site.status != 200:
            level, told = Level.CRITICAL, N_("The website {domain} does not answer on {host}.")
        elif site.unchanged is False:
            level, told = Level.CRITICAL, N_("The files of the website {domain} were changed since it was put online.")
        elif not site.same:
            level, told = Level.CRITICAL, N_("{host} shows another page for the website {domain} than was put online.")
        elif site.unchanged is None:
            level, told = Level.UNKNOWN, N_("Whether the files of the website {domain} were changed cannot be told.")
        else:
            level, told = Level.OK, N_("The website {domain} is online as it was put there.")
        yield machine.judged("website", level, told, seen, domain=site.domain)


SUBJECTS = (
    Subject(
        DIRECTORY, N_("Directory and shares"), "answering", N_("critical when one does not answer where it is served"), services
    ),
    Subject(
        "website", N_("Website"), "websites",
        N_("critical when it does not answer on its server, shows another page than was put online, or its files were changed"),
        websites,
    ),
)  # fmt: skip
