"""Where what comes with the tool lies: beside the package in a checkout, inside it when installed."""

from pathlib import Path

from provisioner.errors import Missing


def playbooks() -> Path:
    """The folder of playbooks: beside the package in a checkout, inside it when installed."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here.parent / "playbooks", here / "playbooks"):
        if (folder / "ansible.cfg").is_file():
            return folder
    raise Missing("the playbooks are not where the package expects them", hint="install provisioner again")


def monitoring() -> Path:
    """The folder of what monitoring is made from: templates, rules, dashboards."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here.parent / "monitoring", here / "monitoring"):
        if (folder / "prometheus.yml.j2").is_file():
            return folder
    raise Missing("the rules of monitoring are not where the package expects them", hint="install provisioner again")


def runbooks() -> Path:
    """The folder of the pages that an alert leads to: `<subject>.md`, `<subject>.fr.md`."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here.parent / "docs/runbooks", here / "runbooks"):
        if folder.is_dir():
            return folder
    raise Missing("the runbooks are not where the package expects them", hint="install provisioner again")


def example() -> Path | None:
    """The example network that comes with the tool, in a checkout or an installed package."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "inventory", package / "example"):
        if (folder / "packs").is_dir():
            return folder
    return None
