"""`plan` and `apply`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, confirm, lab_option, office_argument, plug, terminal, verb
from provisioner.cli.completion import complete_host, complete_pack, complete_variant
from provisioner.errors import BadInput

if TYPE_CHECKING:
    from provisioner.apply.plans import Plan
    from provisioner.operation.selection import Selection
    from provisioner.runs import Run

host_option = click.option(
    "--host", "hosts", multiple=True, metavar="HOST", shell_complete=complete_host, help="Only this host (may be given again)."
)
diff_option = click.option("--diff", "whole", is_flag=True, help="Show every diff whole, programs and generated files too.")
force_option = click.option("--force", is_flag=True, help="Go on though your copy is older; the audit records it.")

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
@click.option("--pack", metavar="PACK", default="", shell_complete=complete_pack, help="As if the dossier named this pack.")
@click.option(
    "--variant",
    metavar="VARIANT",
    default="",
    shell_complete=complete_variant,
    help="As if the dossier named this variant of its pack.",
)
@diff_option
@lab_option
@force_option
def plan(
    console: Console, office: str, hosts: tuple[str, ...], save: Path | None, pack: str, variant: str, whole: bool, lab: bool,
    force: bool,
) -> int:  # fmt: skip
    """Say what `apply` would change on OFFICE, host by host, a line a task. Changes nothing.

    With --pack or --variant: what moving the office there would change; the dossier stays as it is.

    Exits 3 when there is something to change, 0 when there is nothing.
    """
    from provisioner.cli.run_page import show_plan
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
        show_plan(console, found, selection, whole=whole)
        if save and found.missing:
            console.say(f"saved, though it is not complete: apply --plan {save} will refuse it")
        elif save and selection.dropped is None:
            console.say(f"saved: provisioner apply {office}{' --lab' if lab else ''} --plan {save}")

    digest = None if found.missing else found.digest  # it would name what nobody has seen
    console.result(
        as_object(
            found.run, selection, complete=not found.missing, digest=digest, changes=changes, audit_differs=found.audit_differs,
            **moved,
        ),
        human,
    )  # fmt: skip
    return code


def _plan(console: Console, selection: "Selection", force: bool) -> "Plan":
    from provisioner import apply as workflow
    from provisioner.cli.progress import Watch

    watch = Watch(console, f"plan {selection.target.office}", workflow.expected_tasks(selection, "plan"))
    with watch.showing():
        return workflow.plan(selection, watch=watch, say=console.say, force=force)


@verb("apply", writes=True)
@office_argument
@host_option
@click.option(
    "--plan", "saved", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Apply exactly this saved plan, or nothing.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not show the plan and ask first.")
@diff_option
@lab_option
@force_option
@click.option("--no-commit", is_flag=True, help="Leave the run's summary uncommitted.")
def apply(
    console: Console,
    office: str,
    hosts: tuple[str, ...],
    saved: Path | None,
    yes: bool,
    whole: bool,
    lab: bool,
    force: bool,
    no_commit: bool,
) -> int:
    """Bring the hosts of OFFICE where the dossier wants them.

    Without --yes or --plan, shows the plan first and asks; a plan made in the last ten minutes is not made again while the
    office's files are as they were and nothing else was run here.
    """
    from provisioner import apply as workflow
    from provisioner.apply import plans
    from provisioner.cli.progress import Watch
    from provisioner.cli.run_page import show_run
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
    planned = None
    if not yes and not saved:
        agreed = _agreed(console, selection, hosts, force=force, whole=whole)
        if isinstance(agreed, int):
            return agreed
        selection, planned = agreed
    watch = Watch(console, f"apply {office}", workflow.expected_tasks(selection, "apply"))
    with watch.showing():
        run = workflow.apply(
            selection, watch=watch, say=console.say, saved=known, planned=planned, force=force, commit=not no_commit
        )
    console.result(as_object(run, selection), lambda: show_run(console, run, selection))
    return exit_code(run, planning=False)


def _agreed(
    console: Console, selection: "Selection", hosts: tuple[str, ...], *, force: bool, whole: bool
) -> "tuple[Selection, Plan] | int":
    """Show what apply would do and ask; what was agreed to, or the exit code where there is nothing to do or the answer is no."""
    from provisioner.apply import recent
    from provisioner.cli.run_page import show_plan
    from provisioner.operation.selection import prepare

    while True:
        found = None if force else recent.recall(selection)  # what force passes over is to be said
        if found:
            at = time.strftime("%H:%M", time.localtime(found.run.finished))
            console.say(f"the plan of {at} still holds: nothing was run since")
        else:
            found = _plan(console, selection, force)
        show_plan(console, found, selection, whole=whole)
        code = exit_code(found.run, planning=True)
        if found.missing:
            console.say("nothing was changed; the others alone: with --host")
        if code not in (0, 3) or found.missing or (code == 0 and not found.run.changed):
            return code
        if not confirm(f"Apply {'this change' if found.run.changed == 1 else f'these {found.run.changed} changes'}?"):
            console.say("nothing was changed")
            return 3
        selection = prepare(selection.target, hosts)
        if recent.premises(selection) == found.premises:
            return selection, found
        console.say("the office's files, or the tool's, changed meanwhile; the plan by what they say now:")
