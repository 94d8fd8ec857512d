"""What a course's end amounts to: points, what was broken, passed or not. Pure."""

import pytest

from provisioner.training.grader import Judged, Verdict

DONE = Judged("a", holds=True, points=17, of=20)
LEFT = Judged("b", holds=False, points=0, of=10)
BROKEN = ("was well and is not any more: {what}", {"what": "services: server"})


@pytest.mark.parametrize(
    ("steps", "broken", "points", "passed"),
    [
        ((DONE,), (), 17, True),
        ((DONE, LEFT), (), 17, False),
        ((DONE,), (BROKEN,), 12, False),
        ((DONE,), (BROKEN,) * 9, 0, False),
        ((LEFT,), (), 0, False),
    ],
)
def test_what_was_broken_beyond_counts_against(
    steps: tuple[Judged, ...], broken: tuple[tuple[str, dict[str, str]], ...], points: int, passed: bool
) -> None:
    """Each broken thing costs five points and the certificate; nobody ends below nothing."""
    verdict = Verdict(steps, broken, (), ())

    assert (verdict.points, verdict.passed) == (points, passed)
