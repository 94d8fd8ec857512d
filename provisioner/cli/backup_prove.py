"""`backup prove`: the newest night of each place put back in a throw-away lab, and a certificate of it."""

from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, complete_office, echo, lab_option, many, shown, verb
from provisioner.errors import BadInput, ProvisionerError
from provisioner.language.terminal import spoken

if TYPE_CHECKING:
    from provisioner.backup.certificate import Certificate
    from provisioner.inventory.target import Target


@verb("prove", writes=True)
@click.argument("office", metavar="[OFFICE]", default="", shell_complete=complete_office)
@click.option(
    "--oldest", type=click.IntRange(1, 1000), default=None, metavar="COUNT",
    help="Instead of OFFICE: so many, those without a proof or with the oldest one first.",
)  # fmt: skip
@click.option("--place", type=click.Choice(["disk", "remote"]), default=None, help="Only the one or the other.")
@lab_option
@click.option(
    "--lang", type=click.Choice(["fr", "en"]), default=None, help="The certificate's; the office's own language unless given."
)
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def prove(
    console: Console, office: str, oldest: int | None, place: str | None, lab: bool, lang: str | None, no_commit: bool
) -> int:
    """Restore the newest night of OFFICE from each place into a lab made for it, compare it, use it, throw the lab away.

    Nothing is written at the office. Makes a dated certificate, kept with the office. Exits 7 when a place is not proven.
    """
    from provisioner.inventory import open_inventory

    if bool(office) == bool(oldest) or (oldest and lab):
        raise BadInput("either an office or --oldest COUNT, which is of no lab", hint="provisioner backup prove OFFICE")
    if not oldest:
        open_inventory(console.inventory).office(office)  # an unknown office is said before all else
        made = _proven(console, console.target(office, lab), place or "", lang or "", commit=not no_commit)
        console.result(_data(made), lambda: _show(console, made))
        return 0 if made.good else 7
    return _several(console, oldest, place or "", lang or "", commit=not no_commit)


def _several(console: Console, count: int, place: str, language: str, *, commit: bool) -> int:
    """One office after the other; what cannot be tried at one, a locked vault too, is said and does not end the others."""
    from provisioner.backup import proof

    rows, bad = list[dict[str, Any]](), 0
    for target in proof.longest_unproven(console.inventory, count):
        console.say(f"{target.office}:")
        try:
            made = _proven(console, target, place, language, commit=commit)
        except ProvisionerError as problem:
            bad += 1
            rows.append({"office": target.office, "problem": str(problem), "hint": problem.hint})
            if not console.as_json:
                console.out.print(
                    f"✗ {target.office}: {shown(str(problem))}{f' ({shown(problem.hint)})' if problem.hint else ''}",
                    soft_wrap=True,
                    markup=False,
                )
            continue
        bad += not made.good
        rows.append(_data(made))
        if not console.as_json:
            _show(console, made)
    proven = len(rows) - bad
    console.result({"verb": "backup prove", "offices": rows}, lambda: echo(f"{many(proven, 'office')} proven, {bad} not"))
    return 0 if rows and not bad else 7


def _proven(console: Console, target: "Target", place: str, language: str, *, commit: bool) -> "Certificate":
    from datetime import UTC, datetime

    from provisioner import runs
    from provisioner.backup import certificate, proof
    from provisioner.operation.selection import technician

    by, run, began = technician(target), runs.new_id(), datetime.now(UTC)
    certificate.sound(target)
    found = proof.prove(target, console.say, place)
    return certificate.certify(target, found, run=run, began=began, by=by, language=language, commit=commit)


def _data(made: "Certificate") -> dict[str, Any]:
    return made.body | {"json": str(made.path), "pdf": str(made.path.with_suffix(".pdf"))}


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
