"""UCI's own text (OpenWrt's /etc/config, `uci export`): sections with options and lists, read and written. Pure.

What is written is what `uci commit` writes (libuci, file.c uci_export_package), so equal sections are equal bytes. netjsonconfig
1.3.1 was tried and not taken: it reads the name `it's; #1` back as `it\\s; #1` (its parser drops every quote) and `sae-mixed` as
a WPA2 mode, and it has no words for a firewall, a forward, DHCP or names but options passed through as they are.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Value = str | tuple[str, ...]
SECRETS = ("key", "key1", "key2", "key3", "key4", "sae_password", "password", "private_key", "preshared_key", "auth_secret",
           "wpa_psk", "priv_key_pwd", "wps_pin", "pincode", "secret")  # fmt: skip
HIDDEN = "********"


@dataclass(frozen=True, slots=True)
class Section:
    """One section; `name` is empty for one without. An option has one text, a list several."""

    type: str
    name: str
    options: tuple[tuple[str, Value], ...]

    def get(self, key: str) -> Value | None:
        """The value of an option or list."""
        return dict(self.options).get(key)


def section(kind: str, label: str, /, **options: str | int | Sequence[str] | None) -> Section:
    """A section; options without a value are left out, as UCI itself has no empty ones; a last `_` of a name is Python's."""
    found: list[tuple[str, Value]] = []
    for key, value in options.items():
        if value is None or value in ("", []):
            continue
        found.append((key.rstrip("_"), str(value) if isinstance(value, str | int) else tuple(value)))
    return Section(kind, label, tuple(found))


def write(sections: Sequence[Section]) -> str:
    """The sections as a file of /etc/config."""
    return "".join(_section(one) for one in sections) + "\n"


def _section(one: Section) -> str:
    head = f"\nconfig {one.type}" + (f" {quoted(one.name)}" if one.name else "") + "\n"
    return head + "".join(_option(key, value) for key, value in one.options)


def _option(key: str, value: Value) -> str:
    if isinstance(value, str):
        return f"\toption {key} {quoted(value)}\n"
    return "".join(f"\tlist {key} {quoted(each)}\n" for each in value)


def quoted(text: str) -> str:
    """A value: nothing in it is special but the quote itself."""
    return "'" + text.replace("'", "'\\''") + "'"


def hide(sections: Sequence[Section]) -> list[Section]:
    """The sections without their secrets."""
    return [
        Section(one.type, one.name, tuple((key, HIDDEN if key in SECRETS else value) for key, value in one.options))
        for one in sections
    ]  # fmt: skip


_SINGLE = ("dnsmasq", "odhcpd", "system", "globals", "timeserver", "defaults")
_WHOLE = ("host", "domain", "device", "bridge-vlan")  # by what they say, whatever they are called
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def label(one: Section) -> str:
    """By what a section is found in another configuration; empty where only all that it says tells."""
    if one.type in _SINGLE:
        return f"@{one.type}"
    if one.type == "zone":
        return f"@zone[{one.get('name')}]"
    return "" if one.type in _WHOLE else one.name


def statement(package: str, one: Section, key: str, value: str) -> str:
    """One option, or one entry of a list, as one line (as `uci show` has it)."""
    return f"{package}.{label(one) or f'@{one.type}'}.{key}={_line(value)}"


def whole(one: Section) -> str:
    """A section as one line, its options in the order of their names; a list of one is an option."""
    return " ".join([f"config {one.type}", *(f"{key}={_line(value)}" for key, value in sorted(one.options))])


def _line(value: Value) -> str:
    said = quoted(value) if isinstance(value, str) else " ".join(map(quoted, value))
    return _UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", said)


def statements(package: str, sections: Iterable[Section]) -> Iterator[str]:
    """All that a package says, a line each."""
    for one in sections:
        yield whole(one)
        for key, value in one.options:
            yield from (statement(package, one, key, each) for each in ([value] if isinstance(value, str) else value))


def read(text: str) -> list[Section]:
    """The sections of a file, or of one package that was exported.

    Raises:
        ValueError: UCI would not take it either; the message has the line.
    """
    found: list[tuple[str, str, dict[str, Value]]] = []
    for number, words in _lines(text):
        word, rest = words[0], words[1:]
        if word in ("package", "p") and len(rest) == 1:
            continue
        if word in ("config", "c") and len(rest) in (1, 2):
            found.append((rest[0], rest[1] if len(rest) > 1 else "", {}))
        elif word in ("option", "o", "list", "l") and len(rest) in (1, 2) and found:
            options, value = found[-1][2], rest[1] if len(rest) > 1 else ""
            if word[0] == "l":
                former = options.get(rest[0], ())
                options[rest[0]] = (*((former,) if isinstance(former, str) else former), value)
            elif value:
                options[rest[0]] = value
            else:
                options.pop(rest[0], None)
        else:
            raise ValueError(f"line {number}: no line of UCI's")
    return [Section(kind, name, tuple(options.items())) for kind, name, options in found]


_WORD = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\#]""", re.S)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each line that says something, as its words; a quoted word may go over several lines."""
    at, number, words, word = 0, 1, list[str](), None
    while at <= len(text):
        sign = text[at : at + 1]
        if sign in ("", "\n"):
            words += [word] if word is not None else []
            if words:
                yield number, words
            words, word, at, number = [], None, at + 1, number + 1
        elif sign.isspace():
            words += [word] if word is not None else []
            word, at = None, at + 1
        elif sign == "#":
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        elif found := _WORD.match(text, at):
            piece = found[0]
            plain = piece[1:-1] if piece[0] in "'\"" and len(piece) > 1 else piece
            word = (word or "") + (plain if piece[0] == "'" else re.sub(r"\\(.)", r"\1", plain, flags=re.S))
            at, number = found.end(), number + piece.count("\n")
        else:
            raise ValueError(f"line {number}: a quote is not closed")
