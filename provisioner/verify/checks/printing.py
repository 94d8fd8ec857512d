"""Printing: a page sent from a desktop comes out, by the printer's own word."""

from collections.abc import Iterable

from provisioner.findings import Finding
from provisioner.language import N_
from provisioner.verify.checks import NO_SERVER, NOT_IN_PACK, Check, VerifySession, judged, not_applicable

PATIENCE_S = 25


def run(session: VerifySession) -> Iterable[Finding]:
    """One page on each printer of the dossier."""
    if "printing" not in session.services:
        yield not_applicable("printing", NOT_IN_PACK if session.server else NO_SERVER)
        return
    if not session.office.printers:
        yield not_applicable("printing", N_("The office has no printer."))
    for name in session.office.printers:
        said = session.act(
            "printed",
            printer=name,
            title=f"provisioner verify {session.token}",
            text=f"{session.office.organisation.name}\n{name}\n{session.token}",
            patience=PATIENCE_S,
            timeout_s=PATIENCE_S + 10,
        )
        yield judged(
            "printing",
            said["ok"],
            N_("A page sent from {desktop} came out of the printer {printer}."),
            N_("A page sent from {desktop} did not come out of the printer {printer}."),
            said["evidence"],
            name,
            desktop=session.desktop,
            printer=name,
        )


CHECK = Check("printing", N_("Printing"), run, frozenset({"printing", "printer"}))
