"""Labs that share an Internet meet there by their gateways' outer addresses and nowhere else; it goes with the last of them."""

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from provisioner import lab
from provisioner.errors import BadInput
from provisioner.inventory import open_inventory
from provisioner.lab import base, blank, machines, network
from provisioner.lab.internet import Internet
from provisioner.lab.network import NAMESPACES, Line
from provisioner.lab.snapshot import Snapshot
from provisioner.secrets.models import Secrets
from provisioner.training.network import keep_hosts
from tests.lab.light import soon
from tests.lab.small import Small, clean, traces
from tests.network import with_office
from tests.stage import Stage, make


@dataclass(frozen=True)
class Street:
    """Two offices of one inventory whose labs share an Internet."""

    shop: Small
    town_hall: Small
    internet: Internet

    @staticmethod
    def outside(office: Small) -> str:
        """The outer address of an office's gateway."""
        assert office.lab.line
        return str(office.lab.line.outside.ip)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Both come up at the same time, on an Internet that no other test's labs are on."""
    shop = make(tmp_path_factory.mktemp("street"), hosts=("router", "server"))
    town_hall = Stage(shop.inventory, shop.home, "mairie-saint-aubin")
    keep_hosts(town_hall.dossier, ("router", "server"))
    internet = Internet(f"street-{shop.target.id}")
    try:
        ups = [stage.start("lab", "up", stage.office, "--internet", internet.name) for stage in (shop, town_hall)]
        for up in ups:
            _, err = up.communicate(timeout=180)
            assert up.returncode == 0, err
        yield Street(Small(shop), Small(town_hall), internet)
    finally:
        for stage in (shop, town_hall):
            stage.run("lab", "down", stage.office)
    assert all(clean(one) for one in (shop.target.id, town_hall.target.id, internet.id))


def answers(small: Small, host: str, *addresses: str) -> list[str]:
    """Those of the addresses whose sshd answers a host."""
    tries = (f"timeout 2 bash -c 'head -c4 </dev/tcp/{one}/22 | grep -q SSH-' 2>/dev/null && echo {one}" for one in addresses)
    return small.on(host, "; ".join(tries))[1].split()


# --- decided before anything is made -------------------------------------------------------------------------------


def test_each_lab_on_an_internet_has_a_number_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest that is free, so that outer addresses stay short; another Internet counts for itself."""
    monkeypatch.setenv("PROVISIONER_LAB_DIR", str(tmp_path))
    for lab_id in ("aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc", "dddddddddd"):
        (tmp_path / lab_id).mkdir()
    one, other = Internet("unit-one"), Internet("unit-other")

    assert (one.join("aaaaaaaaaa"), one.join("bbbbbbbbbb")) == (Line(one.name, 2), Line(one.name, 3))
    assert other.join("cccccccccc") == Line(other.name, 2)
    one.leave("aaaaaaaaaa")
    assert one.join("dddddddddd") == Line(one.name, 2)
    assert sorted(one.lines) == ["bbbbbbbbbb", "dddddddddd"]
    assert str(one.lines["bbbbbbbbbb"].outside) == "203.0.113.3/32"


def test_internets_of_two_folders_of_labs_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two users of a machine who call theirs alike do not meet."""
    monkeypatch.setenv("PROVISIONER_LAB_DIR", str(tmp_path / "one"))
    mine = Internet("street").namespace
    monkeypatch.setenv("PROVISIONER_LAB_DIR", str(tmp_path / "other"))

    assert Internet("street").namespace != mine


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    """What nobody could say again is refused before anything is made."""
    stage = make(tmp_path)
    said = stage.run("lab", "up", "demo", "--internet", "Rue Basse")

    assert said.code == 2
    assert "'Rue Basse' is no name for an Internet" in said.err
    assert not (base.lab_home() / stage.target.id).exists()


def test_a_lab_alone_has_the_gateway_it_always_had(tmp_path: Path) -> None:
    """Who shares nothing notices nothing: 198.51.100.2, on one network with the providers."""
    plan = network.plan(open_inventory(with_office(tmp_path / "inventory")).office("demo"), "0123456789")

    assert network.outer_files(plan) == {
        "etc/systemd/network/50-wan0.network": "[Match]\nName=wan0\n\n[Network]\nAddress=198.51.100.2/24\nGateway=198.51.100.1\n"
    }


def test_a_gateway_from_a_snapshot_is_told_of_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot made alone comes up on an Internet too, and back: only the gateway's outer side is written anew."""
    (tmp_path / "snapshot/hosts/router").mkdir(parents=True)
    (tmp_path / "snapshot/hosts/server").mkdir()
    plan = network.plan(open_inventory(with_office(tmp_path / "inventory")).office("demo"), "0123456789")
    joined = replace(plan, line=Line("street", 7))
    start = Snapshot(tmp_path / "snapshot", "demo", "trixie", "trixie-0", ("installer", "x"))
    origin = blank.Origin("trixie", tmp_path / "base", "", Secrets(), start)
    written: dict[str, dict[str, str]] = {}

    def create(machine: machines.Machine, _layers: object, files: dict[str, machines.File]) -> None:
        written[machine.name] = {path: file.content for path, file in files.items()}

    monkeypatch.setattr(machines, "create", create)
    for name in ("router", "server"):
        blank.make(machines.Machine(name, "0123456789", tmp_path / name, f"pv-0123456789-{name}", "eth0"), joined, origin)

    way = "Address=203.0.113.7/32\n[Route]\nGateway=198.51.100.1\nGatewayOnLink=yes\n"
    wan = f"[Match]\nName=wan0\n\n[Network]\n{way}"
    assert written == {"router": {"etc/systemd/network/50-wan0.network": wan}, "server": {}}


# --- on real systems -----------------------------------------------------------------------------------------------


@pytest.mark.lab
def test_gateways_meet_by_their_outer_addresses(street: Street) -> None:
    """From one office's router the other's answers a ping and SSH with its own key, and so it does from a host behind."""
    for here, there in ((street.shop, street.town_hall), (street.town_hall, street.shop)):
        address = street.outside(there)
        key = base.lab_home() / there.stage.target.id / "hosts/router/root/etc/ssh/ssh_host_ed25519_key.pub"

        code, out, err = here.on("router", f"ping -c 1 -W 3 {address} >&2 && ssh-keyscan -t ed25519 {address} 2>/dev/null")

        assert code == 0, err
        assert key.read_text().split()[1] in out
        assert answers(here, "server", address) == [address]


@pytest.mark.lab
def test_their_lans_stay_apart(street: Street) -> None:
    """A LAN's addresses answer those within, and neither a host nor the router of the other office."""
    for here, there in ((street.shop, street.town_hall), (street.town_hall, street.shop)):
        within = [there.address("router"), there.address("server")]

        assert answers(there, "server", *within) == within
        assert answers(here, "server", *within) == []
        assert answers(here, "router", *within) == []


@pytest.mark.lab
def test_each_keeps_its_own_providers(street: Street) -> None:
    """At the address that every lab has them at, each office finds its own."""
    names = ((street.shop, "sauvegarde.scop-lumiere.example"), (street.town_hall, "sauvegarde.garrigue-numerique.example"))
    for office, name in names:
        assert office.on("server", "exec 3<>/dev/tcp/198.51.100.1/587; head -1 <&3")[1].split()[:2] == ["220", name]


@pytest.mark.lab
def test_the_office_is_looked_at_from_its_own_line(street: Street) -> None:
    """`verify` looks at the gateway's outer address from outside, and from next to it at the LAN."""
    server = street.shop.address("server")
    words, there = lab.beyond(street.shop.stage.target, [server])

    assert there == [street.outside(street.shop), server]
    for address in there:
        done = subprocess.run([*words, "bash", "-c", f"head -c4 </dev/tcp/{address}/22"], capture_output=True, check=False)
        assert done.stdout == b"SSH-"
    assert answers(street.town_hall, "router", server) == []


@pytest.mark.lab
def test_list_says_who_is_on_which_internet(street: Street) -> None:
    """`lab list` names the Internet and the outer address, for people and for programs; the addresses are two."""
    stage = street.shop.stage
    listed = {one["office"]: one for one in stage.json("lab", "list").data["labs"] if one["inventory"] == str(stage.inventory)}

    assert {one["internet"]["name"] for one in listed.values()} == {street.internet.name}
    assert {one["internet"]["outside"] for one in listed.values()} == {"203.0.113.2", "203.0.113.3"}
    lines = stage.run("lab", "list").out.splitlines()
    shown = f"demo (trixie), of {stage.inventory}, on the Internet {street.internet.name} as {street.outside(street.shop)}"
    assert shown in lines


@pytest.mark.lab
def test_up_again_asks_for_the_same_internet(street: Street) -> None:
    """A lab that is up stays on its Internet: the same again changes nothing, another or none is refused."""
    stage, before = street.shop.stage, street.shop.lab
    office = open_inventory(stage.inventory).office("demo")

    assert lab.up(office, stage.target, internet=street.internet.name) == before
    for other in ("", "elsewhere"):
        with pytest.raises(BadInput, match=f"is up on the Internet {street.internet.name}"):
            lab.up(office, stage.target, internet=other)


@pytest.mark.lab
@pytest.mark.parametrize("moment", [pytest.param("numbered", marks=pytest.mark.deep), "connected"])
def test_killed_up_takes_its_internet_along(tmp_path: Path, moment: str) -> None:
    """`lab up --internet` killed at any moment leaves neither a lab nor an Internet that `lab down` does not remove."""
    stage = make(tmp_path, hosts=("router",))
    internet = Internet(f"killed-{stage.target.id}")
    signs = {"numbered": base.lab_home() / stage.target.id / "line.json", "connected": NAMESPACES / internet.namespace}
    killed = stage.start("lab", "up", "demo", "--internet", internet.name)
    assert soon(signs[moment].exists)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    assert stage.run("lab", "down", "demo").code == 0
    assert soon(lambda: not any(traces(stage.target.id).values()), 3), traces(stage.target.id)
    assert soon(lambda: not any(traces(internet.id).values()), 3), traces(internet.id)


@pytest.mark.lab
def test_the_internet_goes_with_the_last_lab(street: Street) -> None:
    """A `lab down` leaves it to the others, also one that was killed and made again; the last takes it away. Comes last here."""
    shop, there = street.shop.stage, NAMESPACES / street.internet.namespace
    record = base.lab_home() / shop.target.id / "line.json"
    killed = shop.start("lab", "down", "demo")
    assert soon(lambda: not (NAMESPACES / f"pv-{shop.target.id}-router").exists() or not record.exists())
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert there.exists()
    assert shop.json("lab", "down", "demo").code == 0  # whatever the killed one had left to do
    assert clean(shop.target.id)
    assert there.exists()
    assert list(street.internet.lines) == [street.town_hall.stage.target.id]

    assert shop.json("lab", "down", street.town_hall.stage.office).data["removed"]

    assert clean(street.internet.id)
