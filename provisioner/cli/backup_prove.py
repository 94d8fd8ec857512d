"""`backup prove`: the newest night of each place put back in a throw-away lab, and a certificate of it."""

from typing import TYPE_CHECKING

import click

from provisioner.cli.common import Console, lab_option, many, office_argument, shown, verb
from provisioner.language.terminal import spoken

if TYPE_CHECKING:
    from provisioner.backup.certificate import Certificate


@verb("prove", writes=True)
@office_argument
@click.option("--place", type=click.Choice(["disk", "remote"]), default=None, help="Only the one or the other.")
@lab_option
@click.option(
    "--lang", type=click.Choice(["fr", "en"]), default=None, help="The certificate's; the office's own language unless given."
)
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def prove(console: Console, office: str, place: str | None, lab: bool, lang: str | None, no_commit: bool) -> int:
    """Restore the newest night of OFFICE from each place into a lab made for it, compare it, use it, throw the lab away.

    Nothing is written at the office. Makes a dated certificate, kept with the office. Exits 7 when a place is not proven.
    """
    from datetime import UTC, datetime

    from provisioner import runs
    from provisioner.backup import certificate, proof
    from provisioner.inventory import open_inventory
    from provisioner.operation.selection import technician

    open_inventory(console.inventory).office(office)  # an unknown office is said before all else
    target = console.target(office, lab)
    by, run, began = technician(target), runs.new_id(), datetime.now(UTC)
    certificate.sound(target)
    found = proof.prove(target, console.say, place or "")
    made = certificate.certify(target, found, run=run, began=began, by=by, language=lang or "", commit=not no_commit)
    data = made.body | {"json": str(made.path), "pdf": str(made.path.with_suffix(".pdf"))}
    console.result(data, lambda: _show(console, made))
    return 0 if made.good else 7


def _show(console: Console, made: "Certificate") -> None:
    from rich.text import Text

    from provisioner.backup.certificate import PLACES, TRIED
    from provisioner.cli.progress import took
    from provisioner.language import translator

    say = translator(spoken())
    for one in made.body["places"]:
        title, when = say(PLACES[one["place"]]), one["at"][:16].replace("T", " ")
        if one["cause"]:
            console.out.print(Text(f"✗ {title}: {shown(one['cause'])}", "red"), soft_wrap=True)
            continue
        compared = f"{many(one['files'], 'file')}, {one['bytes'] / 1e6:,.1f} MB"
        console.out.print(Text.assemble((f"✓ {title}: {when}, {compared}", "green"), took(one["seconds"])), soft_wrap=True)
        if one["person"]:
            console.out.print(Text(f"    {one['person']}: {', '.join(one['folders'])}", "dim"), soft_wrap=True)
        if one["answered"]:
            console.out.print(Text(f"    {'; '.join(say(TRIED[name]) for name in one['answered'])}", "dim"), soft_wrap=True)
    console.out.print(str(made.path.with_suffix(".pdf")), soft_wrap=True)
