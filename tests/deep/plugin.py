"""pytest as `make deep` runs it: every case of the rows asked for that has not passed in this round; its result is kept."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.deep.rows import keep, passed

_BEGAN: dict[str, float] = {}
_PROBLEM: dict[str, str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--deep F1,F4`: these rows."""
    parser.addoption("--deep", default="", help="run the cases of these rows that are due")
    parser.addoption("--list-cases", default="", help="write row and name of all cases to this file, and run none")


def row_of(item: pytest.Item) -> str:
    """The row that a test is a case of; empty when of none."""
    if mark := item.get_closest_marker("case"):
        return str(mark.args[0])
    return item.path.stem.removeprefix("test_") if item.get_closest_marker("deep") else ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the cases that are due."""
    if listed := config.getoption("--list-cases"):
        found = [(row_of(item), item.nodeid) for item in items if row_of(item)]
        Path(listed).write_text(json.dumps(found), encoding="utf-8")
        items.clear()
        return
    asked = config.getoption("--deep").split(",")
    items[:] = [item for item in items if (row := row_of(item)) and row in asked and not passed(row, item.nodeid)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what came of a case, once all its phases are over."""
    report = yield
    if report.when == "setup":
        _BEGAN[item.nodeid] = call.start
        _PROBLEM.pop(item.nodeid, None)
    if report.failed:
        _PROBLEM.setdefault(item.nodeid, report.longreprtext[-4000:])
    if report.skipped:
        _PROBLEM.setdefault(item.nodeid, "")  # neither passed nor failed: left
    if report.when == "teardown" and (row := row_of(item)):
        problem = _PROBLEM.get(item.nodeid)
        if problem != "":
            keep(row, item.nodeid, ok=problem is None, problem=problem or "", took_s=call.stop - _BEGAN[item.nodeid])
    return report
