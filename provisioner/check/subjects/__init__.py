"""What is judged of a machine from afar: one file a subject, pure; `verify` tries the same office as its people do.

A subject reads one section of a machine's condition. What could not be measured is `unknown`, never `ok`; the limits that a
judgement goes by are told with it (`check --list`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from provisioner.check.condition import Condition
from provisioner.findings import Finding, Level
from provisioner.language import N_

if TYPE_CHECKING:
    from provisioner.inventory.dossier import Host, Office
    from provisioner.inventory.packs import Pack
    from provisioner.inventory.resellers import Reseller

DAY_S = 86400.0
Samples = Mapping[str, Sequence[tuple[float, float]]]  # what -> (s since 1970, value), the oldest first


@dataclass(frozen=True, slots=True)
class Machine:
    """One host of an office with all that it is judged by; `samples` are what it said before, `proofs` the last word on
    each backup place: when (ISO 8601), and why it is not proven (or empty).
    """

    name: str
    host: "Host"
    office: "Office"
    pack: "Pack"
    reseller: "Reseller"
    condition: Condition
    samples: Samples = field(default_factory=dict)
    lab: bool = False
    proofs: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def judged(self, check: str, level: Level, sentence: str, evidence: str = "", **values: Any) -> Finding:
        """A finding about this machine."""
        return Finding(
            check, level, sentence, {"host": self.name, **values}, self.name, evidence[:1500], at=self.condition.at
        )  # fmt: skip


Judge = Callable[[Machine, Any], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Subject:
    """One check: the section it reads, and `limits`, what it goes by, for a person."""

    name: str
    title: str
    section: str
    limits: str
    judge: Judge

    def findings(self, machine: Machine) -> list[Finding]:
        """What it concludes of a machine; `unknown` where the section was not measured."""
        section = machine.condition[self.section]
        if section.lacks:
            return [machine.judged(self.name, Level.UNKNOWN, N_("This was not measured on {host}."), section.lacks)]
        try:
            return list(self.judge(machine, section.value))
        except (ValueError, ArithmeticError, LookupError, TypeError) as problem:  # of the right shape and still no answer
            told = N_("What {host} says of this cannot be judged.")
            return [machine.judged(self.name, Level.UNKNOWN, told, f"{type(problem).__name__}: {problem}")]
