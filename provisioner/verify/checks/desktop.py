"""Desktop: what a person meets when they sit down: the log-in screen, their desktop, their programs; each with a picture.

All of it is one visit to a virtual screen of the desktop (`hosts/programs/desktop_session.py`): one check of several parts.
"""

from collections.abc import Iterable
from typing import Any

from provisioner.findings import Finding, Level
from provisioner.inventory.dossier import ACME_HOST
from provisioner.inventory.placement import common_share
from provisioner.language import N_
from provisioner.verify.checks import NO_DESKTOP, NO_SERVER, NOT_IN_PACK, Check, Part, VerifySession, judged, not_applicable

VISIT_S = 240  # what all steps may take together; each has its own limits there
DIRECTORY = frozenset({"directory", "directory_client"})
TEXT = "Rendez-vous du jour"

NO_WEBSITE = N_("The office has no website.")
NOT_ONLINE = N_("The website has not been put online yet.")
NOT_REACHED = N_("It could not be tried: there was no desktop to try it from.")
SAID: dict[str, tuple[str, str]] = {
    "desktop": (
        N_("At the log-in screen of {desktop} a person gives their name and password, and sees their desktop."),
        N_("At the log-in screen of {desktop} a person does not get to their desktop."),
    ),
    "files": (
        N_("The common folder stands in the file manager as soon as a person has logged in."),
        N_("The common folder does not stand in the file manager."),
    ),
    "document": (
        N_("A letter is opened, written to, kept, made a PDF, and printed where there is a printer."),
        N_("A letter could not be opened, written to, kept, made a PDF and printed."),
    ),
    "browser": (
        N_("The browser opens with the office's own page."),
        N_("The browser does not open with the office's own page."),
    ),
    "website": (
        N_("At {desktop} the browser shows the office's website, with a valid certificate, its pages and its contact form."),
        N_("At {desktop} the office's website does not open as it should."),
    ),
    "agenda": (
        N_("Thunderbird shows an entry of the shared calendar that was made elsewhere."),
        N_("Thunderbird does not show what is in the shared calendar."),
    ),
    "lock": (
        N_("A locked screen stays locked for a wrong password, and opens for the right one."),
        N_("A locked screen does not stay locked for a wrong password, or does not open for the right one."),
    ),
    "offline": (
        N_("With the server out of reach, a person who was here before still gets to their desktop."),
        N_("With the server out of reach, a person who was here before does not get to their desktop."),
    ),
}


def visit(session: VerifySession) -> Iterable[Finding]:
    """Sit down, log in, work, lock the screen, go."""
    wanted = [check for check in SAID if check != "offline" and session.wants(check)]
    if not _has_desktop(session):
        yield from (not_applicable(check, NOT_IN_PACK if session.at_desktop else NO_DESKTOP) for check in wanted)
        return
    away = {
        check: NOT_IN_PACK if session.server else NO_SERVER
        for check, role in (("files", "file_share"), ("agenda", "calendar"))
        if role not in session.services
    }
    if not session.office.website:
        away["website"] = NO_WEBSITE
    elif "website" in wanted and not _online(session):
        away["website"] = NOT_ONLINE
    tried = [check for check in wanted if check not in away]
    if "agenda" in tried:
        _appointment(session, make=True)
    try:
        said = session.act(
            "visit",
            program="desktop_session",
            timeout_s=VISIT_S,
            steps=["desktop", *(check for check in tried if check != "desktop")],
            share=common_share(session.pack, session.office),
            server=session.services.get("file_share", {}).get("fqdn", ""),
            printer=next(iter(session.office.printers), "") if "printing" in session.services else "",
            home=session.office.organisation.name,
            website=f"https://{session.office.website.domain}/" if session.office.website else "",
            website_form=session.office.mail is not None,
            authority=f"https://{ACME_HOST}:15000/roots/0" if session.lab else "",
            token=session.token,
        )
    finally:
        if "agenda" in tried:
            _appointment(session, make=False)
    for check in wanted:
        yield not_applicable(check, away[check]) if check in away else _judge(session, check, said.get(check), said)


def offline(session: VerifySession) -> Iterable[Finding]:
    """The desktop is cut off from the server for the moment that it takes to log in again."""
    if not _has_desktop(session):
        yield not_applicable("offline", NOT_IN_PACK if session.at_desktop else NO_DESKTOP)
        return
    if "directory" not in session.services:
        yield not_applicable("offline", NO_SERVER)
        return
    away = session.services["directory"]["address"]
    said = session.act("visit", program="desktop_session", timeout_s=90, steps=["desktop"], away_from=away, token=session.token)
    yield _judge(session, "offline", said.get("desktop"), said)


def _judge(session: VerifySession, check: str, answer: dict[str, Any] | None, said: dict[str, Any]) -> Finding:
    yes, no = SAID[check]
    if answer is None:
        return Finding(
            check, Level.UNKNOWN, NOT_REACHED, about=session.desktop, evidence=str(said.get("desktop", said).get("evidence", ""))
        )
    found = judged(check, answer["ok"], yes, no, answer["evidence"], session.desktop, desktop=session.desktop)
    return session.pictured(found, answer.get("pictures", []), float(answer["took_s"]))


def _has_desktop(session: VerifySession) -> bool:
    return "desktop" in session.pack.roles(session.office.hosts[session.desktop].kind, session.office.variant)


def _online(session: VerifySession) -> bool:
    """Whether a release is served here; one that is served elsewhere is tried anyway."""
    if "website" not in session.services:
        return True
    said = session.ask(session.services["website"]["name"], "server", do="online", office=session.office.name)
    return bool(said["ok"])


def _appointment(session: VerifySession, *, make: bool) -> None:
    """An entry of today in the witness's own calendar, for Thunderbird to show."""
    about: dict[str, Any] = {"at": f"calendar.{session.domain}", "name": "agenda", "token": session.token}
    if make:
        session.act("calendar", text=TEXT, today=True, timeout_s=40, **about)
    else:
        session.act("uncalendar", timeout_s=40, **about)


VISIT = Check(
    "desktop",
    N_("The desktop"),
    visit,
    DIRECTORY,
    (
        Part("files", N_("The folders at the desktop"), DIRECTORY),
        Part("document", N_("Documents"), DIRECTORY | {"printing", "printer"}),
        Part("browser", N_("The browser"), DIRECTORY),
        Part("website", N_("The website"), DIRECTORY | {"website", "web"}),
        Part("agenda", N_("The calendar at the desktop"), DIRECTORY | {"calendar", "web"}),
        Part("lock", N_("The lock of the screen"), DIRECTORY),
    ),
)
OFFLINE = Check("offline", N_("Without the server"), offline, DIRECTORY)
