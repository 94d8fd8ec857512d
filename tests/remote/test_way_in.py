"""Who has which address in the tunnels, and what each end is set to: pure, decided before anything is contacted."""

import ast
import importlib.util
import json
import os
import sys
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from provisioner.errors import BadInput
from provisioner.inventory import Inventory, open_inventory, way_in
from provisioner.inventory.placement import forwards, roles
from provisioner.inventory.target import Target
from provisioner.operation.from_afar import read
from provisioner.plays.handover import hosts
from provisioner.remote import open_way
from tests.remote.network import HUB, OTHER, network
from tests.stage import Stage

ROLES = Path(__file__).parents[2] / "playbooks/roles"
KEYS = {name: name[0].upper() * 43 + "=" for name in ("demo", OTHER, HUB)}
LAPTOP = "L" * 43 + "="


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """The hub and two offices that call it."""
    return network(tmp_path_factory.mktemp("remote"))


@pytest.fixture
def inventory(stages: dict[str, Stage]) -> Inventory:
    """Their network."""
    return open_inventory(stages[HUB].inventory)


def plan(inventory: Inventory, name: str) -> dict[str, Any]:
    """What the end at an office is set to, with all keys known."""
    office, hub = inventory.office(name), inventory.office(HUB)
    offices = {one: inventory.office(one) for one in ("demo", OTHER)} if name == HUB else {}
    return way_in.plan(office, hub, offices, inventory.reseller("scop-lumiere"), KEYS, {"c.lefevre": LAPTOP})


def program(role: str) -> ModuleType:
    """What a role installs as a program."""
    sys.path.insert(0, str(ROLES / role / "files"))  # where it looks on a host, it finds nothing here
    spec = importlib.util.spec_from_file_location(f"{role}_program", ROLES / role / "files/remote.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_offices_with_one_lan_have_addresses_of_their_own(inventory: Inventory) -> None:
    """Every office is 192.168.1.0/24; by its ULA each host is met at one address in the world, and that one says which it is."""
    met = {name: way_in.address(inventory.office(name), IPv4Address("192.168.1.10")) for name in ("demo", OTHER, HUB)}

    assert met["demo"] == IPv6Address("fd5c:81e7:2b94::c0a8:10a")
    assert len(set(met.values())) == 3
    assert all(address in inventory.office(name).ula for name, address in met.items())


def test_a_technician_has_one_address_that_no_host_has(inventory: Inventory) -> None:
    """It comes from the login alone, in a network of the hub's that holds no host: the office's log can name who came."""
    hub = inventory.office(HUB)
    one, other = way_in.technician(hub, "c.lefevre"), way_in.technician(hub, "n.petit")

    assert one != other
    assert {one, other} <= {a for a in (one, other) if a in way_in.technicians(hub)}
    assert way_in.technicians(hub).subnet_of(hub.ula)
    assert way_in.address(hub, IPv4Address("255.255.255.255")) not in way_in.technicians(hub)


def test_the_tunnel_ends_at_the_server_else_at_a_debian_router(inventory: Inventory) -> None:
    """A server is alike in every office, whatever its router is; a router of another system has no machine of ours."""
    office = inventory.office("demo")
    server, router = office.hosts["server"], office.hosts["router"]
    without = office.model_copy(update={"hosts": {"router": router}})
    vendor = office.model_copy(update={"hosts": {"router": router.model_copy(update={"platform": "openwrt"})}})

    assert way_in.gate(office) == "server"
    assert way_in.gate(without) == "router"
    assert way_in.gate(vendor) == ""
    assert "remote" in roles(inventory.pack(office.pack), office, server)
    assert "remote" not in roles(inventory.pack(office.pack), office, router)
    assert "remote" not in roles(inventory.pack(office.pack), office.model_copy(update={"remote": None}), server)


def test_the_hubs_router_leads_its_two_ports_to_it(inventory: Inventory) -> None:
    """Behind a router of its own, the hub is called through it; an office opens no port at all."""
    hub, office = inventory.office(HUB), inventory.office("demo")

    led = forwards(inventory.pack(hub.pack), hub)
    assert [(one.protocol, one.port, one.to) for one in led.values()] == [
        ("udp", 51820, "server"), ("tcp", 2222, "server"), ("tcp", 443, "server"),
    ]  # fmt: skip
    assert forwards(inventory.pack(office.pack), office) == {}


def test_no_office_is_believed_to_be_another(inventory: Inventory) -> None:
    """At the hub each key may speak for its own addresses alone; at the office the hub's may for technicians alone."""
    hub = plan(inventory, HUB)
    allowed = {peer["name"]: [IPv6Network(one) for one in peer["allowed"]] for peer in hub["peers"]}
    office = plan(inventory, "demo")

    assert set(allowed) == {"demo", OTHER, "c.lefevre"}
    every = [one for networks in allowed.values() for one in networks]
    assert not any(a.overlaps(b) for n, a in enumerate(every) for b in every[n + 1 :])
    assert [peer["allowed"] for peer in office["peers"]] == [[str(way_in.technicians(inventory.office(HUB)))]]
    assert office["offices"] == []


def test_an_office_whose_key_is_not_known_is_left_out(inventory: Inventory) -> None:
    """Nobody is let in by a key that nobody made; a technician who left is none of the hub's either."""
    hub, reseller = inventory.office(HUB), inventory.reseller("scop-lumiere")
    offices = {one: inventory.office(one) for one in ("demo", OTHER)}
    found = way_in.plan(hub, hub, offices, reseller, {"demo": KEYS["demo"]}, {"gone": LAPTOP})

    assert [peer["name"] for peer in found["peers"]] == ["demo"]
    assert found["offices"] == [str(offices["demo"].ula)]


def test_the_hubs_rules_lead_from_technicians_to_offices_alone(inventory: Inventory) -> None:
    """What may pass at the hub: SSH of technicians to offices. From an office nothing is let on, nor to the hub's own machine."""
    found = plan(inventory, HUB)
    text = program("remote").tunnel.rules(found)
    forward = text.partition("chain forward")[2]

    accepted = [line.strip() for line in forward.splitlines() if "accept" in line]
    assert accepted == [
        "ct state established,related accept",
        f"ip6 saddr {found['technicians_from']} ip6 daddr {{ {', '.join(found['offices'])} }} tcp dport 22 accept",
    ]
    assert forward.count("policy drop") == 1
    assert text.count("policy drop") == 2


def test_what_ansible_is_given_has_no_key_that_it_needs_not(stages: dict[str, Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    """An office's machine is told the hub's public key and whoever may come; of other offices it hears nothing."""
    monkeypatch.delenv("PROVISIONER_HANDOVER", raising=False)
    (stages[HUB].dossier.parent / "remote.pub").write_text(KEYS[HUB] + "\n")
    found = json.dumps(hosts(stages["demo"].dossier)["server"][1], default=str)

    assert KEYS[HUB] in found
    assert f"hub.lumiere.example:{way_in.PORT}" in found
    assert OTHER not in found
    assert "fd5c:81e7:2b95" not in found


def test_an_office_that_its_hub_does_not_know_is_said(tmp_path: Path) -> None:
    """Both dossiers name each other, or one clear message says what to write where."""
    stage = network(tmp_path)["demo"]
    hub = stage.dossier.parents[1] / HUB / "dossier.yml"
    hub.write_text(hub.read_text().replace("[demo, annexe]", "[annexe]"))

    with pytest.raises(BadInput, match="demo calls lumiere, which is no hub that leads to it") as error:
        read(stage.target)
    assert "offices/lumiere/dossier.yml" in error.value.hint


def test_an_office_without_a_way_in_is_said(tmp_path: Path) -> None:
    """Whoever asks for a way that the dossier does not have is told what to write."""
    stage = network(tmp_path)["demo"]
    stage.dossier.write_text(stage.dossier.read_text().replace("remote:\n  hub: lumiere\n", ""))
    said = stage.run("remote", "open", "demo", "--because", "updates")

    assert said.code == 2
    assert "demo has no way in: its dossier names no hub" in said.err


@pytest.mark.parametrize("because", ["", "  ", "x" * 201, "red \x1b[31m", "two\u202elines"])
def test_a_reason_is_one_line_that_can_be_read(stages: dict[str, Stage], because: str) -> None:
    """The office reads it: empty, endless or steering ones are refused before anything is made."""
    with pytest.raises(BadInput, match="why do you come"):
        open_way(stages["demo"].target, because)


def test_open_is_of_this_start_of_the_laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the laptop's restart, or without its link, the hosts are looked for on the LAN, whatever the record says."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    target = Target(tmp_path, "demo")
    record = {"hub": HUB, "who": "C", "because": "b", "since": 1.0, "boot": way_in.boot(), "owner": "", "met": True}
    damaged = ("{", "[]", json.dumps({**record, "met": False, "owner": "x"}), json.dumps({**record, "met": False, "owner": 5}))

    for link in ("lo", "pr-gone"):
        monkeypatch.setattr(way_in, "link", lambda _, link=link: link)
        for text, is_open in ((json.dumps(record), link == "lo"), (json.dumps({**record, "boot": "x"}), False)):
            (target.state / way_in.RECORD).write_text(text)
            assert (way_in.opened(target) is not None) is is_open
        for text in damaged:
            (target.state / way_in.RECORD).write_text(text)
            assert (way_in.opened(target), way_in.recorded(target)) == (None, None)


def test_about_to_be_open_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the office was met no verb takes the way; with the process that opens it ends what it wrote down."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    target = Target(tmp_path, "demo", lab=True)
    pid = os.getpid()

    for owner, about in ((way_in.process(pid), True), (f"{pid} 1", False), ("", False)):
        record = {"hub": HUB, "who": "C", "because": "b", "since": 1.0, "boot": way_in.boot(), "owner": owner}
        (target.state / way_in.RECORD).write_text(json.dumps(record))
        assert way_in.opened(target) is None
        assert (way_in.recorded(target) is not None) is about


def test_the_log_shows_text_as_text() -> None:
    """A reason comes from a technician, a name from a desktop: neither breaks a line nor steers a terminal."""
    plain = program("remote").plain

    assert plain("a\nb\x1b[31m c\u202ed") == "a b [31m c d"
    assert len(plain("x" * 5000)) == 300


def test_the_window_says_what_is_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open, closed by whom, silent: three sentences that cannot be taken for one another, in both languages."""
    client, at = program("remote_client"), {"help": "L'Atelier Lumière"}
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    there = {"closed": None, "up": True, "here": [{"who": "Céline"}]}

    assert client.sentences(there, at) == ["L’accès est ouvert.", "En ce moment : Céline"]
    assert client.sentences({**there, "up": False, "here": []}, at)[0].startswith("L’accès est ouvert, mais personne ne peut")
    assert client.sentences({**there, "closed": {"by": "zoe", "at": 0}}, at)[0].startswith("L’accès est fermé, par zoe")
    assert client.sentences(None, at) == ["Le serveur ne répond pas : on ne sait pas si l’accès est ouvert."]
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    assert client.sentences(there, at)[0] == "The way in is open."


@pytest.mark.parametrize("role", ["remote", "remote_client"])
def test_what_the_office_reads_is_french_in_full(role: str) -> None:
    """Every sentence that is told has its French, and none is kept that nobody tells."""
    tree = ast.parse((ROLES / role / "files/remote.py").read_text())
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name | ast.Attribute)]
    told = [one for one in calls if getattr(one.func, "id", getattr(one.func, "attr", "")) in ("told", "log")]
    said = {one.args[0].value for one in told if one.args and isinstance(one.args[0], ast.Constant)}
    texts = [one.value for one in ast.walk(tree) if isinstance(one, ast.Constant)]
    french = program(role).FRENCH

    assert said <= set(french)
    assert [one for one in french if texts.count(one) < 2] == []


def test_a_new_office_is_no_hub(tmp_path: Path) -> None:
    """The hub's pack is as new as the standard one: whoever names no pack gets one that has desktops."""
    from provisioner.cli.office_new import _for_clients, _newest

    packs = open_inventory(network(tmp_path)[HUB].inventory).packs()

    assert {"hub-2026.1", "standard-2026.1"} <= {one.name for one in packs}
    assert _newest(_for_clients(packs)) == "standard-2026.1"
