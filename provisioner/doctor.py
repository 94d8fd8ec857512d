"""What this laptop lacks, for labs and for real work, each with the command that mends it."""

import importlib.util
import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import HostFailed, ProvisionerError
from provisioner.hosts import keys
from provisioner.inventory import open_inventory
from provisioner.inventory.rules import bare
from provisioner.lab import requirements
from provisioner.lab.base import lab_home
from provisioner.lab.requirements import Lack, Program
from provisioner.laptop import git
from provisioner.laptop.clock import SAID_S, span

# The largest office of the network's clients: 30 people are some 15 hosts per lab at most on one laptop.
HOSTS = 15

PROGRAMS = (
    Program("ssh", "openssh-client", "reaches the hosts"),
    Program("ssh-keygen", "openssh-client", "reads and makes keys"),
    Program("git", "git", "keeps the inventory"),
    Program("apt-cacher-ng", "apt-cacher-ng", "keeps packages, each fetched once"),
    Program("libpangoft2-1.0.so.0", "libpangoft2-1.0-0", "sets the text of documents"),
    Program("libharfbuzz-subset.so.0", "libharfbuzz-subset0", "puts letters into documents, the same bytes each time"),
    Program("/usr/share/fonts/truetype/lato/Lato-Regular.ttf", "fonts-lato", "the letters of documents"),
    Program("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core", "letters and signs that Lato has not"),
)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is missing: for a lab, and for work on real offices; the same thing may be in both."""

    lab: list[Lack]
    selection: list[Lack]

    @property
    def healthy(self) -> bool:
        """Whether all is there."""
        return not self.lab and not self.selection

    @property
    def repair(self) -> list[list[str]]:
        """The commands that mend it, in order, as root; packages in one installation, ready to run."""
        commands: list[list[str]] = []
        packages: list[str] = []
        for lack in (*self.lab, *self.selection):
            for command in lack.repair:
                if command[: len(requirements.INSTALL)] == requirements.INSTALL:
                    packages += [name for name in command[len(requirements.INSTALL) :] if name not in packages]
                elif list(command) not in commands:
                    commands.append(list(command))
        install = [["apt-get", "update"], [*requirements.INSTALL, *packages]] if packages else []
        return [*commands, *install]


def diagnose(hosts: int = HOSTS, inventory: Path | None = None) -> Diagnosis:
    """Look at this laptop; changes nothing.

    Args:
        hosts: the size of the largest lab it should bear.
        inventory: whose newest commit its clock must not be behind.
    """
    selection = [Lack(p.name, p.why, requirements.install(p.package)) for p in PROGRAMS if not requirements.have(p.name)]
    if importlib.util.find_spec("ensurepip") is None:
        selection.append(Lack("python3-venv", "installs this tool", requirements.install("python3-venv")))
    behind = inventory and git.behind_s(inventory)
    if behind and behind > SAID_S:
        why = f"its clock is {span(-behind)} the newest commit: runs, records and certificates would bear a wrong date"
        selection.append(Lack("the right time", why, advice="timedatectl set-ntp true"))
    if inventory and (lack := _key(inventory)):
        selection.append(lack)
    return Diagnosis(requirements.lacking(hosts, lab_home()), selection)


def _key(root: Path) -> Lack | None:
    """Whether whoever works with this copy has a key that ssh can use and their reseller's file has; labs need none."""
    inventory = open_inventory(root)
    me = inventory.whoami()
    if me is None:
        return None
    named = keys.configured(root)
    found = keys.existing(Path(named)) if named else keys.usual()
    if not found:
        return Lack("an SSH key", "nothing logs you in on the hosts", advice=f"provisioner init {shlex.quote(str(root))}")
    try:
        if problem := keys.trouble(found):
            return Lack("an SSH key that works", problem[0], advice=problem[1])
        mine = keys.public_key(found)
        technician = inventory.reseller(me[1]).technicians.get(me[0])
    except ProvisionerError as error:
        return Lack("an SSH key that works", str(error), advice=error.hint)
    if technician and bare(mine) not in map(bare, technician.keys):
        why = f"{found} is none of {me[0]}'s keys in resellers/{me[1]}.yml: adopt and plan refuse it"
        return Lack("your SSH key in the network", why, advice=f"provisioner init {shlex.quote(str(root))} --key {found}")
    return None


def lines(diagnosis: Diagnosis) -> list[str]:
    """What to paste, one command a line, in order."""
    advice = [lack.advice for lack in (*diagnosis.lab, *diagnosis.selection) if lack.advice]
    return [*(pasteable(command) for command in diagnosis.repair), *advice]


def pasteable(command: list[str] | tuple[str, ...]) -> str:
    """One command as a line for a shell, with sudo when we are not root."""
    return shlex.join(command if os.geteuid() == 0 else ["sudo", *command])


def repair(diagnosis: Diagnosis, say: Callable[[str], None]) -> None:
    """Run the repair commands, with sudo when we are not root; their output goes to stderr.

    Raises:
        HostFailed: one failed; the hint is that command.
    """
    for command in diagnosis.repair:
        say(f"$ {pasteable(command)}")
        argv = list(command) if os.geteuid() == 0 else ["sudo", *command]
        if subprocess.run(argv, stdout=2, check=False).returncode:
            raise HostFailed(f"{command[0]} failed on this laptop", hint=pasteable(command))
