"""What lies beside a lab in the folder that labs share: of another version of the tool, or half written."""

import json
import shutil
from pathlib import Path

import pytest

from provisioner import lab
from provisioner.errors import BadInput
from provisioner.inventory.target import Target
from provisioner.lab import base
from provisioner.lab.internet import Internet
from tests.stage import EXAMPLE
from tests.verbs import Run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of labs of the test's own, and a state folder."""
    monkeypatch.setenv("PROVISIONER_LAB_DIR", str(tmp_path / "labs"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    base.lab_home().mkdir(parents=True, exist_ok=True)
    return base.lab_home()


@pytest.mark.parametrize("text", ['{"office": "demo", "of": 2}', "[]", '{"office": "de', "7"])
def test_a_lab_of_another_version_stands_in_nobodys_way(home: Path, run: Run, text: str) -> None:
    """It is told once by name, the others are listed, and `lab up` counts without it; only its own office stops at it."""
    other = home / "0123456789"
    other.mkdir()
    (other / "lab.json").write_text(text)

    listed = run("lab", "list")
    assert listed.code == 0
    assert f"left alone: {other / 'lab.json'} is of another version of this tool" in listed.err
    assert run("lab", "down", "--all").code == 0
    assert lab.every() == []
    assert (other / "lab.json").read_text() == text, "nothing of it is touched"

    mine = Target(EXAMPLE, "demo", lab=True)
    other.rename(home / mine.id)
    with pytest.raises(BadInput, match="another version"):
        lab.find(mine)


def test_a_line_that_notes_more_is_still_counted(home: Path) -> None:
    """A number on an Internet is taken, whatever else another version writes beside it."""
    (home / "0123456789").mkdir()
    (home / "0123456789" / "line.json").write_text(json.dumps({"internet": "street", "number": 2, "colour": "blue"}))

    assert [line.number for line in Internet("street").lines.values()] == [2]


@pytest.mark.usefixtures("home")
def test_a_lab_is_forgotten_and_nothing_else(tmp_path: Path, run: Run) -> None:
    """Journals, runs, records, secrets and pins of that lab go; another office's, and what the inventory holds, stay."""
    inventory = tmp_path / "net"
    shutil.copytree(EXAMPLE, inventory)
    mine, other = (Target(inventory, name, lab=True) for name in ("demo", "mairie-saint-aubin"))
    for target in (mine, other):
        for name in ("runs/1/summary.json", "records/1.json", "vault.yml", "known_hosts"):
            (target.state / name).parent.mkdir(parents=True, exist_ok=True)
            (target.state / name).write_text("x")
    before = {path: path.read_bytes() for path in inventory.rglob("*") if path.is_file()}

    kept = run("lab", "down", "demo", "--inventory", inventory)
    assert kept.code == 0
    assert f"Kept (--forget removes it): its journals, runs and records in {mine.state}" in kept.out
    folder = mine.state
    assert (folder / "vault.yml").exists()

    done = run("lab", "down", "demo", "--forget", "--inventory", inventory)
    assert done.code == 0
    assert f"Forgotten: {folder}" in done.out
    assert not folder.exists()
    assert (other.state / "vault.yml").exists(), "another lab's"
    assert {path: path.read_bytes() for path in inventory.rglob("*") if path.is_file()} == before
    assert run("lab", "down", "demo", "--forget", "--inventory", inventory).code == 0, "once more is no error"


def test_a_lab_that_is_up_or_none_is_not_forgotten(home: Path) -> None:
    """Its runs are still being written; and what real hosts' runs left is the audit, no verb removes it."""
    mine = Target(EXAMPLE, "demo", lab=True)
    (mine.state / "runs").mkdir(parents=True)
    (home / mine.id).mkdir()

    with pytest.raises(BadInput, match="the lab of demo is up") as error:
        lab.forget(mine)
    assert error.value.hint == "provisioner lab down demo --forget"
    with pytest.raises(BadInput, match="demo is no lab"):
        lab.forget(Target(EXAMPLE, "demo"))
    assert (mine.state / "runs").is_dir()
