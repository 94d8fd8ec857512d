"""A virtual display: the machine's own log-in screen and desktop as one person; see `desktop_session.py`.

A display manager of its own (the machine's lightdm, its greeter, its PAM, with another folder) shows the log-in screen on an
Xvfb that nobody else can reach, so whoever sits at the real one is not disturbed, nor another such screen. What is typed goes
to the virtual keyboard by standard input, never as an argument. Runs as root, standard library only.
"""

import base64
import contextlib
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

Ask = dict[str, Any]
Answer = dict[str, Any]

DISPLAY = 70  # the first that is free from here on
WIDTH, HEIGHT = 1280, 800
LONGEST_S = 300

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


def plain(text: str) -> str:
    """A title as it may be compared: without signs that cannot be seen, one blank between words."""
    return " ".join("".join(sign for sign in text if sign.isprintable() or sign.isspace()).split())


class Screen:
    """A virtual display with the machine's log-in screen on it; `person` is whoever logs in."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.unit = f"office-screen-{ask['login']}"
        self.folder = f"/var/lib/{self.unit}"
        with socket.create_server(("127.0.0.1", 0)) as free:  # a port for the moment in which lightdm is told to show a screen
            self.port = free.getsockname()[1]
        self.asked: socket.socket | None = None
        self.where: dict[str, str] = {}
        self.session: dict[str, str] = {}

    def __enter__(self) -> "Screen":
        self.close_down()  # what a visit that was killed left
        # the greeter and the person find the key to the display below these
        for name, mode in (("", 0o711), ("log", 0o711), ("run", 0o711), ("frame", 0o700), ("bin", 0o700)):
            os.mkdir(os.path.join(self.folder, name))
            os.chmod(os.path.join(self.folder, name), mode)
        about = {"folder": self.folder, "port": self.port, "display": DISPLAY, "width": WIDTH, "height": HEIGHT}
        self.write("lightdm.conf", _CONFIG.format(**about), 0o600)
        self.write("bin/Xvnc", _XVNC.format(**about), 0o700)
        # as a unit of systemd: without sudo's limits, and gone by itself should we be killed
        words = [
            "--quiet",
            "--collect",
            f"--unit={self.unit}",
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
        self.close_down()

    def close_down(self) -> None:
        """End what runs for this screen and take its folder away."""
        end_all_of(self.ask["login"])
        subprocess.run(["systemctl", "stop", f"{self.unit}.service"], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name: str, text: str, mode: int) -> None:
        """A file of the display manager's folder."""
        with os.fdopen(os.open(os.path.join(self.folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)

    def connect(self) -> socket.socket | None:
        """Ask the display manager for a screen; it stays as long as the connection."""
        try:
            return socket.create_connection(("127.0.0.1", self.port), 1)
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
