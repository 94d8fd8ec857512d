"""Changing a dossier, or a reseller's file, in place: only the lines that change are touched, the rest stays byte for byte.

Nothing is written before the whole result was read again, as strictly as any dossier. A general YAML writer would move
the comment above a section along with the entry before it; here a comment stays where it stands.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from provisioner.errors import BadInput, Busy
from provisioner.inventory.rendering import DOSSIER_COMMENTS, entry, flow, scalar
from provisioner.inventory.strict_yaml import Document, Place, Problem, parse
from provisioner.laptop import disk

if TYPE_CHECKING:
    from provisioner.inventory import Inventory
    from provisioner.inventory.dossier import Office
    from provisioner.inventory.resellers import Reseller


class _Page:
    """One file being changed, line by line."""

    def __init__(self, path: Path, order: Sequence[str]) -> None:
        self.path = path
        self._order = order  # of its sections, as the model has them
        self._found = path.read_bytes()
        self.text = self._found.decode()
        self.data: dict[str, Any] = parse(self._found).value

    def put(self, place: Place, name: str, value: object) -> None:
        """Add `name` with its value at the end of the section at `place`, which is made where there is none."""
        section = self.data
        for part in map(str, place):
            if not section.get(part):
                section[part] = {}
            section = section[part]
        self.text = _put(self.text, place, name, value, section, self._order)
        section[name] = value

    def set(self, place: Place, name: str, value: object) -> None:
        """Have `name` of the section at `place` say `value`: in its own place where it stands there, else as `put`."""
        section: Any = self.data
        for part in map(str, place):
            section = section.get(part) or {}
        if name not in section:
            self.put(place, name, value)
        elif section[name] != value:
            lines = _Lines(self.text)
            found = lines.find((*place, name))
            assert found
            if isinstance(found[1], yaml.CollectionNode) and not found[1].flow_style:
                self.drop(place, name)
                self.put(place, name, value)
                return
            lines.replace(found[1], " " + flow(value))
            self.text = lines.text()
            section[name] = value

    def drop(self, place: Place, name: str) -> None:
        """Take `name` and what is below it out of the section at `place`; a section left empty becomes `{}`."""
        section = self.data
        for part in map(str, place):
            section = section[part]
        del section[name]
        self.text = _drop(self.text, place, name, section)

    def _judge(self, document: Document, elsewhere: Sequence[Problem] = ()) -> None:
        """Let the result through when it has no problem and reads as it was meant."""
        said = [str(Problem("", 0, p.field, p.what, p.hint)) for p in document.problems]  # its lines are nobody's yet
        if said or elsewhere:
            raise BadInput("\n".join([*dict.fromkeys(said), *map(str, elsewhere)]))
        if document.value != self.data:
            raise BadInput(f"{self.path} is written in a way that cannot be changed line by line", hint="an editor")

    def _write(self) -> None:
        if self.path.read_bytes() != self._found:
            raise Busy(f"{self.path} was changed by somebody else just now", hint="the same command again")
        disk.write(self.path, self.text, mode=self.path.stat().st_mode & 0o777)


class Draft(_Page):
    """One dossier being changed; `save` judges it and writes it, all or nothing."""

    def __init__(self, inventory: "Inventory", name: str) -> None:
        """Read the dossier.

        Raises:
            BadInput: it has problems as it stands: they are mended by hand first.
            Missing: there is no such office.
        """
        from provisioner.inventory.dossier import Office

        self.inventory = inventory
        self.before = inventory.office(name)
        super().__init__(inventory.root / "offices" / name / "dossier.yml", list(Office.model_fields))

    def office(self) -> "Office":
        """The office as the draft says it.

        Raises:
            BadInput: every problem of the result, by field; nothing was written.
        """
        from provisioner.inventory.dossier import Office
        from provisioner.inventory.files import build

        document = parse(self.text.encode("utf-8", "backslashreplace"))
        office, document = build(Office, document, self.before.name)
        self._judge(document, self.inventory.conflicts(document))
        assert office
        return office

    def save(self) -> "Office":
        """Write the dossier.

        Raises:
            BadInput: as `office`.
            Busy: somebody wrote it meanwhile.
        """
        office = self.office()
        self._write()
        return office


class Roster(_Page):
    """One reseller's file being changed; `save` judges it and writes it, all or nothing."""

    def __init__(self, inventory: "Inventory", name: str) -> None:
        """Read the file.

        Raises:
            BadInput: it has problems as it stands: they are mended by hand first.
            Missing: there is no such reseller.
        """
        from provisioner.inventory.resellers import Reseller

        self.before = inventory.reseller(name)
        super().__init__(inventory.root / "resellers" / f"{name}.yml", list(Reseller.model_fields))

    def save(self) -> "Reseller":
        """Write the file.

        Raises:
            BadInput: every problem of the result, by field; nothing was written.
            Busy: somebody wrote it meanwhile.
        """
        from provisioner.inventory.files import build
        from provisioner.inventory.resellers import Reseller
        from provisioner.inventory.rules import check_reseller

        reseller, document = build(Reseller, parse(self.text.encode("utf-8", "backslashreplace")), self.before.name)
        check_reseller(document)
        self._judge(document)
        assert reseller
        self._write()
        return reseller


# ------------------------------------------------------------------------------------------- lines


class _Lines:
    """The text of a dossier by lines, and where its nodes stand: what libyaml says of it."""

    def __init__(self, text: str) -> None:
        self.mark = "\ufeff" if text.startswith("\ufeff") else ""  # some editors sign their UTF-8
        text = text.removeprefix("\ufeff")
        self.ending = "\r\n" if "\r\n" in text else "\n"
        self.lines = text.replace("\r\n", "\n").split("\n")
        self.root: Any = yaml.compose("\n".join(self.lines), Loader=yaml.CSafeLoader)

    def text(self) -> str:
        """The whole text again."""
        return self.mark + self.ending.join(self.lines)

    def find(self, place: Place) -> tuple[Any, Any] | None:
        """The key and the value at a place."""
        key, value = None, self.root
        for part in place:
            pairs = {k.value: (k, v) for k, v in value.value} if isinstance(value, yaml.MappingNode) else {}
            if part not in pairs:
                return None
            key, value = pairs[part]
        return key, value

    def replace(self, node: Any, text: str) -> None:
        """Put `text` where a node stands; a comment behind it stays."""
        begin, end = node.start_mark, node.end_mark
        behind = self.lines[end.line][end.column :]
        self.lines[begin.line : end.line + 1] = [self.lines[begin.line][: begin.column].rstrip(" ") + text + behind]


def _last_line(node: Any) -> int:
    """The last line a node itself takes: libyaml ends a section only where the next begins, past the comments between."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    ended = node.end_mark
    return int(ended.line - 1 if ended.column == 0 and ended.line > node.start_mark.line else ended.line)


def _put(text: str, place: Place, name: str, value: object, section: Mapping[str, Any], order: Sequence[str]) -> str:
    """The text with one entry more; `section` is what its section holds so far."""
    lines = _Lines(text)
    found = lines.find(place)
    if found is None:
        return _with_section(lines, place, name, value, order)
    key, node = found
    if isinstance(node, yaml.MappingNode) and node.value and node.flow_style:
        lines.replace(node, " " + flow({**section, name: value}))
        return lines.text()
    if isinstance(node, yaml.MappingNode) and node.value:
        first, last = node.value[0][0], node.value[-1][1]
        short = isinstance(last, yaml.CollectionNode) and bool(last.flow_style)
        at = _last_line(node) + 1
        lines.lines[at:at] = entry(name, value, first.start_mark.column, short=short)
        return lines.text()
    at = node.start_mark.line + 1
    if node.end_mark.index > node.start_mark.index:  # `people: {}` and `people: null`, unlike `people:`
        lines.replace(node, "")
    else:
        at = key.start_mark.line + 1
    lines.lines[at:at] = entry(name, value, key.start_mark.column + 2, short=True)
    return lines.text()


def _with_section(lines: _Lines, place: Place, name: str, value: object, order: Sequence[str]) -> str:
    """A section of the file's top that is not there yet, after the one that comes before it in the model."""
    (section,) = place
    there = [word for word in order[: order.index(str(section))] if lines.find((word,))]
    before = lines.find((there[-1],))
    assert before
    at = _last_line(before[1]) + 1
    comment = [f"# {DOSSIER_COMMENTS[place]}"] if place in DOSSIER_COMMENTS else []
    lines.lines[at:at] = [*comment, f"{scalar(section)}:", *entry(name, value, 2, short=True)]
    return lines.text()


def _drop(text: str, place: Place, name: str, left: Mapping[str, Any]) -> str:
    """The text with one entry less; `left` is what its section holds then."""
    lines = _Lines(text)
    found = lines.find(place)
    assert found
    key, node = found
    if node.flow_style:
        lines.replace(node, " " + flow(dict(left)))
        return lines.text()
    (gone,) = [(k, v) for k, v in node.value if k.value == name]
    first, last = gone[0].start_mark.line, _last_line(gone[1])
    if not left:
        at = key.start_mark.line
        called, behind = lines.lines[at][: key.end_mark.column], lines.lines[at][key.end_mark.column :]
        lines.lines[at] = f"{called}: {{}}{behind.partition(':')[2]}"
    del lines.lines[first : last + 1]
    return lines.text()
