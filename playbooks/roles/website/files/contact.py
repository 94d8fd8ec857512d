#!/usr/bin/env python3
"""contact.py CONFIG: the contact form of a website, behind nginx, on the socket that systemd hands over.

GET gives the built contact page with a signed moment in its form: no cookie is set, no script is needed. POST makes one mail of
it and hands it to sendmail(1); whatever is wrong comes back as one sentence above the form, with all that was written still in
it. Set by the office's pack; changes here are overwritten.

CONFIG is JSON: `root` (the folder of
the release that is served), `to` and `sender` (addresses), `domain`, `phone` (for who cannot be served).
"""

import hashlib
import hmac
import html
import json
import os
import re
import secrets
import socket
import socketserver
import subprocess
import sys
import threading
import time
import unicodedata
import urllib.parse
from collections import deque
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from http.server import BaseHTTPRequestHandler

BODY_BYTES = 32 << 10
FIELDS = {"name": 100, "email": 254, "message": 5000}  # signs at most; RFC 5321 4.5.3.1.3 for the address
SOONEST_S, LATEST_S = 3, 24 * 3600  # a person reads and writes within these
HOUR_S, MAILS_AN_HOUR = 3600, 30  # of everybody together: the office's account at its provider has a limit too
TRAP = "website"  # a field that nobody sees: who fills it is a program
UNSEEN = {"Cc", "Cf", "Zl", "Zp"}  # categories of Unicode: what breaks or turns a line of a mail's header
SENDMAIL = "/usr/sbin/sendmail"
# The one form of the page that is sent, as builder/theme/form.html has it.
FORM = re.compile(r'(<form\b[^>]*\bmethod="post"[^>]*>)(.*?)</form>', re.DOTALL)
PATH = re.compile(r"/(?:[a-z]{2}/)?[a-z0-9-]{1,40}/")
# What browsers take for an address (HTML, "valid e-mail address"), with a domain of two labels or more.
EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")

TEXTS = {
    "fr": {
        "subject": "[{domain}] Message de {name}",
        "sender": "Site web {domain}",
        "body": "{message}\n\n-- \n{name} <{email}>\nÉcrit au formulaire de contact de https://{domain}{path}\n",
        "sent": "Merci, votre message est parti. Nous vous répondrons à {email}.",
        "name": "Écrivez votre nom, pour que nous sachions à qui répondre.",
        "email": "L’adresse e-mail n’est pas complète : nous ne pourrions pas vous répondre.",
        "message": "Votre message est vide.",
        "long": "Votre message est trop long : {signs} signes au plus. Écrivez-nous l’essentiel, nous vous répondrons.",
        "control": "Un champ contient un signe qui n’a rien à y faire, comme un retour à la ligne. Corrigez-le, puis envoyez.",
        "trap": "Laissez vide le dernier champ : il n’est là que pour les robots.",
        "again": "Relisez votre message, puis envoyez-le encore une fois.",
        "many": "Trop de messages arrivent en ce moment. Réessayez dans une heure{call}.",
        "failed": "Votre message n’a pas pu partir. Réessayez plus tard{call}.",
        "call": ", ou appelez le {phone}",
    },
    "en": {
        "subject": "[{domain}] Message from {name}",
        "sender": "Website {domain}",
        "body": "{message}\n\n-- \n{name} <{email}>\nWritten in the contact form of https://{domain}{path}\n",
        "sent": "Thank you, your message is on its way. We will answer to {email}.",
        "name": "Write your name, so that we know whom to answer.",
        "email": "The e-mail address is not complete: we could not answer you.",
        "message": "Your message is empty.",
        "long": "Your message is too long: {signs} signs at most. Write what matters most, we will answer.",
        "control": "A field holds a sign that does not belong there, a line break for instance. Mend it, then send.",
        "trap": "Leave the last field empty: it is there for robots alone.",
        "again": "Read your message once more, then send it again.",
        "many": "Too many messages arrive just now. Try again in an hour{call}.",
        "failed": "Your message could not be sent. Try again later{call}.",
        "call": ", or call {phone}",
    },
}


class Refused(Exception):
    """Why a message is not sent: the word of a sentence, and the answer's status."""

    def __init__(self, word: str, status: int = 422) -> None:
        super().__init__(word)
        self.word, self.status = word, status


class Tokens:
    """Signed moments: when a form was given out, so that nobody sends it at once, twice, or a day later."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._sent: dict[str, float] = {}
        self._lock = threading.Lock()

    def new(self, now: float) -> str:
        """One for a form."""
        text = f"{int(now):x}.{secrets.token_hex(8)}"
        return f"{text}.{self._sign(text)}"

    def judge(self, token: str, now: float) -> None:
        """Let it through.

        Raises:
            Refused: it is not ours, too young or too old: a person sends once more.
        """
        text, _, sign = token.rpartition(".")
        if not hmac.compare_digest(sign.encode(), self._sign(text).encode()):
            raise Refused("again")
        if not SOONEST_S <= now - int(text.partition(".")[0], 16) <= LATEST_S:
            raise Refused("again")

    def first(self, token: str, now: float) -> bool:
        """Whether nothing was sent with it yet; from now on something was."""
        with self._lock:
            for old in [one for one, when in self._sent.items() if now - when > LATEST_S]:
                del self._sent[old]
            fresh = token not in self._sent
            self._sent[token] = now
        return fresh

    def forget(self, token: str) -> None:
        """What was to be sent with it was not."""
        with self._lock:
            self._sent.pop(token, None)

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def judged(fields: dict[str, str]) -> dict[str, str]:
    """The fields of a message, without blanks around.

    Raises:
        Refused: the first thing that is wrong.
    """
    if fields[TRAP]:
        raise Refused("trap")
    given = {word: fields[word].replace("\u00a0", " ").replace("\u202f", " ").strip() for word in ("name", "email")}
    given["message"] = "".join(c for c in fields["message"].replace("\r\n", "\n") if c in "\n\t" or _kind(c) != "Cc").strip()
    for word, signs in FIELDS.items():
        if len(given[word]) > signs:
            raise Refused("long" if word == "message" else word)
    if any(_kind(sign) in UNSEEN for word in ("name", "email") for sign in given[word]):
        raise Refused("control")
    for word in ("name", "message"):
        if not given[word]:
            raise Refused(word)
    if not EMAIL.fullmatch(given["email"]):
        raise Refused("email")
    return given


def _kind(sign: str) -> str:
    return unicodedata.category(sign)


def mail(given: dict[str, str], config: dict[str, str], texts: dict[str, str], path: str) -> bytes:
    """The message to the office, from its own address; the answer goes to who wrote it."""
    about = {**given, "domain": config["domain"], "path": path}
    message = EmailMessage(policy=policy.default)
    message["From"] = Address(texts["sender"].format(**about), addr_spec=config["sender"])
    message["To"] = Address(addr_spec=config["to"])
    message["Reply-To"] = Address(given["name"], addr_spec=given["email"])
    message["Subject"] = texts["subject"].format(**about)
    message["Date"] = format_datetime(datetime.now().astimezone())
    message["Message-ID"] = make_msgid(domain=config["domain"])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notice answers it
    message.set_content(texts["body"].format(**about), cte="quoted-printable")
    return message.as_bytes()


def filled(page: str, token: str, notice: str, fields: dict[str, str], *, form: bool = True) -> str:
    """The built page with its form as a visitor needs it now. Pure.

    Args:
        page: the built page.
        token: the signed moment.
        notice: a sentence above the form, or nothing.
        fields: what was written.
        form: whether the form is shown at all.
    """
    found = FORM.search(page)
    if not found:
        return page
    said = f'<p class="notice" role="alert">{html.escape(notice)}</p>' if notice else ""
    if not form:
        return page[: found.start()] + said + page[found.end() :]
    tag, inside = found[1], found[2]
    for name in ("name", "email"):
        value = html.escape(fields.get(name, ""))
        inside = re.sub(rf'<input\b[^>]*\bname="{name}"', lambda at, value=value: f'{at[0]} value="{value}"', inside, count=1)
    # HTML drops a line break that follows the tag
    inside = inside.replace("></textarea>", f">\n{html.escape(fields.get('message', ''))}</textarea>", 1)
    hidden = f'<input type="hidden" name="token" value="{token}">'
    return f"{page[: found.start()]}{said}{tag}{hidden}{inside}</form>{page[found.end() :]}"


class Site:
    """One website's form: where its pages lie, whom it writes to, what it sent lately."""

    def __init__(self, config: dict[str, str], key: bytes) -> None:
        self.config, self.tokens = config, Tokens(key)
        self._lately: deque[float] = deque()
        self._lock = threading.Lock()

    def page(self, path: str) -> str | None:
        """The built page of an address, if it has a form."""
        if not PATH.fullmatch(path):
            return None
        try:
            with open(os.path.join(self.config["root"], path.strip("/"), "index.html"), encoding="utf-8") as file:
                text = file.read()
        except OSError:
            return None
        return text if FORM.search(text) else None

    def sentence(self, language: str, word: str, **values: str) -> str:
        """A sentence in the page's language."""
        texts = TEXTS.get(language, TEXTS["en"])
        call = texts["call"].format(phone=self.config["phone"]) if self.config.get("phone") else ""
        return texts[word].format(signs=FIELDS["message"], call=call, **values)

    def send(self, fields: dict[str, str], language: str, path: str, now: float) -> str:
        """Send it and return whom the answer will go to; what was sent with this form already is not sent again.

        Raises:
            Refused: it was not sent.
        """
        given = judged(fields)
        token = fields["token"]
        self.tokens.judge(token, now)
        if not self.tokens.first(token, now):
            return given["email"]
        try:
            self._room(now)
            text = mail(given, self.config, TEXTS.get(language, TEXTS["en"]), path)
            words = [SENDMAIL, "-i", "-f", self.config["sender"], "--", self.config["to"]]
            done = subprocess.run(words, input=text, capture_output=True, check=False, timeout=20)
            if done.returncode:
                raise OSError(done.stderr.decode(errors="replace").strip()[-300:])
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self.tokens.forget(token)
            print(f"a message could not be sent: {error}", file=sys.stderr)
            raise Refused("failed", 503) from error
        except Refused:
            self.tokens.forget(token)
            raise
        return given["email"]

    def _room(self, now: float) -> None:
        with self._lock:
            while self._lately and now - self._lately[0] > HOUR_S:
                self._lately.popleft()
            if len(self._lately) >= MAILS_AN_HOUR:
                raise Refused("many", 429)
            self._lately.append(now)


class Handler(BaseHTTPRequestHandler):
    """One request, as nginx passes it on."""

    site: Site
    timeout = 20
    server_version, sys_version = "contact", ""

    def do_GET(self) -> None:
        """The page with an empty form; or with the sentence for what nginx itself refused, by the header it sets."""
        word = {"413": "long", "429": "many"}.get(self.headers.get("X-Refused", ""), "")
        self._answer(int(self.headers["X-Refused"]) if word else 200, word)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """A message."""
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,9}", length) or int(length) > BODY_BYTES:
            self.close_connection = True
            self._answer(413, "long")
            return
        if self.headers.get_content_type() != "application/x-www-form-urlencoded":
            self._answer(415, "again")
            return
        try:
            # as many fields as the form has, and some that a browser's helper may add
            text = self.rfile.read(int(length)).decode("ascii")
            said = urllib.parse.parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=20)
        except ValueError:
            self._answer(400, "control")
            return
        fields = {word: said.get(word, [""])[0] for word in (*FIELDS, TRAP, "token")}
        page = self.site.page(self._path)
        try:
            sent = self.site.send(fields, _language(page or ""), self._path, time.time()) if page else ""
        except Refused as refused:
            self._answer(refused.status, refused.word, fields)
        else:
            self._answer(200, "sent", form=False, email=sent)

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _answer(self, status: int, word: str, fields: dict[str, str] | None = None, *, form: bool = True, **values: str) -> None:
        page = self.site.page(self._path)
        if page is None:
            status, body = 404, b""
        else:
            notice = self.site.sentence(_language(page), word, **values) if word else ""
            body = filled(page, self._token(fields), notice, fields or {}, form=form).encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _token(self, fields: dict[str, str] | None) -> str:
        """The form's own where it still holds, else a new one: who corrects a field is not too fast again."""
        now = time.time()
        try:
            self.site.tokens.judge((fields or {}).get("token", ""), now)
        except Refused:
            return self.site.tokens.new(now)
        return (fields or {})["token"]

    def address_string(self) -> str:
        """nginx keeps the log, with its own rules of how long: nobody's address is noted here."""
        return "-"

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """The same."""


def _language(page: str) -> str:
    found = re.search(r'<html[^>]*\blang="([a-z]{2})', page)
    return found[1] if found else "en"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """On the socket that systemd opened (sd_listen_fds(3))."""

    daemon_threads = True

    def __init__(self, handler: type[Handler], descriptor: int = 3) -> None:
        super().__init__("", handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=descriptor)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """A peer of a UNIX socket has no address; the handler wants one."""
        return self.socket.accept()[0], ("-", 0)


def main(config: str) -> None:
    """Serve until stopped; the key of the signatures lives as long as the state folder."""
    with open(config, encoding="utf-8") as file:
        said = json.load(file)
    path = os.path.join(os.environ["STATE_DIRECTORY"], "key")
    try:
        with open(path, "rb") as file:
            key = file.read()
    except FileNotFoundError:
        key = secrets.token_bytes(32)
        with open(path + ".new", "wb") as file:
            file.write(key)
        os.rename(path + ".new", path)
    Handler.site = Site(said, key)
    Server(Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
