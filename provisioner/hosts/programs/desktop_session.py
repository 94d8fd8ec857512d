"""Sits down at a desktop: logs in at its log-in screen, works, locks it, goes; runs there as root, standard library only.

Reads one JSON object on stdin (`steps`, the login, the password, what they need) and prints one: for each step `ok`, `evidence`,
and a picture (PNG, base64).
"""

import contextlib
import glob
import html
import json
import os
import re
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator

from provisioner.hosts.programs.screen import Answer, Screen, environment, processes_of, programs_of, wait


@contextlib.contextmanager
def cut_off(address: str) -> Iterator[None]:
    """Keep this machine from the server for a moment, and tell SSSD (sssd(8), SIGUSR1); back by itself should we be killed."""
    if not address:
        yield
        return
    table = ["inet", "office_verify"]
    alone = ["systemd-run", "--quiet", "--collect", "--unit=office-verify-back", "--on-active=100"]
    rules = (
        f"table inet office_verify {{\n chain out {{\n type filter hook output priority 0\n ip daddr {address} drop\n }}\n}}\n"
    )
    subprocess.run([*alone, "nft", "delete", "table", *table], check=True)
    try:
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
        # so that it does not first wait for the server to answer
        subprocess.run(["systemctl", "kill", "--kill-whom=main", "--signal=SIGUSR1", "sssd.service"], check=True)
        yield
    finally:
        subprocess.run(["nft", "delete", "table", *table], check=False, capture_output=True)
        subprocess.run(["systemctl", "stop", "office-verify-back.timer"], check=False)
        # not SIGUSR2: it would stay offline for some seconds more, and the next verification would not find its witness
        subprocess.run(["systemctl", "restart", "sssd.service"], check=False)


# ---------------------------------------------------------------------------------------------- the steps


def log_in(screen: Screen) -> Answer:
    """The log-in screen, the name, the password, the desktop."""
    login = screen.ask["login"]
    if not screen.show():
        return {"ok": False, "evidence": f"no log-in screen came up\n{screen.log()[-600:]}"}
    first = screen.picture()
    prompts = screen.log().count("Prompt greeter with")
    screen.type(login, "Tab")
    screen.said("Prompt greeter with", prompts + 1)
    screen.type(screen.ask["password"], "Return")
    screen.said(f"Authenticate result for user {login}: ", timeout=30)
    result = [line.split("] ")[-1] for line in screen.log().splitlines() if "Authenticate result" in line]
    there = wait(lambda: environment(login, "xfdesktop") and environment(login, "xfce4-panel"), 30)
    if there:
        screen.session = {**there, "DISPLAY": screen.where["DISPLAY"]}
        there = wait(lambda: all(screen.tool("search", "--onlyvisible", "--class", name).split() for name in SHOWN), 20)
        time.sleep(1.5)
    seen = f"{'; '.join(result) or 'no answer to the password'}; desktop: {'there' if there else 'none'}"
    if not there:
        seen += "\n" + "\n".join(line.split("] ")[-1] for line in screen.log().splitlines()[-24:])
    return {"ok": bool(there), "evidence": seen, "pictures": [first, screen.picture()]}


def files(screen: Screen) -> Answer:
    """The office's shares stand in the file manager: what came at login, opened."""
    share, server = screen.ask["share"], screen.ask["server"]
    mounted = f"/media/{screen.ask['login']}/{share}"

    def came() -> str:
        if os.path.ismount(mounted):
            return mounted
        _, said = screen.run("gio", "mount", "--list", timeout=10)
        return f"smb://{server}/{share}/" if f"smb://{server}/{share}/" in said else ""

    place = wait(came, 20, 0.5)
    if not place:
        return {"ok": False, "evidence": f"the share {share} did not come at login", "pictures": [screen.picture()]}
    screen.start("thunar", place)
    title = screen.window(f"{share} ", f"{share}", timeout=20)
    code, listed = screen.run("gio", "list", place, timeout=15)
    seen = f"{place}\n{title}\n{listed}\nrunning: {' '.join(sorted(programs_of(screen.ask['login'])))}"
    answer = {"ok": bool(title) and code == 0, "evidence": seen, "pictures": [screen.picture()]}
    screen.close(title)
    return answer


def document(screen: Screen) -> Answer:
    """A letter is opened, written to, kept, made a PDF, and printed where there is a printer."""
    home, token, login = screen.session["HOME"], screen.ask["token"], screen.ask["login"]
    name, typed = f"lettre-{token}", f"Bien a vous {token}"
    path = os.path.join(home, f"{name}.odt")
    letter(path, screen.ask["login"])
    screen.start("soffice", "--nologo", "--norestore", path)
    title = screen.window(name, timeout=45)
    time.sleep(1.5)
    before = os.stat(path).st_mtime_ns
    screen.type(typed)
    pictures = [screen.picture()]
    screen.type("", "ctrl+s")
    kept = wait(lambda: os.stat(path).st_mtime_ns != before and typed in text_of(path), 20, 0.3)
    _, made = screen.run("soffice", "--convert-to", "pdf", f"{name}.odt", timeout=45)
    pdf = wait(lambda: starts(os.path.join(home, f"{name}.pdf"), b"%PDF"), 15)
    printed, queue = True, "no printer"
    if screen.ask["printer"]:
        _, queue = screen.run("lp", "-d", screen.ask["printer"], "-t", f"{name}", f"{name}.pdf", timeout=20)
        job = queue.split("request id is ")[1].split()[0] if "request id is " in queue else ""
        printed = bool(job) and bool(wait(lambda: job in completed(screen), 30, 0.5))
        if job and not printed:  # it must not come out an hour later, nor stand before what others print
            screen.run("cancel", job, timeout=10)
    screen.close(title)
    done = ["yes" if one else "no" for one in (kept, printed)]
    seen = f"{title}; kept: {done[0]}; PDF: {'yes' if pdf else made}; printed: {done[1]}; {queue}"
    end_program(login, "soffice.bin")
    return {"ok": bool(title and kept and pdf and printed), "evidence": seen, "pictures": pictures}


def letter(path: str, login: str) -> None:
    """A document of one line, as small as OpenDocument allows (ODF 1.2 part 3)."""
    kind = "application/vnd.oasis.opendocument.text"
    names = {word: f"urn:oasis:names:tc:opendocument:xmlns:{word}:1.0" for word in ("office", "text", "manifest")}
    content = (
        f'<office:document-content xmlns:office="{names["office"]}" xmlns:text="{names["text"]}" office:version="1.2">'
        "<office:body><office:text><text:p>Lettre</text:p></office:text></office:body></office:document-content>"
    )
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{at}" manifest:media-type="{sort}"/>'
        for at, sort in (("/", kind), ("content.xml", "text/xml"))
    )
    manifest = f'<manifest:manifest xmlns:manifest="{names["manifest"]}" manifest:version="1.2">{entries}</manifest:manifest>'
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in (("mimetype", kind), ("content.xml", content), ("META-INF/manifest.xml", manifest)):
            packed.writestr(name, text)
    shutil.chown(path, login)


def completed(screen: Screen) -> str:
    """The jobs that the printer says it is done with."""
    _, said = screen.run("lpstat", "-W", "completed", "-o", screen.ask["printer"], timeout=15)
    return said


def text_of(path: str) -> str:
    """The text of an OpenDocument file; empty while it is being written."""
    try:
        with zipfile.ZipFile(path) as packed:
            return packed.read("content.xml").decode(errors="replace")
    except (OSError, zipfile.BadZipFile, KeyError):
        return ""


def starts(path: str, magic: bytes) -> bool:
    """Whether the file is there and begins so."""
    try:
        with open(path, "rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


def end_program(login: str, program: str) -> None:
    """End one program of the account."""
    for process in list(processes_of(login)):
        with contextlib.suppress(OSError), open(f"/proc/{process}/comm") as file:
            if file.read().strip()[:15] == program[:15]:
                os.kill(process, signal.SIGTERM)


def browser(screen: Screen) -> Answer:
    """The browser opens with the office's own page."""
    screen.start("firefox-esr")
    title = screen.window(screen.ask["home"], timeout=40)
    if title:
        time.sleep(2)
    answer = {"ok": bool(title), "evidence": title or "; ".join(screen.titles()), "pictures": [screen.picture()]}
    end_program(screen.ask["login"], "firefox-esr")
    return answer


def website(screen: Screen) -> Answer:
    """The office's website as its people see it: the certificate, the first page, the contact page; then in the browser."""
    home, seen, good, called = screen.ask["website"], [], False, ""
    with believed(screen.ask["authority"]) as trust:
        try:
            code, page = fetch(home, trust)
            called = html.unescape("".join(re.findall(r"<title>([^<]{1,200})", page)[:1]))
            seen.append(f"GET {home}: {code}, {called or 'no title'}")
            contact = next(iter(re.findall(r'href="(/(?:[a-z0-9-]+/)?contact/)"', page)), "")
            there, form = fetch(home.rstrip("/") + contact, trust) if contact else (0, "")
            said = "with a form" if "<form" in form else "without a form"
            seen.append(f"GET {contact}: {there}, {said}" if contact else "no link to a contact page")
            good = code == there == 200 and ("<form" in form or not screen.ask["website_form"])
        except (OSError, ValueError) as error:  # what urllib raises is one of the two
            seen.append(f"GET {home}: {getattr(error, 'reason', error)}")
        screen.start("firefox-esr", home)
        title = screen.window(called, timeout=40) if called else ""
        time.sleep(3)
    seen.append(f"browser: {title or '; '.join(screen.titles())}")
    answer = {"ok": bool(title and good), "evidence": "\n".join(seen), "pictures": [screen.picture()]}
    end_program(screen.ask["login"], "firefox-esr")
    return answer


POLICIES = "/etc/firefox/policies/policies.json"


@contextlib.contextmanager
def believed(authority: str) -> Iterator[ssl.SSLContext]:
    """Whom this machine believes; a lab's authority, which is another one at each start, only meanwhile, by the browser too."""
    trust = ssl.create_default_context()
    if not authority:
        yield trust
        return
    _, root = fetch(authority, trust)
    trust.load_verify_locations(cadata=root)
    with open(POLICIES, encoding="utf-8") as file:
        before = file.read()
    with tempfile.NamedTemporaryFile("w", dir="/run", suffix=".crt") as known:
        known.write(root)
        known.flush()
        os.chmod(known.name, 0o644)
        policies = json.loads(before)
        policies["policies"].setdefault("Certificates", {}).setdefault("Install", []).append(known.name)
        try:
            rewrite(POLICIES, json.dumps(policies))
            yield trust
        finally:
            rewrite(POLICIES, before)


def rewrite(path: str, text: str) -> None:
    """Give a file another content; owner and mode stay."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def fetch(address: str, trust: ssl.SSLContext) -> tuple[int, str]:
    """One page; (status, its beginning)."""
    with urllib.request.urlopen(address, timeout=15, context=trust) as answer:  # noqa: S310 - https, said by the laptop
        return answer.status, answer.read(1 << 20).decode(errors="replace")


def agenda(screen: Screen) -> Answer:
    """Thunderbird shows the calendar: it asks for the password once, and has the entry then."""
    screen.start("thunderbird", "-calendar")
    window = screen.window("Thunderbird", timeout=45)
    asked, until = 0, time.monotonic() + 60
    while not (found := entry(screen.session["HOME"], screen.ask["token"])) and time.monotonic() < until:
        if asked < 4 and screen.window("calendar.", "Mot de passe", "Authenti", "Password", timeout=0):
            time.sleep(0.8)
            screen.type(screen.ask["login"], "Tab")
            screen.type(screen.ask["password"], "Return")
            asked += 1
        time.sleep(0.7)
    time.sleep(2)
    seen = f"{window}; asked for the password {asked} times; {found or 'the entry is not there: ' + '; '.join(screen.titles())}"
    answer = {"ok": bool(found), "evidence": seen, "pictures": [screen.picture()]}
    end_program(screen.ask["login"], "thunderbird-bin")
    end_program(screen.ask["login"], "thunderbird")
    return answer


def entry(home: str, token: str) -> str:
    """The title of the entry in what Thunderbird keeps of its calendars (a copy: it locks the file); empty when not there."""
    for path in glob.glob(f"{home}/.thunderbird/*/calendar-data/cache.sqlite"):
        with contextlib.suppress(OSError, sqlite3.Error), tempfile.TemporaryDirectory(dir="/run") as folder:
            for end in ("", "-wal"):
                if os.path.exists(path + end):
                    shutil.copy(path + end, os.path.join(folder, f"cache{end}"))
            with contextlib.closing(sqlite3.connect(os.path.join(folder, "cache"))) as kept:
                rows = kept.execute("select title from cal_events where id = ?", (token,)).fetchall()
            if rows:
                return str(rows[0][0])
    return ""


def password(screen: Screen) -> Answer:
    """One's own password, changed in the window that the menu offers: typed as a person types it."""
    screen.start("/usr/local/libexec/office-password")
    title = screen.window("mot de passe", "password", timeout=15)
    time.sleep(0.7)
    screen.type(screen.ask["password"], "Tab")
    screen.type(screen.ask["new"], "Tab")
    pictures = [screen.picture()]
    screen.type(screen.ask["new"], "Return")
    changed = screen.window("est changé", "is changed", timeout=30)
    pictures.append(screen.picture())
    answer = {"ok": bool(title and changed), "evidence": changed or title, "pictures": pictures}
    screen.close(changed or title)
    return answer


def lock(screen: Screen) -> Answer:
    """Locked, it stays locked for a wrong password, and opens for the right one."""

    def locked() -> bool:
        return "xsecurelock" in programs_of(screen.ask["login"])

    screen.run("xset", "s", "activate", timeout=10)
    shut = wait(locked, 10)
    wake(screen)
    screen.type("Wrong-1234-pass", "Return")
    time.sleep(2.5)
    still, pictures = locked(), [screen.picture()]
    time.sleep(2)
    wake(screen)
    screen.type(screen.ask["password"], "Return")
    opened = wait(lambda: not locked(), 15, 0.5)
    answers = ["yes" if one else "no" for one in (shut, still, opened)]
    seen = "locked: {}; locked after a wrong password: {}; open for the right one: {}".format(*answers)
    return {"ok": bool(shut and still and opened), "evidence": seen, "pictures": pictures}


def wake(screen: Screen) -> None:
    """Move the mouse, and wait for the question."""
    for x in (200, 900):
        screen.tool("mousemove", str(x), "600")
        time.sleep(0.6)
    time.sleep(1)


SHOWN = ("xfce4-panel", "xfdesktop")
STEPS: dict[str, Callable[[Screen], Answer]] = {
    "desktop": log_in, "files": files, "document": document, "browser": browser, "website": website,
    "agenda": agenda, "password": password, "lock": lock,
}  # fmt: skip


def main() -> None:
    """Every step that was asked for, in that order; without a desktop the others are not tried."""
    ask = json.load(sys.stdin)
    os.chdir("/")
    answers: dict[str, Answer] = {}
    with cut_off(ask.get("away_from", "")), Screen(ask) as screen:
        for step in ask["steps"]:
            began = time.time()
            try:
                answer = STEPS[step](screen)
            except Exception as error:
                answer = {"ok": False, "evidence": f"it could not be tried: {getattr(error, 'strerror', None) or error}"}
            answers[step] = {**answer, "took_s": round(time.time() - began, 1)}
            if step == "desktop" and not answer["ok"]:
                break
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
