"""How a job's end is judged and when it is tried again; and that whoever works from a laptop loads nothing of it."""

import json
import subprocess
import sys

import pytest

from provisioner.check.table import REACHED, SILENT
from provisioner.fleet import jobs
from provisioner.fleet.jobs import Execution, Outcome


def said(*sentences: str, problem: str = "") -> dict[str, object]:
    findings = [{"check": REACHED, "sentence": one} for one in sentences]
    findings += [{"check": "disks", "sentence": "x"}] * ("{host} answers." in sentences)
    return {"offices": [{"findings": findings, "problem": problem}]}


@pytest.mark.parametrize(
    ("verb", "code", "answer", "outcome"),
    [
        ("update", 0, {}, Outcome.DONE),
        ("update", 7, {}, Outcome.FAILED),
        ("update", 4, {}, Outcome.FAILED),
        ("update", 2, {"error": "locked"}, Outcome.FAILED),
        ("update", 1, {}, Outcome.FAILED),
        ("update", 5, {}, Outcome.UNREACHABLE),
        ("update", 6, {}, Outcome.BUSY),
        ("update", 130, {}, Outcome.INTERRUPTED),
        ("update", -9, {}, Outcome.INTERRUPTED),
        ("prove", 7, {}, Outcome.FAILED),
        ("check", 0, said("{host} answers."), Outcome.DONE),
        ("check", 7, said("{host} answers.", SILENT), Outcome.DONE),
        ("check", 7, said(SILENT, SILENT), Outcome.UNREACHABLE),
        ("check", 7, said("{host} shows another host key than the pinned one: nothing was sent to it."), Outcome.DONE),
        ("check", 7, said(problem="no host of it is adopted"), Outcome.FAILED),
        ("check", 7, {}, Outcome.FAILED),
        ("check", 0, {}, Outcome.FAILED),
    ],
)
def test_unreachable_is_told_from_failed(verb: str, code: int, answer: dict[str, object], outcome: Outcome) -> None:
    """A silent office is tried again, a refused or broken one is not; a check that judged has done its work."""
    assert jobs.judge(verb, code, answer) is outcome


def ended(*outcomes: Outcome) -> list[Execution]:
    return [Execution(n, 100.0 * n, "m", 100.0 * n + 50, one) for n, one in enumerate(outcomes, 1)]


@pytest.mark.parametrize(
    ("outcomes", "due"),
    [
        ([], 0.0),
        (["done"], None),
        (["failed"], None),
        (["unreachable"], 150 + 900),
        (["unreachable"] * 2, 250 + 3600),
        (["unreachable"] * 3, 350 + 4 * 3600),
        (["unreachable"] * 4, None),
        (["unreachable", "unreachable", "busy"], 350 + 600),
        (["interrupted"], 150),
        (["interrupted"] * 4, None),
    ],
)
def test_what_may_pass_is_tried_again_and_then_given_up(outcomes: list[str], due: float | None) -> None:
    """After a quarter of an hour, an hour, four hours; what was interrupted at once, three times."""
    assert jobs.due(ended(*map(Outcome, outcomes))) == due


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": "no room", "hint": "x"}, "no room"),
        ({"offices": [{"worst": "critical", "problem": ""}]}, "critical"),
        ({"offices": [{"worst": "unknown", "problem": "no host is adopted"}]}, "no host is adopted"),
        ({"places": [{"cause": "the place does not answer"}]}, "the place does not answer"),
        ([1], ""),
        ({"offices": "x"}, ""),
    ],
)
def test_an_answer_in_a_sentence(answer: object, told: str) -> None:
    """What the list of jobs shows of it."""
    assert jobs.told(json.dumps(answer)) == told
    assert jobs.told("no object") == ""


def test_the_laptop_path_loads_nothing_of_it() -> None:
    """Neither the entry point nor any verb but this one."""
    code = (
        "import sys, importlib, provisioner.cli.__main__ as top\n"
        "for name, (module, _) in top.VERBS.items():\n"
        "    if name != 'fleet': importlib.import_module(f'provisioner.cli.{module}')\n"
        "print(*sorted({one.partition('.')[0] for one in sys.modules} & {'procrastinate', 'psycopg', 'croniter'}))\n"
        "print('provisioner.fleet' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
