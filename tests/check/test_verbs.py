"""The verb `check` without a machine: what it takes, what it refuses, what is told of an office that nobody adopted."""

import json
import shutil
from pathlib import Path

import pytest

from tests.stage import EXAMPLE
from tests.verbs import Run

WHY = ("--because", "ordered", "--until", "2099-12-31")


@pytest.fixture
def network(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's three offices, one's own."""
    import subprocess

    folder = tmp_path / "network"
    shutil.copytree(EXAMPLE, folder)
    monkeypatch.chdir(folder)
    name = ["-c", "user.name=C", "-c", "user.email=c@x.example"]
    for words in (
        ["init", "-q"],
        ["config", "provisioner.technician", "c.lefevre"],
        ["add", "-A"],
        [*name, "commit", "-q", "-m", "x"],
    ):
        subprocess.run(["git", *words], check=True, cwd=folder)
    del run  # its folders are set
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name offices, or --all"),
        (("demo", "--all"), "name offices, or --all"),
        (("demo", "--last"), "--reseller and --last go with --all"),
        (("--all", "--lab"), "one lab at a time"),
        (("demo", "mairie-saint-aubin", "--lab"), "one lab at a time"),
        (("nowhere",), "no office 'nowhere'"),
        (("--all", "--reseller", "nobody"), "no reseller 'nobody'"),
        (("--all", "--last"), "no round was made here yet"),
        (("demo", "--ignore", "disks"), "a finding is borne in one office"),
        (("demo", "--because", "x"), "a finding is borne in one office"),
        (("demo", "mairie-saint-aubin", "--ignore", "disks", *WHY), "a finding is borne in one office"),
        (("demo", "--ignore", "disks", "--because", "x", "--until", "soon"), "'soon' is no day"),
        (("demo", "--ignore", "disks", "--because", "x", "--until", "2020-01-01"), "2020-01-01 is over"),
        (("demo", "--ignore", "teapot", *WHY), "no check is called 'teapot'"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(run: Run, network: Path, words: tuple[str, ...], said: str) -> None:
    """Exit 2, and nobody is contacted."""
    done = run("check", *words)
    assert done.code == 2
    assert said in done.err
    assert not list(network.glob("offices/*/ignored.yml"))


def test_every_check_is_listed_with_its_limits(run: Run) -> None:
    """For a program and for a person, in their language."""
    rows = json.loads(run("check", "--list", "--json").out)["checks"]
    assert len(rows) > 10
    assert all(row["limits"] for row in rows)
    assert "Place sur les disques" in run("check", "--list", "--lang", "fr").out


def test_offices_that_nobody_adopted_are_unknown_never_well(run: Run, network: Path) -> None:
    """Exit 7; each office is named, and why."""
    said = run("check", "--all", "--json")
    offices = {one["office"]: one for one in json.loads(said.out)["offices"]}
    assert said.code == 7
    assert set(offices) == {path.name for path in (network / "offices").iterdir()}
    assert {one["worst"] for one in offices.values()} == {"unknown"}
    assert all("adopted" in one["problem"] for one in offices.values())
