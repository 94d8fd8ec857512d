"""Findings: what a check concluded, in an order of severity. Pure data; sentences are told by `language.py`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """Severity of a finding; `max` of several is the verdict. Unknown outranks a warning, never a critical."""

    NOT_APPLICABLE = -1
    OK = 0
    WARNING = 1
    UNKNOWN = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """As files and `--json` have it: `ok`, `warning`, `unknown`, `critical`, `not_applicable`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check concluded about one thing.

    `sentence` is for the client: an English text with `{names}` of `values`, to be translated; `evidence` is what was seen,
    in the machines' words, for who doubts it; `pictures` are what a screen showed, by the names of the files in the audit's
    `pictures/`; `took_s` is in seconds, `at` seconds since 1970.
    """

    check: str
    level: Level
    sentence: str
    values: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    evidence: str = ""
    took_s: float = 0.0
    at: float = 0.0
    pictures: tuple[str, ...] = ()

    def as_object(self) -> dict[str, Any]:
        """The finding as files and `--json` have it."""
        return {
            "check": self.check, "level": self.level.word, "about": self.about, "sentence": self.sentence,
            "values": dict(self.values), "evidence": self.evidence, "took_s": round(self.took_s, 2), "at": round(self.at, 1),
            **({"pictures": list(self.pictures)} if self.pictures else {}),
        }  # fmt: skip

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Finding":
        """The finding that `as_object` wrote.

        Raises:
            KeyError, ValueError: it is none.
        """
        return cls(
            str(data["check"]), Level[str(data["level"]).upper()], str(data["sentence"]), dict(data["values"]),
            str(data["about"]), str(data["evidence"]), float(data["took_s"]), float(data["at"]),
            tuple(str(name) for name in data.get("pictures", ())),
        )  # fmt: skip


def verdict(findings: Iterable[Finding]) -> Level:
    """The worst of them; none at all is unknown, never a success."""
    return max((finding.level for finding in findings), default=Level.UNKNOWN)
