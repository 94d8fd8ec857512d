"""Findings on an office's website: the law, its HTML, its links, who cannot see it, its weight."""

from typing import TYPE_CHECKING

from provisioner.findings import Finding, Level
from provisioner.language import N_
from provisioner.website import facts, pages, releases
from provisioner.website.builder import Refused, build, checks

if TYPE_CHECKING:
    from provisioner.inventory.target import Target
    from provisioner.website.builder.problems import Problem

GOOD = {
    "pages": N_("Every page can be built."),
    "law": N_("The legal pages say all that the law asks for."),
    "html": N_("The HTML of every page is in order."),
    "links": N_("Every link leads somewhere, and nothing is loaded from elsewhere."),
    "accessibility": N_("Languages, headings, descriptions and labels are there."),
    "weight": N_("The home page weighs {size} kB with its picture, in {count} requests before it shows."),
}
PARTS = {code: part for part, codes in checks.CHECKS.items() for code in codes} | {
    "law_missing": "law", "law_advised": "law", "no_law": "law", "no_law_language": "law", "no_picture_text": "accessibility",
    "no_link": "links", "no_address": "links", "no_part": "links",
}  # fmt: skip


def check(target: "Target", language: str) -> list[Finding]:
    """Build an office's site and judge it; sentences in `language`.

    Raises:
        BadInput: the dossier cannot be read, or has no website.
    """
    try:
        made = build(facts(target), pages(target), releases(target), target.state / "website-cache")
    except Refused as refused:
        found = [_finding(one, language) for one in refused.problems]
        return found + [
            Finding(f"website_{part}", Level.UNKNOWN, N_("Not looked at: the site cannot be built yet."))
            for part in ("html", "links", "accessibility", "weight")
            if not any(one.check == f"website_{part}" for one in found)
        ]
    found = [_finding(one, language) for one in (*made.warnings, *checks.judge(made.folder))]
    size, count = checks.weight(made.folder)
    told = {"size": round(size / 1000), "count": count}
    bad = {one.check for one in found}
    return found + [
        Finding(f"website_{part}", Level.OK, sentence, told if part == "weight" else {})
        for part, sentence in GOOD.items()
        if f"website_{part}" not in bad
    ]


def _finding(one: "Problem", language: str) -> Finding:
    level = Level.WARNING if one.warning else Level.CRITICAL
    return Finding(f"website_{PARTS.get(one.code, 'pages')}", level, one.sentence(language), about=one.file)
