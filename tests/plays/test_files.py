"""Small text files of a host: what is a comment there may stay."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def text_files() -> Any:
    """The module's own helpers, as they run on a host."""
    path = Path(__file__).parents[2] / "playbooks/plugins/module_utils/text_files.py"
    spec = importlib.util.spec_from_file_location("text_files", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WANTED = "fr_FR.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\n"
DEBIAN = (
    "# This file lists locales that you wish to have built.\n\n# de_DE.UTF-8 UTF-8\n# en_US.UTF-8 UTF-8\n# fr_FR.UTF-8 UTF-8\n"
)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (DEBIAN, DEBIAN.replace("# en", "en").replace("# fr", "fr")),
        (WANTED, WANTED),
        ("", WANTED),
        ("# a\nde_DE.UTF-8 UTF-8\nfr_FR.UTF-8 UTF-8\n", "# a\nfr_FR.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\n"),
    ],
)
def test_the_list_of_locales_is_not_rewritten_comment_by_comment(text_files: Any, was: str, becomes: str) -> None:
    """Two lines change of Debian's five hundred; what is in force is exactly ours, and the second time nothing changes."""
    once = text_files.commented(was, WANTED)

    assert once == becomes
    assert text_files.commented(once, WANTED) == once


def test_what_was_written_is_noted_and_what_changes_afterwards_is_seen(
    text_files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second apply writes no note anew; a hand, another mode, a file that is gone are each told by `check`'s own program."""
    from provisioner.hosts.programs import condition

    monkeypatch.setattr(text_files, "SEALS", str(tmp_path / "files.json"))
    monkeypatch.setattr(condition, "STATE", str(tmp_path))
    names = [tmp_path / name for name in ("same", "text", "mode", "gone", "surplus")]
    assert condition.drift()["files"] is None
    for path in names:
        path.write_text("x\n")
    text_files.seal([str(path) for path in names], [])
    at = (tmp_path / "files.json").stat()
    assert at.st_mode & 0o777 == 0o600
    text_files.seal([str(path) for path in names], [])
    assert (tmp_path / "files.json").stat().st_mtime_ns == at.st_mtime_ns
    assert condition.drift()["files"] == {}

    names[1].write_text("y\n")
    names[2].chmod(0o600)
    names[3].unlink()
    assert condition.drift()["files"] == {str(names[1]): "changed", str(names[2]): "changed", str(names[3]): "gone"}
    names[4].unlink()
    text_files.seal([str(names[1])], [str(names[2]), str(names[3]), str(names[4])])
    assert condition.drift()["files"] == {}
