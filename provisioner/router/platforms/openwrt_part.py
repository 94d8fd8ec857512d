"""A section of an OpenWrt router's packages, and which of its options are understood. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from provisioner.router.platforms import uci
from provisioner.router.platforms.openwrt import FOLDER
from provisioner.router.platforms.uci import Section
from provisioner.router.reading import Line


@dataclass
class Part:
    """A section, its place in the file, and which of its options and lists' entries are understood."""

    package: str
    section: Section
    number: int
    used: set[tuple[str, str]] = field(default_factory=set)

    @property
    def where(self) -> str:
        """Its file, and its place there unless its name tells."""
        place = "" if uci.label(self.section) else f", {self.section.type} {self.number}"
        return f"{FOLDER}/{self.package}{place}"

    def all(self, key: str) -> tuple[str, ...]:
        """The entries of a list, or the option; a blank ends one where UCI's programs read them so."""
        value = self.section.get(key)
        return () if value is None else (value,) if isinstance(value, str) else value

    def words(self, key: str) -> list[str]:
        """The entries, however they were written: a list, or one option with blanks."""
        return [word for value in self.all(key) for word in value.split()]

    def get(self, key: str, default: str = "") -> str:
        """The option."""
        return next(iter(self.all(key)), default)

    def take(self, *keys: str) -> None:
        """Some of its options are understood."""
        self.used |= {(key, value) for key in keys for value in self.all(key)}

    def take_if(self, key: str, *values: str) -> None:
        """An option is understood where it says one of these."""
        self.used |= {(key, value) for value in self.all(key) if value in values}

    def line(self, *, why: str = "") -> Line:
        """All of it, as one line; nothing more of it is told."""
        self.used |= {(key, value) for key, _ in self.section.options for value in self.all(key)}
        return Line(self.where, uci.whole(self.section), **({"why": why} if why else {}))

    def left(self) -> Iterator[Line]:
        """What is not understood."""
        one, said = self.section, [(key, value) for key, _ in self.section.options for value in self.all(key)]
        rest = [(key, value) for key, value in said if (key, value) not in self.used]
        if not rest or not (self.used or uci.label(one)):
            yield from [self.line()] if rest else []
            return
        yield from (Line(self.where, uci.statement(self.package, one, key, value)) for key, value in rest)


def parts(package: str, text: str) -> Iterator[Part]:
    """The sections of a file."""
    counted = Counter[str]()
    for section in uci.read(text):
        counted[section.type] += 1
        yield Part(package, section, counted[section.type])


def addresses(values: Sequence[str]) -> list[str] | None:
    """Addresses of IPv4 alone, or None."""
    try:
        return [str(IPv4Address(value)) for value in values]
    except ValueError:
        return None
