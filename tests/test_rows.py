"""How the matrix of faults counts: what passed, what is due, and what a fresh clone is told of both."""

import json
from pathlib import Path

import pytest

from tests.matrix import rows

FILE = "tests/test_lease.py"
CASES = [("F10", f"{FILE}::test_one"), ("F10", f"{FILE}::test_other")]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(rows, "WHOLE", tmp_path / "whole.json")


def keep(case: str, *, passed: bool) -> Path:
    path = rows.kept("F10", case)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"passed": passed}))
    return path


def counted(cases: rows.Cases) -> str:
    """The row's cases, passed, failed, left."""
    line = next(line for line in rows.table(cases) if line.startswith("| F10 "))
    return " ".join(line.split(" | ")[2:]).removesuffix(" |")


def test_a_row_that_passed_whole_counts_in_every_clone() -> None:
    """Its results lie in one machine's state folder; the note in git stands for them elsewhere."""
    results = [keep(case, passed=True) for _, case in CASES]
    rows.note(CASES)
    for path in results:
        path.unlink()

    assert rows.whole("F10", CASES)
    assert counted(CASES) == "2 2 0 0"


@pytest.mark.parametrize("other", [{"passed": False}, None])
def test_a_row_with_a_case_failed_or_left_is_not_noted(other: dict[str, bool] | None) -> None:
    """No row is called passed with cases left."""
    keep(CASES[0][1], passed=True)
    if other:
        keep(CASES[1][1], **other)
    rows.note(CASES)

    assert not rows.whole("F10", CASES)
    assert counted(CASES) == ("2 1 1 0" if other else "2 1 0 1")


def test_a_row_noted_is_due_again_on_other_code_and_with_another_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """The note is of this very code and of these cases; the next count takes it away."""
    for _, case in CASES:
        keep(case, passed=True)
    rows.note(CASES)
    more = [*CASES, ("F10", f"{FILE}::test_new")]

    assert not rows.whole("F10", more)
    assert counted(more) == "3 2 0 1"
    monkeypatch.setattr(rows, "code", lambda _row, _file: "changed")
    assert not rows.whole("F10", CASES)
    assert counted(CASES) == "2 0 0 2"
    rows.note(CASES)
    assert "F10" not in json.loads(rows.WHOLE.read_text())
