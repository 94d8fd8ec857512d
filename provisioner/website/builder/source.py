"""The pages' folder, read as data: which files there are, what each page says of itself, what cannot be taken.

The folder is a client's, on a share: nothing in it is followed out of it, opened beyond its limit, or evaluated.
"""

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

from .problems import Problem, languages, problem, texts

PAGE_LIMIT = 200_000  # bytes of one page: a novel's chapter has 30,000
FILE_LIMIT = 20_000_000  # bytes of a picture or an attached file: a telephone's photo has 2 to 12 million
FILES_LIMIT = 5_000
DEPTH_LIMIT = 4
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif")
ATTACHED = (".pdf", ".ics", ".odt", ".ods", ".vcf", ".gpx")
# A telephone's own formats that Debian's Pillow cannot read, and what is often tried.
FOREIGN = (".heic", ".heif", ".avif", ".tif", ".tiff", ".bmp", ".svg", ".raw", ".cr2", ".nef", ".psd")
KINDS = ("page", "home", "services", "hours", "contact", "news", "legal_notice", "privacy", "accessibility")
KEYS = ("title", "description", "menu", "date", "picture", "picture_text", "address", "kind")
# What editors, file managers and shares leave behind.
_STRAY = re.compile(
    r"\..*|~\$.*|.*~|#.*#|Thumbs\.db|desktop\.ini|.*\.(tmp|bak|swp|part|crdownload|lnk)", re.IGNORECASE | re.DOTALL
)
OWN = ("_status.txt", "_état.txt")  # what we say to the client ourselves


@dataclass
class Page:
    """One page as written: `stem` pairs it with its translations, `body` is Markdown, `start` the line it begins at."""

    file: str
    language: str
    stem: str
    data: bytes
    title: str = ""
    description: str = ""
    menu: int | None = None
    kind: str = "page"
    date: str = ""
    picture: str = ""
    picture_text: str = ""
    address: str = ""
    body: str = ""
    start: int = 1
    lines: dict[str, int] = field(default_factory=dict)
    url: str = ""


class Entry(NamedTuple):
    """A file of the folder: its path below it (NFC, `/`), where it lies, its status. Light: an unchanged site is only these."""

    name: str
    at: str
    size: int
    mtime_ns: int
    inode: int

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.at)


def walk(folder: Path) -> tuple[list[Entry], list[Problem]]:
    """All files that may be read, in the order of names, and what is wrong with the others. Only looks, opens nothing."""
    found: list[Entry] = []
    wrong: list[Problem] = []
    _walk(folder, "", found, wrong, 0)
    if len(found) > FILES_LIMIT:
        wrong.append(problem(".", 0, "too_many_files", count=len(found), limit=FILES_LIMIT))
    return sorted(found, key=lambda one: one.name), wrong


def _walk(folder: Path | str, below: str, found: list[Entry], wrong: list[Problem], depth: int) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _STRAY.fullmatch(entry.name) or entry.name in OWN:
                continue
            try:
                shown = below + unicodedata.normalize("NFC", entry.name.encode().decode())
            except UnicodeError:
                wrong.append(problem(below + ascii(entry.name), 0, "name_not_utf8"))
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                wrong.append(problem(shown, 0, "link"))
            elif stat.S_ISDIR(status.st_mode):
                if depth >= DEPTH_LIMIT:
                    wrong.append(problem(shown, 0, "too_deep"))
                else:
                    _walk(entry.path, shown + "/", found, wrong, depth + 1)
            elif not stat.S_ISREG(status.st_mode):
                wrong.append(problem(shown, 0, "not_a_file"))
            elif not shown.isprintable() or "\\" in shown:
                wrong.append(problem(shown, 0, "name_unprintable"))
            else:
                found.append(Entry(shown, entry.path, status.st_size, status.st_mtime_ns, status.st_ino))


def judge(entries: list[Entry]) -> Iterator[Problem]:
    """What is wrong with the files as such: too large, of a kind that no browser or Pillow reads, twice under one name."""
    seen: dict[str, str] = {}
    for one in entries:
        suffix = Path(one.name).suffix.lower()
        limit = PAGE_LIMIT if suffix == ".md" else FILE_LIMIT
        if suffix in FOREIGN:
            yield problem(one.name, 0, "foreign_picture", format=suffix[1:].upper())
        elif suffix != ".md" and suffix not in PICTURES + ATTACHED:
            yield problem(one.name, 0, "unknown_file", warning=True)
        elif one.size > limit:
            yield problem(one.name, 0, "too_large", size=round(one.size / 1_000_000, 1), limit=round(limit / 1_000_000, 1))
        if (other := seen.setdefault(one.name.casefold(), one.name)) != one.name:
            yield problem(one.name, 0, "same_name", other=other)


def page_of(name: str, data: bytes, default: str) -> tuple[Page, list[Problem]]:
    """One page from its bytes; `default` is the language of a page whose name says none (`horaires.md`, `horaires.en.md`)."""
    stem = name.removesuffix(".md").removesuffix(".MD")
    plain, _, suffix = stem.rpartition(".")
    language, stem = (suffix, plain) if plain and suffix in languages() else (default, stem)
    page = Page(name, language, stem, data)
    wrong: list[Problem] = []
    if b"\0" in data or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return page, [problem(name, 0, "not_utf8")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return page, [problem(name, data.count(b"\n", 0, error.start) + 1, "not_utf8")]
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = text.split("\n")
    page.body = text
    if lines[0].strip() == "---":
        end = next((n for n, line in enumerate(lines[1:], 1) if line.strip() == "---"), 0)
        if not end:
            return page, [problem(name, 1, "head_not_closed")]
        _head(page, lines[1:end], wrong)
        page.body, page.start = "\n".join(lines[end + 1 :]), end + 2
    if not page.title:  # a first heading of the page is its title too
        first = next(((n, line) for n, line in enumerate(page.body.split("\n")) if line.strip()), (0, ""))
        if match := re.fullmatch(r"#\s+(.+?)\s*#*", first[1].strip()):
            page.title = match[1]
            rest = page.body.split("\n")
            rest[first[0]] = ""
            page.body = "\n".join(rest)
        else:
            wrong.append(problem(name, 1, "no_title"))
    if page.stem == "index" and page.kind == "page":
        page.kind = "home"
    return page, wrong


def _head(page: Page, lines: list[str], wrong: list[Problem]) -> None:
    """The `key: value` lines at a page's top: not YAML, where a colon or an apostrophe in a title would be a riddle."""
    names = {key: key for key in KEYS} | texts(page.language).get("keys", {})
    for number, line in enumerate(lines, 2):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, colon, value = line.partition(":")
        known = names.get(key.strip().lower())
        value = value.strip()
        if value[:1] == value[-1:] and value[:1] in ("'", '"') and len(value) > 1:
            value = value[1:-1]
        if not colon or known is None:
            shown = ", ".join(sorted(key for key, means in texts(page.language).get("keys", {}).items())) or ", ".join(KEYS)
            wrong.append(problem(page.file, number, "head_unknown", word=key.strip(), known=shown))
        elif known in page.lines:
            wrong.append(problem(page.file, number, "head_twice", word=key.strip()))
        else:
            page.lines[known] = number
            _set(page, known, value, number, wrong)


def _set(page: Page, key: str, value: str, line: int, wrong: list[Problem]) -> None:
    if not value.isprintable():
        wrong.append(problem(page.file, line, "unprintable"))
    elif key == "menu":
        if value.isdecimal() and len(value) < 5:
            page.menu = int(value)
        elif value:
            wrong.append(problem(page.file, line, "menu_number", value=value))
    elif key == "date":
        try:
            page.date = date.fromisoformat(value if len(value) == 10 else "").isoformat()
        except ValueError:
            wrong.append(problem(page.file, line, "date", value=value))
    elif key == "kind" and value not in KINDS:
        wrong.append(problem(page.file, line, "kind", value=value, known=", ".join(KINDS)))
    elif key == "address" and not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)*", value):
        wrong.append(problem(page.file, line, "address", value=value))
    else:
        setattr(page, key, value)


def slug(text: str) -> str:
    """A name as it can stand in an address: `Où nous trouver` becomes `ou-nous-trouver`."""
    for ligature, plain in (("œ", "oe"), ("æ", "ae"), ("ß", "ss"), ("Œ", "oe"), ("Æ", "ae")):
        text = text.replace(ligature, plain)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
