"""UCI's configuration as libuci keeps it: packages of sections, named or not, and the changes that wait in /tmp/.uci.

From the documents: openwrt.org, "The UCI system" (file syntax, staged changes, `@type[index]`); libuci's file.c (what is read and
written, its errors), list.c (names of sections without one: `cfg` with their number and a hash), delta.c (a change's line).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from provisioner.lab.devices.stand_ins.openwrt.files import Failed, Files

CONFIG, STAGED = "/etc/config", "/tmp/.uci"  # noqa: S108 - the router's
NAME = re.compile(r"[A-Za-z0-9_]+")
TYPE = re.compile(r"[\x21-\x7e]+")


class Wrong(Exception):
    """In uci's own words."""


@dataclass
class Section:
    """One section. An option's value is a text, a list's texts."""

    type: str
    name: str
    anonymous: bool
    options: dict[str, "str | list[str]"] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A staged change; `command` is delta.c's sign: none for set, - remove, @ rename, + add, | add to a list, ~ take from one."""

    command: str
    section: str
    option: str
    value: str


@dataclass
class Package:
    """One file of /etc/config."""

    name: str
    sections: list[Section] = field(default_factory=list)
    counted: int = 0

    def unnamed(self, kind: str) -> str:
        """The name of the next section that was given none."""
        self.counted += 1
        value = 5381
        for sign in kind:
            value = (value * 33 + ord(sign)) & 0xFFFF
        return f"cfg{self.counted:02x}{value:04x}"

    def find(self, reference: str) -> Section | None:
        """A section by its name or as `@type[index]`."""
        if found := re.fullmatch(r"@([^\[]*)\[(-?\d+)\]", reference):
            alike = [one for one in self.sections if not found[1] or one.type == found[1]]
            index = int(found[2])
            return alike[index] if -len(alike) <= index < len(alike) else None
        return next((one for one in self.sections if one.name == reference), None)

    def label(self, section: Section) -> str:
        """How `uci show` names it."""
        if not section.anonymous:
            return section.name
        return f"@{section.type}[{[one for one in self.sections if one.type == section.type].index(section)}]"

    def written(self) -> str:
        """As `uci commit` writes it."""
        text = ""
        for one in self.sections:
            text += f"\nconfig {one.type}" + ("" if one.anonymous else f" {quoted(one.name)}") + "\n"
            for key, value in one.options.items():
                if isinstance(value, str):
                    text += f"\toption {key} {quoted(value)}\n"
                else:
                    text += "".join(f"\tlist {key} {quoted(each)}\n" for each in value)
        return text + "\n"

    def apply(self, change: Change) -> None:  # noqa: PLR0912 - a command each
        """One change.

        Raises:
            Wrong: there is nothing that it is about.
        """
        section = self.find(change.section)
        if change.command == "+" or (not change.command and not change.option):
            self._section(change, section)
            return
        if section is None:
            raise Wrong("Entry not found" if change.command == "-" else "Invalid argument")
        options, value = section.options, change.value
        if change.command == "":
            if value:
                options[change.option] = value
            else:
                options.pop(change.option, None)
        elif change.command == "|":
            former = options.get(change.option, [])
            options[change.option] = [*([former] if isinstance(former, str) else former), value]
        elif change.command == "~":
            left = [one for one in options.get(change.option, []) if one != value]
            options.pop(change.option, None)
            if left:
                options[change.option] = left
        elif change.command == "@" and change.option:
            section.options = {value if key == change.option else key: each for key, each in options.items()}
        elif change.command == "@":
            section.name, section.anonymous = value, False
        elif change.option:
            if options.pop(change.option, None) is None:
                raise Wrong("Entry not found")
        else:
            self.sections.remove(section)

    def _section(self, change: Change, section: Section | None) -> None:
        if section is not None:
            section.type = change.value
        else:
            self.sections.append(Section(change.value, change.section, change.command == "+"))
            self.counted += change.command == "+"


def quoted(text: str) -> str:
    """A value in quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


# ------------------------------------------------------------------------------------------------ reading


def read(name: str, text: str) -> Package:
    """A package's file, or an export of it.

    Raises:
        Wrong: `Parse error (…) at line …, byte …`.
    """
    package = Package(name)
    for line, words in words_of(text):
        verb = {"p": "package", "c": "config", "o": "option", "l": "list"}.get(words[0], words[0])
        if verb == "package" and len(words) == 2:
            continue
        if verb == "config" and len(words) in (2, 3):
            _begin(package, line, words)
        elif verb in ("option", "list") and len(words) in (2, 3):
            if not package.sections:
                raise Wrong(f"Parse error (option/list command found before the first section) at line {line}, byte 1")
            if not NAME.fullmatch(words[1]):
                raise Wrong(f"Parse error (invalid character in name field) at line {line}, byte 1")
            section, value = package.sections[-1], words[2] if len(words) > 2 else ""
            package.apply(Change("|" if verb == "list" else "", section.name, words[1], value))
        elif verb in ("package", "config", "option", "list"):
            raise Wrong(f"Parse error (insufficient arguments) at line {line}, byte 1")
        else:
            raise Wrong(f"Parse error (invalid command) at line {line}, byte 1")
    return package


def _begin(package: Package, line: int, words: list[str]) -> None:
    if not TYPE.fullmatch(words[1]):
        raise Wrong(f"Parse error (invalid character in type field) at line {line}, byte 1")
    if len(words) == 3 and words[2]:
        if not NAME.fullmatch(words[2]):
            raise Wrong(f"Parse error (invalid character in name field) at line {line}, byte 1")
        there = package.find(words[2])
        if there is not None and there.type != words[1]:
            raise Wrong(f"Parse error (section of different type overwrites prior section with same name) at line {line}, byte 1")
        if there is not None:
            package.sections.remove(there)
            package.sections.append(there)
        else:
            package.sections.append(Section(words[1], words[2], anonymous=False))
    else:
        package.sections.append(Section(words[1], package.unnamed(words[1]), anonymous=True))


def words_of(text: str) -> Iterator[tuple[int, list[str]]]:  # noqa: PLR0912 - a sign each
    """Each line's words: between single quotes all is itself, elsewhere a backslash takes the next sign as it is."""
    words: list[str] = []
    word: list[str] | None = None
    quote, line, at, began = "", 1, 0, 1
    while at < len(text):
        sign = text[at]
        at += 1
        line += sign == "\n"
        if quote:
            if sign == quote:
                quote = ""
            elif sign == "\\" and quote == '"' and at < len(text):
                assert word is not None
                word.append(text[at])
                at += 1
            else:
                assert word is not None
                word.append(sign)
            continue
        if sign in " \t\r\n;" and word is not None:
            words.append("".join(word))
            word = None
        if sign in "\n;":
            if words:
                yield began, words
            words = []
        elif sign == "#" and word is None:
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        elif sign not in " \t\r":
            began = began if words or word else line
            word = [] if word is None else word
            if sign in "'\"":
                quote = sign
            elif sign == "\\" and at < len(text):
                word.append(text[at])
                at += 1
            else:
                word.append(sign)
    if quote:
        raise Wrong(f"Parse error (EOF with unterminated {quote}) at line {line}, byte 1")
    if word is not None:
        words.append("".join(word))
    if words:
        yield began, words


# ------------------------------------------------------------------------------------------------ staged changes

_CHANGE = re.compile(r"([-@+|~]?)([\w-]+)\.([^.=\n]+)(?:\.([^=\n]+))?(?:='((?:[^']|'\\'')*)')?\n")


def staged(files: Files, name: str) -> list[Change]:
    """What waits to be committed."""
    node = files.look(f"{STAGED}/{name}")
    text = node.data.decode("utf-8", "surrogateescape") if node else ""
    return [
        Change(one[1], one[3], one[4] or "", (one[5] or "").replace("'\\''", "'")) for one in _CHANGE.finditer(text)
    ]  # fmt: skip


def stage(files: Files, name: str, change: Change) -> None:
    """One more change waits."""
    option = f".{change.option}" if change.option else ""
    line = f"{change.command}{name}.{change.section}{option}={quoted(change.value)}\n"
    files.write(f"{STAGED}/{name}", line.encode("utf-8", "surrogateescape"), append=True)


def load(files: Files, name: str, folder: str = CONFIG, *, with_staged: bool = True) -> Package:
    """A package as `uci` has it: its file, and what waits.

    Raises:
        Wrong: `Entry not found`, or a parse error.
    """
    try:
        text = files.read(f"{folder}/{name}").decode("utf-8", "surrogateescape")
    except Failed:
        raise Wrong("Entry not found") from None
    package = read(name, text)
    for change in staged(files, name) if with_staged else ():
        try:
            package.apply(change)
        except Wrong:
            continue  # as libuci, which leaves out what fits no more
    return package
