"""The verdict of a hand-over: "without reserves" only when everything expected was tried, lately, and holds. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from provisioner.findings import Finding, Level
from provisioner.language import N_

KEEPS = timedelta(days=30)  # how long a verification speaks for an office nobody has touched
_CLOCK = timedelta(hours=1)  # how far two laptops' clocks may differ
CHANGING = frozenset({"apply", "restore"})  # words of verbs after which what was tried before says nothing any more

WITHOUT, WITH = "without_reserves", "with_reserves"


@dataclass(frozen=True, slots=True)
class Reserve:
    """Something that keeps the record from being without reserves, or (`not_applicable`) that could not be tried and why.

    `kind` is a level's word for a finding, else `missing`, `partial`, `unfinished`, `changed`, `dossier`, `date` or `contact`.
    """

    kind: str
    sentence: str
    values: Mapping[str, Any] = field(default_factory=dict)
    check: str = ""
    about: str = ""

    def as_object(self) -> dict[str, Any]:
        """The reserve as the record's JSON has it."""
        return {
            "kind": self.kind, "check": self.check, "about": self.about, "sentence": self.sentence, "values": dict(self.values),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a verification amounts to for the client."""

    reserves: list[Reserve]
    apart: list[Reserve]  # not applicable, each with its reason

    @property
    def verdict(self) -> str:
        """`without_reserves` or `with_reserves`."""
        return WITH if self.reserves else WITHOUT


def judge(
    verify: Mapping[str, Any],
    *,
    hosts: Sequence[str],
    expected: Sequence[str],
    dossier_sha256: str,
    later: Iterable[Mapping[str, Any]],
    now: datetime,
    called: bool = True,
) -> Judgement:
    """Judge the summary of a verification.

    Args:
        verify: the summary.
        hosts: every host of the office.
        expected: every check that a whole verification makes.
        dossier_sha256: of the dossier as it is now.
        later: the summaries that came after it, the oldest first.
        now: the time of the record.
        called: whether the record names somebody who can be called.
    """
    findings, broken = _findings(verify)
    reserves = [
        *(Reserve(f.level.word, f.sentence, f.values, f.check, f.about) for f in findings if f.level > Level.OK),
        *broken,
        *_gaps(verify, findings, hosts, expected),
        *_age(verify, dossier_sha256, later, now),
    ]
    unnamed = [] if called else [Reserve("contact", N_("Nobody can be called: the provider gave no telephone number."))]
    if not reserves and verify.get("status") != "passed":
        reserves = [Reserve("unfinished", N_("The tests were not brought to their end."))]
    apart = [Reserve(f.level.word, f.sentence, f.values, f.check, f.about) for f in findings if f.level is Level.NOT_APPLICABLE]
    return Judgement(reserves + unnamed, apart)


def _findings(verify: Mapping[str, Any]) -> tuple[list[Finding], list[Reserve]]:
    found, broken = [], []
    for raw in verify.get("findings") or []:
        try:
            found.append(Finding.of(raw))
        except (KeyError, ValueError, TypeError):
            check = str(raw.get("check", "")) if isinstance(raw, Mapping) else ""
            broken.append(Reserve("unknown", N_("The result of this test cannot be read."), {}, check))
    return found, broken


def _gaps(
    verify: Mapping[str, Any], findings: Sequence[Finding], hosts: Sequence[str], expected: Sequence[str]
) -> Iterable[Reserve]:
    if verify.get("status") not in ("passed", "failed"):
        yield Reserve("unfinished", N_("The tests were not brought to their end."))
    wanted = verify.get("hosts_wanted") or []
    for host in hosts:
        if host not in wanted or host not in (verify.get("systems") or {}):
            yield Reserve("partial", N_("The tests did not include the machine {host}."), {"host": host}, about=host)
    tried = {finding.check for finding in findings}
    for check in expected:
        if check not in tried:
            yield Reserve("missing", N_("This was not tested."), {}, check)


def _age(verify: Mapping[str, Any], dossier_sha256: str, later: Iterable[Mapping[str, Any]], now: datetime) -> Iterable[Reserve]:
    change = next((one for one in later if _changes(one)), None)
    if change:
        yield Reserve(
            "changed", N_("The machines were changed after the tests (run {run})."), {"run": str(change.get("run", ""))}
        )
    if verify.get("dossier_sha256") != dossier_sha256:
        yield Reserve("dossier", N_("The description of the office was changed after the tests."))
    try:
        finished = datetime.fromisoformat(str(verify.get("finished")))
        age = now - finished
    except (ValueError, TypeError):
        yield Reserve("date", N_("The day of the tests is not known."))
        return
    if age > KEEPS:
        yield Reserve("date", N_("The tests are more than {days} days old."), {"days": KEEPS.days})
    elif age < -_CLOCK:
        yield Reserve("date", N_("The tests bear a date that is still to come."))


def _changes(summary: Mapping[str, Any]) -> bool:
    """Whether a run may have changed a machine: one that was stopped or failed may have, whatever it counted."""
    if not CHANGING & set(str(summary.get("verb", "")).split()):
        return False
    if summary.get("status") == "unreachable":
        return any(counts.get("changed") for counts in (summary.get("hosts") or {}).values())
    return summary.get("status") != "unchanged"
