"""Whatever kills `remote open` or `close`, whatever it writes then: no office is marked open that was not met and told why."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.laptop.processes import as_root

pytestmark = pytest.mark.lab

INSIDE = """mount -t tmpfs none /run
printf '127.0.0.1 localhost hub.lumiere.example\\n' >"$1/hosts"
mount --bind "$1/hosts" /etc/hosts
exec "$3" -m tests.remote.killed "$1" "$2"
"""


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.deep)])
def test_a_killed_open_or_close_leaves_no_office_marked_open(tmp_path: Path, step: int) -> None:
    """Marked open means: met by its way, told who came and why, kept in the audit, led there; one `close` takes all away."""
    apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc"]
    words = as_root([*apart, "sh", "-ec", INSIDE, "sh", str(tmp_path), str(step), sys.executable], keep=["PATH", "PYTHONPATH"])
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    opens, closes = [[one for one in seen if one["do"] == do] for do in ("open", "close")]

    assert len(opens) > 40 / step
    assert len(closes) > 8 / step
    assert [one["ended"] for one in seen if one["ended"] != 9] == [0, 0]
    for one in opens:
        new = {word: one["after"][word] - one["before"][word] for word in ("noted", "kept")}
        if one["after"]["open"]:
            assert (new, one["after"]["led"]) == ({"noted": 1, "kept": 1}, True), one
    assert opens[-1]["after"]["open"]
    for one in closes:
        assert one["before"]["open"], one
        assert not one["after"]["open"] or one["after"]["led"], one
    for one in seen:
        assert (one["again"], one["closed"]["open"], one["closed"]["link"]) == (0, False, False), one
