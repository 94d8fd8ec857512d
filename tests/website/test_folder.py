"""The office's folder: what is saved there, what is wrong there, and a technician who changed something too."""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provisioner import website
from provisioner.errors import BadInput, Busy
from provisioner.hosts.access import SshAccess
from provisioner.inventory.target import Target
from provisioner.website import edits
from tests.conftest import GIT
from tests.website import programs

BUILDER = Path(__file__).parents[2] / "provisioner/website/builder"
HOME = "---\ntitle: Accueil\ndescription: Une épicerie\n---\nBonjour\n"
# Builders on a bad day: one that needs more memory than it gets, one that breaks.
BROKEN = {"BOMB": "bytearray(4 << 30)", "CRASH": "raise SystemExit(1)"}


@dataclass
class Office:
    """A folder as the server has it, with the real builder; `online` is what was published last: file -> text."""

    root: Path
    program: Any
    online: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where people save."""
        return self.root / "Site web"

    @property
    def told(self) -> str:
        """The sentence in the folder."""
        path = self.folder / "_état.txt"
        return path.read_text() if path.exists() else ""

    @property
    def own(self) -> set[str]:
        """The pages online that this test wrote."""
        return set(self.online) - STARTERS

    def publish(self, release: str) -> None:
        """Stands where the server's own publisher does (test_lab.py): takes what was built."""
        assert (self.root / "state/out" / release / "index.html").exists()
        pages = self.root / "state/pages"
        self.online = {str(path.relative_to(pages)): path.read_text() for path in pages.rglob("*.md")}

    def save(self, **pages: str) -> None:
        """Somebody saves pages, and the loop sees them."""
        for name, text in pages.items():
            (self.folder / f"{name}.md").write_text(text)
        self.program.work()


def page(text: str, title: str = "Neuf") -> str:
    """A page as somebody writes it."""
    return f"---\ntitle: {title}\ndescription: Une page\n---\n{text}\n"


EXAMPLE = Path(__file__).parents[2] / "inventory"
FIRST = EXAMPLE / "offices/demo/website"
STARTERS = {str(path.relative_to(FIRST)) for path in FIRST.rglob("*") if path.is_file()}


def folder_of(root: Path) -> Any:
    """The program on an empty folder, with the builder and what it must know of the demo office."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "builder"]:  # a server's process has one for life
        del sys.modules[name]
    (root / "Site web").mkdir(parents=True)
    (root / "state/v1").mkdir(parents=True)
    (root / "state/v1/builder").symlink_to(BUILDER)
    (root / "state/code").symlink_to("v1")
    (root / "state/facts.json").write_text(json.dumps(website.facts(Target(EXAMPLE, "demo", lab=True))))
    config = {"folder": str(root / "Site web"), "language": "fr", "help": "Scop Lumière, 04 00"}
    return programs.load("folder").Folder(config, root / "state")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with its first pages online."""
    found = Office(tmp_path, folder_of(tmp_path))
    found.program.publish = found.publish
    shutil.copytree(EXAMPLE / "offices/demo/website", found.folder, dirs_exist_ok=True)
    found.save(index=HOME)
    assert found.told == ""
    return found


def test_what_is_saved_is_online_and_a_version_of_its_own(office: Office) -> None:
    """Each good save is in the history, with its files; strays of editors are not."""
    (office.folder / ".~lock.plan.md#").write_text("x")
    (office.folder / "index.md~").write_text("x")
    office.save(plan=page("Ici"))

    assert office.own == {"plan.md"}
    assert office.program.log({})["versions"][0]["files"] == ["plan.md"]
    assert len(office.program.log({})["versions"]) == 2
    assert office.told == ""


def test_a_mistake_keeps_the_site_and_is_told_until_it_is_mended(office: Office) -> None:
    """In the office's language, with the place and whom to call; gone when it is mended. No version is made of it."""
    office.save(index=HOME + "[lien](javascript:alert)\n")

    assert office.online["index.md"] == HOME
    assert "- index.md:6: " in office.told
    assert "De l’aide : Scop Lumière, 04 00" in office.told
    assert len(office.program.log({})["versions"]) == 1
    office.save(index=HOME + "mieux\n")
    assert office.told == ""
    assert office.online["index.md"] == HOME + "mieux\n"


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("BOMB", "trop de mémoire ou de temps. Derniers fichiers changés : index.md"), ("CRASH", "pas pu être fabriqué")],
)
def test_a_builder_that_breaks_is_no_end_of_the_watcher(office: Office, kind: str, sentence: str) -> None:
    """More memory than it may have, or a fault of ours: told, the site stays, and what is not the pages' fault is tried again."""
    (office.root / "state/v2/builder").mkdir(parents=True)
    (office.root / "state/v2/builder/__init__.py").touch()
    (office.root / "state/v2/builder/__main__.py").write_text(BROKEN[kind])
    (office.root / "state/code").unlink()
    (office.root / "state/code").symlink_to("v2")
    office.save(index=HOME + "x")

    assert office.online["index.md"] == HOME
    assert sentence in office.told
    assert bool(office.program.remembered()["look"]) == (kind == "BOMB")


def test_files_that_no_site_can_have_are_named(office: Office, tmp_path: Path) -> None:
    """A link out of the folder, a 40 MB photo, a telephone's own format: the site stays, each is told by name, none is read."""
    (tmp_path / "secret.md").write_text("# secret\n")
    (office.folder / "passwd.md").symlink_to(tmp_path / "secret.md")
    with (office.folder / "photo.jpg").open("wb") as file:
        file.truncate(40_000_000)
    (office.folder / "IMG_1.HEIC").write_bytes(b"x")
    office.save(index=HOME + "x")

    assert office.online["index.md"] == HOME
    assert all(name in office.told for name in ("passwd.md", "photo.jpg", "IMG_1.HEIC"))
    assert not (office.program.pages / "passwd.md").exists()
    assert not (office.program.pages / "photo.jpg").exists()


def test_an_emptied_folder_keeps_the_site_and_a_former_version_comes_back(office: Office) -> None:
    """Everything deleted by mistake: told, nothing changes online; `undo` puts the pages back, and they are built."""
    office.save(plan=page("Ici"))
    for path in office.folder.rglob("*.md"):
        path.unlink()
    office.program.work()

    assert office.own == {"plan.md"}
    assert "plus aucune page" in office.told
    assert office.program.undo({"version": "HEAD~1", "by": "jo"}) == {"done": True}
    office.program.work()
    assert (office.own, office.told) == (set(), "")
    assert set(office.online) == {name for name in STARTERS if name.endswith(".md")}
    assert not office.program.undo({"version": "nothing", "by": "jo"})["done"]


def test_an_empty_folder_before_the_first_deployment_says_nothing(tmp_path: Path) -> None:
    """Nobody is told of a mistake before there is a site."""
    folder_of(tmp_path).work()

    assert list((tmp_path / "Site web").iterdir()) == []


def test_the_loop_waits_until_a_file_rests(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that grows is not built; one that rests is, once; an unchanged folder never again."""
    watch: Any = programs.load("folder")
    built: list[float] = []
    clock = [0.0]

    def work() -> None:
        built.append(clock[0])
        office.program.note(look=office.program.look())

    monkeypatch.setattr(office.program, "work", work)
    growing = office.folder / "grow.md"

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] <= 20:
            growing.write_text("x" * int(clock[0]))
        if clock[0] > 60:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", sleep)
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock[0])
    with pytest.raises(KeyboardInterrupt):
        watch.watch(office.program)

    assert len(built) == 1
    assert 25 <= built[0] <= 30


class Laptop(edits.OfficeFolder):
    """A technician's conversation, without the connection between."""

    def ask(self, do: str, shape: Any, **what: object) -> Any:
        """The server's answer, by its shape."""
        answer = getattr(OFFICES[self.host], do)(json.loads(json.dumps(what)))
        return shape.model_validate_json(json.dumps(answer))


OFFICES: dict[str, Any] = {}


@pytest.fixture
def laptop(office: Office, tmp_path: Path) -> Laptop:
    """The technician who serves the office, with the pages that it has."""
    OFFICES["server"] = office.program
    shutil.copytree(EXAMPLE, tmp_path / "net")
    pages = tmp_path / "net/offices/demo/website"
    (pages / "index.md").write_text(HOME)
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "the network")):
        subprocess.run(["git", "-C", str(tmp_path / "net"), *words], check=True, env=GIT)
    target = Target(tmp_path / "net", "demo", lab=False)
    return Laptop(target, SshAccess(target, "jo", tmp_path / "key"), "server", "192.0.2.1")


def deploy(laptop: Laptop, **more: Any) -> set[str]:
    """What `website deploy` does beside the release; the pages that it has beyond the first ones."""
    met = edits.meet(laptop, say=lambda _: None, **more)
    met.settle("jo")
    met.end(live=True)
    return set(met.files) - STARTERS


def test_the_technicians_pages_and_the_offices_meet(office: Office, laptop: Laptop) -> None:
    """Each side has both after a deployment; what the office wrote is a commit of its own in the inventory."""
    pages = laptop.target.folder / "website"
    assert deploy(laptop) == set()
    (pages / "garde.md").write_text(page("Garde"))
    office.save(plan=page("Ici"))

    assert deploy(laptop) == {"garde.md", "plan.md"}
    assert (pages / "plan.md").read_text() == page("Ici")
    assert (office.folder / "garde.md").read_text() == page("Garde")
    log = subprocess.run(["git", "-C", str(laptop.target.inventory), "log", "-1", "--format=%s", "--name-only"],
                         capture_output=True, text=True, check=True)  # fmt: skip
    assert log.stdout.split("\n")[0] == "demo: what the office wrote for its website"
    assert "offices/demo/website/plan.md" in log.stdout
    assert "garde.md" not in log.stdout
    (pages / "plan.md").unlink()
    assert deploy(laptop) == {"garde.md"}
    assert not (office.folder / "plan.md").exists()


def test_a_conflict_is_named_and_nothing_is_lost(office: Office, laptop: Laptop) -> None:
    """Both changed the same line: refused by the file's name, both sides as they were; one is kept, the other in the history."""
    deploy(laptop)
    mine, theirs = laptop.target.folder / "website/index.md", office.folder / "index.md"
    mine.write_text(HOME.replace("Bonjour", "technicien"))
    office.save(index=HOME.replace("Bonjour", "client"))

    with pytest.raises(BadInput, match=r"^index\.md: changed in the inventory and in the office's folder"):
        edits.meet(laptop, say=lambda _: None)
    assert "technicien" in mine.read_text()
    assert "client" in theirs.read_text()
    deploy(laptop, keep="folder")
    assert "client" in mine.read_text()
    mine.write_text(HOME.replace("Bonjour", "technicien"))
    office.save(index=HOME.replace("Bonjour", "client encore"))
    deploy(laptop, keep="inventory")
    assert "technicien" in theirs.read_text()
    versions = laptop.versions()
    assert versions[0].subject == "deployed by jo"
    laptop.undo(versions[1].version, "jo")
    assert "client encore" in theirs.read_text()
    with pytest.raises(BadInput, match="no version '1234567'"):
        laptop.undo("1234567", "jo")


def test_who_saves_during_a_deployment_loses_nothing(office: Office, laptop: Laptop) -> None:
    """Saved between the meeting and its end: refused, and the same command takes it along."""
    met = edits.meet(laptop, say=lambda _: None)
    (office.folder / "neuf.md").write_text(page("Neuf"))

    with pytest.raises(Busy, match="somebody saved"):
        met.settle("jo")
    assert "neuf.md" in deploy(laptop)


def test_a_page_with_a_mistake_is_the_technicians_to_mend(office: Office, laptop: Laptop) -> None:
    """What the office could not put online comes along, is mended in the inventory, and the sentence goes from the folder."""
    deploy(laptop)
    wrong = HOME + "[lien](javascript:alert)\n"
    office.save(index=wrong)
    mine = laptop.target.folder / "website/index.md"

    deploy(laptop)
    assert mine.read_text() == wrong
    mine.write_text(HOME)
    deploy(laptop)
    assert (office.folder / "index.md").read_text() == HOME
    assert office.told == ""


def test_a_deployment_that_died_is_built_by_the_server(office: Office, laptop: Laptop) -> None:
    """The laptop brought pages and was killed before it published them: after a while the loop does."""
    (laptop.target.folder / "website/neuf.md").write_text(page("Neuf"))
    edits.meet(laptop, say=lambda _: None).settle("jo")

    state = office.program.remembered()
    assert state["hold_until"] > time.time() + 60
    assert state["look"] != office.program.look()
    office.program.work()
    assert office.own == {"neuf.md"}


def test_a_labs_folder_changes_nothing_of_the_inventory(office: Office, laptop: Laptop) -> None:
    """A rehearsal's edits are met in the lab, deployment after deployment, and never reach the client's pages."""
    lab = Laptop(Target(laptop.target.inventory, "demo", lab=True), laptop.ssh, "server", "")
    deploy(lab)
    office.save(plan=page("Ici"))

    assert deploy(lab) == deploy(lab) == {"plan.md"}
    assert not (laptop.target.folder / "website/plan.md").exists()


def test_a_first_deployment_takes_what_lies_in_the_folder_already(tmp_path: Path, laptop: Laptop) -> None:
    """Before it the server has no builder: it is brought, and what somebody put there meanwhile comes along."""
    new = programs.load("folder").Folder({"folder": str(tmp_path / "first"), "language": "en"}, tmp_path / "first-state")
    (tmp_path / "first").mkdir()
    (tmp_path / "first-state").mkdir()
    (tmp_path / "first/plan.md").write_text(page("Ici"))
    OFFICES["server"] = new

    assert deploy(laptop) == {"plan.md"}
    assert (tmp_path / "first/index.md").read_text() == HOME
    assert new.equipped
    assert json.loads((tmp_path / "first-state/facts.json").read_text())["domain"] == "epicerie.example"
