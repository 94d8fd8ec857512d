"""`bulletin`: one page a month for the client: 13 questions with their evidence, what was done, what is to be decided."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from provisioner import documents
from provisioner.check import ignored, store
from provisioner.check.questions import ACT, GOOD, Answer, Evidence, answers
from provisioner.errors import BadInput
from provisioner.findings import Finding, Level
from provisioner.inventory import open_inventory
from provisioner.language import N_, Translator, of_locale, translator
from provisioner.laptop import disk
from provisioner.runs import audit

if TYPE_CHECKING:
    from provisioner.inventory.dossier import Office
    from provisioner.inventory.resellers import Reseller
    from provisioner.inventory.target import Target

TO_DECIDE = ("disks", "support", "warranty", "drives", "arrays", "power", "memory", "restart")
SOON_DAYS = 90  # before the end of a printer's warranty, as of a machine's (`subjects/ends.py`)
WELL = ("changed", "unchanged", "passed", "partial")
# How much a page bears: answers and lines in signs, lines of each list; the next where the one before is two pages.
SIZES = ((150, 6), (110, 5), (80, 4), (60, 3), (44, 2))
DONE = {
    "apply": N_("Installation brought up to what was agreed: {count}."),
    "update": N_("Security updates installed by us: {count}."),
    "verify": N_("Office tried as you use it: {count}."),
    "backup": N_("Backups started by hand: {count}."),
    "backup restore": N_("Files restored from a backup: {count}."),
    "router push": N_("Router set up: {count}."),
    "router backup": N_("Router's configuration saved: {count}."),
    "remote open": N_("Maintenance from afar, by the way in that you can close: {count}."),
    "monitor silence": N_("Our watch of your office silenced for maintenance: {count}."),
    "website deploy": N_("Website published: {count}."),
}


@dataclass(frozen=True)
class Bulletin:
    """One on disk."""

    office: str
    month: str
    pdf: Path
    html: Path
    counts: Mapping[str, int]  # good, act, unknown: how many questions


def month_of(text: str, today: date) -> str:
    """The month that was asked for, as `2026-11`; the one before today's where none was.

    Raises:
        BadInput: it is none, or not yet.
    """
    if not text:
        return f"{today.year - (today.month == 1)}-{(today.month - 2) % 12 + 1:02}"
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise BadInput(f"{text[:40]!r} is no month", hint="as 2026-11") from None
    if first > today:
        raise BadInput(f"{text} has not begun", hint="a month that has")
    return text


def make(
    target: "Target", *, month: str = "", language: str = "", to: Path | None = None, now: datetime | None = None
) -> Bulletin:  # fmt: skip
    """Write an office's bulletin as PDF and HTML.

    Args:
        target: the office, or its lab.
        month: as `2026-11`; the one before this unless given.
        language: `fr` or `en`; the office's own unless given.
        to: a folder; `bulletins` of the office's state folder unless given.
        now: the moment it is made at.

    Raises:
        BadInput: no such month; the checks' memory or what is borne is damaged.
    """
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    moment = now or datetime.now(UTC)
    wanted = month_of(month, moment.astimezone(ZoneInfo(office.timezone)).date())
    with store.store() as file:
        try:
            report = store.kept(file, target)
        except (KeyError, TypeError, ValueError):
            raise BadInput("what the last check found cannot be read", hint=f"provisioner check {target.words}") from None
    source, pdf = "", b""
    found: list[Answer] = []
    for signs, lines in SIZES:
        source, found = page(
            target, office, inventory.reseller(office.reseller), report, wanted, language or of_locale(office.language), moment,
            signs=signs, lines=lines,
        )  # fmt: skip
        pdf, pages = documents.printed(source)
        if pages == 1:
            break
    folder = to or target.state / "bulletins"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{target.office}-{wanted}{'-lab' if target.lab else ''}"
    places = folder / f"{name}.pdf", folder / f"{name}.html"
    disk.write(places[0], pdf, mode=0o600)
    disk.write(places[1], source, mode=0o600)
    words = [one.word for one in found]
    return Bulletin(target.office, wanted, *places, {word: words.count(word) for word in (GOOD, ACT, "unknown")})


def page(
    target: "Target", office: "Office", reseller: "Reseller", report: store.Kept | None, month: str, language: str,
    now: datetime, *, signs: int, lines: int,
) -> tuple[str, list[Answer]]:  # fmt: skip
    """The page as HTML, and the answers on it; texts of `signs` and lists of `lines` at most."""
    say, today = translator(language), now.date()
    findings = report.findings if report else ()
    borne = ignored.borne(findings, ignored.read(target), today)
    summaries = list(_summaries(target.summaries))
    counted = [one for at, one in enumerate(findings) if at not in borne]
    found = answers(Evidence(office, counted, _verified(summaries), _restored(summaries), now.timestamp()))
    done = _done(say, _of_month(summaries, month, office.timezone))
    decide = [*_decisions(say, office, counted, today), *_borne(say, findings, borne)]
    made = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    name = say(N_("Bulletin"))
    html = documents.html(
        "bulletin.html",
        language,
        {
            "organisation": clipped(office.organisation.name, signs), "author": clipped(reseller.organisation.name, signs),
            "month": month, "day": documents.day_of(made, office.timezone),
            "rows": [_row(say, one, office.timezone, signs) for one in found],
            "good": sum(one.word == GOOD for one in found), "act": sum(one.word == ACT for one in found),
            "done": _cut(say, done, lines, signs), "decide": _cut(say, decide, lines, signs),
            "checked": documents.day_of(_iso(report.at), office.timezone) if report else "",
            "help": [{key: clipped(value, 40) for key, value in one.items()} for one in reseller.contacts()[:2]],
        },
        title=f"{name} {month} – {clipped(office.organisation.name, 60)}",
        running=f"{name} {month} · {office.name}",
        lab=target.lab,
        made=made,
    )  # fmt: skip
    return html, found


def clipped(text: str, signs: int) -> str:
    """A text of at most so many signs, with an ellipsis where it was longer."""
    return text if len(text) <= signs else text[: signs - 1].rstrip() + "…"


def _row(say: Translator, one: Answer, zone: str, signs: int) -> dict[str, str]:
    told = say(one.sentence, one.values)
    if one.more:
        more = say(N_("(and {count} more)"), count=one.more)
        told = f"{clipped(told, signs - len(more) - 1)} {more}"
    return {
        "question": one.question, "word": one.word, "answer": clipped(told, signs),
        "day": documents.day_of(_iso(one.at), zone) if one.at else "",
    }  # fmt: skip


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _cut(say: Translator, texts: Sequence[str], lines: int, signs: int) -> list[str]:
    """As many lines as there is room for; how many are left out is the last of them."""
    if len(texts) > lines:
        texts = [*texts[: lines - 1], say(N_("and {count} more"), count=len(texts) - lines + 1)]
    return [clipped(text, signs) for text in texts]


# ------------------------------------------------------------------------------------------- the audit


def _summaries(folder: Path) -> Iterator[dict[str, Any]]:
    """The audit's runs that can be read, the oldest first; `runs check` is who judges the others."""
    for path in audit.summaries(folder):
        try:
            yield audit.read(path.read_bytes())
        except (OSError, ValueError):
            continue


def _verified(summaries: Sequence[Mapping[str, Any]]) -> list[Finding]:
    for one in reversed(summaries):
        if one.get("verb") == "verify":
            try:
                return [Finding.of(said) for said in one.get("findings", ())]
            except (KeyError, TypeError, ValueError):
                return []
    return []


def _restored(summaries: Sequence[Mapping[str, Any]]) -> float:
    good = [one for one in summaries if one.get("verb") == "backup restore" and one.get("status") in WELL]
    return max((datetime.fromisoformat(one["started"]).timestamp() for one in good), default=0.0)


def _of_month(summaries: Sequence[Mapping[str, Any]], month: str, zone: str) -> list[Mapping[str, Any]]:
    there = ZoneInfo(zone)
    return [one for one in summaries if f"{datetime.fromisoformat(one['started']).astimezone(there):%Y-%m}" == month]


def _done(say: Translator, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was done, a line a verb, with the last day and how many did not go well; a verb without words is told by its name."""
    found = []
    for verb in dict.fromkeys(str(one.get("verb", "")) for one in runs):
        these = [one for one in runs if one.get("verb") == verb]
        told = say(DONE[verb], count=len(these)) if verb in DONE else say(N_("{verb}: {count}."), verb=verb, count=len(these))
        last = say(N_("Last: {day}."), day=date.fromisoformat(str(these[-1]["started"])[:10]))
        failed = sum(one.get("status") not in WELL for one in these)
        bad = say(N_("Not to the end: {count}."), count=failed) if failed else ""
        packages = sum(
            len(host.get("installed", ()))
            for one in these
            for host in (one.get("update") or {}).values()
            if isinstance(host, dict)
        )
        came = say(N_("Packages: {count}."), count=packages) if packages else ""
        found.append(" ".join(filter(None, (told, came, last, bad))))
    return found


# ------------------------------------------------------------------------------------------- decisions


def _decisions(say: Translator, office: "Office", findings: Sequence[Finding], today: date) -> list[str]:
    """What only the client can decide: ends of warranty and support, disks that fill, hours for restarts; the worst first."""
    found = sorted((one for one in findings if one.check in TO_DECIDE and one.level > Level.OK), key=lambda one: -one.level)
    lines = [say(one.sentence, one.values) for one in found if one.check != "restart"]
    if not office.maintenance and any(one.check == "restart" for one in found):
        lines.append(say(N_("Machines wait for a restart: tell us at which hours they may be restarted.")))
    for name, printer in office.printers.items():
        if (end := printer.warranty_end) and (end - today).days < SOON_DAYS:
            told = N_("The warranty of {host} ended on {end}.") if end < today else N_("{host} is under warranty until {end}.")
            lines.append(say(told, host=name, end=end.isoformat()))
    return lines


def _borne(say: Translator, findings: Sequence[Finding], borne: Mapping[int, ignored.Ignored]) -> list[str]:
    """What somebody decided to bear, and until when."""
    return [
        say(N_("Borne until {until} ({because}):"), until=one.until, because=one.because)
        + f" {say(findings[at].sentence, findings[at].values)}"
        for at, one in borne.items()
    ]
