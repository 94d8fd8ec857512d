"""The two ends of a way in, real ones: whether the hub answers is asked now, not read off what was agreed minutes ago."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.laptop.processes import as_root

pytestmark = pytest.mark.lab


def test_a_hub_with_a_new_key_is_not_heard_at_once(tmp_path: Path) -> None:
    """The last key was agreed seconds ago and counts for three minutes; the hub that has another now gives no sign by it."""
    apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc"]
    words = as_root([*apart, sys.executable, "-m", "tests.remote.ends", str(tmp_path)], keep=["PATH", "PYTHONPATH"])
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    met, changed, learnt = [json.loads(line) for line in done.stdout.splitlines()]

    assert [one["answered"] for one in (met, changed, learnt)] == [True, False, True]
    assert changed["heard_s"] < 60
    assert max(one["took_s"] for one in (met, changed, learnt)) < 20
