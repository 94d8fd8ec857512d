"""`pack`: the standards of the network: which roles, hardware and training each holds, and what they cost."""

import itertools
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, many, shown, verb
from provisioner.cli.completion import complete_pack, complete_variant
from provisioner.errors import Missing
from provisioner.language.terminal import told, word

if TYPE_CHECKING:
    from provisioner.inventory import Inventory
    from provisioner.inventory.packs import PackRole, Port


FEW = 6  # of a list, that a table still shows


@click.group("pack")
def pack() -> None:
    """The packs."""


@verb(pack, "list")
def list_(console: Console) -> None:
    """One line per pack: its version, its variants, how many offices stand on it."""
    from provisioner.inventory import open_inventory

    inventory = open_inventory(console.inventory)
    packs, offices = inventory.packs(), _offices(inventory)
    counted = [
        {
            "name": one.name,
            "version": one.version,
            "title": one.title,
            "variants": list(one.variants),
            "offices": len(offices(one.name)),
        }
        for one in packs
    ]

    def human() -> None:
        from provisioner.cli.office_page import table

        rows = [(one.name, one.version, one.title, ", ".join(one.variants), str(len(offices(one.name)))) for one in packs]
        console.out.print(table("Packs", ("pack", "version", "title", "variants", "offices"), rows, whole=("pack",)))

    console.result({"packs": counted}, human)


@verb(pack, "show")
@click.argument("name", metavar="PACK", shell_complete=complete_pack)
@click.option("--variant", metavar="VARIANT", default="", shell_complete=complete_variant, help="Only what this variant holds.")
def show(console: Console, name: str, variant: str) -> None:
    """What each kind of host gets by PACK, the hardware, the training, the prices, the systems and the end of their support."""
    from provisioner.inventory import open_inventory
    from provisioner.plays.roles import purposes

    inventory = open_inventory(console.inventory)
    found = inventory.pack(name)
    if variant and variant not in found.variants:
        raise Missing(f"the pack {name} has no variant {variant[:40]!r}", hint=f"one of {', '.join(found.variants)}")
    said, offices = purposes(), _offices(inventory)(name)
    kinds = {kind: found.roles(kind, variant) if variant else roles for kind, roles in found.kinds.items()}
    whole: dict[str, Any] = found.model_dump(mode="json") | {"offices": offices}
    whole["kinds"] = {
        kind.value: {role: about.model_dump(mode="json") | {"purpose": said.get(role, "")} for role, about in roles.items()}
        for kind, roles in kinds.items()
    }
    if variant:
        whole["variant"] = variant

    def human() -> None:
        from provisioner.cli.office_page import table

        out = console.out
        out.print(shown(f"{found.name}, version {found.version}: {found.title}"))
        for one, title in found.variants.items():
            if variant in ("", one):
                out.print(shown(f"variant {one}: {title}"))
        out.print(f"offices ({len(offices)}): {', '.join(offices[:40]) or 'none yet'}")
        for kind, roles in kinds.items():
            rows = [
                (
                    role,
                    said.get(role, "(no such role here)"),
                    ports(about.ports),
                    _settings(about),
                    "" if variant else _only(about),
                )
                for role, about in roles.items()
            ]
            words = ("role", "what it does", "open to the LAN", "settings", "only in")
            out.print(table(f"A {kind.value} gets", words, rows, whole=("role",)))
        models = [
            (kind.value, one.model, f"{one.price_eur} €", many(one.warranty_years, "year"), one.for_whom)
            for kind, offered in found.hardware.items()
            for one in offered
        ]
        out.print(
            table("Hardware, before tax", ("kind", "model", "price", "warranty", "for whom"), models, whole=("kind", "price"))
        )
        modules = [(word, one.title, f"{one.hours} h", one.for_whom) for word, one in found.training.items()]
        out.print(table("Training", ("module", "title", "hours", "for whom"), modules, whole=("module",)))
        if found.prices:
            prices = [
                (word.removesuffix("_eur").replace("_", " "), f"{eur} €") for word, eur in found.prices.model_dump().items()
            ]
            out.print(table("Prices, before tax", ("what", "price"), prices, whole=("what", "price")))
        systems = [(word, one.title, _until(one.support_end, date.today())) for word, one in found.systems.items()]
        out.print(table("Systems", ("system", "title", "security updates until"), systems, whole=("system",)))

    console.result(whole, human)


def ports(opened: "list[Port]") -> str:
    """Ports as people read them: `53 tcp+udp, 3268-3269`; tcp goes without saying."""
    said = []
    for (first, last), same in itertools.groupby(opened, key=lambda port: (port.port, port.last or port.port)):
        protocols = "+".join(dict.fromkeys(port.protocol for port in same))
        said.append(f"{first}{'' if first == last else f'-{last}'}{'' if protocols == 'tcp' else f' {protocols}'}")
    return ", ".join(said)


def _settings(role: "PackRole") -> str:
    said = [f"{word}: {_plain(value)}" for word, value in role.settings.items()]
    said += [f"{variant}: {_plain(settings)}" for variant, settings in role.variant_settings.items()]
    return ", ".join(said)


def _plain(value: object) -> str:
    """A setting on paper: of a long list, or of a table, its size; `--json` has all of it."""
    if isinstance(value, list) and len(value) > FEW:
        return told(f"{len(value)} of them")
    if isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values()):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items()) or word("none")
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or word("none")
    if isinstance(value, bool):
        return word("yes" if value else "no")
    return word("none") if value in (None, "") else str(value)


def _only(role: "PackRole") -> str:
    return ", ".join(role.variants)


def _until(end: date, today: date) -> str:
    days = (end - today).days
    from provisioner.cli.office_page import note

    return f"{end}{note(days)}" if days <= 365 else str(end)


def _offices(inventory: "Inventory") -> "Any":
    """The offices of a pack by its name, from the kept listing."""
    lines = inventory.lines()
    return lambda name: [line.name for line in lines if line.pack == name]
