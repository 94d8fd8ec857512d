"""What `tests/deep/grades.yml` says of the rules that the pack does not follow, how lynis' log is read, where the table goes."""

from pathlib import Path

from tests.deep import grades

LOG = """2026-11-26 02:26:38 Performing test ID SSH-7408 (Check SSH specific defined options)
2026-11-26 02:26:38 Test: Checking MaxSessions in /tmp/lynis.yAVOmLO1cp
2026-11-26 02:26:38 Hardening: assigned partial number of hardening points (1 of 3). Currently having 158 points (out of 194)
2026-11-26 02:26:38 Test: Checking PermitRootLogin in /tmp/lynis.yAVOmLO1cp
2026-11-26 02:26:38 Hardening: assigned maximum number of hardening points for this item (3).
2026-11-26 02:26:39 Performing test ID USB-1000 (Check if USB storage is disabled)
2026-11-26 02:26:39 Hardening: assigned partial number of hardening points (2 of 3). Currently having 163 points (out of 200)
"""


def test_every_rule_not_followed_has_a_reason_of_a_known_kind() -> None:
    """A reason is a sentence, and says whether it is the office, the disk, the container or the grader's content."""
    for grader, rules in grades.reasons().items():
        for rule, reason in rules.items():
            assert set(reason) == {"why", "because"}, (grader, rule)
            assert reason["why"] in ("office", "disk", *grades.UNSHOWN), (grader, rule)
            other = reason["because"].removeprefix("As ").rstrip(".")
            assert reason["because"].endswith("."), (grader, rule)
            assert other in rules or len(reason["because"].split()) >= 4, (grader, rule)


def test_lost_points_are_named_by_what_they_were_lost_for() -> None:
    """One test of lynis asks of many settings: each setting is a rule of its own."""
    assert grades.points_lost(LOG) == ["SSH-7408:MaxSessions", "USB-1000"]


def test_a_rule_without_a_reason_and_a_reason_without_a_rule_are_both_told() -> None:
    """The list of exceptions neither lacks one nor keeps a stale one."""
    known = grades.reasons()
    every = grades.Grade("server", 80, 60.0, 84.0, lost=sorted(known["lynis"]), failed=sorted(known["openscap"]))
    assert grades.unexplained([every]) == []

    every.lost.append("NEW-1")
    every.failed.remove("sudo_add_noexec")
    assert grades.unexplained([every]) == ["lynis without a reason: NEW-1", "openscap a reason too many: sudo_add_noexec"]


def test_the_table_takes_the_place_of_the_former_one(tmp_path: Path) -> None:
    """The page keeps all else, and its marks for the next time."""
    page = tmp_path / "page.md"
    page.write_text(grades.PAGE.read_text())
    for text in ("| first |\n", "| second |\n"):
        grades.write(text, page)

    assert "<!-- grades -->\n| second |\n<!-- /grades -->\n" in page.read_text()
    assert page.read_text().startswith("# Hardening\n")
    assert "| first |" not in page.read_text()
    assert "| lynis |" not in page.read_text()
