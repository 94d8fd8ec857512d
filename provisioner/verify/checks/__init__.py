"""Checks: what the office's people would try on Monday morning, tried by a witness from one of their desktops.

A check asks a machine (`hosts/programs/`: the programs that run on it) and concludes; it changes nothing of a real person. Its
`needs` name the services it stands on: when one of them is broken, exactly the checks that need it fail.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioner.errors import HostKeyChanged, Unreachable, Unreadable
from provisioner.findings import Finding, Level
from provisioner.hosts import answers, programs
from provisioner.hosts.access import UNREADABLE
from provisioner.language import N_
from provisioner.laptop.text import visible

if TYPE_CHECKING:
    from provisioner.inventory.dossier import Office
    from provisioner.inventory.packs import Pack
    from provisioner.operation import Operation
    from provisioner.operation.selection import Selection

LOGIN = "witness"  # fields.RESERVED_LOGINS: no person can be called so
PICTURES_BYTES = 48 << 20  # what a screen showed, some dozens of times
GRACE_S = 15  # for the way there and back, beside what a check may take


class Part(NamedTuple):
    """One thing that is tried: its name and title, and the services it stands on."""

    name: str
    title: str
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Check:
    """How something is tried, each question with a time-out; `parts` are what else is tried on the same way, each by itself."""

    name: str
    title: str
    run: "Callable[[VerifySession], Iterable[Finding]]"
    needs: frozenset[str] = frozenset()
    parts: tuple[Part, ...] = ()

    @property
    def every(self) -> tuple[Part, ...]:
        """Itself and its parts."""
        return (Part(self.name, self.title, self.needs), *self.parts)


@dataclass
class VerifySession:
    """Where the witness sits: an office, one of its desktops (its server where it has none), its server, who the witness is."""

    op: "Operation"
    desktop: str
    server: str
    services: Mapping[str, Mapping[str, str]]
    password: str
    token: str
    login: str = LOGIN
    # how long a person would try again to log in: whom a desktop was asked for too early it does not know for 15 s
    # (sssd.conf(5), entry_negative_timeout), and somebody may have asked for the witness before
    patience_s: float = 20
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)  # what screens showed: file name -> PNG
    only: frozenset[str] = frozenset()  # the checks to try; none: all of them

    def wants(self, check: str) -> bool:
        """Whether this is to be tried."""
        return not self.only or check in self.only

    def chosen(self, known: "Iterable[Check]") -> "list[Check]":
        """Those of the checks that have something to try."""
        return [check for check in known if any(self.wants(part.name) for part in check.every)]

    @property
    def selection(self) -> "Selection":
        """The office and its hosts."""
        return self.op.selection

    @property
    def office(self) -> "Office":
        """The dossier."""
        return self.selection.office

    @property
    def pack(self) -> "Pack":
        """The office's pack."""
        return self.selection.pack

    @property
    def lab(self) -> bool:
        """Whether all this is a lab."""
        return self.selection.target.lab

    @property
    def at_desktop(self) -> bool:
        """Whether the seat is a desktop of the office's; else it is its server, or its router."""
        from provisioner.inventory.models import Kind

        return self.office.hosts[self.desktop].kind is Kind.DESKTOP

    def on_lan(self, host: str) -> str:
        """Where the office's machines meet a host: where we do, unless we came by the way in from afar."""
        from provisioner.inventory import way_in

        at = self.selection.met[host]
        return str(self.office.hosts[host].address) if way_in.opened(self.selection.target) else at

    @property
    def domain(self) -> str:
        """The office's own domain."""
        return self.office.lan.domain

    def ask(self, host: str, program: str, *, timeout_s: float = 30, **what: Any) -> dict[str, Any]:
        """Run one of the programs of `hosts/programs/` on a host and return what it printed.

        Raises:
            Unreachable, HostKeyChanged: as `SshAccess.run`; Unreachable too when the host has no answer within the time.
        """
        text, address = programs.source(program), self.selection.met[host]
        done = programs.run(
            self.selection.ssh, host, address, text, what, timeout_s=timeout_s + GRACE_S, limit_bytes=PICTURES_BYTES
        )
        try:
            answer = answers.plain(done.stdout)
        except ValueError:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:400]
            return {"ok": False, "evidence": f"{host}: {last}"}
        return told(host, answer)

    def act(self, do: str, *, program: str = "user_session", timeout_s: float = 30, **what: Any) -> dict[str, Any]:
        """Let the witness do something at the desktop."""
        given = {"login": self.login, "password": self.password, "workgroup": workgroup(self.office), **what}
        return self.ask(self.desktop, program, timeout_s=timeout_s, do=do, **given)

    def pictured(self, finding: Finding, shown: Iterable[str], took_s: float) -> Finding:
        """The finding with what the screen showed (PNG, in base64) and how long it took."""
        names = []
        for data in (_picture(self.desktop, one) for one in shown if one):
            names.append(f"{hashlib.sha256(data).hexdigest()}.png")
            self.pictures[names[-1]] = data
        return replace(finding, pictures=tuple(names), took_s=took_s)


def _picture(host: str, text: object) -> bytes:
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        data = b""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise Unreadable(f"{host} shows a picture that is none", hint=UNREADABLE)
    return data


class HostAnswer(dict[str, Any]):
    """What a program said; a word that it owes us and does not say makes it unreadable."""

    def __init__(self, host: str, said: Mapping[str, Any]) -> None:
        super().__init__(said)
        self.host = host

    def __missing__(self, word: str) -> Any:
        raise Unreadable(f"{self.host} does not say {word}", hint=UNREADABLE)


SHAPE: dict[str, tuple[type, ...]] = {"ok": (bool,), "evidence": (str,), "took_s": (int, float), "pictures": (list,)}


def told(host: str, answer: object) -> HostAnswer:
    """An answer whose known words have their types, the steps in it too.

    Raises:
        Unreadable: it has not.
    """
    if not isinstance(answer, dict):
        raise Unreadable(f"{host} says {type(answer).__name__} where an object belongs", hint=UNREADABLE)
    for word, kinds in SHAPE.items():
        if word in answer and type(answer[word]) not in kinds:
            raise Unreadable(f"{host} says {word}: {str(answer[word])[:60]}", hint=UNREADABLE)
    return HostAnswer(host, {word: told(host, one) if isinstance(one, dict) else one for word, one in answer.items()})


def workgroup(office: "Office") -> str:
    """The directory's short name."""
    return office.lan.domain.partition(".")[0].upper()


def try_check(check: Check, session: VerifySession) -> list[Finding]:
    """Try it; a host that gives no answer is a finding too: what is not known is never a success."""
    began, found = time.time(), []
    try:
        found = list(check.run(session))
    except (Unreachable, HostKeyChanged) as error:
        found = [Finding(part.name, Level.UNKNOWN, NO_ANSWER, evidence=str(error)) for part in check.every]
    except (TypeError, ValueError, KeyError, AttributeError, IndexError):  # of what a host said, however it said it
        said = f"an answer that cannot be read: {check.name}"
        found = [Finding(part.name, Level.UNKNOWN, NO_ANSWER, evidence=said) for part in check.every]
    took = time.time() - began
    if not found:
        found = [Finding(part.name, Level.UNKNOWN, NO_ANSWER) for part in check.every]
    return [replace(f, evidence=clean(f.evidence, session.password), took_s=f.took_s or took, at=began) for f in found]


def clean(evidence: str, password: str) -> str:
    """Evidence for paper: without the witness's password, without what moves a terminal, no longer than a page."""
    text = visible(evidence.replace(password, "********").strip())
    return text if len(text) <= 1500 else f"{text[:1000]}\n…\n{text[-400:]}"


def judged(check: str, good: bool, yes: str, no: str, evidence: str = "", about: str = "", **values: Any) -> Finding:
    """A finding that is ok or critical, with the sentence for either."""
    return Finding(check, Level.OK if good else Level.CRITICAL, yes if good else no, values, about, evidence)


def not_applicable(check: str, reason: str, about: str = "", **values: Any) -> Finding:
    """A finding that says why there is nothing to try here."""
    return Finding(check, Level.NOT_APPLICABLE, reason, values, about)


NO_ANSWER = N_("The machine gave no answer in time, so this is not known.")
NO_SERVER = N_("This office has no server.")
NO_DESKTOP = N_("This office has no desktop of its own to try it at: its people bring theirs.")
NOT_IN_PACK = N_("The office's pack does not include this.")
