"""Stand-ins on this laptop's loopback: a router for the time of a test, what can happen to it, and pushes to it."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioner.hosts.access import SshAccess
from provisioner.hosts.pins import pin
from provisioner.inventory.target import Target
from provisioner.lab.devices import stand_ins
from provisioner.laptop.processes import born
from provisioner.router import guard, platforms
from provisioner.router.guard import Outcome
from provisioner.router.platforms import Files, Router, Way
from tests import network

INTERNET, NEAR = "198.51.100.1", "192.168.1.10"
PROBES = {"internet": [(INTERNET, 3142)], "server": "192.168.1.1", "name": "router.office.internal", "lan": [NEAR]}


def make_key(path: Path) -> str:
    """A host key; its public half, `type base64`."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text().strip()


@dataclass
class Bench:
    """A stand-in that runs, and the office it is pinned for. A power cut (and a reboot's exec) is followed by a start."""

    platform: str
    folder: Path
    target: Target
    port: int
    minute_s: float
    process: "subprocess.Popen[bytes] | None" = None
    done: bool = False
    failed: threading.Event = field(default_factory=threading.Event)

    @property
    def flash(self) -> Path:
        """Its permanent storage."""
        return self.folder / "flash"

    def way(self, **other: Any) -> Way:
        """The way to it."""
        given: dict[str, Any] = {
            "host": "router",
            "address": "127.0.0.1",
            "run": "run-1",
            "login": "admin",
            "password": "right one",
            "port": self.port,
        }
        return Way(SshAccess(self.target, "m.durand", self.folder / "no-key"), **given | other)

    def device(self, wanted: Files, **other: Any) -> Router:
        """It, as the guard needs it."""
        return platforms.router(self.platform)(self.way(**other), wanted, PROBES)

    def start(self) -> None:
        """Switch it on."""
        (self.folder / "ready").unlink(missing_ok=True)
        argv = [sys.executable, "-m", stand_ins.__name__, str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while not (self.folder / "ready").exists():
            assert time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.02)

    def watch(self) -> None:
        """Start it again where its power failed."""
        while not self.done:
            process = self.process
            if process and process.poll() == -signal.SIGKILL and not self.done:
                self.failed.set()
                time.sleep(0.3)
                self.start()
            time.sleep(0.05)

    def power(self) -> None:
        """Cut its power, and give it back."""
        assert self.process
        self.failed.clear()
        (self.folder / "ready").unlink(missing_ok=True)
        self.process.kill()
        assert self.failed.wait(20)
        assert soon((self.folder / "ready").exists, 20)

    def end(self) -> None:
        """Switch it off for good."""
        self.done = True
        if self.process:
            self.process.kill()
            self.process.wait(10)

    def fault(self, at: int, what: str) -> None:
        """With the line of this number from now on, something goes wrong."""
        for name in ("held", "cut", "fault.done"):
            (self.folder / name).unlink(missing_ok=True)
        part = self.folder / "fault.part"
        part.write_text(json.dumps({"at": at, "do": what, "one": secrets.token_hex(4)}))
        part.rename(self.folder / "fault.json")

    def set(self, name: str, text: str | None = "") -> None:
        """Put a file that the box heeds there, or take it away."""
        path = self.folder / name
        path.unlink(missing_ok=True) if text is None else path.write_text(text)

    def fired(self) -> bool:
        """Whether the fault has happened."""
        return (self.folder / "fault.done").exists()

    def noted(self) -> list[str]:
        """What it noted."""
        with suppress(FileNotFoundError):
            return (self.folder / "noted").read_text().splitlines()
        return []

    def lines(self, work: Callable[[], object]) -> int:
        """How many lines it obeys while something is done."""
        self.fault(10**9, "none")
        work()
        counted = [int(line.split()[1]) for line in self.noted() if line.startswith("lines ")]
        self.set("fault.json", None)
        return counted[-1]


def soon(what: Callable[[], bool], within_s: float) -> bool:
    """Whether something comes true in time."""
    until = time.monotonic() + within_s
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def bench(folder: Path, platform: str, *, minute_s: float = 3.0, **more: Any) -> Iterator[Bench]:
    """A stand-in of a platform, on, and pinned."""
    target = Target(network.with_office(folder / "net"), "demo")
    home = folder / "box"
    home.mkdir()
    port = free_port()
    told = {
        "platform": platform, "address": "127.0.0.1", "port": port, "login": "admin", "password": "right one",
        "minute_s": minute_s, "boot_s": 0.3, "answers": [INTERNET, NEAR], **more,
    }  # fmt: skip
    (home / "box.json").write_text(json.dumps(told))
    pin(target, "router", [make_key(home / "host_key")])
    one = Bench(platform, home, target, port, minute_s)
    one.start()
    threading.Thread(target=one.watch, daemon=True).start()
    try:
        yield one
    finally:
        one.end()


def pushed(router: Router, timeout_s: float, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """A push to it, and its connections closed."""
    try:
        return guard.push(router, timeout_s=timeout_s, say=say)
    finally:
        router.close()


@contextmanager
def elsewhere(work: Callable[[], object]) -> Iterator[int]:
    """Work that a process of its own does, as a laptop that can be killed; its pid, recorded, which is ended afterwards."""
    pid = os.fork()
    if pid == 0:
        code = 1
        with suppress(BaseException):
            work()
            code = 0
        os._exit(code)
    began = born(pid)
    try:
        yield pid
    finally:
        if born(pid) == began:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
