"""Courses as data: what is wrong in one is said by file and line, and the shipped ones are right in both languages."""

import json
from pathlib import Path

import pytest

from provisioner.cli.training_parts import known
from provisioner.inventory import courses, open_inventory
from provisioner.training import material
from tests.stage import EXAMPLE
from tests.verbs import Run

GOOD = """\
title: {fr: Un cours, en: A course}
for_whom: installer
office: demo
start: applied
minutes: 30
learnt: [{fr: Une chose, en: A thing}]
faults:
  cable: {playbook: faults/cable.yml, told: {fr: Un câble, en: A cable}}
steps:
  look:
    mends: [cable]
    checks: [{verify: [internet]}]
  prove:
    after: [look]
    checks: [{plan: [all]}]
"""
TEXT = "A scenario.\n\n## Look {#look}\n\nLook.\n\n## Prove {#prove}\n\nProve.\n"


def network(folder: Path, course: str = GOOD, fr: str = TEXT, en: str = TEXT) -> Path:
    """An inventory with the course `trial`."""
    import shutil

    root = folder / "network"
    shutil.copytree(EXAMPLE, root)
    shutil.rmtree(root / "courses")
    there = root / "courses/trial"
    (there / "faults").mkdir(parents=True)
    (there / "faults/cable.yml").write_text("- hosts: router\n  tasks: []\n")
    (there / "course.yml").write_text(course)
    (there / "course.fr.md").write_text(fr)
    (there / "course.en.md").write_text(en)
    return root


def said(root: Path) -> list[str]:
    return [str(problem) for problem in courses.check(open_inventory(root), known())]


def test_a_right_course_is_taken(tmp_path: Path) -> None:
    """A course whose parts fit together has no problem."""
    root = network(tmp_path)

    assert said(root) == []
    assert list(courses.course(root, "trial", known()).steps) == ["look", "prove"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("verify: [internet]", "verify: [internett]", "courses/trial/course.yml:12: steps.look.checks[0].verify[0]: no check of"),
        ("after: [look]", "after: [loook]", "courses/trial/course.yml:14: steps.prove.after[0]: there is no step 'loook'"),
        ("mends: [cable]", "after: [prove]", "the steps wait for each other: look after prove after look"),
        ("mends: [cable]", "mends: [cabel]", "courses/trial/course.yml:11: steps.look.mends[0]: there is no fault 'cabel'"),
        ("    mends: [cable]\n", "", "courses/trial/course.yml:8: faults.cable: no step mends it; try mends: [cable] at a step"),
        ("faults/cable.yml", "../cable.yml", "there is no file ../cable.yml beside the course"),
        ("start: applied", "start: blank", "faults.cable: a fault needs an office that is installed; try start: applied"),
        ("office: demo", "office: dmeo", "courses/trial/course.yml:3: office: there is no office 'dmeo'"),
        ("{plan: [all]}", "{plan: [serveur]}", "steps.prove.checks[0].plan[0]: the office has no host 'serveur'"),
        ("{plan: [all]}", "{plan: [all], verify: [names]}", "steps.prove.checks[0]: exactly one of its words is wanted"),
        ("minutes: 30", "minutes: 030", "courses/trial/course.yml:5: minutes: '030' where a whole number is wanted"),
        ("for_whom: installer", "for_whom: everybody", "for_whom: 'everybody' is not one of its values"),
        ("en: A course}", "de: Ein Kurs}", "courses/trial/course.yml:1: title.en: is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_course_is_said_by_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    """An unknown check, a loop of steps, a fault that is not there: each is one sentence with its line."""
    assert GOOD.count(old) == 1
    found = said(network(tmp_path, GOOD.replace(old, new)))

    assert any(message in one for one in found), found


def test_both_languages_tell_every_step(tmp_path: Path) -> None:
    """A step that one language does not tell, and one that no course has, are problems of that file."""
    found = said(network(tmp_path, en=TEXT.replace("{#prove}", "{#proof}")))

    assert found == [
        "courses/trial/course.en.md: has no text for the step 'prove'; try a part for it: its title, its name in braces",
        "courses/trial/course.en.md: tells of a step 'proof' that the course has not; try one of look, prove",
    ]


def test_inventory_check_covers_courses(run: Run, tmp_path: Path) -> None:
    """`inventory check` names a course's wrong line beside those of dossiers, and exits 7."""
    root = network(tmp_path, GOOD.replace("minutes: 30", "minutes: 0"))
    told = run("inventory", "check", "--inventory", root)

    assert told.code == 7
    assert "courses/trial/course.yml:5: minutes: '0' is too small; try at least 5" in told.out


@pytest.mark.parametrize("name", courses.names(EXAMPLE))
def test_the_shipped_courses_are_right_in_both_languages(name: str) -> None:
    """What comes with the tool is right, its texts tell every step, and each fault is a playbook of one play or more."""
    import yaml

    course = courses.course(EXAMPLE, name, known())
    for fault in course.faults.values():
        plays = yaml.safe_load((courses.folder_of(EXAMPLE, name) / fault.playbook).read_text())
        assert all(play["tasks"] for play in plays)
    french, english = (courses.text(EXAMPLE, name, language) for language in ("fr", "en"))
    assert list(french.steps) == list(english.steps) == list(course.steps)
    assert french.scenario != english.scenario


def test_list_names_the_shipped_courses_wherever_one_works(run: Run, net: Path) -> None:
    """In a network of one's own, which has no course yet, those that come with the tool are offered."""
    told = run("training", "list", "--json")

    assert "premier-bureau" in [one["course"] for one in json.loads(told.out)["courses"]]
    assert net.is_dir()


def test_a_page_has_the_courses_own_pictures_and_no_others(tmp_path: Path) -> None:
    """A picture of the course's folder is in the page itself; one of elsewhere, or that is not there, is its words alone."""
    text = TEXT.replace(
        "Look.\n", "![The <door>](pictures/door.png) ![far](https://x.example/a.png) ![up](pictures/../door.png)\n", 1
    )
    root = network(tmp_path, en=text)
    picture = root / "courses/trial/pictures/door.png"
    assert any("shows pictures/door.png, which is not there" in problem for problem in said(root))
    picture.parent.mkdir()
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert said(root) == []

    page = material.page(root, courses.course(root, "trial", known()), "en", by="us", made="2026-01-01T00:00:00Z")

    assert page.count("<img") == 1
    assert 'alt="The &lt;door&gt;" src="data:image/png;base64,iVBORw0KGgo="' in page
    assert "x.example" not in page
