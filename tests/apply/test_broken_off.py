"""Runs broken off before each kind of task, in every way, and taken up again (rows F1 to F3 of the deep suite).

Every way before each kind of task, and at random moments too; `make deep` runs them.
"""

from pathlib import Path

import pytest

from tests.deep.faults import Fault, case, cut_long, cut_short, in_dpkg, kill_all, kill_tool, power_cut
from tests.deep.office import KINDS, office, reference

pytestmark = [pytest.mark.lab, pytest.mark.deep]

WAYS: dict[Fault, str] = {kill_tool: "F1", kill_all: "F1", cut_short: "F2", cut_long: "F2", power_cut: "F3"}
KILLS = (kill_tool, kill_all)


@pytest.mark.parametrize("kind", (*KINDS, "own"))
@pytest.mark.parametrize("way", [pytest.param(way, id=way.__name__, marks=pytest.mark.case(row)) for way, row in WAYS.items()])
def test_a_run_broken_off_before_a_kind_of_task_is_taken_up_again(way: Fault, kind: str) -> None:
    """Of the server's: the next plain apply is done, one more changes nothing, each machine is as if uninterrupted."""
    case(way, reference().boundaries["server"][kind])


@pytest.mark.case("F1")
@pytest.mark.parametrize("seed", range(15))
def test_a_run_killed_at_a_random_moment_is_taken_up_again(seed: int) -> None:
    """The same, somewhere inside a task, of the server's or of the router's."""
    case(KILLS[seed % 2], *reference(whole=True).moment(seed), whole=True)


@pytest.mark.case("F3")
@pytest.mark.parametrize("seed", range(15))
def test_a_power_cut_inside_dpkg_is_mended(seed: int) -> None:
    """The machine boots with half-installed packages; the next plain apply finishes them."""
    in_dpkg(seed)


def test_what_a_killed_suite_left_does_not_stop_the_next(tmp_path: Path) -> None:
    """Its lab and its folder are taken away before a new one comes up in the same place."""
    killed = office(tmp_path / "left")
    killed.__enter__()  # and never left
    with office(tmp_path / "left") as stage:
        assert stage.on("server", "sudo id -u").strip() == "0"
    assert not (tmp_path / "left").exists()
