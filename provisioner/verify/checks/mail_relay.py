"""Mail: what a machine of the office sends leaves through the provider and arrives."""

from collections.abc import Iterable

from provisioner.findings import Finding
from provisioner.language import N_
from provisioner.verify.checks import NOT_IN_PACK, Check, VerifySession, judged, not_applicable

PATIENCE_S = 20


def run(session: VerifySession) -> Iterable[Finding]:
    """From the desktop to the office's own mailbox at the provider; in a lab, seen in the provider's mailbox too."""
    mail = session.office.mail
    if "mail_relay" not in session.pack.roles(session.office.hosts[session.desktop].kind, session.office.variant):
        yield not_applicable("mail", NOT_IN_PACK)
        return
    if mail is None:
        yield not_applicable("mail", N_("The office has no mail provider."))
        return
    said = session.act(
        "mail",
        to=mail.sender,
        sender=mail.sender,
        subject=f"provisioner verify {session.token}",
        token=session.token,
        domain=session.domain,
        text="Message de vérification. Verification message.",
    )
    evidence, good = said["evidence"], said["ok"]
    if good:
        log = session.ask(
            session.server or session.desktop,
            "server",
            do="relayed",
            token=session.token,
            patience=PATIENCE_S,
            timeout_s=PATIENCE_S + 5,
        )
        good, evidence = log["ok"], f"{evidence}\n{log['evidence']}".strip()
    if good and session.lab:
        from provisioner.lab import mails

        arrived = [text for text in mails(session.selection.target) if session.token in text]
        good = bool(arrived)
        evidence += f"\nin the provider's mailbox: {len(arrived)}"
    yield judged(
        "mail",
        good,
        N_("A message sent from {desktop} was taken by the mail provider."),
        N_("A message sent from {desktop} did not reach the mail provider."),
        evidence,
        session.desktop,
        desktop=session.desktop,
    )


CHECK = Check("mail", N_("Sending mail"), run, frozenset({"mail_relay", "mail_client", "provider"}))
