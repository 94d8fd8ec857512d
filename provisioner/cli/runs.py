"""`runs list|show|check`: what was done on an office, when, by whom."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.apply import diff_option
from provisioner.cli.common import Console, lab_option, many, office_argument, plug, shown, verb
from provisioner.cli.completion import complete_run
from provisioner.errors import Missing, Unverified
from provisioner.inventory.target import Target
from provisioner.language.terminal import spoken, word

if TYPE_CHECKING:
    from provisioner.findings import Finding
    from provisioner.runs import Run

runs = click.Group("runs", help="What was done on an office, when, by whom.")


def _target(console: Console, office: str, lab: bool) -> Target:
    from provisioner.inventory import open_inventory

    open_inventory(console.inventory).office(office)  # an unknown office is said before its empty history
    return console.target(office, lab)


def _read(path: Path) -> dict[str, Any]:
    from provisioner.runs.audit import read

    try:
        return read(path.read_bytes())
    except (OSError, ValueError):
        return {"run": path.stem, "status": "damaged"}


@verb(runs, "list")
@office_argument
@lab_option
def list_(console: Console, office: str, lab: bool) -> int:
    """Every run on OFFICE, the newest last; one that goes on now on this laptop says `running`."""
    from provisioner.runs.audit import summaries, summary
    from provisioner.runs.journal import at_work, read_run

    target = _target(console, office, lab)
    found = [_read(path) for path in summaries(target.summaries)]
    kept = {one["run"] for one in found}
    alive = [path for path in sorted(target.journals.glob("*.jsonl")) if path.stem not in kept and at_work(path)]
    found += [summary(told) for told in map(read_run, alive) if told.status == "running"]

    def human() -> None:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("run", "started", "verb", "by", "status", "changed"):
            table.add_column(column, no_wrap=column in ("run", "started"))
        for one in found:
            changed = sum(h.get("changed", 0) for h in one.get("hosts", {}).values())
            run, started, said, by = (shown(str(one.get(key, ""))) for key in ("run", "started", "verb", "technician"))
            table.add_row(run, started[:16].replace("T", " "), said, by, word(shown(str(one.get("status", "")))), str(changed))
        console.out.print(table if found else f"no run on {office} yet")

    console.result({"office": office, "runs": found}, human)
    return 0


@verb(runs, "show")
@office_argument
@click.argument("run", metavar="[RUN]", default="", shell_complete=complete_run)
@diff_option
@lab_option
def show(console: Console, office: str, run: str, whole: bool, lab: bool) -> int:
    """One run, the last one unless named: its changes, its counts, its failures; one that goes on says since when.

    The diffs of a run that was done from another laptop are in that laptop's journal.
    """
    from provisioner.runs.audit import recall, summaries, summary
    from provisioner.runs.journal import read_run

    target = _target(console, office, lab)
    kept = {_read(path)["run"]: path for path in summaries(target.summaries)}
    journals = {path.stem: path for path in target.journals.glob("*.jsonl")}
    name = run or max({*kept, *journals}, default="")
    if name not in kept and name not in journals:
        raise Missing(
            f"no run {name!r} on {office}" if run else f"no run on {office} yet", hint=f"provisioner runs list {target.words}"
        )
    data = _read(kept[name]) if name in kept else {}
    journal = journals.get(name)
    try:
        if data.get("findings"):  # a verification: what it found says it all
            from provisioner.findings import Finding

            found = [Finding.of(one) for one in data["findings"]]
            console.result(data, lambda: _show_proven(console, data, found))
            return 0
        told = read_run(journal) if journal else recall(data)
    except (KeyError, ValueError, TypeError) as error:
        raise Unverified(f"{kept[name].name}: not a summary any more", hint=f"provisioner runs check {target.words}") from error
    more = {"journal": str(journal)} if journal else data
    why = str(data.get("because", ""))
    console.result(summary(told) | more, lambda: _show_told(console, told, journal, why, whole=whole))
    return 0


def _show_told(console: Console, told: "Run", journal: Path | None, why: str, *, whole: bool) -> None:
    from rich.text import Text

    from provisioner.cli.run_page import changes, show_run

    lines = [Text(f"run {told.id} by {shown(told.technician)}", "bold")]
    for host_name, host in sorted(told.hosts.items()):
        if host.changes:
            lines += [Text(host_name, "bold"), *changes(host, whole=whole)]
    console.page(lines)
    show_run(console, told)
    if told.error:
        console.out.print(Text(shown(told.error), "red"), soft_wrap=True)
    if why:
        console.out.print(shown(why), soft_wrap=True)
    if not told.hosts and not journal:
        return  # as a silence: it changed no host
    at = f"journal: {journal}" if journal else f"its diffs are in the journal on {shown(told.technician)}'s laptop"
    console.out.print(Text(at, "dim"), soft_wrap=True)


def _show_proven(console: Console, data: dict[str, Any], found: "list[Finding]") -> None:
    from provisioner.cli.verify import show_findings

    console.out.print(shown(f"run {data['run']} by {data.get('technician')}: {word(str(data.get('status')))}"))
    show_findings(console, found, spoken())


@verb(runs, "check")
@office_argument
@lab_option
def check(console: Console, office: str, lab: bool) -> int:
    """Whether the audit of OFFICE and the proofs of its backups are whole: nothing edited, deleted, reordered or torn.

    Exits 7 when they are not. Held against git's history and against what the hosts remember of the newest run; hosts that
    cannot be asked are named.
    """
    from provisioner.errors import ProvisionerError
    from provisioner.laptop import git
    from provisioner.operation.marks import ask_all
    from provisioner.runs import proofs
    from provisioner.runs.audit import check as judge
    from provisioner.runs.audit import summaries

    target = _target(console, office, lab)
    unasked: dict[str, str] = {}
    told: dict[str, tuple[str, str]] = {}
    try:
        plug(target)
        console.say("asking the hosts what they remember")
        told, unasked = ask_all(target)
    except ProvisionerError as error:
        unasked = {"": f"no host was asked: {error}"}
    known = {} if lab else git.remembered(target.inventory, target.summaries)
    problems = judge(target.summaries, known)
    problems += proofs.check(target, {} if lab else git.remembered(target.inventory, proofs.folder(target)))
    problems += [f"{host} remembers {name}: {wrong}" for host, (name, wrong) in sorted(told.items()) if wrong]
    count = len(summaries(target.summaries))

    def human() -> None:
        for problem in problems:
            console.out.print(shown(f"✗ {problem}"), style="red", soft_wrap=True)
        if any(": two heads: " in problem for problem in problems) and not lab:
            console.say(f"try: provisioner runs join {office}, where nothing else is wrong")
        for problem in unasked.values():
            console.out.print(shown(f"! {problem}"), style="yellow", soft_wrap=True)
        asked = f"{many(len(told), 'host')} asked"
        console.out.print(f"{many(count, 'run')}, {asked}, {many(len(problems), 'problem') if problems else 'nothing altered'}")

    data = {"office": office, "runs": count, "problems": problems, "asked": sorted(told), "unasked": unasked}
    console.result(data, human)
    return 7 if problems else 0


@verb(runs, "join", writes=True)
@office_argument
@click.option("--no-commit", is_flag=True, help="Leave the commit to you.")
def join(console: Console, office: str, no_commit: bool) -> None:
    """Join the two heads of OFFICE's audit: runs that two copies did apart, merged by git; one entry more holds them together.

    Only where nothing else is wrong with the audit: what is joined stays as it is, and shows when it is altered later.
    """
    import time

    from provisioner.errors import BadInput, Unverified
    from provisioner.laptop import git
    from provisioner.operation.selection import technician
    from provisioner.runs import audit, iso, new_id

    target = _target(console, office, False)
    heads = audit.ledger(target.summaries).heads()
    known = git.remembered(target.inventory, target.summaries)
    if not audit.check(target.summaries, known):
        raise BadInput(f"the audit of {office} is whole: there is nothing to join", hint=f"provisioner runs list {office}")
    if others := audit.check(target.summaries, known, heads):
        raise Unverified(
            f"the audit of {office} has more than two heads to it: {others[0]}", hint=f"provisioner runs check {office}"
        )
    login, name, email = technician(target)
    about = {"office": office, "verb": "join", "technician": login, "started": iso(time.time()), "status": "ok", "joined": heads}
    path = audit.keep(target.summaries, {"run": new_id(), **about})
    said = f"{office}: the two heads of the audit are joined"
    commit = None if no_commit else git.commit(target.inventory, [target.summaries], said, name=name, email=email)
    console.result({"joined": sorted(heads), "summary": path.name, "commit": commit}, lambda: click.echo(said))
