"""First contact, as far as it goes without a machine."""

import subprocess
from pathlib import Path

from provisioner.hosts import discovery
from provisioner.inventory import open_inventory
from provisioner.inventory.technicians import add_key
from tests.stage import make


def test_a_laptop_on_another_network_is_told_so_and_nothing_is_sent(tmp_path: Path) -> None:
    """Looking for machines by MAC from the wrong network: exit 5, the LAN is named, no sweep leaves the laptop."""
    assert not discovery.on_lan("203.0.113.0/24")
    assert discovery.neighbours("203.0.113.0/24") == {}
    assert discovery.on_lan("127.0.0.0/8")

    stage = make(tmp_path, office="mairie-saint-aubin")
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    reseller = next(line.split()[-1] for line in stage.dossier.read_text().splitlines() if line.startswith("reseller:"))
    who = stage.json("reseller", "show", reseller).data["technicians"]
    login = next(iter(who)) if isinstance(who, dict) else who[0]["login"]
    for name, value in (("technician", login), ("reseller", reseller), ("key", str(key))):
        stage.git("config", f"provisioner.{name}", value)
    refused = stage.json("adopt", stage.office, "--yes")
    assert (refused.code, "would lock you out" in refused.data["error"]) == (2, True), "a key that `plan` would refuse"
    add_key(open_inventory(stage.inventory), reseller, login, (tmp_path / "id.pub").read_text().strip())

    said = stage.json("adopt", stage.office, "--yes")

    assert said.code == 5, said
    assert "no address in 10.34.0.0/24" in said.data["error"]
    assert "--at" in said.data["hint"]
