"""What a refused change of an installed office says to do instead, carried out: each leads to the office that was wanted."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.light import bring_up, light, state
from tests.stage import CommandResult, Stage

pytestmark = [pytest.mark.lab, pytest.mark.deep]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Stage]:
    """A router, a server and a desktop, installed."""
    stage = light(tmp_path, dict.fromkeys(("router", "server", "desktop"), ("base",)), hosts=("router", "server", "desktop"))
    try:
        bring_up(stage)
        assert apply(stage).code == 0
        yield stage
    finally:
        stage.run("lab", "down", "demo")


def apply(stage: Stage) -> CommandResult:
    return stage.json("apply", "demo", "--lab", "--yes")


def wanted(stage: Stage, change: str, **hosts: dict[str, Any] | None) -> None:
    """Write it into the dossier: `change` for the whole text as a network's first three numbers, `hosts` some words of each."""
    text = stage.dossier.read_text()
    data = yaml.safe_load(text.replace("192.168.1.", change) if change else text)
    for name, words in hosts.items():
        data["hosts"][name] |= words or {}
    stage.dossier.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))
    stage.git("commit", "-q", "-a", "-m", "another office")


def refused(stage: Stage, *words: str) -> None:
    """A plan stops before anything is changed, and says these."""
    said = stage.json("plan", "demo", "--lab")
    assert said.code == 2, said
    assert [word for word in words if word not in said.out + said.err] == []


def stands(stage: Stage) -> None:
    """Every host is where the dossier has it, an apply finds nothing to change, and nothing is wrong with the dossier."""
    again = apply(stage)
    assert (again.code, again.data["status"]) == (0, "unchanged"), again
    for name, host in yaml.safe_load(stage.dossier.read_text())["hosts"].items():
        found = re.findall(r"inet ([\d.]+)/", stage.on(name, "ip -4 addr show"))
        assert host["address"] in found, (name, found)
    checked = stage.run("inventory", "check").out
    assert "offices/" not in checked, checked


def anew(stage: Stage) -> None:
    """All machines are new ones, adopted by their new keys and installed as the dossier has them now."""
    for words in (("lab", "down", "demo"), ("lab", "up", "demo"), ("adopt", "demo", "--lab", "--yes", "--replace-key")):
        said = stage.json(*words)
        assert said.code == 0, said
    assert apply(stage).code == 0


def test_two_machines_swap_addresses_one_apply_after_the_other(office: Stage) -> None:
    """First the one that holds the wanted address goes to a free one, then the other to its own, then the first to its own."""
    wanted(office, "", server={"address": "192.168.1.20"}, desktop={"address": "192.168.1.10"})
    refused(office, "one apply after the other", "to an address that is free")

    wanted(office, "", server={"address": "192.168.1.40"}, desktop={"address": "192.168.1.20"})
    assert apply(office).code == 0
    wanted(office, "", desktop={"address": "192.168.1.10"})
    assert apply(office).code == 0
    wanted(office, "", server={"address": "192.168.1.20"})
    assert apply(office).code == 0
    stands(office)


def test_a_machine_of_another_name_is_installed_anew(office: Stage) -> None:
    """It keeps its name until it is a new machine: then it is adopted by the new one."""
    text = office.dossier.read_text()
    office.dossier.write_text(text.replace("\n  desktop:\n", "\n  caisse:\n"))
    office.git("commit", "-q", "-a", "-m", "another name")
    refused(office, "this machine is installed as desktop", "adopt OFFICE HOST --replace-key")

    anew(office)
    stands(office)
    assert "desktop" not in (state(office) / "known_hosts").read_text()


def test_another_network_is_for_machines_installed_anew(office: Stage) -> None:
    """All of them are new machines then: adopted by new keys, they stand on the new network."""
    wanted(office, "192.168.7.")
    refused(office, "the office is installed on 192.168.1.0/24", "adopt OFFICE HOST --replace-key")

    anew(office)
    stands(office)
