"""An FRR router, a real one (`frr_machine`): what proves good stays, whatever happens else its routes come back."""

import secrets
from collections.abc import Iterator

import pytest

from provisioner.inventory.target import Target
from provisioner.router.guard import Rejected
from provisioner.router.platforms import File, frr
from tests import network
from tests.router.boxes import soon
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


def test_a_power_cut_after_somebody_saved_by_hand(gate: Gate) -> None:
    """It starts with what it had, though what was not confirmed was written for its start, and says why."""
    router, token = gate.device(WAY_OUT, OTHER), secrets.token_hex(8)
    router.arm(token, TIMEOUT_S)
    router.load(token)
    gate.inside("vtysh", "-c", "write memory")
    assert OTHER.encode() in gate.saved
    router.close()
    gate.power()
    assert soon(lambda: gate.running() == [WAY_OUT], TIMEOUT_S)
    router = gate.device(OTHER)
    state, _ = router.look()
    router.close()
    assert state.last
    assert (state.last.how, state.last.why) == ("reverted", "the router was started anew")


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
