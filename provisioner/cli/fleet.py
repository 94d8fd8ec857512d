"""`fleet`: rounds, updates and proofs of many offices, over several workers."""

import uuid
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, complete_office, many, shown, verb
from provisioner.errors import BadInput, Missing
from provisioner.language import N_, translator
from provisioner.language.terminal import spoken, told

if TYPE_CHECKING:
    from provisioner.fleet.database import Database, Line

fleet = click.Group("fleet", help="Many offices over several workers: work, add, list, cancel, schedule.")
VERBS = ("check", "update", "prove")
STATES = {
    "waiting": N_("waiting"), "again": N_("tried again"), "at work": N_("at work"), "done": N_("done well"),
    "failed": N_("failed"), "unreachable": N_("not reached"), "busy": N_("somebody else worked there"),
    "interrupted": N_("interrupted too often"), "cancelled": N_("taken back"), "aborted": N_("taken back"),
}  # fmt: skip
verb_argument = click.argument("what", metavar="VERB", type=click.Choice(VERBS))
database_option = click.option(
    "--database", metavar="WHICH", envvar="PROVISIONER_FLEET", default="dbname=provisioner", show_default=True,
    help="The PostgreSQL database, as libpq has it (or PROVISIONER_FLEET); a password belongs in ~/.pgpass.",
)  # fmt: skip


def _database(which: str, *, prepare: bool = True) -> "Database":
    try:
        import procrastinate  # noqa: F401 - told here, not in the middle
        import psycopg  # noqa: F401
    except ImportError:
        raise Missing("the extra `fleet` is not installed", hint="pip install 'provisioner[fleet]'") from None
    from provisioner.fleet import database

    found = database.Database(database.judged(which))
    if prepare:
        found.prepare()
    return found


@verb(fleet, "work")
@database_option
@click.option("--at-once", type=click.IntRange(1, 64), default=4, show_default=True, metavar="COUNT", help="So many offices.")
@click.option("--no-wait", is_flag=True, help="End when nothing is due any more.")
def work(console: Console, database: str, at_once: int, no_wait: bool) -> None:
    """Be a worker: take jobs as they are due, one of an office at a time. Ctrl-C: what is under way is waited for.

    It may be killed at any moment: what it began goes on by itself, and another worker takes its jobs. Secrets are those that are
    unlocked here.
    """
    from provisioner.fleet.worker import Worker
    from provisioner.inventory import open_inventory

    open_inventory(console.inventory)
    console.check_writable(commit=False)
    found = _database(database, prepare=False)
    Worker(found, console.inventory, at_once, console.say).run(wait=not no_wait)
    console.result({"verb": "fleet work"}, lambda: None)


@verb(fleet, "add")
@verb_argument
@click.argument("offices", metavar="[OFFICE]...", nargs=-1, shell_complete=complete_office)
@click.option("--all", "everything", is_flag=True, help="Every office of the inventory.")
@click.option("--reseller", metavar="RESELLER", default="", help="With --all: only the offices that this member serves.")
@click.option(
    "--canary", metavar="OFFICE", default="", shell_complete=complete_office, help="The others wait until it ended well."
)
@database_option
def add(
    console: Console, what: str, offices: tuple[str, ...], everything: bool, reseller: str, canary: str, database: str
) -> None:  # fmt: skip
    """Have workers call VERB for the OFFICEs: check, update (security updates, shown and made) or prove (backups).

    One that waits already is not added twice; it is due now. An update that leaves its office worse takes back those of the same
    call that were not begun.
    """
    from provisioner.cli.check import refuse_unfit
    from provisioner.fleet.jobs import Job
    from provisioner.inventory import open_inventory

    refuse_unfit(f"fleet add {what}", offices, everything=everything, reseller=reseller, lab=False)
    inventory = open_inventory(console.inventory)
    for name in offices:
        inventory.office(name)
    found = _database(database)
    from provisioner.fleet import worker

    names = list(dict.fromkeys(offices)) or worker.offices(console.inventory, what, reseller=reseller)
    if not names:
        raise BadInput("there is no office to look at", hint="provisioner office list")
    if canary and canary not in names:
        raise BadInput(f"the canary {canary[:40]!r} is none of the offices to update", hint="name it among them, or --all")
    round_ = uuid.uuid4().hex[:12]
    first = [canary] if canary else names
    then = tuple(name for name in names if canary and name != canary)
    added = found.add([Job(0, name, what, round_, then) for name in first])

    def human() -> None:
        console.out.print(f"{many(len(added), 'job')} added")
        if then:
            console.out.print(f"once {canary} ended well: {many(len(then), 'job')} more")

    console.result({"verb": what, "offices": first, "then": list(then), "jobs": added}, human)


@verb(fleet, "cancel")
@click.argument("offices", metavar="[OFFICE]...", nargs=-1, shell_complete=complete_office)
@click.option("--all", "everything", is_flag=True, help="Of every office.")
@click.option("--verb", "what", type=click.Choice(VERBS), default=None, help="Only jobs of this verb.")
@database_option
def cancel(console: Console, offices: tuple[str, ...], everything: bool, what: str | None, database: str) -> None:
    """Take back jobs that wait; what is under way is let to its end."""
    if bool(offices) == everything:
        raise BadInput("name offices, or --all", hint="provisioner fleet cancel OFFICE, provisioner fleet cancel --all")
    gone = _database(database).cancel(offices, verb=what or "")
    console.result({"cancelled": gone}, lambda: console.out.print(f"{many(len(gone), 'job')} taken back"))


@verb(fleet, "schedule")
@verb_argument
@click.argument("cron", metavar="CRON", default="")
@click.option(
    "--oldest", type=click.IntRange(1, 1000), default=None, metavar="COUNT", help="With prove: so many, the longest unproven."
)
@click.option("--off", is_flag=True, help="No more.")
@database_option
def schedule(console: Console, what: str, cron: str, oldest: int | None, off: bool, database: str) -> None:
    """Have a round of VERB over every office come by itself, at CRON as crontab(5) writes it: "30 6 * * *".

    By the workers' own time. One that was due while no worker was there is made up for.
    """
    from provisioner.fleet.worker import judged_cron

    if bool(cron) == off or (oldest and (what != "prove" or off)):
        raise BadInput(
            "either a moment or --off; --oldest goes with prove", hint=f'provisioner fleet schedule {what} "30 6 * * *"'
        )
    found = _database(database)
    if cron:
        cron = judged_cron(cron)
    found.schedule(what, cron, oldest)
    told = f"{what}: {cron}" if cron else f"{what}: comes no more by itself"
    console.result({"verb": what, "cron": cron, "oldest": oldest}, lambda: console.out.print(told))


@verb(fleet, "list")
@click.argument("offices", metavar="[OFFICE]...", nargs=-1, shell_complete=complete_office)
@database_option
def list_(console: Console, offices: tuple[str, ...], database: str) -> None:
    """What is under way, waits, is tried again, failed; of the OFFICEs named: every job. The workers, the rounds to come."""
    found = _database(database)
    lines, workers, schedules = found.lines(offices), found.workers(), found.schedules()
    data = {
        "jobs": [_object(one) for one in lines],
        "workers": [{"worker": number, "silent_s": round(ago, 1)} for number, ago in workers],
        "schedules": [{"verb": one.verb, "cron": one.cron, "oldest": one.count} for one in schedules],
    }
    console.result(data, lambda: _show(console, lines, workers, schedules, whole=bool(offices)))


def _state(line: "Line") -> str:
    """A job's state, one of `STATES`; again: it waits for another try."""
    last = line.executions[-1] if line.executions else None
    if line.status == "todo":
        return "again" if last else "waiting"
    if line.status == "failed" and last and last.outcome:
        return str(last.outcome)
    return {"doing": "at work", "succeeded": "done"}.get(line.status, line.status)


def _object(line: "Line") -> dict[str, Any]:
    return {
        "job": line.job.id, "office": line.job.office, "verb": line.job.verb, "round": line.job.round,
        "then": list(line.job.then), "state": _state(line), "added": round(line.added, 1), "due": line.due,
        "executions": [
            {
                "began": round(one.began, 1), "ended": one.ended and round(one.ended, 1), "machine": one.machine,
                "outcome": one.outcome and str(one.outcome), "exit": one.code, "said": one.told,
            }
            for one in line.executions
        ],
    }  # fmt: skip


def _show(console: Console, lines: "list[Line]", workers: Any, schedules: Any, *, whole: bool) -> None:
    from collections import Counter

    from rich.table import Table

    from provisioner.cli.check import clock
    from provisioner.fleet.worker import STALLED_S

    say = translator(spoken())
    newest = {(one.job.office, one.job.verb): one for one in lines}
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("job", "office", "verb", "state", "when", "says"):
        table.add_column(column)
    for line in lines:
        state, last = _state(line), line.executions[-1] if line.executions else None
        later = newest[(line.job.office, line.job.verb)] is not line
        if not whole and (state in ("waiting", "done", "cancelled") or later):
            continue
        moment = line.due if state == "again" and line.due else (last.ended or last.began) if last else line.added
        table.add_row(
            str(line.job.id),
            line.job.office,
            line.job.verb,
            say(STATES[state]),
            clock(moment),
            shown(last.told) if last else "",
        )
    counted = Counter((one.job.verb, _state(one)) for one in newest.values())
    for what in VERBS:
        if said := ", ".join(f"{say(STATES[state])} {count}" for (name, state), count in counted.items() if name == what):
            console.out.print(f"{what}: {said}")
    if table.row_count:
        console.out.print(table)
    for one in schedules:
        console.out.print(f"{one.verb}: {one.cron}" + (f" ({one.count})" if one.count else ""))
    alive = sum(ago < STALLED_S for _, ago in workers)
    console.out.print(f"workers at work: {alive}" if alive else told("no worker is at work: provisioner fleet work"))
