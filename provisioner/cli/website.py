"""`website`: an office's website, from its pages to a release; the verbs that bring it online are `website_deploy.py`'s."""

from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, lab_option, many, office_argument, shown, verb
from provisioner.cli.website_deploy import deploy, list_, rollback, undo, versions

if TYPE_CHECKING:
    from provisioner.website.builder import Release

website = click.Group("website", help="The office's website: new, build, preview, check, deploy, rollback, list, versions, undo.")
for command in (deploy, rollback, list_, versions, undo):
    website.add_command(command)


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
    from provisioner.language.terminal import spoken

    made = websites.build(console.target(office, lab), spoken())

    def human() -> None:
        for one in made.warnings:
            console.err.print(shown(one.sentence(spoken())), style="yellow", soft_wrap=True)
        console.out.print(f"release {made.name}: {many(made.pages, 'page')}, {many(len(made.files), 'file')}")
        console.out.print(shown(str(made.folder)), soft_wrap=True)

    console.result(_told(office, made, spoken()), human)


@verb(website, "preview")
@office_argument
@lab_option
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Of this machine; 0: any that is free."
)
def preview(console: Console, office: str, lab: bool, port: int) -> None:
    """Show the website of OFFICE on this machine, built again whenever a file is saved; Ctrl-C ends it."""
    import signal
    import threading

    from provisioner.inventory import open_inventory
    from provisioner.language.terminal import spoken
    from provisioner.website.preview import EVERY_S
    from provisioner.website.preview import preview as serve

    open_inventory(console.inventory).office(office)
    ended = threading.Event()
    with serve(console.target(office, lab), spoken(), port) as shown_at:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        console.say(f"{office} is shown at {shown_at.address} until Ctrl-C")
        while not ended.wait(EVERY_S):
            said = shown_at.look()
            if said is not None:
                console.err.print(shown(said) if said else "built again: reload the page", style="red" if said else "green")
    console.result({"office": office, "address": shown_at.address}, lambda: None)


@verb(website, "check")
@office_argument
@lab_option
def check(console: Console, office: str, lab: bool) -> int:
    """Judge the website of OFFICE: law, HTML, links, accessibility, weight. Exits 7 when something is not as it must be."""
    from provisioner.findings import Level, verdict
    from provisioner.inventory import open_inventory
    from provisioner.language import translator
    from provisioner.language.terminal import spoken, word
    from provisioner.website.check import check as judge

    open_inventory(console.inventory).office(office)
    findings = judge(console.target(office, lab), spoken())
    worst = verdict(findings)

    def human() -> None:
        say = translator(spoken())
        styles = {Level.OK: "green", Level.WARNING: "yellow", Level.UNKNOWN: "magenta", Level.CRITICAL: "red"}
        for one in sorted(findings, key=lambda finding: -finding.level):
            said = say(one.sentence, one.values) if one.level in (Level.OK, Level.UNKNOWN) else one.sentence
            console.out.print(shown(f"{word(one.level.word):<9} {said}"), style=styles[one.level], soft_wrap=True)

    told = {"office": office, "verdict": worst.word, "findings": [one.as_object() for one in findings]}
    console.result(told, human)
    return 7 if worst >= Level.UNKNOWN else 0
