"""Stand-ins for routers whose systems cannot be had here: honest ones that keep state, each a process of its own.

`python -m provisioner.lab.devices.stand_ins FOLDER` is the router: FOLDER holds what is soldered in (`box.json`, `host_key`) and
its permanent storage (`flash/`); all else is in its memory: SIGKILL is a power cut, and a start goes on from the storage alone.

How a platform plugs in: a file `PLATFORM.py` of this room with a class `System(box)`, made anew at each start. Its head names the
vendor document that each behaviour is from. What can go wrong is the box's, alike for all: files in FOLDER that tests (or
somebody at the lab) put there. `cut`: the link is cut both ways while it is there. `slow`: seconds before each line is obeyed.
`fault.json`: {"at": N, "do": WHAT}: with the Nth line that is entered from then on the link is cut (`cut`), the power fails
(`power`), the session is dropped in the middle of the answer (`drop`), it waits while `held` lies there (`hold`), or the
platform's own fault of that name happens. `none` only counts the lines. What happened stands in `noted`.
"""

import json
import os
import re
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Gone(Exception):
    """Nobody is at the terminal any more."""


class Channel(Protocol):
    """What a terminal writes to and reads from; both raise `Gone`."""

    def send(self, data: bytes) -> None:
        """Write."""

    def complain(self, data: bytes) -> None:
        """Write to the second stream."""

    def receive(self) -> bytes:
        """Some bytes, at least one."""


class Droppable(Protocol):
    """Whose answer ends that many bytes later."""

    drop_in: int


class System(Protocol):
    """A router's system, from one start to the next."""

    banner: str  # what SSH says before the login, empty for nothing

    def __init__(self, box: "Box") -> None: ...

    def admits(self, client: str) -> bool:
        """Whether its firewall lets a new connection in."""

    def login(self, user: str, password: str) -> bool:
        """Whether it lets somebody in by a password."""

    def shell(self, terminal: "Terminal") -> None:
        """One session, until it ends."""

    def execute(self, line: str, terminal: "Terminal") -> int:
        """A line that was given with the connection; its exit code."""

    def tick(self) -> None:
        """Some ten times a second: what is due by the clock."""

    def fault(self, what: str) -> None:
        """A fault of its own happens."""


@dataclass
class Box:
    """The hardware: permanent storage, the clock, the world at its ports, the switch.

    `minute_s`: how many seconds a minute of its timers takes, `boot_s`: how long a start takes, `answers`: who is there in the
    world, addresses; all of them in `box.json`.
    """

    folder: Path
    platform: str
    address: str
    port: int
    login: str
    password: str
    minute_s: float = 60.0
    boot_s: float = 1.0
    answers: tuple[str, ...] = ()
    model: str = ""
    system: System | None = None
    started: float = field(default_factory=time.monotonic)
    _lines: int = 0
    _fault: bytes = b""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def read(cls, folder: Path) -> "Box":
        """The box that a folder holds."""
        told = json.loads((folder / "box.json").read_text(encoding="utf-8"))
        return cls(folder, **told | {"answers": tuple(told.get("answers", ()))})

    @property
    def up_s(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    @property
    def cut(self) -> bool:
        """Whether the link is cut."""
        return (self.folder / "cut").exists()

    def note(self, text: str) -> None:
        """Write down what happened, for those who look at the stand-in afterwards."""
        with (self.folder / "noted").open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")

    # ---- permanent storage: whole or not at all, and on the disk before anything goes on

    def load(self, name: str) -> str | None:
        """A file of the permanent storage; None where there is none."""
        with suppress(FileNotFoundError):
            return self._path(name).read_text(encoding="utf-8")
        return None

    def save(self, name: str, text: str) -> None:
        """Write a file of the permanent storage."""
        part = self._path(f".{name}.part")
        part.parent.mkdir(exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path(name))

    def delete(self, name: str) -> None:
        """Take a file from the permanent storage away."""
        self._path(name).unlink(missing_ok=True)

    @property
    def files(self) -> list[str]:
        """What lies in the permanent storage, by name."""
        folder = self.folder / "flash"
        return sorted(_named(path.name) for path in folder.glob("*") if not path.name.startswith(".")) if folder.exists() else []

    def _path(self, name: str) -> Path:
        return self.folder / "flash" / re.sub(r"[^A-Za-z0-9._-]", lambda sign: f"={ord(sign[0]):x}=", name)

    # ---- what can go wrong

    def obeyed(self, channel: "Droppable") -> None:
        """A line was entered: what is to go wrong with it goes wrong now."""
        with suppress(OSError, ValueError):
            time.sleep(float((self.folder / "slow").read_text()))
        self.step(channel)

    def step(self, channel: "Droppable") -> None:
        """One more moment at which something may go wrong, inside a line that a system obeys by several steps too."""
        try:
            text = (self.folder / "fault.json").read_bytes()
        except OSError:
            return
        with self._lock:
            if text != self._fault:
                self._fault, self._lines = text, 0
            self._lines += 1
            fault: dict[str, Any] = json.loads(text)
            if fault["do"] == "none":
                self.note(f"lines {self._lines}")
            if self._lines != fault["at"]:
                return
        (self.folder / "fault.json").rename(self.folder / "fault.done")
        self._happen(str(fault["do"]), channel)

    def _happen(self, what: str, channel: "Droppable") -> None:
        self.note(f"fault {what}")
        if what == "power":
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "cut":
            (self.folder / "cut").touch()
        elif what == "drop":
            channel.drop_in = 20  # bytes later
        elif what == "hold":
            (self.folder / "held").touch()
            while (self.folder / "held").exists():
                time.sleep(0.02)
        else:
            assert self.system
            self.system.fault(what)

    def reboot(self) -> None:
        """Start anew, as its own `reboot` does: what was only in memory is gone, and so is every connection."""
        self.note("reboot")
        sys.stderr.flush()
        os.environ["BOOT_S"] = str(self.boot_s)
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - itself


def _named(name: str) -> str:
    return re.sub(r"=([0-9a-f]+)=", lambda sign: chr(int(sign[1], 16)), name)


@dataclass
class Terminal:
    """One session's lines, keys and pages. `height`: after how many lines it pages, 0: never."""

    box: Box
    channel: Channel
    height: int = 24
    drop_in: int = -1
    echo: bool = True
    user: str = ""  # as it was given at the login
    _ahead: bytearray = field(default_factory=bytearray)

    def write(self, text: str) -> None:
        """Show; a line ends in CR LF as on every terminal."""
        data = text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
        if self.drop_in >= 0:
            self.channel.send(data[: self.drop_in])
            raise Gone
        self.channel.send(data)

    def key(self) -> str:
        """One key."""
        if not self._ahead:
            self._ahead += self.channel.receive()
        return chr(self._ahead.pop(0))

    def line(self, prompt: str = "") -> str:
        """A line that is entered, without its end."""
        self.write(prompt)
        found = bytearray()
        while True:
            if not self._ahead:
                self._ahead += self.channel.receive()
            sign = self._ahead.pop(0)
            if sign in (10, 13):
                if sign == 13 and self._ahead[:1] == b"\n":
                    del self._ahead[0]
                break
            if sign in (3, 21):  # ctrl-c, ctrl-u
                found.clear()
            elif sign in (8, 127):
                del found[-1:]
                self.write("\b \b")
            elif sign == 4 and not found:
                raise Gone
            else:
                found.append(sign)
                if self.echo and sign >= 32:  # what UTF-8 goes on with comes back in one piece below
                    self.channel.send(bytes([sign]))
        self.write("\n")
        self.box.obeyed(self)
        return found.decode("utf-8", "replace")

    def page(self, text: str, more: str = " --More-- ") -> None:
        """Show a long text, a screenful at a time: space goes on, q ends, any other key shows one line more."""
        lines, shown = text.splitlines(), 0
        for number, line in enumerate(lines):
            if self.height and shown >= self.height - 1:
                self.write(more)
                key = self.key()
                self.channel.send(b"\b" * len(more) + b" " * len(more) + b"\b" * len(more))
                if key in "qQ\x03":
                    return
                shown = 0 if key == " " else self.height - 2
            self.write(line + ("\n" if number < len(lines) - 1 or text.endswith("\n") else ""))
            shown += 1


system: System  # the one that runs in this process
