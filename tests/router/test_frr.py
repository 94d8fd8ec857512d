"""An FRR router, a real one (`frr_machine`): what proves good stays, whatever happens else its routes come back."""

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from provisioner.errors import Busy
from provisioner.inventory.target import Target
from provisioner.router.guard import Rejected
from provisioner.router.platforms import File, Router, frr
from tests import network
from tests.router.boxes import elsewhere, soon
from tests.router.frr_machine import TIMEOUT_S, Gate, machine

pytestmark = pytest.mark.deep
WAY_OUT, OTHER, WRONG = "ip route 0.0.0.0/0 203.0.113.9", "ip route 10.9.0.0/16 192.168.1.77", "ip route 0.0.0.0/0 203.0.113.14"


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """The router with a way out, in the LAN's namespace, where these tests go on."""
    folder = tmp_path_factory.mktemp("frr")
    with machine(folder / "machine", Target(network.with_office(folder / "net"), "demo")) as gate:
        assert gate.push(WAY_OUT).how == "applied"
        yield gate


@pytest.fixture
def gate(gates: Gate) -> Iterator[Gate]:
    """The router between two cases: it has its way out and waits for nobody; after each it has that still."""
    assert soon(gates.answers, 60)
    before = gates.saved
    assert gates.routes() == [WAY_OUT]
    yield gates
    assert soon(gates.answers, 60)
    assert gates.routes() == [WAY_OUT]
    assert gates.saved == before


def loaded(gate: Gate, *routes: str) -> tuple[Router, str]:
    """A push that is in force and waits to be confirmed; its token."""
    router, token = gate.device(*routes), secrets.token_hex(8)
    router.arm(token, TIMEOUT_S)
    router.load(token)
    assert frr.text(routes).splitlines() == gate.routes()
    return router, token


def running(gate: Gate) -> list[str]:
    """Its routes, none while FRR is down."""
    with suppress(subprocess.CalledProcessError):
        return gate.routes()
    return []


def back(gate: Gate, began: float) -> None:
    """Its former routes are there within the window and 30 s."""
    assert soon(lambda: running(gate) == [WAY_OUT], TIMEOUT_S + 30), gate.routes()
    assert time.monotonic() - began < TIMEOUT_S + 30


def test_what_proves_good_stays_and_is_saved(gate: Gate) -> None:
    """Confirmed over a fresh connection; then it starts with it, and the same again writes nothing."""
    before = gate.saved
    said = gate.push(WAY_OUT, OTHER)
    assert (said.how, said.why) == ("applied", "confirmed")
    assert OTHER.encode() in gate.saved
    assert b"office-" not in gate.saved
    written = (gate.root / "etc/frr/frr.conf").stat().st_mtime_ns
    assert gate.push(WAY_OUT, OTHER).how == "unchanged"
    assert (gate.root / "etc/frr/frr.conf").stat().st_mtime_ns == written
    gate.power()
    assert gate.routes() == [WAY_OUT, OTHER]

    assert gate.push(WAY_OUT).how == "applied"
    assert gate.saved == before


def test_a_way_out_that_leads_nowhere_is_not_confirmed(gate: Gate) -> None:
    """The session lives on, and the Internet that answered before does not."""
    said = gate.push(WRONG)

    assert (said.how, said.why) == ("reverted", "the Internet does not answer: 198.51.100.1")


def test_a_cut_link(gate: Gate) -> None:
    """Nobody comes in any more: in time the routes are the former ones."""
    (router, _), began = loaded(gate, OTHER), time.monotonic()
    gate.cable(plugged=False)
    router.close()
    try:
        back(gate, began)
    finally:
        gate.cable(plugged=True)


@pytest.mark.parametrize("step", ["armed", "loaded", "saved by hand"])
def test_a_power_cut(gate: Gate, step: str) -> None:
    """It starts with what it had, even where somebody saved what was not confirmed."""
    began = time.monotonic()
    if step == "armed":
        router = gate.device(OTHER)
        router.arm(secrets.token_hex(8), TIMEOUT_S)
    else:
        router, _ = loaded(gate, OTHER)
    if step == "saved by hand":
        gate.inside("vtysh", "-c", "write memory")
        assert OTHER.encode() in gate.saved
    router.close()
    gate.power()
    back(gate, began)
    router = gate.device(OTHER)
    state, _ = router.look()
    router.close()
    assert state.last
    assert (state.last.how, state.last.why) == ("reverted", "the router was started anew")


def test_a_killed_laptop(gate: Gate) -> None:
    """Whoever pushed is gone with the routes in force."""
    began = time.monotonic()
    ready = gate.folder / "loaded"
    ready.unlink(missing_ok=True)

    def work() -> None:
        loaded(gate, OTHER)
        ready.touch()
        time.sleep(600)

    with elsewhere(work):
        assert soon(ready.exists, 30)
    back(gate, began)


def test_a_second_pusher(gate: Gate) -> None:
    """Refused while a window is open, and told whose."""
    router, token = loaded(gate, WAY_OUT, OTHER)
    other = gate.device(WAY_OUT, by="z.other")
    with pytest.raises(Busy, match=r"waits for the push of m\.durand \(run run-1\)"):
        other.arm("f" * 16, TIMEOUT_S)
    other.close()
    router.revert(token)
    router.close()


def test_a_line_that_is_refused(gate: Gate) -> None:
    """The push stops there, what was loaded before it goes."""
    said = gate.push(WAY_OUT, "ip route 10.8.0.0/16 192.168.1.77", "ip rute 10.9.0.0/16 192.168.1.77")

    assert said.how == "reverted"
    assert "ip rute" in said.why


@pytest.mark.parametrize("who", ["office-frr-guard", "frr"])
def test_a_crash(gate: Gate, who: str) -> None:
    """The guard is killed, or FRR itself: the window ends all the same."""
    (router, _), began = loaded(gate, OTHER), time.monotonic()
    gate.inside("systemctl", "kill", "--signal=KILL", who)
    router.close()
    back(gate, began)


def test_without_a_guard_it_is_refused(gate: Gate) -> None:
    """Nothing on it would take the routes back; nothing was changed."""
    gate.inside("systemctl", "stop", "office-frr-guard")
    try:
        with pytest.raises(Rejected, match="its guard does not answer"):
            gate.push(WAY_OUT, OTHER)
        gate.inside("vtysh", "-c", "configure terminal", "-c", "no access-list office-guard")
        with pytest.raises(Rejected, match="no office-frr-guard runs on it"):
            gate.push(WAY_OUT, OTHER)
    finally:
        gate.inside("systemctl", "start", "office-frr-guard")


def test_how_it_runs(gate: Gate) -> None:
    """Its version, links with their addresses, the way out; what is kept is its routes."""
    router = gate.device(WAY_OUT)
    found = router.running()
    kept = router.current()
    router.close()

    assert found["version"].startswith("FRR 8.")
    assert {"name": "eth0", "up": True, "addresses": ["192.168.1.1/24"]} in found["links"]
    assert found["route"] == {"gateway": "203.0.113.9", "dev": "eth1"}
    assert kept == {frr.CONFIGURATION: File(f"{WAY_OUT}\n")}
