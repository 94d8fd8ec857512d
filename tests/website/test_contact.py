"""The contact form: what a visitor sends, what a robot does, and what the office gets of it."""

import email
import email.policy
import http.client
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.website import programs

PAGE = """<!DOCTYPE html><html lang="{language}"><body><main><h1>Contact</h1>
<form class="box" method="post"><label for="n">Nom</label><input id="n" name="name" required>
<input type="email" name="email" required><textarea name="message" required></textarea>
<input name="website" tabindex="-1"><button>ok</button></form>
<p>Après</p></main></body></html>"""
WRITTEN = {
    "name": "Zoé N'Diaye",
    "email": "zoe@client.example",
    "message": "Bonjour,\r\nêtes-vous ouverts demain ?",
    "website": "",
}


@dataclass
class Form:
    """A form that is served: its program, what sendmail(1) was given, and a clock of its own."""

    module: Any
    socket: Path
    out: Path
    tokens: Any
    sent: list[Path] = field(default_factory=list)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        """One request as nginx passes it on."""
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(self.socket))
            head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
            plain.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n".encode() + body)
            answer = http.client.HTTPResponse(plain)
            answer.begin()
            return answer.status, answer.read().decode()

    def post(self, fields: dict[str, str], path: str = "/contact/") -> tuple[int, str]:
        """Send the form."""
        body = urllib.parse.urlencode(fields).encode()
        kind = "application/x-www-form-urlencoded"
        return self.ask("POST", path, body, Content_Length=str(len(body)), Content_Type=kind)

    def token(self, age_s: float = 60) -> str:
        """That of a form that was given out a while ago."""
        return str(self.tokens.new(time.time() - age_s))

    @property
    def mails(self) -> list[EmailMessage]:
        """What the office gets."""
        texts = [path.read_bytes() for path in sorted(self.out.glob("*.eml"))]
        return [email.message_from_bytes(text, policy=email.policy.default) for text in texts]


@pytest.fixture
def form(tmp_path: Path) -> Iterator[Form]:
    """The program on a socket, with a French page and an English one."""
    module: Any = programs.load("contact")
    for path, language in (("contact", "fr"), ("en/contact", "en")):
        (tmp_path / "current" / path).mkdir(parents=True)
        (tmp_path / "current" / path / "index.html").write_text(PAGE.format(language=language))
    (tmp_path / "out").mkdir()
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f'#!/bin/sh\n[ ! -e {tmp_path}/broken ] || exit 75\necho "$@" >>{tmp_path}/out/words\n'
                        f"cat >{tmp_path}/out/$(date +%s%N).eml\n")  # fmt: skip
    sendmail.chmod(0o755)
    module.SENDMAIL = str(sendmail)
    config = {"root": str(tmp_path / "current"), "to": "zoe@epicerie.example", "sender": "systeme@epicerie.example",
              "domain": "epicerie.example", "phone": "04 00 00 04 01"}  # fmt: skip
    module.Handler.site = module.Site(config, b"k" * 32)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "s"))
    listening.listen()
    server = module.Server(module.Handler, listening.detach())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Form(module, tmp_path / "s", tmp_path / "out", module.Handler.site.tokens)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_visitors_message_becomes_one_mail_that_the_office_answers(form: Form) -> None:
    """From the office's own account, to the office, Reply-To the visitor; accents arrive, the page thanks in its language."""
    code, page = form.post({**WRITTEN, "token": form.token()})

    assert code == 200
    assert "Merci" in page
    assert "<form" not in page
    assert "Après" in page
    (mail,) = form.mails
    assert str(mail["From"]) == '"Site web epicerie.example" <systeme@epicerie.example>'
    assert str(mail["Reply-To"]) == "Zoé N'Diaye <zoe@client.example>"
    assert mail["Subject"] == "[epicerie.example] Message de Zoé N'Diaye"
    assert mail.get_content().startswith("Bonjour,\nêtes-vous ouverts demain ?\n")
    assert "https://epicerie.example/contact/" in mail.get_content()
    assert (form.out / "words").read_text() == "-i -f systeme@epicerie.example -- zoe@epicerie.example\n"
    assert "Thank you" in form.post({**WRITTEN, "token": form.token()}, "/en/contact/")[1]


def test_the_page_is_the_sites_own_with_a_signed_moment(form: Form) -> None:
    """Each form bears its moment; no cookie. Where there is no such page there is nothing, whatever the address is made of."""
    code, page = form.ask("GET", "/contact/?from=home")

    assert code == 200
    assert re.search(r'name="token" value="[0-9a-f.]{80,}"', page)
    assert "<h1>Contact</h1>" in page
    assert "notice" not in page
    for path in ("/nowhere/", "/", "/../current/contact/", "/contact/../../", "/contact", "/%2e%2e/", "/fr/../contact/"):
        assert form.ask("GET", path)[0] == 404, path


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Zoé\r\nBcc: everybody@spam.example"}, {"name": "Zoé\nSubject: x"}, {"name": "a\x00b"},
        {"email": "zoe@client.example\r\nBcc: a@spam.example"}, {"email": "a@x.example, b@y.example"},
        {"email": "zoe@client.example\nRCPT TO:<b@y.example>"}, {"email": "-f@x"}, {"email": '"a b"@x.example'},
        {"name": "line\u2028Bcc: x"}, {"name": "\u202eturned"}, {"email": "zoe@clïent.example"}, {"email": "zoe"}, {"email": ""},
    ],
    ids=repr,
)  # fmt: skip
def test_no_line_of_a_header_is_a_visitors_to_write(form: Form, change: dict[str, str]) -> None:
    """A line break in a field, a second address or half of one is refused with a sentence, and all stays in the form."""
    code, page = form.post({**WRITTEN, **change, "token": form.token()})

    assert code == 422
    assert 'role="alert"' in page
    assert "êtes-vous ouverts demain ?</textarea>" in page
    assert form.mails == []


def test_what_was_written_is_text_in_the_page_and_in_the_mail(form: Form) -> None:
    """A script in a field is shown as it was written, never run; in the mail it is plain text."""
    evil = {"name": "<b>\"'&", "email": '"><script>x</script>', "message": "</textarea><script>alert(1)</script>", "website": ""}
    code, page = form.post({**evil, "token": form.token()})

    assert code == 422
    assert "<script" not in page
    assert "&lt;/textarea&gt;&lt;script&gt;" in page
    assert form.post({**evil, "email": "a@b.example", "token": form.token()})[0] == 200
    assert form.mails[0].get_content_type() == "text/plain"
    assert "<script>alert(1)</script>" in form.mails[0].get_content()


def test_a_robot_is_refused_and_a_person_in_a_hurry_sends_again(form: Form) -> None:
    """The field that nobody sees, a form sent within seconds, one of yesterday, a forged one and none at all; then a good one."""
    for change in (
        {"website": "https://spam.example", "token": form.token()}, {"token": form.token(1)}, {"token": form.token(90000)},
        {"token": form.token()[:-1] + "x"}, {"token": ""}, {"token": "é"}, {"token": "zz.." + "0" * 64},
    ):  # fmt: skip
        code, page = form.post({**WRITTEN, **change})
        assert code == 422, change
        assert "zoe@client.example" in page
    assert form.mails == []
    given = page.partition('name="token" value="')[2].partition('"')[0]
    form.module.SOONEST_S = 0
    assert form.post({**WRITTEN, "token": given})[0] == 200


def test_a_form_is_sent_once(form: Form) -> None:
    """Who presses twice is thanked twice, and the office has one mail."""
    token = form.token()
    codes = [form.post({**WRITTEN, "token": token})[0] for _ in range(2)]

    assert codes == [200, 200]
    assert len(form.mails) == 1


def test_a_megabyte_is_refused_unread(form: Form) -> None:
    """By its announced size; without one, with a wrong kind, with a thousand fields, with broken text: refused too."""
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    assert form.ask("POST", "/contact/", b"", Content_Length=str(1 << 20), **kind)[0] == 413
    assert form.ask("POST", "/contact/", b"", **kind)[0] == 413
    assert form.ask("POST", "/contact/", b"", Content_Length="-1", **kind)[0] == 413
    assert form.ask("POST", "/contact/", b"{}", Content_Length="2", Content_Type="application/json")[0] == 415
    for body in (b"a=1&" * 1000, b"name=%ff%fe", "name=é".encode()):
        assert form.ask("POST", "/contact/", body, Content_Length=str(len(body)), **kind)[0] == 400
    code, page = form.post({**WRITTEN, "message": "x" * 5001, "token": form.token()})
    assert code == 422
    assert "5000 signes" in page
    assert form.mails == []


def test_what_nginx_refuses_has_a_sentence_too(form: Form) -> None:
    """Too large or too often: the page with the sentence, under the same status."""
    assert "trop long" in form.ask("GET", "/contact/", X_Refused="413")[1]
    code, page = form.ask("GET", "/en/contact/", X_Refused="429")
    assert code == 429
    assert "Too many messages" in page
    assert "04 00 00 04 01" in page


def test_a_message_that_cannot_leave_stays_in_the_form(form: Form) -> None:
    """The mail system is down: said, with the phone; later the same form goes through."""
    token = form.token()
    (form.out.parent / "broken").touch()
    code, page = form.post({**WRITTEN, "token": token})
    (form.out.parent / "broken").unlink()

    assert code == 503
    assert "ou appelez le 04 00 00 04 01" in page
    assert "êtes-vous ouverts demain ?</textarea>" in page
    assert form.post({**WRITTEN, "token": token})[0] == 200
    assert len(form.mails) == 1


def test_nobody_fills_the_offices_mailbox(form: Form) -> None:
    """However many send from wherever: more than a few dozen an hour wait."""
    form.module.MAILS_AN_HOUR = 2
    codes = [form.post({**WRITTEN, "token": form.token()})[0] for _ in range(4)]

    assert codes == [200, 200, 429, 429]
    assert len(form.mails) == 2
