"""What stands around an office is one sort of thing to its lab: a new one needs a file of its own in lab/devices and no more."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner import lab
from provisioner.inventory import open_inventory
from provisioner.lab import devices, network
from provisioner.lab.blank import Origin
from provisioner.lab.state import State
from tests.stage import make


@dataclass
class Box:
    """A box that does nothing but be on or off."""

    name: str = "box"
    address: str = "192.168.1.9"
    packages: tuple[str, ...] = ()
    machine: None = None
    running: bool = False

    def create(self, origin: Origin) -> None:
        """Nothing to make."""

    def start(self) -> None:
        """Be on."""
        self.running = True

    def stop(self) -> None:
        """Be off."""
        self.running = False


def test_a_device_of_a_new_sort_is_listed_switched_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lab list`, power and `lab down` know a device by its name, address and state alone."""
    monkeypatch.setenv("PROVISIONER_LAB_DIR", str(tmp_path / "labs"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    target = make(tmp_path / "stage").target
    plan = network.plan(open_inventory(target.inventory).office("demo"), target.id)
    state = State("demo", str(target.inventory), target.id, "trixie", ("installer", "x"), plan, ready=True)
    state.folder.mkdir()
    state.write()
    box = Box()
    monkeypatch.setattr(devices, "of", lambda _state: [box])

    def listed() -> list[tuple[str, str, str]]:
        found = lab.find(target)
        assert found
        return found.around

    assert listed() == [("box", "off", "192.168.1.9")]
    lab.power_on(target, "box")
    assert listed() == [("box", "up", "192.168.1.9")]
    lab.power_off(target, "box")
    assert listed() == [("box", "off", "192.168.1.9")]
    lab.power_on(target, "box")
    assert lab.down(target)
    assert not box.running
    assert lab.find(target) is None


def test_printers_and_providers_stand_around_an_office(tmp_path: Path) -> None:
    """The line and they come in this order, each where the dossier and the lab's Internet have it."""
    target = make(tmp_path / "stage").target
    plan = network.plan(open_inventory(target.inventory).office("demo"), target.id)
    state = State("demo", str(target.inventory), target.id, "trixie", ("installer", "x"), plan)

    found = devices.of(state)

    assert [(one.name, one.address, one.running) for one in found] == [
        ("line", "198.51.100.1", False),
        ("bureau", "192.168.1.30", False),
        ("provider", "198.51.100.1", False),
    ]
    assert list(devices.systems(state)) == ["router", "server", "desktop", "provider"]
