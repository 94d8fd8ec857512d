"""Session: a person logs in at a desktop with the one password, is refused with another, and changes it by themselves."""

import time
from collections.abc import Iterable

from provisioner.findings import Finding
from provisioner.language import N_
from provisioner.secrets.models import password
from provisioner.verify.checks import NO_DESKTOP, Check, VerifySession, judged, not_applicable

NEEDS = frozenset({"directory", "directory_client"})


def log_in(session: VerifySession) -> Iterable[Finding]:
    """At the desktop, through what its login screen asks too."""
    if not session.at_desktop:
        yield not_applicable("session", NO_DESKTOP)
        return
    began = time.monotonic()
    said = session.act("session", timeout_s=30)
    while not said["ok"] and time.monotonic() - began < session.patience_s:
        time.sleep(5)
        said = session.act("session", timeout_s=30)
        said["evidence"] += f"\n{time.monotonic() - began:.0f} s after the first try"
    yield judged(
        "session",
        said["ok"],
        N_("A person of the office logs in at {desktop} with their password and is at home."),
        N_("A person of the office cannot log in at {desktop}."),
        said["evidence"],
        session.desktop,
        desktop=session.desktop,
    )
    if said["ok"]:
        said = session.act("refused", timeout_s=30)
        yield judged(
            "session",
            said["ok"],
            N_("With a wrong password nobody gets in."),
            N_("A wrong password was not refused."),
            said["evidence"],
            session.desktop,
        )


def change_password(session: VerifySession) -> Iterable[Finding]:
    """The new one counts at once, the old one no longer."""
    if not session.at_desktop:
        yield not_applicable("password", NO_DESKTOP)
        return
    new = password()
    said = session.act("passwd", new=new, timeout_s=30)
    good, evidence = said["ok"], said["evidence"].replace(new, "********")
    if good:
        again = session.act("session", password=new, timeout_s=30)
        good, evidence = again["ok"], f"{evidence}\n{again['evidence']}"
        session.password = new
    yield judged(
        "password",
        good,
        N_("A person changes their own password; the new one counts at once."),
        N_("A person could not change their own password."),
        evidence.replace(new, "********"),
        session.desktop,
    )


LOG_IN = Check("session", N_("Logging in"), log_in, NEEDS)
CHANGE_PASSWORD = Check("password", N_("Changing one's password"), change_password, NEEDS)
