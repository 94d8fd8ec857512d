"""What the exporter says: text that Prometheus takes, whatever a client wrote, kept until something changes."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from provisioner.alerting import Described
from provisioner.check import ignored, store
from provisioner.findings import Finding, Level
from provisioner.inventory.target import Target
from provisioner.monitor import exporter
from provisioner.monitor.watch import Report, Watch
from tests.monitor.conftest import Tool

HOSTILE = 'a "quoted"\nline \\ {x="y"} 1\n# HELP \u2028 é'


def finding(check: str, level: Level, about: str = "server") -> Finding:
    return Finding(check, level, "{host} answers.", {"host": about}, about, "evidence")


def keep(inventory: Path, office: str, *findings: Finding) -> None:
    with store.store() as file:
        store.keep(file, Target(inventory, office), findings, max(one.level for one in findings), took_s=1.0, samples={})


def levels(watch: Watch) -> dict[tuple[str, str, str], float]:
    watch.refresh()
    text = b"".join(watch.metrics()).decode()
    return {
        (one.labels["office"], one.labels["check"], one.labels["ignored"]): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name == exporter.LEVEL
    }


def test_what_a_client_wrote_is_one_label(tool: Tool) -> None:
    """Quotes, newlines and what looks like the format itself come back byte for byte, and promtool has nothing to say."""
    office = Described("cafe", HOSTILE, HOSTILE, "scop", "pack-1", 3, 4, True)
    report = Report("cafe", 1.5, [finding("disks", Level.CRITICAL, HOSTILE), finding("units", Level.NOT_APPLICABLE)])
    text = b"".join(exporter.joined([exporter.described(office), exporter.found(report)]))

    assert tool("promtool", "check", "metrics", stdin=text) == ""
    families = {one.name: one.samples for one in text_string_to_metric_families(text.decode())}
    assert families[exporter.INFO][0].labels["organisation"] == HOSTILE
    assert [(one.labels["host"], one.value) for one in families[exporter.LEVEL]] == [(HOSTILE, 3)]


def test_a_sign_that_has_no_utf8_costs_the_others_nothing() -> None:
    """A lone surrogate, as a damaged file may hold, becomes a question mark."""
    text = exporter.text([Report("cafe", 1.0, [finding("disks", Level.OK, "a\ud800b")])])
    assert b'host="a?b"' in text


def test_the_lines_of_a_family_stand_together() -> None:
    """Prometheus refuses a family whose lines are scattered over the text."""
    reports = [Report(name, 1.0, [finding("disks", Level.OK)]) for name in ("a", "b")]
    names = [line.partition("{")[0] for line in exporter.text(reports).decode().splitlines() if not line.startswith("#")]
    assert names == sorted(names)
    assert len(names) == 4


@pytest.mark.usefixtures("run")
def test_a_new_report_shows_at_the_next_scrape_and_only_it_is_made_anew(example: Path) -> None:
    """What an office's text was stays the same object until its report changes."""
    watch = Watch(example)
    keep(example, "demo", finding("disks", Level.OK))
    keep(example, "mairie-saint-aubin", finding("disks", Level.WARNING))
    assert levels(watch) == {("demo", "disks", "no"): 0, ("mairie-saint-aubin", "disks", "no"): 1}
    before = watch._known["mairie-saint-aubin"]
    keep(example, "demo", finding("disks", Level.CRITICAL), finding("units", Level.OK))
    assert levels(watch)[("demo", "disks", "no")] == 3
    assert watch._known["mairie-saint-aubin"] is before


@pytest.mark.usefixtures("run")
def test_what_is_borne_is_marked_and_an_office_that_left_is_gone(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen when the inventory is read again."""
    import shutil
    from datetime import date

    monkeypatch.setattr("provisioner.monitor.watch.INVENTORY_S", 0.0)
    watch = Watch(example)
    keep(example, "demo", finding("disks", Level.CRITICAL))
    keep(example, "mairie-saint-aubin", finding("disks", Level.WARNING))
    assert levels(watch)[("demo", "disks", "no")] == 3
    ignored.add(Target(example, "demo"), ignored.Ignored("disks", "", "ordered", date(2099, 1, 1), "me"), date.today())
    assert ("demo", "disks", "yes") in levels(watch)
    shutil.rmtree(example / "offices/mairie-saint-aubin")
    assert set(levels(watch)) == {("demo", "disks", "yes")}
    assert "mairie" not in b"".join(watch.metrics()).decode()


@pytest.mark.usefixtures("run")
def test_a_report_of_nobodys_is_not_known_and_the_others_go_on(example: Path) -> None:
    """Its office is unknown, never well."""
    keep(example, "demo", finding("disks", Level.OK))
    keep(example, "mairie-saint-aubin", finding("disks", Level.OK))
    with store.store() as file:
        file.execute("UPDATE newest SET findings = '[{\"check\": 1}]' WHERE office = 'demo'")
    assert levels(Watch(example)) == {("demo", "reached", "no"): 2, ("mairie-saint-aubin", "disks", "no"): 0}
