"""Findings that somebody decided to bear for a while: kept with the office, with the reason and the day on which it ends."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import yaml

from provisioner.errors import BadInput
from provisioner.findings import Finding
from provisioner.inventory.target import Target
from provisioner.laptop.disk import write
from provisioner.laptop.text import visible

HEAD = "# Findings of `provisioner check` that somebody decided to bear until a day. They are still shown.\n"
LONGEST = 400


@dataclass(frozen=True, slots=True)
class Ignored:
    """What is borne: a check, of one host or (empty) of all, why, by whom, until which day (that day included)."""

    check: str
    host: str
    because: str
    until: date
    by: str

    def covers(self, finding: Finding, today: date) -> bool:
        """Whether it is about that finding, and still holds."""
        return finding.check == self.check and self.host in ("", finding.about) and today <= self.until


def read(target: Target) -> list[Ignored]:
    """What is borne in an office.

    Raises:
        BadInput: the file is no list of such.
    """
    path = target.kept / "ignored.yml"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or []
        return [
            Ignored(str(one["check"]), str(one.get("host", "")), str(one["because"]), _day(one["until"]), str(one["by"]))
            for one in found
        ]
    except FileNotFoundError:
        return []
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, AttributeError, ValueError) as problem:
        said = " ".join(visible(str(problem)).split())[:200]
        raise BadInput(f"{path} is no list of findings to bear: {said}", hint=f"git log -p {path}") from None


def _day(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def add(target: Target, more: Ignored, today: date) -> None:
    """Write one down, in the place of one about the same thing; those that have ended go.

    Raises:
        BadInput: the file is damaged.
    """
    rest = [one for one in read(target) if one.until >= today and (one.check, one.host) != (more.check, more.host)]
    rows = [
        {"check": one.check, **({"host": one.host} if one.host else {}), "because": one.because, "until": one.until, "by": one.by}
        for one in [*rest, more]
    ]
    write(target.kept / "ignored.yml", HEAD + yaml.safe_dump(rows, allow_unicode=True, sort_keys=False))


def borne(findings: Iterable[Finding], ignored: Iterable[Ignored], today: date) -> Mapping[int, Ignored]:
    """Which of the findings are borne: by their place in the list. Only what is not well can be."""
    known = list(ignored)
    return {
        at: one
        for at, finding in enumerate(findings)
        if finding.level > 0 and (one := next((one for one in known if one.covers(finding, today)), None))
    }
