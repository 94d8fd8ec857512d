"""A machine of an office replaced by another, in its dossier: what the place is stays, what the machine is changes."""

from datetime import date
from typing import TYPE_CHECKING

from provisioner.errors import BadInput, Missing
from provisioner.inventory.editing import Draft
from provisioner.inventory.fields import Day, Mac, mac_form, validate

if TYPE_CHECKING:
    from provisioner.inventory import Inventory

# What belongs to the machine and not to its place.
ITS_OWN = ("model", "serial", "purchased", "warranty_end")


def replace(inventory: "Inventory", name: str, host: str, mac: str, about: dict[str, str]) -> dict[str, str]:
    """Write the new machine's MAC and what is said of it; what is not said of the new one is not kept of the old one.

    Args:
        inventory: the network.
        name: the office.
        host: whose place the machine takes.
        mac: its MAC address.
        about: of `ITS_OWN`, days as in 2026-01-31.

    Returns:
        What the dossier had of the old machine.

    Raises:
        Missing: the office has no such host.
        BadInput: the MAC is the old one, or any problem of the result; nothing is changed.
    """
    draft = Draft(inventory, name)
    if host not in draft.before.hosts:
        raise Missing(f"{name} has no host {host[:40]!r}", hint=f"one of {', '.join(draft.before.hosts)}")
    validate(Mac, mac)
    mac = mac_form(mac)
    for word in ("purchased", "warranty_end"):
        if word in about:
            validate(Day, about[word])
    previous = {"mac": draft.before.hosts[host].mac} | {
        word: str(value) for word in ITS_OWN if (value := getattr(draft.before.hosts[host], word))
    }
    if mac == previous["mac"]:
        raise BadInput(
            f"{mac} is the machine that {host} is already",
            hint=f"provisioner adopt {name} {host} --replace-key, if it was reinstalled",
        )
    place = ("hosts", host)
    written = draft.data["hosts"][host]
    for word in ("mac", *ITS_OWN):
        if word in written:
            draft.drop(place, word)
    draft.put(place, "mac", mac)
    for word, said in about.items():
        draft.put(place, word, date.fromisoformat(said) if word in ("purchased", "warranty_end") else said)
    draft.save()
    return previous
