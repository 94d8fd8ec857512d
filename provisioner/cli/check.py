"""`check`: offices judged from afar."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner.cli.common import Console, complete_office, lab_option, many, office_name, plug, shown, verb
from provisioner.errors import BadInput
from provisioner.language.terminal import spoken

if TYPE_CHECKING:
    from rich.text import Text

    from provisioner.check import Report
    from provisioner.findings import Finding
    from provisioner.inventory.target import Target

WELL = ("ok", "not_applicable")
MANY = 40  # offices; among more than that, those where all is well are counted


@verb("check", short_help="Judge offices from afar, the worst first.")
@click.argument("offices", metavar="[OFFICE]...", nargs=-1, shell_complete=complete_office)
@click.option("--all", "everything", is_flag=True, help="Every office of the inventory.")
@click.option("--reseller", metavar="RESELLER", default="", help="With --all: only the offices that this member serves.")
@click.option("--list", "listing", is_flag=True, help="Print every check, and the limits it goes by.")
@click.option("--last", is_flag=True, help="With --all: show again what the last rounds found; nobody is contacted.")
@click.option(
    "--ignore", metavar="CHECK", default="", help="Bear this finding of one OFFICE for a while: it is shown, not counted."
)
@click.option("--host", metavar="HOST", default="", help="With --ignore: of this machine alone.")
@click.option("--because", metavar="WHY", default="", help="With --ignore: why.")
@click.option("--until", metavar="DATE", default="", help="With --ignore: the last day, as 2027-01-31.")
@click.option(
    "--prom", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write the findings there for Prometheus too."
)
@lab_option
@click.option("--no-commit", is_flag=True, help="With --ignore: leave the commit to you.")
def check(
    console: Console, offices: tuple[str, ...], everything: bool, reseller: str, listing: bool, last: bool, ignore: str,
    host: str, because: str, until: str, prom: Path | None, lab: bool, no_commit: bool,
) -> int:  # fmt: skip
    """Look at every machine of the OFFICEs and judge: disks, services, updates, backups, keys, ports, ends.

    Nothing is changed. Exits 0 when all is well or only warned of, 7 when something is critical or not known.
    """
    if listing:
        _listed(console)
        return 0
    refuse_unfit("check", offices, everything=everything, reseller=reseller, last=last, lab=lab)
    if ignore or host or because or until:
        _bear(console, offices, ignore, host, because, until, lab=lab, commit=not no_commit)
        return 0
    if last:
        return _again(console, prom)
    from provisioner import check as workflow
    from provisioner.findings import Level

    targets = chosen_targets(console, offices, reseller, lab=lab)
    if lab:
        plug(targets[0])
    count = 0

    def told(report: "Report") -> None:
        nonlocal count
        count += 1
        if len(targets) > 1:
            console.say(f"[{count}/{len(targets)}] {report.target.office}: {report.worst.word}")

    reports = workflow.check(targets, done=told)
    if prom:
        _written(prom, reports)
    data = {"verb": "check", "offices": [_object(report) for report in reports]}
    console.result(data, lambda: _show(console, reports))
    return 7 if any(report.worst > Level.WARNING for report in reports) else 0


def refuse_unfit(verb: str, offices: tuple[str, ...], *, everything: bool, reseller: str, last: bool = False, lab: bool) -> None:
    """Say what does not fit together of how offices were named.

    Raises:
        BadInput: it does not.
    """
    if bool(offices) == everything:
        raise BadInput("name offices, or --all", hint=f"provisioner {verb} OFFICE, provisioner {verb} --all")
    if (reseller or last) and not everything:
        raise BadInput("--reseller and --last go with --all", hint=f"provisioner {verb} --all --reseller RESELLER")
    if lab and (everything or len(offices) > 1):
        raise BadInput("one lab at a time", hint=f"provisioner {verb} {offices[0] if offices else 'OFFICE'} --lab")


def chosen_targets(console: Console, offices: tuple[str, ...], reseller: str, *, lab: bool) -> "list[Target]":
    """The offices that were named, in their order, or all that a member serves, by name."""
    from provisioner.inventory import open_inventory

    inventory = open_inventory(console.inventory)
    if offices:
        for name in offices:
            inventory.office(name)
        return [console.target(name, lab) for name in dict.fromkeys(offices)]
    if reseller:
        inventory.reseller(reseller)
    names = sorted(path.name for path in (console.inventory / "offices").iterdir() if (path / "dossier.yml").is_file())
    chosen = [name for name in names if not reseller or inventory.office(name).reseller == reseller]
    if not chosen:
        raise BadInput("there is no office to look at", hint="provisioner office list")
    return [console.target(name, lab=False) for name in chosen]


def _listed(console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from provisioner.check.table import MORE, REACHED, SUBJECTS, TITLES
    from provisioner.language import translator

    say = translator(spoken())
    rows = [{"check": one.name, "title": one.title, "limits": one.limits} for one in SUBJECTS]

    def human() -> None:
        table = Table.grid(padding=(0, 2))
        table.add_row(REACHED, say(TITLES[REACHED]))
        for one in SUBJECTS:
            table.add_row(one.name, Text.assemble((say(one.title), "bold"), "\n", say(one.limits)))
        for name, title in MORE.items():
            table.add_row(name, say(title))
        console.out.print(table)

    console.result({"checks": rows}, human)


def _bear(
    console: Console, offices: tuple[str, ...], name: str, host: str, because: str, until: str, *, lab: bool, commit: bool
) -> None:  # fmt: skip
    from provisioner import check as workflow
    from provisioner.check import ignored
    from provisioner.laptop import git
    from provisioner.operation.selection import technician

    if len(offices) != 1 or not (name and because and until):
        raise BadInput(
            "a finding is borne in one office, for a reason, until a day",
            hint='provisioner check OFFICE --ignore CHECK --because "…" --until 2027-01-31',
        )
    try:
        day = date.fromisoformat(until)
    except ValueError:
        raise BadInput(f"{until[:40]!r} is no day", hint="as 2027-01-31") from None
    today = date.today()
    if day < today:
        raise BadInput(f"{until} is over", hint="a day to come")
    target = console.target(offices[0], lab)
    if not lab:
        console.check_writable(commit=commit)
    workflow.refuse_unknown(target, name, host)
    ignored.add(target, ignored.Ignored(name, host, because, day, technician(target)[0]), today)
    kept = None
    if commit and not lab:
        kept = git.commit(target.inventory, [target.kept / "ignored.yml"], f"{target.office}: check --ignore {name}")
    console.result(
        {"office": target.office, "ignored": name, "host": host, "until": day.isoformat(), "commit": kept},
        lambda: console.out.print(f"{name} of {target.office} is borne until {day.isoformat()}"),
    )


def _again(console: Console, prom: Path | None) -> int:
    """What the last rounds found."""
    from provisioner.check import Report, ignored, store
    from provisioner.findings import Level
    from provisioner.inventory.target import Target

    whole = bool(prom) or console.as_json
    with store.store() as file:
        kept = store.newest(file, console.inventory, whole=whole)
    today = date.today()
    reports = []
    for one in kept:
        target = Target(console.inventory, one.office)
        findings = list(one.findings)
        borne = dict(ignored.borne(findings, ignored.read(target), today)) if findings else {}
        reports.append(Report(target, findings, borne, one.took_s, at=one.at, well=one.well))
    if not reports:
        raise BadInput("no round was made here yet", hint="provisioner check --all")
    if prom:
        _written(prom, reports)
    console.result({"verb": "check", "offices": [_object(one) for one in reports]}, lambda: _show(console, reports))
    return 7 if any(report.worst > Level.WARNING for report in reports) else 0


def _written(path: Path, reports: "list[Report]") -> None:
    from provisioner.monitor import exporter

    try:
        exporter.write(path, [one for one in reports if not one.problem])
    except OSError as problem:
        raise BadInput(f"{path} cannot be written: {problem.strerror}", hint=f"ls -ld {path.parent}") from None


def _object(report: "Report") -> dict[str, Any]:
    return {
        "office": report.target.office, "lab": report.target.lab, "worst": report.worst.word, "at": round(report.at, 1),
        "took_s": round(report.took_s, 1), "problem": report.problem,
        "findings": [one.as_object() | _borne(report, at) for at, one in enumerate(report.findings)],
    }  # fmt: skip


def _borne(report: "Report", at: int) -> dict[str, Any]:
    one = report.borne.get(at)
    return {"ignored": {"because": one.because, "until": one.until.isoformat(), "by": one.by}} if one else {}


def _show(console: Console, reports: "list[Report]") -> None:
    """Each office: what is not well in full, the rest as a count; printed at once, for a print costs more than its lines."""
    from rich.console import Group
    from rich.text import Text

    from provisioner.cli.progress import took
    from provisioner.cli.verify import MARKS
    from provisioner.language import translator

    say = translator(spoken())
    named = [one for one in reports if len(reports) <= MANY or one.problem or any(f.level.word not in WELL for f in one.findings)]
    lines: list[Text] = []
    for report in named:
        mark, style = MARKS[report.worst.word]
        place = office_name(report.target.office, lab=report.target.lab)
        lines.append(Text.assemble((f"{mark} {place}", f"bold {style}"), f"  {clock(report.at)}", took(report.took_s)))
        if report.problem:
            lines.append(Text(f"  {shown(report.problem)}", "red"))
        for at, finding in enumerate(report.findings):
            if finding.level.word not in WELL:
                lines += _finding(say, finding, report.borne.get(at))
        well = report.well + sum(one.level.word == "ok" for one in report.findings)
        if well:
            lines.append(Text(f"  ✓ {many(well, 'thing')} well", "green"))
    if others := len(reports) - len(named):
        lines.append(Text(f"✓ {many(others, 'office')} more, where all is well", "green"))
    console.out.print(Group(*lines), soft_wrap=True)


def clock(moment: float) -> str:
    """A moment (s since 1970) by this laptop's time."""
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M")


def _finding(say: Any, finding: "Finding", borne: Any) -> "Iterator[Text]":
    from rich.text import Text

    from provisioner.cli.verify import MARKS
    from provisioner.language import evidence

    mark, style = MARKS[finding.level.word]
    sentence = shown(say(finding.sentence, **finding.values))
    yield Text(f"  {mark} {sentence}", "dim" if borne else style)
    if borne:
        yield Text(f"      borne until {borne.until.isoformat()} by {shown(borne.by)}: {shown(borne.because)}", "dim")
    elif finding.evidence:
        yield Text(shown(f"      {evidence.told(say, finding.evidence)}"), "dim")
