"""Acts as one person of the office on the machine in front of them; runs there as root, standard library only.

Reads one JSON object on stdin (`do`, and what that needs; secrets come only this way) and prints one:
`ok`, `evidence` (what the programs said), and what else the check wants to know.
"""

import base64
import contextlib
import http.client as http_client
import json
import os
import pty
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

Ask = dict[str, Any]
Answer = dict[str, Any]

SHARE_TEXT = "Là où l'été s'achève — 1 € ñ ß 日本\n"


def call(words: list[str], stdin: str = "", timeout: float = 15, user: str = "", cwd: str | None = None) -> tuple[int, str]:
    """Run a program, as `user` when given; (exit code, its words). 124 when it took too long."""
    if user:
        words = ["runuser", "-u", user, "--", *words]
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout, cwd=cwd, check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {timeout} s"
    except FileNotFoundError:
        return 127, f"{words[0]} is not installed"
    return done.returncode, (done.stdout + done.stderr).strip()


def converse(words: list[str], replies: list[str], timeout: float = 25) -> tuple[int, str]:
    """Run a program on a terminal of its own and give each answer when a line ends in a colon; (exit code, its words).

    The terminal does not echo, so no answer is in what is returned.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["LC_ALL"] = "C.UTF-8"
        os.execvp(words[0], words)  # noqa: S606 - on the new terminal, this is the program
    said, seen, answers = "", 0, list(replies)
    until = time.monotonic() + timeout
    code = 124
    while time.monotonic() < until:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            if not piece:
                break
            said += piece.decode(errors="replace")
            if answers and said[seen:].rstrip().endswith(":"):
                seen = len(said)
                time.sleep(0.1)  # the program switches the echo off after it has asked
                os.write(terminal, (answers.pop(0) + "\n").encode())
    with contextlib.suppress(ChildProcessError, ProcessLookupError):
        done, status = os.waitpid(pid, os.WNOHANG)
        for _ in range(20):
            if done:
                break
            time.sleep(0.1)
            done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
        else:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    os.close(terminal)
    return code, said.replace("\r", "").strip()


def session(ask: Ask) -> Answer:
    """Log in with the password through the machine's own PAM, as at its login screen, and be at home."""
    login = ask["login"]
    code, said = converse(
        ["runuser", "-u", "nobody", "--", "su", "-", login, "-c", "id; pwd; [ -w . ] && echo at-home"], [ask["password"]]
    )
    return {"ok": code == 0 and "at-home" in said and f"({login})" in said, "evidence": said}


def refused(ask: Ask) -> Answer:
    """The same with a wrong password: it must not work."""
    code, said = converse(
        ["runuser", "-u", "nobody", "--", "su", "-", ask["login"], "-c", "echo in-$((40+2))"], ["Wrong-1234-pass"]
    )
    return {"ok": code not in (0, 124) and "in-42" not in said, "evidence": said}


def passwd(ask: Ask) -> Answer:
    """Change one's own password, as a person does."""
    words = ["runuser", "-u", ask["login"], "--", "passwd"]
    code, said = converse(words, [ask["password"], ask["new"], ask["new"]])
    return {"ok": code == 0, "evidence": said}


@contextlib.contextmanager
def secret_file(text: str) -> Iterator[str]:
    """A file only root reads, gone at the end."""
    folder = tempfile.mkdtemp(dir="/run")
    path = os.path.join(folder, "secret")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def smb(ask: Ask, share: str, commands: str) -> tuple[int, str, str | None]:
    """smbclient on a share of the server as the person."""
    text = f"username = {ask['login']}\npassword = {ask['password']}\ndomain = {ask['workgroup']}\n"
    with secret_file(text) as path, tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "out.txt"), "w", encoding="utf-8") as file:
            file.write(ask.get("written", SHARE_TEXT))
        code, said = call(["smbclient", f"//{ask['server']}/{share}", "-A", path, "-t", "10", "-c", commands], cwd=folder)
        back = os.path.join(folder, "back.txt")
        if not os.path.exists(back):
            return code, said, None
        with open(back, encoding="utf-8") as file:
            return code, said, file.read()


def share(ask: Ask) -> Answer:
    """Write a file with accents in its name, read it back byte for byte, remove it."""
    name = ask["file"]
    code, said, text = smb(ask, ask["share"], f'put out.txt "{name}"; get "{name}" back.txt; ls "{name}"; del "{name}"')
    return {"ok": code == 0 and text == SHARE_TEXT, "evidence": said}


def work(ask: Ask) -> Answer:
    """Do with the files of a share what a person does, in smbclient's words; `out.txt` is what they wrote."""
    code, said, _ = smb(ask, ask["share"], ask["commands"])
    return {"ok": code == 0, "evidence": said}


def others(ask: Ask) -> Answer:
    """Somebody else's folder: the server must say no, not be silent."""
    code, said, _ = smb(ask, ask["share"], "ls")
    return {"ok": code not in (0, 124, 127) and "ACCESS_DENIED" in said, "evidence": said}


def printed(ask: Ask) -> Answer:
    """Send a page and wait until the printer says it is done; `job` is the queue's name of it."""
    text = f"{ask['title']}\n\n{ask['text']}\n"
    code, said = call(["lp", "-d", ask["printer"], "-t", ask["title"], "-"], stdin=text, user="nobody")
    job = said.split("request id is ")[1].split()[0] if "request id is " in said else ""
    if code or not job:
        return {"ok": False, "evidence": said, "job": ""}
    until = time.monotonic() + ask["patience"]
    while time.monotonic() < until:
        _, done = call(["lpstat", "-W", "completed", "-o", ask["printer"]], user="nobody")
        if any(line.split()[:1] == [job] for line in done.splitlines()):
            return {"ok": True, "evidence": f"{said}\n{done.splitlines()[0]}", "job": job}
        time.sleep(0.5)
    _, waiting = call(["lpstat", "-p", ask["printer"], "-o", ask["printer"]], user="nobody")
    call(["cancel", job], user="nobody")
    return {"ok": False, "evidence": f"{said}\n{waiting}", "job": job}


def mail(ask: Ask) -> Answer:
    """Hand a message to the machine's own mail program."""
    text = (
        f"To: {ask['to']}\nSubject: {ask['subject']}\nMessage-ID: <{ask['token']}@{ask['domain']}>\n"
        f"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{ask['text']}\n"
    )
    code, said = call(["/usr/sbin/sendmail", "-f", ask["sender"], "--", ask["to"]], stdin=text)
    return {"ok": code == 0, "evidence": said}


def http(ask: Ask, method: str, path: str, text: str = "", kind: str = "") -> int:
    """One request to the office's calendar as the person, over TLS that this machine trusts; its status."""
    secure = http_client.HTTPSConnection(ask["at"], timeout=12, context=ssl.create_default_context())
    login = base64.b64encode(f"{ask['login']}:{ask['password']}".encode()).decode()
    try:
        secure.request(
            method, path, text.encode(), {"Authorization": f"Basic {login}", **({"Content-Type": kind} if kind else {})}
        )
        return secure.getresponse().status
    finally:
        secure.close()


def calendar(ask: Ask) -> Answer:
    """Make a calendar of one's own, unless it is `there`, with one entry in it."""
    base, day = f"/{ask['login']}/{ask['name']}/", time.strftime("%Y%m%d") if ask.get("today") else "20260101"
    event = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//provisioner//verify//EN\r\nBEGIN:VEVENT\r\n"
        f"UID:{ask['token']}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{day}T090000Z\r\nDTEND:{day}T100000Z\r\n"
        f"SUMMARY:{ask['text']}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    made = 201 if ask.get("there") else http(ask, "MKCALENDAR", base)
    put = http(ask, "PUT", f"{base}{ask['token']}.ics", event, "text/calendar; charset=utf-8") if made == 201 else 0
    return {"ok": put == 201, "evidence": f"MKCALENDAR https://{ask['at']}{base}: {made}; PUT: {put}"}


def uncalendar(ask: Ask) -> Answer:
    """Remove it again."""
    status = http(ask, "DELETE", f"/{ask['login']}/{ask['name']}/")
    return {"ok": status < 300, "evidence": str(status)}


def question(name: str, kind: int) -> bytes:
    """A DNS question in its own form (RFC 1035 4.1)."""
    labels = b"".join(bytes([len(part)]) + part for part in name.encode().rstrip(b".").split(b"."))
    return struct.pack(">HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def skip(data: bytes, at: int) -> int:
    """Past a name in a DNS answer."""
    while data[at]:
        if data[at] >= 0xC0:
            return at + 2
        at += data[at] + 1
    return at + 1


def resolve(server: str, name: str, kind: int = 1) -> tuple[list[str] | None, str]:
    """The answers of the office's own name server: addresses, or for SRV (33) how many there are."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(2)
        for _ in range(2):
            try:
                asked.sendto(question(name, kind), (server, 53))
                data = asked.recv(4096)
                break
            except OSError as error:
                problem = str(error)
        else:
            return None, problem
    count = struct.unpack(">H", data[6:8])[0]
    at, found = skip(data, 12) + 4, []
    for _ in range(count):
        at = skip(data, at)
        sort, _, _, length = struct.unpack(">HHIH", data[at : at + 10])
        if sort == kind:
            found.append(socket.inet_ntoa(data[at + 10 : at + 14]) if kind == 1 else "SRV")
        at += 10 + length
    return found, f"code {data[3] & 15}"


def names(ask: Ask) -> Answer:
    """Every name of the office, asked of the server the machines ask; `wrong` names what differs."""
    wrong, said = [], []
    for name, address in sorted(ask["names"].items()):
        found, why = resolve(ask["server"], name)
        said.append(f"{name}: {' '.join(found or [why])}")
        if not found or address not in found:
            wrong.append(name)
        if found is None:
            break  # nobody answers: no need to wait for each name
    for name in ask["services"]:
        if found is not None:
            there, why = resolve(ask["server"], name, 33)
            said.append(f"{name}: {'found' if there else why}")
            wrong += [] if there else [name]
    with open("/etc/resolv.conf") as file:
        uses = [line.split()[1] for line in file if line.startswith("nameserver")]
    said.append(f"this machine asks: {' '.join(uses)}")
    if not {ask["server"], *(["127.0.0.1", "::1"] if ask.get("own") else [])} & set(uses[:1]):
        wrong.append("resolv.conf")
    return {"ok": not wrong, "wrong": wrong, "evidence": "\n".join(said)}


def hosts(ask: Ask) -> Answer:
    """Without a server, the names stand on each machine."""
    wrong = []
    for name, address in sorted(ask["names"].items()):
        with contextlib.suppress(OSError):
            if socket.gethostbyname(name) == address:
                continue
        wrong.append(name)
    return {"ok": not wrong, "wrong": wrong, "evidence": ", ".join(sorted(ask["names"]))}


def clock(ask: Ask) -> Answer:
    """Ask the office's server for the time (SNTP, RFC 4330): `offset` in seconds between this machine and it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(3)
        sent = time.time()
        try:
            asked.sendto(b"\x23" + b"\0" * 47, (ask["server"], 123))
            data = asked.recv(64)
        except OSError as error:
            return {"ok": False, "evidence": f"{ask['server']} gives no time: {error.strerror or error}", "offset": None}
        back = time.time()
    stratum, parts = data[1], struct.unpack(">II", data[40:48])
    offset = parts[0] - 2208988800 + parts[1] / 2**32 - (sent + back) / 2
    return {
        "ok": 0 < stratum < 16 and abs(offset) < ask["limit"],
        "offset": offset,
        "evidence": f"stratum {stratum}, {offset:+.3f} s",
    }


def remote_switch(ask: Ask) -> Answer:
    """See the way in for maintenance, as the menu's window does."""
    code, said = call(["/usr/local/bin/office-remote", "status"], user=ask["login"])
    return {"ok": code == 0, "evidence": said[-600:]}


def local(ask: Ask) -> Answer:
    """Make, or remove, the witness on a machine whose office has no directory."""
    login = ask["login"]
    call(["userdel", "--force", "--remove", login])
    if ask["make"]:
        code, said = call(["useradd", "--create-home", "--shell", "/bin/bash", "--groups", "office", login])
        if code == 0:
            code, said = call(["chpasswd"], stdin=f"{login}:{ask['password']}\n")
        return {"ok": code == 0, "evidence": said}
    return {"ok": True, "evidence": ""}


def forget(ask: Ask) -> Answer:
    """Remove what the witness left on this machine."""
    call(["sss_cache", "-u", ask["login"]])
    home = f"/home/{ask['login']}"
    if os.path.isdir(home) and not os.path.islink(home) and not os.path.ismount(home):
        shutil.rmtree(home, ignore_errors=True)
    return {"ok": not os.path.exists(home), "evidence": ""}


def main() -> None:
    """Do what is asked; a program that surprises us is evidence, not a traceback."""
    ask = json.load(sys.stdin)
    os.chdir("/")
    try:
        answer = globals()[ask["do"]](ask)
    except Exception as error:
        answer = {"ok": False, "evidence": f"it could not be tried: {getattr(error, 'strerror', None) or error}"}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
