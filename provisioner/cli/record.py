"""`record new|show|check|sheet`: the hand-over record of an office, and the first-steps sheets of its people."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, lab_option, many, office_argument, shown, verb
from provisioner.cli.completion import complete_person
from provisioner.errors import BadInput
from provisioner.language import LANGUAGES

if TYPE_CHECKING:
    from provisioner.record import Record

record = click.Group("record", help="The hand-over record, and each person's first-steps sheet.")

lang_option = click.option(
    "--lang", type=click.Choice(list(LANGUAGES)), default=None, help="The office's own language unless given."
)


def _told(found: "Record") -> dict[str, Any]:
    body = found.body
    return {
        "office": body["office"],
        "lab": body["lab"],
        "number": body["number"],
        "made": body["made"],
        "verdict": body["verdict"],
        "reserves": body["reserves"],
        "not_applicable": body["not_applicable"],
        "verify": body["verify"],
        "json": str(found.path),
        "html": str(found.html),
        "pdf": str(found.pdf),
    }


def _show(console: Console, found: "Record") -> None:
    from rich.text import Text

    from provisioner.language import translator
    from provisioner.language.terminal import spoken
    from provisioner.record import VERDICTS
    from provisioner.record.judgement import WITHOUT

    say, body = translator(spoken()), found.body
    good = body["verdict"] == WITHOUT
    words = f"{say(VERDICTS[good])}{' (LAB)' if body['lab'] else ''}"
    console.out.print(Text(words, "bold green" if good else "bold yellow"))
    for one in body["reserves"]:
        subject = say(body["titles"].get(one["check"], one["check"])) if one["check"] else ""
        said = say(one["sentence"], one["values"])
        console.out.print(shown(f"  ! {subject}{': ' if subject else ''}{said}"), soft_wrap=True)
    for path in (found.pdf, found.html):
        console.out.print(str(path), soft_wrap=True)


@verb(record, "new", writes=True)
@office_argument
@lab_option
@lang_option
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def new(console: Console, office: str, lab: bool, lang: str | None, no_commit: bool) -> None:
    """Make the hand-over record of OFFICE from its newest verification, as HTML and tagged PDF, with its verdict.

    "Without reserves" only when every test was made, lately, on every machine, on the dossier as it is, and holds.
    """
    from provisioner import record as records
    from provisioner.inventory import open_inventory
    from provisioner.operation.lock import alone
    from provisioner.operation.selection import technician

    open_inventory(console.inventory).office(office)  # an unknown office is said before all else
    target = console.target(office, lab)
    with alone(target):
        found = records.new(target, by=technician(target), language=lang or "", commit=not no_commit)
    console.result(_told(found), lambda: _show(console, found))


@verb(record, "show")
@office_argument
@lab_option
def show(console: Console, office: str, lab: bool) -> None:
    """The newest record of OFFICE: its verdict, its reserves, where its files lie."""
    from provisioner import record as records
    from provisioner.inventory import open_inventory

    open_inventory(console.inventory).office(office)
    found = records.show(console.target(office, lab))
    console.result(_told(found), lambda: _show(console, found))


@verb(record, "check")
@office_argument
@lab_option
def check(console: Console, office: str, lab: bool) -> int:
    """Whether every record of OFFICE is as it was written, to the byte. Exits 7 when one is not."""
    from provisioner import record as records
    from provisioner.inventory import open_inventory
    from provisioner.record import chain

    open_inventory(console.inventory).office(office)
    target = console.target(office, lab)
    problems = records.check(target)
    count = len(chain.records(records.folder(target)))

    def human() -> None:
        for problem in problems:
            console.out.print(shown(f"✗ {problem}"), style="red", soft_wrap=True)
        console.out.print(f"{many(count, 'record')}, {many(len(problems), 'problem') if problems else 'nothing altered'}")

    console.result({"office": office, "records": count, "problems": problems}, human)
    return 7 if problems else 0


@verb(record, "sheet")
@office_argument
@click.argument("logins", nargs=-1, metavar="[LOGIN]...", shell_complete=complete_person)
@lab_option
@lang_option
@click.option("--all", "everybody", is_flag=True, help="Everybody who works in the office.")
@click.option("--sealed", is_flag=True, help="The sealed sheet with the first password instead; needs `unlock`.")
@click.option("--to", type=click.Path(path_type=Path), help="A file for one sheet, a folder for several.")
def sheet(
    console: Console,
    office: str,
    logins: tuple[str, ...],
    lab: bool,
    lang: str | None,
    everybody: bool,
    sealed: bool,
    to: Path | None,
) -> None:
    """Print the first-steps sheet of LOGIN in OFFICE as PDF: session, password, folders, printer, whom to call."""
    from provisioner.inventory import open_inventory
    from provisioner.record import sheet as sheets

    open_inventory(console.inventory).office(office)
    if bool(logins) == everybody:
        raise BadInput("whose sheet?", hint="one or more logins, or --all")
    made = sheets.make(console.target(office, lab), list(logins), language=lang or "", sealed=sealed, to=to)

    def human() -> None:
        for one in made:
            console.out.print(shown(f"{one.login:<20} {one.pdf}"), soft_wrap=True)

    console.result(
        {"office": office, "lab": lab, "sheets": [{"login": s.login, "sealed": s.sealed, "pdf": str(s.pdf)} for s in made]}, human
    )
