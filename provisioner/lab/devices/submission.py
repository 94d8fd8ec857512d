"""The lab's mail provider: takes one account's mail over TLS (RFC 6409) and keeps it; run as a script, on its machine.

Reads `/etc/provider/submission.json`: `names`, `port`, `user`, `password`, `sender`. What it took lies in a Maildir,
`/srv/mail/new`, each message with its envelope in two header lines before it. aiosmtpd and what it needs lie beside it.
"""

import asyncio
import hmac
import json
import os
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

CONFIGURATION = Path("/etc/provider")
MAILDIR = Path("/srv/mail")
IMPLICIT_TLS = 465  # RFC 8314, section 7.3; every other port begins in clear and demands STARTTLS


class Account:
    """The one account there is: what it may send, and where that goes."""

    def __init__(self, user: str, password: str, sender: str) -> None:
        self.user, self.password, self.sender = user.encode(), password.encode(), sender
        self.count = 0

    def login(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        """Let in who knows the password."""
        known = isinstance(given, LoginPassword) and given.login == self.user
        return AuthResult(success=known and hmac.compare_digest(given.password, self.password), handled=False)

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: Sequence[str]
    ) -> str:
        """Refuse senders that are not the account's own, as providers do; the empty one is a bounce's (RFC 5321, 4.5.5)."""
        if address not in ("", "<>", self.sender):
            return f"553 5.7.1 this account sends as {self.sender} alone"
        envelope.mail_from = address or "<>"  # aiosmtpd takes no text for no MAIL at all
        envelope.mail_options.extend(options)
        return "250 2.1.0 sender taken"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: Sequence[str]
    ) -> str:
        """Everybody in the world has a mailbox here but those called `nobody`, for whoever wants to see a bounce."""
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 recipient taken"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep one message: whole under its name, or not at all."""
        self.count += 1
        name = f"{time.time_ns()}.{self.count}.provider"
        content = envelope.original_content or b""
        sender = (envelope.mail_from or "").strip("<>")
        head = f"X-Envelope-From: {sender}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        partial = MAILDIR / "tmp" / name
        partial.write_bytes(head.encode() + content)
        partial.rename(MAILDIR / "new" / name)
        return f"250 2.0.0 kept as {name}"


async def main() -> None:
    """Serve until the machine is switched off."""
    said = json.loads((CONFIGURATION / "submission.json").read_text())
    account = Account(said["user"], said["password"], said["sender"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CONFIGURATION / "certificate.pem", CONFIGURATION / "key.pem")
    implicit = said["port"] == IMPLICIT_TLS

    def session() -> SMTP:
        return SMTP(
            account,
            hostname=said["names"][0],
            ident="ESMTP",
            data_size_limit=32 * 1024 * 1024,
            tls_context=None if implicit else context,
            require_starttls=not implicit,
            auth_require_tls=not implicit,
            auth_required=True,
            authenticator=account.login,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "0.0.0.0", said["port"], ssl=context if implicit else None)  # noqa: S104 - in its lab
    _tell("READY=1")
    await server.serve_forever()


def _tell(word: str) -> None:
    """Tell systemd (sd_notify(3)), whose sshd waits for us: a lab whose provider answers there takes mail too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.sendto(word.encode(), os.environ["NOTIFY_SOCKET"])


if __name__ == "__main__":
    asyncio.run(main())
