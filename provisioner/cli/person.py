"""`person`: who works in an office: list, add, remove, a new password."""

import functools
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, ask, confirm, echo, lab_option, many, office_argument, shown, terminal, verb
from provisioner.cli.completion import complete_group, complete_person

if TYPE_CHECKING:
    from provisioner.inventory import Inventory
    from provisioner.inventory.dossier import Office
    from provisioner.inventory.target import Target


login_argument = click.argument("login", metavar="LOGIN", shell_complete=complete_person)
no_commit_option = click.option("--no-commit", is_flag=True, help="Leave the commit to you.")


@click.group("person")
def person() -> None:
    """The people of an office."""


@verb(person, "list")
@office_argument
def list_(console: Console, office: str) -> None:
    """Who works in OFFICE, in which groups, at which desk; and who left."""
    from provisioner.inventory import open_inventory
    from provisioner.office import people

    found = open_inventory(console.inventory).office(office)
    here = {login: who.model_dump(mode="json") | {"hosts": people.desks(found, login)} for login, who in found.people.items()}
    gone = {login: who.model_dump(mode="json") for login, who in found.former.items()}

    def human() -> None:
        from provisioner.cli.office_page import table

        rows = [(k, p["name"], ", ".join(p["groups"]), ", ".join(p["hosts"]), p["phone"], p["email"]) for k, p in here.items()]
        words = ("login", "name", "groups", "desk", "phone", "email")
        console.out.print(table(many(len(here), "person", "people"), words, rows, whole=("login",)))
        if gone:
            left = [(k, p["name"], p["left"] or "", p["successor"]) for k, p in gone.items()]
            console.out.print(table("Who left", ("login", "name", "left", "files go to"), left, whole=("login",)))

    console.result({"office": office, "people": here, "former": gone}, human)


@verb(person, "add", writes=True)
@office_argument
@click.argument("login", metavar="LOGIN")
@click.option("--name", metavar="NAME", help="The person's name, as people read it.")
@click.option(
    "--group", "groups", metavar="GROUP", multiple=True, shell_complete=complete_group, help="A group they are in; repeat it."
)
@click.option("--email", metavar="TEXT", default="", help="Their e-mail address.")
@click.option("--phone", metavar="TEXT", default="", help="Their phone.")
@no_commit_option
def add(
    console: Console, office: str, login: str, name: str | None, groups: tuple[str, ...], email: str, phone: str, no_commit: bool
) -> None:
    """Write a new person into the dossier of OFFICE, with a first password when the secrets are unlocked.

    Somebody who had left comes back under the same login, with a new password and the files that stayed.
    """
    from provisioner.inventory import fields, open_inventory
    from provisioner.office import people

    inventory, target = open_inventory(console.inventory), console.target(office, False)
    known = inventory.office(office)
    before = people.newcomer(known, login)
    asked = False
    if not name:
        name = ask("Name", "--name", default=before or None, check=functools.partial(fields.validate, fields.Filled))
        if not groups and len(known.groups) > 1:
            groups, asked = _groups(known), True
    if not groups and len(known.groups) == 1:
        groups = tuple(known.groups)
    about = {"name": name, "groups": list(dict.fromkeys(groups)), "email": email, "phone": phone}
    added = people.add(inventory, target, login, about)
    commit = _commit(inventory, target, f"person add: {login}", no_commit)
    result = {"office": office, "login": login, **about, "back": added.back, "password": added.password, "commit": commit}

    def human() -> None:
        where = f", in {', '.join(about['groups'])}" if about["groups"] else ""
        echo(shown(f"{login}, {name}, works in {office}{' again' if added.back else ''}{where}"))
        if known.groups and not groups and not asked:
            others = ", ".join(known.groups)
            echo(shown(f"! in no group, so without a team's share: groups: [] of {login} in the dossier takes {others}"))
        if not added.password:
            echo("first password: none yet, the secrets are locked (provisioner unlock; the next apply makes it)")
        else:
            echo(f"to hand over the first password, sealed: provisioner record sheet {office} {login} --sealed")
        echo(f"next: provisioner plan {office}")

    console.result(result, human)


def _groups(office: "Office") -> tuple[str, ...]:
    """Ask for groups until those that are typed are all known."""
    from provisioner.errors import BadInput

    def check(typed: str) -> None:
        unknown = [word for word in _words(typed) if word not in office.groups]
        if unknown:
            raise BadInput(f"{unknown[0]!r} is not a group of this office", hint=f"one of {', '.join(office.groups)}")

    return _words(ask(f"Groups, of {', '.join(office.groups)} (empty: none)", "--group", default="", check=check))


def _words(typed: str) -> tuple[str, ...]:
    return tuple(typed.replace(",", " ").split())


@verb(person, "remove", writes=True)
@office_argument
@login_argument
@click.option("--successor", metavar="LOGIN", shell_complete=complete_person, help="Who has their files from then on.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@no_commit_option
def remove(console: Console, office: str, login: str, successor: str | None, yes: bool, no_commit: bool) -> None:
    """Note in the dossier that somebody left OFFICE: the next apply closes the account and hands the files over."""
    from provisioner.inventory import open_inventory
    from provisioner.office import people

    inventory, target = open_inventory(console.inventory), console.target(office, False)
    known = inventory.office(office)
    people.leaver(known, login)
    desks = people.desks(known, login)
    others = ", ".join(other for other in known.people if other != login)
    if successor is None and not yes and others and terminal():
        successor = ask(f"Who has the files from now on, of {others} (empty: nobody)", "--successor", default="")
    files = f"and handed to {successor}" if successor else "where they are"
    fate = f"the account is closed, its files are kept {files}"
    if desks:
        fate += f"; {', '.join(desks)} {'is' if len(desks) == 1 else 'are'} nobody's desk any more"
    if not yes and not confirm(shown(f"{known.people[login].name} ({login}) leaves {office}: {fate}. Go on?")):
        raise click.exceptions.Abort
    people.remove(inventory, target, login, successor or "", date.today())
    commit = _commit(inventory, target, f"person remove: {login}", no_commit)
    result = {"office": office, "removed": login, "successor": successor or "", "hosts": desks, "commit": commit}

    def human() -> None:
        echo(shown(f"{login} has left {office}. At the next apply {fate}."))
        echo(f"next: provisioner plan {office}")

    console.result(result, human)


@verb(person, "password", writes=True)
@office_argument
@login_argument
@lab_option
@click.option("--show", is_flag=True, help="Print the new password.")
@no_commit_option
def password(console: Console, office: str, login: str, lab: bool, show: bool, no_commit: bool) -> None:
    """Make a new password for somebody who works in OFFICE; the next apply sets it, once.

    Whatever the person changes it to afterwards stays.
    """
    from provisioner.inventory import open_inventory
    from provisioner.secrets import vault

    inventory, target = open_inventory(console.inventory), console.target(office, lab)
    fresh = vault.renew(target, inventory.office(office), login)
    commit = None if lab else _commit(inventory, target, f"person password: {login}", no_commit)
    result: dict[str, Any] = {"office": office, "lab": lab, "login": login, "commit": commit}
    option = " --lab" if lab else ""

    def human() -> None:
        echo(f"{login} gets a new password at the next apply" + (f": {fresh}" if show else ""))
        if not show:
            echo(f"to hand it over, sealed: provisioner record sheet {office} {login} --sealed{option}")
        echo(f"next: provisioner plan {office}{option}")

    console.result(result | ({"password": fresh} if show else {}), human)


def _commit(inventory: "Inventory", target: "Target", message: str, no_commit: bool) -> str | None:
    """One commit of the dossier and the secrets, where there is a history."""
    from provisioner.laptop import git

    files: list[Path] = [target.folder / "dossier.yml", *(path for path in target.secret_files if path.exists())]
    return None if no_commit else git.commit(inventory.root, files, f"{target.office}: {message}")
