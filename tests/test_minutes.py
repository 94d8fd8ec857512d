"""What a run of the whole suite is judged by."""

from tests import minutes

NOTES = {"backup": {"minutes": 3, "tests": 10}, "lab": {"minutes": 2, "tests": 5}}


def test_a_run_within_its_budget_is_good() -> None:
    """Half as much again is a slow machine, not a fault."""
    assert minutes.judge({"backup": 4.4, "lab": 1}, {"backup": 10, "lab": 6}, NOTES) == []


def test_too_dear_too_few_and_unknown_are_named() -> None:
    """Each by its capability, so that one knows where to look."""
    assert minutes.judge({"backup": 4.6}, {"backup": 9, "lab": 5, "router": 1}, NOTES) == [
        "router: no budget in minutes.json",
        "backup: 9 tests collected, 10 are noted in minutes.json",
        "backup: 4.6 worker-minutes, its budget is 3",
    ]


def test_each_folder_of_tests_is_a_capability() -> None:
    """A file beside them counts as the suite's own."""
    assert minutes.capability("tests/backup/test_backup.py::test_x[a/b]") == "backup"
    assert minutes.capability("tests/test_minutes.py::test_x") == "tests"
