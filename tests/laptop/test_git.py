"""The operator's own git changes nothing of what is read or committed; an inventory in the middle of something is left alone."""

import os
import subprocess
from pathlib import Path

import pytest

from provisioner.errors import BadInput
from provisioner.inventory.target import Target
from provisioner.laptop import git
from provisioner.runs import audit
from tests.conftest import GIT
from tests.verbs import BAKERY, Run, log


def by_hand(root: Path, *words: str, check: bool = True) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False, env=GIT)
    assert not check or done.returncode == 0, done
    return done.stdout


@pytest.fixture
def bakery(run: Run, net: Path) -> Path:
    """An inventory with one office, all committed; its root."""
    assert run("office", "new", "bakery", *BAKERY, "--person", "zoe=Zoé").code == 0
    return net


def add(run: Run, login: str = "luc", *more: str) -> tuple[int, str]:
    said = run("person", "add", "bakery", login, "--name", "Luc", "--group", "team", *more)
    return said.code, said.out + said.err


HABITS = {
    "a hook that refuses": {"core.hooksPath": "{hooks}"},
    "signed commits": {"commit.gpgSign": "true", "gpg.program": "/bin/false"},
    "ignores": {"core.excludesFile": "{ignores}"},
    "attributes": {"core.attributesFile": "{attributes}", "filter.other.clean": "tr a-z A-Z"},
    "line ends": {"core.autocrlf": "true", "core.safecrlf": "true"},
    "colours": {"color.ui": "always", "color.status": "always"},
    "signatures shown": {"log.showSignature": "true"},
    "a program that watches": {"core.fsmonitor": "/bin/false"},
    "renames and copies": {"status.renames": "copies", "diff.renames": "copies"},
    "no new files shown": {"status.showUntrackedFiles": "no"},
    "messages cleaned": {"commit.cleanup": "strip", "core.commentChar": "b"},
}


@pytest.mark.parametrize("habit", HABITS)
def test_what_the_operator_set_for_their_own_work_changes_no_commit(
    habit: str, run: Run, bakery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings of one's own, global and in the copy: the commit holds what the files hold, all of it, and nothing else."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-commit", "commit-msg"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    (tmp_path / "ignores").write_text("*.key\n*.yml\n*\n")
    (tmp_path / "attributes").write_text("*.yml filter=other\n")
    mine = tmp_path / "gitconfig"
    words = {"hooks": hooks, "ignores": tmp_path / "ignores", "attributes": tmp_path / "attributes"}
    for key, value in HABITS[habit].items():
        by_hand(bakery, "config", "-f", str(mine), key, value.format(**words))
        by_hand(bakery, "config", key, value.format(**words))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))

    assert run("office", "new", "cafe", *BAKERY, "--person", "bob=Bob").code == 0
    code, said = add(run)

    assert code == 0, said
    assert log(bakery)[:2] == ["bakery: person add: luc", "office new: cafe"]
    held = by_hand(bakery, "ls-tree", "-r", "--name-only", "HEAD").split()
    assert {"offices/cafe/dossier.yml", "offices/cafe/vault.yml", "offices/cafe/vault.key"} <= set(held)
    shown = subprocess.run(
        ["git", "-C", str(bakery), "cat-file", "blob", "HEAD:offices/bakery/dossier.yml"],
        capture_output=True,
        env=GIT,
        check=True,
    )
    assert shown.stdout == (bakery / "offices/bakery/dossier.yml").read_bytes()
    assert not (tmp_path / "ran").exists()
    assert git.behind_s(bakery) is not None


def test_a_repository_named_in_the_environment_gets_nothing(
    run: Run, bakery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verb called from a hook, or from a shell with GIT_DIR set, commits into the inventory and nowhere else."""
    other = tmp_path / "other"
    by_hand(tmp_path, "init", "-q", str(other))
    for name, value in (("GIT_DIR", other / ".git"), ("GIT_WORK_TREE", other), ("GIT_INDEX_FILE", other / "index")):
        monkeypatch.setenv(name, str(value))

    code, said = add(run)

    assert code == 0, said
    assert by_hand(bakery, "log", "-1", "--format=%s").strip() == "bakery: person add: luc"
    assert not by_hand(other, "log", "--oneline", check=False)
    assert not (other / "index").exists()


MIDDLE = {
    "rebase": (["rebase", "-q", "-i", "HEAD~1"], "in the middle of a rebase"),
    "merge": (["merge", "-q", "--no-commit", "--no-ff", "side"], "in the middle of a merge"),
    "detached": (["checkout", "-q", "--detach"], "on no branch"),
}


@pytest.mark.parametrize("state", MIDDLE)
def test_an_inventory_in_the_middle_of_something_is_said_and_left_alone(state: str, run: Run, bakery: Path) -> None:
    """A commit made there would be lost at the abort: nothing is written, and the message says how to be out of it."""
    by_hand(bakery, "checkout", "-q", "-b", "side")
    (bakery / "note.txt").write_text("x")
    by_hand(bakery, "add", "note.txt")
    by_hand(bakery, "commit", "-q", "-m", "side")
    by_hand(bakery, "checkout", "-q", "main")
    words, message = MIDDLE[state]
    subprocess.run(
        ["git", "-C", str(bakery), *words],
        check=True,
        env=GIT | {"GIT_SEQUENCE_EDITOR": "sed -i s/^pick/edit/"},
        capture_output=True,
    )
    before = by_hand(bakery, "rev-parse", "HEAD"), (bakery / "offices/bakery/dossier.yml").read_bytes()

    code, said = add(run)

    assert code == 2
    assert message in said
    assert f"git -C {bakery}" in said
    assert (by_hand(bakery, "rev-parse", "HEAD"), (bakery / "offices/bakery/dossier.yml").read_bytes()) == before
    assert run("person", "list", "bakery").code == 0
    assert run("inventory", "check").code == 0
    assert add(run, "luc", "--no-commit")[0] == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_another_users_inventory_is_named_with_what_to_do(
    run: Run, bakery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git opens nobody else's repository: nothing is written without a commit, `init` says why; trusted, all works."""
    for path in (bakery, *bakery.rglob("*")):
        os.chown(path, 65534, 65534)
    before = (bakery / "offices/bakery/dossier.yml").read_bytes()

    code, said = add(run)
    joined = run("init", bakery, "--technician", "jo", "--reseller", "ma-scop")

    for text in (said, joined.err):
        assert f"git config --global --add safe.directory {bakery}" in text
    assert (code, joined.code) == (2, 2)
    assert (bakery / "offices/bakery/dossier.yml").read_bytes() == before

    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "mine"))
    by_hand(tmp_path, "config", "-f", str(tmp_path / "mine"), "safe.directory", str(bakery))
    git._trusted.cache_clear()
    assert add(run)[0] == 0
    assert log(bakery)[0] == "bakery: person add: luc"


def test_a_filter_of_the_repository_that_alters_a_file_is_said(run: Run, bakery: Path) -> None:
    """What the commit holds is compared with the file: a clean filter that the inventory itself brings is not silent."""
    with (bakery / ".gitattributes").open("a") as file:
        file.write("*.yml filter=other\n")
    by_hand(bakery, "config", "filter.other.clean", "tr a-z A-Z")

    code, said = add(run)

    assert code == 2
    assert "the commit does not hold offices/bakery/dossier.yml as it is" in said


def old_inventory(root: Path) -> None:
    """One from before our `.gitattributes`, with two runs in its audit."""
    target = Target(root, "bakery")
    (root / ".gitattributes").unlink()
    for n in (1, 2):
        audit.keep(target.summaries, {"run": f"r{n}", "started": f"2026-11-0{n}T10:00:00Z", "note": "a\nb"})
    by_hand(root, "add", "-A")
    by_hand(root, "commit", "-q", "-m", "before")


def test_a_clone_with_other_line_ends_has_the_same_audit(bakery: Path, tmp_path: Path) -> None:
    """What Git for Windows does to text: the audit holds, and a run kept there fits the chain of everybody."""
    old_inventory(bakery)
    clone = tmp_path / "clone"
    by_hand(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", str(bakery), str(clone))
    target = Target(clone, "bakery")
    assert b"\r\n" in (target.summaries / "00001-r1.json").read_bytes(), "the trial shows nothing"

    assert audit.check(target.summaries, git.remembered(clone, target.summaries)) == []
    audit.keep(target.summaries, {"run": "r3", "started": "2026-11-03T10:00:00Z"})
    assert git.commit(clone, [target.folder], "r3")

    assert set(by_hand(clone, "diff", "--name-only", "HEAD~1", "HEAD").split()) == {
        ".gitattributes",
        "offices/bakery/runs/00003-r3.json",
    }
    by_hand(bakery, "pull", "-q", str(clone), "main")
    assert audit.check(Target(bakery, "bakery").summaries, git.remembered(bakery, Target(bakery, "bakery").summaries)) == []
    again = tmp_path / "again"
    by_hand(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", str(bakery), str(again))
    assert b"\r" not in (again / "offices/bakery/runs/00001-r1.json").read_bytes()
    assert b"\r" not in (again / "offices/bakery/vault.yml").read_bytes()


def test_ignored_by_the_inventory_itself_or_staged_by_somebody(run: Run, bakery: Path) -> None:
    """A `.gitignore` for other work does not cost the office its key; what somebody staged stays staged; left-overs stay out."""
    (bakery / ".gitignore").write_text("*.key\n*.json\n")
    (bakery / "mine.txt").write_text("mine")
    by_hand(bakery, "add", "mine.txt")
    assert run("office", "new", "cafe", *BAKERY, "--person", "bob=Bob").code == 0
    for name in (".#dossier.yml", "dossier.yml~", "._dossier.yml", ".DS_Store", ".dossier.yml.swp"):
        (bakery / "offices/bakery" / name).write_text("x")
    assert add(run)[0] == 0

    held = by_hand(bakery, "ls-tree", "-r", "--name-only", "HEAD").split()
    assert "offices/cafe/vault.key" in held
    assert "mine.txt" not in held
    assert [name for name in held if "dossier" in name] == [
        "offices/bakery/dossier.yml",
        "offices/cafe/dossier.yml",
        "schema/dossier.json",
    ]
    assert by_hand(bakery, "diff", "--cached", "--name-only").split() == ["mine.txt"]


def test_a_git_that_is_not_there_is_one_sentence(bakery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop without git: no traceback."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BadInput, match="no git"):
        git.head(bakery)
