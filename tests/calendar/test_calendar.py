"""Calendars and contacts, from the desktop of a person and from another machine."""

import json
import time
import uuid
from base64 import b64encode
from typing import Any

import pytest

from tests.stage import Stage

pytestmark = pytest.mark.lab

# Played on a machine with its own trust: what Thunderbird would see. Asks come in, answers go out, as JSON.
CLIENT = """
import base64, http.client, json, ssl, sys
answers = []
for ask in json.load(sys.stdin):
    if ask["host"]:
        web = http.client.HTTPSConnection(ask["host"], context=ssl.create_default_context(), timeout=20)
    else:
        web = http.client.HTTPConnection("127.0.0.1", 5232, timeout=20)
    headers = dict(ask["headers"])
    if ask["user"]:
        headers["Authorization"] = "Basic " + base64.b64encode(ask["user"].encode()).decode()
    try:
        web.request(ask["method"], ask["path"], ask["body"].encode() * ask["times"], headers)
        said = web.getresponse()
        answers.append([said.status, said.read().decode(errors="replace"), dict(said.getheaders())])
    except (OSError, http.client.HTTPException) as error:
        answers.append([0, str(error), {}])
print(json.dumps(answers))
"""
HOST = "calendar.epicerie.internal"
TITLE = "Réunion « d'été » {{ 7*7 }} \u202eà côté"
Answer = tuple[int, str, dict[str, str]]


def password(office: Stage, login: str) -> str:
    return str(office.json("secrets", "show", "demo", "--lab", f"people.{login}").data["people"][login])


def ask(method: str, path: str, user: str = "", **more: Any) -> dict[str, Any]:
    """One request; `user` is `login:password`; without `host` it goes past the web server, on the server itself."""
    return {"host": HOST, "method": method, "path": path, "user": user, "body": "", "times": 1, "headers": {"Depth": "0"}} | more


def answers(office: Stage, *asks: dict[str, Any], at: str = "desktop") -> list[Answer]:
    """What a machine of the office was answered, one after the other."""
    script, stdin = (b64encode(text.encode()).decode() for text in (CLIENT, json.dumps(asks)))
    line = f'echo {stdin} | base64 -d | python3 -c "$(echo {script} | base64 -d)"'
    return [(code, text, headers) for code, text, headers in json.loads(office.on(at, line))]


def codes(office: Stage, *asks: dict[str, Any], at: str = "desktop") -> list[int]:
    return [code for code, _, _ in answers(office, *asks, at=at)]


def event(uid: str) -> str:
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T090000Z\r\nDTEND:20260101T100000Z\r\n"
        f"SUMMARY:{TITLE}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )


@pytest.fixture(scope="module")
def zoe(office: Stage) -> str:
    return f"zoe:{password(office, 'zoe')}"


@pytest.fixture(scope="module")
def come(office: Stage) -> str:
    return f"come:{password(office, 'come')}"


def test_an_event_made_at_the_desk_is_seen_from_elsewhere(office: Stage, zoe: str) -> None:
    """An entry with any text in it, made at one machine with the session's password, is read at another."""
    uid = str(uuid.uuid4())
    path = f"/zoe/agenda/{uid}.ics"

    made = answers(office, ask("PUT", path, zoe, body=event(uid), headers={"Content-Type": "text/calendar; charset=utf-8"}))
    seen = answers(office, ask("GET", path, zoe), ask("DELETE", path, zoe), at="server")

    assert made[0][0] == 201, made
    assert [code for code, _, _ in seen] == [200, 200], seen
    assert TITLE in seen[0][1].replace("\r\n ", "")


def test_a_login_is_taken_as_people_type_it(office: Stage, zoe: str) -> None:
    """Capitals and the office's domain behind the login lead to the same calendar, not to a second one."""
    secret = zoe.partition(":")[2]
    typed = ["Zoe", "zoe@epicerie.internal", " zoe "]

    assert codes(office, *(ask("PROPFIND", "/zoe/agenda/", f"{word}:{secret}") for word in typed)) == [207] * 3


def test_nobody_sees_what_is_anothers(office: Stage, zoe: str, come: str) -> None:
    """Another's calendar, and that of a group one is not in, can be neither read nor written; one's groups' can be both."""
    uid = str(uuid.uuid4())
    path = f"/boutique/agenda/{uid}.ics"

    refused = codes(
        office,
        *(ask("PROPFIND", place, come) for place in ("/zoe/agenda/", "/zoe/", "/compta/agenda/", "/aicha/contacts/")),
        *(ask("PUT", f"{place}{uid}.ics", come, body=event(uid)) for place in ("/zoe/agenda/", "/compta/agenda/")),
        ask("MKCALENDAR", "/zoe/intrus/", come),
        ask("DELETE", "/zoe/agenda/", come),
        ask("DELETE", "/boutique/", come),
    )
    shared = answers(
        office,
        ask("PUT", path, come, body=event(uid)),
        ask("GET", path, zoe),
        ask("DELETE", path, zoe),
        ask("PROPFIND", "/boutique/agenda/", come),
    )

    assert refused == [403] * len(refused)
    assert [code for code, _, _ in shared] == [201, 200, 200, 207]
    assert "Agenda Toute la boutique" in shared[3][1]


def test_the_password_is_asked_and_nothing_else_is_believed(office: Stage, zoe: str) -> None:
    """A wrong password, none, an empty one, and a name that the program claims for itself are refused."""
    secret = zoe.partition(":")[2]
    users = ["", "zoe:", "zoe:wrong", f"come:{secret}", f"nobody.here:{secret}", f"*:{secret}", "zoe:\0"]
    claimed = {"X-Remote-User": "zoe", "Remote-User": "zoe", "Depth": "0"}

    said = answers(office, *(ask("PROPFIND", "/zoe/agenda/", user, headers=claimed) for user in users))
    inside = answers(office, ask("PROPFIND", "/zoe/agenda/", headers=claimed, host=""), at="server")

    assert [code for code, _, _ in said + inside] == [401] * 8, "not even on the server itself"
    assert all(headers["WWW-Authenticate"].startswith("Basic") for _, _, headers in said)


def test_programs_find_it_by_its_name_alone_and_over_tls(office: Stage) -> None:
    """The well-known addresses lead on; another name gets no certificate; old TLS gets no answer; too much is refused."""
    caldav, carddav, other, large = answers(
        office,
        ask("PROPFIND", "/.well-known/caldav"),
        ask("PROPFIND", "/.well-known/carddav"),
        ask("GET", "/", host="server.epicerie.internal"),
        ask("PUT", "/zoe/agenda/x.ics", "zoe:x", body="x" * 1000, times=11_000),
    )
    old = f"openssl s_client -connect 192.168.1.10:443 -servername {HOST} -tls1_1 -cipher DEFAULT@SECLEVEL=0 </dev/null 2>&1"

    assert [(code, headers["Location"]) for code, _, headers in (caldav, carddav)] == [(301, f"https://{HOST}/")] * 2
    assert other[0] == 0
    assert "UNRECOGNIZED_NAME" in other[1].upper().replace(" ", "_"), other
    assert large[0] in (0, 413), "the web server answers and closes while the client still writes"
    assert "alert protocol version" in office.on("desktop", f"{old} || true")
    assert office.on("server", "ss -Hltn 'sport = :5232' | awk '{print $4}'").split() == ["127.0.0.1:5232"]
    assert office.on("server", "sudo stat -c '%a %U' /etc/nginx/tls/office.key").split() == ["600", "root"]


def test_a_closed_directory_is_no_wrong_password(office: Stage, zoe: str) -> None:
    """While the directory is down nobody is let in, and nobody's program is told that its password is wrong."""
    own = ask("PROPFIND", "/zoe/agenda/", zoe, host="")
    office.on("server", "sudo systemctl restart radicale && sudo systemctl stop samba-ad-dc")
    try:
        assert codes(office, own, at="server") == [500]
    finally:
        office.on("server", "sudo systemctl start samba-ad-dc")
    until = time.monotonic() + 60
    while (said := codes(office, own, at="server")) != [207] and time.monotonic() < until:
        time.sleep(1)
    assert said == [207]


@pytest.mark.deep
def test_a_calendar_that_was_renamed_keeps_its_name(office: Stage) -> None:
    """A collection that is there is its owner's: another apply makes none again and gives none its first name back."""
    props = "/var/lib/radicale/collections/collection-root/aicha/agenda/.Radicale.props"
    office.on("server", f"sudo sed -i 's/Agenda/Mes heures/' {props}")

    said = office.json("apply", "demo", "--lab", "--yes", "--host", "server")

    assert said.data["hosts"]["server"]["changed"] == 0, said
    assert "Mes heures" in office.on("server", f"sudo cat {props}")
