"""Each course on real hosts: whoever does nothing passes nothing, whoever does what its text says passes, a reset undoes all."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitor.test_serving import free_port
from tests.stage import CommandResult, Stage, make
from tests.training.test_trainee import OFFICE

pytestmark = [pytest.mark.lab, pytest.mark.deep]


class Desk:
    """A trainee at a laptop: the verbs, on the inventory they were given."""

    def __init__(self, stage: Stage, course: str) -> None:
        self.stage, self.course = stage, course
        self.home = stage.home / f"provisioner/training/{course}/anna"

    def training(self, word: str, *rest: str) -> CommandResult:
        """A verb of the course."""
        return self.stage.json("training", word, self.course, *rest, "--trainee", "anna", timeout_s=1800)

    def do(self, *words: str) -> CommandResult:
        """A verb on their own inventory, which must end well."""
        said = self.stage.json("--inventory", str(self.home / "inventory"), *words, timeout_s=1800)
        assert said.code == 0, said
        return said

    def on(self, host: str, line: str) -> str:
        """What a line printed on a host of theirs."""
        return str(self.do("ssh", "demo", host, "--lab", "--", line).data["stdout"])

    def steps(self) -> dict[str, bool]:
        """Which steps hold."""
        said = self.training("check")
        assert said.code in (0, 7), said
        return {one["step"]: one["holds"] for one in said.data["steps"]}


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A trainee at the beginning of a course, who did nothing yet and passes nothing."""
    stage = make(tmp_path)
    desk = Desk(stage, request.param)
    try:
        said = desk.training("start")
        assert said.code == 0, said
        assert not any(desk.steps().values())
        yield desk
    finally:
        desk.training("finish")
        stage.take_down()


@pytest.mark.parametrize("desk", ["routeur-en-panne"], indirect=True)
def test_the_router_is_mended_as_its_course_says(desk: Desk) -> None:
    """Push and apply mend the three faults; what is broken beyond them then counts; a reset brings all of it back in seconds."""
    desk.do("router", "push", "demo", "--lab")
    desk.do("apply", "demo", "--lab", "--yes")
    began = time.monotonic()
    assert all(desk.steps().values())
    took = time.monotonic() - began
    desk.training("reset")
    assert not any(desk.steps().values())
    desk.do("router", "push", "demo", "--lab")
    desk.do("apply", "demo", "--lab", "--yes")
    desk.on("server", "sudo systemctl stop nginx; sudo rm -f /etc/nginx/nginx.conf")

    said = desk.training("finish").data

    assert sorted(said["mended"]) == ["clock", "internet", "lease"]
    assert said["broken"]
    assert not said["passed"]
    assert said["points"] < said["of"]
    assert took < 120


@pytest.mark.parametrize("desk", ["depart-technicien"], indirect=True)
def test_who_leaves_is_shut_out_as_the_course_says(desk: Desk) -> None:
    """The revocation, the account that nobody knows and the job that calls theirs: then it is passed, without a false fault."""
    desk.do("access", "revoke", "n.petit", "--lab", "--office", "demo", "--yes")
    desk.on("server", "sudo userdel -r copie")
    desk.on("server", "sudo rm -f /etc/cron.d/nightly")
    assert all(desk.steps().values())

    said = desk.training("finish").data

    assert (said["passed"], said["broken"]) == (True, [])
    assert sorted(said["mended"]) == ["account", "job", "root-key"]


@pytest.mark.parametrize("desk", ["apres-rancongiciel"], indirect=True)
def test_the_quotes_come_back_as_the_course_says(desk: Desk) -> None:
    """Stop what encrypts, restore the folder from the first snapshot, take away what is locked: passed, to the byte."""
    desk.on("server", "sudo systemctl disable --now updates-helper.timer")
    found = desk.do("backup", "list", "demo", "--lab").data["places"]
    first = min((one for place in found if place["place"] == "disk" for one in place["snapshots"]), key=lambda one: one["at"])
    words = ("--path", "/srv/share/commun/clients", "--at", first["id"], "--place", "disk", "--yes")
    desk.do("backup", "restore", "demo", "--lab", *words)
    desk.on("server", "sudo sh -c 'rm -f /srv/share/commun/clients/*.locked /srv/share/commun/clients/LISEZ-MOI.txt'")
    assert all(desk.steps().values())

    said = desk.training("finish").data

    assert (said["passed"], said["broken"]) == (True, [])


@pytest.mark.parametrize("desk", ["premier-bureau"], indirect=True)
def test_the_first_office_goes_from_dossier_to_record(desk: Desk) -> None:
    """The course's commands in their order: dossier, lab, adopt, apply, backup, verify, record; each makes its step hold."""
    desk.do("office", "new", "atelier", *OFFICE)
    desk.do("lab", "up", "atelier")
    desk.do("adopt", "atelier", "--lab", "--yes")
    assert [step for step, holds in desk.steps().items() if holds] == ["dossier", "adopt"]
    desk.do("apply", "atelier", "--lab", "--yes")
    desk.do("backup", "run", "atelier", "--lab")
    desk.do("verify", "atelier", "--lab")
    desk.do("record", "new", "atelier", "--lab")
    assert all(desk.steps().values())

    said = desk.training("finish").data

    assert (said["passed"], said["points"]) == (True, 80)


@pytest.mark.parametrize("desk", ["routeur-en-panne"], indirect=True)
@pytest.mark.parametrize("how", ["folder", "down", "off", "locked out"])
def test_a_trainee_who_loses_the_lab_gets_one_sentence_and_reset_works(desk: Desk, how: str) -> None:
    """The lab's folder deleted, the lab taken down, a host switched off: said, and `reset` brings the beginning back."""
    inventory = desk.home / "inventory"
    lab = Path(desk.stage.environment["PROVISIONER_LAB_DIR"])
    mine = next(path.parent for path in lab.glob("*/lab.json") if str(inventory) in path.read_text())
    if how == "folder":
        (mine / "lab.json").unlink()
        subprocess.run(["rm", "-rf", "--one-file-system", str(mine / "hosts/router/upper")], check=True)
    elif how == "down":
        desk.do("lab", "down", "demo")
    elif how == "off":
        desk.on("server", "(sleep 1; sudo systemctl poweroff) >/dev/null 2>&1 &")
        time.sleep(15)
    else:
        desk.on("router", "(sleep 1; sudo systemctl disable --now ssh.socket ssh.service) >/dev/null 2>&1 &")
        time.sleep(5)

    said = desk.training("check")

    if how == "locked out":  # the office is there, and nothing of it holds
        assert said.code == 7, said
        assert not any(one["holds"] for one in said.data["steps"])
    else:
        assert said.code == 2, said
        assert "training reset routeur-en-panne --trainee anna" in said.data["hint"]
    again = desk.training("reset")
    assert again.code == 0, again
    assert desk.on("router", "echo there").strip() == "there"


def test_a_class_of_eight_has_its_offices_in_time_and_room(tmp_path: Path) -> None:
    """Eight offices of router and server from a checkpoint: within 90 s, in 12 GiB; ended, nothing of them is left."""
    stage = make(tmp_path)
    page = None
    try:
        first = stage.json("training", "start", "depart-technicien", "--trainee", "anna", timeout_s=1800)  # makes the checkpoint
        assert first.code == 0, first
        free, began = available(), time.monotonic()
        page = stage.start("--json", "training", "class", "depart-technicien", "--trainees", "8", "--port", str(free_port()))
        assert page.stdout
        said = json.loads(page.stdout.readline())
        took, used = time.monotonic() - began, free - available()
        assert len(said["trainees"]) == 9
        assert said["problems"] == {}
        assert took < 90
        assert used < 12 << 20
    finally:
        if page:
            page.terminate()
            page.wait(30)
        assert len(stage.json("training", "class", "depart-technicien", "--end", timeout_s=600).data["gone"]) >= 1
        assert stage.labs() == []


def available() -> int:
    """What memory is left, in KiB."""
    return next(
        int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable")
    )
