"""`office`: the places the network serves: new, list, show, replace-host, remove."""

import shutil
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, confirm, echo, lab_option, many, office_argument, shown, verb
from provisioner.cli.completion import complete_host, complete_pack, complete_reseller
from provisioner.errors import BadInput, Missing
from provisioner.language.terminal import told, word

if TYPE_CHECKING:
    from provisioner.inventory import Inventory


@click.group("office")
def office() -> None:
    """Offices."""


@verb(office, "new", writes=True)
@click.argument("name", metavar="OFFICE")
@click.option("--organisation", metavar="NAME", help="The client's name.")
@click.option("--legal-form", metavar="TEXT", help="Its legal form.")
@click.option("--siren", metavar="DIGITS", help="Its SIREN, nine digits; whom the law gives none needs none.")
@click.option("--rna", metavar="W…", help="An association's RNA number.")
@click.option("--registration", metavar="TEXT", help="Its number in another country's register.")
@click.option("--street", metavar="TEXT", help="Street and number.")
@click.option("--postcode", metavar="TEXT")
@click.option("--city", metavar="TEXT")
@click.option("--country", metavar="XX", help="Its country; FR otherwise.")
@click.option("--contact", metavar="NAME", help="Whom to call there.")
@click.option("--phone", metavar="TEXT", help="That person's phone.")
@click.option("--email", metavar="TEXT", help="That person's e-mail.")
@click.option(
    "--reseller", metavar="NAME", shell_complete=complete_reseller, help="Who serves it; you, when `init` noted who you are."
)
@click.option("--pack", metavar="NAME", shell_complete=complete_pack, help="Its pack; the newest otherwise.")
@click.option("--network", metavar="NET", help="Its LAN; 192.168.1.0/24 otherwise.")
@click.option("--domain", metavar="NAME", default="office.internal", show_default=True, help="The LAN's domain.")
@click.option(
    "--platform", metavar="NAME",
    help="What its router runs: debian, openwrt, routeros, cisco_ios, frr; debian otherwise.",
)  # fmt: skip
@click.option("--gateway", metavar="ADDRESS", help="The box that leads to the Internet, where no host is the router.")
@click.option("--person", "people", metavar="LOGIN=NAME", multiple=True, help="Somebody who works there; repeat it.")
@click.option("--host", "hosts", metavar="NAME=KIND[@MAC]", multiple=True, help="A machine; repeat it.")
@click.option("--desktop", "desktops", type=click.IntRange(0, 60), help="How many desktops; one per person otherwise.")
@click.option("--printer", "printers", metavar="NAME=ADDRESS", multiple=True, help="A printer; repeat it.")
@click.option("--yes", is_flag=True, help="Ask nothing: what no option gives is as it is otherwise.")
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def new(
    console: Console, name: str, pack: str | None, domain: str, people: tuple[str, ...], hosts: tuple[str, ...],
    desktops: int | None, printers: tuple[str, ...], yes: bool, no_commit: bool, **given: Any,
) -> None:  # fmt: skip
    """Write the dossier and the vault of a new office.

    Asks on a terminal for what no option gave, and shows all of it before anything is written. Without --host it gets a router, a
    server and a desktop per person; a host without @MAC gets an invented one, to be replaced by the machine's own before `adopt`.
    """
    from provisioner.cli import office_new
    from provisioner.cli.conversation import converse, repeatable
    from provisioner.inventory import fields, open_inventory
    from provisioner.laptop import git
    from provisioner.office import new as fresh
    from provisioner.secrets import vault

    inventory = open_inventory(console.inventory)
    me = inventory.whoami()
    fields.validate(fields.Name, name)
    if name in inventory.office_names():  # before anything is asked
        raise BadInput(f"there is an office {name} already", hint=f"provisioner office show {name}")
    vault.refuse_locked(console.target(name, False))
    for lines, form in ((people, "--person LOGIN=NAME"), (printers, "--printer NAME=ADDRESS")):
        for n, text in enumerate(lines):
            office_new.refuse_twice(office_new.pair(text, form)[0], lines[:n])
    answers = given | {
        "reseller": given["reseller"] or (me[1] if me else None),
        "people": list(people) or None,
        "printers": list(printers) or None,
        "hosts": list(hosts),
        "desktops": None if desktops is None else str(desktops),
    }

    def judge(answers: dict[str, Any]) -> None:
        fresh.judge(inventory, name, *office_new.data(inventory, answers, pack, domain))

    asked = office_new.questions(inventory)
    with repeatable(console, asked, answers):
        converse(console, asked, answers, judge, yes=yes)
    about, comments = office_new.data(inventory, answers, pack, domain)
    born = fresh.create_office(inventory, name, about, comments)
    folder = inventory.root / "offices" / name
    commit = None if no_commit else git.commit(inventory.root, [folder], f"office new: {name}")
    result = {"office": name, "folder": str(folder), "commit": commit, "ula": str(born.ula), "hosts": list(born.hosts)}
    invented = [str(place[1]) for place in comments]

    def human() -> None:
        echo(
            f"{shown(str(folder / 'dossier.yml'))}: {many(len(born.hosts), 'host')}, {many(len(born.people), 'person', 'people')}"
        )
        if invented:
            echo(f"next: put the MACs of {', '.join(invented)} into the dossier, then")
            echo(f"      provisioner adopt {name}")
        else:
            echo(f"next: provisioner adopt {name}")
        echo(f"or, to try it here: provisioner lab up {name}")

    console.result(result, human)


@verb(office, "list")
@click.option("--reseller", metavar="NAME", shell_complete=complete_reseller, help="Only the offices this member serves.")
def list_(console: Console, reseller: str | None) -> None:
    """One line per office: who, where, how many machines and people."""
    from provisioner.inventory import open_inventory

    lines = [line for line in open_inventory(console.inventory).lines() if reseller in (None, line.reseller)]

    def human() -> None:
        # Plain columns: a rich table of 10,000 rows takes 10 s.
        form = "{:<32} {:<32} {:<20} {:>8} {:>9}  {}"
        rows = [form.format(*map(word, ("office", "organisation", "city", "hosts", "people", "reseller")))]
        for line in lines:
            end = line.reseller if not line.trouble else f"{told('unreadable:')} {told(line.trouble)}"
            row = form.format(line.name, line.organisation[:32], line.city[:20], line.hosts, line.people, end)
            rows.append(row if row.isprintable() else shown(row))
        click.echo("\n".join(rows))  # what stands in a column is never translated
        if not lines and not reseller:
            echo("no office yet: provisioner office new NAME")

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
@click.argument("host", metavar="HOST", shell_complete=complete_host)
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
        echo(shown(f"{host} of {office} is the machine {mac} now ({previous['mac']} before)"))
        echo(f"next: provisioner adopt {office} {host}{' --lab' if lab else ''}")

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
    console.result({"removed": office, "commit": commit}, lambda: echo(f"{office} is removed"))


def _folder(inventory: "Inventory", office: str) -> Any:
    """The folder of an office, readable or not."""
    folder = inventory.root / "offices" / office
    if office not in inventory.office_names() or folder.is_symlink():
        raise Missing(f"no office '{office[:50]}' in the inventory {inventory.root}", hint="provisioner office list")
    return folder
