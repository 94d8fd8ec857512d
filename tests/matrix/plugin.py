"""pytest as `make matrix` runs it: every case of the rows asked for that has not passed on this code; its result is kept."""

import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.matrix.rows import kept, passed

_BEGAN: dict[str, float] = {}
_PROBLEM: dict[str, str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--matrix F1,F4`: these rows."""
    parser.addoption("--matrix", default="", help="run the cases of the matrix of faults that are due")
    parser.addoption("--list-cases", default="", help="write the names of all cases to this file, and run none")


def row_of(item: pytest.Item) -> str:
    """The row that a test is a case of; empty when of none."""
    mark = item.get_closest_marker("case")
    return str(mark.args[0]) if mark else ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the cases that are due."""
    if listed := config.getoption("--list-cases"):
        lines = [f"{row_of(item)} {item.nodeid}\n" for item in items if row_of(item)]
        Path(listed).write_text("".join(lines), encoding="utf-8")
        items.clear()
        return
    asked = config.getoption("--matrix").split(",")
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
            _keep(row, item.nodeid, {"passed": problem is None, "problem": problem or ""})
    return report


def _keep(row: str, case: str, result: dict[str, Any]) -> None:
    path = kept(row, case)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps({**result, "case": case, "took_s": round(time.time() - _BEGAN[case], 1)}))
    part.rename(path)
