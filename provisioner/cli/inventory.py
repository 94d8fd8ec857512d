"""`init` and `inventory`: a network's files made, checked, and described to editors."""

import functools
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from provisioner.cli.common import Console, ask, confirm, many, shown, terminal, verb
from provisioner.errors import BadInput
from provisioner.laptop.streams import unicode

_RESELLER = (
    ("organisation", "Your co-op's name"),
    ("legal_form", "Its legal form (Scop SARL, …)"),
    ("siren", "Its SIREN"),
    ("street", "Its street and number"),
    ("postcode", "Its postcode"),
    ("city", "Its city"),
)


@verb("init", short_help="Make a new inventory of your own.")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--technician", metavar="LOGIN", help="Who you are: your login on the hosts you serve.")
@click.option("--technician-name", metavar="NAME", help="Your name, as people read it.")
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Your public SSH key (.pub).")
@click.option("--reseller", metavar="NAME", help="Your co-op's short name: small letters and hyphens.")
@click.option("--organisation", metavar="NAME", help="Your co-op's full name.")
@click.option("--legal-form", metavar="TEXT", help="Its legal form.")
@click.option("--siren", metavar="DIGITS", help="Its SIREN.")
@click.option("--street", metavar="TEXT", help="Its address: street and number.")
@click.option("--postcode", metavar="TEXT", help="Its address: postcode.")
@click.option("--city", metavar="TEXT", help="Its address: city.")
@click.option("--country", metavar="XX", default="FR", show_default=True, help="Its address: country.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
@click.option("--generate-passphrase", is_flag=True, help="Make a strong passphrase and print it once.")
def init(console: Console, folder: Path, passphrase_stdin: bool, generate_passphrase: bool, country: str, **given: Any) -> None:
    """Make a new inventory in DIR: a git repository with your co-op, the standard pack and a passphrase.

    Where DIR is an inventory already (a clone of your network's), only who you are is noted in it.
    """
    from provisioner.laptop import git
    from provisioner.office import network
    from provisioner.secrets import passphrase

    folder = folder.absolute()
    if folder.is_dir():
        git.check_ready(folder)
    joining = (folder / "offices").is_dir()
    wanted = [("technician", "Your login"), ("reseller", "Your co-op's short name")]
    if not joining:
        wanted += [("technician_name", "Your name"), *_RESELLER]
    _answers(given, wanted)
    if joining:
        network.join(folder, given["technician"], given["reseller"])
    else:
        address = {"street": given["street"], "postcode": given["postcode"], "city": given["city"], "country": country}
        organisation = {
            "name": given["organisation"],
            "legal_form": given["legal_form"],
            "siren": given["siren"],
            "address": address,
        }
        me = network.Technician(given["technician"], given["technician_name"], _public_key(given["key"]))
    said = None if (folder / "network.key").exists() else _new_passphrase(console, passphrase_stdin, generate_passphrase)
    if said is not None:
        passphrase.validate(said)  # before anything is made
    if not joining:
        network.create(folder, given["reseller"], organisation, me)
    if said is not None:
        passphrase.create(folder, said)
        passphrase.unlock(folder, said)
    network.commit(folder, "init: a new inventory" if not joining else "init: a passphrase for this inventory")
    result = {"inventory": str(folder), "technician": given["technician"], "reseller": given["reseller"]}
    made = said if generate_passphrase and said else ""

    def human() -> None:
        click.echo(f"{shown(str(folder))}: {shown(given['technician'])} of {shown(given['reseller'])}")
        if made:
            click.echo(f"passphrase (kept nowhere, write it down now): {made}")
        click.echo(f"next: provisioner office new OFFICE --inventory {shown(str(folder))}")

    console.result(result | ({"passphrase": made} if made else {}), human)


def _answers(given: dict[str, Any], wanted: list[tuple[str, str]]) -> None:
    """Complete what was given by asking; without a terminal, name every option that lacks at once."""
    from provisioner.inventory import fields

    kinds = {"technician": fields.Login, "reseller": fields.Name, "siren": fields.Siren}
    lacking = [(word, question) for word, question in wanted if not given[word]]
    if lacking and not terminal():
        raise BadInput(
            "nobody is there to answer: " + ", ".join(question.lower() for _, question in lacking),
            hint="give " + " ".join(f"--{word.replace('_', '-')} …" for word, _ in lacking),
        )
    for word, question in lacking:
        kind = kinds.get(word, fields.Filled)
        given[word] = ask(question, f"--{word.replace('_', '-')}", check=functools.partial(fields.validate, kind))


def _public_key(path: Path | None) -> str:
    if path is None:
        return ""
    text = path.read_text(encoding="utf-8", errors="replace")
    if "PRIVATE KEY" in text:
        raise BadInput(f"{path} is the private half of a key", hint=f"--key {path}.pub")
    return text.strip()


def _new_passphrase(console: Console, from_stdin: bool, generate: bool) -> str:
    from provisioner.cli.secrets import passphrase_line
    from provisioner.secrets import passphrase

    if from_stdin:
        return passphrase_line()
    if generate or (terminal() and confirm("Make a strong passphrase for its secrets?", "--generate-passphrase")):
        said = passphrase.new()
        if not generate:
            console.say(f"write it down, it is kept nowhere: {said}")
        return said
    said = ask("Passphrase of the inventory's secrets", "--generate-passphrase or --passphrase-stdin", secret=True)
    if ask("Once more", "--passphrase-stdin", secret=True) != said:
        raise BadInput("the two were not the same", hint="once more")
    return said


@click.group("inventory")
def inventory_() -> None:
    """The whole inventory."""


@verb(inventory_, "check")
def check(console: Console) -> int:
    """Read every file and name every wrong entry at once; exit 0 when all is well, 7 when something is wrong.

    What can be used as it is and should not stay so is a warning, and alone no reason for exit 7.
    """
    from provisioner.inventory import open_inventory

    inventory = open_inventory(console.inventory)
    found = inventory.check()
    problems = [one for one in found if not one.warning]
    offices = len(inventory.office_names())

    def human() -> None:
        for one in found:
            click.echo(shown(str(one)))
        counts = [(offices, "office"), (len(problems), "problem")]
        counts += [(len(found) - len(problems), "warning")] if len(found) > len(problems) else []
        click.echo(", ".join(many(n, word) for n, word in counts))

    console.result({"offices": offices, "problems": [asdict(one) for one in found]}, human)
    return 7 if problems else 0


@verb(inventory_, "schema")
@click.option("--write", is_flag=True, help="Write them to INVENTORY/schema/ instead of printing them.")
def schema(console: Console, write: bool) -> None:
    """Print the JSON Schemas of dossier, pack and reseller, for editors."""
    import json

    from provisioner.inventory import schema

    if write:
        if not console.inventory_option:  # whoever works on the tool names the example, and makes its schemas anew
            console.check_writable(commit=False)
        changed = [str(path) for path in schema.write(console.inventory)]
        console.result({"changed": changed}, lambda: click.echo("\n".join(map(shown, changed)) or "all are current"))
        return
    found = schema.schemas()
    console.result(found, lambda: click.echo(json.dumps(found, indent=1, ensure_ascii=not unicode(sys.stdout))))
