"""Websites: an office's pages built into a release, with what the dossier knows of it, and judged."""

from typing import TYPE_CHECKING, Any

from provisioner.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

    from provisioner.inventory.dossier import Office
    from provisioner.inventory.target import Target
    from provisioner.website.builder import Release

LOGS_DAYS = 365  # the law's keeping of what tells who published what (décret 2021-1362), and CNIL's most for logs (2021-122)


def pages(target: "Target") -> "Path":
    """Where an office's pages lie."""
    return target.folder / "website"


def releases(target: "Target") -> "Path":
    """Where its built releases lie on this laptop."""
    return target.state / "website"


def facts(target: "Target") -> dict[str, Any]:
    """What a site is filled with, as plain data: of the dossier and its reseller, with the line of each field of the dossier.

    Raises:
        Missing: there is no such office.
        BadInput: the dossier has no website, or is wrong.
    """
    from provisioner.website import remembered

    return remembered.facts(target, _read)


def _read(target: "Target") -> "tuple[dict[str, Any], list[Path]]":
    """The same worked out anew, and every file that it was read of."""
    from provisioner.inventory import open_inventory

    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    site = office.website
    if site is None:
        raise BadInput(f"{office.name} has no website in its dossier", hint="adding 'website: {domain: …, title: …}' to it")
    reseller = inventory.reseller(office.reseller)
    first = office.organisation.contacts[0] if office.organisation.contacts else None
    host = inventory.office(site.served_by) if site.served_by and site.served_by != office.name else None
    told, root = site.model_dump(mode="json"), target.inventory
    files = [
        path
        for one in (office, *([host] if host else []))
        for path in (
            root / f"offices/{one.name}/dossier.yml", root / f"resellers/{one.reseller}.yml", root / f"packs/{one.pack}.yml",
        )
    ]  # fmt: skip
    phone, email = site.phone or (first.phone if first else ""), site.email or (first.email if first else "")
    found = told | {
        "file": f"offices/{office.name}/dossier.yml",
        "lines": inventory.lines_of(office.name),
        "office": office.name,
        "language": office.language[:2],
        "phone": phone,
        "email": email,
        "director": site.director or (first.name if first else ""),
        "organisation": office.organisation.model_dump(mode="json", exclude={"contacts"}),
        "address": office.address.model_dump(mode="json"),
        # on a machine of the office's own, its owner is the host (LCEN, art. 6, I, 2)
        "host": _host(host) if host else _host(office) | {"phone": phone},
        "fields": {
            "host.phone": "organisation.contacts" if host else "website.phone",
            "host.name": "organisation.name",
            "host.address": "organisation.address",
        },
        "files": dict.fromkeys(("host.name", "host.address", "host.phone"), f"offices/{host.name}/dossier.yml") if host else {},
        "maintainer": reseller.organisation.name,
        "logs_days": LOGS_DAYS,
        "form": bool(inventory.office(site.served_by or office.name).mail and email),
    }
    return found, files


def _host(served_by: "Office") -> dict[str, Any]:
    """Who hosts a site that this office's server has."""
    owner = served_by.organisation
    phone = next((one.phone for one in owner.contacts if one.phone), "")
    return {"name": owner.name, "address": owner.address.model_dump(mode="json"), "phone": phone}


def build(target: "Target", language: str = "en", source: "Path | None" = None) -> "Release":
    """Build an office's site, of the inventory's pages or of those in another folder, `source`.

    Raises:
        BadInput: what cannot be taken, a line each in `language`; nothing was written.
    """
    from provisioner.website import builder

    try:
        return builder.build(facts(target), source or pages(target), releases(target), target.state / "website-cache")
    except builder.Refused as refused:
        raise BadInput("\n".join(refused.sentences(language)), hint="each line says where and what") from None
