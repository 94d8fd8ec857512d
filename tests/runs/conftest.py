"""An office with an audit."""

from pathlib import Path

import pytest

from provisioner.inventory.target import Target
from provisioner.runs import audit
from tests.record import handover
from tests.runs.summaries import entry, host
from tests.verbs import Run as Verb


@pytest.fixture
def office(run: Verb, tmp_path: Path) -> Target:
    """An office in git whose audit has three runs, each in a commit."""
    target = handover.office(tmp_path / "net", history=True)
    for number in range(1, 4):
        audit.keep(target.summaries, {**entry(number), "verb": "apply", "hosts": {"server": host(ok=9, changed=1).counts}})
        handover.save(target.inventory, f"run {number}")
    assert run("runs", "check", "demo", "--inventory", target.inventory).code == 0
    return target
