"""The router that goes before each kind of task that changes it, while the run works on the server too (rows F1 to F3).

Its own roles are played here. Every way before each kind of task.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest

from provisioner import lab
from provisioner.explain import FELL_SILENT
from provisioner.inventory.target import Target
from tests.deep.faults import SHORT_S, Fault, Waiting, case, kill_all, kill_tool
from tests.deep.office import KINDS, reference

pytestmark = [pytest.mark.lab, pytest.mark.deep]


def router_cut_short(run: Waiting) -> None:
    """The router's cable to the office pulled for some seconds."""
    lab.cut(run.stage.target, "router")
    run.go()
    time.sleep(SHORT_S)
    lab.mend(run.stage.target, "router")
    _true(run.end())


def router_cut_long(run: Waiting) -> None:
    """The same cable pulled until the run has ended."""
    _gone(run, lab.cut, lab.mend)


def router_power_cut(run: Waiting) -> None:
    """The router's power cut, and on again when the run has ended."""
    _gone(run, lab.power_off, lab.power_on)


def _gone(run: Waiting, away: Callable[[Target, str], None], back: Callable[[Target, str], None]) -> None:
    away(run.stage.target, "router")
    try:
        run.go()
        said = run.end()
    finally:
        back(run.stage.target, "router")
    _true(said)


def _true(said: dict[str, Any]) -> None:
    """The router that went is said to have gone silent; the server was there all the time, and the exit code is that of both."""
    router, server = (said["hosts"][name] for name in ("router", "server"))
    assert server["unreachable"] == 0, said
    assert said["code"] == (4 if router["failed"] or server["failed"] else 5 if router["unreachable"] else 0), said
    if router["unreachable"]:
        assert said["problems"]["router"]["problem"].startswith((FELL_SILENT, "router (")), said


WAYS: dict[Fault, str] = {
    kill_tool: "F1", kill_all: "F1", router_cut_short: "F2", router_cut_long: "F2", router_power_cut: "F3",
}  # fmt: skip


@pytest.mark.parametrize("kind", (*KINDS, "own"))
@pytest.mark.parametrize("way", [pytest.param(way, id=way.__name__, marks=pytest.mark.case(row)) for way, row in WAYS.items()])
def test_a_router_that_goes_before_a_kind_of_task_is_taken_up_again(way: Fault, kind: str) -> None:
    """The next plain apply is done, one more changes nothing, each machine is what an uninterrupted run makes of it."""
    case(way, reference(whole=True).boundaries["router"][kind], whole=True)
