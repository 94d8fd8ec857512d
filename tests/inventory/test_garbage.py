"""A dossier may be anything: it is read or refused in words, at once, and nothing is done for it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.inventory.garbage import CPU_S, PEAK_MB

ROOT = Path(__file__).parents[2]


def tried(seed: int, examples: int) -> dict[str, float]:
    """What so many garbage dossiers came to, in a process of their own (`garbage.py`)."""
    command = [sys.executable, "-m", "tests.inventory.garbage", str(seed), str(examples)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-6000:]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.case("F12")
@pytest.mark.parametrize(
    ("seed", "examples"),
    [pytest.param(0, 400), *(pytest.param(seed, 5_000, marks=pytest.mark.deep) for seed in range(1, 21))],
)
def test_garbage_is_read_or_refused(seed: int, examples: int) -> None:
    """No traceback, no program started, no connection, no file touched; at most 2 s and 300 MB each; what is wrong is said."""
    found = tried(seed, examples)

    assert found["examples"] >= examples
    assert found["worst_s"] < CPU_S
    assert found["peak_mb"] < PEAK_MB
