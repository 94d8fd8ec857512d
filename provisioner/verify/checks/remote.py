"""The way in from afar: the office's end meets its hub, or the office has closed it and nothing is up; its switch is at hand."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from provisioner.findings import Finding, Level
from provisioner.inventory import way_in
from provisioner.language import N_
from provisioner.verify.checks import NO_DESKTOP, NOT_IN_PACK, Check, Part, VerifySession, judged, not_applicable

if TYPE_CHECKING:
    from provisioner.inventory.dossier import Office

NAME, SWITCH = "remote", "remote_switch"
PATIENCE_S = 45  # after a restart: the first call, and another if that one was lost
ASK_S = 40  # the last asking, beyond it
NO_WAY = N_("This office has no way in from afar.")


def run(session: VerifySession) -> Iterable[Finding]:
    """The end of the tunnel by its own word, and the switch as somebody at the desktop sees it."""
    gate = way_in.gate(session.office) if session.office.remote or session.office.hub else ""
    if session.wants(NAME):
        if gate:
            hub = session.office.remote.hub if session.office.remote else ""
            said = session.ask(gate, "server", do="way_in", hub=hub, patience=PATIENCE_S, timeout_s=PATIENCE_S + ASK_S)
            yield judge(session.office, gate, said)
        else:
            yield not_applicable(NAME, NO_WAY)
    if session.wants(SWITCH):
        yield _switch(session) if gate else not_applicable(SWITCH, NO_WAY)


def judge(office: "Office", gate: str, said: Mapping[str, Any]) -> Finding:
    """What an end says of itself; pure. One that is closed is as the office wants it, as long as it is really down."""
    evidence = str(said["evidence"])
    if said.get("closed") is True:
        if said["up"]:
            return Finding(NAME, Level.CRITICAL, N_("The way in from afar is open though it was closed."), {}, gate, evidence)
        return Finding(NAME, Level.NOT_APPLICABLE, N_("The office has closed its way in from afar."), {}, gate, evidence)
    if office.hub:
        yes, no = N_("{host} waits for the calls of the offices."), N_("{host} does not wait for the calls of the offices.")
        return judged(NAME, said["ok"], yes, no, evidence, gate, host=gate)
    return judged(
        NAME,
        said["ok"],
        N_("The way in from afar is open: {host} and the co-op's machine hear each other."),
        N_("The way in from afar does not work: {host} and the co-op's machine do not hear each other."),
        evidence,
        gate,
        host=gate,
    )


def _switch(session: VerifySession) -> Finding:
    if not session.at_desktop:
        return not_applicable(SWITCH, NO_DESKTOP)
    given = session.pack.roles(session.office.hosts[session.desktop].kind, session.office.variant)
    if "remote_client" not in given or way_in.ROLE not in session.services:
        return not_applicable(SWITCH, NOT_IN_PACK)
    said = session.act("remote_switch")
    return judged(
        SWITCH,
        said["ok"],
        N_("At {desktop} a person of the office sees who came in from afar, and can close the way in."),
        N_("At {desktop} a person of the office does not see the way in from afar."),
        said["evidence"],
        session.desktop,
        desktop=session.desktop,
    )


CHECK = Check(
    NAME,
    N_("The way in from afar"),
    run,
    frozenset({"remote"}),
    parts=(Part(SWITCH, N_("Closing the way in from afar"), frozenset({"remote", "remote_client"})),),
)
