"""A reader that goes early and a terminal of few signs are no errors."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import GIT

CALL = [sys.executable, "-m", "provisioner.cli"]


@pytest.mark.parametrize(
    ("words", "code"),
    [("office show demo", 0), ("office list", 0), ("pack show standard-2026.1", 0), ("office list --json", 0), ("--help", 0),
     ("office show nowhere", 2)],
)  # fmt: skip
def test_a_reader_that_has_seen_enough_ends_no_verb(words: str, code: int) -> None:
    """`| head -1`, and a reader that is gone before the first line: the verb's own exit code, nothing on stderr but its error."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*CALL, *words.split()], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)

    assert done.returncode == code, done
    assert "roken pipe" not in done.stderr
    assert (done.stderr == "") == (code == 0)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp437"])
def test_a_terminal_of_few_signs_shows_the_nearest(encoding: str) -> None:
    """An œ is oe where there is none; `--json` loses nothing."""
    environment = GIT | {"PYTHONIOENCODING": encoding, "PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    environment |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    for words in ("office show demo", "pack show standard-2026.1", "office list", "person list demo"):
        done = subprocess.run([*CALL, *words.split()], capture_output=True, check=False, env=environment)
        assert done.returncode == 0, done
        assert b"Traceback" not in done.stderr
    plain = subprocess.run([*CALL, "office", "show", "demo"], capture_output=True, check=True, env=environment).stdout
    text = plain.decode(encoding)
    assert "oe" in text
    told = subprocess.run([*CALL, "office", "show", "demo", "--json"], capture_output=True, check=True, env=environment).stdout
    assert "\u0153" in str(json.loads(told.decode("ascii")))
