"""Words of apt, dpkg and the kernel, as seen on Debian 12 and 13, and the cause that a technician reads for them."""

from pathlib import Path

import pytest

from provisioner.causes import cause
from provisioner.plays import problem_text

CASES = sorted((Path(__file__).parent / "causes").glob("*.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_words_have_a_cause(case: Path) -> None:
    """Each file: the words, a line of dashes, what must be said."""
    words, _, wanted = case.read_text().partition("\n----\n")

    assert cause(words) == wanted.strip()


def test_words_that_nobody_knows_have_none() -> None:
    """No cause is invented."""
    assert cause("E: Something else") == ""


def test_a_failure_is_told_by_its_cause_first() -> None:
    """Of a command that failed: the cause, then its own words; not that its exit code was not zero."""
    said = problem_text({"msg": "non-zero return code", "stderr": "cp: /etc/x: No space left on device", "rc": 1})

    assert said.splitlines()[0].startswith("no room is left on its disk")
    assert said.splitlines()[1:] == ["cp: /etc/x: No space left on device"]
    assert problem_text({"msg": "non-zero return code", "rc": 1}) == "non-zero return code"
