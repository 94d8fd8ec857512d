"""The status page: offices, one office, an office's page for its client, runbooks. Nothing runs in a browser."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.alerting import Described
from provisioner.check.table import TITLES
from provisioner.endpoint import environment
from provisioner.findings import Finding, Level
from provisioner.inventory.target import Target
from provisioner.language import N_, translator, typeset
from provisioner.laptop.installed import runbooks
from provisioner.monitor.curves import HEIGHT, WIDTH, curve
from provisioner.monitor.watch import Report, Row

TEMPLATES = Path(__file__).parent / "templates"
ZONE = "Europe/Paris"  # whose time of day is shown
REFRESH_S = 60
LINES = 300  # offices on the page; the others are found by their name
OLD_S = 3 * 86400  # as the rule OfficeNotChecked
WORDS: Mapping[Level | None, str] = {
    Level.OK: N_("well"), Level.WARNING: N_("to be looked at"), Level.UNKNOWN: N_("not known"), Level.CRITICAL: N_("critical"),
    Level.NOT_APPLICABLE: N_("does not apply"), None: N_("never looked at"),
}  # fmt: skip
MARKS: Mapping[Level | None, str] = {
    Level.OK: "✓", Level.WARNING: "!", Level.UNKNOWN: "?", Level.CRITICAL: "✗", Level.NOT_APPLICABLE: "–", None: "?"
}  # fmt: skip
SUBJECT = re.compile(r"[a-z]{1,30}")


@dataclass(frozen=True, slots=True)
class Curve:
    """A picture with what it shows in words: the first and the last value."""

    title: str
    points: str
    told: str


def status(
    rows: Sequence[Row],
    worst: Callable[[Sequence[str]], Mapping[str, Finding]],
    *,
    language: str,
    search: str,
    still: bool,
    now: float,
) -> str:
    """Every office in a line, the worst first, with what `worst` finds in those shown.

    `search` leaves those whose name, organisation or town has it.
    """
    found = [
        row for row in rows if search.casefold() in f"{row.office.name} {row.office.organisation} {row.office.city}".casefold()
    ]
    counts = {
        level: sum(row.level == level for row in rows) for level in (Level.CRITICAL, Level.UNKNOWN, Level.WARNING, Level.OK, None)
    }
    return _page(
        "status.html", language, rows=found[:LINES],
        worst=worst([row.office.name for row in found[:LINES]]), more=len(found) - LINES, counts=counts, all=len(rows),
        search=search, still=still, now=now, refresh=0 if still else REFRESH_S,
    )  # fmt: skip


def office(one: Described, report: Report | None, history: "History", *, language: str, client: str, now: float) -> str:
    """All that the last round found in an office, with the numbers of the last weeks."""
    return _page(
        "office.html", language, office=one, report=report, curves=curves(history, language), client=client, now=now,
        refresh=REFRESH_S,
        findings=sorted(report.counted, key=lambda pair: (-pair[0].level, pair[0].check)) if report else [],
    )  # fmt: skip


def client(one: Described, report: Report | None, history: "History", *, language: str, now: float) -> str:
    """What a client sees of their own office: each subject in a word; no machine's words, no address."""
    subjects: dict[str, Level] = {}
    for finding, counts in report.counted if report else ():
        if counts and finding.level > Level.NOT_APPLICABLE:
            subjects[finding.check] = max(finding.level, subjects.get(finding.check, Level.OK))
    worst = max(subjects.values(), default=None)
    return _page(
        "client.html", language, office=one, report=report, subjects=sorted(subjects.items(), key=lambda pair: -pair[1]),
        worst=worst,
        curves=curves({"": history.get("", {})}, language), now=now, refresh=REFRESH_S,
    )  # fmt: skip


def runbook(subject: str, language: str) -> str | None:
    """A runbook as a page, each alert with an anchor; None where there is no such."""
    from markdown_it import MarkdownIt

    path = runbooks() / f"{subject}{'.fr' if language == 'fr' else ''}.md"
    if not SUBJECT.fullmatch(subject) or not path.is_file():
        return None
    text = re.sub(r"^\*\[.*\)\*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)  # to the other language's file
    made = MarkdownIt("commonmark", {"html": False}).render(text)
    if language == "fr":
        made = "".join(part if part.startswith("<code") else typeset(part, "fr") for part in re.split(r"(<code.*?</code>)", made))
    body = re.sub(r"<h2>([A-Za-z]+)</h2>", lambda found: f'<h2 id="{found[1].lower()}">{found[1]}</h2>', made)
    return _page("runbook.html", language, body=body, subject=subject, refresh=0)


History = Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]  # host -> what -> (s since 1970, value)


def curves(history: History, language: str) -> list[Curve]:
    """A picture of each number that was measured at least twice."""
    say = translator(language)
    made = []
    for host, numbers in history.items():
        for what, points in numbers.items():
            if len(points) < 2:
                continue
            if host:
                first, last = (say(N_("{number} GB"), number=points[at][1] / 1e9) for at in (0, -1))
                told = say(N_("from {first} on {day} to {last}"), first=first, last=last, day=say.day(_day(points[0][0])))
                where = what.partition(":")[2]
                made.append(Curve(say(N_("Free on {where} of {host}"), where=where, host=host), curve(points, low=0.0), told))
            else:
                told = say(N_("now: {state}"), state=say(WORDS[Level(int(points[-1][1]))]))
                made.insert(0, Curve(say(N_("The worst of each round")), curve(points, low=0.0, high=3.0), told))
    return made


def _day(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _page(template: str, language: str, **data: Any) -> str:
    say = translator(language)

    def sentence(finding: Finding) -> str:
        return say(finding.sentence, finding.values)

    return environment(TEMPLATES).get_template(template).render(
        data, _=say, N_=N_, say=say, ngettext=say.ngettext, language=language, words=WORDS, marks=MARKS, titles=TITLES,
        sentence=sentence,
        width=WIDTH, height=HEIGHT, OLD_S=OLD_S, zone=ZONE,
    )  # fmt: skip


def history(target: Target) -> History:
    """What was measured of an office's hosts in the last weeks."""
    from provisioner.check import store

    with store.store() as file:
        return store.samples(file, target)
