"""What an office's way in is made of, for whoever opens it and for whoever plays its two ends: office, hub, this laptop's key."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from provisioner import lab
from provisioner.errors import BadInput
from provisioner.inventory import open_inventory, way_in
from provisioner.inventory.dossier import Office
from provisioner.inventory.target import Target, state_home
from provisioner.laptop import disk
from provisioner.operation.selection import technician


@dataclass(frozen=True)
class Way:
    """What a way in is made of: the office and its hub, each as a target and as the dossier has it."""

    target: Target
    office: Office
    hub_target: Target
    hub: Office

    @property
    def gate(self) -> str:
        """The host at which the office's tunnel ends."""
        return way_in.gate(self.office)

    @property
    def link(self) -> str:
        """This laptop's link to the hub."""
        return way_in.link(self.hub_target)

    def address(self, host: str) -> str:
        """Where a host of the office is met by it."""
        return str(way_in.address(self.office, self.office.hosts[host].address))


def read(target: Target) -> Way:
    """What the dossiers say of an office's way in.

    Raises:
        BadInput: the office has none, or nothing it could end at; or the hub does not know it.
    """
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    hub = way_in.hub_of(office, inventory.office)
    if not way_in.gate(office):
        raise BadInput(f"{office.name} has no server and no Debian router: nothing of ours could call the hub from there")
    return Way(target, office, Target(target.inventory, hub.name, target.lab), hub)


def key_file(way: Way) -> Path:
    """Where this laptop's private key in tunnels lies; a lab has its own."""
    return (way.hub_target.state if way.target.lab else state_home()) / "tunnel.key"


def laptop_key(way: Way) -> tuple[Path, str]:
    """This laptop's private key in tunnels, as a file (made where there is none), and its public half."""
    from provisioner.secrets.certificates import tunnel

    path = key_file(way)
    if not path.is_file():
        new = path.with_name(f"tunnel.{os.getpid()}.key")
        disk.write(new, tunnel()["key"] + "\n")
        with contextlib.suppress(FileExistsError):  # another of our runs was first: there is one key
            os.link(new, path)
        new.unlink()
    text = path.read_text(encoding="ascii").strip()
    try:
        return path, tunnel(text)["key_public"]
    except ValueError:
        raise BadInput(f"{path} holds no WireGuard key", hint=f"mv {path} {path}.old, then the same command again") from None


def laptops(target: Target) -> dict[str, str]:
    """A lab's own keys of technicians, for its hub; none for real offices, whose reseller's file has them."""
    if not target.lab:
        return {}
    with contextlib.suppress(BadInput):
        way = read(target)
        return {technician(target)[0]: laptop_key(way)[1]}
    return {}


def hub_at(target: Target) -> str:
    """Where a lab's hub is met on its Internet; empty while it is not up, or for real offices, which ask the DNS."""
    if not target.lab:
        return ""
    with contextlib.suppress(BadInput):
        up = lab.find(read(target).hub_target)
        return str(up.line.outside.ip) if up and up.line else ""
    return ""
