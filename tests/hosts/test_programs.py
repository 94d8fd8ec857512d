"""The programs that run on a host: each goes there as one text, with all that it imports of ours."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.hosts import programs

NAMES = sorted(path.stem for path in Path(programs.__file__).parent.glob("[!_]*.py"))


def run(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A program's text as a host begins it, where nothing of ours is installed."""
    words = [sys.executable, "-I", "-S", "-c", programs.BOOT]
    return subprocess.run(words, input=programs.given(text, {}), capture_output=True, text=True, check=False, cwd=folder)


def test_what_two_imports_share_goes_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose two imports share a third one: it is executed once, before them, and both have the same one."""
    ours = "from provisioner.hosts.programs"
    texts = {
        "ground": "print('ground')\nclass Thing: ...\n",
        "left": f"{ours}.ground import Thing\nprint('left')\n",
        "right": f"{ours}.ground import (\n    Thing,\n)\nprint('right')\n",
        "whole": f"{ours}.left import Thing as one\n{ours}.right import (\n    Thing,\n)\n{ours}.ground import Thing as own\n"
        "print(one is Thing is own)\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(programs, "__file__", str(tmp_path / "__init__.py"))

    done = run(programs.source("whole"), tmp_path)

    assert done.stdout.split() == ["ground", "left", "right", "True"], done
    assert programs.source("ground") == texts["ground"], "one that imports none of ours is its own text"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "witness"])  # it runs where Samba's own library is
def test_a_program_stands_alone(name: str, tmp_path: Path) -> None:
    """Whatever it imports is in its text or in Python's standard library; each module of ours is in it once."""
    said = "print(json.dumps([name for name in sys.modules if name.startswith('provisioner')]))"
    text = f"import types; exec({programs.source(name)!r}, vars(types.ModuleType('it')))\n{said}"

    done = run(text, tmp_path)

    assert done.returncode == 0, done.stderr
    assert programs.source(name).count("types.ModuleType(") == len(json.loads(done.stdout))
