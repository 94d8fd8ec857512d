"""Who works in an office, changed: the dossier and the vault together, so that the next plan shows the whole of it."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from provisioner.errors import BadInput, Missing
from provisioner.inventory.editing import Draft
from provisioner.inventory.fields import Login, validate
from provisioner.secrets import passphrase, vault

if TYPE_CHECKING:
    from provisioner.inventory import Inventory
    from provisioner.inventory.dossier import Office
    from provisioner.inventory.target import Target


@dataclass(frozen=True)
class Added:
    """Somebody who works here from now on: `back` after they had left, `password` when the vault has one for them."""

    office: "Office"
    back: bool
    password: bool


def newcomer(office: "Office", login: str) -> str:
    """Let a login through that nobody bears yet; the name of whoever left with it, or nothing.

    Raises:
        BadInput: it is no login, or somebody who works here bears it.
    """
    validate(Login, login)
    if login in office.people:
        raise BadInput(
            f"{login} works in {office.name} already: {office.people[login].name}", hint=f"provisioner person list {office.name}"
        )
    return office.former[login].name if login in office.former else ""


def add(inventory: "Inventory", target: "Target", login: str, about: dict[str, Any]) -> Added:
    """Write a new person into the dossier, and a first password into the vault when it is unlocked.

    Somebody who had left comes back with a new password: the old one may be known by now.

    Raises:
        BadInput: every problem of the new entry; nothing is changed.
    """
    draft = Draft(inventory, target.office)
    newcomer(draft.before, login)
    back = login in draft.before.former
    if back:
        draft.drop(("former",), login)
    draft.put(("people",), login, {word: said for word, said in about.items() if said})
    office = draft.office()
    unlocked = passphrase.unlocked(target.inventory)
    if unlocked:  # first: a password nobody uses yet harms nobody, a person without one cannot be let in
        vault.complete(target, office)
        if back:
            vault.renew(target, office, login)
    return Added(draft.save(), back, unlocked)


def desks(office: "Office", login: str) -> list[str]:
    """The hosts that are somebody's own."""
    return [name for name, host in office.hosts.items() if host.person == login]


def leaver(office: "Office", login: str) -> None:
    """Let the login of somebody through who works here.

    Raises:
        Missing: nobody does under this login.
    """
    if login in office.former:
        left = office.former[login].left
        raise Missing(f"{login} has left {office.name} already{f', on {left}' if left else ''}", hint=_list(office))
    if login not in office.people:
        raise Missing(f"{office.name} has nobody with the login {login[:40]!r}", hint=_list(office))


def remove(inventory: "Inventory", target: "Target", login: str, successor: str, today: date) -> "Office":
    """Move somebody from those who work here to those who left, and take their name off their desks.

    Whoever was to have the files of somebody who left before hands that on too.

    Raises:
        Missing: nobody of that login works here.
        BadInput: the successor does not work here, or every other problem of the result; nothing is changed.
    """
    draft = Draft(inventory, target.office)
    before = draft.before
    leaver(before, login)
    if successor == login:
        raise BadInput(f"{login} cannot be their own successor", hint="--successor with somebody who stays")
    if successor and successor not in before.people:
        raise BadInput(f"the successor {successor[:40]!r} does not work in {before.name}", hint=_list(before))
    handed = [gone for gone, who in before.former.items() if who.successor == login]
    if handed and not successor:
        raise BadInput(f"{login} has the files of {', '.join(handed)}", hint="--successor LOGIN, who will have them all")
    for host in desks(before, login):
        draft.drop(("hosts", host), "person")
    draft.drop(("people",), login)
    for gone in handed:
        draft.drop(("former", gone), "successor")
        draft.put(("former", gone), "successor", successor)
    gone_now = {"name": before.people[login].name, **({"successor": successor} if successor else {}), "left": today}
    draft.put(("former",), login, gone_now)
    return draft.save()


def _list(office: "Office") -> str:
    return f"provisioner person list {office.name}"
