"""Pages as a site: each with an address of its own, its translations, the menu; every link led to what it means."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import law
from .problems import Problem, problem, texts
from .source import Page, slug

ONE_OF_A_KIND = ("home", "news", "contact", "hours", *law.PAGES)
RESERVED = ("assets", "contact-form", "calendar", ".well-known", "404.html", "feed.xml", "sitemap.xml", "robots.txt")


@dataclass
class Meta:
    """What a page's text needs of the rest, as kept between two builds: names of pictures and files, its links, its headings."""

    pictures: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    pages: list[tuple[str, str, int]] = field(default_factory=list)  # file, heading, line
    links: list[tuple[str, int]] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass
class Site:
    """All pages, with what they share."""

    facts: Mapping[str, Any]
    pages: list[Page]
    language: str
    by_file: dict[str, Page] = field(default_factory=dict)

    @property
    def languages(self) -> list[str]:
        """The languages there are pages in; the site's own first."""
        return [self.language, *sorted({page.language for page in self.pages} - {self.language})]

    def of_kind(self, kind: str, language: str) -> Page | None:
        """The one page of a kind in a language."""
        return next((page for page in self.pages if page.kind == kind and page.language == language), None)

    def start(self, language: str) -> str:
        """The address of a language's home page."""
        return "/" if language == self.language else f"/{language}/"

    def menu(self, language: str) -> list[Page]:
        """The pages of the menu, in its order."""
        chosen = [page for page in self.pages if page.language == language and page.menu is not None]
        return sorted(chosen, key=lambda page: (page.menu, page.url))

    def news(self, language: str) -> list[Page]:
        """The pages with a date, the newest first."""
        dated = sorted((page for page in self.pages if page.language == language and page.date), key=lambda page: page.url)
        return sorted(dated, key=lambda page: page.date, reverse=True)

    def translations(self, page: Page) -> list[Page]:
        """The same page in each language, itself included; empty where there is only one."""
        order = {language: n for n, language in enumerate(self.languages)}
        same = [other for other in self.pages if other.stem == page.stem]
        return sorted(same, key=lambda other: order[other.language]) if len(same) > 1 else []


def assemble(facts: Mapping[str, Any], pages: list[Page]) -> tuple[Site, list[Problem]]:
    """Give each page its address, and add the lawful pages that nobody wrote."""
    language = facts["language"]
    site = Site(facts, pages, language)
    wrong: list[Problem] = []
    for one in site.languages:
        if not site.of_kind("home", one):
            file = "index.md" if one == language else f"index.{one}.md"
            wrong.append(problem(file, 0, "no_home" if one == language else "no_translation", language=one, file=file))
    for one in list(site.languages):
        for kind in law.PAGES:
            if not site.of_kind(kind, one):
                pages.append(_lawful(kind, one))
    seen: dict[str, Page] = {}
    kinds: dict[tuple[str, str], Page] = {}
    for page in pages:
        page.url = _url(site, page)
        first = page.url.removeprefix(site.start(page.language)).split("/")[0]
        if first in RESERVED or (page.language == language and first in set(site.languages) - {language}):
            wrong.append(problem(page.file, page.lines.get("address", 0), "reserved_address", address=page.url))
        if (other := seen.setdefault(page.url, page)) is not page:
            wrong.append(problem(page.file, page.lines.get("address", 0), "same_address", other=other.file, address=page.url))
        if page.kind in ONE_OF_A_KIND and (twin := kinds.setdefault((page.kind, page.language), page)) is not page:
            wrong.append(problem(page.file, page.lines.get("kind", 0), "same_kind", other=twin.file))
    site.by_file = {page.file: page for page in pages}
    return site, wrong


def _lawful(kind: str, language: str) -> Page:
    """A page that the law asks for, whoever took its file away."""
    page = Page(f"({kind})", language, kind, b"", kind=kind)
    starter = next(one for one in texts(language)["pages"] if f": {kind}\n" in one["text"])
    words = dict(line.split(": ", 1) for line in starter["text"].splitlines() if ": " in line)
    names = texts(language)["keys"]
    told = {names.get(key, key): value for key, value in words.items()}
    page.title, page.stem = told["title"], starter["file"].removesuffix(".md")
    page.address = told.get("address", slug(page.stem))
    return page


def _url(site: Site, page: Page) -> str:
    start = site.start(page.language)
    if page.kind == "home" and not page.address:
        return start
    if page.address:
        return f"{start}{page.address}/"
    parts = [slug(part) or "page" for part in page.stem.split("/")]
    if parts[-1] == "index" and len(parts) > 1:
        parts.pop()
    return f"{start}{'/'.join(parts)}/"


def links(site: Site, metas: Mapping[str, Meta], files: Mapping[str, str]) -> Iterator[Problem]:
    """Every link that leads nowhere; `files` are the attached files' addresses by name."""
    by_url = {page.url: page for page in site.pages}
    known = {f"/{address}" for address in files.values()} | {"/feed.xml", "/sitemap.xml"}
    for page in site.pages:
        meta = metas.get(page.file, Meta())
        for name, part, line in meta.pages:
            if part and part not in metas.get(name, Meta()).headings:
                yield problem(page.file, line, "no_part", address=f"{name}#{part}")
        for address, line in meta.links:
            path, _, part = address.partition("#")
            target = by_url.get(path if path.endswith("/") else f"{path}/") if path else page
            if target is None and posixpath.normpath(path) not in known:
                yield problem(page.file, line, "no_address", address=address)
            elif target is not None and part and part not in metas.get(target.file, Meta()).headings:
                yield problem(page.file, line, "no_part", address=address)


def address_of(site: Site, files: Mapping[str, str], name: str) -> str:
    """The address of a page or an attached file, from its name in the folder."""
    page = site.by_file.get(name)
    return page.url if page else f"/{files[name]}"
