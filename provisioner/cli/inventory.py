"""`init` and `inventory`: a network's files made, checked, and described to editors."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from provisioner.cli.common import Console, echo, many, shown, verb
from provisioner.laptop.streams import unicode


@verb("init", short_help="Make a new inventory of your own.")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--technician", metavar="LOGIN", help="Who you are: your login on the hosts you serve.")
@click.option("--technician-name", metavar="NAME", help="Your name, as people read it.")
@click.option("--phone", metavar="TEXT", help="Your phone, which clients call.")
@click.option("--email", metavar="TEXT", help="Your e-mail.")
@click.option("--key", metavar="FILE", help="Your SSH key, either half; otherwise it is looked for in ~/.ssh and in the agent.")
@click.option("--make-key", is_flag=True, help="Make a key when none is found, without a passphrase.")
@click.option("--reseller", metavar="NAME", help="Your co-op's short name: small letters and hyphens.")
@click.option("--organisation", metavar="NAME", help="Your co-op's full name.")
@click.option("--legal-form", metavar="TEXT", help="Its legal form.")
@click.option("--siren", metavar="DIGITS", help="Its SIREN.")
@click.option("--rna", metavar="W…", help="An association's RNA number.")
@click.option("--registration", metavar="TEXT", help="Its number in another country's register.")
@click.option("--street", metavar="TEXT", help="Its address: street and number.")
@click.option("--postcode", metavar="TEXT", help="Its address: postcode.")
@click.option("--city", metavar="TEXT", help="Its address: city.")
@click.option("--country", metavar="XX", help="Its address: country; FR otherwise.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
@click.option("--generate-passphrase", is_flag=True, help="Make a strong passphrase and print it once.")
@click.option("--yes", is_flag=True, help="Ask nothing: what no option gives is as it is otherwise.")
def init(
    console: Console, folder: Path, passphrase_stdin: bool, generate_passphrase: bool, make_key: bool, yes: bool, **given: Any
) -> None:
    """Make a new inventory in DIR: a git repository with your co-op, the standard pack and a passphrase.

    Where DIR is an inventory already (a clone of your network's), who you are is noted in it, and your key in your co-op's file.
    On a terminal all answers are shown before anything is written.
    """
    from provisioner.cli import init as talk
    from provisioner.cli.conversation import converse, repeatable
    from provisioner.inventory import open_inventory
    from provisioner.laptop import git
    from provisioner.office import network
    from provisioner.secrets import passphrase

    folder = folder.absolute()
    if folder.is_dir():
        git.check_ready(folder)
    joining = (folder / "offices").is_dir()
    if not joining:
        network.refuse_full(folder)
    answers = given | {"key": given["key"] or ("make" if make_key and not talk.found() else None)}

    def judge(answers: dict[str, Any]) -> None:
        if joining:
            network.refuse_stranger(folder, answers["technician"], answers["reseller"])
        else:
            network.judge(answers["reseller"], talk.data(answers), talk.technician(answers))

    asked = talk.questions(folder, joining)
    with repeatable(console, asked, answers):
        converse(console, asked, answers, judge, yes=yes)
        said = None if (folder / "network.key").exists() else talk.passphrase(console, passphrase_stdin, generate_passphrase, yes)
    passphrase.validate(said) if said is not None else None  # before anything is made
    key = talk.key(console, answers, ask_passphrase=not (yes or make_key))
    if joining:
        network.join(folder, answers["technician"], answers["reseller"])
        added = key is not None and network.add_key(open_inventory(folder), answers["reseller"], answers["technician"], key[1])
    else:
        network.create(folder, answers["reseller"], talk.data(answers), talk.technician(answers, key[1] if key else ""))
        added = bool(key)
    network.note_key(folder, key[0]) if key else None
    if said is not None:
        passphrase.create(folder, said)
        passphrase.unlock(folder, said)
    what = (
        "a new inventory" if not joining else "a passphrase for this inventory" if said else f"a key of {answers['technician']}"
    )
    network.commit(folder, f"init: {what}")
    made = said if generate_passphrase and said else ""
    result = {
        "inventory": str(folder), "technician": answers["technician"], "reseller": answers["reseller"],
        "key": str(key[0]) if key else None, "key_added": added, **({"passphrase": made} if made else {}),
    }  # fmt: skip

    def human() -> None:
        echo(
            f"{shown(str(folder))} is the inventory of {shown(answers['technician'])}, who works for {shown(answers['reseller'])}"
        )
        if key:
            echo(shown("\n".join(talk.told(*key, added))))
        else:
            echo(f"no SSH key was found: provisioner init {shown(str(folder))} --make-key, before any real office")
        if made:
            echo(f"passphrase (kept nowhere, write it down now): {made}")
        echo(f"next: provisioner unlock --inventory {shown(str(folder))}")
        echo(f"      provisioner office new OFFICE --inventory {shown(str(folder))}")

    console.result(result, human)


@click.group("inventory")
def inventory_() -> None:
    """The whole inventory."""


@verb(inventory_, "check")
def check(console: Console) -> int:
    """Read every file and name every wrong entry at once; exit 0 when all is well, 7 when something is wrong.

    What can be used as it is and should not stay so is a warning, and alone no reason for exit 7.
    """
    from provisioner.cli.training_parts import known
    from provisioner.inventory import courses, open_inventory

    inventory = open_inventory(console.inventory)
    found = sorted([*inventory.check(), *(courses.check(inventory, known()) if courses.names(inventory.root) else ())])
    problems = [one for one in found if not one.warning]
    offices = len(inventory.office_names())

    def human() -> None:
        for one in found:
            echo(shown(str(one)))
        counts = [(offices, "office"), (len(problems), "problem")]
        counts += [(len(found) - len(problems), "warning")] if len(found) > len(problems) else []
        echo(", ".join(many(n, word) for n, word in counts))

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
        console.result({"changed": changed}, lambda: echo("\n".join(map(shown, changed)) or "all are current"))
        return
    found = schema.schemas()
    console.result(found, lambda: click.echo(json.dumps(found, indent=1, ensure_ascii=not unicode(sys.stdout))))
