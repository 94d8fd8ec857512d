"""How the matrix of faults counts: what passed, what is due, and what a fresh clone is told of both."""

import json
from pathlib import Path

import pytest

from provisioner.inventory import open_inventory
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


def test_what_no_case_runs_does_not_count_and_cannot_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program for those who left is none of the rows' code as long as nobody left the resellers the cases use."""
    inventory = open_inventory(rows.ROOT / "inventory")
    resellers = [path.stem for path in (rows.ROOT / "inventory/resellers").glob("*.yml")]
    (tmp_path / "run").write_text("one")
    (tmp_path / "not_run").write_text("one")
    monkeypatch.setattr(rows, "ROOT", tmp_path)
    monkeypatch.setattr(rows, "NOT_RUN", ("not_run",))

    assert resellers
    assert [name for name in resellers if inventory.reseller(name).former] == []
    before = rows.content.__wrapped__((".",))
    (tmp_path / "not_run").write_text("other")
    assert rows.content.__wrapped__((".",)) == before
    (tmp_path / "run").write_text("other")
    assert rows.content.__wrapped__((".",)) != before
