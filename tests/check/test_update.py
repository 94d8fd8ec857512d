"""`update` without a machine: what it refuses, when machines may be restarted, what counts as worse, what is run on a host."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from provisioner.check import Report, ignored
from provisioner.check.update import HostResult, Package, Pending, worse
from provisioner.findings import Finding, Level
from provisioner.hosts import programs
from provisioner.hosts.programs import pending
from provisioner.inventory import hours
from provisioner.inventory.target import Target
from tests.check.test_verbs import network
from tests.verbs import Run

__all__ = ["network"]
PARIS = ZoneInfo("Europe/Paris")
HOURS = {"sunday": ["20:00-24:00"], "monday": ["00:00-06:00", "12:00-13:00"]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name offices, or --all"),
        (("demo", "--all"), "name offices, or --all"),
        (("demo", "--reseller", "scop-lumiere"), "--reseller and --last go with --all"),
        (("demo",), "nobody is there to answer"),
        (("demo", "--yes", "--canary", "mairie-saint-aubin"), "the canary 'mairie-saint-aubin' is none of the offices"),
        (("nowhere", "--yes"), "no office 'nowhere'"),
        (("demo", "--yes"), "no host of demo is adopted"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(run: Run, network: Path, words: tuple[str, ...], said: str) -> None:
    """Exit 2, and nobody is contacted."""
    done = run("update", *words)
    assert done.code == 2
    assert said in done.err
    assert not list(network.glob("offices/*/runs/*update*"))


@pytest.mark.parametrize(
    ("at", "within", "following"),
    [
        ("2026-11-29 19:59", False, "2026-11-29 20:00-24:00"),
        ("2026-11-29 20:00", True, "2026-11-30 00:00-06:00"),
        ("2026-11-29 23:59", True, "2026-11-30 00:00-06:00"),
        ("2026-11-30 05:59", True, "2026-11-30 12:00-13:00"),
        ("2026-11-30 06:00", False, "2026-11-30 12:00-13:00"),
        ("2026-11-30 13:00", False, "2026-12-06 20:00-24:00"),
    ],
)
def test_restarts_wait_for_the_offices_own_hours(at: str, within: bool, following: str) -> None:
    """A span's end is not of it; the next one is named by its day; no hours, no restarts."""
    moment = datetime.fromisoformat(at).replace(tzinfo=PARIS)
    assert (hours.within(HOURS, moment), hours.following(HOURS, moment)) == (within, following)
    assert (hours.within({}, moment), hours.following({}, moment)) == (False, "")


def report(*levels: tuple[str, Level], units: str = "", borne: tuple[int, ...] = ()) -> Report:
    """A round's, of one machine."""
    found = [Finding(check, level, "x", {"units": units} if check == "units" else {}, "server") for check, level in levels]
    why = ignored.Ignored("disks", "", "x", datetime(2099, 1, 1).date(), "jo")
    return Report(Target(Path(), "demo", lab=False), found, dict.fromkeys(borne, why))


def test_worse_is_a_finding_that_was_not_so_before() -> None:
    """A level that rose, a second finding of the same level, another service; not a restart that is due, nor what is borne."""
    ok, warned, bad = Level.OK, Level.WARNING, Level.CRITICAL
    before = report(("disks", ok), ("disks", warned), ("units", bad), ("restart", ok), units="a.service")

    assert worse(before, before) == []
    assert worse(before, report(("disks", ok), ("restart", warned))) == []
    assert [one.check for one in worse(before, report(("disks", bad)))] == ["disks"]
    assert [one.check for one in worse(before, report(("disks", warned), ("disks", warned)))] == ["disks", "disks"]
    assert [one.check for one in worse(before, report(("units", bad), units="b.service"))] == ["units"]
    assert [one.check for one in worse(before, report(("reached", bad)))] == ["reached"]
    assert worse(before, report(("disks", bad), borne=(0,))) == []


def waiting(*names: str) -> Pending:
    """What a machine says."""
    packages = [Package(name=name, old="1", new="2", origin="Debian-Security:13/stable-security") for name in names]
    return Pending(
        packages=packages, held=[], kept_back=[], audit="", notes=[], problem="", machine="", services=[], busy=False
    )  # fmt: skip


def test_what_came_is_what_waits_no_more() -> None:
    """What still waits is told as such; a machine that could not be asked again claims nothing."""
    assert [one.name for one in HostResult(waiting("a", "b"), waiting("b")).installed] == ["a"]
    assert [one["name"] for one in HostResult(waiting("a", "b"), waiting("b")).as_object()["waiting"]] == ["b"]
    assert HostResult(waiting("a"), None, "gone").installed == []


def test_apts_words_are_read_with_versions_and_origin() -> None:
    """One that is there and one that comes new; only what mends a weakness counts, by its archive."""
    said = (
        "Inst libssl3t64 [3.5.4-1~deb13u1] (3.5.4-1~deb13u2 Debian-Security:13/stable-security [amd64])\n"
        "Inst linux-image-6.12.60 (6.12.60-1 Debian-Security:13/stable-security, Debian:13.2/stable [amd64]) []\n"
        "Inst tzdata [2025a] (2025b Debian:13.2/stable [all])\n"
    )
    found = pending.INSTALL.findall(said)
    assert found[0] == ("libssl3t64", "3.5.4-1~deb13u1", "3.5.4-1~deb13u2", "Debian-Security:13/stable-security")
    assert found[1][1] == ""
    assert ["ecurity" in one[3] for one in found] == [True, True, False]


def test_what_takes_peoples_sessions_with_it_restarts_the_machine() -> None:
    """A printing service alone is restarted; what sessions hang on makes it the machine's."""
    text = programs.source("stale").replace('if __name__ == "__main__":', "if False:")
    text += "\nREQUIRED = '/nowhere'\nprint(due(['cups.service']), '|', due(['dbus.service', 'cups.service']))"
    done = subprocess.run([sys.executable, "-I", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == " | dbus.service\n"


def test_the_summary_holds_what_the_machine_got() -> None:
    """As JSON, for the audit and the month's page."""
    kept = json.loads(json.dumps(HostResult(waiting("a"), waiting(), "", ("machine",)).as_object()))
    assert kept["installed"][0]["new"] == "2"
    assert kept["restarted"] == ["machine"]
