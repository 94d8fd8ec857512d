"""Runs broken off before each task that changes a machine, in every way, and taken up again (rows F1 to F3 of the matrix).

`make test` runs one case of each row; `make matrix` every way at every boundary, and at random moments too.
"""

from pathlib import Path

import pytest

from tests.matrix.faults import Fault, case, cut_long, cut_short, in_dpkg, kill_all, kill_tool, power_cut
from tests.matrix.office import office, reference

pytestmark = pytest.mark.lab

WAYS: dict[Fault, str] = {kill_tool: "F1", kill_all: "F1", cut_short: "F2", cut_long: "F2", power_cut: "F3"}
# Where `make test` breaks off, as a part of the whole run: before the packages, and among the handlers.
SPREAD: dict[Fault, float] = {kill_tool: 0.3, cut_short: 0.7}
KILLS = (kill_tool, kill_all)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each boundary of a run, those first that halve what is left: a matrix stopped early has seen all parts of a run."""
    if "boundary" not in metafunc.fixturenames:
        return
    found: list[tuple[Fault, int]]
    if not any(metafunc.config.getoption(option, default="") for option in ("--matrix", "--list-cases")):
        found = [(way, max(1, int(part * BOUNDARIES))) for way, part in SPREAD.items()]
    else:
        boundaries = reference().boundaries
        order = sorted(boundaries, key=lambda number: int(f"{boundaries.index(number):08b}"[::-1], 2))
        found = [(way, number) for number in order for way in WAYS]
    params = [
        pytest.param(way, number, id=f"{way.__name__}-{number:02}", marks=pytest.mark.case(WAYS[way])) for way, number in found
    ]
    metafunc.parametrize(("way", "boundary"), params)


# As many as the run has tasks, or nearly: counting them takes a run, and collecting tests must not.
BOUNDARIES = 36


def test_a_run_broken_off_at_a_boundary_is_taken_up_again(way: Fault, boundary: int) -> None:
    """The next plain apply is done, one more changes nothing, each machine is what an uninterrupted run makes of it."""
    case(way, boundary)


@pytest.mark.matrix
@pytest.mark.case("F1")
@pytest.mark.parametrize("seed", range(50))
def test_a_run_killed_at_a_random_moment_is_taken_up_again(seed: int) -> None:
    """The same, somewhere inside a task, of the server's or of the router's."""
    case(KILLS[seed % 2], *reference(whole=True).moment(seed), whole=True)


@pytest.mark.case("F3")
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.matrix) for seed in range(1, 30))])
def test_a_power_cut_inside_dpkg_is_mended(seed: int) -> None:
    """The machine boots with half-installed packages; the next plain apply finishes them."""
    in_dpkg(seed)


def test_what_a_killed_matrix_left_does_not_stop_the_next(tmp_path: Path) -> None:
    """Its lab and its folder are taken away before a new one comes up in the same place."""
    killed = office(tmp_path / "left")
    killed.__enter__()  # and never left
    with office(tmp_path / "left") as stage:
        assert stage.on("server", "sudo id -u").strip() == "0"
    assert not (tmp_path / "left").exists()
