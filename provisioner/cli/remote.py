"""`remote`: the way into an office from afar; while it is open here, every verb takes it."""

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, echo, lab_option, office_argument, plug, shown, verb

if TYPE_CHECKING:
    from provisioner.operation.from_afar import Way
    from provisioner.remote import Status


@click.group()
def remote() -> None:
    """The way into an office from afar, through the co-op's hub."""


@verb(remote, "open", writes=True)
@office_argument
@click.option("--because", required=True, metavar="TEXT", help="Why you come: one line, which the office reads.")
@lab_option
@click.option("--no-commit", is_flag=True, help="Leave the run's summary uncommitted.")
def open_(console: Console, office: str, because: str, lab: bool, no_commit: bool) -> None:
    """Open the way to OFFICE on this laptop: from here on every verb reaches its hosts through the hub.

    The office calls the hub by itself; whether it does is the office's to say, which finds in its log who came, when and why;
    the audit has it too.
    """
    from provisioner.remote import announce, open_way

    target = console.target(office, lab)
    if not _plugged():
        open_way(target, because)
        console.say(f"waiting for {office} through its hub")
    plug(target, from_afar=True)
    host = announce(target, say=console.say, commit=not no_commit)
    console.result(
        {"office": office, "open": True, "host": host, "because": because},
        lambda: echo(
            f"{office} is open through its hub; the office reads who came and why.\nThen: provisioner remote close {target.words}"
        ),
    )


@verb(remote, "close")
@office_argument
@lab_option
def close(console: Console, office: str, lab: bool) -> None:
    """Close the way to OFFICE on this laptop: its hosts are looked for on the LAN again."""
    from provisioner.remote import close_way

    there = close_way(console.target(office, lab))
    console.result(
        {"office": office, "closed": there}, lambda: echo(f"{office} is closed." if there else f"{office} was not open.")
    )


@verb(remote, "rekey", writes=True)
@office_argument
@click.option("--because", required=True, metavar="TEXT", help="Why: one line, which the audit keeps.")
@click.option(
    "--technician", default="", metavar="LOGIN",
    help="Instead of the office's end: their laptop's key. Yours is made new; somebody else's is taken away.",
)  # fmt: skip
@lab_option
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def rekey(console: Console, office: str, because: str, technician: str, lab: bool, no_commit: bool) -> None:
    """Make a new key of OFFICE's end of its way in, or of a technician's laptop, as after one was lost.

    The hub knows of it with its next apply: from then on the key before opens nothing.
    """
    from provisioner import remote as workflow

    target, commit = console.target(office, lab), not no_commit
    if technician:
        way, key = workflow.rekey_technician(target, technician, because, say=console.say, commit=commit)
    else:
        way, key = workflow.rekey(target, because, say=console.say, commit=commit), ""
    then = [f"provisioner apply {way.hub_target.words}"]
    if not technician:  # a hub's own: every office has to learn it
        names = way.hub.hub.offices if way.hub.hub and way.hub.name == office else [office]
        then += [f"provisioner apply {name}{' --lab' if lab else ''}" for name in names]
    data = {"office": office, "hub": way.hub.name, "technician": technician, "key": key, "next": then}
    console.result(data, lambda: _show_rekeyed(way, technician, key, then))


def _show_rekeyed(way: "Way", technician: str, key: str, then: list[str]) -> None:
    who = f"{technician}'s laptop" if technician else way.office.name
    echo(f"{who} has a new key." if key or not technician else f"{who} is known by no key any more.")
    echo("Until the hub is applied to, the one before goes on opening the way; an office learns of its own on its LAN:")
    for line in then:
        echo(f"  {line}")


@verb(remote, "status")
@office_argument
@lab_option
def status(console: Console, office: str, lab: bool) -> int:
    """Say how the way to OFFICE is: on this laptop, at the hub, at the office; 7 where the office was not met by it."""
    from provisioner.operation.from_afar import read
    from provisioner.remote import status as look

    target = console.target(office, lab)
    plug(target)
    way, seen = read(target), look(target)
    console.result(_data(way, seen), lambda: _show(way, seen))
    return 0 if seen.whole else 7


def _plugged() -> bool:
    import os

    return bool(os.environ.get("PROVISIONER_PLUGGED"))


def _data(way: "Way", seen: "Status") -> dict[str, Any]:
    from dataclasses import asdict

    said = seen.office or {}
    return {
        "office": way.office.name,
        "hub": way.hub.name,
        "host": way.gate,
        "reached": seen.whole,
        "opened": asdict(seen.opened) if seen.opened else None,
        "hub_heard_s": seen.hub_heard_s,
        "hub_heard_office_s": seen.hub_knows_office_s,
        "closed_by_office": said.get("closed"),
        "office_up": said.get("up"),
        "user_space": said.get("user_space"),
        "problems": seen.problems,
        "log": said.get("log", []),
    }


def _show(way: "Way", seen: "Status") -> None:
    if seen.opened:
        when = datetime.fromtimestamp(seen.opened.since).astimezone()
        echo(f"open on this laptop since {when:%Y-%m-%d %H:%M}: {shown(seen.opened.because)}")
    else:
        echo("not open on this laptop: the office is asked on its LAN")
    if seen.hub_heard_s is not None:
        echo(f"the hub {way.hub.name} was heard {round(seen.hub_heard_s)} s ago")
    if seen.hub_knows_office_s is not None:
        echo(f"the hub heard the office {round(seen.hub_knows_office_s)} s ago")
    if seen.office:
        _show_office(seen.office)
    for problem in seen.problems:
        echo(f"! {shown(problem)}")


def _show_office(said: Any) -> None:
    closed = said.get("closed")
    if isinstance(closed, dict):
        at = closed.get("at")
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if isinstance(at, int) and 0 < at < 1 << 40 else "?"
        echo(f"closed by the office: {shown(str(closed.get('by', '')))}, {when}")
    elif said.get("up"):
        echo("the office's end is up")
        if said.get("user_space"):
            echo("its kernel has no WireGuard: wireguard-go does it")
    else:
        echo(f"the office's end is down: {shown(str(said.get('problem', '')))}")
    for line in list(said.get("log", []))[-5:]:
        echo(f"  {shown(str(line))}")
