"""Bad days of a RouterOS router: what breaks at any line of a push, and what it and its line do otherwise than they should."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import ProvisionerError
from provisioner.router.guard import Outcome
from provisioner.router.platforms import routeros_router
from tests.router.boxes import Bench, bench, elsewhere, pushed, soon
from tests.router.test_routeros_router import BACK_S, TIMEOUT_S, configuration, leases, listens, wanted, window

pytestmark = pytest.mark.lab

# Lines that a push enters, each a moment at which anything may happen; in every suite one of a kind, in the deep one all.
LINES = 30


def steps(*shown: int) -> list[Any]:
    """Every line; all but those shown are deep."""
    return [pytest.param(number, marks=[] if number in shown else pytest.mark.deep) for number in range(1, LINES + 1)]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A router in which an office's network is in force."""
    folder = tmp_path_factory.mktemp("days")
    with pytest.MonkeyPatch.context() as patch, bench(folder, "routeros") as box:
        patch.setattr(routeros_router, "SETTLED_S", 1.0)  # a minute of its timers takes three seconds here
        assert pushed(box.device(wanted(folder / "case")), TIMEOUT_S).how == "applied"
        yield box


@pytest.fixture
def box(fresh: Bench) -> Iterator[Bench]:
    """The router between two cases."""
    for name in ("cut", "slow", "held", "fault.json", "fault.done"):
        fresh.set(name, None)
    assert soon(lambda: not window(fresh) and listens(fresh), BACK_S)
    yield fresh


def outcome(box: Bench, folder: Path) -> Outcome | ProvisionerError:
    """What a push of another network came to, or why it did not begin."""
    try:
        return pushed(box.device(wanted(folder, *leases(2))), TIMEOUT_S)
    except ProvisionerError as problem:
        return problem


def true(box: Bench, said: Outcome | ProvisionerError, before: bytes, began: float) -> None:
    """Either everything is as it was, and that is said; or the new one is in force whole, and nothing else was said."""
    assert soon(lambda: not window(box) and listens(box), began + BACK_S - time.monotonic())
    if isinstance(said, Outcome) and said.how in ("applied", "unknown") and configuration(box) != before:
        device = box.device(wanted(box.folder / f"x{time.monotonic_ns()}", *leases(2)))
        assert device.differences() == []
        device.close()
        put_back(box)
        return
    assert not isinstance(said, Outcome) or said.how in ("reverted", "unknown"), said
    assert configuration(box) == before


def put_back(box: Bench) -> None:
    """The network of before, for the next case."""
    assert pushed(box.device(wanted(box.folder / f"y{time.monotonic_ns()}")), TIMEOUT_S).how == "applied"


@pytest.mark.parametrize("line", steps())  # two minutes each
def test_a_cut_link(box: Bench, line: int, tmp_path: Path) -> None:
    """I1: with this line the link is cut both ways; the router goes back by itself, without anybody."""
    before, began = configuration(box), time.monotonic()
    box.fault(line, "cut")
    said = outcome(box, tmp_path)
    assert soon(lambda: not window(box), BACK_S)
    box.set("cut", None)
    true(box, said, before, began)


@pytest.mark.parametrize("line", steps(14))
def test_a_power_cut(box: Bench, line: int, tmp_path: Path) -> None:
    """I2: with this line its power fails; it starts, and has its former configuration."""
    before, began = configuration(box), time.monotonic()
    box.fault(line, "power")
    true(box, outcome(box, tmp_path), before, began)


@pytest.mark.parametrize("line", steps(19))
def test_a_killed_laptop(box: Bench, line: int, tmp_path: Path) -> None:
    """I4: with this line the tool is killed; the router goes back by itself, and the next push is free to begin."""
    before, began = configuration(box), time.monotonic()
    box.fault(line, "hold")
    with elsewhere(lambda: outcome(box, tmp_path)) as pid:
        if soon((box.folder / "held").exists, TIMEOUT_S):
            os.kill(pid, signal.SIGKILL)
        box.set("held", None)
        assert soon(lambda: not window(box) and listens(box), BACK_S)
    if configuration(box) != before:  # it was confirmed already when it was killed
        put_back(box)
    assert time.monotonic() - began < BACK_S + TIMEOUT_S


@pytest.mark.parametrize("line", steps())
def test_a_session_that_is_dropped(box: Bench, line: int, tmp_path: Path) -> None:
    """In the middle of the answer to this line the session ends: reported, or done again; never half."""
    before, began = configuration(box), time.monotonic()
    box.fault(line, "drop")
    true(box, outcome(box, tmp_path), before, began)


@pytest.mark.deep
def test_a_way_back_that_is_ended(box: Bench, tmp_path: Path) -> None:
    """I7: somebody ends the script that takes the former configuration back: the scheduler runs it again."""
    before = configuration(box)
    device = box.device(wanted(tmp_path, *leases(2)))
    device.differences()
    device.arm("a" * 16, 6.0)
    device.load("a" * 16)
    assert soon(lambda: configuration(box) != before, 10)
    device.close()
    other = box.device({})
    until = time.monotonic() + 8
    while time.monotonic() < until and window(box):
        try:
            other._at().run("/system script job remove [ find ]")  # type: ignore[attr-defined]
        except ProvisionerError:
            break
    other.close()
    assert soon(lambda: not window(box) and listens(box), BACK_S)
    assert configuration(box) == before


def test_a_banner_with_a_hash_and_a_slow_router(box: Bench, tmp_path: Path) -> None:
    """A note that looks like a prompt stands at its login, and it takes its time for each line: the answers are the same."""
    stored = json.loads(configuration(box))
    device = box.device(wanted(tmp_path))
    device._at().run('/system note set note="\\\\#\\\\# [admin@router] > \\\\# only for those who may"'.replace("\\\\#", "#"))  # type: ignore[attr-defined]
    device.close()
    box.set("slow", "1")
    try:
        again = box.device(wanted(tmp_path / "again"))
        assert again.differences() == []
        again.close()
    finally:
        box.set("slow", None)
    last = box.device({})
    last._at().run('/system note set note=""')  # type: ignore[attr-defined]
    last.close()
    assert json.loads(configuration(box)).keys() == stored.keys()
