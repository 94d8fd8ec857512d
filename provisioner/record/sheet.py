"""The first-steps sheet of one person: one page, no password in it; the sealed sheet with the first password is apart."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner import documents
from provisioner.errors import BadInput, Missing, one_of
from provisioner.inventory import open_inventory
from provisioner.inventory.models import Kind
from provisioner.language import N_, of_locale, translator
from provisioner.laptop import disk, git
from provisioner.record.contents import services, website
from provisioner.secrets import vault

if TYPE_CHECKING:
    from provisioner.inventory.dossier import Office, Person
    from provisioner.inventory.packs import Pack
    from provisioner.inventory.resellers import Reseller
    from provisioner.inventory.target import Target

_CALLED = 4  # people to call


@dataclass(frozen=True)
class Sheet:
    """One sheet on disk."""

    login: str
    pdf: Path
    sealed: bool


def make(
    target: "Target", logins: list[str], *, language: str = "", sealed: bool = False, to: Path | None = None,
    now: datetime | None = None,
) -> list[Sheet]:  # fmt: skip
    """Write the sheets of these people, of all when none is named.

    Args:
        target: the office, or its lab.
        logins: whose.
        language: `fr` or `en`; the office's own unless given.
        sealed: make the sealed sheets, each with the first password, instead.
        to: a file for one sheet, a folder for several; the office's state folder unless given.
        now: the day on them.

    Raises:
        Missing: no such person, or nobody at all.
        Locked: sealed, and the secrets are.
        BadInput: a sealed sheet would lie in a git repository.
    """
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    pack, reseller = inventory.pack(office.pack), inventory.reseller(office.reseller)
    for login in logins:
        if login not in office.people:
            raise Missing(
                f"{target.office} has nobody with the login {login!r}",
                hint=one_of(office.people, f"provisioner person add {target.office} LOGIN"),
            )
    if not office.people:
        raise Missing(f"nobody works in {target.office} yet", hint=f"people: in offices/{target.office}/dossier.yml")
    chosen = logins or list(office.people)
    where = _places(target, chosen, sealed=sealed, to=to)
    secrets = vault.read(target).people if sealed else {}
    told = language or of_locale(office.language)
    made = (now or datetime.now(UTC)).isoformat(timespec="seconds").replace("+00:00", "Z")
    sheets = []
    for login in chosen:
        if sealed and login not in secrets:
            raise Missing(
                f"the vault has no password of {login} yet", hint=f"provisioner secrets show {target.words} --complete makes it"
            )
        source = page(office, pack, reseller, login, told, lab=target.lab, made=made, secret=secrets.get(login, ""))
        disk.write(where[login], documents.pdf(source), mode=0o600)
        sheets.append(Sheet(login, where[login], sealed))
    return sheets


def _places(target: "Target", logins: list[str], *, sealed: bool, to: Path | None) -> dict[str, Path]:
    """Where each sheet goes; folders are made, private."""
    many = to is not None and (len(logins) > 1 or to.is_dir())
    folder = (to if many else to.parent) if to is not None else target.state / "sheets"
    if to is not None and sealed and git.repository(_standing(folder)):
        raise BadInput(
            f"{to} lies in a git repository: a password must not", hint="--to with a place outside, a USB stick for instance"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ending = "-sealed.pdf" if sealed else ".pdf"
    return {login: to if to is not None and not many else folder / f"{login}{ending}" for login in logins}


def _standing(folder: Path) -> Path:
    """The nearest folder above that is there, links followed."""
    here = Path(os.path.realpath(folder))
    while not here.is_dir():
        here = here.parent
    return here


def page(
    office: "Office", pack: "Pack", reseller: "Reseller", login: str, language: str, *, lab: bool, made: str, secret: str = ""
) -> str:  # fmt: skip
    """One sheet as HTML; pure. With a `secret` it is the sealed one."""
    say = translator(language)
    person = office.people[login]
    name = say(N_("Sealed sheet") if secret else N_("First steps"))
    return documents.html(
        "sealed.html" if secret else "sheet.html",
        language,
        {
            "person": person.name, "login": login, "secret": secret, "organisation": office.organisation.name,
            "day": documents.day_of(made, office.timezone), "author": reseller.organisation.name,
            "help": _help(reseller), **(_surroundings(office, pack, login, person, language) if not secret else {}),
        },
        title=f"{name} – {person.name}",
        running=f"{name} · {login} · {office.name}",
        lab=lab,
        made=made,
    )  # fmt: skip


def _surroundings(office: "Office", pack: "Pack", login: str, person: "Person", language: str) -> dict[str, Any]:
    """What this person finds: machines, folders, printers, calendar."""
    there = services(office, pack)
    server = next((name for name, host in office.hosts.items() if host.kind is Kind.SERVER), "")
    may_edit = not (office.website and office.website.editors) or office.website.editors in person.groups
    common = "commun"
    if server and "file_share" in there:
        common = str(pack.roles(Kind.SERVER, office.variant)["file_share"].settings.get("common", common))
    folders = [
        {"share": common, "what": N_("for the whole office"), "title": ""},
        *({"share": group, "what": "", "title": office.groups.get(group, "")} for group in person.groups),
        {"share": login, "what": N_("yours alone"), "title": ""},
    ]
    return {
        "machines": [name for name, host in office.hosts.items() if host.person == login],
        "desktop": "desktop" in there,
        "window": documents.picture(f"password-{language}.png"),
        "server": f"{server}.{office.lan.domain}" if server else "",
        "folders": folders if server and "file_share" in there else [],
        "printers": [{"name": n, "location": p.location} for n, p in office.printers.items()] if "printing" in there else [],
        "calendar": f"https://calendar.{office.lan.domain}" if "calendar" in there else "",
        "website": website(office, pack) if "website" in there and office.website and may_edit else None,
        "backup": bool(server and "backup" in there),
    }


def _help(reseller: "Reseller") -> list[dict[str, str]]:
    """Whom to call: the co-op first, then technicians, as many as one page bears."""
    return reseller.contacts()[:_CALLED]
