"""What verify concludes, without a host: what differs from the declared ports, what counts of two passes, what reaches paper."""

import pytest

from provisioner.findings import Finding, Level, verdict
from provisioner.verify import worst
from provisioner.verify.checks import clean
from provisioner.verify.checks.ports import allowed, differing
from provisioner.verify.table import EVERY, TITLES

WANTED = [("tcp", 22, 22), ("tcp", 53, 53), ("udp", 53, 53), ("tcp", 49152, 49171)]


@pytest.mark.parametrize(
    ("open_ports", "extra", "closed"),
    [
        ([22, 53, 49152], [], []),
        ([22, 53, 49160, 49171], [], []),
        ([22, 53, 49152, 8080], [8080], []),
        ([22, 49152], [], ["53"]),
        ([22, 53], [], ["49152-49171"]),
        ([], [], ["22", "53", "49152-49171"]),
    ],
)
def test_ports_must_be_exactly_those_declared(open_ports: list[int], extra: list[int], closed: list[str]) -> None:
    """One open too many is said, one silent too; of a range one must answer, and none may beyond it."""
    assert differing(open_ports, WANTED) == (extra, closed)


def test_the_firewall_is_compared_in_its_own_words() -> None:
    """A range is one rule; UDP counts like TCP."""
    assert allowed(WANTED) == ["tcp 22", "tcp 49152-49171", "tcp 53", "udp 53"]


def finding(check: str, level: Level, about: str = "", evidence: str = "") -> Finding:
    return Finding(check, level, "x", about=about, evidence=evidence)


def test_of_two_passes_the_worse_counts() -> None:
    """What failed before the restart is not healed by it, and what it broke shows; otherwise the later evidence stands."""
    first = [finding("a", Level.OK, "h", "1"), finding("b", Level.CRITICAL, "", "1"), finding("c", Level.OK, "x", "1")]
    second = [finding("a", Level.OK, "h", "2"), finding("b", Level.OK, "", "2"), finding("c", Level.UNKNOWN, "x", "2")]

    found = worst(first, second)

    assert [(f.check, f.level, f.evidence) for f in found] == [
        ("a", Level.OK, "2"), ("b", Level.CRITICAL, "1"), ("c", Level.UNKNOWN, "2"),
    ]  # fmt: skip


def test_nothing_tried_is_not_a_success() -> None:
    """No finding at all is unknown; what does not apply harms nothing; unknown outranks a warning."""
    assert verdict([]) is Level.UNKNOWN
    assert verdict([finding("a", Level.OK), finding("b", Level.NOT_APPLICABLE)]) is Level.OK
    assert verdict([finding("a", Level.WARNING), finding("b", Level.UNKNOWN)]) is Level.UNKNOWN


def test_evidence_for_paper_holds_no_password_and_no_flood() -> None:
    """A program that showed the witness's password does not put it into the record; a megabyte of log neither."""
    assert clean("Password: Secret-1\nok", "Secret-1") == "Password: ********\nok"
    assert len(clean("x" * 1_000_000, "Secret-1")) < 1500


def test_a_finding_survives_the_audit() -> None:
    """As it was written it is read, byte for byte, whatever a client's text holds."""
    one = Finding("a", Level.CRITICAL, "{host} is off", {"host": "{0.__class__} \u202e"}, "h", "it's", 1.25, 12.5)

    assert Finding.of(one.as_object()) == one


def test_every_proof_has_its_own_name_and_a_title() -> None:
    """A record names each; two of one name would hide one another."""
    checks = [part.name for part in EVERY]

    assert len(set(checks)) == len(checks)
    assert all(TITLES[check] for check in checks)
