"""The tool killed before each task that changes the router, while it works on the server too (row F1); `make matrix` alone."""

import pytest

from tests.matrix.faults import Fault, case, kill_all, kill_tool
from tests.matrix.office import reference

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.case("F1")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each boundary of the roles that the router has; without `make matrix` they are not counted, which takes a run."""
    boundaries = [1]
    if any(metafunc.config.getoption(option, default="") for option in ("--matrix", "--list-cases")):
        whole = reference(whole=True)
        boundaries = [number for number in whole.boundaries if not whole.tasks[number - 1].startswith("mail_relay :")]
    params = [
        pytest.param(way, number, id=f"{way.__name__}-{number:02}") for number in boundaries for way in (kill_tool, kill_all)
    ]
    metafunc.parametrize(("way", "boundary"), params)


def test_a_run_killed_at_a_boundary_of_the_routers_is_taken_up_again(way: Fault, boundary: int) -> None:
    """The next plain apply is done, one more changes nothing, each machine is what an uninterrupted run makes of it."""
    case(way, boundary, whole=True)
