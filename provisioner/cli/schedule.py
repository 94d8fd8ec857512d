"""`schedule`: the rounds over all offices, as systemd timers."""

from typing import TYPE_CHECKING

import click

from provisioner.cli.common import Console, shown, verb
from provisioner.language import translator
from provisioner.language.terminal import spoken, told, word

if TYPE_CHECKING:
    from provisioner.schedule import State

system_option = click.option("--system", is_flag=True, help="The machine's own units instead of your user's.")
rounds_argument = click.argument("rounds", metavar="[ROUND]...", nargs=-1)


@click.group("schedule")
def schedule() -> None:
    """Rounds that run by themselves, as systemd timers."""


@verb(schedule, "install")
@rounds_argument
@system_option
def install(console: Console, rounds: tuple[str, ...], system: bool) -> None:
    """Have the ROUNDs run by themselves, all of them unless named; a second time changes nothing.

    Units of your user's, which run while you are logged in unless your account lingers; with --system the machine's, run as you.
    """
    from provisioner import schedule as workflow
    from provisioner.inventory import open_inventory

    open_inventory(console.inventory)
    changed = workflow.install(console.inventory, rounds, system=system)
    found = workflow.states(console.inventory, system=system)
    if not system and not workflow.lingers():
        console.say("they run only while you are logged in; for always: sudo loginctl enable-linger $USER")
    data = {"changed": changed, "folder": str(workflow.Manager(system).folder), "rounds": [_object(one) for one in found]}
    console.result(data, lambda: _show(console, found))


@verb(schedule, "list")
@system_option
def list_(console: Console, system: bool) -> None:
    """Each round: when it runs next, when it ran last, and with which exit code."""
    from provisioner import schedule as workflow

    found = workflow.states(console.inventory, system=system)
    console.result({"rounds": [_object(one) for one in found]}, lambda: _show(console, found))


@verb(schedule, "remove")
@rounds_argument
@system_option
def remove(console: Console, rounds: tuple[str, ...], system: bool) -> None:
    """Have the ROUNDs run no more, all of them unless named."""
    from provisioner import schedule as workflow

    gone = workflow.remove(console.inventory, rounds, system=system)
    console.result(
        {"removed": gone}, lambda: console.out.print("\n".join(gone) or told("nothing was installed"), soft_wrap=True)
    )  # fmt: skip


def _object(one: "State") -> dict[str, object]:
    return {
        "round": one.name, "installed": one.installed, "active": one.active, "next": one.next, "last": one.last,
        "exit": one.code,
    }  # fmt: skip


def _show(console: Console, found: "list[State]") -> None:
    from rich.table import Table

    from provisioner.schedule import ROUNDS

    say = translator(spoken())
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("round", "what", "next run", "last run", "exit code"):
        table.add_column(column)
    for one in found:
        following = shown(one.next) or word("none") if one.installed else told("not installed")
        last = shown(one.last) or word("none")
        table.add_row(one.name, say(ROUNDS[one.name].title), following, last, "" if one.code is None else str(one.code))
    console.out.print(table)
