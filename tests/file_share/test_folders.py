"""What somebody who left has in their folder reaches their successor whole, however often the move was cut short."""

import errno
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

MODULE = Path(__file__).parents[2] / "playbooks/roles/file_share/library/folders.py"
TEXTS = {"note": "une", "d/e/deep": "deux", "d/f": "trois", "à côté {{ 7*7 }}": "quatre"}
RENAME = os.rename


class Cut(Exception):
    """The power went."""


@pytest.fixture
def folders() -> ModuleType:
    """The module that hosts run."""
    spec = importlib.util.spec_from_file_location("folders", MODULE)
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Somebody's folder."""
    for name, text in TEXTS.items():
        path = tmp_path / "come" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "come/link").symlink_to("note")
    (tmp_path / "come/d").chmod(0o750)
    return tmp_path / "come"


def _refusing(refuse: Callable[[str, str], bool], steps: int) -> Callable[[str, str], None]:
    """A rename that leads only so far, and dies after so many steps."""
    left = iter(range(steps))

    def renamed(source: str, target: str) -> None:
        if refuse(source, target):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        if next(left, None) is None:
            raise Cut
        RENAME(source, target)

    return renamed


# an overlay's lower layer gives its files and keeps its folders; another disk gives neither
WAYS = {
    "one disk": lambda _source, _target: False,
    "lower layer": lambda source, _target: Path(source).is_dir(),
    "another disk": lambda source, _target: not source.endswith(".office-part"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("steps", range(8))
def test_a_move_that_was_cut_short_goes_on(
    folders: ModuleType, left: Path, monkeypatch: pytest.MonkeyPatch, way: str, steps: int
) -> None:
    """Cut after any step, the next call brings the rest; nothing is lost, nothing is there twice."""
    waits = left.parent / "zoe/.come.moving"
    waits.parent.mkdir()
    monkeypatch.setattr(os, "rename", _refusing(WAYS[way], steps))
    try:
        folders.carry(str(left), str(waits))
    except Cut:
        monkeypatch.setattr(os, "rename", _refusing(WAYS[way], 100))
        folders.carry(str(left), str(waits))

    found = {str(path.relative_to(waits)): path.read_text() for path in waits.rglob("*") if path.is_file()}
    assert found == TEXTS | {"link": "une"}
    assert (waits / "link").readlink() == Path("note")
    assert (waits / "d").stat().st_mode & 0o777 == 0o750
    assert not left.exists()


def test_what_came_anew_meanwhile_replaces_nothing(folders: ModuleType, left: Path) -> None:
    """A file of a name that has come over already gets another name."""
    waits = left.parent / ".come.moving"
    (waits / "d").mkdir(parents=True)
    (waits / "d/f").write_text("avant")

    folders.carry(str(left), str(waits))

    assert ((waits / "d/f").read_text(), (waits / "d/f (2)").read_text()) == ("avant", "trois")
