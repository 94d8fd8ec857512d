"""Our folders on a laptop that others use too: nobody else's is ever taken for ours."""

import os
from pathlib import Path

import pytest

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

    with pytest.raises(PermissionError, match="belongs to somebody else"):
        target.state_home()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """It leads where somebody else likes."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "provisioner").symlink_to(tmp_path / "theirs")

    with pytest.raises(PermissionError):
        target.state_home()
