"""`bulletin`: the client's page of the month."""

from pathlib import Path

import click

from provisioner.cli.common import Console, complete_office, lab_option, shown, verb


@verb("bulletin", short_help="The month's page for the client: 13 questions, what was done, what to decide.")
@click.argument("offices", metavar="[OFFICE]...", nargs=-1, shell_complete=complete_office)
@click.option("--all", "everything", is_flag=True, help="Every office of the inventory.")
@click.option("--reseller", metavar="RESELLER", default="", help="With --all: only the offices that this member serves.")
@click.option("--month", metavar="MONTH", default="", help="As 2026-11; the one before this unless given.")
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="A folder; in the state folder unless given.")
@lab_option
@click.option("--lang", type=click.Choice(["fr", "en"]), help="The document's language; the office's own unless given.")
def bulletin(
    console: Console, offices: tuple[str, ...], everything: bool, reseller: str, month: str, to: Path | None, lab: bool,
    lang: str | None,
) -> None:  # fmt: skip
    """Write one page for the client of each OFFICE, as PDF and HTML, from the last check, the audit and the dossier.

    Nobody is contacted: `provisioner check` comes first. What was not measured is said so.
    """
    from provisioner.check import bulletin as workflow
    from provisioner.cli.check import chosen_targets, refuse_unfit

    refuse_unfit("bulletin", offices, everything=everything, reseller=reseller, lab=lab)
    made = [
        workflow.make(target, month=month, language=lang or "", to=to)
        for target in chosen_targets(console, offices, reseller, lab=lab)
    ]

    def human() -> None:
        for one in made:
            console.out.print(shown(f"{one.office:<24} {one.month} {one.pdf}"), soft_wrap=True)

    rows = [
        {"office": one.office, "month": one.month, "pdf": str(one.pdf), "html": str(one.html), "questions": dict(one.counts)}
        for one in made
    ]
    console.result({"verb": "bulletin", "bulletins": rows}, human)
