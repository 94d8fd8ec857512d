"""YAML read strictly: what is written is what is meant, or it is a problem with its line.

Built from libyaml's events instead of a loader, because every loader turns `no` into False, `010` into 8 and
`12:30:45` into 45045, lets a second key win in silence, and expands aliases without end.
"""

import contextlib
import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from provisioner.laptop.strays import SIZE_LIMIT, refused

VALUE_LIMIT = 20_000  # values in one file; a dossier of 30 people has about 700, and the worst file takes a second
DEPTH_LIMIT = 12  # the deepest thing of ours is at 5; a pack's settings may go further

Place = tuple[str | int, ...]  # where in a file: ("hosts", "server", "address"), ("contacts", 0)

_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7})(?: .*)?$", re.MULTILINE)
_INTEGER = re.compile(r"-?[1-9][0-9]{0,17}|0")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in one file: `file` relative to the inventory, `line` from 1 (0: the file as a whole).

    A `warning` is said and stops nothing.
    """

    file: str
    line: int
    field: str
    what: str
    hint: str = ""
    warning: bool = False

    def __str__(self) -> str:
        """One line: `file:line: field: what is wrong; try …`."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        said = ": ".join(p for p in (where, self.field, "warning" if self.warning else "", self.what) if p) + (
            f"; try {self.hint}" if self.hint else ""
        )
        return "".join(map(visible, said))  # names of the dossier are in hints too


@dataclass(slots=True)
class Document:
    """A file as read: plain dicts, lists, str, int, bool, date and None; the line of each place; what is wrong or doubtful.

    `corrupt` are places whose value had to be left out, so that nobody complains about them a second time; with `holes`
    whole lines had to be left out, so what is missing may be written there.
    """

    file: str
    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    corrupt: set[Place] = field(default_factory=set)
    holes: bool = False

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def add_problem(self, place: Place, what: str, hint: str = "", *, line: int | None = None) -> None:
        """Note one problem, at the line of its place unless told otherwise."""
        at = self.line(place) if line is None else line
        self.problems.append(Problem(self.file, at, dotted(place), what, hint))

    def add_warning(self, place: Place, what: str, hint: str = "") -> None:
        """Note what can be used as it is and should not stay so, at the line of its place."""
        self.warnings.append(Problem(self.file, self.line(place), dotted(place), what, hint, warning=True))


def dotted(place: Place) -> str:
    """A place for people: `organisation.contacts[0].name`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{escaped(part)}" if text else escaped(part)
    return text


def visible(sign: str) -> str:
    """One character; what a terminal hides or obeys (control, format, bidirectional, unassigned) as its number."""
    if sign.isprintable():
        return sign
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"


def escaped(text: str, length: int = 60) -> str:
    """`text` on one line and cut, whatever is in it."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return "".join(map(visible, cut))


def quoted(value: object) -> str:
    """A wrong value for a message."""
    return f"'{escaped(str(value))}'"


def load(path: Path, file: str) -> Document:
    """Read one file; whatever is wrong with it is in `problems`, nothing is raised for its content.

    Raises:
        FileNotFoundError: there is no such file.
    """
    document = Document(file)
    if why := refused(path.parents[len(Path(file).parts) - 1], path, limit=SIZE_LIMIT):
        document.add_problem((), why, "moving out what is not needed" if "limit" in why else "", line=0)
    else:
        try:
            with path.open("rb") as stream:
                content = stream.read(SIZE_LIMIT + 1)
        except OSError as error:  # another user's file, a broken disk
            document.add_problem((), f"cannot be read: {error.strerror}", "ls -l", line=0)
        else:
            _parse(content, document)
    return document


def parse(content: bytes, file: str = "") -> Document:
    """Read what would be in a file."""
    document = Document(file)
    _parse(content, document)
    return document


def _parse(content: bytes, document: Document) -> None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        document.add_problem((), "is not UTF-8 text", "saving the file as UTF-8", line=line)
        return
    nul = text.find("\0")
    if nul >= 0:
        document.add_problem((), "a NUL byte", "deleting it", line=text.count("\n", 0, nul) + 1)
        return
    if mark := _CONFLICT.search(text):  # at the line's beginning no text of YAML can stand that looks so
        what = f"the two sides of a git merge stand here, unreconciled ({escaped(mark[0], 30)})"
        document.add_problem(
            (), what, "keeping what is right of both, without git's marks", line=text.count("\n", 0, mark.start()) + 1
        )
        document.holes = True
        return
    try:
        _Builder(document).read(text)
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        document.add_problem((), f"the character U+{int(error.character):04X} cannot stand in YAML", "deleting it", line=line)
    except yaml.MarkedYAMLError as error:
        _syntax(text.split("\n"), error, document)
    except yaml.YAMLError as error:
        document.add_problem((), f"is not YAML: {escaped(str(error), 120)}", line=1)
    else:
        return
    # where the file itself breaks off nothing that lacks is said: it may stand further down
    document.value, document.holes = None, True


def _syntax(lines: list[str], error: yaml.MarkedYAMLError, document: Document) -> None:
    """Say in our words where the YAML itself is broken: the first place, the rest is read once it is mended."""
    problem = error.problem or "not readable"
    simple_key = "simple key" in (error.context or "")
    mark = (error.context_mark if simple_key else None) or error.problem_mark or error.context_mark
    at = min(mark.line + 1, len(lines)) if mark else 1
    line = lines[at - 1]
    if "\t" in line[: len(line) - len(line.lstrip())]:
        what, hint = "a tab in the indentation", "spaces"
    elif "mapping values are not allowed" in problem:
        what, hint = "a second ': ' in one line, or a deeper indentation", "putting the text in quotes"
    elif simple_key:
        what, hint = "this is no 'name: value' line", "adding the ':'"
    elif "cannot start any token" in problem:
        what, hint = "a text cannot begin with @, ` or %", "putting it in quotes"
    elif "unexpected end of stream" in problem or "expected ',' or" in problem or "node content" in problem:
        what, hint = "a quote or bracket is opened and not closed", "closing it"
        at = error.context_mark.line + 1 if error.context_mark else at
    elif "did not find expected" in problem:
        what, hint = "this line does not fit the ones above it", "aligning it with its neighbours"
    else:
        what, hint = f"is not YAML: {escaped(problem, 120)}", "putting the text in quotes"
    document.add_problem((), what, hint, line=at)


class _TooMuch(Exception):
    """The file goes beyond a limit; reading it further only costs."""


class _Builder:
    """Turns events into values, noting the line of each place."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0

    def read(self, text: str) -> None:
        events: Iterator[Any] = yaml.parse(text, Loader=yaml.CSafeLoader)
        documents = 0
        try:
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self.add_problem((), event, "a second document starts here", "deleting the '---'")
                        return
                    self.document.value = self.node(next(events), events, ())
        except _TooMuch:
            self.document.value = None
            self.document.corrupt.add(())

    def add_problem(self, place: Place, event: Any, what: str, hint: str) -> None:
        self.document.add_problem(place, what, hint, line=_line(event))

    def spoil(self, place: Place, event: Any, what: str, hint: str) -> None:
        self.add_problem(place, event, what, hint)
        self.document.corrupt.add(place)

    def node(self, event: Any, events: Iterator[Any], place: Place) -> Any:
        self.count += 1
        if self.count > VALUE_LIMIT:
            self.add_problem((), event, f"more than {VALUE_LIMIT} values", "splitting the file")
            raise _TooMuch
        if len(place) > DEPTH_LIMIT:
            self.add_problem(place[:3], event, f"more than {DEPTH_LIMIT} levels deep", "a flatter form")
            raise _TooMuch
        self.document.lines.setdefault(place, _line(event))
        if isinstance(event, yaml.AliasEvent):
            self.spoil(place, event, f"aliases are not taken (*{escaped(event.anchor or '')})", "writing the value out")
            return None
        if event.anchor is not None:
            self.add_problem(place, event, f"anchors are not taken (&{escaped(event.anchor)})", "deleting it")
        if event.tag is not None:
            self.spoil(place, event, f"tags are not taken ({escaped(event.tag)})", "deleting it")
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, place)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(self.node(event, events, (*place, len(items))))
            return items
        return self.mapping(events, place)

    def mapping(self, events: Iterator[Any], place: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines = self.document.lines
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.tag is not None or event.anchor is not None:
                # The key's own content is read to stay in step, under a place nobody asks for.
                self.node(event, events, (*place, "?"))
                self.spoil((*place, "?"), event, "a name must be plain text", "a word before the ':'")
                self.document.holes = True
                self.node(next(events), events, (*place, "?"))
                continue
            key = event.value
            at = _line(event)
            where = (*place, key)
            if key == "<<" and not event.style:
                self.add_problem(where, event, "merge keys are not taken (<<)", "writing the values out")
                self.document.holes = True
                self.node(next(events), events, (*place, "?"))
            elif "\0" in key:
                self.add_problem(place, event, "a NUL character in a name", "deleting it")
                self.node(next(events), events, (*place, "?"))
            elif key in values:
                what = f"is written twice, first in line {lines[where]}"
                self.add_problem(where, event, what, "deleting one of the two")
                self.node(next(events), events, (*place, "?"))
            else:
                lines[where] = at
                values[key] = self.node(next(events), events, where)
        return values

    def scalar(self, event: Any, place: Place) -> Hashable:
        text: str = event.value
        if event.style:  # quoted or block: text, whatever it looks like
            if "\0" in text:
                self.spoil(place, event, "a NUL character", "deleting it")
            return text
        return typed(text)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def typed(text: str) -> Hashable:
    """What an unquoted word means: null, a truth value, a whole number, a day; text if nothing else."""
    typed: Hashable = text
    if text in ("", "null"):
        typed = None
    elif text in ("true", "false"):
        typed = text == "true"
    elif _INTEGER.fullmatch(text):
        typed = int(text)
    elif _DATE.fullmatch(text):
        with contextlib.suppress(ValueError):
            typed = date.fromisoformat(text)
    return typed
