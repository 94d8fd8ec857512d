"""A plan or a run on a terminal: per host what changes, in short or with every diff, then the counts and what failed."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from provisioner.cli.common import Console, many, office_name, shown
from provisioner.cli.progress import seconds, took
from provisioner.language import N_, translator
from provisioner.language.terminal import spoken, told, word
from provisioner.runs.diffs import in_short

if TYPE_CHECKING:
    from provisioner.apply.plans import Plan
    from provisioner.operation.selection import Selection
    from provisioner.runs import HostRun, Run

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def changes(host: "HostRun", *, whole: bool) -> Iterator[Text]:
    """A host's changes, one line a task and small diffs below it; `whole`: every line of every diff."""
    for change in host.changes:
        if whole:
            words, below = "", change.diff.splitlines()
        else:
            words, below = in_short(change.diff, change.task)
        yield Text.assemble(("  ~ ", "yellow"), shown(change.task), (shown(f"  {words}" if words else ""), "dim"))
        for line in below:
            yield Text(f"      {shown(line)}", _STYLES.get(line.strip()[:1], "dim"), no_wrap=True)


def show_plan(console: Console, found: "Plan", selection: "Selection", *, whole: bool) -> None:
    """The plan for a person: per host the changes, then one line that says it all; `whole`: with every diff."""
    console.page([line for name in sorted(found.run.hosts) for line in _planned(found, selection, name, whole=whole)])
    console.out.print()
    for name, gone in (selection.dropped or {}).items():
        what = "stays installed, its ports are closed; only `apply --force` leaves it so"
        said = f"{name}: no longer in the pack: {', '.join(gone)} ({what})"
        console.out.print(Text(said, "yellow"), soft_wrap=True)
    _notes(console, found.run)
    left_out(console, selection)
    for name, problem in found.missing.items():
        console.out.print(Text(f"✗ not complete: {shown(f'{name}: {problem}' if name else problem)}", "red"), soft_wrap=True)
    hosts = sum(bool(host.changes) for host in found.run.hosts.values())
    amounts = {"changes": told(many(found.run.changed, "change")), "hosts": told(many(hosts, "host"))}
    last = translator(spoken())(N_("{changes} on {hosts}"), **amounts) if found.run.changed else "nothing to change"
    if found.missing:
        last = f"not complete; {last}" if found.run.changed else "not complete"
    where = office_name(selection.target.office, lab=selection.target.lab)
    where += "" if selection.dropped is None else f", as if it had pack: {found.pack}, variant: {found.variant}"
    console.out.print(Text.assemble((f"plan of {where}: ", "bold"), (last, "red" if found.missing else "")), soft_wrap=True)
    if not found.missing:
        console.out.print(Text(f"digest {found.digest}", "dim"), soft_wrap=True)
    if found.run.changed and not whole:
        console.say("every diff: with --diff")


def _planned(found: "Plan", selection: "Selection", name: str, *, whole: bool) -> Iterator[Text]:
    host = found.run.hosts[name]
    kind = f"  {selection.office.hosts[name].kind.value}" if name in selection.office.hosts else ""
    head, style = (many(len(host.changes), "change"), "yellow") if host.changes else ("nothing to change", "green")
    if name in found.missing:
        asked = "could not be asked" if host.counts["unreachable"] else "failed, so what else would change is not known"
        head, style = (f"{head}, then it {asked}" if host.changes else asked), "red"
    yield Text()
    yield Text.assemble((name, "bold"), kind, "  ", (head, style))
    yield from changes(host, whole=whole)
    where = f" at “{host.problem_task}”" if host.problem_task else ""
    for at, line in enumerate(host.problem.splitlines()):
        yield Text(shown(f"  {line}" if at else f"  ✗{where}: {line}"), "red")


def left_out(console: Console, selection: "Selection") -> None:
    """The hosts that nobody asked, and how they are."""
    if selection.not_adopted:
        lab = " --lab" if selection.target.lab else ""
        console.out.print(
            Text(
                f"not adopted, so left out: {', '.join(selection.not_adopted)}"
                f" (provisioner adopt {selection.target.office}{lab})",
                "yellow",
            ),
            soft_wrap=True,
        )


def _notes(console: Console, run: "Run") -> None:
    for name, host in sorted(run.hosts.items()):
        for note in host.notes:
            console.out.print(Text(f"! {name}: {shown(note)}", "yellow"), soft_wrap=True)


_AGAIN = ("router push", "router restore", "website deploy")  # each again by its own name; what an apply does, by apply


def show_run(console: Console, run: "Run", selection: "Selection | None" = None) -> None:
    """The end of a run for a person: counts, then what failed, where the journal lies, and what to type next."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("host", "ok", "changed", "failed", "unreachable", "skipped"):
        table.add_column(column, justify="left" if column == "host" else "right")
    for name, host in sorted(run.hosts.items()):
        bad = host.counts["failed"] or host.counts["unreachable"]
        colour = "red" if bad else "yellow" if host.counts["changed"] else "green"
        table.add_row(
            Text(name, colour),
            *(str(host.counts[key]) for key in ("ok", "changed", "failed", "unreachable", "skipped")),
        )
    console.out.print(table)
    for name, host in sorted(run.hosts.items()):
        if host.problem:
            where = f" at “{host.problem_task}”" if host.problem_task else ""
            console.out.print(Text(f"\n✗ {name}{shown(where)}", "bold red"), soft_wrap=True)
            for line in host.problem.splitlines()[:12]:
                console.out.print(Text(f"  {shown(line)}", "red"), soft_wrap=True)
    _notes(console, run)
    lasted = took(run.finished - run.started) if run.finished else ""
    if run.status == "running":
        since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(run.started))
        lasted = f" since {since} UTC, for {seconds(time.time() - run.started)}, by {shown(run.technician)} on this laptop"
    words = {"changed": "done", "unchanged": "done, nothing had to change"}.get(run.status, run.status)
    good = run.status in ("changed", "unchanged")
    style = "green" if good else "yellow" if run.status == "running" else "red"
    console.out.print(
        Text.assemble(f"{run.verb} {office_name(run.office, lab=run.lab)}: ", (word(words), style), lasted), soft_wrap=True
    )
    if selection:
        left_out(console, selection)
        if good and run.verb == "apply" and not selection.not_adopted:
            console.out.print(Text(f"next: provisioner verify {selection.target.words}", "cyan"), soft_wrap=True)
        if not good:
            again = run.verb if run.verb in _AGAIN else "apply"
            console.out.print(Text(f"journal: {selection.target.journals / (run.id + '.jsonl')}", "dim"), soft_wrap=True)
            console.out.print(Text(f"try:     provisioner {again} {selection.target.words}", "cyan"), soft_wrap=True)
