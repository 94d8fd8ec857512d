"""What the module `units` finds to do, by what systemd says of each unit."""

import importlib.util
from pathlib import Path

import pytest

MODULE = Path(__file__).parents[2] / "playbooks/plugins/modules/units.py"
NEVER = {  # as systemd 257 shows a display manager that its package enabled and did not start
    "LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "enabled", "Type": "simple", "RemainAfterExit": "no",
    "ConditionResult": "no", "ConditionTimestampMonotonic": "0",
}  # fmt: skip


def differing(state: dict[str, str]) -> list[tuple[str, str, str]]:
    """What is to do for one wanted unit."""
    spec = importlib.util.spec_from_file_location("units", MODULE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    asked: dict[str, list[str]] = {"wanted": ["a.service"], "unwanted": [], "packaged": [], "restart": [], "reload": []}
    return list(module.differing(asked, {"a.service": state}))


@pytest.mark.parametrize(
    ("state", "done"),
    [
        ({}, ["start"]),  # enabled by its package, never tried: systemd says "no" of a condition that nobody looked at
        ({"ConditionTimestampMonotonic": "81234"}, []),  # tried, and not for this machine: a time server in a container
        ({"ActiveState": "failed", "ConditionResult": "yes", "ConditionTimestampMonotonic": "81234"}, ["start"]),
        ({"ActiveState": "active", "ConditionResult": "yes", "ConditionTimestampMonotonic": "81234"}, []),
        ({"UnitFileState": "disabled"}, ["enable", "start"]),
        ({"Type": "oneshot"}, []),
        ({"LoadState": "masked", "UnitFileState": "masked"}, ["unmask", "enable", "start"]),
    ],
)
def test_what_runs_and_what_does_not(state: dict[str, str], done: list[str]) -> None:
    """Each wanted unit is enabled and runs, but for a job that ends by itself and one whose condition fails here."""
    assert [word for word, _, _ in differing(NEVER | state)] == done
