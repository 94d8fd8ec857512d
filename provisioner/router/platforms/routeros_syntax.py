"""RouterOS' own words: one command a line, as `/export terse` writes it; client text in them is data. Pure.

Quoting: help.mikrotik.com, Scripting, "Constant Escape Sequences". What a value holds is compared, not how it is quoted.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

BARE = re.compile(r"[A-Za-z0-9._:/,@*+-]+")
_NAMED = {'"': '\\"', "\\": "\\\\", "$": "\\$", "?": "\\?", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "_": b" ", "a": b"\a", "b": b"\b", "f": b"\f", "v": b"\v"}
_HEX = re.compile(r"[0-9A-F]{2}")
VERBS = ("add", "set")


class Unparsable(ValueError):
    """A line that is none of RouterOS' configuration."""


@dataclass(frozen=True)
class Item:
    """One line of the configuration: an item of a menu (`add`), or what one that is always there is `set` to.

    `where` names which one a `set` means, empty in a menu that is one thing alone.
    """

    menu: str
    verb: str
    props: Mapping[str, str]
    where: str = ""

    @cached_property
    def text(self) -> str:
        """The line, its properties in the order of their names, as an export has them."""
        words = [self.menu, self.verb, *([self.where] if self.where else [])]
        return " ".join([*words, *(f"{name}={quoted(value)}" for name, value in sorted(self.props.items()))])


def quoted(value: str) -> str:
    """A value as one word of a line: bare where that is allowed, else a string; bytes beyond ASCII by their numbers."""
    if BARE.fullmatch(value):
        return value
    return '"' + "".join(_escaped(sign) for sign in value) + '"'


def _escaped(sign: str) -> str:
    if sign in _NAMED:
        return _NAMED[sign]
    if " " <= sign <= "~":
        return sign
    return "".join(f"\\{byte:02X}" for byte in sign.encode("utf-8", "surrogateescape"))


def unquoted(text: str, at: int) -> tuple[str, int]:
    """The string that begins behind the quote at `at`, and where the next sign stands.

    Raises:
        Unparsable: it does not end, or an escape is none.
    """
    found, at = bytearray(), at + 1
    while at < len(text):
        sign = text[at]
        if sign == '"':
            return found.decode("utf-8", "surrogateescape"), at + 1
        if sign != "\\":
            found += sign.encode("utf-8", "surrogateescape")
            at += 1
            continue
        rest = text[at + 1 : at + 3]
        if _HEX.fullmatch(rest):
            found.append(int(rest, 16))
            at += 3
        elif rest[:1] in _ESCAPES:
            found += _ESCAPES[rest[0]]
            at += 2
        elif rest[:1] in ('"', "\\", "$", "?"):
            found += rest[0].encode()
            at += 2
        else:
            raise Unparsable(f"no such escape: \\{rest[:1]}")
    raise Unparsable("a string does not end")


def parsed(export: str) -> list[Item]:
    """The items of an export: `terse` (one whole command a line), or by menus.

    Raises:
        Unparsable: it is no export.
    """
    found, menu = [], ""
    for line in _lines(export):
        words = list(_words(line))
        path = []
        while words and (words[0][1] is None) and words[0][0] not in VERBS:
            path.append(words.pop(0)[0])
        if path:
            menu = " ".join(path)
        if not menu.startswith("/") or (words and words[0][1] is not None):
            raise Unparsable(f"not a line of a configuration: {line[:80]}")
        if not words:
            continue
        verb, where, props, prefix = words.pop(0)[0], "", {}, ""
        for name, value in words:
            if value is None:
                where = name
                continue
            # wifi: "configuration.country=France .mode=ap", the second word goes on with the first one's prefix
            full = prefix + name if name.startswith(".") else name
            prefix = full.rpartition(".")[0]
            props[full] = value
        found.append(Item(menu, verb, props, where))
    return found


def _lines(export: str) -> Iterator[str]:
    """Whole lines: comments left out, those that go on behind a backslash put together."""
    begun = ""
    for line in export.splitlines():
        whole = begun + (line.lstrip(" ") if begun else line)
        if whole.endswith("\\") and not whole.endswith("\\\\"):
            begun = whole[:-1]
            continue
        begun = ""
        if whole.strip() and not whole.startswith("#"):
            yield whole.strip()


def _words(line: str) -> Iterator[tuple[str, str | None]]:
    """Words of a line: name and value, or a bare word and None; what stands in brackets is one bare word."""
    at = 0
    while at < len(line):
        if line[at] == " ":
            at += 1
            continue
        if line[at] == "[":
            end = line.find("]", at)
            if end < 0:
                raise Unparsable(f"a bracket does not end: {line[:80]}")
            yield "[ " + line[at + 1 : end].strip() + " ]", None
            at = end + 1
            continue
        start = at
        while at < len(line) and line[at] not in ' ="':
            at += 1
        name = line[start:at]
        if at < len(line) and line[at] == "=":
            at += 1
            if at < len(line) and line[at] == '"':
                value, at = unquoted(line, at)
            else:
                start = at
                while at < len(line) and line[at] != " ":
                    at += 1
                value = line[start:at]
            yield name, value
        elif name:
            yield name, None
        else:
            raise Unparsable(f"not a line of a configuration: {line[:80]}")
