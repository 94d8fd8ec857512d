"""`provisioner lab`: the virtual office on this laptop."""

import os
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, complete_office, office_argument, verb
from provisioner.errors import BadInput

if TYPE_CHECKING:
    from provisioner.lab import Lab

lab = click.Group("lab", help="The virtual office on this laptop: the dossier's hosts as real blank Debian systems.")


def _data(found: "Lab") -> dict[str, Any]:
    return {
        "office": found.office,
        "suite": found.suite,
        "login": {"user": found.login[0], "password": found.login[1]},
        "proxy": found.proxy,
        "hosts": [{"name": name, "state": state, "mac": mac} for name, state, mac in found.hosts],
        "around": [{"name": name, "state": state, "address": address} for name, state, address in found.around],
        "started_s": found.started_s,
        "inventory": str(found.inventory),
        "internet": {"name": found.line.internet, "outside": str(found.line.outside.ip)} if found.line else None,
    }


@verb(lab, "up", help="Start the office's hosts and wait until each answers. A lab that is up stays as it is.")
@office_argument
@click.option("--suite", type=click.Choice(["trixie", "bookworm"]), default="trixie", help="Debian 13 or Debian 12.")
@click.option("--from", "start", metavar="SNAPSHOT", default="", help="Not blank, but as `lab save` kept it.")
@click.option(
    "--internet",
    metavar="NAME",
    default="",
    help="Share the Internet NAME with every lab that says so too: their gateways meet there by their outer addresses, their LANs"
    " do not; each keeps providers of its own. It goes with the last of them. Without, the lab is alone.",
)
def up(console: Console, office: str, suite: str, start: str, internet: str) -> None:
    """Bring a lab up."""
    from provisioner import lab as labs
    from provisioner.inventory import open_inventory

    dossier = open_inventory(console.inventory).office(office)
    found = labs.up(dossier, console.target(office, lab=True), suite=suite, start=start, internet=internet, say=console.say)

    def human() -> None:
        user, password = found.login
        console.out.print(f"Login of the blank machines: {user}, password {password}", soft_wrap=True)
        if found.line:
            console.out.print(f"Its gateway on the Internet {found.line.internet}: {found.line.outside.ip}", soft_wrap=True)
        console.out.print(f"Go in:  provisioner lab exec {office} -- bash", soft_wrap=True)
        console.out.print(f"End it: provisioner lab down {office}", soft_wrap=True)
        console.out.print(f"next: provisioner adopt {office} --lab", soft_wrap=True)

    console.result(_data(found), human)


@verb(lab, "save", help="Shut the office's lab down and keep it as SNAPSHOT, for `lab up --from`; the lab is gone then.")
@office_argument
@click.argument("name", metavar="SNAPSHOT")
def save(console: Console, office: str, name: str) -> None:
    """Keep a lab as it is, to come back to it in seconds, as often as wanted."""
    from provisioner import lab as labs

    labs.save(console.target(office, lab=True), name, say=console.say)
    console.result(
        {"office": office, "snapshot": name}, lambda: console.out.print(f"Come back: provisioner lab up {office} --from {name}")
    )


@verb(lab, "down", help="Remove the office's lab: its hosts, disks and network. The base system and packages stay.")
@click.argument("office", metavar="OFFICE", required=False, shell_complete=complete_office)
@click.option("--all", "all_labs", is_flag=True, help="Remove all your labs, of every inventory.")
@click.option("--forget", is_flag=True, help="Its journals, runs, records, secrets and pins in the state folder too.")
def down(console: Console, office: str | None, all_labs: bool, forget: bool) -> None:
    """Remove a lab, also one whose inventory is gone."""
    from provisioner import lab as labs

    if all_labs == bool(office):
        raise BadInput("say which lab: an office, or --all", hint="provisioner lab list")
    targets = [one.target for one in labs.every(console.say)] if all_labs else [console.target(office or "", lab=True)]
    removed = [target.office for target in targets if labs.down(target, say=console.say)]
    kept = [target.state for target in targets]
    if forget:
        for target in targets:
            labs.forget(target)

    def human() -> None:
        for name in removed:
            console.out.print(f"The lab of {name} is gone.", soft_wrap=True)
        if not removed:
            console.out.print("No lab is up." if all_labs else f"{office} has no lab up.", soft_wrap=True)
        for folder in kept:
            if folder.is_dir() and any(folder.iterdir()):
                console.out.print(f"Kept (--forget removes it): its journals, runs and records in {folder}", soft_wrap=True)
            elif forget:
                console.out.print(f"Forgotten: {folder}", soft_wrap=True)

    console.result({"office": office, "removed": removed if all_labs else bool(removed), "forgotten": forget}, human)


@verb(lab, "list", help="The labs that are up, with their hosts.")
def listing(console: Console) -> None:
    """List the labs of this user."""
    from provisioner import lab as labs

    found = labs.every(console.say)

    def human() -> None:
        if not found:
            console.out.print("No lab is up.")
        for one in found:
            where = f", on the Internet {one.line.internet} as {one.line.outside.ip}" if one.line else ""
            console.out.print(f"{one.office} ({one.suite}), of {one.inventory}{where}", soft_wrap=True)
            for name, state, address in (*one.hosts, *one.around):
                console.out.print(f"  {name:<20} {state:<9} {address}", soft_wrap=True)

    console.result({"labs": [_data(one) for one in found]}, human)


@verb(
    lab,
    "exec",
    help="Run COMMAND plugged into the office's virtual LAN, as yourself; its exit code is passed on.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@office_argument
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND…", type=click.UNPROCESSED)
def execute(console: Console, office: str, command: tuple[str, ...]) -> None:
    """Become the command, so that its signals, terminal and exit code are its own."""
    from provisioner import lab as labs

    words = list(command[1:] if command[0] == "--" else command)
    if not words:
        raise BadInput("no command given", hint=f"provisioner lab exec {office} -- bash")
    argv = labs.plugged(console.target(office, lab=True), words)
    os.execvp(argv[0], argv)  # noqa: S606 - a list, no shell
