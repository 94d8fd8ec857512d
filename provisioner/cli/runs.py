"""`runs list|show|check`: what was done on an office, when, by whom."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, lab_option, office_argument, plug, shown, verb
from provisioner.errors import Missing, Unverified
from provisioner.inventory.target import Target

if TYPE_CHECKING:
    from provisioner.findings import Finding

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
    """Every run on OFFICE, the newest last."""
    from provisioner.runs.audit import summaries

    found = [_read(path) for path in summaries(_target(console, office, lab).summaries)]

    def human() -> None:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("run", "started", "verb", "by", "status", "changed"):
            table.add_column(column, no_wrap=True)
        for one in found:
            changed = sum(h.get("changed", 0) for h in one.get("hosts", {}).values())
            table.add_row(*(shown(str(one.get(k, ""))) for k in ("run", "started", "verb", "technician", "status")), str(changed))
        console.out.print(table if found else f"no run on {office} yet")

    console.result({"office": office, "runs": found}, human)
    return 0


@verb(runs, "show")
@office_argument
@click.argument("run", metavar="[RUN]", default="")
@lab_option
def show(console: Console, office: str, run: str, lab: bool) -> int:
    """One run, the last one unless named: its counts, its changes with diffs, its failures."""
    from provisioner.cli.apply import show_run
    from provisioner.runs import fold
    from provisioner.runs.audit import summaries, summary
    from provisioner.runs.journal import read_journal

    target = _target(console, office, lab)
    kept = {_read(path)["run"]: path for path in summaries(target.summaries)}
    journals = {path.stem: path for path in target.journals.glob("*.jsonl")}
    name = run or max({*kept, *journals}, default="")
    if name not in kept and name not in journals:
        raise Missing(
            f"no run {name!r} on {office}" if run else f"no run on {office} yet", hint=f"provisioner runs list {office}"
        )
    if name in kept and (proven := _read(kept[name])).get("findings"):  # a verification: what it found says it all
        from provisioner.findings import Finding

        try:
            found = [Finding.of(one) for one in proven["findings"]]
        except (KeyError, ValueError, TypeError) as error:
            raise Unverified(f"{kept[name].name}: not a summary any more", hint=f"provisioner runs check {office}") from error
        console.result(proven, lambda: _show_proven(console, proven, found))
        return 0
    if name not in journals:  # done from another laptop: the audit knows it, the journal is theirs
        data = _read(kept[name])
        console.result(data, lambda: console.out.print(shown(json.dumps(data, ensure_ascii=False, indent=1)), soft_wrap=True))
        return 0
    folded = fold(read_journal(journals[name]))

    def human() -> None:
        from rich.text import Text

        console.out.print(Text(f"run {folded.id} by {shown(folded.technician)}", "bold"))
        for host_name, host in sorted(folded.hosts.items()):
            for change in host.changes:
                console.out.print(Text(shown(f"  {host_name}  {change.task}"), "yellow"), soft_wrap=True)
                for line in change.diff.splitlines():
                    style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
                    console.out.print(Text(f"      {shown(line)}", style), soft_wrap=True)
        show_run(console, folded)
        console.out.print(Text(f"journal: {journals[name]}", "dim"), soft_wrap=True)

    console.result(summary(folded) | {"journal": str(journals[name])}, human)
    return 0


def _show_proven(console: Console, data: dict[str, Any], found: "list[Finding]") -> None:
    from provisioner.cli.verify import show_findings

    console.out.print(shown(f"run {data['run']} by {data.get('technician')}: {data.get('status')}"))
    show_findings(console, found, "fr")


@verb(runs, "check")
@office_argument
@lab_option
def check(console: Console, office: str, lab: bool) -> int:
    """Whether the audit of OFFICE is whole: nothing edited, deleted, reordered or torn. Exits 7 when it is not.

    Held against git's history and against what the hosts remember of the newest run; hosts that cannot be asked are named.
    """
    from provisioner.errors import ProvisionerError
    from provisioner.laptop import git
    from provisioner.operation.marks import ask_all
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
    problems += [f"{host} remembers {name}: {wrong}" for host, (name, wrong) in sorted(told.items()) if wrong]
    count = len(summaries(target.summaries))

    def human() -> None:
        for problem in problems:
            console.out.print(shown(f"✗ {problem}"), style="red", soft_wrap=True)
        for problem in unasked.values():
            console.out.print(shown(f"! {problem}"), style="yellow", soft_wrap=True)
        asked = f"{len(told)} host{'s' * (len(told) != 1)} asked"
        console.out.print(f"{count} runs, {asked}, {f'{len(problems)} problems' if problems else 'nothing altered'}")

    data = {"office": office, "runs": count, "problems": problems, "asked": sorted(told), "unasked": unasked}
    console.result(data, human)
    return 7 if problems else 0
