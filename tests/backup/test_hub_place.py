"""A hub that keeps offices' second backups: whose, under which account, by whose keys; decided before anything is contacted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner import repository_server
from provisioner.errors import BadInput
from provisioner.inventory import Inventory, open_inventory
from provisioner.inventory.dossier import Office
from provisioner.inventory.placement import forwards
from provisioner.inventory.target import Target
from provisioner.plays.handover import hosts
from tests.remote.network import HUB, OTHER, network

KEYS = "ssh-ed25519 OFFICE\nssh-ed25519 KEEPER\n"


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """A hub and two offices that call it, one of which keeps its second backups there."""
    return open_inventory(network(tmp_path)[HUB].inventory)


def kept(inventory: Inventory, change: Callable[[Office], Office] = lambda one: one, port: int = 2222) -> list[dict[str, object]]:
    offices = {name: change(inventory.office(name)) for name in ("demo", OTHER)}
    return repository_server.kept(inventory.office(HUB), offices, {"demo": KEYS, OTHER: KEYS}, port)


def test_only_whose_dossier_says_so_is_kept(inventory: Inventory) -> None:
    """By the hub's own name in `backup.host`, and append-only; each key opens one command, on that office's folder."""
    (one,) = kept(inventory)
    files = {file["dest"]: file["content"] for file in one["files"]}  # type: ignore[attr-defined]
    assert one["user"] == "epicerie"
    assert set(files) == {
        "/etc/office-place/epicerie.keys", "/usr/local/lib/office-place/keep.py", "/usr/local/lib/office-place/keeping.py",
    }  # fmt: skip
    office, keeper = files["/etc/office-place/epicerie.keys"].splitlines()
    assert office.startswith('restrict,command="rclone')
    assert "--append-only /srv/office-backups/epicerie/" in office
    assert keeper.endswith("ssh-ed25519 KEEPER")
    assert repository_server.keeper(inventory.office(OTHER), inventory.office) is None
    sftp = inventory.office("demo").model_copy(update={"backup": None})
    assert kept(inventory, lambda _: sftp) == []


def test_two_offices_never_share_an_account(inventory: Inventory) -> None:
    """Nor does a dossier with another port go unsaid: its nights would never arrive."""
    backup = inventory.office("demo").backup
    with pytest.raises(BadInput, match="two offices under one account, epicerie"):
        kept(inventory, lambda one: one.model_copy(update={"backup": backup}))
    with pytest.raises(BadInput, match="takes backups at port 22, demo goes to 2222"):
        kept(inventory, port=22)


def test_the_hubs_router_leads_that_port_on_too(inventory: Inventory) -> None:
    """Beside the tunnel's, and the one that takes the offices' numbers; an office's own router knows neither."""
    hub = inventory.office(HUB)
    found = {(one.protocol, one.port) for one in forwards(inventory.pack(hub.pack), hub).values()}
    assert found == {("udp", 51820), ("tcp", 2222), ("tcp", 443)}
    office = inventory.office("demo")
    assert not {2222, 51820} & {one.port for one in forwards(inventory.pack(office.pack), office).values()}


def test_the_hubs_play_is_told_by_the_keys_beside_the_vaults(inventory: Inventory) -> None:
    """No office's vault is opened; one whose keys are not there yet waits."""
    dossier = inventory.root / f"offices/{HUB}/dossier.yml"
    assert hosts(dossier)["server"][1]["office"]["backup_places"] == []
    Target(inventory.root, "demo").backup_public.write_text(KEYS)
    (one,) = hosts(dossier)["server"][1]["office"]["backup_places"]
    assert one["user"] == "epicerie"
    assert hosts(inventory.root / "offices/demo/dossier.yml")["server"][1]["office"]["backup_places"] == []
