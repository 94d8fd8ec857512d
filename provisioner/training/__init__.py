"""Training: a course on a virtual office with planted faults, for somebody who learns; started, judged and reset in seconds.

A trainee has an inventory of their own in the state folder, a copy of the network that the course comes from, and a lab of
their own; they work there with the product's own verbs. What they may break is theirs alone.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from provisioner import lab
from provisioner.errors import BadInput, Busy, Missing
from provisioner.inventory.courses import Course, Hint
from provisioner.inventory.courses import folder_of as course_folder
from provisioner.lab.state import folder_of
from provisioner.secrets import passphrase
from provisioner.training import checkpoint, planting
from provisioner.training.network import copy
from provisioner.training.trainee import Trainee, every, find, locked, now, updating

__all__ = ["Trainee", "every", "find"]

Say = Callable[[str], None]


def start(root: Path, course: Course, name: str, language: str, *, say: Say) -> Trainee:
    """Give a trainee an inventory and an office at the course's beginning.

    Raises:
        Busy: somebody of this name is in this course.
        Missing, HostFailed, Unreachable: the lab did not come up; nothing is left.
    """
    with locked(course.name, name) as folder:
        if (folder / "trainee.json").exists():
            raise Busy(
                f"{name} is in the course {course.name} already",
                hint=f"another --trainee; or provisioner training reset|finish {course.name} --trainee {name}",
            )
        kept = checkpoint.ensure(root, course, say=say)
        trainee = Trainee(course.name, name, str(root.resolve()), course.office, language, kept)
        try:
            _begin(trainee, course, say)
        except BaseException:
            remove(trainee)
            raise
        return trainee


def reset(trainee: Trainee, course: Course, *, say: Say) -> None:
    """Bring a trainee's office and inventory back to the beginning, whatever became of them; taken hints stay taken."""
    with updating(trainee) as known:
        _clear(known)
        known.checkpoint = checkpoint.ensure(Path(known.root), course, say=say)
        known.holds, known.checked = {}, ""
        _begin(known, course, say)


def leave(trainee: Trainee) -> None:
    """The same as `remove`, when nothing else of theirs is under way."""
    with locked(trainee.course, trainee.name):
        remove(trainee)


def remove(trainee: Trainee) -> None:
    """Take away all that a trainee had; certificates stay."""
    _clear(trainee)
    shutil.rmtree(trainee.folder, ignore_errors=True)


def _begin(trainee: Trainee, course: Course, say: Say) -> None:
    trainee.planted = [name for name, fault in course.faults.items() if fault.start]
    copy(Path(trainee.root), course, trainee.inventory)
    trainee.write()
    if course.start != "nothing":
        checkpoint.up(trainee.inventory, course, trainee.checkpoint, say=say)
        shutil.copy2(folder_of(trainee.target.id) / "lab.json", trainee.folder / "lab.json")


def _clear(trainee: Trainee) -> None:
    """End the lab and all it left, also one whose own folder was deleted: what it made stands in a copy of ours."""
    there, copied = folder_of(trainee.target.id), trainee.folder / "lab.json"
    if copied.exists() and not (there / "lab.json").exists():
        there.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(copied, there / "lab.json")
    lab.down(trainee.target)
    lab.forget(trainee.target)
    if (trainee.inventory / "network.key").exists():
        passphrase.lock(trainee.inventory)
    copied.unlink(missing_ok=True)
    shutil.rmtree(trainee.inventory, ignore_errors=True)


def hint(trainee: Trainee, course: Course, step: str) -> tuple[Hint, int]:
    """The next hint of a step, taken from now on, and how many more there are.

    Raises:
        Missing: the course has no such step.
        BadInput: there is no other hint.
    """
    if step not in course.steps:
        raise Missing(f"the course {course.name} has no step {step[:40]!r}", hint=", ".join(course.steps))
    with updating(trainee) as known:
        taken, hints = known.hints.get(step, 0), course.steps[step].hints
        if taken >= len(hints):
            raise BadInput(f"there is no other hint for {step}", hint=f"provisioner training check {course.name}")
        known.hints[step] = taken + 1
        return hints[taken], len(hints) - taken - 1


def plant(trainee: Trainee, course: Course, fault: str) -> None:
    """Plant a fault in a trainee's office now.

    Raises:
        BadInput: the course has no such fault.
        Missing: the office is not there.
        HostFailed: the fault does not apply.
    """
    if fault not in course.faults:
        raise BadInput(f"the course {course.name} has no fault {fault[:40]!r}", hint=", ".join(course.faults) or "it plants none")
    with updating(trainee) as known:
        refuse_gone(known, course)
        planting.plant(
            known.inventory, known.office, course_folder(Path(known.root), course.name) / course.faults[fault].playbook
        )
        known.planted = sorted({*known.planted, fault})


def ask(trainee: Trainee, about: str) -> None:
    """Ask the trainer for help; nothing: it was given."""
    with updating(trainee) as known:
        known.asks, known.asked = about, now() if about else ""


def checked(trainee: Trainee, holds: Mapping[str, bool]) -> None:
    """Keep what a check of some steps found, for whoever looks at the class."""
    with updating(trainee) as known:
        known.holds, known.checked = {**known.holds, **holds}, now()


def lost(trainee: Trainee, course: Course, step: str) -> int:
    """What the hints that were taken for a step cost."""
    return sum(one.cost for one in course.steps[step].hints[: trainee.hints.get(step, 0)])


def refuse_gone(trainee: Trainee, course: Course) -> None:
    """Say when the trainee's office or inventory is not there to be judged.

    Raises:
        Missing: it is not; `reset` brings it back.
    """
    again = f"provisioner training reset {course.name} --trainee {trainee.name}"
    if not (trainee.inventory / "offices").is_dir():
        raise Missing(f"the inventory of {trainee.name} is not there any more", hint=again)
    found = lab.find(trainee.target)
    if course.start == "nothing" and not found:
        return  # to write the dossier and to bring its lab up is part of the course
    if not found:
        raise Missing(f"the lab of {trainee.name} is not there any more", hint=again)
    off = [host for host, state, _ in found.hosts if state != "up"]
    if off:
        raise Missing(f"the lab of {trainee.name} was stopped: {', '.join(off)}", hint=again)
