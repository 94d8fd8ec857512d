"""How the deep suite counts: what is due, what is noted, and what must never pass unseen."""

import json
from pathlib import Path

import pytest

from tests.deep import __main__ as deep
from tests.deep import rows

CASES = {"F10": ["tests/operation/test_lease.py::test_one", "tests/operation/test_lease.py::test_other"]}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(rows, "NOTES", tmp_path / "deep.json")
    monkeypatch.setattr(rows, "commit", lambda: "abc")


def test_a_row_is_noted_when_each_of_its_cases_has_a_result() -> None:
    """With a case left nothing is said of the row, whatever the others gave."""
    rows.keep("F10", CASES["F10"][0], ok=True)
    rows.note(["F10"], CASES)
    assert rows.notes() == {}

    rows.keep("F10", CASES["F10"][1], ok=False)
    rows.note(["F10"], CASES)

    found = rows.notes()["F10"]
    assert (found.cases, found.passed, found.failed, found.commit) == (2, 1, 1, "abc")


def test_a_round_goes_on_until_all_passed_and_then_begins_anew() -> None:
    """What passed is not run again before the round is over; the next round runs everything."""
    for case, ok in zip(CASES["F10"], (True, False), strict=True):
        rows.keep("F10", case, ok=ok)
    rows.begin(["F10"], CASES)
    assert [rows.passed("F10", case) for case in CASES["F10"]] == [True, False]

    rows.keep("F10", CASES["F10"][1], ok=True)
    assert rows.done("F10", CASES)
    rows.begin(["F10"], CASES)
    assert [rows.passed("F10", case) for case in CASES["F10"]] == [None, None]


def test_a_row_without_cases_and_one_with_fewer_than_before_are_said() -> None:
    """A test that was renamed out of its row, or a mark that fell off, must not look like a success."""
    every = {row: ["a::b"] for row in (*rows.FAULTS, *rows.PROGRAMS)}
    assert rows.missing(every) == []
    assert rows.missing({row: cases for row, cases in every.items() if row != "T5"}) == ["T5 has no case"]

    rows.NOTES.write_text(json.dumps({"F1": {"cases": 2, "passed": 2, "failed": 0, "commit": "abc", "date": "2026-01-01"}}))
    assert rows.missing(every) == [
        "F1 has 1 cases, fewer than 2 noted in deep.json (meant? set it there)",
    ]


def test_a_test_file_that_does_not_import_stops_the_suite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its cases would be left out, and the row still be called whole."""
    broken = tmp_path / "test_broken.py"
    broken.write_text("import no_such_module\n")
    monkeypatch.setattr(deep, "PYTEST", [*deep.PYTEST, "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(broken)])
    monkeypatch.setattr(deep, "ROOT", Path(__file__).parents[2])

    with pytest.raises(SystemExit, match="no_such_module"):
        deep.collect()


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("provisioner/apply/plans.py", "apply"),
        ("provisioner/errors.py", "errors"),
        ("playbooks/roles/base/tasks/main.yml", "base"),
        ("docs/faults.md", "docs"),
    ],
)
def test_what_was_touched_since_is_told_by_room(path: str, room: str) -> None:
    """A reader of the table judges by it whether a row is worth running again."""
    assert rows.room(path) == room


def test_the_table_takes_the_place_of_the_former_one(tmp_path: Path) -> None:
    """The page keeps all else, and its marks for the next time."""
    page = tmp_path / "page.md"
    page.write_text(deep.PAGE.read_text())
    for line in ("| first |", "| second |"):
        deep.write([line], page)

    assert "<!-- deep -->\n\n| second |\n\n<!-- /deep -->\n" in page.read_text()
    assert page.read_text().startswith("# The faults that are tried\n")
    assert "| first |" not in page.read_text()
    assert "| F1 |" not in page.read_text()


def test_a_case_is_found_in_the_file_that_it_names() -> None:
    """Every case that is listed can be asked for again by that name, from this folder."""
    names = [case.partition("::")[0] for row, cases in deep.collect().items() if row not in rows.PROGRAMS for case in cases]
    assert names
    assert [name for name in set(names) if not (rows.ROOT / name).is_file()] == []


def test_cases_that_are_due_and_not_run_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that finds none of the cases is not a run without failures."""
    monkeypatch.setattr(deep, "WORKERS", "1")
    with pytest.raises(SystemExit, match="F10"):
        deep.play(["F10"], {"F10": ["tests/nowhere/test_nothing.py::test_none"]})
