"""Clock: all machines of the office agree on the time, and the server gives it."""

from collections.abc import Iterable

from provisioner.findings import Finding
from provisioner.language import N_
from provisioner.verify.checks import Check, VerifySession, judged, not_applicable

LIMIT_S = 5.0  # Kerberos bears 300 (RFC 4120 1.6); people notice less


def run(session: VerifySession) -> Iterable[Finding]:
    """Each host's clock beside this laptop's (as `facts` were taken), and the server's answer as a time server."""
    offsets = {host: facts["offset"] for host, facts in session.facts.items()}
    middle = sorted(offsets.values())[len(offsets) // 2] if offsets else 0.0
    yield judged(
        "clock",
        bool(offsets) and all(abs(offset - middle) < LIMIT_S for offset in offsets.values()),
        N_("The clocks of the office's machines agree."),
        N_("The clocks of the office's machines do not agree."),
        ", ".join(f"{host} {offset - middle:+.1f} s" for host, offset in sorted(offsets.items())),
    )
    if "directory" in session.services:
        said = session.act("clock", server=session.services["directory"]["address"], limit=LIMIT_S)
        yield judged(
            "clock",
            said["ok"],
            N_("The server gives the office its time."),
            N_("The server does not give the office its time."),
            said["evidence"],
            session.server,
        )
    if session.lab:
        why = N_("The machines of a lab share this laptop's clock: whether they follow the world's time cannot be seen here.")
        yield not_applicable("clock", why)
        return
    for host in sorted(session.facts):
        yield judged(
            "clock",
            session.facts[host]["synchronised"],
            N_("The clock of {host} follows the world's time."),
            N_("The clock of {host} does not follow the world's time."),
            session.facts[host]["time"],
            host,
            host=host,
        )


CHECK = Check("clock", N_("The time"), run, frozenset({"time"}))
