"""Packs: shown, and tried on an office before its dossier names them."""

import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import BadInput, Unverified
from provisioner.inventory import open_inventory, placement
from provisioner.inventory.models import Kind
from provisioner.plays import handover
from provisioner.plays.handover import ENVIRONMENT, Handover
from tests import network
from tests.verbs import Run

STANDARD = "standard-2026.1"


@pytest.fixture
def root(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001 - its folders
    """The demo office, beside the standard pack a reseller's own version of it, made without touching a role."""
    root = network.with_office(tmp_path / "net")
    text = (root / "packs" / f"{STANDARD}.yml").read_text()
    own = text.replace('version: "2026.1"', 'version: "2027.1"').replace("keep_within: 1y", "keep_within: 2y")
    own = own.replace("    printing:\n      ports: [{port: 631}]\n", "")
    assert len(own) < len(text)
    (root / "packs" / "ours-2027.1.yml").write_text(own)
    monkeypatch.setenv("PROVISIONER_INVENTORY", str(root))
    return root


def played(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **given: str) -> dict[str, Any]:
    """What the server is told when Ansible reads the office with such a hand-over."""
    dossier = root / "offices" / "demo" / "dossier.yml"
    path = tmp_path / "handover.json"
    Handover(str(root), "demo", True, "n.petit", {}, {}, **given).write(path)  # type: ignore[arg-type]
    monkeypatch.setenv(ENVIRONMENT, str(path))
    here: dict[str, Any] = handover.hosts(dossier)["server"][1]["this_host"]
    return here


def test_pack_list_counts_the_offices(run: Run, root: Path) -> None:  # noqa: ARG001 - the inventory it lists
    """Each pack has its line: version, variants, how many offices stand on it."""
    packs = {one["name"]: one for one in run("pack", "list", "--json").data["packs"]}

    assert packs[STANDARD]["offices"] == 1
    assert packs["ours-2027.1"] | {"title": ""} == {
        "name": "ours-2027.1", "version": "2027.1", "title": "", "variants": ["full", "light"], "offices": 0,
    }  # fmt: skip
    assert STANDARD in run("pack", "list").out


def test_pack_show_says_what_each_kind_gets(run: Run, root: Path) -> None:  # noqa: ARG001 - the same
    """Roles with a sentence each, ports, settings, hardware with prices and warranties, training, ends of support."""
    said = run("pack", "show", STANDARD)
    whole = run("pack", "show", STANDARD, "--json").data
    light = run("pack", "show", STANDARD, "--variant", "light", "--json").data

    for text in ("What every machine", "53 tcp+udp", "keep_within: 1y", "1190 €", "5 years", "2030-06-30"):
        assert " ".join(text.split()) in " ".join(said.out.split()), text
    assert whole["offices"] == ["demo"]
    assert whole["kinds"]["server"]["base"]["purpose"]
    assert "calendar" in whole["kinds"]["server"]
    assert "calendar" not in light["kinds"]["server"]
    assert whole["prices"]["training_per_hour_eur"] == 60
    wrong = run("pack", "show", STANDARD, "--variant", "lite")
    assert (wrong.code, "one of full, light" in wrong.err) == (2, True)
    assert run("pack", "show", "standard-2026.2").code == 2


def test_a_damaged_pack_is_said_by_line(run: Run, root: Path) -> None:
    """A pack that an editor tore is named with its line, by every verb that needs it."""
    path = root / "packs" / f"{STANDARD}.yml"
    path.write_text(path.read_text().partition("postes")[0])  # inside a quote

    for words in (("pack", "show", STANDARD), ("pack", "list"), ("office", "show", "demo"), ("plan", "demo")):
        said = run(*words)
        assert said.code == 2, words
        assert f"packs/{STANDARD}.yml:" in said.err
        assert "Traceback" not in said.err


def test_a_move_is_played_as_if_the_dossier_said_so(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible gets the other pack's roles, settings and ports; the dossier on disk is neither read so nor written."""
    before = (root / "offices" / "demo" / "dossier.yml").read_bytes()

    now = played(root, tmp_path, monkeypatch)
    moved = played(root, tmp_path, monkeypatch, pack="ours-2027.1")
    light = played(root, tmp_path, monkeypatch, variant="light")

    assert (now["settings"]["backup"]["keep_within"], moved["settings"]["backup"]["keep_within"]) == ("1y", "2y")
    assert ("printing" in now["roles"], "printing" in moved["roles"]) == (True, False)
    assert not [port for port in moved["ports"] if port["role"] == "printing"]
    assert ("calendar" in now["roles"], "calendar" in light["roles"]) == (True, False)
    assert (root / "offices" / "demo" / "dossier.yml").read_bytes() == before


def test_a_move_names_what_is_left_behind(root: Path) -> None:
    """The roles a host would lose are known, those of the desktops too, which follow the server's."""
    inventory = open_inventory(root)
    office = inventory.office("demo")
    moved = inventory.moved(office, "ours-2027.1", "light")

    lost = placement.dropped((inventory.pack(STANDARD), office), (inventory.pack("ours-2027.1"), moved))

    assert lost == {"server": ["printing", "calendar"], "desktop": ["printing_client"]}
    assert office.variant == "full"


def test_a_move_that_does_not_fit_is_refused(root: Path) -> None:
    """An unknown variant, or a pack with nothing for one of the office's hosts, is said before anything is asked."""
    inventory = open_inventory(root)
    office = inventory.office("demo")
    bare = root / "packs" / "bare.yml"
    bare.write_text('version: "1"\ntitle: Rien\nkinds: {server: {base: {}}, desktop: {base: {}}}\n')

    with pytest.raises(BadInput, match="the pack bare has nothing for a router"):
        inventory.moved(office, "bare", "")
    with pytest.raises(BadInput, match="has no variant 'lite'"):
        inventory.moved(office, "", "lite")
    assert Kind.ROUTER in inventory.pack("ours-2027.1").kinds


def test_apply_never_takes_a_plan_of_a_move(root: Path) -> None:
    """A plan saved for another pack is refused, in one sentence, before any host is asked."""
    from provisioner.apply import plans
    from provisioner.inventory.target import Target
    from provisioner.operation.selection import Selection
    from provisioner.runs import Run as Fold

    inventory = open_inventory(root)
    office = inventory.office("demo")
    target = Target(root, "demo", lab=True)
    selection = Selection(target, office, inventory.pack(STANDARD), inventory.reseller(office.reseller), None, [], [], [])  # type: ignore[arg-type]
    path = root.parent / "saved.plan"
    plans.Plan(Fold(), "0" * 64, "ours-2027.1", "full").save(path, target)

    with pytest.raises(Unverified, match=r"one for pack: ours-2027\.1, which the dossier of demo does not say"):
        plans.refuse_other_pack(plans.load(path, target), selection)
    plans.Plan(Fold(), "0" * 64, STANDARD, "full").save(path, target)
    plans.refuse_other_pack(plans.load(path, target), selection)
    assert json.loads(path.read_text())["pack"] == STANDARD
