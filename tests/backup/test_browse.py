"""Looking into a snapshot: what a folder holds, what is not there, and how much is told at once."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from provisioner.backup.lines import Files, read
from tests import network
from tests.verbs import Run

FILES = Path(__file__).parents[2] / "playbooks/roles/backup/files"
ID = "313cd836" * 8
# What restic 0.18 said of /srv/share/commun: the folders on the way come too.
LINES: list[dict[str, Any]] = [
    {"struct_type": "snapshot", "id": ID, "paths": ["/etc", "/srv/share"]},
    *(
        {"struct_type": "node", "type": kind, "path": path, "size": size, "mtime": "2026-11-28T11:20:14.123+01:00"}
        for path, kind, size in (
            ("/srv", "dir", 0), ("/srv/share", "dir", 0), ("/srv/share/commun", "dir", 0),
            ("/srv/share/commun/Été 2026", "dir", 0), ("/srv/share/commun/a b.txt", "file", 12),
            ("/srv/share/commun/Été 2026/deep", "file", 1), ("/srv/share/commun/pipe", "fifo", 0),
        )
    ),
]  # fmt: skip


class Place:
    """A repository of one snapshot; restic's answers as it gave them."""

    name = "disk"

    def __init__(self, lines: list[dict[str, Any]], *, there: bool = True) -> None:
        self.lines, self.there = lines, there

    def present(self) -> bool:
        """Whether it is there."""
        return self.there

    def ask(self, *words: str, on_line: Callable[[str], None] | None = None) -> str:
        """restic's answer."""
        if words[0] == "snapshots":
            one = {"id": ID, "short_id": ID[:8], "time": "2026-11-28T11:20:49.17+01:00", "paths": ["/etc", "/srv/share"]}
            return json.dumps([one])
        assert words == ("ls", "--json", "--no-lock", ID, words[-1])
        assert on_line
        for line in self.lines:
            on_line(json.dumps(line) + "\n")
        return ""


@pytest.fixture
def browse(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The host's own program."""
    monkeypatch.setattr(sys, "path", [str(FILES), *sys.path])
    import browse  # type: ignore[import-not-found]

    return browse  # type: ignore[no-any-return]


def voice(browse: ModuleType) -> None:
    """Its lines come to where this test listens."""
    del browse
    sys.modules["places"].VOICE[0] = sys.stdout


def told(capsys: pytest.CaptureFixture[str]) -> Files:
    """Its one line, as our side reads it."""
    found = read(capsys.readouterr().out)
    assert isinstance(found, Files)
    return found


@pytest.mark.parametrize(
    ("path", "entries"),
    [
        ("", [("/etc", "dir", 0), ("/srv/share", "dir", 0)]),
        ("/", [("/etc", "dir", 0), ("/srv/share", "dir", 0)]),
        ("/srv/share/commun/", [
            ("/srv/share/commun/a b.txt", "file", 12), ("/srv/share/commun/pipe", "other", 0),
            ("/srv/share/commun/Été 2026", "dir", 0),
        ]),
        ("/srv/share/commun/a b.txt", [("/srv/share/commun/a b.txt", "file", 12)]),
    ],
)  # fmt: skip
def test_a_folder_shows_what_lies_in_it(
    browse: ModuleType, capsys: pytest.CaptureFixture[str], path: str, entries: list[tuple[str, str, int]]
) -> None:
    """Its children alone, or the one file; without a path, what the snapshot was made of."""
    voice(browse)
    assert browse.listed(Place(LINES), "latest", path)

    assert [(one.path, one.kind, one.bytes) for one in told(capsys).files] == entries


def test_what_is_not_there_is_the_askers_mistake(browse: ModuleType) -> None:
    """A misspelt folder, a relative one, an unknown snapshot; and a place where nothing was backed up yet."""
    for wanted, path, said in (
        ("latest", "/srv/share/comun", f"there is no /srv/share/comun in the snapshot {ID[:8]} of 2026-11-28T11:20"),
        ("latest", "srv", "a path begins with /"),
        ("ffff", "", "there is no snapshot ffff on disk"),
    ):
        with pytest.raises(browse.Wrong, match=said):
            browse.listed(Place(LINES[:2]), wanted, path)
    with pytest.raises(browse.Trouble, match="nothing was backed up there yet"):
        browse.listed(Place([], there=False), "latest", "")


def test_a_folder_of_many_is_told_in_part(browse: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Five thousand at most, and how many more there are."""
    many = [{"struct_type": "node", "type": "file", "path": f"/srv/{n:06}", "size": 1, "mtime": ""} for n in range(5003)]
    voice(browse)
    assert browse.listed(Place(many), "latest", "/srv")

    found = told(capsys)
    assert (len(found.files), found.more, found.files[0].path) == (5000, 3, "/srv/000000")


def test_a_time_without_files_is_said(run: Run, tmp_path: Path) -> None:
    """`--at` chooses what to look into: alone it would do nothing."""
    network.with_office(tmp_path / "net")
    said = run("--inventory", tmp_path / "net", "--json", "backup", "list", "demo", "--at", "2026-11-28")

    assert (said.code, said.data["hint"]) == (2, "provisioner backup list demo --files --at '2026-11-28'")
