"""The law of the country an organisation is in: what must be known before a page is published, and the lawful pages' texts."""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .problems import Problem, problem

if TYPE_CHECKING:
    from jinja2 import Environment

LAW = Path(__file__).parent / "law"
PAGES = ("legal_notice", "privacy", "accessibility")


@lru_cache
def of(country: str) -> Any:
    """What the file of a country says; None where there is none."""
    import yaml

    path = LAW / f"{country.lower()}.yml"
    if not (country.isalpha() and path.is_file()):
        return None
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are the safe one


def form(law: Mapping[str, Any], legal_form: str) -> str:
    """Which of a law's groups of legal forms this one is in; empty for none, as an association."""
    plain = unicodedata.normalize("NFKD", legal_form.casefold()).encode("ascii", "ignore").decode()
    first = plain.split(" ", maxsplit=1)[0]
    fits = [
        (len(begin), group)
        for group, begins in law["forms"].items()
        for begin in begins
        if first == begin or (len(begin) > 4 and plain.startswith(begin))
    ]
    return str(max(fits)[1]) if fits else ""


def bound(law: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether the law asks this organisation for a statement of accessibility."""
    return form(law, facts["organisation"]["legal_form"]) in law["accessibility"]


def judge(facts: Mapping[str, Any], languages: list[str], titles: Mapping[str, str]) -> list[Problem]:
    """What the dossier lacks, each with its law and the line where it would stand; `titles` are the lawful pages' by kind."""
    where, lines = facts["file"], facts["lines"]
    country = facts["organisation"]["address"]["country"]
    law = of(country)
    if law is None:
        return [problem(where, _line(lines, "organisation.address"), "no_law", country=country, file=f"{country.lower()}.yml")]
    found = [
        problem(where, _line(lines, "language"), "no_law_language", country=country, language=language)
        for language in languages
        if language not in law["texts"]
    ]
    group = form(law, facts["organisation"]["legal_form"])
    for rule in law["requires"]:
        if ("when" not in rule or group in rule["when"]) and not value(facts, rule["field"]):
            advised = rule.get("advised", False)
            field = facts.get("fields", {}).get(rule["field"], rule["field"])
            at = facts.get("files", {}).get(rule["field"], where)
            found.append(
                problem(
                    at, _line(lines, field) if at == where else 0, "law_advised" if advised else "law_missing",
                    warning=advised, field=field, page=titles[rule["page"]], source=rule["source"],
                )
            )  # fmt: skip
    return found


def value(facts: Mapping[str, Any], field: str) -> Any:
    """What the facts say of a field of a law: those of `website` stand at their top."""
    found: Any = facts
    for part in field.removeprefix("website.").split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _line(lines: Mapping[str, int], field: str) -> int:
    """The line of a field, or of the nearest section around it."""
    while field and field not in lines:
        field = field.rpartition(".")[0]
    return lines.get(field, 1)


def text(kind: str, facts: Mapping[str, Any], language: str, env: "Environment", words: Mapping[str, Any]) -> str:
    """The HTML of one lawful page, filled with the facts; everything in them is escaped."""
    law = of(facts["organisation"]["address"]["country"])
    group = form(law, facts["organisation"]["legal_form"])
    siren = facts["organisation"].get("siren", "")
    stated = {"audited": None, "auditor": "", "rate": None, "gaps": [], "plan": None} | (facts.get("accessibility") or {})
    page = env.from_string(law["texts"][language][kind]).render(
        f=facts,
        a=stated,
        person=group == "person",
        public=group == "public",
        bound=bound(law, facts),
        status=words["words"][stated.get("status", "none")],
        audited=day(str(stated.get("audited") or ""), words),
        siren=f"{siren[:3]} {siren[3:6]} {siren[6:]}",
    )
    of_day = words["words"]["text_of"].replace("{date}", day(str(law["date"]), words)).replace("{version}", law["version"])
    return "\n".join(line for line in page.splitlines() if line.strip()) + f'\n<p class="when">{of_day}</p>'


def day(iso: str, words: Mapping[str, Any]) -> str:
    """A day in words from its ISO form: « 28 novembre 2026 »."""
    if not iso:
        return ""
    year, month, number = iso.split("-")
    shown = f"{int(number)}" if words["locale"] != "fr_FR" or int(number) > 1 else "1er"
    return str(words["date"]).replace("{day}", shown).replace("{month}", words["months"][int(month) - 1]).replace("{year}", year)
