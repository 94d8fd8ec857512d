"""The example network: right, and right for editors too."""

import json
from pathlib import Path

import pytest

from provisioner.inventory import open_inventory, schema
from provisioner.inventory.models import Kind
from tests import network


def test_example_is_right() -> None:
    """The example network has no wrong entry."""
    assert open_inventory(network.EXAMPLE).check() == []


def test_example_has_what_the_demo_needs() -> None:
    """The office demo is a shop of three with a router, a server and a desktop; the others are larger."""
    inventory = open_inventory(network.EXAMPLE)
    demo = inventory.office("demo")

    assert {name: str(host.address) for name, host in demo.hosts.items()} == {
        "router": "192.168.1.1",
        "server": "192.168.1.10",
        "desktop": "192.168.1.20",
    }
    assert [host.kind for host in demo.hosts.values()] == [Kind.ROUTER, Kind.SERVER, Kind.DESKTOP]
    assert sorted(line.people for line in inventory.lines()) == [3, 12, 25]
    assert len({inventory.office(name).ula for name in inventory.office_names()}) == 3
    assert all(who.keys for member in inventory.resellers() for who in member.technicians.values())


def test_schemas_are_current() -> None:
    """The JSON Schemas in the repository are those of the models: else run `provisioner inventory schema --write`."""
    kept = {path.stem: json.loads(path.read_text()) for path in (network.EXAMPLE / "schema").glob("*.json")}

    assert kept == schema.schemas()


FILES = sorted(path for path in network.EXAMPLE.rglob("*.yml") if path.parent.name != "faults")  # Ansible's own, those


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.parent.name + "/" + path.name)
def test_editors_find_the_schema(file: Path) -> None:
    """The first line of each file points at its schema, and the file fits it."""
    first = file.read_text().split("\n", 1)[0]
    assert first.startswith("# yaml-language-server: $schema=")
    found = json.loads((file.parent / first.partition("=")[2]).read_text())

    jsonschema = pytest.importorskip("jsonschema")
    import yaml

    # An editor's YAML takes days for days; JSON has none.
    data = json.loads(json.dumps(yaml.safe_load(file.read_text()), default=str))
    jsonschema.validate(data, found)
