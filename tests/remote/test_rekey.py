"""New keys of the way in, as after a laptop or a server was lost: where the hub's next apply reads them, and in the audit."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import BadInput, Missing
from provisioner.inventory import open_inventory, way_in
from provisioner.inventory.target import Target
from provisioner.operation.from_afar import laptop_key, read
from provisioner.plays.handover import hosts
from provisioner.remote import rekey, rekey_technician
from provisioner.secrets import vault
from tests.remote.network import HUB, network
from tests.stage import Stage

ME, OTHER = "c.lefevre", "n.petit"


def quiet(_: str) -> None:
    """Nobody waits."""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A hub and an office, adopted, whose technicians' laptops the hub knows."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PROVISIONER_HANDOVER", raising=False)
    made = network(tmp_path)["demo"]
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    for word, value in (("technician", ME), ("reseller", "scop-lumiere"), ("key", str(tmp_path / "key"))):
        made.git("config", f"provisioner.{word}", value)
    pin = (tmp_path / "key.pub").read_text()
    for name in ("demo", HUB):
        for target in (Target(made.inventory, name), Target(made.inventory, name, lab=True)):
            target.known_hosts.write_text(f"{target.alias('server')} {pin}")
    way = read(Target(made.inventory, "demo"))
    reseller = made.inventory / "resellers/scop-lumiere.yml"
    text = reseller.read_text()
    for login, key in ((ME, laptop_key(way)[1]), (OTHER, "N" * 43 + "=")):
        text = text.replace(f"  {login}:\n", f"  {login}:\n    tunnel_key: {key}\n", 1)
    reseller.write_text(text)
    made.git("add", "-A")
    made.git("commit", "-q", "-m", "adopted")
    return made


def known(stage: Stage) -> str:
    """All that the hub's machine is set to at its next apply."""
    return json.dumps(hosts(stage.inventory / f"offices/{HUB}/dossier.yml")["server"][1]["office"]["remote_plan"], default=str)


def kept(target: Target) -> list[dict[str, Any]]:
    """The audit."""
    return [json.loads(path.read_text()) for path in sorted(target.summaries.glob("*.json"))]


def test_a_technicians_new_laptop_is_known_and_the_lost_one_no_more(stage: Stage) -> None:
    """One verb: the laptop has another key, the reseller's file its public half, the audit of the hub who and why."""
    target, hub = Target(stage.inventory, "demo"), Target(stage.inventory, HUB)
    before = laptop_key(read(target))[1]
    assert before in known(stage)
    _, key = rekey_technician(target, ME, "stolen on the train", say=quiet)

    assert laptop_key(read(target))[1] == key != before
    assert open_inventory(stage.inventory).reseller("scop-lumiere").technicians[ME].tunnel_key == key
    assert key in known(stage)
    assert before not in known(stage)
    (line,) = kept(hub)
    assert [line[word] for word in ("verb", "technician", "because", "laptop_of", "key", "status")] == [
        "remote rekey", ME, "stolen on the train", ME, key, "changed",
    ]  # fmt: skip
    assert stage.git("status", "--porcelain") == ""


def test_a_colleagues_lost_laptop_is_known_by_no_key(stage: Stage) -> None:
    """Taken away by whoever is there; their next laptop makes a key of its own, and this one's stays."""
    target = Target(stage.inventory, "demo")
    own = laptop_key(read(target))[1]
    assert "N" * 43 in known(stage)
    assert rekey_technician(target, OTHER, "left in a taxi", say=quiet)[1] == ""

    assert "N" * 43 not in known(stage)
    assert own in known(stage)
    assert open_inventory(stage.inventory).reseller("scop-lumiere").technicians[OTHER].tunnel_key is None
    with pytest.raises(Missing, match="has no technician 'nobody'"):
        rekey_technician(target, "nobody", "x", say=quiet)


def test_an_offices_end_gets_another_key(stage: Stage) -> None:
    """In its vault, with the public half beside it for the hub; the rest of the vault stays as it is."""
    target = Target(stage.inventory, "demo", lab=True)
    office = open_inventory(stage.inventory).office("demo")
    before = vault.complete(target, office)
    rekey(target, "the server was stolen", say=quiet)
    after = vault.read(target)

    assert after.remote["key"] != before.remote["key"]
    assert way_in.public_key(target) == after.remote["key_public"]
    assert after.model_copy(update={"remote": before.remote}) == before
    (line,) = kept(target)
    assert (line["verb"], line["because"], line["key"]) == ("remote rekey", "the server was stolen", after.remote["key_public"])
    assert after.remote["key"] not in json.dumps(line)


def test_the_verb_says_what_comes_next(stage: Stage) -> None:
    """Whoever calls it reads which applies are due; without a reason nothing is made."""
    environment = {"XDG_STATE_HOME": str(stage.home.parent / "home")}
    said = stage.json("remote", "rekey", "demo", "--because", "stolen", "--technician", ME, **environment)
    assert said.code == 0, said
    assert said.data["next"] == [f"provisioner apply {HUB}"]
    assert said.data["key"] in known(stage)
    with pytest.raises(BadInput, match="one line"):
        rekey(Target(stage.inventory, "demo"), " ", say=quiet)
