"""What a hand-over record says: the office, both parties, the machines, the services, the tests. From data to data.

Sentences stay in English with their values beside them: the record's JSON belongs to no language.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from provisioner.inventory import identity
from provisioner.inventory.models import Kind
from provisioner.inventory.placement import website_folder
from provisioner.language import N_
from provisioner.record.judgement import Judgement

if TYPE_CHECKING:
    from provisioner.inventory.dossier import Office
    from provisioner.inventory.models import Organisation
    from provisioner.inventory.packs import Pack
    from provisioner.inventory.resellers import Reseller

SYSTEMS = {"openwrt": "OpenWrt", "routeros": "MikroTik RouterOS", "cisco_ios": "Cisco IOS", "frr": "FRR"}
KINDS = {"desktop": N_("Desktop"), "server": N_("Server"), "router": N_("Router")}

# What `identity.numbers` calls them; SIREN and RNA are names in every language.
NUMBERS = (N_("Enterprise number"), N_("UID"), N_("Registration number"))

# What a role of the pack is for, in the words of who uses it; those not here (the clients' halves) speak through these.
SERVICES: dict[str, tuple[str, str]] = {
    "base": (
        N_("Safe machines"),
        N_("Each machine installs its security updates by itself, and its firewall lets in only what the office uses."),
    ),
    "desktop": (
        N_("Desktops"),
        N_("Letters, tables, the Web, mail and calendar at each desktop, in your language; the screen locks itself."),
    ),
    "directory": (
        N_("Accounts and passwords"),
        N_("Each person has one account, and one password for everything in the office."),
    ),
    "file_share": (
        N_("Shared folders"),
        N_("The server keeps one folder for all, one for each team and one for each person; nobody sees those of others."),
    ),
    "printing": (N_("Printing"), N_("Every desktop prints on the office's printers, without anything to install.")),
    "calendar": (
        N_("Calendars and address books"),
        N_("Appointments and contacts are kept on the server and seen from every desktop."),
    ),
    "mail_relay": (
        N_("Messages of the machines"),
        N_("The machines send their notices through the office's mail provider."),
    ),
    "website": (
        N_("Website"),
        N_("The organisation's pages are online for everybody, and the people of the office change them themselves."),
    ),
    "backup": (
        N_("Backups"),
        N_("Every night the server copies the folders, the accounts and its settings; any file can be restored from there."),
    ),
    "remote": (
        N_("Remote maintenance"),
        N_("Your co-op looks after the machines from afar; you see who came and why, and can close this way in at any time."),
    ),
    "metrics_agent": (
        N_("The co-op's watch"),
        N_(
            "Day and night a machine of your co-op hears how your machines fare (disks, memory, backups, services), and its "
            "technicians are told of a fault. No file, no page, no name of a person leaves the office for it."
        ),
    ),
}


def contents(
    office: "Office",
    pack: "Pack",
    reseller: "Reseller",
    verify: Mapping[str, Any],
    judgement: Judgement,
    *,
    number: int,
    made: str,
    by: Mapping[str, str],
    titles: Mapping[str, str],
) -> dict[str, Any]:
    """All that the record says, ready for JSON; pure.

    Args:
        office: the dossier.
        pack: the office's pack.
        reseller: who hands over.
        verify: the summary the record is made from, with its file's `file` and `sha256`.
        judgement: what it amounts to.
        number: of the record, from 1.
        made: when, ISO.
        by: who makes it: `login`, `name`.
        titles: the check's name -> its title.
    """
    return {
        "number": number,
        "office": office.name,
        "lab": bool(verify["lab"]),
        "made": made,
        "by": dict(by),
        "timezone": office.timezone,
        "verdict": judgement.verdict,
        "reserves": [one.as_object() for one in judgement.reserves],
        "not_applicable": [one.as_object() for one in judgement.apart],
        "titles": dict(titles),
        "client": {**party(office.organisation), "office_address": address(office.address)},
        "reseller": {
            **party(reseller.organisation),
            "technicians": [
                {"login": login, "name": one.name, "phone": one.phone, "email": one.email}
                for login, one in reseller.technicians.items()
            ],
        },
        "pack": {"name": pack.name, "title": pack.title, "variant": pack.variants.get(office.variant) or office.variant},
        "hosts": machines(office, pack, verify),
        "printers": [
            {
                "name": name, "model": one.model, "serial": one.serial, "location": one.location,
                "purchased": _iso(one.purchased), "warranty_end": _iso(one.warranty_end),
            }
            for name, one in office.printers.items()
        ],
        "services": services(office, pack),
        "website": website(office, pack),
        "copied_elsewhere": office.backup is not None,
        "at_desktop": str(verify.get("from")) not in office.hosts or office.hosts[str(verify["from"])].kind is Kind.DESKTOP,
        "seat": str(verify.get("from") or ""),
        "tests": verify.get("findings") or [],
        "verify": {
            key: verify.get(key) for key in ("run", "technician", "started", "finished", "status", "reboot", "file", "sha256")
        },
    }  # fmt: skip


def party(organisation: "Organisation") -> dict[str, Any]:
    """One of the two who sign."""
    return {
        "name": organisation.name,
        "legal_form": organisation.legal_form,
        "siren": organisation.siren,
        "numbers": [list(one) for one in identity.numbers(organisation)],
        "address": address(organisation.address),
        "contacts": [one.model_dump(mode="json") for one in organisation.contacts],
    }


def address(place: Any) -> list[str]:
    """A postal address, line by line."""
    return [place.street, f"{place.postcode} {place.city}"]


def machines(office: "Office", pack: "Pack", verify: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every host: what the dossier says of it, what it says of itself, and until when its system gets security updates."""
    found = []
    for name, host in office.hosts.items():
        system: Mapping[str, Any] = (verify.get("systems") or {}).get(name) or {}
        known = pack.systems.get(f"{system.get('id', '')}-{system.get('version', '')}")
        found.append(
            {
                "name": name, "kind": host.kind.value, "address": str(host.address), "person": _person(office, host.person),
                "model": host.model or str(system.get("model") or ""), "serial": host.serial or str(system.get("serial") or ""),
                "purchased": _iso(host.purchased), "warranty_end": _iso(host.warranty_end),
                "system": str(system.get("pretty") or SYSTEMS.get(host.platform, "")), "kernel": str(system.get("kernel") or ""),
                "support_end": _iso(known.support_end) if known else None,
                "packages": {str(k): str(v) for k, v in sorted((system.get("packages") or {}).items())},
                "services": [role for role in pack.roles(host.kind, office.variant) if role in SERVICES],
            }
        )  # fmt: skip
    return found


def services(office: "Office", pack: "Pack") -> list[str]:
    """The services the office gets, by role, in order; what lacks its counterpart (a provider, a printer) is none."""
    there = {role for host in office.hosts.values() for role in pack.roles(host.kind, office.variant)}
    counterparts = (
        ("mail_relay", office.mail), ("printing", office.printers), ("website", office.website), ("remote", office.remote),
        ("metrics_agent", office.remote),
    )  # fmt: skip
    lacking = {role for role, has in counterparts if not has}
    return [role for role in SERVICES if role in there - lacking]


def website(office: "Office", pack: "Pack") -> dict[str, str] | None:
    """The site's address, and where its pages are changed: the share, the folder in it; empty where it is served elsewhere."""
    if not office.website:
        return None
    share, folder = website_folder(pack, office)
    return {"address": f"https://{office.website.domain}", "share": share, "folder": folder}


def digest(said: Mapping[str, Any]) -> str:
    """SHA-256 of a record's contents; printed on it, so that the signed paper vouches for the file."""
    return hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def lasting(findings: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many tests came out how: level -> number."""
    counted: dict[str, int] = {}
    for one in findings:
        counted[str(one.get("level"))] = counted.get(str(one.get("level")), 0) + 1
    return counted


def _person(office: "Office", login: str) -> str:
    person = office.people.get(login)
    return person.name if person else ""


def _iso(day: Any) -> str | None:
    return day.isoformat() if day else None
