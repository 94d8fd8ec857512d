"""The pages to begin with, from the dossier; what is there already stays as it is."""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner.errors import BadInput
from provisioner.laptop import disk
from provisioner.website import facts, pages
from provisioner.website.builder import problems, source

if TYPE_CHECKING:
    from provisioner.inventory.target import Target

ONCE = ("home", "news", "contact", "hours", "services", "legal_notice", "privacy", "accessibility")


def lacking(target: "Target", languages: Sequence[str] = (), *, today: date) -> dict[str, str]:
    """The pages that an office's site lacks, in its own language and the others named: their texts by file; nothing is written.

    A page of a kind that is there under another name is not written again; the first piece of news only with the news' page.

    Raises:
        BadInput: the dossier has no website, or there is no such language.
    """
    told = facts(target)
    known = problems.languages()
    for language in (told["language"], *languages):
        if language not in known:
            raise BadInput(f"there are no pages in the language '{language}'", hint=f"one of {', '.join(known)}")
    folder = pages(target)
    there = _kinds(folder, told["language"]) if folder.is_dir() else set()
    wanted: dict[str, str] = {}
    for language in dict.fromkeys((told["language"], *languages)):
        own = language == told["language"]
        for starter in problems.texts(language)["pages"]:
            name = starter["file"] if own else starter["file"].replace(".md", f".{language}.md")
            text = _filled(starter["text"], told, today)
            page, _ = source.page_of(name, text.encode(), told["language"])
            kind = "news" if page.date else page.kind
            if (kind, language) in there or (folder / name).exists():
                continue
            wanted[name] = text
    return wanted


def write(target: "Target", wanted: dict[str, str]) -> list[Path]:
    """Write what `lacking` found; the files' paths."""
    folder = pages(target)
    for name, text in wanted.items():
        disk.make((folder / name).parent)
        disk.write(folder / name, text, mode=0o644)
    return [folder / name for name in wanted]


def _filled(text: str, told: dict[str, Any], today: date) -> str:
    """The starter's places filled in one pass: a client's text is data, and nothing in it is a place."""
    words = {"title": told["title"], "city": told["address"]["city"], "today": today.isoformat()}
    return re.sub(r"\{(title|city|today)\}", lambda place: str(words[place[1]]), text)


def _kinds(folder: Path, default: str) -> set[tuple[str, str]]:
    """Which kinds of page there are, in which language."""
    entries, _ = source.walk(folder)
    found = set()
    for one in entries:
        if one.name.lower().endswith(".md") and one.size <= source.PAGE_LIMIT:
            page, _ = source.page_of(one.name, one.path.read_bytes(), default)
            if page.kind in ONCE:
                found.add((page.kind, page.language))
    return found
