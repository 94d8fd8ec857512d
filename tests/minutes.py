"""What the suite costs, capability by capability: worker-minutes and tests, beside the budget that `minutes.json` holds.

A run of all that lands fails where a capability takes more than 1.5 times its budget, and where it collected fewer tests than are
noted: a file that no longer imports, a mark that fell off, a loop over nothing would otherwise pass unseen.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

NOTES = Path(__file__).with_name("minutes.json")
OVER = 1.5
SHOWN_S = 30
OFFICE = "applied_name"  # the fixture that makes the applied office, in minutes

_seconds: defaultdict[str, float] = defaultdict(float)
_collected: Counter[str] = Counter()


def capability(nodeid: str) -> str:
    """The folder below tests/."""
    return nodeid.split("/")[1] if nodeid.count("/") > 1 else "tests"


def noted() -> dict[str, dict[str, float]]:
    """For each capability its budget in worker-minutes, and how many tests it has without the deep ones."""
    found: dict[str, dict[str, float]] = json.loads(NOTES.read_text(encoding="utf-8"))
    return found


def judge(minutes: Mapping[str, float], tests: Mapping[str, int], notes: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What is wrong with a run of all that lands."""
    wrong = [f"{name}: no budget in {NOTES.name}" for name in tests if name not in notes]
    for name, note in notes.items():
        if tests.get(name, 0) < note["tests"]:
            wrong.append(f"{name}: {tests.get(name, 0)} tests collected, {note['tests']:.0f} are noted in {NOTES.name}")
        if minutes.get(name, 0) > note["minutes"] * OVER:
            wrong.append(f"{name}: {minutes[name]:.1f} worker-minutes, its budget is {note['minutes']:g}")
    return wrong


def _problems(config: pytest.Config) -> list[str]:
    """The same of this run; nothing is judged where a part was asked for."""
    asked = config.args_source.name == "TESTPATHS" and config.option.markexpr == "not deep" and not config.option.keyword
    return judge({name: s / 60 for name, s in _seconds.items()}, _collected, noted()) if asked and _collected else []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers share the suite by files: one makes the applied office first, the others have what needs none meanwhile.

    Of alike files those of the dearest capabilities come first, and what needs no lab at the end: none should be left over.
    """
    longest = {name: note["minutes"] for name, note in noted().items()}
    labs = {item: item.get_closest_marker("lab") is not None for item in items}
    needs = {item.path for item in items if labs[item] and OFFICE in getattr(item, "fixturenames", ())}
    first = next((item.path for item in items if item.path in needs and item.path.name == "test_install.py"), None)
    items.sort(
        key=lambda item: (
            not labs[item], item.path != first, item.path in needs, -longest.get(capability(item.nodeid), 0),
        )
    )  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(ids: list[str]) -> None:
    """Count what one worker collected: each collects all."""
    _collected.clear()
    _collected.update(map(capability, ids))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what each phase of each test took, on whichever worker."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _seconds[capability(report.nodeid)] += report.duration


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run that was too dear or too small."""
    if not exitstatus and "PYTEST_XDIST_WORKER" not in os.environ and _problems(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line a capability, those that took longest first."""
    rows = sorted(((seconds, name) for name, seconds in _seconds.items() if seconds >= SHOWN_S), reverse=True)
    if rows:
        terminalreporter.section("worker-minutes")
        for seconds, name in rows:
            terminalreporter.write_line(f"{seconds / 60:6.1f}  {name}")
        terminalreporter.write_line(f"{sum(_seconds.values()) / 60:6.1f}  all")
    for problem in _problems(terminalreporter.config):
        terminalreporter.write_line(problem, red=True)
