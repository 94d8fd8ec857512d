"""`office`: the places the network serves: new, list, show, replace-host, remove."""

import functools
import re
import shutil
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, ask, confirm, lab_option, many, office_argument, shown, terminal, verb
from provisioner.errors import BadInput, Missing

if TYPE_CHECKING:
    from provisioner.inventory import Inventory

_REQUIRED = (
    ("organisation", "The client's name"),
    ("legal_form", "Its legal form (SARL, association, commune, …)"),
    ("siren", "Its SIREN"),
    ("street", "Street and number"),
    ("postcode", "Postcode"),
    ("city", "City"),
    ("reseller", "Who serves it (a reseller of the network)"),
)
_OPTIONAL = (("contact", "Whom to call there"), ("phone", "Phone"), ("email", "E-mail"))


@click.group("office")
def office() -> None:
    """Offices."""


@verb(office, "new", writes=True)
@click.argument("name", metavar="OFFICE")
@click.option("--organisation", metavar="NAME", help="The client's name.")
@click.option("--legal-form", metavar="TEXT", help="Its legal form.")
@click.option("--siren", metavar="DIGITS", help="Its SIREN, nine digits.")
@click.option("--street", metavar="TEXT", help="Street and number.")
@click.option("--postcode", metavar="TEXT")
@click.option("--city", metavar="TEXT")
@click.option("--country", metavar="XX", default="FR", show_default=True)
@click.option("--contact", metavar="NAME", help="Whom to call there.")
@click.option("--phone", metavar="TEXT", help="That person's phone.")
@click.option("--email", metavar="TEXT", help="That person's e-mail.")
@click.option("--reseller", metavar="NAME", help="Who serves it; you, when `init` noted who you are.")
@click.option("--pack", metavar="NAME", help="Its pack; the newest otherwise.")
@click.option("--network", metavar="NET", default="192.168.1.0/24", show_default=True, help="Its LAN.")
@click.option("--domain", metavar="NAME", default="office.internal", show_default=True, help="The LAN's domain.")
@click.option("--person", "people", metavar="LOGIN=NAME", multiple=True, help="Somebody who works there; repeat it.")
@click.option("--host", "hosts", metavar="NAME=KIND[@MAC]", multiple=True, help="A machine; repeat it.")
@click.option("--desktop", "desktops", type=click.IntRange(0, 60), help="How many desktops; one per person otherwise.")
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def new(
    console: Console,
    name: str,
    country: str,
    pack: str | None,
    network: str,
    domain: str,
    people: tuple[str, ...],
    hosts: tuple[str, ...],
    desktops: int | None,
    no_commit: bool,
    **given: Any,
) -> None:
    """Write the dossier and the vault of a new office.

    Asks on a terminal for what no option gave. Without --host it gets a router, a server and a desktop per person; a
    host without @MAC gets an invented one, to be replaced by the machine's own before `adopt`.
    """
    from provisioner.inventory import fields, open_inventory
    from provisioner.laptop import git
    from provisioner.office import new as fresh

    inventory = open_inventory(console.inventory)
    me = inventory.whoami()
    given["reseller"] = given["reseller"] or (me[1] if me else None)
    logins = dict(_pair(text, "--person LOGIN=NAME") for text in people)
    fields.validate(fields.Name, name)
    if name in inventory.office_names():  # before anything is asked
        raise BadInput(f"there is an office {name} already", hint=f"provisioner office show {name}")
    _answers(given, logins)
    address = {"street": given["street"], "postcode": given["postcode"], "city": given["city"], "country": country}
    contact = {word: given[option] for word, option in _CONTACT if given[option]}
    machines = [_machine(text) for text in hosts] or [("router", "router", ""), ("server", "server", "")]
    count = desktops if desktops is not None else 0 if hosts else max(len(logins), 1)
    machines += [(f"desktop-{n}" if count > 1 else "desktop", "desktop", "") for n in range(1, count + 1)]
    note = "Its MAC is invented: put the machine's own here."
    invented: dict[tuple[str | int, ...], str] = {("hosts", host): note for host, _, mac in machines if not mac}
    lan = fresh.new_lan(network, domain)
    data = {
        "organisation": {
            "name": given["organisation"],
            "legal_form": given["legal_form"],
            "siren": given["siren"],
            "address": address,
            "contacts": [contact] if contact else [],
        },
        "reseller": given["reseller"],
        "pack": pack or _newest([one.name for one in inventory.packs()]),
        "address": address,
        "lan": lan,
        "ula": fresh.new_ula(),
        "hosts": _hosts(machines, fresh.new_addresses(lan["network"], [kind for _, kind, _ in machines]), list(logins)),
        "groups": {"team": given["organisation"]},
        "people": {login: {"name": who, "groups": ["team"]} for login, who in logins.items()},
    }
    born = fresh.create_office(inventory, name, data, invented)
    folder = inventory.root / "offices" / name
    commit = None if no_commit else git.commit(inventory.root, [folder], f"office new: {name}")
    result = {"office": name, "folder": str(folder), "commit": commit, "ula": str(born.ula), "hosts": list(born.hosts)}

    def human() -> None:
        click.echo(
            f"{shown(str(folder / 'dossier.yml'))}: {many(len(born.hosts), 'host')}, {many(len(born.people), 'person', 'people')}"
        )
        click.echo("next: put each machine's own MAC into the dossier, then")
        click.echo(f"      provisioner adopt {name}        (or: provisioner lab up {name})")

    console.result(result, human)


_CONTACT = (("name", "contact"), ("phone", "phone"), ("email", "email"))


def _answers(given: dict[str, Any], logins: dict[str, str]) -> None:
    """Ask for what lacks; without a terminal, name every option that lacks at once."""
    lacking = [(word, question) for word, question in _REQUIRED if not given[word]]
    if not terminal():
        if lacking:
            raise BadInput(
                "nobody is there to answer: " + ", ".join(question for _, question in lacking),
                hint="give " + " ".join(f"--{word.replace('_', '-')} …" for word, _ in lacking),
            )
        if (given["phone"] or given["email"]) and not given["contact"]:
            raise BadInput("a phone or e-mail without whose it is", hint="give --contact NAME")
        return
    from provisioner.inventory import fields

    for word, question in lacking:
        kind = fields.Siren if word == "siren" else fields.Filled
        given[word] = ask(question, f"--{word.replace('_', '-')}", check=functools.partial(fields.validate, kind))
    for word, question in _OPTIONAL:
        if given[word] is None and (word == "contact" or given["contact"]):
            given[word] = ask(f"{question} (empty: nobody)" if word == "contact" else question, f"--{word}", default="")
    question = "Who works there? login=Name (empty: nobody yet)"
    while said := ask(question, "--person", default="", check=_person):
        login, who = _person(said)
        logins[login] = who
        question = "Somebody else? login=Name (empty: no)"


def _person(text: str) -> tuple[str, str]:
    from provisioner.inventory import fields

    login, who = _pair(text, "login=Name")
    fields.validate(fields.Login, login)
    return login, who


def _pair(text: str, form: str) -> tuple[str, str]:
    left, equals, right = text.partition("=")
    if not equals or not left or not right:
        raise BadInput(f"{text!r} is not of the form {form}", hint=form)
    return left, right


def _machine(text: str) -> tuple[str, str, str]:
    name, rest = _pair(text, "--host NAME=KIND[@MAC]")
    kind, _, mac = rest.partition("@")
    return name, kind, mac.lower()


def _hosts(machines: list[tuple[str, str, str]], addresses: list[str], logins: list[str]) -> dict[str, dict[str, Any]]:
    """The hosts of a new dossier; each desktop goes to the next person."""
    from provisioner.office import new as fresh

    names = [name for name, _, _ in machines]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadInput(f"two hosts are called {twice[0]!r}", hint="giving each --host its own name")
    free = iter(logins)
    found = {}
    for (name, kind, mac), address in zip(machines, addresses, strict=True):
        host = {"kind": kind, "platform": "debian", "address": address, "mac": mac or fresh.new_mac()}
        if kind == "desktop" and (login := next(free, "")):
            host["person"] = login
        found[name] = host
    return found


def _newest(packs: list[str]) -> str:
    """The pack with the highest version: figures in its name count as figures."""
    if not packs:
        raise Missing("this inventory has no pack", hint="a file in packs/")
    return max(packs, key=lambda name: [int(part) if part.isdigit() else 0 for part in re.split("[^0-9]+", name)])


@verb(office, "list")
@click.option("--reseller", metavar="NAME", help="Only the offices this member serves.")
def list_(console: Console, reseller: str | None) -> None:
    """One line per office: who, where, how many machines and people."""
    from provisioner.inventory import open_inventory

    lines = [line for line in open_inventory(console.inventory).lines() if reseller in (None, line.reseller)]

    def human() -> None:
        # Plain columns: a rich table of 10,000 rows takes 10 s.
        form = "{:<32} {:<32} {:<20} {:>5} {:>6}  {}"
        rows = [form.format("office", "organisation", "city", "hosts", "people", "reseller")]
        for line in lines:
            end = line.reseller if not line.trouble else f"unreadable: {line.trouble}"
            row = form.format(line.name, line.organisation[:32], line.city[:20], line.hosts, line.people, end)
            rows.append(row if row.isprintable() else shown(row))
        click.echo("\n".join(rows))

    console.result({"offices": [line._asdict() for line in lines]} if console.as_json else {}, human)


@verb(office, "show")
@office_argument
def show(console: Console, office: str) -> None:
    """One office: the client, its LAN, hosts, people and website."""
    from provisioner.cli import office_page
    from provisioner.inventory import open_inventory

    found = open_inventory(console.inventory).office(office)
    console.result(found.model_dump(mode="json"), lambda: office_page.print_office(console.out, found, date.today()))


@verb(office, "replace-host", writes=True)
@office_argument
@click.argument("host", metavar="HOST")
@click.option("--mac", metavar="MAC", required=True, help="The new machine's MAC address.")
@click.option("--model", metavar="TEXT", default="", help="Its model.")
@click.option("--serial", metavar="TEXT", default="", help="Its serial number.")
@click.option("--purchased", metavar="DAY", default="", help="When it was bought.")
@click.option("--warranty-end", metavar="DAY", default="", help="When its warranty ends.")
@lab_option
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def replace_host(
    console: Console, office: str, host: str, mac: str, model: str, serial: str, purchased: str, warranty_end: str, lab: bool,
    no_commit: bool,
) -> None:  # fmt: skip
    """Write a new machine into the dossier in the place of HOST: its name, address, person and roles stay.

    What was known of the old machine is forgotten, its pinned key first: the new one is adopted like any other. The old
    machine's disk still holds what it held; the server's shares and accounts are not touched.
    """
    from provisioner.hosts import pins
    from provisioner.inventory import open_inventory
    from provisioner.laptop import git
    from provisioner.office import replacement
    from provisioner.operation.reaching import forget

    inventory, target = open_inventory(console.inventory), console.target(office, lab)
    about = {"model": model, "serial": serial, "purchased": purchased, "warranty_end": warranty_end}
    previous = replacement.replace(inventory, office, host, mac, {word: said for word, said in about.items() if said})
    pins.pin(target, host)
    forget(target, host)
    folder = inventory.root / "offices" / office
    commit = None if no_commit else git.commit(inventory.root, [folder], f"office replace-host: {office} {host}")
    result = {"office": office, "host": host, "mac": mac, "former": previous, "commit": commit}

    def human() -> None:
        click.echo(shown(f"{host} of {office} is the machine {mac} now ({previous['mac']} before)"))
        click.echo(f"next: provisioner adopt {office} {host}{' --lab' if lab else ''}")

    console.result(result, human)


@verb(office, "remove", writes=True)
@office_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Even when something in it is in no commit, and so is lost.")
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def remove(console: Console, office: str, yes: bool, force: bool, no_commit: bool) -> None:
    """Remove an office's folder from the inventory, as one commit; its hosts and journals stay as they are."""
    from provisioner.inventory import open_inventory
    from provisioner.laptop import git

    inventory = open_inventory(console.inventory)
    folder = _folder(inventory, office)
    history = git.repository(inventory.root)
    lost = git.changed(inventory.root, [folder]) if history else [f"{folder} (no git repository)"]
    if lost and not force:
        raise BadInput(f"{office} holds what is in no commit: {', '.join(lost[:5])}", hint="git add and git commit, or --force")
    if not yes and not confirm(f"Remove {office} from the inventory?"):
        raise click.exceptions.Abort
    shutil.rmtree(folder)
    commit = git.commit(inventory.root, [folder], f"office remove: {office}") if history and not no_commit else None
    console.result({"removed": office, "commit": commit}, lambda: click.echo(f"{office} is removed"))


def _folder(inventory: "Inventory", office: str) -> Any:
    """The folder of an office, readable or not."""
    folder = inventory.root / "offices" / office
    if office not in inventory.office_names() or folder.is_symlink():
        raise Missing(f"no office '{office[:50]}' in the inventory {inventory.root}", hint="provisioner office list")
    return folder
