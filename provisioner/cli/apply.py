"""`plan` and `apply`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, confirm, lab_option, office_argument, plug, shown, terminal, verb
from provisioner.errors import BadInput

if TYPE_CHECKING:
    from provisioner.apply.plans import Plan
    from provisioner.operation.selection import Selection
    from provisioner.runs import Run

host_option = click.option("--host", "hosts", multiple=True, metavar="HOST", help="Only this host (may be given again).")
force_option = click.option(
    "--force", is_flag=True, help="Go on though your copy is older, or the pack has less than is installed; the audit records it."
)

WORST_FIRST = (130, 6, 4, 5, 7, 3, 0)


def exit_code(run: "Run", *, planning: bool, audit_differs: bool = False) -> int:
    """The documented code for how a run ended; of several, the one the README's order names first."""
    if run.status == "interrupted":
        return 130
    codes = {0}
    for host in run.hosts.values():
        if host.counts["failed"]:
            codes.add(4)
        if host.counts["unreachable"]:
            codes.add(5)
    if run.status == "failed":
        codes.add(4)
    if run.status == "unreachable":
        codes.add(5)
    if audit_differs:
        codes.add(7)
    if planning and run.changed:
        codes.add(3)
    return next(code for code in WORST_FIRST if code in codes)


def as_object(run: "Run", selection: "Selection", **more: Any) -> dict[str, Any]:
    """What `--json` prints for a plan or an apply."""
    keys = ("ok", "changed", "failed", "unreachable", "skipped")
    data: dict[str, Any] = {
        "office": selection.target.office,
        "verb": run.verb,
        "run": run.id,
        "status": run.status,
        "lab": selection.target.lab,
        "technician": run.technician,
        "hosts": {name: {key: host.counts[key] for key in keys} for name, host in sorted(run.hosts.items())},
        "not_adopted": selection.not_adopted,
        "problems": {
            name: {"task": host.problem_task, "problem": host.problem} for name, host in sorted(run.hosts.items()) if host.problem
        },
        "notes": {name: host.notes for name, host in sorted(run.hosts.items()) if host.notes},
        "journal": str(selection.target.journals / f"{run.id}.jsonl"),
    }
    return data | more


@verb("plan")
@office_argument
@host_option
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Keep the plan for `apply --plan`.")
@click.option("--pack", metavar="PACK", default="", help="As if the dossier named this pack.")
@click.option("--variant", metavar="VARIANT", default="", help="As if the dossier named this variant of its pack.")
@lab_option
@force_option
def plan(
    console: Console, office: str, hosts: tuple[str, ...], save: Path | None, pack: str, variant: str, lab: bool, force: bool
) -> int:
    """Say what `apply` would change on OFFICE, host by host, with diffs. Changes nothing.

    With --pack or --variant: what moving the office there would change; the dossier stays as it is.

    Exits 3 when there is something to change, 0 when there is nothing.
    """
    from provisioner.operation.selection import prepare

    target = console.target(office, lab)
    plug(target)
    selection = prepare(target, hosts, pack=pack, variant=variant)
    found = _plan(console, selection, force)
    if save:
        found.save(save, target)
    changes = {name: [{"task": c.task, "diff": c.diff} for c in host.changes] for name, host in sorted(found.run.hosts.items())}
    code = exit_code(found.run, planning=True, audit_differs=bool(found.audit_differs))
    moved = {} if selection.dropped is None else {"pack": found.pack, "variant": found.variant, "dropped": selection.dropped}

    def human() -> None:
        show_plan(console, found, selection)
        if save and selection.dropped is None:
            console.say(f"saved: provisioner apply {office}{' --lab' if lab else ''} --plan {save}")

    console.result(
        as_object(found.run, selection, digest=found.digest, changes=changes, audit_differs=found.audit_differs, **moved), human
    )
    return code


def _plan(console: Console, selection: "Selection", force: bool) -> "Plan":
    from provisioner import apply as workflow
    from provisioner.cli.progress import Watch

    watch = Watch(console, f"plan {selection.target.office}", workflow.expected_tasks(selection, "plan"))
    with watch.showing():
        return workflow.plan(selection, watch=watch, say=console.say, force=force)


@verb("apply")
@office_argument
@host_option
@click.option(
    "--plan", "saved", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Apply exactly this saved plan, or nothing.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not show the plan and ask first.")
@lab_option
@force_option
@click.option("--no-commit", is_flag=True, help="Leave the run's summary uncommitted.")
def apply(
    console: Console,
    office: str,
    hosts: tuple[str, ...],
    saved: Path | None,
    yes: bool,
    lab: bool,
    force: bool,
    no_commit: bool,
) -> int:
    """Bring the hosts of OFFICE where the dossier wants them.

    Without --yes or --plan, shows the plan first and asks.
    """
    from provisioner import apply as workflow
    from provisioner.apply import plans
    from provisioner.cli.progress import Watch
    from provisioner.operation.selection import prepare

    target = console.target(office, lab)
    known = plans.load(saved, target) if saved else None
    if not yes and not saved and (console.as_json or not terminal()):
        raise BadInput(
            "apply would ask before it changes anything, and nobody is there to answer",
            hint="give --yes, or --plan FILE",
        )
    plug(target)
    selection = prepare(target, hosts)
    if not yes and not saved:
        found = _plan(console, selection, force)
        show_plan(console, found, selection)
        code = exit_code(found.run, planning=True)
        if code not in (0, 3) or (code == 0 and not found.run.changed):
            return code
        if not confirm(f"Apply these {found.run.changed} changes?"):
            console.say("nothing was changed")
            return 3
        selection = prepare(target, hosts)
    watch = Watch(console, f"apply {office}", workflow.expected_tasks(selection, "apply"))
    with watch.showing():
        run = workflow.apply(selection, watch=watch, say=console.say, saved=known, force=force, commit=not no_commit)
    console.result(as_object(run, selection), lambda: show_run(console, run, selection))
    return exit_code(run, planning=False)


def show_plan(console: Console, found: "Plan", selection: "Selection") -> None:
    """The plan for a person: per host the changes with their diffs, then one line that says it all."""
    from rich.text import Text

    for name, host in sorted(found.run.hosts.items()):
        kind = selection.office.hosts[name].kind.value if name in selection.office.hosts else ""
        head = f"{len(host.changes)} changes" if host.changes else "nothing to change"
        if host.problem:
            head = "could not be asked" if host.counts["unreachable"] else "failed"
        console.out.print(Text.assemble((f"\n{name}", "bold"), f"  {kind}  ", (head, "yellow" if host.changes else "green")))
        if host.problem:
            console.out.print(Text(shown(f"  {host.problem}"), "red"), soft_wrap=True)
        for change in host.changes:
            console.out.print(Text.assemble(("  ~ ", "yellow"), shown(change.task)), soft_wrap=True)
            for line in change.diff.splitlines():
                style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
                console.out.print(Text(f"      {shown(line)}", style), soft_wrap=True)
    console.out.print()
    for name, gone in (selection.dropped or {}).items():
        what = "stays installed, its ports are closed; only `apply --force` leaves it so"
        said = f"{name}: no longer in the pack: {', '.join(gone)} ({what})"
        console.out.print(Text(said, "yellow"), soft_wrap=True)
    _notes(console, found.run)
    _left_out(console, selection)
    hosts = sum(bool(host.changes) for host in found.run.hosts.values())
    last = f"{found.run.changed} changes on {hosts} host{'s' * (hosts > 1)}" if found.run.changed else "nothing to change"
    where = f"{selection.target.office}{' (lab)' if selection.target.lab else ''}"
    where += "" if selection.dropped is None else f", as if it had pack: {found.pack}, variant: {found.variant}"
    console.out.print(Text.assemble((f"plan of {where}: ", "bold"), last))
    console.out.print(Text(f"digest {found.digest}", "dim"))


def _left_out(console: Console, selection: "Selection") -> None:
    from rich.text import Text

    if selection.not_adopted:
        lab = " --lab" if selection.target.lab else ""
        console.out.print(
            Text(
                f"not adopted, so left out: {', '.join(selection.not_adopted)}"
                f" (provisioner adopt {selection.target.office}{lab})",
                "yellow",
            )
        )


def _notes(console: Console, run: "Run") -> None:
    from rich.text import Text

    for name, host in sorted(run.hosts.items()):
        for note in host.notes:
            console.out.print(Text(f"! {name}: {shown(note)}", "yellow"), soft_wrap=True)


def show_run(console: Console, run: "Run", selection: "Selection | None" = None) -> None:
    """The end of a run for a person: counts, then what failed, where the journal lies, and what to type next."""
    from rich.table import Table
    from rich.text import Text

    from provisioner.cli.progress import seconds

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
    took = f" in {seconds(run.finished - run.started)}" if run.finished else ""
    words = {"changed": "done", "unchanged": "done, nothing had to change"}.get(run.status, run.status)
    good = run.status in ("changed", "unchanged")
    console.out.print(
        Text.assemble(f"{run.verb} {run.office}{' (lab)' if run.lab else ''}: ", (words, "green" if good else "red"), took)
    )
    if selection:
        _left_out(console, selection)
        if not good:
            lab = " --lab" if selection.target.lab else ""
            console.out.print(Text(f"journal: {selection.target.journals / (run.id + '.jsonl')}", "dim"), soft_wrap=True)
            console.out.print(Text(f"try:     provisioner apply {run.office}{lab}", "cyan"), soft_wrap=True)
