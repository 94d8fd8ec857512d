"""The guarded push on a real FRR: whatever happens after a step of it, the former routes are there or the confirmed ones.

A push is held after a step, something happens, it goes on; what runs in the end is what it starts with.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import Busy
from provisioner.inventory.target import Target
from provisioner.router import guard
from provisioner.router.platforms import Router, frr
from tests import network
from tests.router.boxes import elsewhere, soon
from tests.router.frr_machine import TIMEOUT_S, Gate, machine

pytestmark = [pytest.mark.deep, pytest.mark.case("R1")]

BACK_S = TIMEOUT_S + 30
WAY_OUT = "ip route 0.0.0.0/0 203.0.113.9"
BEFORE = [WAY_OUT, "ip route 10.8.0.0/16 192.168.1.77"]
AFTER = [WAY_OUT, "ip route 10.9.0.0/16 192.168.1.77"]
LAST = "confirming"  # from here on it may have been confirmed
STEPS = ("armed", "half loaded", "loaded", "looked", LAST)
DROP = 'for one in /proc/[0-9]*; do [ "$(cat $one/comm)" != vtysh ] || kill -9 ${one#/proc/}; done'


@dataclass
class Held:
    """A push on a laptop of its own that waits after a step."""

    pid: int
    folder: Path

    def go(self) -> None:
        """Let it go on."""
        (self.folder / "go").touch()

    @property
    def ended(self) -> str:
        """How it ended, in its own words; empty while it has not, or never did."""
        with suppress(FileNotFoundError):
            return (self.folder / "ended").read_text()
        return ""


def hold(router: Router, step: str, wait: Callable[[], None]) -> None:
    """Have a router's part of a push wait once after a step."""
    own, once = vars(router), [True]

    def waits(*, now: bool = True) -> None:
        if now and once:
            once.clear()
            wait()

    def after(name: str, when: Callable[..., bool] = lambda *_: True) -> None:
        call = getattr(router, name)

        def held(*given: Any) -> Any:
            found = call(*given)
            waits(now=when(found, *given))
            return found

        own[name] = held

    def half(lines: list[str]) -> None:
        if lines[0].startswith("ip route"):
            configure(lines[:1])
            waits()
            lines = lines[1:]
        configure(lines)

    configure: Callable[[list[str]], None] = router._configure  # type: ignore[attr-defined]
    if step == "half loaded":
        own["_configure"] = half
    elif step == "looked":
        after("look", lambda found: found[0].loaded)
    elif step == LAST:
        after("_mark", lambda _, name, __: name == "confirm")
    else:
        after({"armed": "arm", "loaded": "load"}[step])


@contextmanager
def held(gate: Gate, step: str, folder: Path) -> Iterator[Held]:
    """A push that waits after a step; at the end it is no more."""

    def wait() -> None:
        (folder / "held").touch()
        assert soon((folder / "go").exists, 120)

    def work() -> None:
        router = gate.device(*AFTER)
        hold(router, step, wait)
        try:
            ended = str(guard.push(router, timeout_s=TIMEOUT_S, say=lambda _: None).how)
        except Exception as problem:
            ended = type(problem).__name__
        (folder / "part").write_text(ended)
        (folder / "part").rename(folder / "ended")

    with elsewhere(work) as pid:
        assert soon((folder / "held").exists, 60), folder / "ended"
        yield Held(pid, folder)


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """The router, in the LAN's namespace, where these tests go on."""
    folder = tmp_path_factory.mktemp("frr")
    with machine(folder / "machine", Target(network.with_office(folder / "net"), "demo")) as gate:
        yield gate


@pytest.fixture
def gate(gates: Gate) -> Gate:
    """It, as it was before a push, waiting for nobody."""
    gates.inside("systemctl", "reset-failed", "frr")  # it gives up on what dies three times in three minutes
    gates.inside("systemctl", "start", "frr")
    assert soon(gates.answers, 60)
    if gates.running() != BEFORE:
        assert gates.push(*BEFORE).how == "applied"
    return gates


def settled(gate: Gate, began: float) -> list[str]:
    """Its routes once it waits for nobody, in time; it starts with what runs, and holds no mark of ours."""
    assert soon(lambda: gate.answers() and gate.running() is not None, began + BACK_S - time.monotonic())
    assert soon(lambda: gate.running() in (BEFORE, AFTER), began + BACK_S - time.monotonic()), gate.running()
    found = gate.routes()
    assert frr.ours(gate.saved.decode()).splitlines() == found
    assert b"office-" not in gate.saved
    return found


@pytest.mark.parametrize("step", STEPS)
def test_a_cut_link(gate: Gate, step: str, tmp_path: Path) -> None:
    """I1: nobody gets through any more after a step, until the window is long over."""
    with held(gate, step, tmp_path) as push:
        began = time.monotonic()
        gate.cable(plugged=False)
        try:
            push.go()
            wanted = AFTER if step == LAST else BEFORE
            assert soon(lambda: gate.running() == wanted and not window(gate), TIMEOUT_S + 10)
        finally:
            gate.cable(plugged=True)
        assert settled(gate, began) == wanted


def window(gate: Gate) -> bool:
    """Whether its guard waits for a push, as its disk says."""
    return (gate.root / "var/lib/office-frr-guard/window.json").exists()


@pytest.mark.parametrize("step", STEPS)
def test_a_power_cut(gate: Gate, step: str, tmp_path: Path) -> None:
    """I2: the router's power fails after a step, and comes back."""
    with held(gate, step, tmp_path) as push:
        began = time.monotonic()
        gate.power()
        push.go()
        assert soon(lambda: bool(push.ended), 90)
        found = settled(gate, began + 60)  # the push itself has its own time to see it again
        assert found == (AFTER if push.ended == "applied" else BEFORE) or step == LAST, push.ended
        assert found == BEFORE or step == LAST


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_laptop(gate: Gate, step: str, tmp_path: Path) -> None:
    """I4: whoever pushes is killed after a step; the next push is free to begin."""
    with held(gate, step, tmp_path) as push:
        began = time.monotonic()
        os.kill(push.pid, signal.SIGKILL)
        os.waitpid(push.pid, 0)
    assert settled(gate, began) == (AFTER if step == LAST else BEFORE)
    assert gate.push(*AFTER).how == ("unchanged" if step == LAST else "applied")


def told(gate: Gate) -> bool:
    """Whether its guard says in FRR's configuration that it waits for a push."""
    with suppress(subprocess.CalledProcessError, ValueError):
        return f"{frr.MARK}guard remark open" in gate.inside("vtysh", "-c", "show running-config")
    return False


KILLS = {
    "its guard": ("systemctl", "kill", "--signal=KILL", "office-frr-guard"),
    "FRR": ("systemctl", "kill", "--signal=KILL", "frr"),
    "the session": ("sh", "-c", DROP),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("what", KILLS)
def test_a_kill_on_the_router(gate: Gate, what: str, step: str, tmp_path: Path) -> None:
    """I7: the guard, FRR itself or the pusher's own session is killed after a step; what was said to be applied is."""
    with held(gate, step, tmp_path) as push:
        began = time.monotonic()
        gate.inside(*KILLS[what])
        if step != LAST:  # its guard tells of the window again before the push goes on
            soon(lambda: told(gate), TIMEOUT_S / 2)
        push.go()
        assert soon(lambda: bool(push.ended), 120)
        found = settled(gate, max(began, time.monotonic() - TIMEOUT_S))
        assert found == (AFTER if push.ended == "applied" else BEFORE) or (step, push.ended) == (LAST, "unknown"), push.ended


def test_a_guard_that_is_killed_at_its_work(gate: Gate, tmp_path: Path) -> None:
    """I7: what takes the former routes back is killed between two of them: systemd does it again."""
    waits = "[ ! -e /run/slow ] || { rm /run/slow; touch /run/caught; sleep 30; }"
    slow = f'#!/bin/sh\ncase "$*" in *"-c no ip route"*) {waits};; esac\nexec /usr/bin/vtysh "$@"\n'
    place = "/usr/local/bin/vtysh"
    gate.inside("sh", "-c", f'touch /run/slow; printf %s "$1" > {place}; chmod 755 {place}', "sh", slow)
    try:
        with held(gate, "loaded", tmp_path) as push:
            began = time.monotonic()
            os.kill(push.pid, signal.SIGKILL)
            os.waitpid(push.pid, 0)
        assert soon(lambda: "caught" in gate.inside("ls", "/run"), BACK_S)
        gate.inside("systemctl", "kill", "--signal=KILL", "office-frr-guard")
        assert settled(gate, began) == BEFORE
    finally:
        gate.inside("rm", "-f", place, "/run/slow", "/run/caught")


def test_an_frr_that_systemd_gave_up_on(gate: Gate, tmp_path: Path) -> None:
    """I7: it is down and systemd does not start it again: in time the guard does, with the former routes."""
    with held(gate, "loaded", tmp_path) as push:
        began = time.monotonic()
        os.kill(push.pid, signal.SIGKILL)
        os.waitpid(push.pid, 0)
    gate.inside("systemctl", "stop", "frr")  # nobody starts it again, as after the last of many deaths
    assert settled(gate, began) == BEFORE


@pytest.mark.parametrize("step", STEPS[:-1])
def test_a_second_pusher(gate: Gate, step: str, tmp_path: Path) -> None:
    """I5: refused while a window is open, told whose it is, and the first is not disturbed."""
    with held(gate, step, tmp_path) as push:
        other = gate.device(WAY_OUT, by="z.other")
        with pytest.raises(Busy, match=r"waits for the push of m\.durand \(run run-1\)"):
            other.arm("f" * 16, TIMEOUT_S)
        other.close()
        push.go()
        assert soon(lambda: push.ended == "applied", 30), push.ended
    assert settled(gate, time.monotonic()) == AFTER


@pytest.mark.parametrize("line", ["ip roote 10.7.0.0/16 192.168.1.77", "ip rute 10.7.0.0/16 192.168.1.77"])
def test_a_line_that_is_refused(gate: Gate, line: str) -> None:
    """I6: it stops the push, before the first route or behind one that was loaded, and what was loaded goes."""
    began = time.monotonic()
    said = gate.push(*AFTER, line)

    assert (said.how, line in said.why) == ("reverted", True), said
    assert settled(gate, began) == BEFORE
