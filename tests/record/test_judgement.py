"""The verdict is true: one failed, unknown, missing or stale test forbids "without reserves". A case a file."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.findings import Finding, Level
from provisioner.language import translator
from provisioner.record.judgement import judge
from tests.record import handover

CASES = sorted((Path(__file__).parent / "cases").glob("*.yml"))
CHECKS = ("share", "printing", "mail", "backup", "updates")
HOSTS = ["router", "server", "desktop"]


def verify(case: dict[str, Any]) -> dict[str, Any]:
    """The summary the case tells of: all is well but for what it says."""
    findings = [
        Finding(check, Level[case.get("findings", {}).get(check, "ok").upper()], "{host} answers.", {"host": "x"})
        for check in CHECKS
        if check not in case.get("without", [])
    ]
    return {
        "run": "r1", "verb": "verify", "status": "passed", "reboot": False, "dossier_sha256": "ours",
        "finished": handover.iso(handover.NOW - timedelta(days=case.get("age_days", 0.04))), "hosts_wanted": HOSTS,
        "systems": {host: {} for host in HOSTS if host not in case.get("no_system", [])},
        "findings": [*(one.as_object() for one in findings), *case.get("add", [])], **case.get("summary", {}),
    }  # fmt: skip


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_verdict_is_true(path: Path) -> None:
    """Each case has its verdict and every reason for it, no more and no less."""
    case = yaml.safe_load(path.read_text())
    summary = verify(case)
    expected = [*CHECKS, *(["restarted"] if summary["reboot"] else [])]

    judgement = judge(
        summary,
        hosts=case.get("hosts", HOSTS),
        expected=expected,
        dossier_sha256="other" if case.get("dossier") == "other" else "ours",
        later=case.get("later", []),
        now=handover.NOW,
    )
    reasons = [f"{one.kind} {one.check or one.about}".strip() for one in judgement.reserves]
    wanted = [f"missing {check}" for check in expected] if case["reserves"] == ["missing *"] else case["reserves"]

    assert (judgement.verdict, reasons) == (case["verdict"], wanted), case["promise"]


def test_what_is_not_applicable_is_apart_with_its_reason() -> None:
    """The client reads why something could not be tried."""
    summary = verify({"findings": {"share": "not_applicable"}})
    judgement = judge(summary, hosts=HOSTS, expected=CHECKS, dossier_sha256="ours", later=[], now=handover.NOW)

    assert [(one.check, one.sentence, dict(one.values)) for one in judgement.apart] == [
        ("share", "{host} answers.", {"host": "x"})
    ]


def test_every_level_that_is_not_ok_is_a_reserve() -> None:
    """A level somebody adds one day is a reserve until it is said to be well."""
    base = Finding("share", Level.OK, "x")
    for level in Level:
        summary = verify({"without": ["share"], "add": [replace(base, level=level).as_object()]})
        judgement = judge(summary, hosts=HOSTS, expected=CHECKS, dossier_sha256="ours", later=[], now=handover.NOW)

        assert (judgement.verdict == "without_reserves") == (level in (Level.OK, Level.NOT_APPLICABLE)), level


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_reason_is_told_in_french(path: Path) -> None:
    """No reason is told in English to a French client, and none has a place left open."""
    case = yaml.safe_load(path.read_text())
    for one in judge(
        verify(case),
        hosts=case.get("hosts", HOSTS),
        expected=CHECKS,
        dossier_sha256="else",
        later=case.get("later", []),
        now=handover.NOW,
    ).reserves:
        told = translator("fr")(one.sentence, one.values)

        assert told != one.sentence
        assert "{" not in told


def test_nobody_to_call_is_a_reserve() -> None:
    """A record that names no telephone number says so to the client, and is not without reserves."""
    given: dict[str, Any] = {"hosts": HOSTS, "expected": CHECKS, "dossier_sha256": "ours", "later": [], "now": handover.NOW}
    before, after = (judge(verify({}), called=called, **given).reserves for called in (True, False))

    assert [one.kind for one in after if one not in before] == ["contact"]
