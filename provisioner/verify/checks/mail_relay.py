"""Mail: what a machine of the office sends leaves through the provider and arrives."""

from collections.abc import Iterable

from provisioner.findings import Finding
from provisioner.language import N_
from provisioner.verify.checks import NOT_IN_PACK, Proof, Seat, judged, not_applicable

PATIENCE_S = 20


def run(seat: Seat) -> Iterable[Finding]:
    """From the desktop to the office's own mailbox at the provider; in a lab, seen in the provider's mailbox too."""
    mail = seat.office.mail
    if "mail_relay" not in seat.pack.roles(seat.office.hosts[seat.desktop].kind, seat.office.variant):
        yield not_applicable("mail", NOT_IN_PACK)
        return
    if mail is None:
        yield not_applicable("mail", N_("The office has no mail provider."))
        return
    said = seat.act(
        "mail",
        to=mail.sender,
        sender=mail.sender,
        subject=f"provisioner verify {seat.token}",
        token=seat.token,
        domain=seat.domain,
        text="Message de vérification. Verification message.",
    )
    evidence, good = said["evidence"], said["ok"]
    if good:
        log = seat.ask(
            seat.server or seat.desktop, "server", do="relayed", token=seat.token, patience=PATIENCE_S, timeout_s=PATIENCE_S + 5
        )
        good, evidence = log["ok"], f"{evidence}\n{log['evidence']}".strip()
    if good and seat.lab:
        from provisioner.lab import mails

        arrived = [text for text in mails(seat.selection.target) if seat.token in text]
        good = bool(arrived)
        evidence += f"\nin the provider's mailbox: {len(arrived)}"
    yield judged(
        "mail",
        good,
        N_("A message sent from {desktop} was taken by the mail provider."),
        N_("A message sent from {desktop} did not reach the mail provider."),
        evidence,
        seat.desktop,
        desktop=seat.desktop,
    )


PROOF = Proof("mail", N_("Sending mail"), run, frozenset({"mail_relay", "mail_client", "provider"}))
