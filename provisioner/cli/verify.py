"""`verify`: the office tried from its user's seat."""

from typing import TYPE_CHECKING

import click

from provisioner.cli.common import Console, lab_option, office_argument, office_name, plug, shown, verb
from provisioner.cli.completion import complete_check, complete_host
from provisioner.language.terminal import spoken, word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provisioner.findings import Finding
    from provisioner.verify import Report

MARKS = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "unknown": ("?", "red"),
    "critical": ("✗", "red"),
    "not_applicable": ("–", "dim"),
}
PASSED = {"passed": "passed", "partial": "what was tried passed; the rest was not tried"}


@verb("verify", writes=True)
@office_argument
@click.option(
    "--host",
    metavar="HOST",
    default="",
    shell_complete=complete_host,
    help="The desktop to sit down at; otherwise the office's first.",
)
@click.option("--reboot", is_flag=True, help="Restart every machine, then try everything again.")
@click.option(
    "--only",
    metavar="CHECK",
    multiple=True,
    shell_complete=complete_check,
    help="Try this alone, as after a repair; repeat it. No record rests on it.",
)
@lab_option
@click.option("--no-commit", is_flag=True, help="Leave the result's summary uncommitted.")
def verify(console: Console, office: str, host: str, reboot: bool, only: tuple[str, ...], lab: bool, no_commit: bool) -> int:
    """Try OFFICE as its people will: a witness logs in, saves, prints, writes, restores; then is removed.

    Exits 7 when something fails or is not known. The result is kept; `record new` makes the hand-over record from it.
    """
    from provisioner import verify as workflow
    from provisioner.cli.progress import Watch
    from provisioner.errors import BadInput
    from provisioner.operation.selection import prepare
    from provisioner.verify.table import CHECKS, EVERY, FIRST, LAST

    known = [part.name for part in EVERY]
    if unknown := [check for check in only if check not in known]:
        raise BadInput(f"no check is called {unknown[0][:40]!r}", hint=f"one of {', '.join(known)}")
    target = console.target(office, lab)
    plug(target)
    selection = prepare(target)
    total = (len(FIRST) + len(CHECKS) + len(LAST)) * (2 if reboot else 1) + reboot
    watch = Watch(console, f"verify {office}", total)
    with watch.showing():
        report = workflow.verify(
            selection, host=host, reboot=reboot, only=only, watch=watch, say=console.say, commit=not no_commit
        )
    data = {
        "office": office,
        "verb": "verify",
        "lab": lab,
        "run": report.run_id,
        "status": report.status,
        "unreachable": report.unreachable,
        "findings": [finding.as_object() for finding in report.findings],
        "summary": str(report.kept),
        "audit_differs": report.audit_differs,
        "took_s": round(report.took_s, 1),
    }
    console.result(data, lambda: show(console, report, office, spoken(), lab))
    return 5 if report.unreachable else 7 if report.status == "failed" or report.audit_differs else 0


def show(console: Console, report: "Report", office: str, lang: str, lab: bool) -> None:
    """Everything that was tried, and what it amounts to."""
    from rich.text import Text

    from provisioner.cli.progress import took
    from provisioner.language import translator

    say = translator(spoken())
    show_findings(console, report.findings, lang)
    bad = sum(finding.level.word in ("critical", "unknown") for finding in report.findings)
    words = (
        (say.ngettext("{number} of {all} failed", "{number} of {all} failed", bad, all=len(report.findings)), "red")
        if report.status == "failed"
        else (word(PASSED[report.status]), "green")
    )
    console.out.print(Text.assemble(f"\nverify {office_name(office, lab=lab)}: ", words, took(report.took_s)))
    following = "record new" if report.status != "partial" else "verify"
    console.out.print(Text(f"next: provisioner {following} {office}{' --lab' if lab else ''}", "cyan"))


def show_findings(console: Console, findings: "Iterable[Finding]", lang: str) -> None:
    """One line for each thing that was tried, with what was seen below those that are not well."""
    from rich.text import Text

    from provisioner.language import evidence, translator
    from provisioner.verify.table import TITLES

    say = translator(lang)
    last = ""
    for finding in findings:
        if finding.check != last:
            console.out.print(Text(shown(say(TITLES.get(finding.check, finding.check))), "bold"))
            last = finding.check
        mark, style = MARKS[finding.level.word]
        console.out.print(Text(f"  {mark} {shown(say(finding.sentence, **finding.values))}", style), soft_wrap=True)
        if finding.level.word in ("critical", "unknown", "warning"):
            for line in evidence.told(say, finding.evidence).splitlines()[:12]:
                console.out.print(Text(f"      {shown(line)}", "dim"), soft_wrap=True)
