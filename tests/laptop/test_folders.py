"""Our folders on a laptop that others use too: nobody else's is ever taken for ours."""

import os
from pathlib import Path

import pytest

from provisioner.errors import BadInput
from provisioner.inventory import target


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_a_folder_of_ours_is_made_private(tmp_path: Path) -> None:
    """Made 0700; one that was left open is closed."""
    assert target.state_home().stat().st_mode & 0o777 == 0o700
    (tmp_path / "provisioner").chmod(0o755)
    assert target.state_home().stat().st_mode & 0o777 == 0o700


def test_somebody_elses_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a place where anybody may write, another could have made it first: they would read our secrets there."""
    (tmp_path / "provisioner").mkdir(mode=0o700)
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)

    with pytest.raises(BadInput, match="is no folder of yours"):
        target.state_home()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """It leads where somebody else likes."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "provisioner").symlink_to(tmp_path / "theirs")

    with pytest.raises(BadInput):
        target.state_home()


def test_a_file_in_its_place_is_one_sentence(tmp_path: Path) -> None:
    """No traceback for what lies where our folder should."""
    (tmp_path / "provisioner").touch()
    with pytest.raises(BadInput, match="no folder can be made"):
        target.state_home()


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_somebody_made_our_folder_in_memory_first(what: str, tmp_path: Path) -> None:
    """In /dev/shm anybody may take our name, and one like it: ours is elsewhere then, for every call the same."""
    shared, mine = tmp_path / "shm", os.getuid()
    shared.mkdir()
    for name in (f"provisioner-{mine}", f"pro-{mine}-0"):
        if what == "folder":
            if mine:
                pytest.skip("only root gives a folder away")
            (shared / name).mkdir()
            os.chown(shared / name, mine + 1, -1)
        elif what == "file":
            (shared / name).touch()
        else:
            (shared / name).symlink_to(tmp_path)

    found = target._in_memory(shared)

    assert found == target._in_memory(shared)
    assert found.name.startswith(f"pro-{mine}-")
    assert (found.stat().st_uid, found.stat().st_mode & 0o777) == (mine, 0o700)
    assert not found.is_symlink()
