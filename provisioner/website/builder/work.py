"""The building itself: parse what is new, judge all of it, make pictures and pages, write the release."""

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import colours, feeds, law, pictures, release, source
from .memory import Memory, as_note, digest, of_note
from .pictures import Picture
from .problems import Problem, Refused, problem
from .site import Meta, Site, address_of, assemble, links
from .source import Page


def make(facts: Mapping[str, Any], out: Path, memory: Memory) -> release.Release:
    """Build what changed and write the release.

    Raises:
        Refused: every problem at once; nothing was written to `out`.
    """
    return _Work(facts, out, memory).make()


class _Work:
    def __init__(self, facts: Mapping[str, Any], out: Path, memory: Memory) -> None:
        self.facts, self.out, self.memory = facts, out, memory
        self.names = frozenset(one.name for one in memory.entries)
        self.paths = {one.name: one.path for one in memory.entries}
        self.problems: list[Problem] = [*memory.wrong, *source.judge(memory.entries)]
        self.texts: dict[str, Any] = {}  # what was parsed in this build
        self.metas: dict[str, Meta] = {}
        self.used: set[str] = set()  # names of kept pages
        self.sizes: dict[str, Any] = {}
        self.known: dict[str, Any] = memory.notes.get("metas", {}) if memory.notes.get("own") == memory.own_digest else {}

    def make(self) -> release.Release:
        pages = self._pages()
        site, wrong = assemble(self.facts, pages)
        self.problems += wrong
        files = {name: self._file(name) for meta in self.metas.values() for name in meta.attached}
        self.problems += links(site, self.metas, files)
        titles = {kind: page.title for kind in law.PAGES if (page := site.of_kind(kind, site.language))}
        self.problems += law.judge(self.facts, site.languages, titles)
        found = self._pictures(pages)
        self._stop()
        ready = self.memory.cache / "pictures"
        ready.mkdir(parents=True, exist_ok=True)
        (self.memory.cache / "pages").mkdir(exist_ok=True)
        made = {(one.digest, one.lead): one for pair in found for one in pair.values()}.values()
        self.problems += pictures.make_all([(one, self.paths[one.name]) for one in made], ready)
        self._stop()
        content = self._content(site, *found, files)
        linked = self._linked(made, ready)
        for path in [path for path in content if path.endswith(release.GZIPPED)]:
            content[f"{path}.gz"] = gzip.compress(content[path], 9, mtime=0)
        for name, path in files.items():
            content[path] = self.paths[name].read_bytes()
        warnings = tuple(sorted({one for one in self.problems if one.warning}))
        built = release.write(self.out, content, linked, warnings, len(pages))
        self._keep(built, linked)
        return built

    def _stop(self) -> None:
        if any(not one.warning for one in self.problems):
            raise Refused(one for one in self.problems if not one.warning)

    def _pages(self) -> list[Page]:
        pages = []
        for entry in self.memory.entries:
            if not entry.name.lower().endswith(".md") or entry.size > source.PAGE_LIMIT:
                continue
            page, wrong = source.page_of(entry.name, entry.path.read_bytes(), self.facts["language"])
            self.problems += wrong
            if not any(one.code == "not_utf8" for one in wrong):
                self.metas[page.file] = self._meta(page)
                self.problems += self.metas[page.file].problems
            pages.append(page)
        return pages

    def _meta(self, page: Page) -> Meta:
        """What a page's text names: from the last build where the page is the same and all it names is still there."""
        known = self.known.get(f"{page.file} {digest(page.data)}")
        if known and self.names.issuperset(known["names"]):
            meta = Meta(**{key: known[key] for key in ("pictures", "attached", "headings")})
            meta.pages = [(name, part, line) for name, part, line in known["pages"]]
            meta.links = [(address, line) for address, line in known["links"]]
            meta.problems = [of_note(note) for note in known["problems"]]
            return meta
        text = self._parsed(page)
        meta = Meta(list(dict.fromkeys(text.pictures)), list(dict.fromkeys(text.attached)), links=text.links)
        meta.problems = text.problems
        for token in text.tokens:
            if token.type == "heading_open":
                meta.headings.append(str(token.attrGet("id")))
            for child in token.children or []:
                if "page" in child.meta:
                    line = page.start + (token.map[0] if token.map else 0)
                    meta.pages.append((child.meta["page"], child.meta["part"], line))
        return meta

    def _parsed(self, page: Page) -> Any:
        from . import markdown

        if page.file not in self.texts:
            self.texts[page.file] = markdown.parse(page, self.names)
        return self.texts[page.file]

    def _file(self, name: str) -> str:
        path = Path(name)
        return f"assets/{source.slug(path.stem)[:60] or 'file'}-{self.memory.digests[name][:10]}{path.suffix.lower()}"

    def _pictures(self, pages: list[Page]) -> tuple[dict[str, Picture], dict[str, Picture]]:
        """The pictures of the texts, and those at the head of a page, by name."""
        from .markdown import beside

        heads = set()
        for page in pages:
            if not page.picture:
                continue
            line, name = page.lines.get("picture", 1), beside(page.file, page.picture)
            if name is None:
                self.problems.append(problem(page.file, line, "outside", address=page.picture))
            elif name in self.names and name.lower().endswith(source.FOREIGN):
                continue  # said of the file itself
            elif name not in self.names or not name.lower().endswith(source.PICTURES):
                self.problems.append(problem(page.file, line, "no_picture", address=page.picture))
            else:
                if not page.picture_text:
                    self.problems.append(problem(page.file, line, "no_picture_text", address=page.picture, warning=True))
                page.picture = name
                heads.add(name)
        inside = {name for meta in self.metas.values() for name in meta.pictures}
        return self._look(sorted(inside), False), self._look(sorted(heads), True)

    def _look(self, names: list[str], lead: bool) -> dict[str, Picture]:
        seen = self.memory.notes.get("sizes", {})
        found: dict[str, Picture] = {}
        for name in names:
            if name not in self.memory.digests:
                continue  # too large, said already
            sha = self.memory.digests[name]
            note = f"{name} {sha} {lead:d} {pictures.RECIPE}"
            one = Picture(**seen[note]) if note in seen else pictures.look(name, self.paths[name], sha, lead)
            if isinstance(one, Picture):
                found[name] = one
                self.sizes[note] = asdict(one)
            else:
                self.problems.append(one)
        return found

    def _content(
        self, site: Site, inside: Mapping[str, Picture], heads: Mapping[str, Picture], files: Mapping[str, str]
    ) -> dict[str, bytes]:
        css = colours.style(
            (Path(__file__).parent / "theme/style.css").read_text(encoding="utf-8"), self.facts["colour"]
        ).encode()
        style = f"assets/style-{digest(css)[:10]}.css"
        content = {style: css, "favicon.svg": colours.icon(self.facts["title"], self.facts["colour"]).encode()}
        shell = self._shell(site, style)
        renderer = None
        for page in site.pages:
            key = self._key(site, page, shell, inside, heads, files)
            kept = self.memory.cache / "pages" / key
            try:
                html = kept.read_bytes()
            except OSError:
                if renderer is None:
                    from .render import Renderer

                    renderer = Renderer(site, style)
                html = self._html(site, page, renderer, inside, heads, files).encode()
                kept.write_bytes(html)
            content[f"{page.url[1:]}index.html"] = html
            self.used.add(key)
        if renderer is None:
            from .render import Renderer

            renderer = Renderer(site, style)
        content["404.html"] = renderer.lost().encode()
        content["sitemap.xml"] = feeds.sitemap(site).encode()
        content["robots.txt"] = feeds.robots(site).encode()
        for language in site.languages:
            content[f"{site.start(language)[1:]}feed.xml"] = feeds.feed(site, language).encode()
        return content

    def _html(
        self, site: Site, page: Page, renderer: Any, inside: Mapping[str, Picture], heads: Mapping[str, Picture],
        files: Mapping[str, str],
    ) -> str:  # fmt: skip
        from . import markdown
        from .render import BODY_SIZES, picture_html

        body = markdown.render(
            self._parsed(page),
            lambda name, text: picture_html(inside[name], text, BODY_SIZES),
            lambda name: address_of(site, files, name),
            cards=page.kind == "services",
        )
        return str(renderer.page(page, body, heads))

    def _shell(self, site: Site, style: str) -> dict[str, str]:
        """The hash of what all pages of a language share: facts, style, menu, lawful pages."""
        found = {}
        for language in site.languages:
            shown = [(page.url, page.title) for page in site.menu(language)]
            shown += [(page.url, page.title) for kind in law.PAGES if (page := site.of_kind(kind, language))]
            told = [self.memory.own_digest, self.memory.facts_digest, style, language, site.languages, shown]
            found[language] = digest(json.dumps(told).encode())
        return found

    def _key(
        self, site: Site, page: Page, shell: Mapping[str, str], inside: Mapping[str, Picture], heads: Mapping[str, Picture],
        files: Mapping[str, str],
    ) -> str:  # fmt: skip
        """The hash of all that one page is made from."""
        meta = self.metas.get(page.file, Meta())
        news = site.news(page.language) if page.kind in ("home", "news") else []
        told = [
            shell[page.language], page.file, page.url, digest(page.data), page.title, page.stem,
            [[asdict(inside[name]) for name in meta.pictures], asdict(heads[page.picture]) if page.picture else None],
            [address_of(site, files, name) for name in [*(one[0] for one in meta.pages), *meta.attached]],
            [(one.language, one.url) for one in site.translations(page)],
            [(one.url, one.title, one.description, one.date) for one in news],
        ]  # fmt: skip
        return digest(json.dumps(told).encode())

    def _linked(self, made: Any, ready: Path) -> dict[str, tuple[Path, str]]:
        known = self.memory.notes.get("made", {})
        linked = {}
        for one in made:
            for path in one.files():
                file = ready / Path(path).name
                linked[path] = (file, known.get(path) or hashlib.sha256(file.read_bytes()).hexdigest())
        return linked

    def _keep(self, built: release.Release, linked: Mapping[str, tuple[Path, str]]) -> None:
        """Note what the next build need not do again, and forget what this one did not use."""
        metas = {}
        for page, meta in self.metas.items():
            told = asdict(meta)
            told["problems"] = [as_note(one) for one in meta.problems]
            told["names"] = sorted({*meta.pictures, *meta.attached, *(one[0] for one in meta.pages)})
            metas[f"{page} {self.memory.digests[page]}"] = told
        self.memory.keep(
            built.name,
            {
                "own": self.memory.own_digest,
                "metas": metas,
                "sizes": self.sizes,
                "made": {path: sha for path, (_, sha) in linked.items()},
            },
        )
        for folder, used in (("pictures", {path.name for path, _ in linked.values()}), ("pages", self.used)):
            for path in (self.memory.cache / folder).iterdir():
                if path.name not in used:
                    path.unlink()
