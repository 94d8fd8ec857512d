"""A trainee's way through a course that begins with nothing, as far as no machine is needed: start, hints, reset, the end."""

import concurrent.futures
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from provisioner import training
from provisioner.cli.training_parts import known
from provisioner.inventory import courses
from provisioner.laptop.installed import example
from provisioner.training import certificates, trainee
from provisioner.training.grader import Verdict
from tests.verbs import Run

COURSE = "premier-bureau"
OFFICE = (
    *("--organisation", "Menuiserie Vidal", "--legal-form", "SARL", "--siren", "000454710", "--street", "4, rue des Copeaux"),
    *("--postcode", "69001", "--city", "Lyon", "--contact", "Rose Vidal", "--phone", "04 00 00 09 01"),
    *("--email", "rose@vidal.example", "--reseller", "scop-lumiere", "--person", "rose=Rose Vidal"),
    *("--person", "karim=Karim Haddad", "--host", "router=router", "--host", "server=server", "--yes"),
)


def start(run: Run, name: str = "anna") -> Path:
    """The course begun; the inventory to work in."""
    told = run("training", "start", COURSE, "--trainee", name, "--json")
    assert told.code == 0, told
    return Path(told.data["inventory"])


def steps(run: Run, name: str = "anna") -> dict[str, bool]:
    """Which steps hold."""
    told = run("training", "check", COURSE, "--trainee", name, "--json")
    assert told.code in (0, 7), told
    return {one["step"]: one["holds"] for one in told.data["steps"]}


def test_who_does_nothing_passes_nothing(run: Run) -> None:
    """No step holds at the beginning; the end is attendance without a point, and takes away all that was the trainee's."""
    inventory = start(run)
    assert not any(steps(run).values())

    told = run("training", "finish", COURSE, "--trainee", "anna", "--json")

    assert told.code == 7
    assert (told.data["passed"], told.data["points"], told.data["broken"]) == (False, 0, [])
    assert Path(told.data["pdf"]).read_bytes().startswith(b"%PDF")
    assert not inventory.parent.exists()


def test_the_dossier_is_written_with_the_documented_command(run: Run) -> None:
    """`office new` as the course's text says it makes the first step hold, and the next one is told."""
    inventory = start(run)
    assert run("office", "new", "atelier", *OFFICE, "--inventory", inventory).code == 0

    assert steps(run) == {"dossier": True, "adopt": False, "apply": False, "record": False}
    told = run("training", "check", COURSE, "--trainee", "anna", "--lang", "en")
    assert "lab up atelier" in told.out


def test_two_trainees_of_one_name_are_refused(run: Run) -> None:
    """The second is told so, and nothing of the first changes; another name is another office."""
    inventory = start(run)
    mark = inventory / "mark"
    mark.touch()

    told = run("training", "start", COURSE, "--trainee", "anna")

    assert told.code == 6
    assert "anna is in the course premier-bureau already" in told.err
    assert mark.exists()
    assert start(run, "bea") != inventory


@pytest.mark.parametrize("name", ["../x", "Anna", "", "a b", "1a"])
def test_a_name_that_is_none_is_refused(run: Run, name: str) -> None:
    """A trainee's name becomes a folder's: nothing else is taken."""
    told = run("training", "start", COURSE, "--trainee", name) if name else run("training", "hint", COURSE, "dossier")

    assert told.code == 2, told
    assert "no name for a trainee" in told.err or "is not in the course" in told.err


def test_hints_cost_points_and_a_reset_gives_none_back(run: Run) -> None:
    """A hint is told once, counted for good, and refused where there is no other."""
    inventory = start(run)
    first = run("training", "hint", COURSE, "dossier", "--trainee", "anna", "--json").data
    assert first["cost"] == 3
    assert first["more"] == 1
    assert run("training", "reset", COURSE, "--trainee", "anna").code == 0
    assert run("office", "new", "atelier", *OFFICE, "--inventory", inventory).code == 0

    told = run("training", "check", COURSE, "dossier", "--trainee", "anna", "--json").data["steps"]
    assert [(one["points"], one["of"]) for one in told] == [(17, 20)]
    assert run("training", "hint", COURSE, "dossier", "--trainee", "anna").code == 0
    assert "no other hint for dossier" in run("training", "hint", COURSE, "dossier", "--trainee", "anna").err


@pytest.mark.parametrize("what", ["inventory", "offices"])
def test_a_deleted_inventory_is_said_and_reset_brings_it_back(run: Run, what: str) -> None:
    """Whoever deletes their folder gets one sentence with the command that helps, and that command does."""
    inventory = start(run)
    shutil.rmtree(inventory if what == "inventory" else inventory / "offices")

    told = run("training", "check", COURSE, "--trainee", "anna")

    assert told.code == 2
    assert "the inventory of anna is not there any more" in told.err
    assert "training reset premier-bureau --trainee anna" in told.err
    assert run("training", "reset", COURSE, "--trainee", "anna").code == 0
    assert not any(steps(run).values())


def test_reset_undoes_what_was_done(run: Run) -> None:
    """After a reset the inventory is as it was at the start, but for its passphrase: no office, no commit more."""
    inventory = start(run)
    assert run("office", "new", "atelier", *OFFICE, "--inventory", inventory).code == 0
    assert run("training", "reset", COURSE, "--trainee", "anna").code == 0

    assert not (inventory / "offices/atelier").exists()
    assert not any(steps(run).values())


def test_a_wrong_dossier_is_said_not_raised(run: Run) -> None:
    """A dossier that cannot be read is a step that does not hold, with the reason."""
    inventory = start(run)
    assert run("office", "new", "atelier", *OFFICE, "--inventory", inventory).code == 0
    dossier = inventory / "offices/atelier/dossier.yml"
    dossier.write_text(dossier.read_text().replace('siren: "000454710"', "siren: nine"))

    told = run("training", "check", COURSE, "--trainee", "anna", "--json").data["steps"][0]

    assert not told["holds"]
    assert told["seen"][0]["sentence"].startswith("the dossier is not right yet")


def test_certificates_are_a_chain(run: Run) -> None:
    """Each has the hash of the one before; an altered one is told, and none is added behind it."""
    for name in ("anna", "bea"):
        start(run, name)
        run("training", "finish", COURSE, "--trainee", name)
    files = certificates.ledger().files()
    assert [path.name for path in files] == ["0001-premier-bureau-anna.json", "0002-premier-bureau-bea.json"]
    assert certificates.check() == []

    files[0].write_text(files[0].read_text().replace('"points": 0', '"points": 80'))

    problems = json.loads(run("training", "list", "--json").out)["certificates"]["problems"]
    assert problems == [
        "0001-premier-bureau-anna.json: altered",
        "0002-premier-bureau-bea.json: the one before it was altered after it was written",
    ]
    start(run, "cleo")
    told = run("training", "finish", COURSE, "--trainee", "cleo")
    assert told.code == 7
    assert "an earlier certificate was altered" in told.err
    assert trainee.find(COURSE, "cleo").name == "cleo"  # nothing was taken away
    assert len(certificates.ledger().files()) == 2


@pytest.mark.usefixtures("run")  # its state folder
def test_a_class_that_ends_together_has_one_chain() -> None:
    """Each of those who finish in the same second has a number of their own."""
    course = courses.course(example() or Path(), COURSE, known())
    nothing = Verdict((), (), (), ())
    who = [trainee.Trainee(COURSE, f"trainee-{n}", str(example()), course.office, "fr") for n in range(4)]
    with concurrent.futures.ThreadPoolExecutor(len(who)) as pool:
        list(pool.map(lambda one: certificates.keep(one, course, nothing, by="Lumière"), who))
    assert [path.name[:4] for path in certificates.ledger().files()] == ["0001", "0002", "0003", "0004"]
    assert certificates.check() == []


@pytest.mark.usefixtures("run")  # its state folder
def test_a_class_is_seen_while_somebody_leaves_it() -> None:
    """The page and `training list` look at everybody every few seconds; who has just gone is simply not there."""
    stays, goes = (trainee.Trainee(COURSE, name, "/", "atelier", "fr") for name in ("stays", "goes"))
    stays.folder.mkdir(parents=True)
    stays.write()
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            goes.folder.mkdir(exist_ok=True)
            goes.write()
            shutil.rmtree(goes.folder)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(300):
            assert "stays" in {one.name for one in trainee.every()}
    finally:
        over.set()
        thread.join()


def test_what_is_over_is_not_graded(run: Run) -> None:
    """Who calls `finish` while another one, or a reset by the trainer, is under way waits for it."""
    start(run)
    anna = trainee.find(COURSE, "anna")
    words = [sys.executable, "-m", "provisioner.cli", "training", "finish", COURSE, "--trainee", "anna"]
    with trainee.locked(COURSE, "anna"):
        other = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(10)
        training.remove(anna)
    said = other.communicate(timeout=60)[1]
    assert other.returncode == 2 and "anna is not in the course" in said
    assert certificates.ledger().files() == []


def test_material_is_there_in_both_languages(run: Run, tmp_path: Path) -> None:
    """Pages and tagged PDF in French and English, without the hints and faults of the course."""
    told = run("training", "material", "routeur-en-panne", "--to", tmp_path / "out", "--json")

    assert told.code == 0, told
    assert sorted(Path(name).suffixes for name in told.data["files"]) == [[".en", s] for s in (".html", ".pdf")] + [
        [".fr", s] for s in (".html", ".pdf")
    ]
    page = (tmp_path / "out/routeur-en-panne.fr.html").read_text()
    assert 'lang="fr"' in page
    assert "option:router" not in page  # a hint
    assert "ne laissait plus sortir" not in page  # a fault
    assert (tmp_path / "out/routeur-en-panne.fr.pdf").read_bytes().startswith(b"%PDF")
