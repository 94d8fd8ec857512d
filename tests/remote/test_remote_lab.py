"""A hub and two offices behind NAT on one simulated Internet: maintained from afar, closed by the office, never mixed up."""

import concurrent.futures
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from provisioner import lab
from provisioner.inventory import open_inventory, way_in
from provisioner.inventory.target import Target
from provisioner.lab.internet import Internet
from tests.lab.light import inside, soon, state
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
    assert [host["changed"] for host in again.data["hosts"].values()] == [0, 0, 0]
    assert demo.json("check", "demo", "--lab").code in (0, 7)


def test_a_router_is_pushed_and_a_night_is_made_by_it(demo: Stage) -> None:
    """The router confirms over the tunnel that it serves; the push of a moment ago is taken back by another."""
    whole = demo.dossier.read_text()
    try:
        demo.dossier.write_text(whole + "forwards:\n  caisse: {port: 8443, to: server, protocol: tcp}\n")
        for _ in range(2):
            said = demo.json("router", "push", "demo", "--lab")
            assert said.code == 0, said
            ruled = "8443" in demo.on("router", "sudo nft list ruleset")
            assert ruled is (demo.dossier.read_text() != whole)
            demo.dossier.write_text(whole)
    finally:
        demo.dossier.write_text(whole)
    said = demo.json("backup", "run", "demo", "--lab")
    assert said.code == 0, said
    assert demo.json("backup", "list", "demo", "--lab").data["places"][0]["snapshots"]


def test_the_hub_keeps_the_second_copy_and_the_office_only_adds(demo: Stage, stages: dict[str, Stage]) -> None:
    """Through the Internet to the hub's own port; what is there the office cannot delete, the keeper forgets and tidies."""
    said = demo.json("backup", "run", "demo", "--lab", "--place", "remote")
    assert said.code == 0, said
    places = {one["place"]: one for one in demo.json("backup", "list", "demo", "--lab").data["places"]}
    assert places["remote"]["snapshots"]
    held = "find /srv/office-backups/epicerie/office/snapshots -type f"
    (snapshot,) = inside(stages[HUB], "server", held).split()
    way = "ssh -F /etc/office-backup/ssh_config office-backup"
    restic = f"restic -r rclone:office --password-file /etc/office-backup/password -o rclone.program='{way} rclone'"
    inside(demo, "server", f"{restic} forget {snapshot.rpartition('/')[2]} || true")
    inside(demo, "server", f"{way} rm -rf . </dev/null || true")
    assert inside(stages[HUB], "server", held).split() == [snapshot]
    assert demo.json("backup", "prune", "demo", "--lab").code == 0
    assert inside(stages[HUB], "server", held).split() == [snapshot]


def test_an_office_is_verified_by_it_and_the_record_names_the_way(demo: Stage) -> None:
    """Nothing is red; the way and its switch at the desktop have lines of their own; the audit has who came and why."""
    assert demo.json("backup", "run", "demo", "--lab").code == 0
    said = demo.json("verify", "demo", "--lab", timeout_s=600)
    levels = {(one["check"], one["about"]): one["level"] for one in said.data["findings"]}
    red = [one for one in said.data["findings"] if one["level"] in ("critical", "unknown")]
    assert not red, red
    assert (levels["remote", "server"], levels["remote_switch", "desktop"]) == ("ok", "ok")
    made = demo.json("record", "new", "demo", "--lab", "--lang", "fr")
    assert made.code == 0, made
    (page,) = demo.home.glob("provisioner/labs/demo-*/records/*.html")
    assert "Maintenance à distance" in page.read_text()
    opened = [json.loads(path.read_text()) for path in (state(demo) / "runs").glob("*.json")]
    assert BECAUSE in [one.get("because") for one in opened if one["verb"] == "remote open"]


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


def test_a_person_closes_it_at_a_desktop(demo: Stage) -> None:
    """Without a password and without us; whoever is in is out at once; the log says at which machine; and opens it again."""
    going = demo.start("ssh", "demo", "server", "--lab", "--", "echo in; sleep 300")
    assert going.stdout
    assert going.stdout.readline().strip() == "in"
    said = inside(demo, "desktop", "runuser -u nobody office-remote close")
    assert said.splitlines()[0].startswith("The way in is closed, by nobody (192.168.1.20)")
    assert going.wait(30) != 0
    assert demo.json("remote", "status", "demo", "--lab").code == 7
    log = inside(demo, "server", "cat /var/log/office-remote.log").splitlines()
    assert log[-1].endswith("fermé par nobody (192.168.1.20)")
    inside(demo, "desktop", "runuser -u nobody office-remote open")
    assert soon(lambda: demo.json("remote", "open", "demo", "--lab", "--because", BECAUSE).code == 0, 60)


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


MOVED = """table ip moved {{
  chain postrouting {{
    type nat hook postrouting priority srcnat
    ip saddr {line} ip daddr 203.0.113.0/24 snat to 203.0.113.99
  }}
}}
"""


def test_it_follows_the_offices_line_to_another_address(demo: Stage, stages: dict[str, Stage]) -> None:
    """As after a night's new address from the provider, and back: within the half minute of the next call."""
    up = lab.find(demo.target)
    assert up
    assert up.line
    line = up.line.outside.ip
    between = Internet(up.line.internet).namespace  # the laptop needs no nft, a host has one

    def seen() -> str:
        said = json.loads(inside(stages[HUB], "server", f"{PROGRAM} status"))
        return next(str(peer["from"]) for peer in said["peers"] if peer["name"] == "demo")

    assert seen().startswith(f"{line}:")
    inside(demo, "server", f"nft -f - <<'END'\n{MOVED.format(line=line)}END\n", network=between)
    try:
        assert soon(lambda: seen().startswith("203.0.113.99:"), 60), seen()
        assert soon(lambda: met_by_tunnel(demo), 60)
    finally:
        inside(demo, "server", "nft delete table ip moved", network=between)
    assert soon(lambda: seen().startswith(f"{line}:"), 60), seen()
    assert soon(lambda: met_by_tunnel(demo), 60)


NEW_KEY = """
import sys
from pathlib import Path
from provisioner.inventory.target import Target
from provisioner.lab.internet import Internet
from provisioner.secrets import certificates, vault
target = Target(Path(sys.argv[1]), sys.argv[2], lab=True)
new = certificates.tunnel()
vault.store(target, vault.key_of(target), vault.read(target).model_copy(update={"remote": new}))
target.tunnel_public.write_text(new["key_public"] + "\\n")
"""


def test_a_hub_with_a_new_key_is_nobodys_until_the_office_knows_it(stages: dict[str, Stage]) -> None:
    """As after the hub was set up anew: said at both ends, not mistaken for open; an `apply` on the LAN mends it."""
    hub, stage = stages[HUB], stages["demo"]
    words = [sys.executable, "-c", NEW_KEY, str(hub.inventory), HUB]
    subprocess.run(words, env=hub.environment, check=True)
    assert hub.json("apply", HUB, "--lab", "--yes", timeout_s=900).code == 0
    said = stage.json("remote", "open", "demo", "--lab", "--because", BECAUSE)
    assert said.code == 5, said

    def judged() -> list[str]:
        told = stage.json("verify", "demo", "--lab", "--only", "remote", timeout_s=300)
        return [one["level"] for one in told.data["findings"] if one["check"] == "remote"]

    assert judged() == ["critical"]  # at once, though a session that was made before lasts three minutes (WireGuard)
    assert stage.json("apply", "demo", "--lab", "--yes", timeout_s=900).code == 0
    assert soon(lambda: stage.json("remote", "open", "demo", "--lab", "--because", BECAUSE).code == 0, 90)
    stage.run("remote", "close", "demo", "--lab")


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
