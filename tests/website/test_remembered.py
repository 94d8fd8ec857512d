"""The facts of a site told again without reading the dossier by its rules: only while nothing they were read of has changed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner import website
from provisioner.errors import BadInput, Missing
from provisioner.inventory.target import Target
from provisioner.website import remembered
from tests.stage import EXAMPLE

READ = """
import json, sys
from pathlib import Path
root, seen = sys.argv[1], []
def heard(what, words):
    if what == "open" and words and str(words[0]).startswith(root):
        seen.append(str(words[0])[len(root) + 1:])
sys.addaudithook(heard)
from provisioner import website
from provisioner.inventory.target import Target
found = website.facts(Target(Path(root), sys.argv[2]))
print(json.dumps({"seen": sorted(set(seen)), "pydantic": "pydantic" in sys.modules, "facts": found}))
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The example network, two of its offices served by one machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.copytree(EXAMPLE, tmp_path / "network")
    return Target(tmp_path / "network", "demo")


def asked(target: Target) -> dict[str, object]:
    """A process of its own: what it opened of the inventory, and what it was told."""
    words = [sys.executable, "-c", READ, str(target.inventory), target.office]
    found: dict[str, object] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return found


@pytest.mark.parametrize("office", sorted(path.parent.name for path in EXAMPLE.glob("offices/*/dossier.yml")))
def test_every_file_that_was_read_is_one_that_is_compared(target: Target, office: str) -> None:
    """The first reading opens what the second compares and nothing else; the second needs no rules and tells the same."""
    one = Target(target.inventory, office)
    first, second = asked(one), asked(one)

    assert set(json.loads((one.state / remembered.NOTE).read_text())["files"]) == set(first["seen"])  # type: ignore[call-overload]
    assert second["seen"] == first["seen"]
    assert (first["pydantic"], second["pydantic"]) == (True, False)
    assert second["facts"] == first["facts"]


@pytest.mark.parametrize("file", ["offices/demo/dossier.yml", "resellers/scop-lumiere.yml", "packs/standard-2026.1.yml"])
def test_whatever_changed_is_read_anew(target: Target, file: str) -> None:
    """A file that is wrong now is said, whatever was remembered; mended, all is as before."""
    before, path = website.facts(target), target.inventory / file
    text = path.read_text()
    path.write_text(text + "\nnonsense: 1\n")
    with pytest.raises(BadInput, match="nonsense"):
        website.facts(target)
    path.write_text(text)
    assert website.facts(target) == before
    path.unlink()
    with pytest.raises((BadInput, Missing)):
        website.facts(target)


def test_a_damaged_note_and_a_folder_that_is_refused_are_not_believed(target: Target, tmp_path: Path) -> None:
    """Nor a note made by other rules."""
    before, note = website.facts(target), target.state / remembered.NOTE
    whole = note.read_text()
    other = json.dumps({**json.loads(whole), "rules": "x", "facts": {"office": "another"}})
    for text in ("{", "[]", "{}", other, json.dumps({**json.loads(whole), "files": {}, "facts": {}})):
        note.write_text(text)
        assert website.facts(target) == before
        assert note.read_text() == whole
    (target.folder / "website/out.md").symlink_to(tmp_path)
    with pytest.raises(BadInput, match=r"out\.md"):
        website.facts(target)


def test_an_office_that_is_none_leaves_nothing_behind(target: Target) -> None:
    """Said as ever, and no folder of state is made for it."""
    for name in ("nobody", "../demo"):
        with pytest.raises(Missing):
            website.facts(Target(target.inventory, name))
    assert not list((Path(str(target.state)).parent).glob("nobody*"))
