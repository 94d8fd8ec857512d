"""An existing router is read into its office's dossier: the router is left as it is, and nothing it says is dropped unsaid."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from provisioner.errors import BadInput, Unreachable, Unreadable
from provisioner.inventory import open_inventory
from provisioner.inventory.dossier import Office
from provisioner.inventory.editing import Draft
from provisioner.inventory.models import Kind
from provisioner.inventory.network import Forward
from provisioner.inventory.packs import Pack
from provisioner.inventory.placement import forwards
from provisioner.inventory.target import Target
from provisioner.operation import Listener, operation
from provisioner.operation.selection import Selection
from provisioner.router import device, platforms
from provisioner.router.description import TIME_SERVERS, describe
from provisioner.router.reading import Line, Proposal, Reading, proposal, said
from provisioner.runs import Event
from provisioner.secrets import vault
from provisioner.secrets.models import Secrets

TASK = "router: What it has is read"
_WHOLE = ("wan", "tunnel")  # sections of which no older word may stay beside what the router says


@dataclass
class Adoption:
    """What a dossier would say: the `draft`, `left` with what has no word in it, `secrets` for the vault by name."""

    draft: Draft
    diff: str
    left: list[Line]
    secrets: dict[str, str] = field(default_factory=dict)

    def save(self, target: Target) -> list[str]:
        """Write the dossier, and the secrets into the vault; the names of those that it does not take.

        Raises:
            BadInput: every problem of the result; nothing was written.
            Busy: somebody wrote the dossier meanwhile.
        """
        office = self.draft.save()
        missed = []
        for name, text in self.secrets.items():
            try:
                vault.enter(target, office, name, text)
            except BadInput:
                missed.append(name)
        return missed


def run_read(selection: Selection, host: str, *, watch: Listener, say: Callable[[str], None]) -> Adoption:
    """`router adopt`: what the dossier would say with this router as it is; nothing is written anywhere.

    Raises:
        BadInput: the host is no router, or what it says fits no dossier.
        HostKeyChanged, Unreachable, Unreadable: it could not be read.
    """
    if selection.office.hosts[host].kind is not Kind.ROUTER:
        raise BadInput(f"{host} is a {selection.office.hosts[host].kind.value}, no router", hint="provisioner office show")
    with operation(selection, "router adopt", watch=watch, say=say, leased=False) as op:
        if host not in selection.reached:
            raise Unreachable(f"{host} does not answer: {selection.found[host].problem}")
        with device(selection, host) as router:
            if not hasattr(router, "reading"):
                platform = selection.office.hosts[host].platform
                raise BadInput(f"a router of the platform {platform} is not read into a dossier yet", hint="the dossier, by hand")
            found = read(router, host)
        op.recorder(Event("host_ok", host, TASK))
        op.status = "unchanged"
    draft = Draft(open_inventory(selection.target.inventory), selection.target.office)
    try:
        return adoption(draft, selection.pack, vault.read(selection.target), host, selection.reached[host], found)
    except BadInput as problem:
        hint = problem.hint or "the router has it so: change that or the dossier, and read it again"
        raise BadInput(str(problem), hint=hint) from None


def read(router: Any, host: str) -> Reading:
    """What a router says of itself.

    Raises:
        Unreadable: an address or a number in it is none: whatever answers there is not believed in part.
    """
    try:
        found: Reading = router.reading()
    except ValueError as problem:
        hint = "provisioner router show tells how it runs; write the dossier by hand"
        raise Unreadable(f"what {host} says of itself cannot be read: {str(problem)[:200]}", hint=hint) from None
    return found


def adoption(draft: Draft, pack: Pack, known: Secrets, host: str, met: str, found: Reading) -> Adoption:
    """What the draft's office would say with its router as it is; `met` is the address at which it answered.

    Raises:
        BadInput: what the router says fits no dossier: each problem, by field.
    """
    made = proposal(draft.before, host, met, found)
    before = draft.text
    _fill(draft, draft.before, pack, made)
    office = draft.office()
    secrets = {name: text for name, text in made.secrets.items() if text != _kept(known, name)}
    left = list(said(made.left, _rendered(office, pack, known, made, host)))
    diff = "".join(difflib.unified_diff(before.splitlines(True), draft.text.splitlines(True), "dossier.yml", "dossier.yml"))
    return Adoption(draft, diff, left, secrets)


def _fill(draft: Draft, office: Office, pack: Pack, made: Proposal) -> None:
    """Put what differs from the dossier as it stands, and from what its pack adds to it, into the draft."""
    led = list(forwards(pack, office).values())  # the way to the office's website too
    effective: dict[str, Any] = office.model_dump(mode="json", exclude_none=True)
    effective.setdefault("time", {"servers": list(TIME_SERVERS)})
    for word in _WHOLE:
        wanted = {name for place, name, _ in made.values if place == (word,)}
        for name in list(draft.data.get(word) or {}) if wanted else ():
            if name not in wanted and name not in ("type", "ipv6"):
                draft.drop((word,), name)
    for place, name, value in made.values:
        if place == ("forwards",) and Forward(**value) in led:
            continue
        there: Any = effective
        for part in place:
            there = there.get(part) or {} if isinstance(there, dict) else {}
        if not isinstance(there, dict) or not _same(there.get(name), value):
            draft.set(place, name, value)


def _same(there: Any, value: Any) -> bool:
    """Whether the dossier says it already, also by what it leaves unsaid."""
    if isinstance(there, dict) and isinstance(value, dict):
        return all(_same(there.get(word), one) for word, one in value.items())
    return bool(there == value or str(there) == str(value))


def _kept(known: Secrets, name: str) -> str:
    section, _, entry = name.partition(".")
    return str(getattr(known, section).get(entry, ""))


def _rendered(office: Office, pack: Pack, known: Secrets, made: Proposal, host: str) -> list[str]:
    """Every text that the office's own configuration of this router would hold."""
    for name, text in made.secrets.items():
        section, _, entry = name.partition(".")
        known = known.model_copy(update={section: {**getattr(known, section), entry: text}})
    platform = office.hosts[host].platform
    return platforms.statements(platform, platforms.rendering(platform).render(describe(office, pack, known, host)))
