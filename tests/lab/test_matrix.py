"""A fixed spread of the matrix of faults (`make matrix` runs all of it): one boundary in the middle of a run for each way."""

import pytest

from tests.matrix.faults import ROWS, Fault, case
from tests.matrix.office import reference

pytestmark = pytest.mark.lab

WAYS = [way for _, ways in ROWS.values() for way in ways]
OFTEN = ("kill_all",)  # the others come before a release


@pytest.mark.parametrize("way", [one if one.__name__ in OFTEN else pytest.param(one, marks=pytest.mark.long) for one in WAYS])
def test_a_run_broken_off_in_the_middle_is_taken_up_again(way: Fault) -> None:
    """The next plain apply is done, one more changes nothing, each machine is what an uninterrupted run makes of it."""
    case(way, len(reference().tasks) // 2)
