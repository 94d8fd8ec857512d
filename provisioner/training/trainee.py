"""A trainee in a course: a folder in the state folder with who they are, an inventory, and what they took of hints."""

import contextlib
import fcntl
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from provisioner.errors import BadInput, Missing
from provisioner.inventory.target import Target, runtime_home, state_home
from provisioner.laptop import disk


def home() -> Path:
    """Where all of the training lies."""
    return state_home() / "training"


def now() -> str:
    """This moment, as it is kept."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Trainee:
    """Somebody in a course. `root` is the inventory the course comes from, `checkpoint` the snapshot their office began from.

    `holds` is what their last check found, `checked` when; `asks` is what they want to know, `asked` since when.
    """

    course: str
    name: str
    root: str
    office: str
    language: str
    checkpoint: str = ""
    began: str = field(default_factory=now)
    hints: dict[str, int] = field(default_factory=dict)
    planted: list[str] = field(default_factory=list)
    holds: dict[str, bool] = field(default_factory=dict)
    checked: str = ""
    asks: str = ""
    asked: str = ""

    @property
    def folder(self) -> Path:
        """Where all of theirs lies."""
        return home() / self.course / self.name

    @property
    def inventory(self) -> Path:
        """The inventory they work in."""
        return self.folder / "inventory"

    @property
    def target(self) -> Target:
        """Their office's lab."""
        return Target(self.inventory, self.office, lab=True)

    def write(self) -> None:
        """Keep it, whole or not at all."""
        disk.write(self.folder / "trainee.json", json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", mode=0o600)


def find(course: str, name: str) -> Trainee:
    """A trainee.

    Raises:
        Missing: nobody of this name is in this course.
    """
    try:
        return Trainee(**json.loads((home() / course / _named(name) / "trainee.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        hint = f"provisioner training start {course} --trainee {name}"
        raise Missing(f"{name} is not in the course {course}", hint=hint) from None
    except (ValueError, TypeError):
        raise BadInput(f"what is known of {name} cannot be read", hint=f"rm -r {home() / course / name}") from None


def every() -> list[Trainee]:
    """All trainees, by course and name."""
    found = []
    for path in sorted(home().glob("*/*/trainee.json")):
        with contextlib.suppress(Missing):  # gone meanwhile
            found.append(find(path.parts[-3], path.parts[-2]))
    return found


def _named(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise BadInput(f"{name[:40]!r} is no name for a trainee", hint="small letters, digits and hyphens: --trainee anna")
    return name


@contextlib.contextmanager
def locked(course: str, name: str) -> Iterator[Path]:
    """One start, reset or finish of a trainee at a time; gives their folder, made if need be."""
    folder = home() / course / _named(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (runtime_home() / f"training-{course}-{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            yield folder
        finally:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


@contextlib.contextmanager
def updating(trainee: Trainee) -> Iterator[Trainee]:
    """What is known of a trainee now, to be changed; kept at the end, unless something is raised.

    Raises:
        Missing: they are gone meanwhile.
    """
    with locked(trainee.course, trainee.name):
        known = find(trainee.course, trainee.name)
        yield known
        known.write()
