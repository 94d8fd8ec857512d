"""A history written anew (a rebase, an amended or squashed commit, a shallow clone) is no older copy; an older copy stays one."""

import subprocess
from pathlib import Path

import pytest

from provisioner.documents.ledger import sha256
from provisioner.errors import Busy
from provisioner.inventory.target import Target
from provisioner.laptop import git
from provisioner.operation.lease import Mark
from provisioner.operation.marks import inputs_sha256, refuse_older_copy
from provisioner.runs import audit
from tests.conftest import GIT
from tests.verbs import BAKERY, Run


def by_hand(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, env=GIT)


@pytest.fixture
def applied(run: Run, net: Path) -> tuple[Target, Mark]:
    """An office that was applied from its newest commit, as a host remembers it."""
    assert run("office", "new", "bakery", *BAKERY, "--person", "zoe=Zoé").code == 0
    target = Target(net, "bakery")
    path = audit.keep(target.summaries, {"run": "r1", "started": "2026-11-01T10:00:00Z"})
    commit = git.commit(net, [target.folder], "applied")
    dossier = sha256(target.folder / "dossier.yml")
    mark = Mark(
        technician="kim", at="2026-11-01", commit=commit, summary=path.name, summary_sha256=sha256(path),
        dossier_sha256=dossier, inputs_sha256=inputs_sha256(target),
    )  # fmt: skip
    return target, mark


def test_a_commit_made_anew_is_no_older_copy(applied: tuple[Target, Mark], tmp_path: Path) -> None:
    """`pull --rebase`, an amend and a clone of depth 1: the run is in our audit, whatever its commit is called now."""
    target, mark = applied
    by_hand(target.inventory, "commit", "--amend", "-q", "-m", "another name")
    assert not git.contains(target.inventory, mark.commit or "")
    refuse_older_copy(target, {"server": mark})

    (target.folder / "note.txt").write_text("x")
    git.commit(target.inventory, [target.folder], "later")
    by_hand(tmp_path, "clone", "-q", "--depth", "1", f"file://{target.inventory}", str(tmp_path / "shallow"))
    refuse_older_copy(Target(tmp_path / "shallow", "bakery"), {"server": mark})


def test_the_same_files_are_no_older_copy(applied: tuple[Target, Mark]) -> None:
    """A run that left its summary uncommitted is known by what it read: dossier, reseller, pack; one byte decides."""
    target, mark = applied
    by_hand(target.inventory, "commit", "--amend", "-q", "-m", "another name")
    mark = mark.model_copy(update={"uncommitted": True})
    refuse_older_copy(target, {"server": mark})

    with (target.inventory / "resellers/ma-scop.yml").open("a") as file:
        file.write("# one line more\n")
    with pytest.raises(Busy, match="the dossier is the same"):
        refuse_older_copy(target, {"server": mark})


def test_an_older_copy_stays_one_and_what_differs_is_said(applied: tuple[Target, Mark]) -> None:
    """Without the run and with another dossier nothing is let through; so too where the dossier went back to what it was once."""
    target, mark = applied
    by_hand(target.inventory, "reset", "-q", "--hard", "HEAD~1")
    with (target.folder / "dossier.yml").open("a") as file:
        file.write("# an old line\n")
    git.commit(target.inventory, [target.folder], "elsewhere")

    with pytest.raises(Busy, match="your copy is older: server was last set by kim") as said:
        refuse_older_copy(target, {"server": mark})
    assert "00001-r1.json is not in this copy; the dossier is another too" in str(said.value)
    assert "taken out of the history: ask kim" in said.value.hint
