"""What the verbs of `training` share: which course, whose."""

import getpass
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.common import Console
from provisioner.errors import Missing

if TYPE_CHECKING:
    from provisioner.inventory.courses import Course
    from provisioner.training.trainee import Trainee


def known() -> dict[str, list[str]]:
    """What the product's own checks are called, for courses to be judged by."""
    from provisioner.check.table import TITLES as CHECKS
    from provisioner.verify.table import EVERY

    return {"check": list(CHECKS), "verify": [part.name for part in EVERY]}


def complete_course(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    """Shell completion of courses."""
    from provisioner.inventory import courses

    top = ctx.find_object(dict) or {}
    try:
        found = {name for root in roots(Console(False, top.get("inventory"))) for name in courses.names(root)}
    except (Missing, OSError):
        return []
    return sorted(name for name in found if name.startswith(incomplete))


course_argument = click.argument("course", metavar="COURSE", shell_complete=complete_course)
trainee_option = click.option("--trainee", metavar="NAME", default="", help="Who learns; otherwise your own login.")


def roots(console: Console) -> list[Path]:
    """Where courses are looked for: one's own inventory, then the example that comes with the tool."""
    from provisioner.laptop.installed import example

    return list(dict.fromkeys(root.resolve() for root in (console.inventory, example()) if root))


def read_course(console: Console, name: str) -> "tuple[Path, Course]":
    """A course, and the inventory it comes from."""
    from provisioner.inventory import courses

    places = roots(console)
    root = next((root for root in places if name in courses.names(root)), places[-1])
    return root, courses.course(root, name, known())


def chosen_trainee(course: str, name: str) -> "tuple[Trainee, Course]":
    """Somebody in a course, and the course."""
    from provisioner import training as workflow
    from provisioner.inventory import courses

    trainee = workflow.find(course, name or myself())
    return trainee, courses.course(Path(trainee.root), course, known())


def myself() -> str:
    """One's own login, as a trainee may be called."""
    return re.sub(r"[^a-z0-9-]", "-", getpass.getuser().lower()).lstrip("-0123456789")[:31] or "trainee"


def whose(root: Path, office: str) -> str:
    """Whose course it is: the member of whoever works with this copy, else who serves its office, else the first."""
    from provisioner.inventory import open_inventory

    inventory = open_inventory(root)
    me = inventory.whoami()
    if me or office in inventory.office_names():
        return inventory.reseller(me[1] if me else inventory.office(office).reseller).organisation.name
    return inventory.resellers()[0].organisation.name
