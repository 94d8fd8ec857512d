"""The audit's tail is held by the hosts too: cut with all its history, it is found by whoever asks them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.light import bring_up, light, power, state
from tests.stage import Stage

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two machines on which nothing but their address is set."""
    stage = light(tmp_path_factory.mktemp("audit"), {})
    try:
        bring_up(stage)
        assert stage.json("apply", "demo", "--lab", "--yes").code == 0
        yield stage
    finally:
        stage.run("lab", "down", "demo")


def summaries(stage: Stage) -> Path:
    """Where the lab's audit lies, in the stage's own state folder."""
    return state(stage) / "runs"


@pytest.mark.deep
@pytest.mark.parametrize("how", ["deleted", "altered"])
def test_a_run_cut_off_is_remembered_by_the_hosts(two: Stage, how: str) -> None:
    """The newest summary goes, or says something else: check and plan name it, apply does not write over the memory."""
    assert two.json("apply", "demo", "--lab", "--yes").code == 0
    assert two.json("runs", "check", "demo", "--lab").data["asked"] == ["router", "server"]
    newest = sorted(summaries(two).glob("*.json"))[-1]
    text = newest.read_text()
    newest.unlink() if how == "deleted" else newest.write_text(text.replace('"technician"', '"Technician"', 1))
    try:
        checked = two.json("runs", "check", "demo", "--lab")
        assert checked.code == 7
        assert any(newest.name in problem and "router remembers" in problem for problem in checked.data["problems"])
        planned = two.json("plan", "demo", "--lab")
        assert planned.code == 7, planned
        assert newest.name in planned.data["audit_differs"][0]
        applied = two.json("apply", "demo", "--lab", "--yes")
        assert applied.code == 7
        assert "was cut or altered" in applied.data["error"]
        forced = two.json("apply", "demo", "--lab", "--yes", "--force")
        assert forced.code == 0
        kept = json.loads(sorted(summaries(two).glob("*.json"))[-1].read_text())
        assert newest.name in kept["audit_differs"][0]
        assert kept["forced"] is True
    finally:
        for path in summaries(two).glob("*.json"):
            path.unlink()
        assert two.json("apply", "demo", "--lab", "--yes", "--force").code == 0


def test_hosts_that_cannot_be_asked_are_named(two: Stage) -> None:
    """Whole as far as anybody here can tell, and it says whom it could not ask."""
    power(two, "off", "server")
    try:
        said = two.json("runs", "check", "demo", "--lab")
    finally:
        power(two, "on", "server")
    assert said.code == 0, said
    assert said.data["asked"] == ["router"]
    assert "server" in said.data["unasked"]
