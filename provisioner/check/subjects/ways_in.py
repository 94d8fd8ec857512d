"""Ways in: every account, right of root and key on a machine is one that the dossier or the reseller's file knows."""

from collections.abc import Iterable

from provisioner.check.condition import WaysIn
from provisioner.check.subjects import Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.inventory.rules import bare
from provisioner.language import N_

TECHNICIANS = ("/etc/ssh/technicians/{}", "/home/{}/.ssh/authorized_keys")
SYSTEM = {"root"}  # and nobody else of Debian's has a number of people's


def judge(machine: Machine, ways: WaysIn) -> Iterable[Finding]:
    """Unknown accounts, members of sudo and keys, each by name."""
    technicians = machine.reseller.technicians
    people = {*machine.office.people, *machine.office.former, *technicians, *SYSTEM}
    strangers = [name for name in ways.accounts if name not in people]
    rulers = [name for name in ways.sudo if name not in technicians]
    known = {bare(key) for person in technicians.values() for key in person.keys}
    own = {place.format(login) for login in technicians for place in TECHNICIANS}
    keys = [
        f"{path}: {key[:40]}…"
        for path, found in ways.keys.items()
        if not (machine.lab and path in own)  # where a lab lets its own key in beside theirs
        for key in found
        if bare(key) not in known
    ]
    for check, worst, found, good, bad in (
        ("accounts", Level.WARNING, strangers, N_("{host} has no account that the dossier does not know."),
         N_("{host} has accounts that the dossier does not know: {names}.")),
        ("accounts", Level.WARNING, rulers, N_("Only technicians may become root on {host}."),
         N_("On {host} others than technicians may become root: {names}.")),
        ("keys", Level.CRITICAL, keys, N_("Every SSH key that opens {host} is a technician's."),
         N_("{host} lets in SSH keys that are no technician's.")),
    ):  # fmt: skip
        level = worst if found else Level.OK
        yield machine.judged(check, level, bad if found else good, "; ".join(found), names=", ".join(found[:8]))


SUBJECT = Subject(
    "accounts", N_("Accounts and keys"), "ways_in",
    N_("critical when a key is no technician's; warning when an account or a member of sudo is none of the dossier's"), judge,
)  # fmt: skip
