"""`training`: courses on a virtual office: list, start, check, hint, reset, finish, plant, material."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, echo, many, shown, verb
from provisioner.cli.training_class import class_, help_, pictures
from provisioner.cli.training_parts import (
    chosen_trainee,
    course_argument,
    known,
    myself,
    read_course,
    roots,
    trainee_option,
    whose,
)
from provisioner.cli.training_room import end, setup
from provisioner.errors import Missing
from provisioner.language.terminal import spoken, word

if TYPE_CHECKING:
    from provisioner.inventory.courses import Course
    from provisioner.training.grader import Judged
    from provisioner.training.trainee import Trainee

training = click.Group(
    "training",
    help="Courses on a virtual office with planted faults, a class, a client's training room.",
)
for _command in (class_, help_, pictures, setup, end):
    training.add_command(_command)


@verb(training, "list")
def list_(console: Console) -> None:
    """The courses there are, and who is in them."""
    from provisioner import training as workflow
    from provisioner.inventory import courses
    from provisioner.training import certificates

    found = {name: root for root in reversed(roots(console)) for name in courses.names(root)}
    read = {name: courses.course(root, name, known()) for name, root in sorted(found.items())}
    there, problems, lang = workflow.every(), certificates.check(), spoken()
    rows = [
        {
            "course": name, "title": getattr(one.title, lang), "for_whom": one.for_whom, "minutes": one.minutes,
            "trainees": [who.name for who in there if who.course == name],
        }
        for name, one in read.items()
    ]  # fmt: skip

    def human() -> None:
        for name, one in read.items():
            console.out.print(shown(f"{name:<24} {getattr(one.title, lang)}, {one.minutes} min"), soft_wrap=True)
            for who in (who for who in there if who.course == name):
                echo(shown(f"  {who.name}, since {who.began}"))
        for problem in problems:
            console.out.print(shown(f"✗ {problem}"), style="red", soft_wrap=True)

    console.result({"courses": rows, "certificates": {"problems": problems}}, human)


@verb(training, "start")
@course_argument
@trainee_option
def start(console: Console, course: str, trainee: str) -> None:
    """Give a trainee an office of their own at the beginning of COURSE, and tell the first thing to do."""
    from provisioner import training as workflow

    root, found = read_course(console, course)
    who = workflow.start(root, found, trainee or myself(), spoken(), say=console.say)
    _begin(console, who, found)


@verb(training, "reset")
@course_argument
@trainee_option
def reset(console: Console, course: str, trainee: str) -> None:
    """Bring a trainee's office back to the beginning of COURSE, whatever became of it. Hints stay taken."""
    from provisioner import training as workflow

    who, found = chosen_trainee(course, trainee)
    workflow.reset(who, found, say=console.say)
    _begin(console, who, found)


def _begin(console: Console, who: "Trainee", course: "Course") -> None:
    from provisioner.inventory import courses

    text = courses.text(Path(who.root), course.name, who.language)
    first = next(name for name, step in course.steps.items() if not step.after)
    data = {
        "course": course.name, "trainee": who.name, "inventory": str(who.inventory), "office": who.office, "step": first,
        "steps": list(course.steps), "scenario": text.scenario,
    }  # fmt: skip

    def human() -> None:
        console.out.print(shown_text(text.scenario), soft_wrap=True)
        echo(f"\n{shown(f'cd {who.inventory}')}")
        _tell(console, text.steps[first])
        echo(f"next: provisioner training check {course.name}{_whom(who)}")

    console.result(data, human)


def shown_text(text: str) -> str:
    """Some lines, each without what a terminal would obey."""
    return "\n".join(shown(line) for line in text.split("\n"))


def _tell(console: Console, step: tuple[str, str]) -> None:
    from rich.text import Text

    console.out.print(Text(f"\n{shown(step[0])}", "bold"))
    console.out.print(shown_text(step[1]), soft_wrap=True)


def _whom(who: "Trainee") -> str:
    return "" if who.name == myself() else f" --trainee {who.name}"


@verb(training, "check")
@course_argument
@click.argument("step", metavar="[STEP]", required=False, default="")
@trainee_option
def check(console: Console, course: str, step: str, trainee: str) -> int:
    """Say which steps of COURSE hold, or whether STEP does, and what comes next. Exits 7 while one does not."""
    from provisioner import training as workflow
    from provisioner.inventory import courses
    from provisioner.training import grader

    who, found = chosen_trainee(course, trainee)
    if step and step not in found.steps:
        raise Missing(f"the course {course} has no step {step[:40]!r}", hint=", ".join(found.steps))
    workflow.refuse_gone(who, found)
    judged = grader.judge(who, found, step)
    workflow.checked(who, {one.step: one.holds for one in judged})
    text = courses.text(Path(who.root), course, who.language)
    following = next((one for one in judged if not one.holds and not one.waits), None)

    def human() -> None:
        for one in judged:
            _judged(console, one, text.steps[one.step][0], who.language)
        if following:
            _tell(console, text.steps[following.step])
        else:
            echo(f"next: provisioner training finish {course}{_whom(who)}")

    data = {"course": course, "trainee": who.name, "steps": [_object(one) for one in judged]}
    console.result(data, human)
    return 0 if all(one.holds for one in judged) else 7


def _object(one: "Judged") -> dict[str, Any]:
    return {
        "step": one.step, "holds": one.holds, "waits": one.waits, "points": one.points, "of": one.of,
        "seen": [{"sentence": sentence, "values": values} for sentence, values in one.seen],
    }  # fmt: skip


def _judged(console: Console, one: "Judged", title: str, lang: str) -> None:
    from rich.text import Text

    from provisioner.language import translator

    say = translator(lang)
    mark, style = ("✓", "green") if one.holds else ("–", "dim") if one.waits else ("✗", "red")
    console.out.print(Text(f"{mark} {shown(title)}  {one.points}/{one.of}", style), soft_wrap=True)
    for sentence, values in one.seen:
        console.out.print(Text(f"    {shown(say(sentence, **values))}", "dim"), soft_wrap=True)


@verb(training, "hint")
@course_argument
@click.argument("step", metavar="STEP")
@trainee_option
def hint(console: Console, course: str, step: str, trainee: str) -> None:
    """The next hint for STEP of COURSE; it costs points."""
    from provisioner import training as workflow

    who, found = chosen_trainee(course, trainee)
    told, more = workflow.hint(who, found, step)
    text = getattr(told, who.language)
    data = {"course": course, "step": step, "hint": text, "cost": told.cost, "more": more}

    def human() -> None:
        console.out.print(shown_text(text), soft_wrap=True)
        echo(f"it costs {many(told.cost, 'point')}; {many(more, 'more hint')}")

    console.result(data, human)


@verb(training, "finish")
@course_argument
@trainee_option
def finish(console: Console, course: str, trainee: str) -> int:
    """Grade a trainee's COURSE, keep the certificate, and take the office away. Exits 7 when it is not passed."""
    from provisioner import training as workflow
    from provisioner.language import translator
    from provisioner.training import certificates, grader
    from provisioner.training.trainee import locked

    who, _ = chosen_trainee(course, trainee)
    with locked(course, who.name):
        who, found = chosen_trainee(course, who.name)  # it may be over meanwhile
        workflow.refuse_gone(who, found)
        verdict = grader.grade(who, found)
        kept = certificates.keep(who, found, verdict, by=whose(Path(who.root), found.office))
        workflow.remove(who)

    def human() -> None:
        say = translator(who.language)
        for one, told in zip(verdict.steps, kept.body["steps"], strict=True):
            _judged(console, one, told["title"], who.language)
        for sentence, values in verdict.broken:
            console.out.print(shown(f"✗ {say(sentence, **values)}"), style="red", soft_wrap=True)
        echo(f"{word('passed') if verdict.passed else word('not passed')}: {verdict.points} points of {verdict.of}")
        console.out.print(str(kept.path.with_suffix(".pdf")), soft_wrap=True)

    data = {
        "course": course, "trainee": who.name, "passed": verdict.passed, "points": verdict.points, "of": verdict.of,
        "steps": [_object(one) for one in verdict.steps], "mended": list(verdict.mended), "planted": list(verdict.planted),
        "broken": [{"sentence": sentence, "values": values} for sentence, values in verdict.broken],
        "json": str(kept.path), "html": str(kept.path.with_suffix(".html")), "pdf": str(kept.path.with_suffix(".pdf")),
    }  # fmt: skip
    console.result(data, human)
    return 0 if verdict.passed else 7


@verb(training, "plant")
@course_argument
@click.argument("fault", metavar="FAULT")
@trainee_option
def plant(console: Console, course: str, fault: str, trainee: str) -> None:
    """Plant FAULT of COURSE in a trainee's office now: the trainer's."""
    from provisioner import training as workflow

    who, found = chosen_trainee(course, trainee)
    workflow.plant(who, found, fault)
    console.result({"course": course, "trainee": who.name, "planted": fault}, lambda: echo(f"planted: {fault}"))


@verb(training, "material")
@course_argument
@click.option("--to", "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where to.")
def material(console: Console, course: str, folder: Path) -> None:
    """Write COURSE as pages and tagged PDF, in French and English."""
    from datetime import UTC, datetime

    from provisioner.training import material as pages

    root, found = read_course(console, course)
    made = [str(path) for path in pages.write(root, found, folder, by=whose(root, found.office), now=datetime.now(UTC))]
    console.result({"course": course, "files": made}, lambda: echo(shown_text("\n".join(made))))
