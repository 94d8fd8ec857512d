"""Sits down at a screen that is none: the machine's own log-in screen and desktop on a virtual display, as one person.

Runs as root, standard library only. A display manager of its own (the machine's lightdm, its greeter, its PAM, with another
folder) shows the log-in screen on an Xvfb that nobody else can reach, so whoever sits at the real one is not disturbed. Reads
one JSON object on stdin (`steps`, the login, the password, what they need) and prints one: for each step `ok`, `evidence`,
and a picture (PNG, base64). What is typed goes to the virtual keyboard by standard input, never as an argument.
"""

import base64
import contextlib
import glob
import json
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

Ask = dict[str, Any]
Answer = dict[str, Any]

PORT = 5998  # on 127.0.0.1, for the moment in which lightdm is told to show a screen
DISPLAY = 70  # the first that is free from here on
WIDTH, HEIGHT = 1280, 800
UNIT, LONGEST_S = "office-verify-screen", 300

# lightdm makes such a screen when somebody connects to its VNC port, by a program called Xvnc; a plain Xvfb does here.
_CONFIG = """
[LightDM]
start-default-seat=false
dbus-service=false
minimum-display-number={display}
log-directory={folder}/log
run-directory={folder}/run
[VNCServer]
enabled=true
command=Xvnc
port={port}
listen-address=127.0.0.1
width={width}
height={height}
depth=24
"""
_XVNC = """#!/bin/sh
display=$1 auth=
while [ $# -gt 0 ]; do
  [ "$1" != -auth ] || auth=$2
  shift
done
echo "$display $auth" > {folder}/where
exec Xvfb "$display" -noreset -screen 0 {width}x{height}x24 -nolisten tcp -auth "$auth" -fbdir {folder}/frame 2>/dev/null
"""


def png(frame: bytes) -> bytes:
    """A picture of an X window dump of 32 bits a pixel (XWDFile.h), as Xvfb keeps it."""
    head = struct.unpack(">25I", frame[:100])
    width, height, line = head[4], head[5], head[12]
    first = head[0] + head[19] * 12
    rows = bytearray()
    for y in range(height):
        pixels = frame[first + y * line : first + y * line + width * 4]
        row = bytearray(width * 3)
        row[0::3], row[1::3], row[2::3] = pixels[2::4], pixels[1::4], pixels[0::4]
        rows += b"\0" + row

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(rows), 6)) + chunk(b"IEND", b"")


def wait(true: Callable[[], Any], timeout: float, every: float = 0.2) -> Any:
    """What it becomes once it is true, or its last false answer."""
    until = time.monotonic() + timeout
    while not (found := true()) and time.monotonic() < until:
        time.sleep(every)
    return found


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
        tell_sssd_it_is_alone()
        yield
    finally:
        subprocess.run(["nft", "delete", "table", *table], check=False, capture_output=True)
        subprocess.run(["systemctl", "stop", "office-verify-back.timer"], check=False)
        # not SIGUSR2: it would stay offline for some seconds more, and the next verification would not find its witness
        subprocess.run(["systemctl", "restart", "sssd.service"], check=False)


def tell_sssd_it_is_alone() -> None:
    """So that it does not first wait for the server to answer."""
    for process in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if process.isdigit():
                with open(f"/proc/{process}/comm") as file:
                    if file.read().strip() == "sssd":
                        os.kill(int(process), signal.SIGUSR1)


def plain(text: str) -> str:
    """A title as it may be compared: without signs that cannot be seen, one blank between words."""
    return " ".join("".join(sign for sign in text if sign.isprintable() or sign.isspace()).split())


class Screen:
    """A virtual display with the machine's log-in screen on it; `person` is whoever logs in."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.folder = tempfile.mkdtemp(dir="/var/lib", prefix="office-screen-")
        os.chmod(self.folder, 0o711)  # noqa: S103 - the greeter and the person find the key to the display below it
        self.asked: socket.socket | None = None
        self.where: dict[str, str] = {}
        self.session: dict[str, str] = {}

    def __enter__(self) -> "Screen":
        for name, mode in (("log", 0o711), ("run", 0o711), ("frame", 0o700), ("bin", 0o700)):
            os.mkdir(os.path.join(self.folder, name))
            os.chmod(os.path.join(self.folder, name), mode)
        about = {"folder": self.folder, "port": PORT, "display": DISPLAY, "width": WIDTH, "height": HEIGHT}
        self.write("lightdm.conf", _CONFIG.format(**about), 0o600)
        self.write("bin/Xvnc", _XVNC.format(**about), 0o700)
        # as a unit of systemd: without sudo's limits, and gone by itself should we be killed
        words = [
            "--quiet",
            "--collect",
            f"--unit={UNIT}",
            f"--property=RuntimeMaxSec={LONGEST_S}",
            "--property=KillMode=control-group",
        ]
        words += [f"--setenv=PATH={self.folder}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        command = ["lightdm", f"--config={self.folder}/lightdm.conf", f"--pid-file={self.folder}/pid"]
        subprocess.run(["systemd-run", *words, *command], check=True)
        self.asked = wait(self.connect, 10)
        return self

    def __exit__(self, *_: object) -> None:
        """Everything that ran for this screen ends, the person's programs first."""
        if self.asked:
            self.asked.close()
        end_all_of(self.ask["login"])
        subprocess.run(["systemctl", "stop", f"{UNIT}.service"], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name: str, text: str, mode: int) -> None:
        """A file of the display manager's folder."""
        with os.fdopen(os.open(os.path.join(self.folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)

    def connect(self) -> socket.socket | None:
        """Ask the display manager for a screen; it stays as long as the connection."""
        try:
            return socket.create_connection(("127.0.0.1", PORT), 1)
        except OSError:
            return None

    def log(self) -> str:
        """What the display manager did so far."""
        try:
            with open(os.path.join(self.folder, "log/lightdm.log"), errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def said(self, text: str, times: int = 1, timeout: float = 15) -> bool:
        """Whether the display manager says so, that often, in time."""
        return bool(wait(lambda: self.log().count(text) >= times, timeout, 0.1))

    def picture(self) -> str:
        """What the screen shows once it has come to rest."""
        path, last = os.path.join(self.folder, "frame/Xvfb_screen0"), b""
        for _ in range(12 if os.path.exists(path) else 0):  # the screen goes with a session that ends
            with open(path, "rb") as file:
                now = file.read()
            if now == last:
                break
            last = now
            time.sleep(0.35)
        return base64.b64encode(png(last)).decode() if last else ""

    def show(self) -> bool:
        """Whether the log-in screen came up; from then on there is a display."""
        if not self.said("Prompt greeter with", timeout=25):
            return False
        with open(os.path.join(self.folder, "where")) as file:
            display, auth = file.read().split()
        self.where = {"DISPLAY": display, "XAUTHORITY": auth, "PATH": os.environ["PATH"]}
        return True

    def tool(self, *words: str, stdin: str = "") -> str:
        """xdotool, and what it printed."""
        done = subprocess.run(
            ["xdotool", *words], input=stdin, capture_output=True, text=True, timeout=60, check=False, env=self.where
        )
        return done.stdout

    def type(self, text: str, *keys: str) -> None:
        """On the keyboard; the text goes by standard input."""
        if text:
            self.tool("type", "--delay", "25", "--file", "-", stdin=text)
        for key in keys:
            self.tool("key", key)

    def titles(self) -> list[str]:
        """The windows that are to be seen, by their titles."""
        found = []
        for window in self.tool("search", "--onlyvisible", "--name", ".").split():
            title = self.tool("getwindowname", window).strip()
            if title and title not in found:
                found.append(title)
        return found

    def window(self, *parts: str, timeout: float = 20) -> str:
        """The title of a window that has one of these texts in it, once there is one; empty when none comes."""

        def seen() -> str:
            return next((title for title in self.titles() if any(plain(part) in plain(title) for part in parts)), "")

        return str(wait(seen, timeout, 0.5) or "")

    def close(self, title: str) -> None:
        """Close the windows of that title, as by their cross."""
        for window in self.tool("search", "--onlyvisible", "--name", ".").split():
            if self.tool("getwindowname", window).strip() == title:
                self.tool("windowclose", window)

    def start(self, *words: str) -> None:
        """Start a program of the person's session."""
        subprocess.Popen(
            ["/usr/sbin/runuser", "-u", self.ask["login"], "--", *words], env=self.session, cwd=self.session["HOME"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def run(self, *words: str, timeout: float = 60) -> tuple[int, str]:
        """Run one to its end: (exit code, its words)."""
        try:
            done = subprocess.run(
                ["/usr/sbin/runuser", "-u", self.ask["login"], "--", *words], env=self.session, cwd=self.session["HOME"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return 124, f"{words[0]}: no end within {timeout:.0f} s"
        return done.returncode, (done.stdout + done.stderr).strip()


def processes_of(login: str) -> Iterator[int]:
    """The processes of an account."""
    try:
        uid = pwd.getpwnam(login).pw_uid
    except KeyError:
        return
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                yield int(name)


def end_all_of(login: str) -> None:
    """End what an account runs here: asked first, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in list(processes_of(login)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        wait(lambda: not list(processes_of(login)), 3)


def programs_of(login: str) -> set[str]:
    """What the account runs, by the programs' names."""
    found = set()
    for process in processes_of(login):
        with contextlib.suppress(OSError), open(f"/proc/{process}/comm") as file:
            found.add(file.read().strip())
    return found


def environment(login: str, program: str) -> dict[str, str]:
    """The environment of that account's program, once it runs."""
    for process in processes_of(login):
        with contextlib.suppress(OSError):
            with open(f"/proc/{process}/comm") as file:
                if file.read().strip() != program:
                    continue
            with open(f"/proc/{process}/environ", "rb") as file:
                pairs = [item.decode(errors="replace").partition("=") for item in file.read().split(b"\0") if item]
            return {name: value for name, _, value in pairs}
    return {}


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
    screen.close(title)
    seen = f"{title}; kept: {'yes' if kept else 'no'}; PDF: {'yes' if pdf else made}; printed: {'' if printed else 'no: '}{queue}"
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
    seen = f"locked: {shut}; after a wrong password: {still}; open for the right one: {bool(opened)}"
    return {"ok": bool(shut and still and opened), "evidence": seen, "pictures": pictures}


def wake(screen: Screen) -> None:
    """Move the mouse, and wait for the question."""
    for x in (200, 900):
        screen.tool("mousemove", str(x), "600")
        time.sleep(0.6)
    time.sleep(1)


SHOWN = ("xfce4-panel", "xfdesktop")
STEPS: dict[str, Callable[[Screen], Answer]] = {
    "log_in": log_in, "files": files, "document": document, "browser": browser, "agenda": agenda, "lock": lock,
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
                answer = {"ok": False, "evidence": f"{type(error).__name__}: {error}"}
            answers[step] = {**answer, "took_s": round(time.time() - began, 1)}
            if step == "log_in" and not answer["ok"]:
                break
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
