"""`website new|build|preview|check|list`: an office's website, from its pages to a release."""

from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, lab_option, many, office_argument, shown, verb

if TYPE_CHECKING:
    from provisioner.website.builder import Release

website = click.Group("website", help="The office's website: new, build, preview, check, list.")


def _told(office: str, made: "Release", language: str) -> dict[str, Any]:
    return {
        "office": office, "release": made.name, "folder": str(made.folder), "pages": made.pages, "built": made.built,
        "warnings": [one.sentence(language) for one in made.warnings],
    }  # fmt: skip


@verb(website, "new")
@office_argument
@click.option("--with", "languages", multiple=True, metavar="LANGUAGE", help="Another language too, as en; may be given again.")
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def new(console: Console, office: str, languages: tuple[str, ...], no_commit: bool) -> None:
    """Write the pages that the website of OFFICE lacks, from its dossier; those that are there stay as they are."""
    from datetime import date

    from provisioner.inventory import open_inventory
    from provisioner.laptop import git
    from provisioner.website import new as starter

    open_inventory(console.inventory).office(office)
    target = console.target(office, lab=False)
    lacking = starter.lacking(target, languages, today=date.today())
    if lacking:
        console.check_writable(commit=not no_commit)
    written = starter.write(target, lacking)
    commit = None if no_commit or not written else git.commit(target.inventory, written, f"{office}: website new")

    def human() -> None:
        for path in written:
            console.out.print(shown(str(path)), soft_wrap=True)
        if not written:
            console.out.print("every page is there already")

    console.result({"office": office, "written": [str(path) for path in written], "commit": commit}, human)


@verb(website, "build")
@office_argument
@lab_option
def build(console: Console, office: str, lab: bool) -> None:
    """Build the website of OFFICE: one folder, named by the hash of its content."""
    from provisioner import website as websites
    from provisioner.inventory import open_inventory
    from provisioner.language.terminal import spoken

    open_inventory(console.inventory).office(office)
    made = websites.build(console.target(office, lab), spoken())

    def human() -> None:
        for one in made.warnings:
            console.err.print(shown(one.sentence(spoken())), style="yellow", soft_wrap=True)
        console.out.print(f"release {made.name}: {many(made.pages, 'page')}, {many(len(made.files), 'file')}")
        console.out.print(shown(str(made.folder)), soft_wrap=True)

    console.result(_told(office, made, spoken()), human)
