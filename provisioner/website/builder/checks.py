"""What a built release must hold, looked at as a browser gets it: its HTML, its links, who cannot see it, its weight."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .problems import Problem, problem

FIRST_BYTES = 60_000  # over the wire, with the picture
FIRST_REQUESTS = 3  # before the page shows
_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
_INSIDE_P = frozenset(
    (
        "p",
        "div",
        "section",
        "article",
        "table",
        "ul",
        "ol",
        "dl",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "form",
    )
)
_LABELLED = ("input", "textarea", "select")
CHECKS = {
    "html": ("html_nesting", "html_doctype", "html_twice", "html_attribute", "html_code", "html_title"),
    "links": ("dead_link", "dead_part", "elsewhere"),
    "accessibility": ("a_lang", "a_heading", "a_headings", "a_alt", "a_name", "a_label", "a_skip", "a_main"),
    "weight": ("w_bytes", "w_requests", "w_size"),
}


@dataclass
class _Found:
    ids: list[str] = field(default_factory=list)
    links: list[tuple[str, int]] = field(default_factory=list)
    files: list[tuple[str, int]] = field(default_factory=list)
    first: list[str] = field(default_factory=list)  # what a browser fetches before it shows the page
    lead: list[str] = field(default_factory=list)  # the widths of the picture seen first


class _Reader(HTMLParser):
    """Reads one page, noting what is wrong with it as it stands."""

    def __init__(self, file: str) -> None:
        super().__init__(convert_charrefs=True)
        self.file, self.found = file, _Found()
        self.problems: list[Problem] = []
        self.open: list[tuple[str, dict[str, str]]] = []
        self.levels: list[int] = []
        self.seen: set[str] = set()
        self.text: dict[int, str] = {}
        self.labels: set[str] = set()
        self.fields: list[tuple[str, int]] = []
        self.first_link = ""

    def note(self, code: str, **values: str | int) -> None:
        self.problems.append(problem(self.file, self.getpos()[0], code, warning=False, **values))

    def handle_decl(self, decl: str) -> None:
        self.seen.add(decl.lower())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if len(given) < len(attrs):
            self.note("html_attribute", tag=tag)
        if tag in _INSIDE_P and any(one == "p" for one, _ in self.open):
            self.note("html_nesting", tag=tag)
        if any(name.startswith("on") or name == "style" for name in given) or (
            tag == "script" and given.get("type") != "application/ld+json"
        ):
            self.note("html_code", tag=tag)
        if name := given.get("id"):
            if name in self.found.ids:
                self.note("html_twice", name=name)
            self.found.ids.append(name)
        self._names(tag, given)
        self._addresses(tag, given)
        self.seen.add(tag)
        if tag not in _VOID:
            self.open.append((tag, given))
            self.text[len(self.open)] = ""

    def _names(self, tag: str, given: Mapping[str, str]) -> None:
        if tag == "html" and not given.get("lang"):
            self.note("a_lang")
        if re.fullmatch("h[1-6]", tag):
            level = int(tag[1])
            if level > (self.levels[-1] if self.levels else 0) + 1:
                self.note("a_headings", tag=tag)
            self.levels.append(level)
        if tag == "img":
            if "alt" not in given:
                self.note("a_alt", file=given.get("src", ""))
            if not (given.get("width") and given.get("height")):
                self.note("w_size", file=given.get("src", ""))
            for depth in self.text:  # a picture's description names the link it is in
                self.text[depth] += given.get("alt", "")
        if tag == "label":
            self.labels.add(given.get("for", ""))
        if tag in _LABELLED and given.get("type") not in ("hidden", "submit"):
            self.fields.append((given.get("id", ""), self.getpos()[0]))

    def _addresses(self, tag: str, given: Mapping[str, str]) -> None:
        line = self.getpos()[0]
        if tag == "a" and "href" in given:
            self.first_link = self.first_link or given["href"]
            self.found.links.append((given["href"], line))
        if (tag == "link" and given.get("rel") in ("stylesheet", "icon")) or (
            tag in ("img", "script", "source") and given.get("src")
        ):
            address = given.get("src") or given.get("href", "")
            self.found.files.append((address, line))
            if given.get("rel") == "stylesheet":
                self.found.first.append(address)
        if "srcset" in given:
            widths = [part.split()[0] for part in given["srcset"].split(",")]
            self.found.files += [(one, line) for one in widths]
            self.found.lead = self.found.lead or widths
        if tag == "img" and given.get("loading") != "lazy":
            self.found.first.append(given.get("src", ""))

    def handle_data(self, data: str) -> None:
        for depth in self.text:
            self.text[depth] += data

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1][0] != tag:
            self.note("html_nesting", tag=tag)
            return
        _, given = self.open[-1]
        told = self.text.pop(len(self.open), "").strip()
        self.open.pop()
        if tag in ("a", "button") and not told and not given.get("aria-label"):
            self.note("a_name", tag=tag)
        if tag == "title" and not told:
            self.note("html_title")
        if re.fullmatch("h[1-6]", tag) and not told:
            self.note("a_name", tag=tag)

    def end(self) -> None:
        """Judge the page as a whole."""
        if "doctype html" not in self.seen:
            self.note("html_doctype")
        if "title" not in self.seen:
            self.note("html_title")
        if self.open:
            self.note("html_nesting", tag=self.open[-1][0])
        if self.levels.count(1) != 1:
            self.note("a_heading", count=self.levels.count(1))
        if "main" not in self.seen:
            self.note("a_main")
        if not self.first_link.startswith("#"):
            self.note("a_skip")
        self.problems += [problem(self.file, line, "a_label", name=name) for name, line in self.fields if name not in self.labels]


def judge(folder: Path) -> Iterator[Problem]:
    """Everything wrong with a release; nothing is fetched from anywhere."""
    readers: dict[str, _Reader] = {}
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).as_posix()
        reader = readers[name] = _Reader(name)
        reader.feed(path.read_text(encoding="utf-8"))
        reader.close()
        reader.end()
        yield from reader.problems
    for name, reader in readers.items():
        for address, line in reader.found.files:
            if urlsplit(address).scheme or address.startswith("//"):
                yield problem(name, line, "elsewhere", address=address)
            elif not (folder / unquote(address).lstrip("/")).is_file():
                yield problem(name, line, "dead_link", address=address)
        for address, line in reader.found.links:
            yield from _link(folder, readers, name, address, line)
        if name == "index.html":
            yield from _weight(folder, name, reader.found)


def _link(folder: Path, readers: Mapping[str, _Reader], name: str, address: str, line: int) -> Iterator[Problem]:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return
    path = posixpath.normpath(posixpath.join("/", posixpath.dirname(name), unquote(parts.path)))[1:] if parts.path else name
    target = path if (folder / path).is_file() else posixpath.join("" if path == "." else path, "index.html")
    if not (folder / target).is_file():
        yield problem(name, line, "dead_link", address=address)
    elif parts.fragment and target in readers and unquote(parts.fragment) not in readers[target].found.ids:
        yield problem(name, line, "dead_part", address=address)


def weight(folder: Path) -> tuple[int, int]:
    """The home page's bytes over the wire, with the largest of the pictures a browser may choose first, and its requests."""
    reader = _Reader("index.html")
    reader.feed((folder / "index.html").read_text(encoding="utf-8"))
    return _sum(folder, "index.html", reader.found)


def _sum(folder: Path, name: str, found: _Found) -> tuple[int, int]:
    def size(address: str) -> int:
        path = folder / address.lstrip("/")
        packed = path.with_name(f"{path.name}.gz")
        there = packed if packed.is_file() else path
        return there.stat().st_size if there.is_file() else 0  # what is not there is said as a dead link

    total = size(name) + sum(size(one) for one in found.first if one.endswith(".css"))
    pictures = [one for one in found.first if not one.endswith(".css")]
    if pictures:
        total += max(size(one) for one in found.lead or pictures[:1])
    return total, 1 + len(found.first)


def _weight(folder: Path, name: str, found: _Found) -> Iterator[Problem]:
    total, requests = _sum(folder, name, found)
    if total > FIRST_BYTES:
        yield problem(name, 0, "w_bytes", size=round(total / 1000), limit=FIRST_BYTES // 1000)
    if requests > FIRST_REQUESTS:
        yield problem(name, 0, "w_requests", count=requests, limit=FIRST_REQUESTS)
