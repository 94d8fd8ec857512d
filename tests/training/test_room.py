"""The client's training room, as far as no machine is needed: the dossier, what its courses hand out, names that are taken."""

import subprocess
from pathlib import Path

import jinja2
import pytest
import yaml

from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.laptop.installed import playbooks
from provisioner.training import room as office_room
from tests.stage import make
from tests.verbs import Run, log

COURSE = "premier-jour"


@pytest.fixture
def example(tmp_path: Path, run: Run) -> Path:
    """The example network, one's own, with its history."""
    del run  # its folders are set
    return make(tmp_path / "stage").inventory


def room(inventory: Path) -> dict[str, object] | None:
    """What the dossier says of it."""
    said = yaml.safe_load((inventory / "offices/demo/dossier.yml").read_text())
    found: dict[str, object] | None = said.get("training")
    return found


def test_the_room_is_written_into_the_dossier_and_nothing_else_changes(run: Run, example: Path) -> None:
    """The section alone is new, in one commit; the desktops are not adopted here, so the apply says so and changes nothing."""
    before = (example / "offices/demo/dossier.yml").read_text()

    told = run("training", "setup", "demo", "--course", COURSE, "--trainees", "2", "--yes", "--inventory", example, "--json")

    assert told.code != 0  # what apply said
    assert room(example) == {"trainees": 2, "courses": [COURSE]}
    after = (example / "offices/demo/dossier.yml").read_text()
    assert after.startswith(before.split("website:")[0][:200])
    assert [line for line in before.splitlines() if line not in after.splitlines()] == []
    given = example / "offices/demo/training" / COURSE
    assert 'lang="fr"' in (given / f"{COURSE}.html").read_text()
    assert log(example)[0] == "demo: training: a room"


def test_a_new_session_counts_and_the_end_asks_for_nobody(run: Run, example: Path) -> None:
    """Each reset counts; at the end the dossier says that no account is wanted until the desktops were seen without."""
    assert run("training", "setup", "demo", "--reset", "--yes", "--inventory", example).code == 2
    run("training", "setup", "demo", "--course", COURSE, "--yes", "--inventory", example)
    run("training", "setup", "demo", "--reset", "--yes", "--inventory", example)
    assert room(example) == {"trainees": 4, "courses": [COURSE], "session": 2}

    told = run("training", "end", "demo", "--yes", "--inventory", example)

    assert told.code != 0
    assert room(example) == {"trainees": 0, "courses": [COURSE], "session": 2}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("demo", "--course", "premier-bureau"), "premier-bureau is a course for installers"),
        (("demo", "--course", "cooking"), "there is no course 'cooking'"),
        (("demo", "--reset", "--trainees", "2"), "a session begins anew as it was"),
        (("demo", "--reset"), "demo has no training room"),
        (("nowhere",), "nowhere"),
        (("demo", "--trainees", "13"), "13"),
    ],
)
def test_a_room_that_cannot_be_is_one_sentence(run: Run, example: Path, words: tuple[str, ...], said: str) -> None:
    """It is said, and the dossier stays as it was."""
    before = (example / "offices/demo/dossier.yml").read_bytes()

    told = run("training", "setup", *words, "--yes", "--inventory", example)

    assert told.code == 2
    assert said in told.err
    assert (example / "offices/demo/dossier.yml").read_bytes() == before


def test_nobody_of_an_office_is_called_as_a_training_account(run: Run, example: Path) -> None:
    """A person of that login would lose their files at the end of a room."""
    told = run("person", "add", "demo", "formation3", "--name", "Forma Tion", "--inventory", example)

    assert told.code == 2
    assert "is a name the system uses itself" in told.err


@pytest.mark.parametrize("trainees", [0, 3])
def test_looking_at_a_machine_without_a_room_changes_nothing(tmp_path: Path, trainees: int) -> None:
    """In check mode the program tells what it would make, and writes nothing anywhere."""
    folder = playbooks() / "roles/desktop/templates"
    text = jinja2.Environment(autoescape=False).from_string((folder / "training.sh.j2").read_text())
    script = text.render(desktop_training={"trainees": trainees, "session": 1}).replace(
        "/var/lib/office-training", str(tmp_path / "r")
    )

    done = subprocess.run(["sh", "-s", "look"], input=script, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == [f"made formation{number}" for number in range(1, trainees + 1)]
    assert not (tmp_path / "r").exists()


def test_a_number_that_is_somebody_elses_by_now_is_left_alone(tmp_path: Path) -> None:
    """An account was removed by hand and its number given to a person: nothing of that person's is ended or deleted."""
    (tmp_path / "accounts").write_text("formation1 1001 1\n")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("pkill", "find", "userdel", "rm", "loginctl", "useradd"):
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/done\n')
    (tools / "getent").write_text("#!/bin/sh\n[ $2 = 1001 ] && echo zoe:x:1001:1001::/home/zoe:/bin/bash\n")
    for one in tools.iterdir():
        one.chmod(0o755)
    source = (playbooks() / "roles/desktop/templates/training.sh.j2").read_text()
    program = jinja2.Template(source).render(desktop_training={"trainees": 1, "session": 2})
    program = program.replace("/var/lib/office-training", str(tmp_path))

    said = subprocess.run(
        ["sh", "-s", "do"], input=program, text=True, capture_output=True, check=False, env={"PATH": f"{tools}:/usr/bin:/bin"}
    )

    assert said.returncode == 1
    assert "1001, the number of formation1, is zoe's now" in said.stderr
    assert not (tmp_path / "done").exists()


def test_once_the_desktops_are_without_the_dossier_is_as_before(run: Run, example: Path) -> None:
    """What `end` does last leaves the dossier as it was, byte for byte, and none of the courses' files."""
    before = (example / "offices/demo/dossier.yml").read_bytes()
    run("training", "setup", "demo", "--course", COURSE, "--course", "mots-de-passe", "--yes", "--inventory", example)
    assert (example / "offices/demo/training/mots-de-passe/messages/4-banque.eml").is_file()
    run("training", "end", "demo", "--yes", "--inventory", example)

    office_room.gone(open_inventory(example), Target(example, "demo", lab=False))

    assert (example / "offices/demo/dossier.yml").read_bytes() == before
    assert not (example / "offices/demo/training").exists()
