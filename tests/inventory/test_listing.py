"""The list of offices: right after every change, quick when nothing changed."""

import os
from pathlib import Path

import pytest

from provisioner.inventory import listing, open_inventory, strict_yaml
from tests import network


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A network of five generated offices."""
    return network.generate(tmp_path / "net", 5)


def cache() -> Path:
    return next(Path(os.environ["XDG_CACHE_HOME"]).rglob("offices-*.json"))


def test_line_of_an_office(root: Path) -> None:
    """A line says who, where, by whom, with what, and how many."""
    assert open_inventory(root).lines()[3] == listing.OfficeLine(
        "office-00003", "L'Atelier n° 3", "Lyon", "breizh-libre", "standard-2026.1", 5, 3
    )
    assert open_inventory(root).check() == []


def test_unchanged_offices_are_not_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second list reads no dossier; a changed, a new and a removed one are noticed."""
    inventory = open_inventory(root)
    first = inventory.lines()
    read: list[str] = []
    load = strict_yaml.load

    def noted(path: Path, file: str) -> strict_yaml.Document:
        read.append(path.parent.name)
        return load(path, file)

    monkeypatch.setattr(strict_yaml, "load", noted)

    written = cache().stat()
    assert inventory.lines() == first
    assert read == []
    assert (cache().stat().st_ino, cache().stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    changed = root / "offices" / "office-00001" / "dossier.yml"
    changed.write_text(changed.read_text().replace("Lyon", "Sète"))
    (root / "offices" / "office-00002").rename(root / "offices" / "autre")
    (root / "offices" / "office-00004" / "dossier.yml").unlink()
    lines = {line.name: line for line in inventory.lines()}
    assert sorted(read) == ["autre", "office-00001", "office-00004"]
    assert list(lines) == ["autre", "office-00000", "office-00001", "office-00003", "office-00004"]
    assert lines["office-00001"].city == "Sète"
    assert lines["office-00004"].trouble == "no dossier.yml"


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\xff\x00", None])
def test_damaged_cache_is_made_again(root: Path, damage: bytes | None) -> None:
    """A cache that was cut, overwritten or flipped in one bit costs time, never a wrong line."""
    inventory = open_inventory(root)
    first = inventory.lines()
    content = cache().read_bytes()
    cache().write_bytes(content.replace(b"Lyon", b"Lyot", 1) if damage is None else damage)

    assert inventory.lines() == first
    assert cache().read_bytes() == content


def test_wrong_dossier_is_listed_with_its_trouble(root: Path) -> None:
    """An office whose dossier cannot be read is in the list, and says why."""
    (root / "offices" / "office-00000" / "dossier.yml").write_text("a: 1\na: 2\n")
    (root / "offices" / "office-00001" / "dossier.yml").write_text("organisation: 3\nhosts: []\n")

    lines = open_inventory(root).lines()

    assert (
        lines[0].trouble
        == "offices/office-00000/dossier.yml:2: a: is written twice, first in line 1; try deleting one of the two"
    )
    assert (lines[1].organisation, lines[1].hosts) == ("", 0)


def test_read_only_cache_folder_costs_time_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that cannot be written, on a full disk, is no error."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    assert len(open_inventory(root).lines()) == 5


def test_one_office_reads_three_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading one office opens its dossier, its member and its pack and lists its own folder, however many offices there are."""
    opened: list[str] = []
    load = strict_yaml.load

    def noted(path: Path, file: str) -> strict_yaml.Document:
        opened.append(file)
        return load(path, file)

    monkeypatch.setattr("provisioner.inventory.files.load", noted)

    scandir = os.scandir
    listed: set[str] = set()

    def own(folder: Path) -> object:
        listed.add(Path(folder).relative_to(root).parts[1])
        return scandir(folder)

    with monkeypatch.context() as blind:
        blind.setattr(os, "scandir", own)
        blind.setattr(os, "listdir", None)
        open_inventory(root).office("office-00003")

    assert listed == {"office-00003"}
    assert opened == ["offices/office-00003/dossier.yml", "resellers/breizh-libre.yml", "packs/standard-2026.1.yml"]


def test_a_pipe_is_listed_as_trouble(root: Path) -> None:
    """A dossier that is no file is not waited for."""
    dossier = root / "offices" / "office-00000" / "dossier.yml"
    dossier.unlink()
    os.mkfifo(dossier)
    writer = os.open(dossier, os.O_RDWR)  # so that a reader that opens it gets an answer instead of hanging this test
    os.write(writer, b"a: 1\n" * 10)
    try:
        assert open_inventory(root).lines()[0].trouble == "offices/office-00000/dossier.yml: is not a file"
    finally:
        os.close(writer)
