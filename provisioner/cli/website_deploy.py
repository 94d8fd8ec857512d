"""`website deploy|rollback|list`: a release brought online, taken back, and which ones the server keeps."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from provisioner.cli.apply import as_object, exit_code
from provisioner.cli.common import Console, echo, lab_option, office_argument, plug, shown, verb
from provisioner.language.terminal import spoken, word

if TYPE_CHECKING:
    from provisioner.operation.selection import Selection
    from provisioner.website.deploy import Place

no_commit_option = click.option("--no-commit", is_flag=True, help="Leave the run's summary uncommitted.")


def _where(console: Console, office: str, lab: bool) -> "tuple[Place, Selection]":
    """Where the website is served, and the hosts there; plugged into that office's lab where it is one."""
    from provisioner.operation.selection import prepare
    from provisioner.website.deploy import place

    where = place(console.target(office, lab))
    plug(where.target)
    return where, prepare(where.target, [where.host])


@verb("deploy", writes=True, short_help="Bring its website online.")
@office_argument
@click.option(
    "--from", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="FOLDER",
    help="A release built before, instead of building one.",
)  # fmt: skip
@click.option(
    "--keep", type=click.Choice(["inventory", "folder"]), default=None,
    help="Whose version stays of a page whose same lines the office changed too.",
)  # fmt: skip
@lab_option
@no_commit_option
def deploy(
    console: Console, office: str, folder: Path | None, keep: "Literal['inventory', 'folder'] | None", lab: bool, no_commit: bool
) -> int:
    """Build the website of OFFICE, carry the release to its server and serve it, with a certificate that browsers believe.

    What the office's people wrote in their own folder is part of it, and of the inventory from then on. Only what no kept release
    has is sent. The site is looked at by its public name; where that does not show the new release, the former one is served
    again.
    """
    from provisioner.cli.progress import Watch
    from provisioner.cli.run_page import show_run
    from provisioner.website import deploy as workflow

    where, selection = _where(console, office, lab)
    watch = Watch(console, f"website deploy {office}", None)
    with watch.showing():
        run, release = workflow.run_deploy(
            selection, where, folder, watch=watch, say=console.say, keep=keep or "", language=spoken(), commit=not no_commit
        )
    more = {"domain": where.domain, "release": release}
    console.result(as_object(run, selection, **more), lambda: show_run(console, run, selection))
    return exit_code(run, planning=False)


@verb("rollback", writes=True, short_help="Serve a former release again.")
@office_argument
@click.argument("release", required=False, default="")
@lab_option
@no_commit_option
def rollback(console: Console, office: str, release: str, lab: bool, no_commit: bool) -> int:
    """Serve the former release of the website of OFFICE again, or the one whose name begins with RELEASE."""
    from provisioner.cli.progress import Watch
    from provisioner.cli.run_page import show_run
    from provisioner.website import deploy as workflow

    where, selection = _where(console, office, lab)
    watch = Watch(console, f"website rollback {office}", None)
    with watch.showing():
        run = workflow.run_rollback(selection, where, release, watch=watch, say=console.say, commit=not no_commit)
    console.result(as_object(run, selection, domain=where.domain), lambda: show_run(console, run, selection))
    return exit_code(run, planning=False)


@verb("list", short_help="Which releases the server keeps.")
@office_argument
@lab_option
def list_(console: Console, office: str, lab: bool) -> None:
    """The releases of the website of OFFICE that its server keeps, the one that went live last first."""
    from provisioner.website import deploy as workflow

    where, selection = _where(console, office, lab)
    found = workflow.run_list(selection, where, watch=lambda _: None, say=console.say)

    def human() -> None:
        for one in found["kept"]:
            mark = f"  {word('served')}" if one["release"] == found["served"] else ""
            echo(shown(f"{one['release']}  {datetime.fromtimestamp(float(one['at'])).astimezone():%Y-%m-%d %H:%M}{mark}"))
        if not found["kept"]:
            echo(shown(f"{where.host} keeps no release of {found['domain']}"))

    console.result({"office": office, "lab": lab, **found}, human)


@verb("versions", short_help="What was written in its pages when.")
@office_argument
@lab_option
def versions(console: Console, office: str, lab: bool) -> None:
    """The versions of the pages of OFFICE that its server remembers, the newest first: those saved there and those deployed."""
    from provisioner.website import deploy as workflow

    where, selection = _where(console, office, lab)
    found = workflow.run_versions(selection, where, watch=lambda _: None, say=console.say)

    def human() -> None:
        for one in found:
            when = datetime.fromtimestamp(one.at).astimezone()
            echo(shown(f"{one.version}  {when:%Y-%m-%d %H:%M}  {one.subject}: {', '.join(one.files)}"))

    console.result({"office": office, "lab": lab, "versions": [one.model_dump() for one in found]}, human)


@verb("undo", writes=True, short_help="A former version of its pages again.")
@office_argument
@click.argument("version")
@lab_option
@no_commit_option
def undo(console: Console, office: str, version: str, lab: bool, no_commit: bool) -> None:
    """Put VERSION of the pages of OFFICE into the office's folder again, as a new version: it is online within a minute."""
    from provisioner.website import deploy as workflow

    where, selection = _where(console, office, lab)
    workflow.run_versions(selection, where, watch=lambda _: None, say=console.say, undo=version, commit=not no_commit)
    said = f"the pages of {version} lie in the folder of {office} again"
    console.result({"office": office, "lab": lab, "version": version}, lambda: echo(shown(said)))
