"""Subjects: what a machine says and what is concluded (cases/subjects.yml), trends, what is borne, what is kept and exported."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from provisioner.check import Report, condition, ignored, store
from provisioner.check.subjects import Machine
from provisioner.check.subjects.disks import full_in
from provisioner.check.table import SUBJECTS, TITLES
from provisioner.errors import BadInput
from provisioner.findings import Finding, Level
from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.monitor import exporter
from tests.stage import EXAMPLE

CASES = yaml.safe_load(Path(__file__).with_name("cases").joinpath("subjects.yml").read_text())
NOW = 1e9
DAY = 86400.0


def machine(said: dict[str, Any], name: str = "server", **more: Any) -> Machine:
    """A machine of the example office, which says this."""
    inventory = open_inventory(EXAMPLE)
    office = inventory.office("demo")
    pack, reseller = inventory.pack(office.pack), inventory.reseller(office.reseller)
    return Machine(name, office.hosts[name], office, pack, reseller, condition.read(json.dumps(said), NOW), **more)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['section']}: {case['name']}")
def test_what_a_machine_says_is_judged(case: dict[str, Any]) -> None:
    """The worst level of each check that reads the section; nothing else of the machine is needed for it."""
    proofs = {place: (when, why) for place, (when, why) in case.get("proofs", {}).items()}
    one = machine({case["section"]: {"is": case["is"]}}, case.get("host", "server"), proofs=proofs)
    worst: dict[str, Level] = {}
    for subject in SUBJECTS:
        if subject.section == case["section"]:
            for finding in subject.findings(one):
                worst[finding.check] = max(finding.level, worst.get(finding.check, Level.NOT_APPLICABLE))
                assert finding.about == case.get("host", "server")
    assert {name: level.word for name, level in worst.items()} == case["expects"]


def test_every_section_has_a_case_and_every_check_a_title() -> None:
    """None is judged that no case shows, and none has two names."""
    assert {case["section"] for case in CASES} == {subject.section for subject in SUBJECTS}
    assert {name for case in CASES for name in case["expects"]} <= set(TITLES)


@pytest.mark.parametrize("said", ["", "[]", "3", "[" * 100_000, '{"disks": ', "Permission denied\n{}"])
def test_an_answer_that_is_none_is_said_to_be_none(said: str) -> None:
    """Not judged, never believed."""
    with pytest.raises(ValueError, match=r"."):
        condition.read(said, NOW)


def test_what_was_not_measured_is_unknown() -> None:
    """Each section that lacks, or is not there at all, whatever the others say."""
    for said in ({}, {subject.section: {"lacks": "x\x1b[2J"} for subject in SUBJECTS}, {"disks": {"other": 1}}):
        found = [one for subject in SUBJECTS for one in subject.findings(machine(said))]
        assert len(found) == len(SUBJECTS)
        assert {one.level for one in found} == {Level.UNKNOWN}
        assert all(one.evidence for one in found)


def test_a_disk_that_fills_is_told_before_it_is_full() -> None:
    """By the line through what was free; two days are too few, and one that empties never fills."""
    shrinking = [(NOW - day * DAY, 20e9 + day * 1e9) for day in range(10, -1, -1)]
    assert full_in(shrinking) == pytest.approx(20.0)
    assert full_in(shrinking[-2:]) is None
    assert full_in([(at, 5e9) for at, _ in shrinking]) is None
    assert full_in([(at, -free) for at, free in shrinking]) is None
    disk = {
        "where": "/",
        "device": "x",
        "bytes": 100 * 10**9,
        "free": 20 * 10**9,
        "inodes": 0,
        "inodes_free": 0,
        "read_only": False,
    }
    one = machine({"disks": {"is": [disk]}}, samples={"free:/": shrinking})
    (found,) = next(subject for subject in SUBJECTS if subject.name == "disks").findings(one)
    assert (found.level, found.values["days"]) == (Level.WARNING, 20)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """An office of nobody's."""
    (tmp_path / "offices/demo").mkdir(parents=True)
    return Target(tmp_path, "demo")


def finding(level: Level, check: str = "disks", host: str = "server") -> Finding:
    """One about a machine."""
    return Finding(check, level, "x", {}, host)


def test_what_is_borne_is_not_counted_until_its_day(target: Target) -> None:
    """That day included; of one host, or of all; another about the same takes its place."""
    day = date(2027, 1, 31)
    ignored.add(target, ignored.Ignored("disks", "server", "a bigger one is {{ ordered }}", day, "c.lefevre"), day)
    findings = [finding(Level.CRITICAL), finding(Level.CRITICAL, host="router"), finding(Level.OK)]

    assert set(ignored.borne(findings, ignored.read(target), day)) == {0}
    assert not ignored.borne(findings, ignored.read(target), date(2027, 2, 1))
    assert Report(target, findings, dict(ignored.borne(findings[:1], ignored.read(target), day))).worst is Level.CRITICAL
    ignored.add(target, ignored.Ignored("disks", "server", "twice", day, "c.lefevre"), day)
    ignored.add(target, ignored.Ignored("disks", "", "all", day, "c.lefevre"), day)
    assert [one.because for one in ignored.read(target)] == ["twice", "all"]
    assert set(ignored.borne(findings, ignored.read(target), day)) == {0, 1}


@pytest.mark.parametrize(
    "text", ["- 3", "{", "- {check: disks}", "- {check: disks, because: x, by: y, until: tomorrow}", "é: [", "a: b"]
)
def test_a_damaged_list_of_what_is_borne_bears_nothing(target: Target, text: str) -> None:
    """It is said, with its name."""
    (target.folder / "ignored.yml").write_text(text)
    with pytest.raises(BadInput, match=r"ignored.yml"):
        ignored.read(target)


def test_nothing_found_is_unknown_and_never_well(target: Target) -> None:
    """An office without a finding, or with a problem, is no success."""
    assert Report(target).worst is Level.UNKNOWN
    assert Report(target, [finding(Level.OK)], problem="x").worst is Level.UNKNOWN


def test_the_newest_report_and_the_trend_are_kept(target: Target, tmp_path: Path) -> None:
    """Worst first; another inventory's offices are not ours; a file that is no database is said, and left."""
    other = Target(tmp_path, "cafe")
    with store.store(tmp_path / "x.sqlite") as file:
        store.keep(file, target, [finding(Level.OK)], 0, took_s=1.0, samples={("server", "free:/"): 9.0})
        store.keep(file, target, [finding(Level.WARNING)], 1, took_s=1.0, samples={("server", "free:/"): 8.0})
        store.keep(file, other, [finding(Level.CRITICAL)], 3, took_s=1.0, samples={})
        assert [(one.office, one.findings[0].level) for one in store.newest(file, tmp_path)] == [
            ("cafe", Level.CRITICAL), ("demo", Level.WARNING),
        ]  # fmt: skip
        assert [value for _, value in store.samples(file, target)["server"]["free:/"]] == [9.0, 8.0]
        assert store.newest(file, tmp_path / "elsewhere") == []
    (tmp_path / "bad.sqlite").write_bytes(b"\x00" * 5000)
    with pytest.raises(BadInput, match=r"bad.sqlite"), store.store(tmp_path / "bad.sqlite"):
        pass


def test_prometheus_reads_what_was_found(target: Target, tmp_path: Path) -> None:
    """The worst of a check; what does not apply has no sample; a hostile name stays inside its label."""
    host = 'a"}\n# HELP x\\'
    findings = [
        finding(Level.OK),
        finding(Level.CRITICAL),
        finding(Level.NOT_APPLICABLE, "drives"),
        finding(Level.OK, "clock", host),
    ]
    report = Report(target, findings, {1: ignored.Ignored("disks", "", "x", date(2027, 1, 1), "y")}, at=NOW)
    exporter.write(tmp_path / "check.prom", [report])

    families = {one.name: one for one in text_string_to_metric_families((tmp_path / "check.prom").read_text())}
    level = {
        (s.labels["host"], s.labels["check"], s.labels["ignored"]): s.value for s in families["provisioner_check_level"].samples
    }
    assert level == {("server", "disks", "no"): 0.0, ("server", "disks", "yes"): 3.0, (host, "clock", "no"): 0.0}
    assert families["provisioner_check_timestamp_seconds"].samples[0].value == NOW
    assert (tmp_path / "check.prom").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.glob("*.prom*")] == ["check.prom"]
