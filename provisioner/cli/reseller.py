"""`reseller`: the members of the network, their technicians, the offices each serves."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, shown, verb
from provisioner.cli.completion import complete_reseller
from provisioner.language.terminal import told, word

if TYPE_CHECKING:
    from provisioner.inventory import Inventory
    from provisioner.inventory.resellers import Reseller


@click.group("reseller")
def reseller() -> None:
    """The network's members."""


@verb(reseller, "list")
def list_(console: Console) -> None:
    """One line per member: its name, its city, how many technicians and offices."""
    from provisioner.inventory import open_inventory

    inventory = open_inventory(console.inventory)
    members = inventory.resellers()
    served = _served(inventory)

    def human() -> None:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("member", "organisation", "city", "technicians", "offices"):
            table.add_column(
                column, no_wrap=column == "member", justify="right" if column in ("technicians", "offices") else "left"
            )
        for one in members:
            counts = str(len(one.technicians)), str(len(served[one.name]))
            table.add_row(one.name, shown(one.organisation.name), shown(one.organisation.address.city), *counts)
        console.out.print(table)

    console.result({"resellers": [_summary(one, served[one.name]) for one in members]}, human)


@verb(reseller, "show")
@click.argument("name", metavar="NAME", shell_complete=complete_reseller)
def show(console: Console, name: str) -> None:
    """One member: how to reach it, what it can, its technicians, the offices it serves."""
    from provisioner.inventory import identity, open_inventory

    inventory = open_inventory(console.inventory)
    one = inventory.reseller(name)
    offices = _served(inventory)[name]

    def human() -> None:
        from rich.table import Table

        firm, at = one.organisation, one.organisation.address
        console.out.print(shown(", ".join([firm.name, firm.legal_form, *identity.told(firm)])))
        console.out.print(shown(f"{at.street}, {at.postcode} {at.city}, {at.country}"))
        for contact in firm.contacts:
            said = (contact.name, contact.role, contact.phone, contact.email)
            console.out.print(shown(f"{word('contact')}: " + ", ".join(part for part in said if part)))
        console.out.print(shown(f"{word('territory')}: " + (", ".join(one.territory) or told("not said"))))
        console.out.print(shown(f"{word('skills')}: " + (", ".join(one.skills) or told("not said"))))
        table = Table("technician", "name", "phone", "email", "keys", box=None, pad_edge=False, header_style="dim")
        for login, who in one.technicians.items():
            table.add_row(login, shown(who.name), shown(who.phone), shown(who.email), str(len(who.keys)))
        console.out.print(table)
        console.out.print(f"offices ({len(offices)}): " + (", ".join(offices[:40]) or "none yet"))

    console.result(_summary(one, offices) | one.model_dump(mode="json", exclude={"name"}), human)


def _served(inventory: "Inventory") -> dict[str, list[str]]:
    served: dict[str, list[str]] = defaultdict(list)
    for line in inventory.lines():
        served[line.reseller].append(line.name)
    return served


def _summary(one: "Reseller", offices: list[str]) -> dict[str, Any]:
    return {
        "name": one.name,
        "organisation": one.organisation.name,
        "city": one.organisation.address.city,
        "territory": one.territory,
        "skills": one.skills,
        "technicians": {login: who.name for login, who in one.technicians.items()},
        "offices": offices,
    }
