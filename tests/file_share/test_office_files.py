"""Files that a technician copies into a share as root: what becomes of their names, their owner, and what is told."""

import importlib.util
import os
import pwd
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parents[2] / "playbooks/roles/file_share/files/office_files.py"
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def program() -> ModuleType:
    """The program of the server."""
    spec = importlib.util.spec_from_file_location("office_files", PROGRAM)
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (b"Devis: boulangerie 12h30.odt", "Devis: boulangerie 12h30.odt"),
        ("Été.odt".encode(), "Été.odt"),
        ("E\u0301te\u0301.odt".encode(), "Été.odt"),
        ("Été.odt".encode("cp1252"), "Été.odt"),
        (b"dossier fini.", "dossier fini\uf029"),
        (b"A faire ", "A faire\uf028"),
        (b"suite...", "suite..\uf029"),
        (b".bashrc", ".bashrc"),
        (b" devant", " devant"),
    ],
)
def test_a_name_reads_the_same_and_opens_everywhere(program: ModuleType, name: bytes, wanted: str) -> None:
    """What Samba's stand-ins cover stays as it is on the disk; an end, an encoding and accents are mended."""
    assert program.mended(name) == wanted
    assert program.mended(wanted.encode()) == wanted


def test_a_copied_folder_becomes_the_shares(program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Owner and modes for all, names where it is safe, the rest told with exit 1; a second time says only what is left."""
    top = tmp_path / "commun/ancien"
    (top / "archives 2019.").mkdir(parents=True)
    for name in ("archives 2019./note.txt", "A faire ", "aux", "Note.txt", "note.TXT", "dossier fini.", "dossier fini\uf029"):
        (top / name).write_text(name)
    (top / "Note.txt").chmod(0o600)
    (top / "lien").symlink_to("/etc/passwd")
    before = Path("/etc/passwd").stat().st_mode

    looked = program.main(["--look", str(top)], str(tmp_path), ME), capsys.readouterr().out
    kept = {path.name for path in top.iterdir()}
    done = program.main([str(top)], str(tmp_path), ME), capsys.readouterr().out
    again = program.main([str(top)], str(tmp_path), ME), capsys.readouterr().out

    assert "A faire " in kept
    assert looked == done
    assert done[0] == again[0] == 1
    assert "2 names are left that some computer cannot open" in done[1]
    assert "ancien/aux: is the name of a device on Windows" in again[1]
    assert "ancien/note.TXT: differs from its neighbour in capitals alone" in again[1]
    assert len(again[1].splitlines()) == 3
    names = {str(path.relative_to(top)) for path in top.rglob("*")}
    assert names == {
        *("archives 2019\uf029", "archives 2019\uf029/note.txt", "A faire\uf028", "aux", "Note.txt", "note.TXT", "lien"),
        *("dossier fini\uf029", "dossier fini\uf029 (2)"),
    }
    assert (top / "dossier fini\uf029 (2)").read_text() == "dossier fini."
    assert {(top / "Note.txt").stat().st_mode & 0o777, (top / "aux").stat().st_mode & 0o777} == {0o660}
    assert (top / "archives 2019\uf029").stat().st_mode & 0o777 == 0o770
    assert Path("/etc/passwd").stat().st_mode == before


@pytest.mark.parametrize("where", ["", "..", "commun/file", "nowhere"])
def test_only_folders_of_shares_are_touched(program: ModuleType, tmp_path: Path, where: str) -> None:
    """The folder of all shares, one beside it, a file, one that is not there: exit 2, and all is as it was."""
    root = tmp_path / "share"
    (root / "commun").mkdir(parents=True)
    (root / "commun/file").write_text("x")
    (tmp_path / "beside.").mkdir()

    assert program.main([str(root / where)], str(root), ME) == 2
    assert (tmp_path / "beside.").is_dir()
