"""The client's own training room: accounts and course files on the office's desktops, through plan and apply.

The dossier says that there is one (`training:`), the course files lie beside it; `end` takes both away once the desktops have
none of it any more.
"""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from provisioner.errors import BadInput, Missing
from provisioner.inventory import Inventory
from provisioner.inventory.courses import Course, folder_of
from provisioner.inventory.dossier import Office
from provisioner.inventory.editing import Draft
from provisioner.inventory.models import Kind
from provisioner.inventory.target import Target
from provisioner.secrets import passphrase, vault
from provisioner.training import material

FILES = "training"  # beside the dossier


def desktops(office: Office) -> list[str]:
    """The machines it is set up on.

    Raises:
        Missing: the office has none.
    """
    found = [name for name, host in office.hosts.items() if host.kind is Kind.DESKTOP]
    if not found:
        raise Missing(f"{office.name} has no desktop to learn at", hint=f"provisioner office show {office.name}")
    return found


def setup(inventory: Inventory, target: Target, courses: Sequence[tuple[Path, Course]], trainees: int, *, by: str) -> Office:
    """Write the room into the dossier, and what its courses hand out beside it.

    Raises:
        Missing: the office has no desktop.
        BadInput: a course is for installers, or every problem of the dossier.
    """
    draft = Draft(inventory, target.office)
    desktops(draft.before)
    for _, course in courses:
        if course.for_whom != "user":
            raise BadInput(f"{course.name} is a course for installers: a client's room has none of it", hint="training list")
    before = draft.before.training
    told = {"trainees": trainees, "courses": [course.name for _, course in courses]}
    draft.set((), "training", told | ({"session": before.session} if before else {}))
    office = draft.office()
    _complete(target, office)
    folder = target.folder / FILES
    shutil.rmtree(folder, ignore_errors=True)
    for root, course in courses:
        hand_out(root, course, folder / course.name, office.language[:2], by=by, made=datetime.now(UTC))
    folder.mkdir(exist_ok=True)
    (folder / ".gitkeep").touch()
    return draft.save()


def hand_out(root: Path, course: Course, folder: Path, language: str, *, by: str, made: datetime) -> None:
    """What a trainee of a user course has in front of them: its page, and the files it works on."""
    folder.mkdir(parents=True)
    page = material.page(root, course, language, by=by, made=made.isoformat(timespec="seconds"))
    (folder / f"{course.name}.html").write_text(page, encoding="utf-8")
    given = folder_of(root, course.name) / "files"
    if given.is_dir():
        shutil.copytree(given, folder, dirs_exist_ok=True)


def again(inventory: Inventory, target: Target) -> Office:
    """Let every training account begin anew at the next apply.

    Raises:
        Missing: the office has no room.
    """
    draft = Draft(inventory, target.office)
    room = draft.before.training
    if not room or not room.trainees:
        raise Missing(f"{target.office} has no training room", hint=f"provisioner training setup {target.office}")
    draft.set(("training",), "session", room.session + 1)
    return draft.save()


def ending(inventory: Inventory, target: Target) -> Office:
    """Let the next apply take the room away.

    Raises:
        Missing: the office has no room.
    """
    draft = Draft(inventory, target.office)
    if not draft.before.training:
        raise Missing(f"{target.office} has no training room", hint=f"provisioner training setup {target.office}")
    draft.set(("training",), "trainees", 0)
    return draft.save()


def gone(inventory: Inventory, target: Target) -> Office:
    """Take the room out of the dossier and its files away, once the desktops are without."""
    draft = Draft(inventory, target.office)
    draft.drop((), "training")
    office = draft.save()
    shutil.rmtree(target.folder / FILES, ignore_errors=True)
    _complete(target, office)
    return office


def _complete(target: Target, office: Office) -> None:
    if target.lab or passphrase.unlocked(target.inventory):  # else the next apply does it
        vault.complete(target, office)
