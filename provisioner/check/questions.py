"""The 13 questions that ANSSI asks a very small or small enterprise, each answered by what was measured, with its day; pure.

After "La cybersécurité pour les TPE/PME en 13 questions" (ANSSI), the questions in words of ours. What no check, no verification
and no run of the audit has seen is "not measured": what an office says of itself is no evidence.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from provisioner.findings import Finding, Level
from provisioner.language import N_

if TYPE_CHECKING:
    from provisioner.inventory.dossier import Office

FRESH_DAYS = 31  # what was seen longer ago says nothing of this month
GOOD, ACT, UNKNOWN = "good", "act", "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one question: `good`, `act` or `unknown` (not measured), a sentence with its values, when it was seen."""

    question: str
    word: str
    sentence: str
    values: Mapping[str, Any] = field(default_factory=dict)
    at: float = 0.0  # s since 1970; 0: never
    more: int = 0  # other findings that are not well either


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of an office, in s since 1970 where it is dated: what counts of the last check, of the last verification."""

    office: "Office"
    checked: Sequence[Finding]
    verified: Sequence[Finding]
    restored: float  # the newest restore that went well; 0: none
    now: float

    def of(self, names: Iterable[str], *, tried: bool = False) -> list[Finding]:
        """The findings of these checks that are young enough; with `tried` those of the verification."""
        wanted, since = set(names), self.now - FRESH_DAYS * 86400
        known = self.verified if tried else self.checked
        return [one for one in known if one.check in wanted and one.at >= since and one.level is not Level.NOT_APPLICABLE]


Ask = Callable[[Evidence, str], Answer]
NOT_MEASURED = N_("not measured")


def _measured(names: Sequence[str], good: str, *, tried: bool = False, **values: Callable[[Evidence], Any]) -> Ask:
    """Answered by checks: well when all that they found is, else the worst of it."""

    def ask(evidence: Evidence, question: str) -> Answer:
        found = evidence.of(names, tried=tried)
        bad = sorted((one for one in found if one.level > Level.OK), key=lambda one: -one.level)
        if not found or (bad and bad[0].level is Level.UNKNOWN):
            return Answer(question, UNKNOWN, bad[0].sentence if bad else NOT_MEASURED, bad[0].values if bad else {},
                          bad[0].at if bad else 0.0, max(0, len(bad) - 1))  # fmt: skip
        at = min(one.at for one in found)
        if bad:
            return Answer(question, ACT, bad[0].sentence, bad[0].values, at, len(bad) - 1)
        return Answer(question, GOOD, good, {name: value(evidence) for name, value in values.items()}, at)

    return ask


def _never(why: str) -> Ask:
    """Nothing of ours measures it; what to do instead is said."""
    return lambda _, question: Answer(question, UNKNOWN, why)


def _reaction(evidence: Evidence, question: str) -> Answer:
    restored = max([evidence.restored, *(one.at for one in evidence.of(("backup",), tried=True) if one.level is Level.OK)])
    if restored >= evidence.now - FRESH_DAYS * 86400:
        told = N_("Files were restored from a backup, as after an attack; call us first, and pull the network cable.")
        return Answer(question, GOOD, told, {}, restored)
    return Answer(question, UNKNOWN, N_("Not rehearsed this month. Call us first, and pull the network cable."))


def _clouds(evidence: Evidence, question: str) -> Answer:
    known = [one.host for one in (evidence.office.mail, evidence.office.backup) if one]
    told = N_("Known to us, not measured: {names}.") if known else N_("Not measured; none is known to us.")
    return Answer(question, UNKNOWN, told, {"names": ", ".join(known)})


QUESTIONS: tuple[tuple[str, Ask], ...] = (
    (N_("Do you know all your computers and programs?"), _measured(
        ("reached",), N_("{count} machines are listed, and every one answers."), count=lambda one: len(one.office.hosts))),
    (N_("Is everything that matters copied regularly?"), _measured(
        ("backups",), N_("Every copy is there, young, and was read."))),
    (N_("Is everything kept up to date?"), _measured(
        ("updates", "restart", "support"), N_("Every machine has its security updates and a system that is supported."))),
    (N_("Is there an antivirus?"), _never(N_("Not measured: your standard installation has none."))),
    (N_("Are passwords long, personal and kept safe?"), _measured(
        ("accounts", "keys"), N_("Every account and key is one that was agreed; passwords themselves are not measured."))),
    (N_("Is there a firewall, and are its rules known?"), _measured(
        ("ports",), N_("Each machine lets in what was agreed and nothing else."))),
    (N_("Is the mail secured?"), _measured(
        ("mail",), N_("The machines' mail leaves encrypted; your mailboxes are your provider's."), tried=True)),
    (N_("Are work, private life and administration kept apart?"), _measured(
        ("accounts",), N_("Nobody works as administrator; private use is not measured."))),
    (N_("Are trips and work outside secured?"), _never(
        N_("Not measured: take an encrypted machine, and no more data than needed."))),
    (N_("Does everybody know the risks?"), _never(N_("Not measured: have you talked about false mails this month?"))),
    (N_("Do you know what to do under attack?"), _reaction),
    (N_("Does your insurance cover it?"), _never(N_("Not measured: ask your insurer."))),
    (N_("Do you know your services in the cloud?"), _clouds),
)  # fmt: skip


def answers(evidence: Evidence) -> list[Answer]:
    """All of them, in ANSSI's order."""
    return [ask(evidence, question) for question, ask in QUESTIONS]
