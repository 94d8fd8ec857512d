"""`bulletin`: one page for the client, in both languages, that tells what was measured and when, and says what was not."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pypdf
import pytest
import yaml

from provisioner.check import bulletin, ignored, store
from provisioner.errors import BadInput
from provisioner.findings import Finding, Level
from provisioner.inventory.target import Target
from tests.inventory.conftest import _own_folders
from tests.record import handover

__all__ = ["_own_folders"]
NOW = handover.NOW
AT = (NOW - timedelta(days=2)).timestamp()


def finding(check: str, level: Level = Level.OK, host: str = "server", at: float = AT, **values: object) -> Finding:
    """One of a check's."""
    told = "{host} answers." if level is Level.OK else "{where} of {host} is {used} % full."
    return Finding(check, level, told, {"host": host, "where": "/srv", "used": 91, **values}, host, at=at)


GOOD = ("reached", "backups", "updates", "restart", "support", "accounts", "keys", "ports", "disks", "warranty")


def office(tmp_path: Path, findings: Sequence[Finding], *, lab: bool = False) -> Target:
    """An office that was verified, applied, and checked with these findings."""
    target = handover.office(tmp_path / "net", lab=lab)
    handover.verified(target)
    handover.applied(target)
    handover.applied(target, verb="update", run="20261123T090000Z-cd35", status="failed")
    kept(target, findings)
    return target


def kept(target: Target, findings: Sequence[Finding]) -> None:
    """A round's findings."""
    with store.store() as file:
        store.keep(file, target, findings, 0, took_s=1.0, samples={})


def words(made: bulletin.Bulletin) -> str:
    """The page's text; it is one page."""
    pages = pypdf.PdfReader(made.pdf).pages
    assert len(pages) == 1
    return " ".join(pages[0].extract_text().split())


def make(target: Target, **more: object) -> bulletin.Bulletin:
    """November's, in English."""
    return bulletin.make(target, **{"month": "2026-11", "language": "en", "now": NOW, **more})  # type: ignore[arg-type]


def test_what_was_measured_is_told_with_its_day(tmp_path: Path) -> None:
    """Good results too; what nobody measures is never a yes."""
    made = make(office(tmp_path, [finding(check) for check in GOOD]))
    said = words(made)

    assert made.counts == {"good": 8, "act": 0, "unknown": 5}
    assert "Every copy is there, young, and was read." in said
    assert said.count("21 November 2026") == 6
    assert said.count("not measured") >= 5
    assert "Security updates installed by us: 1. Last: 23 November 2026. Not to the end: 1." in said
    assert "Nothing this month" in said


def test_nothing_measured_is_nothing_claimed(tmp_path: Path) -> None:
    """Without a check, or with one of long ago, an office has no good answer."""
    old = (NOW - timedelta(days=40)).timestamp()
    target = handover.office(tmp_path / "net")
    assert make(target).counts == {"good": 0, "act": 0, "unknown": 13}
    kept(target, [finding(check, at=old) for check in GOOD])
    assert make(target).counts["good"] == 0
    kept(target, [finding("ports", Level.UNKNOWN)])
    assert make(target).counts == {"good": 0, "act": 0, "unknown": 13}


def test_what_is_bad_is_to_be_acted_on_and_what_is_borne_is_named(tmp_path: Path) -> None:
    """A disk that fills is the client's to decide; a finding that is borne does not count, and is told with its reason."""
    target = office(
        tmp_path, [finding("disks", Level.WARNING), finding("ports", Level.CRITICAL), finding("ports", host="router")]
    )
    said = words(make(target))
    assert "/srv of server is 91 % full." in said
    assert make(target).counts["act"] == 1

    ignored.add(target, ignored.Ignored("ports", "server", "on order", date(2099, 12, 31), "c.lefevre"), NOW.date())
    borne = make(target)
    assert borne.counts["act"] == 0
    assert "Borne until 31 December 2099 (on order):" in words(borne)


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("name", [handover.LONG, "W" * 300, "漢字の名前" * 60], ids=["words", "one word", "wide"])
def test_it_is_one_page_whatever_there_is_to_say(tmp_path: Path, language: str, name: str) -> None:
    """Long names and a hundred findings, runs of every kind: one page, a lab's too, and nothing beyond its edge."""
    host = "a" + "b" * 62
    many = [finding(check, Level.CRITICAL, f"{host[:-2]}{n:02}", where=f"/srv/{name}") for n in range(12) for check in GOOD]
    target = office(tmp_path, many, lab=True)
    for number, verb in enumerate(("backup", "backup restore", "router push", "router backup", "website deploy", name[:80])):
        handover.applied(target, verb=verb, run=f"20261123T09100{number}Z-cd36")
    handover.renamed(target, organisation=name[:250], contact=name[:250])
    data = yaml.safe_load(target.folder.joinpath("dossier.yml").read_text())
    data["printers"] = {f"imprimante-{n}": {"address": f"192.168.1.{40 + n}", "warranty_end": "2026-01-01"} for n in range(20)}
    target.folder.joinpath("dossier.yml").write_text(yaml.safe_dump(data, allow_unicode=True))
    ignored.add(target, ignored.Ignored("disks", "", name[:300], date(2099, 12, 31), "c.lefevre"), NOW.date())

    made = make(target, language=language)
    words(made)
    said = made.html.read_text()  # no tool reads these letters back out of a PDF
    assert "LAB" in said
    assert re.search(r"and \d+ more|et \d+ de plus", said)


@pytest.mark.parametrize(
    ("text", "month"), [("", "2026-10"), ("2026-11", "2026-11"), ("2026-01", "2026-01")]
)  # fmt: skip
def test_a_month_is_the_one_before_unless_given(text: str, month: str) -> None:
    """The page of a month is made in the next."""
    assert bulletin.month_of(text, date(2026, 11, 23)) == month
    assert bulletin.month_of("", date(2027, 1, 5)) == "2026-12"


@pytest.mark.parametrize("text", ["november", "2026-13", "2026-12", "2026-11-02"])
def test_a_month_that_is_none_is_refused(text: str) -> None:
    """One sentence."""
    with pytest.raises(BadInput):
        bulletin.month_of(text, datetime(2026, 11, 23, tzinfo=UTC).date())
