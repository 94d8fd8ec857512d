"""Links that lead out, pipes, what editors and copiers leave, a git's conflict: named, unread, and hiding nothing else."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.laptop import strays
from tests.verbs import BAKERY, Run

SECRET = "root:$6$nobody-shall-see-this:1:0\n"


@pytest.fixture
def bakery(run: Run, net: Path) -> Path:
    """An inventory with one office; its root."""
    assert run("office", "new", "bakery", *BAKERY, "--person", "zoe=Zoé").code == 0
    return net


def link(path: Path, to: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(to)


def pipe(path: Path, _: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def big(path: Path, _: Path) -> None:
    path.write_bytes(b"#" * (strays.SIZE_LIMIT + 1))


WAYS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "link": (link, "is a link that leads out of the inventory, and is not read"),
    "pipe": (pipe, "is not a file"),
    "big": (big, "bytes, 1000000 are the limit"),
}
READ = ("resellers/ma-scop.yml", "packs/standard-2026.1.yml", "offices/bakery/dossier.yml", "offices/bakery/vault.yml",
        "offices/bakery/known_hosts", "offices/bakery/vault.key")  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", READ)
def test_what_leads_out_is_named_and_not_read(name: str, way: str, run: Run, bakery: Path, tmp_path: Path) -> None:
    """A colleague's branch could make a dossier show a private key, or a pipe make a verb wait for ever."""
    (tmp_path / "shadow").write_text(SECRET)
    make, message = WAYS[way]
    make(bakery / name, tmp_path / "shadow")

    for words in (("inventory", "check"), ("office", "show", "bakery"), ("secrets", "show", "bakery"), ("plan", "bakery"),
                  ("person", "add", "bakery", "luc", "--name", "Luc", "--group", "team")):  # fmt: skip
        said = run(*words)
        assert said.code in (2, 7), said
        assert name in said.out + said.err
        assert message in said.out + said.err
        assert "nobody-shall-see-this" not in said.out + said.err
    assert (tmp_path / "shadow").read_text() == SECRET


@pytest.mark.parametrize("name", ["runs", "records", "website", "."])
def test_a_folder_that_leads_out_is_not_written_into(name: str, run: Run, bakery: Path, tmp_path: Path) -> None:
    """Neither is anything put where a link of somebody else's points."""
    outside = tmp_path / "outside"
    folder = (bakery / "offices/bakery" / name).resolve()
    if name == ".":
        shutil.move(folder, outside)
    else:
        outside.mkdir()
    folder.symlink_to(outside)
    before = sorted(outside.rglob("*"))

    for words in (
        ("record", "new", "bakery"),
        ("person", "add", "bakery", "luc", "--name", "Luc"),
        ("secrets", "set", "bakery", "x"),
    ):
        said = run(*words)
        assert said.code == 2, said
        assert "is a link that leads out of the inventory" in said.err
    assert sorted(outside.rglob("*")) == before


def test_a_link_within_the_inventory_is_read(run: Run, bakery: Path) -> None:
    """Two offices of one client may share their pages."""
    shutil.move(bakery / "packs/standard-2026.1.yml", bakery / "shared.yml")
    (bakery / "packs/standard-2026.1.yml").symlink_to("../shared.yml")

    assert run("inventory", "check").code == 0
    assert run("pack", "show", "standard-2026.1").code == 0


LEFT = (".#coop.yml", "coop.yml~", "._coop.yml", ".DS_Store", ".coop.yml.swp", "#coop.yml#", "coop.yml.orig", "Thumbs.db")


def test_what_editors_leave_is_no_reseller(run: Run, bakery: Path) -> None:
    """Left-overs are ignored wherever files are listed; what looks like a copy is a warning; the verbs go on."""
    before = [run(*words).out for words in (("reseller", "list"), ("pack", "list"), ("office", "list"))]
    for folder in ("resellers", "packs", "offices/bakery", "resellers/revoked"):
        (bakery / folder).mkdir(exist_ok=True)
        for name in LEFT:
            (bakery / folder / name).write_bytes(b"\0\5\26\7")
    (bakery / "resellers/.#ma-scop.yml").symlink_to("claire@laptop.4242:1790000000")
    shutil.copy(bakery / "resellers/ma-scop.yml", bakery / "resellers/ma-scop (conflicted copy 2026-11-02).yml")
    shutil.copytree(bakery / "offices/bakery", bakery / "offices/bakery (copy)", symlinks=True)

    said = run("inventory", "check")
    assert said.code == 0, said
    assert said.out.count("warning: looks like a copy") == 2
    assert "resellers/ma-scop (conflicted copy 2026-11-02).yml: warning: looks like a copy" in said.out
    assert "1 office, 0 problems, 2 warnings" in said.out
    assert [run(*words).out for words in (("reseller", "list"), ("pack", "list"), ("office", "list"))] == before
    assert run("person", "add", "bakery", "luc", "--name", "Luc", "--group", "team").code == 0


def test_one_bad_file_hides_no_other(run: Run, bakery: Path) -> None:
    """A link to nothing, a file that is no YAML and one with a wrong word are all told of in one go."""
    (bakery / "resellers/gone.yml").symlink_to("nowhere.yml")
    (bakery / "resellers/torn.yml").write_text("a: [\n")
    (bakery / "resellers/revoked").mkdir()
    (bakery / "resellers/revoked/x.json").write_text("{")

    for words in (("reseller", "list"), ("inventory", "check")):
        said = run(*words)
        assert said.code in (2, 7)
        assert "resellers/gone.yml: is a link to nothing" in said.out + said.err
        assert "resellers/torn.yml:2: a quote or bracket is opened and not closed" in said.out + said.err
    assert "resellers/revoked/x.json is no revocation any more" in said.out
    assert run("office", "show", "bakery").code == 0


def test_a_conflict_of_git_is_called_what_it_is(run: Run, bakery: Path) -> None:
    """Its marks are no mistake of YAML: the line where they begin, and what to do."""
    path = bakery / "offices/bakery/dossier.yml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "<<<<<<< HEAD", lines[3], "=======", lines[3], ">>>>>>> theirs", *lines[4:]]))

    said = run("inventory", "check")

    assert said.code == 7
    assert "offices/bakery/dossier.yml:4: the two sides of a git merge stand here, unreconciled (<<<<<<< HEAD)" in said.out
    assert said.out.count("dossier.yml:") == 1
