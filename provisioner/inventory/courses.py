"""A course: an office to work on, what was broken in it, the steps, how each is judged, the hints and what they cost.

`courses/<course>/course.yml`, the texts beside it: `course.fr.md` and `course.en.md`, whose first part is the scenario and
where each step is a part of its own (`## Title {#step}`). A co-op writes one without Python.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from provisioner.errors import Missing, one_of
from provisioner.inventory.fields import NAME, Filled, Login, Name, Text
from provisioner.inventory.files import read, report
from provisioner.inventory.models import Noun
from provisioner.inventory.strict_yaml import Place, Problem

if TYPE_CHECKING:
    from provisioner.inventory import Inventory
    from provisioner.inventory.strict_yaml import Document

LANGUAGES = ("fr", "en")
STEP_POINTS = 10
PICTURE = re.compile(r"!\[[^\]\n]+\]\((pictures/[a-z0-9-]+\.png)\)")
_HEAD = re.compile(r"## +(?P<title>.+?) *\{#(?P<step>[a-z][a-z0-9-]*)\}")


class Said(Noun):
    """A text for people, in both languages."""

    fr: Filled
    en: Filled


class Command(Noun):
    """A line that root's shell runs on a host; it holds when it ends well and prints `says`."""

    host: Name
    run: Filled
    says: Text = ""


class Check(Noun):
    """One thing that must hold; exactly one of its words stands there.

    `adopted`, `plan`: these hosts (`all`: each) are adopted; an apply would change nothing there. `check`, `verify`: these
    checks of the product find nothing wrong. `record`: there is an unaltered record with this verdict. `dossier`: these
    places of the dossier say this (nothing: they are not there). `shut_out`: this technician gets into no host any more.
    `command`: a line on a host.
    """

    adopted: list[Filled] = []
    plan: list[Filled] = []
    check: list[Filled] = []
    verify: list[Filled] = []
    record: Literal["", "any", "without_reserves"] = ""
    dossier: dict[Filled, Text | int | None] = {}
    shut_out: Login | None = None
    command: Command | None = None

    @property
    def word(self) -> str:
        """Which of the words it is; empty when none or several stand there."""
        said = [name for name in type(self).model_fields if getattr(self, name)]
        return said[0] if len(said) == 1 else ""


class Hint(Noun):
    """A help that costs points."""

    cost: int = Field(ge=0, le=100)
    fr: Filled
    en: Filled


class Step(Noun):
    """One thing to do: judged by `checks`, after other steps if it must be, worth some points."""

    after: list[Name] = []
    points: int = Field(default=STEP_POINTS, ge=1, le=100)
    checks: Annotated[list[Check], Field(min_length=1)]
    mends: list[Name] = []
    hints: list[Hint] = []


class Fault(Noun):
    """What is broken on purpose: a playbook beside the course, told once the course is over.

    `start`: it is there from the beginning; else the trainer plants it.
    """

    playbook: Filled
    told: Said
    start: bool = True


class Visit(Noun):
    """Of which the course's pages have pictures: a person of the office at their desktop, in the steps of `verify`'s visit."""

    login: Login
    steps: Annotated[list[Literal["desktop", "files", "document", "browser", "agenda", "password", "lock"]], Field(min_length=1)]


class Course(Noun):
    """One course. `start`: where the office is when it begins.

    `nothing`: the trainee writes its dossier; `blank`: its machines are as a shop sells them; `applied`: installed.
    `online`: its website is online by then. `hosts` leaves only these of its hosts. `keeps` holds from the beginning to the end,
    or it counts against the trainee.
    """

    name: Name
    title: Said
    for_whom: Literal["installer", "user"]
    office: Name
    start: Literal["nothing", "blank", "applied"]
    online: bool = False
    hosts: list[Name] = []
    minutes: int = Field(ge=5, le=2400)
    learnt: Annotated[list[Said], Field(min_length=1)]
    faults: dict[Name, Fault] = {}
    steps: Annotated[dict[Name, Step], Field(min_length=1)]
    keeps: list[Check] = []
    visit: Visit | None = None


@dataclass(frozen=True)
class Script:
    """The texts of a course in one language: its scenario, and of each step the title and the text, in Markdown."""

    scenario: str
    steps: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def script(text: str) -> Script:
    """Read the Markdown beside a course."""
    scenario: list[str] = []
    steps: dict[str, tuple[str, list[str]]] = {}
    here = scenario
    for line in text.splitlines():
        if head := _HEAD.fullmatch(line.strip()):
            here = []
            steps[head["step"]] = head["title"], here
        else:
            here.append(line)
    return Script(
        "\n".join(scenario).strip(), {name: (title, "\n".join(lines).strip()) for name, (title, lines) in steps.items()}
    )


def folder_of(root: Path, name: str) -> Path:
    """Where a course lies."""
    return root / "courses" / name


def names(root: Path) -> list[str]:
    """The courses of an inventory, in the order of names."""
    return sorted(path.parent.name for path in (root / "courses").glob("*/course.yml"))


def course(root: Path, name: str, known: Mapping[str, Collection[str]]) -> Course:
    """Read one course, as strictly as a dossier.

    Args:
        root: the inventory.
        name: the course's folder.
        known: what the product's own checks are called: `check` and `verify`.

    Raises:
        Missing: there is none of this name.
        BadInput: every problem of its files at once.
    """
    if name not in names(root):
        raise Missing(f"there is no course {name[:40]!r}", hint=one_of(names(root), "a folder in courses/"))
    found, problems = _read(root, name, known)
    if found is None or problems:
        raise report(problems)
    return found


def text(root: Path, name: str, language: str) -> Script:
    """The texts of a course that was read."""
    return script((folder_of(root, name) / f"course.{language}.md").read_text(encoding="utf-8"))


def check(inventory: "Inventory", known: Mapping[str, Collection[str]]) -> list[Problem]:
    """Every problem of every course of an inventory, in the order of files and lines."""
    found = {problem for name in names(inventory.root) for problem in _read(inventory.root, name, known)[1]}
    return sorted(found)


def _read(root: Path, name: str, known: Mapping[str, Collection[str]]) -> tuple[Course | None, list[Problem]]:
    file = f"courses/{name}/course.yml"
    found, document = read(Course, root / file, file, name)
    if not re.fullmatch(NAME.pattern, name):
        document.add_problem((), f"the folder's name '{name}' is not {NAME.what}", NAME.hint, line=0)
    if found is None:
        return None, document.problems
    _judge(found, root, document, known)
    return found, [*document.problems, *_texts(found, folder_of(root, name), file)]


def _judge(course: Course, root: Path, document: "Document", known: Mapping[str, Collection[str]]) -> None:
    """What must fit together: steps and faults that are there, no loop, checks that the product knows, hosts of the office."""
    hosts = _hosts(course, root, document)
    for name, fault in course.faults.items():
        lies = folder_of(root, course.name) / fault.playbook
        if ".." in Path(fault.playbook).parts or not lies.is_file():
            place = ("faults", name, "playbook")
            document.add_problem(place, f"there is no file {fault.playbook} beside the course", "faults/NAME.yml")
        if course.start != "applied":
            document.add_problem(("faults", name), "a fault needs an office that is installed", "start: applied")
    mended = {fault for step in course.steps.values() for fault in step.mends}
    for name in [name for name in course.faults if name not in mended]:
        document.add_problem(("faults", name), "no step mends it", f"mends: [{name}] at a step")
    for name, step in course.steps.items():
        for at, other in enumerate(step.after):
            if other not in course.steps:
                document.add_problem(("steps", name, "after", at), f"there is no step '{other}'", one_of(course.steps, ""))
        for at, fault_ in enumerate(step.mends):
            if fault_ not in course.faults:
                document.add_problem(("steps", name, "mends", at), f"there is no fault '{fault_}'", one_of(course.faults, ""))
        for at, check in enumerate(step.checks):
            _judge_check(check, ("steps", name, "checks", at), document, known, hosts)
    for at, check in enumerate(course.keeps):
        _judge_check(check, ("keeps", at), document, known, hosts)
    if loop := _loop({name: step.after for name, step in course.steps.items()}):
        what = f"the steps wait for each other: {' after '.join(loop)}"
        document.add_problem(("steps", loop[0], "after"), what, "taking one of them out of `after`")


def _hosts(course: Course, root: Path, document: "Document") -> list[str]:
    """The hosts of the course's office, as its dossier has them; none where the trainee is to write it."""
    from provisioner.inventory.strict_yaml import load

    file = f"offices/{course.office}/dossier.yml"
    if course.online and course.start != "applied":
        document.add_problem(("online",), "a website needs an office that is installed", "start: applied")
    if course.start == "nothing":
        if (root / file).exists():
            document.add_problem(("office",), f"{course.office} is an office already", "a name of its own, or start: blank")
        return list(course.hosts)
    if not (root / file).is_file():
        document.add_problem(("office",), f"there is no office '{course.office}'", "one of offices/")
        return []
    value = load(root / file, file).value
    there = list((value.get("hosts") or {}) if isinstance(value, dict) else {})
    for at, host in enumerate(course.hosts):
        if host not in there:
            document.add_problem(("hosts", at), f"{course.office} has no host '{host}'", one_of(there, ""))
    return list(course.hosts) or there


def _judge_check(
    check: Check, place: Place, document: "Document", known: Mapping[str, Collection[str]], hosts: Sequence[str]
) -> None:
    words = ", ".join(Check.model_fields)
    if not check.word:
        document.add_problem(place, "exactly one of its words is wanted", f"one of {words}")
        return
    if check.word in ("check", "verify"):
        for at, name in enumerate(getattr(check, check.word)):
            if name not in known[check.word]:
                hint = f"one of {', '.join(known[check.word])}"
                document.add_problem((*place, check.word, at), f"no check of `{check.word}` is called '{name}'", hint)
    if check.word in ("adopted", "plan"):
        for at, name in enumerate(getattr(check, check.word)):
            if name not in (*hosts, "all"):
                document.add_problem((*place, check.word, at), f"the office has no host '{name}'", one_of((*hosts, "all"), ""))
    if check.command and check.command.host not in hosts:
        document.add_problem((*place, "command", "host"), f"the office has no host '{check.command.host}'", one_of(hosts, ""))


def _loop(after: Mapping[str, Sequence[str]]) -> list[str]:
    """Steps that wait for each other, the first again at the end; empty when there is no such circle."""
    try:
        TopologicalSorter(after).prepare()
    except CycleError as circle:
        return [str(name) for name in reversed(circle.args[1])]
    return []


def _texts(course: Course, folder: Path, file: str) -> Iterator[Problem]:
    """Both languages have a scenario and a part for every step, and for nothing else."""
    for language in LANGUAGES:
        name = f"{file.rpartition('/')[0]}/course.{language}.md"
        path = folder / f"course.{language}.md"
        try:
            told = script(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            yield Problem(name, 0, "", "is not there, or is no text", "the scenario, then a part for each step")
            continue
        if not told.scenario:
            yield Problem(name, 1, "", "has no scenario", "a text before the first step")
        for picture in PICTURE.findall(path.read_text(encoding="utf-8")):
            if not (folder / picture).is_file():
                yield Problem(name, 0, "", f"shows {picture}, which is not there", f"provisioner training pictures {course.name}")
        for step in course.steps:
            if not told.steps.get(step, ("", ""))[1]:
                yield Problem(name, 0, "", f"has no text for the step '{step}'", "a part for it: its title, its name in braces")
        for step in told.steps:
            if step not in course.steps:
                yield Problem(name, 0, "", f"tells of a step '{step}' that the course has not", one_of(course.steps, ""))
