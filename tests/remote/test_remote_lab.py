"""A hub and two offices behind NAT on one simulated Internet: maintained from afar, closed by the office, never mixed up."""

import concurrent.futures
import shlex
from collections.abc import Iterator

import pytest

from provisioner.inventory import open_inventory, way_in
from provisioner.inventory.target import Target
from tests.lab.light import inside, soon
from tests.lab.small import clean
from tests.remote.network import HUB, OTHER, network
from tests.stage import Stage

pytestmark = [pytest.mark.lab, pytest.mark.deep]
BECAUSE = "mises à jour de mai"
PROGRAM = "/usr/local/libexec/office-remote"


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stage]]:
    """All three installed by `apply`, each on its own LAN, with the keys of all made before."""
    found = network(tmp_path_factory.mktemp("remote"))
    street = f"remote-{found[HUB].target.id}"

    def said(stage: Stage, *words: str) -> None:
        done = stage.json(*words, timeout_s=1200)
        assert done.code == 0, done

    try:
        for name, stage in found.items():
            said(stage, "lab", "up", name, "--internet", street)
            said(stage, "adopt", name, "--lab", "--yes")
            said(stage, "secrets", "show", name, "--lab", "--complete")
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            for done in [pool.submit(said, stage, "apply", name, "--lab", "--yes") for name, stage in found.items()]:
                done.result()
        yield found
    finally:
        for name, stage in found.items():
            stage.run("lab", "down", name)
    assert all(clean(stage.target.id) for stage in found.values())


@pytest.fixture
def demo(stages: dict[str, Stage]) -> Iterator[Stage]:
    """The office, open on this laptop, which is somewhere on the Internet."""
    stage = stages["demo"]
    said = stage.json("remote", "open", "demo", "--lab", "--because", BECAUSE)
    assert said.code == 0, said
    yield stage
    stage.run("remote", "close", "demo", "--lab")


def met_by_tunnel(stage: Stage) -> bool:
    """Whether a host is reached although nothing but the tunnel leads there."""
    said = stage.json("remote", "status", stage.office, "--lab")
    return said.code == 0 and bool(said.data["reached"])


def within(stage: Stage, line: str) -> str:
    """What a line says inside the network of the tunnel at the office's server."""
    find = f'for fd in /proc/$(pgrep -of "{PROGRAM} serve")/fd/*; do nsenter --net=$fd ip link show office-remote >/dev/null 2>&1'
    return inside(stage, "server", f"{find} && exec nsenter --net=$fd sh -c {shlex.quote(line)}; done")


def test_every_verb_goes_through_it(demo: Stage) -> None:
    """Hosts are met at the office's own addresses; `plan` and `apply` are what they are on the LAN: nothing to change."""
    assert demo.on("server", "echo $SSH_CONNECTION").split()[2].endswith("192.168.1.10")
    assert demo.on("router", "hostname").strip() == "router"

    said = demo.json("plan", "demo", "--lab", timeout_s=900)
    assert said.code == 0, said
    again = demo.json("apply", "demo", "--lab", "--yes", timeout_s=900)
    assert again.code == 0, again
    assert [host["changed"] for host in again.data["hosts"].values()] == [0, 0]
    assert demo.json("check", "demo", "--lab").code in (0, 7)


def test_the_office_reads_who_came_and_why(demo: Stage) -> None:
    """In a plain file of the server's, in the office's language."""
    log = demo.on("server", "cat /var/log/office-remote.log").splitlines()

    assert any(line.endswith("Céline Lefèvre est là (server)") for line in log)
    assert any(line.endswith(f"Céline Lefèvre dit pourquoi : {BECAUSE}") for line in log)


def test_no_office_sees_another(demo: Stage, stages: dict[str, Stage]) -> None:
    """From one office's end neither another office's hosts nor the hub's machine answer."""
    inventory = open_inventory(demo.inventory)
    server = inventory.office("demo").hosts["server"].address
    there = [way_in.address(inventory.office(name), server) for name in (OTHER, HUB)]
    own = way_in.address(inventory.office("demo"), server)

    assert f"{own}/128" in within(demo, "ip -6 address")
    # an office that was taken over sets its own end as it likes
    forged = "wg set office-remote peer $(wg show office-remote peers) allowed-ips fd00::/8"
    for address in there:
        ask = f"timeout 4 bash -c 'exec 3<>/dev/tcp/{address}/22 && head -c 4 <&3' || echo nobody"
        assert within(demo, f"{forged}; ip -6 route replace {address} dev office-remote; {ask}").strip().endswith("nobody")
    inside(demo, "server", "systemctl reload office-remote")
    assert stages[OTHER].json("remote", "open", OTHER, "--lab", "--because", BECAUSE).code == 0
    assert soon(lambda: met_by_tunnel(demo), 20), demo.json("remote", "status", "demo", "--lab")
    stages[OTHER].run("remote", "close", OTHER, "--lab")


def test_closed_at_the_office_nobody_gets_in(stages: dict[str, Stage]) -> None:
    """After a restart and an `apply` too, until the office opens it again; whoever was in is out at once."""
    stage = stages["demo"]
    assert stage.json("remote", "open", "demo", "--lab", "--because", BECAUSE).code == 0
    inside(stage, "server", f"{PROGRAM} close")
    assert stage.json("ssh", "demo", "server", "--lab", "--", "true").code == 5
    assert stage.json("remote", "status", "demo", "--lab").code == 7
    assert stage.run("remote", "close", "demo", "--lab").code == 0

    assert stage.json("apply", "demo", "--lab", "--yes", timeout_s=900).code == 0  # on the LAN
    stage.restart("server")
    said = stage.json("remote", "open", "demo", "--lab", "--because", BECAUSE)
    assert said.code == 5, said
    assert "demo does not answer through lumiere" in said.data["error"]
    assert stage.json("remote", "status", "demo", "--lab").data["closed_by_office"]["by"] == "root"

    inside(stage, "server", f"{PROGRAM} open")
    assert stage.json("remote", "open", "demo", "--lab", "--because", BECAUSE).code == 0
    stage.run("remote", "close", "demo", "--lab")


def test_it_comes_back_after_a_restart_of_either_end(demo: Stage, stages: dict[str, Stage]) -> None:
    """Nobody has to go there: the office calls again by itself."""
    hub = stages[HUB]
    hub.restart("server")
    assert soon(lambda: met_by_tunnel(demo), 240)  # WireGuard makes new keys every two minutes
    demo.run("remote", "close", "demo", "--lab")
    demo.restart("server")
    said = demo.json("remote", "open", "demo", "--lab", "--because", BECAUSE)
    assert said.code == 0, said


def test_a_technician_who_is_not_known_is_not_let_in(stages: dict[str, Stage]) -> None:
    """A key that the hub does not have gets no answer, whatever else the laptop knows."""
    stage = stages["demo"]
    key = Target(stage.inventory, HUB, lab=True)
    path = stage.home / f"provisioner/labs/{HUB}-{key.id}/tunnel.key"
    kept = path.read_text()
    try:
        path.unlink()
        assert stage.json("remote", "open", "demo", "--lab", "--because", BECAUSE).code == 5
    finally:
        path.write_text(kept)
