"""What a course's lines on a host answer, all of one host in one call: each by itself, whatever it prints."""

import base64
import json
import subprocess

import pytest

from provisioner.cli.training_parts import known
from provisioner.inventory import courses
from provisioner.inventory.courses import Check
from provisioner.training import verbs
from provisioner.training.grader import LINES, Grader
from provisioner.training.trainee import Trainee
from tests.stage import EXAMPLE


def answers(*lines: str) -> list[tuple[int, str]]:
    """What the shell of a host says of some lines."""
    done = subprocess.run(["sh", "-c", LINES, "sh", *lines], capture_output=True, text=True, check=True)
    said = [line.split(" ") for line in done.stdout.splitlines()]
    return [(int(code), base64.b64decode(text).decode()) for code, text in said]


def test_each_line_of_a_check_answers_for_itself() -> None:
    """One that fails, ends its shell, prints several lines, quotes or nothing leaves the others as they are."""
    said = answers(
        "echo a; exit 3", "printf 'x\\ny'", "echo \"it's\" '$HOME' é", "false", "kill $$", "cat", "echo after >&2; echo b"
    )

    assert said == [(3, "a"), (0, "x\ny"), (0, "it's $HOME é"), (1, ""), (143, ""), (0, ""), (0, "b")]


@pytest.mark.parametrize(
    ("stdout", "holds"),
    [
        ("0 b2s=\n0 b2s=", [True, True]),
        ("", [False, False]),
        ("0 b2s=\n0 b2s=\n0 b2s=", [False, False]),
        ("zero b2s=\n0 b2s=", [False, True]),
        ("0\n0", [False, False]),
        ("0 b2s\n1 b2s=", [False, False]),
        ("\x1b[2J\n" * 9, [False, False]),
    ],
    ids=["as asked", "nothing", "more than asked", "no code", "no text", "no base64, and it failed", "escapes"],
)
def test_a_host_that_answers_otherwise_holds_nothing_it_did_not_say(
    stdout: str, holds: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trainee is root on their hosts: an answer of another shape is no answer, and no error either."""
    monkeypatch.setattr(verbs, "call", lambda *_, **__: verbs.Told(0, json.loads(json.dumps({"stdout": stdout})), ""))
    checks = [Check.model_validate({"command": {"host": "server", "run": run, "says": "ok"}}) for run in ("a", "b")]
    course = courses.course(EXAMPLE, "depart-technicien", known())
    grader = Grader(Trainee("trial", "anna", "/", "demo", "en"), course, checks)

    assert [grader.problem(check) is None for check in checks] == holds
