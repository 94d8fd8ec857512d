"""A wrong clock is found, and said of whom it is: this laptop, or one host."""

import importlib.util
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.findings import Level
from provisioner.hosts.programs import server
from provisioner.laptop import clock
from provisioner.plays import playbooks
from provisioner.verify.checks import VerifySession
from provisioner.verify.checks.clock import CHECK
from tests.laptop.wrong_clock import clock as faked
from tests.stage import make

DAY, YEARS = 86_400.0, 3_652 * 86_400.0
SINCE_1970 = 1_795_000_000.0
WRONG = {"a day behind": -DAY, "a day ahead": DAY, "ten years behind": -YEARS, "ten years ahead": YEARS, "1970": -SINCE_1970}
COMMITTED = 600.0  # ten minutes before the true time

pytestmark = pytest.mark.case("F7")


def seen(laptop: float = 0.0, **hosts: float) -> tuple[list[str], bool]:
    """What is judged where each clock is that far from the true time."""
    return clock.judge({host: off - laptop for host, off in hosts.items()}, -COMMITTED - laptop)


@pytest.mark.parametrize("off", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("hosts", [1, 2, 10])
def test_a_laptop_with_a_wrong_clock(off: float, hosts: int) -> None:
    """Every host contradicts it: it is the laptop, however many hosts there are."""
    names = [f"h{number}" for number in range(hosts)]

    assert seen(off, **dict.fromkeys(names, 0.5)) == (sorted(names), True)


@pytest.mark.parametrize("off", WRONG.values(), ids=WRONG)
def test_a_host_with_a_wrong_clock(off: float) -> None:
    """It is named; the laptop and the others are right."""
    assert seen(router=0.2, server=off) == (["server"], False)


@pytest.mark.parametrize("off", WRONG.values(), ids=WRONG)
def test_a_laptop_and_a_host_with_the_same_wrong_clock(off: float) -> None:
    """Two against one prove nothing, unless both live before the newest commit."""
    assert seen(off, router=0.2, server=off) == (["router"], off < 0)


@pytest.mark.parametrize("off", [off for off in WRONG.values() if off < 0], ids=[name for name in WRONG if WRONG[name] < 0])
def test_an_only_host_that_lives_in_the_past(off: float) -> None:
    """A new machine with an empty battery, alone in its office: the newest commit tells that it is not the laptop."""
    assert seen(server=off) == (["server"], False)


def test_hosts_that_all_contradict_each_other() -> None:
    """No two agree: each is named, and nothing is proven against the laptop."""
    assert seen(a=DAY, b=YEARS, c=-DAY) == (["a", "b", "c"], False)


def test_some_minutes_are_said_and_stop_nothing() -> None:
    """Seconds are nothing, minutes are said, from an hour on nothing is done."""
    assert seen(router=30, server=-200) == ([], False)
    assert seen(router=900, server=900) == (["router", "server"], False)
    assert seen(router=3700, server=3700) == (["router", "server"], True)


def test_a_copy_from_the_future() -> None:
    """A colleague committed with a clock ten years ahead: that accuses neither us nor the hosts who agree with us."""
    assert clock.judge({"router": 0.1, "server": 0.2}, YEARS) == ([], False)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(DAY, "24 hours ahead of"), (-YEARS, "3652 days behind"), (2.5 * 3600, "2.5 hours ahead of"), (-400, "6.7 minutes behind")],
)
def test_a_difference_is_told_in_words(seconds: float, words: str) -> None:
    """In the unit a person would use."""
    assert clock.span(seconds) == words


# -------------------------------------------------------------------------- what else a clock decides


@pytest.mark.parametrize("off", WRONG.values(), ids=WRONG)
def test_verify_finds_the_machine_whose_clock_is_off(off: float) -> None:
    """From what the machines say of themselves: not ok, and by how much which one; that they all agree is ok."""
    for wrong in (0.0, off):
        facts = {"desktop": {"offset": 0.3}, "router": {"offset": -0.2}, "server": {"offset": wrong}}
        selection: Any = SimpleNamespace(target=SimpleNamespace(lab=True))
        found = next(iter(CHECK.run(VerifySession(selection, "desktop", "server", {}, "", "", facts=facts))))
        assert (found.level is Level.OK) is not bool(wrong)
        said = dict(re.findall(r"(\w+) ([+-][0-9.]+) s", found.evidence))
        assert abs(float(said["server"]) - wrong) < 1, found.evidence


def nightly(name: str) -> Any:
    """A function of the program that makes the backups."""
    folder = playbooks() / "roles/backup/files"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("nightly", folder / "nightly.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return getattr(module, name)


@pytest.mark.parametrize("off", [off for off in WRONG.values() if off > 0], ids=[name for name in WRONG if WRONG[name] > 0])
def test_a_backup_dated_by_a_clock_that_was_ahead(off: float) -> None:
    """It is not taken for last night's, and its repository is tidied and read again next night, not in ten years."""
    due = nightly("due")

    assert due(SINCE_1970 + off, SINCE_1970)
    assert not due(SINCE_1970 - DAY, SINCE_1970)
    assert due(SINCE_1970 - 8 * DAY, SINCE_1970)
    assert server.recent(20.0, 30)
    assert not server.recent(31.0, 30)
    assert not server.recent(-off / 3600, 30)


@pytest.mark.parametrize(("off", "lacks"), [(0.0, False), (-DAY, True), (-YEARS, True), (DAY, False)])
def test_doctor_tells_a_clock_that_is_behind(tmp_path: Path, off: float, lacks: bool) -> None:
    """Behind the newest commit: named, with the command that sets it. One ahead only the hosts can tell."""
    stage = make(tmp_path)
    stage.git("commit", "-q", "--allow-empty", "-m", "just now")
    said = stage.json("doctor", **(faked(off) if off else {}))

    found = [lack for lack in said.data["work"] if lack["what"] == "the right time"]
    assert bool(found) is lacks, said.data
    if lacks:
        assert "behind the newest commit" in found[0]["why"]
        assert found[0]["repair"] == ["timedatectl set-ntp true"]
        assert said.code == 7
