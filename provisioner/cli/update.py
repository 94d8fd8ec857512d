"""`update`: security updates over offices, the canary first."""

from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, complete_office, confirm, lab_option, many, office_name, plug, shown, terminal, verb
from provisioner.errors import BadInput
from provisioner.language import N_, translator
from provisioner.language.terminal import spoken

if TYPE_CHECKING:
    from provisioner.check.update import HostResult, Package, Result
    from provisioner.inventory.target import Target

FEW = 12  # packages of a machine that are told one by one without --diff


@verb("update", short_help="Security updates: canary first, checked before and after.", writes=True)
@click.argument("offices", metavar="[OFFICE]...", nargs=-1, shell_complete=complete_office)
@click.option("--all", "everything", is_flag=True, help="Every office of the inventory.")
@click.option("--reseller", metavar="RESELLER", default="", help="With --all: only the offices that this member serves.")
@click.option("--canary", metavar="OFFICE", default="", shell_complete=complete_office, help="The office that goes first.")
@click.option("--yes", is_flag=True, help="Do not ask; each office's updates are still shown before they are made.")
@click.option("--diff", "whole", is_flag=True, help="Name every package, however many there are.")
@lab_option
@click.option("--no-commit", is_flag=True, help="Leave the runs' summaries uncommitted.")
def update(
    console: Console, offices: tuple[str, ...], everything: bool, reseller: str, canary: str, yes: bool, whole: bool, lab: bool,
    no_commit: bool,
) -> int:  # fmt: skip
    """Install the security updates that wait on the OFFICEs' machines, one office after the other.

    What would change is shown first. Each office is checked before and after: the first one that became worse ends it. Machines
    are restarted only in the hours that the dossier names (maintenance:). Exits 7 when an office became worse, 4 when a machine
    failed, 5 when one was not reached.
    """
    from provisioner.cli.check import chosen_targets, refuse_unfit

    refuse_unfit("update", offices, everything=everything, reseller=reseller, lab=lab)
    if not yes and (console.as_json or not terminal()):
        raise BadInput("update would ask before it changes anything, and nobody is there to answer", hint="give --yes")
    targets = chosen_targets(console, offices, reseller, lab=lab)
    if canary:
        first = [target for target in targets if target.office == canary]
        if not first:
            raise BadInput(f"the canary {canary[:40]!r} is none of the offices to update", hint="name it among them, or --all")
        targets = first + [target for target in targets if target.office != canary]
    if lab:
        plug(targets[0])
    results, begun = _round(console, targets, ask=not yes, whole=whole, commit=not no_commit)
    done = {result.selection.target.office for result in results}
    left = [target.office for target in targets if target.office not in done]
    data = {"verb": "update", "offices": [_object(result) for result in results], "not_begun": left}
    console.result(data, lambda: _show(console, results, left, whole=whole))
    return _code(results, begun=begun)


def _round(
    console: Console, targets: "list[Target]", *, ask: bool, whole: bool, commit: bool
) -> "tuple[list[Result], bool]":  # fmt: skip
    """Show what waits, ask once, then office after office until one becomes worse; False where the answer was no."""
    from provisioner.check import update as workflow
    from provisioner.cli.progress import Watch
    from provisioner.errors import ProvisionerError
    from provisioner.operation.selection import prepare

    selections = {}
    for target in targets:
        try:
            selections[target.office] = prepare(target)
        except ProvisionerError as problem:
            if len(targets) == 1:
                raise
            console.say(f"! {target.office} is left out: {problem}")

    def show(result: "Result") -> None:
        for name, host in result.hosts.items():
            for line in _before(host, result, whole=whole):
                console.say(f"  {name}: {line}")

    if ask:
        found = []
        for office, selection in selections.items():
            console.say(f"looking at {office}")
            watch = Watch(console, f"update {office}", None)
            with watch.showing():
                found.append(workflow.preview(selection, watch=watch, say=console.say))
            show(found[-1])
        if not any(result.needed for result in found):
            return found, True
        if not confirm("Update these offices?" if len(found) > 1 else "Update this office?"):
            console.say("nothing was changed")
            return found, False
    results: list[Result] = []
    for number, (office, selection) in enumerate(selections.items(), 1):
        console.say(f"updating {office}")
        watch = Watch(console, f"update {office}", None)
        with watch.showing():
            again = prepare(selection.target) if ask else selection  # a run has its own number and connections
            results.append(workflow.update(again, watch=watch, say=console.say, show=show, commit=commit))
        if results[-1].stops and number < len(selections):
            console.say(f"stopped after {office}: the offices after it were left as they are")
            break
    return results, True


def _code(results: "list[Result]", *, begun: bool) -> int:
    from provisioner.cli.apply import WORST_FIRST, exit_code

    codes = {0}
    for result in results:
        if result.run:
            codes.add(7 if result.worse else exit_code(result.run, planning=False))
    if not begun:
        codes.add(3)
    return next(code for code in WORST_FIRST if code in codes)


def _object(result: "Result") -> dict[str, Any]:
    run, target = result.run, result.selection.target
    return {
        "office": target.office, "lab": target.lab, "run": run.id if run else "", "status": run.status if run else "",
        "technician": run.technician if run else "", "restarts_now": result.window, "next_restarts": result.following,
        "before": result.before.worst.word if result.before else "", "after": result.after.worst.word if result.after else "",
        "worse": [one.as_object() for one in result.worse],
        "hosts": {name: one.as_object() for name, one in result.hosts.items()},
        "journal": str(target.journals / f"{run.id}.jsonl") if run else "",
    }  # fmt: skip


# ------------------------------------------------------------------------------------------- told


def _before(host: "HostResult", result: "Result", *, whole: bool) -> list[str]:
    say = translator(spoken())
    if host.problem or host.before is None:
        return [host.problem]
    now, lines = host.before, []
    if now.packages:
        lines += [say(N_("security updates: {count}"), count=len(now.packages)), *_packages(now.packages, whole=whole)]
    else:
        lines.append(say(N_("no security update waits")))
    return lines + _obstacles(now.audit, now.held, now.kept_back) + _restart(host, result)


def _packages(packages: "list[Package]", *, whole: bool) -> list[str]:
    said = [f"  {one.name} {one.old or '-'} → {one.new} ({one.origin})" for one in packages[: None if whole else FEW]]
    return [*said, *([f"  … {many(len(packages) - FEW, 'package')} more (--diff)"] if len(packages) > len(said) else [])]


def _obstacles(audit: str, held: list[str], kept_back: "list[Package]") -> list[str]:
    say = translator(spoken())
    lines = []
    if audit:
        lines.append(say(N_("half installed, to be mended first: {what}"), what=" ".join(audit.split())[:300]))
    waiting = {one.name: one for one in kept_back}
    for name in held:
        if name in waiting:
            told = N_("{package} is held back, and a security update of it waits: {new}")
            lines.append(say(told, package=name, new=waiting[name].new))
        else:
            lines.append(say(N_("{package} is held back"), package=name))
    return lines


def _restart(host: "HostResult", result: "Result") -> list[str]:
    """What still runs old code, and when that ends."""
    say, now = translator(spoken()), host.after or host.before
    if now is None or not now.restart:
        return []
    what = say(N_("the machine has to be restarted ({why})"), why=now.machine) if now.machine else say(
        N_("services still run the old code: {names}"), names=", ".join(now.services)
    )  # fmt: skip
    if result.window and now.busy:
        when = say(N_("not now: somebody works at its screen"))
    elif not result.following and not result.window:
        when = say(N_("no hours for restarts are in the dossier (maintenance:)"))
    elif result.window:
        when = say(N_("now is the time for it"))
    else:
        when = say(N_("the next time for it: {when}"), when=result.following)
    return [f"{what}; {when}"]


def _show(console: Console, results: "list[Result]", left: list[str], *, whole: bool) -> None:
    """Each office and machine: what came, what still waits, and whether the office is as well as it was."""
    from rich.text import Text

    from provisioner.cli.check import clock
    from provisioner.cli.progress import took

    say = translator(spoken())
    for result in results:
        run, target = result.run, result.selection.target
        if run is None or run.verb != "update":
            continue
        good = run.status in ("changed", "unchanged") and not result.worse
        head = f"{'✓' if good else '✗'} {office_name(target.office, lab=target.lab)}"
        console.out.print(Text.assemble((head, f"bold {'green' if good else 'red'}"), f"  {clock(run.started)}",
                                        took(run.finished - run.started)))  # fmt: skip
        for name, host in result.hosts.items():
            for number, line in enumerate(_after(host, result, whole=whole)):
                console.out.print(Text(f"  {name if not number else '':<12} {shown(line)}", "red" if host.problem else ""),
                                  soft_wrap=True)  # fmt: skip
        if result.before and result.after:
            told = N_("checked before: {before}, after: {after}")
            words = say(told, before=result.before.worst.word, after=result.after.worst.word)
            console.out.print(Text(f"  {words}", "red" if result.worse else "dim"))
        for one in result.worse:
            told = N_("worse: {what}")
            console.out.print(Text(f"  {say(told, what=shown(say(one.sentence, one.values)))}", "red"), soft_wrap=True)
    if left:
        console.out.print(Text(say(N_("left as they are: {names}"), names=", ".join(left)), "yellow"), soft_wrap=True)


def _after(host: "HostResult", result: "Result", *, whole: bool) -> list[str]:
    say = translator(spoken())
    if host.before is None:
        return [host.problem]
    lines = [host.problem] if host.problem else []
    if host.installed:
        lines += [say(N_("installed: {count}"), count=len(host.installed)), *_packages(host.installed, whole=whole)]
    if host.after and host.after.packages:
        still = host.after.packages
        lines += [say(N_("still waiting: {count}"), count=len(still)), *_packages(still, whole=whole)]
    if host.restarted:
        lines.append(
            say(N_("the machine was restarted")) if host.restarted == ("machine",)
            else say(N_("services restarted: {names}"), names=", ".join(host.restarted))
        )  # fmt: skip
    now = host.after or host.before
    lines += _obstacles(host.before.audit, now.held, now.kept_back) + (_restart(host, result) if host.after else [])
    return lines or [say(N_("every security update is there"))]
