"""`training setup` and `training end`: the client's own training room, on the desktops of an office."""

from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, echo, lab_option, office_argument, verb
from provisioner.cli.training_parts import read_course, whose
from provisioner.errors import BadInput

if TYPE_CHECKING:
    from provisioner.inventory import Inventory
    from provisioner.inventory.dossier import Office
    from provisioner.inventory.target import Target

yes_option = click.option("--yes", is_flag=True, help="Do not show the plan and ask first.")


@verb("setup", writes=True)
@office_argument
@click.option("--course", "courses", metavar="COURSE", multiple=True, help="Whose files it has; once for each.")
@click.option("--trainees", metavar="N", type=click.IntRange(1, 12), default=None, help="How many accounts each desktop has.")
@click.option("--reset", is_flag=True, help="Let every training account begin anew, between two sessions.")
@yes_option
@lab_option
def setup(
    console: Console, office: str, courses: tuple[str, ...], trainees: int | None, reset: bool, yes: bool, lab: bool
) -> int:  # fmt: skip
    """Set up a training room on the desktops of OFFICE: accounts formation1 to formationN, and the files of courses.

    It is written into the dossier; the plan is shown, and applied to the desktops alone. `training end` takes it away.
    """
    from provisioner.inventory import open_inventory
    from provisioner.training import room

    inventory, target = open_inventory(console.inventory), console.target(office, lab)
    if reset:
        if courses or trainees:
            raise BadInput("a session begins anew as it was", hint="--reset alone")
        found = room.again(inventory, target)
    else:
        read = [read_course(console, name) for name in courses]
        by = whose(inventory.root, office)
        known = inventory.office(office).training
        found = room.setup(inventory, target, read, trainees or (known.trainees if known else 0) or 4, by=by)
    _commit(inventory, target, "training: " + ("the next session" if reset else "a room"))
    code = _apply(console, found, lab=lab, yes=yes)
    if code == 0 and not console.as_json:
        echo(f"the accounts' password: provisioner secrets show {office}{' --lab' if lab else ''} training.password")
    return code


@verb("end", writes=True)
@office_argument
@yes_option
@lab_option
def end(console: Console, office: str, yes: bool, lab: bool) -> int:
    """Take the training room of OFFICE away from its desktops, then out of the dossier: nothing of it is left."""
    from provisioner.inventory import open_inventory
    from provisioner.training import room

    inventory, target = open_inventory(console.inventory), console.target(office, lab)
    found = room.ending(inventory, target)
    _commit(inventory, target, "training: the room ends")
    code = _apply(console, found, lab=lab, yes=yes)
    if code:
        return code
    room.gone(open_inventory(console.inventory), target)
    _commit(inventory, target, "training: no room any more")
    if not console.as_json:
        echo("the training room is gone")
    return 0


def _apply(console: Console, office: "Office", *, lab: bool, yes: bool) -> int:
    """`apply` on the desktops alone, as a person gives it: it shows the plan and asks."""
    from provisioner.training import room, verbs

    call = ["apply", office.name, *(part for host in room.desktops(office) for part in ("--host", host))]
    call += ["--yes"] * yes + ["--lab"] * lab
    if not console.as_json:
        return verbs.show(console.inventory, *call)
    told = verbs.call(console.inventory, *call)
    data: dict[str, Any] = {
        "office": office.name,
        "training": office.training and office.training.model_dump(),
        "apply": told.data,
    }
    console.result(data, lambda: None)
    return told.code


def _commit(inventory: "Inventory", target: "Target", message: str) -> None:
    from provisioner.laptop import git
    from provisioner.training import room

    paths = [target.folder / "dossier.yml", target.folder / room.FILES, *(path for path in target.secret_files if path.exists())]
    git.commit(inventory.root, paths, f"{target.office}: {message}")
