"""What a backup's choices rest on: which snapshot is meant, and that a restore that was killed is undone."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from provisioner.backup.snapshots import Snapshot, choose
from provisioner.errors import BadInput

FILES = Path(__file__).parents[2] / "playbooks/roles/backup/files"


def at(day: int, hour: int, name: str) -> Snapshot:
    return Snapshot(name * 8, "disk", datetime(2026, 11, day, hour, tzinfo=UTC), "server", 1)


NIGHTS = [at(20, 1, "a"), at(22, 1, "c"), at(21, 1, "b"), at(21, 23, "d")]


@pytest.mark.parametrize(
    ("when", "meant"),
    [
        ("", "c"),
        ("bbbb", "b"),
        ("2026-11-20", "a"),
        ("2026-11-21", "b"),  # 23:00 UTC is the next day in Paris
        ("2026-11-22 00:30", "d"),
        ("2026-11-21T02:00", "b"),
        ("2026-11-21T01:59", "a"),
        ("2030-01-01", "c"),
    ],
)
def test_a_day_or_a_moment_means_the_newest_of_then_or_before(when: str, meant: str) -> None:
    """Times are the office's; a day alone means its end; an id may be cut short."""
    assert choose(NIGHTS, when, "Europe/Paris").id == meant * 8


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("2026-11-19", "no snapshot of 2026-11-19 or before"),
        ("ffff", "no snapshot begins with ffff"),
        ("last week", "'last week' is neither a snapshot nor a time"),
        ("2026-13-01", "neither"),
    ],
)
def test_a_time_before_all_backups_is_said(when: str, said: str) -> None:
    """What is not kept gets one clear message."""
    with pytest.raises(BadInput, match=said):
        choose(NIGHTS, when, "Europe/Paris")


@pytest.fixture
def recovery(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The host's own program for restoring, with its work folder here."""
    monkeypatch.setattr(sys, "path", [str(FILES), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("recovery", "places", "directory"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import recovery as found  # type: ignore[import-not-found]

    monkeypatch.setattr(found, "WORK", str(tmp_path / "work"))
    module: ModuleType = found
    return module


@pytest.mark.parametrize("killed_after", ["note", "old", "new"])
def test_a_killed_restore_is_undone_by_the_next(recovery: ModuleType, tmp_path: Path, killed_after: str) -> None:
    """Wherever the power went, the next call finds the machine as it was before the restore, and no stage is left."""
    room, target, added = tmp_path / "work/restore", tmp_path / "share/file", tmp_path / "share/added"
    aside = Path(f"{room}/old{target}")
    for folder in (room / "new", target.parent, aside.parent):
        folder.mkdir(parents=True)
    target.write_text("as it was")
    (room / "moving.json").write_text(json.dumps({"pairs": [[str(target), str(aside)]], "new": [str(added)]}) + "\n")
    if killed_after in ("old", "new"):
        target.rename(aside)
    if killed_after == "new":
        target.write_text("from the backup")
        added.write_text("from the backup")

    recovery.undo()
    recovery.undo()

    assert target.read_text() == "as it was"
    assert not added.exists()
    assert not room.exists()


def test_a_finished_restore_stays(recovery: ModuleType, tmp_path: Path) -> None:
    """Once all has gone well only the stages go, and what was replaced with them."""
    target = tmp_path / "share"
    staged = tmp_path / "work/restore/new/share"
    for folder in (target, staged):
        folder.mkdir(parents=True)
    (target / "old").touch()
    (staged / "new").touch()
    item = recovery.Item("share", "/share", str(target))

    recovery.swap([item])
    recovery.undo()

    assert [path.name for path in target.iterdir()] == ["new"]
    assert not (tmp_path / "work/restore").exists()


def test_what_cannot_be_moved_in_leaves_everything_as_it_was(
    recovery: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two trees fails: the first one is taken back too."""
    items = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").touch()
        (tmp_path / "work/restore/new" / name).mkdir(parents=True)
        items.append(recovery.Item(name, f"/{name}", str(tmp_path / name)))
    move = recovery.move

    def failing(source: str, target: str) -> None:
        if source.endswith("new/two"):
            raise recovery.Trouble("the disk broke")
        move(source, target)

    monkeypatch.setattr(recovery, "move", failing)
    with pytest.raises(recovery.Trouble):
        recovery.swap(items)

    assert [path.name for name in ("one", "two") for path in (tmp_path / name).iterdir()] == ["old", "old"]
