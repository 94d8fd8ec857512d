"""Calendar: an entry made at a desktop is seen from another machine."""

import base64
import http.client
import socket
import ssl
from collections.abc import Iterable
from typing import Any

from provisioner.findings import Finding
from provisioner.language import N_
from provisioner.secrets import vault
from provisioner.verify.checks import NO_SERVER, NOT_IN_PACK, Check, VerifySession, judged, not_applicable

TEXT = "Réunion « d'été » — vérification"


def run(session: VerifySession) -> Iterable[Finding]:
    """Made with the desktop's own trust in the server; read by this laptop, which trusts the office's authority alone."""
    if "calendar" not in session.services:
        yield not_applicable("calendar", NOT_IN_PACK if session.server else NO_SERVER)
        return
    name = f"calendar.{session.domain}"
    about: dict[str, Any] = {"at": name, "name": f"verify-{session.token}", "token": session.token}
    said = session.act("calendar", text=TEXT, timeout_s=40, **about)
    evidence, good = said["evidence"], said["ok"]
    if good:
        code, text = _read(session, name, f"/{session.login}/{about['name']}/{session.token}.ics")
        good = code == 200 and TEXT in text
        evidence += f"\nGET from this laptop: {code}"
        session.act("uncalendar", **about)
    yield judged(
        "calendar",
        good,
        N_("An entry made in the calendar at {desktop} is seen from another machine."),
        N_("An entry could not be made in the calendar and seen from another machine."),
        evidence,
        session.desktop,
        desktop=session.desktop,
    )


def _read(session: VerifySession, name: str, path: str) -> tuple[int, str]:
    """GET as the witness from this laptop; (0, why) when there is no answer."""
    trusted = ssl.create_default_context(cadata=vault.read(session.selection.target).tls["authority"])
    login = base64.b64encode(f"{session.login}:{session.password}".encode()).decode()
    try:
        with (
            socket.create_connection((session.services["calendar"]["address"], 443), timeout=10) as plain,
            trusted.wrap_socket(plain, server_hostname=name) as secure,
        ):
            asked = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\r\n"
            secure.sendall(asked.encode())
            answer = http.client.HTTPResponse(secure)
            answer.begin()
            return answer.status, answer.read().decode(errors="replace").replace("\r\n ", "")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)


CHECK = Check("calendar", N_("The shared calendar"), run, frozenset({"directory", "calendar", "web"}))
