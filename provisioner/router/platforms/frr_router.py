"""An FRR router as the guard needs it: vtysh is its login's shell, driven by netmiko as a Cisco's.

vtysh gives no shell, no file and no timer, so nothing of ours comes there by it; the guard is a service of the machine's own that
root put there once (`frr_guard`), and both sides speak by remarks in FRR's running configuration. systemd keeps that service
alive; without it the router is refused unless `--on-site`. New routes are in FRR's memory alone until they are confirmed: a power
cut gives the former ones back without anybody's help. Not taken: `frr-reload.py`, which vtysh cannot call, and the guard of
`debian`, which needs a login that is root's.
"""

import contextlib
import difflib
import re
import time
from dataclasses import asdict, dataclass
from typing import Any

from provisioner.errors import Busy, Unreachable, Unreadable
from provisioner.router.guard import Difference, Rejected, State, Window
from provisioner.router.platforms import File, Files, Probes, Way, frr, frr_reading
from provisioner.router.platforms.connection import CANNOT_READ, Connection, Refused
from provisioner.router.reading import Reading

ERROR = r"^% [A-Z]"  # how FRR says no (its User Guide, VTY shell)
REMARK = re.compile(rf"^{frr.MARK}([a-z]+) remark (.+?)\s*$", re.M)
CONFIGURING = r"(^|[\r\n])\S+\(config[^)\n]*\)#\s*$"
HOST = re.compile(r"[A-Za-z0-9.-]+")
ECHO_S = 3.0
HEARD_S = 8.0  # the guard looks each second


@dataclass
class Device:
    """One router, as `Router` says."""

    way: Way
    wanted: Files
    probes: Probes
    _kept: Connection | None = None
    _refused: tuple[str, ...] = ()

    def close(self) -> None:
        """End the connection."""
        if self._kept:
            self._kept.close()
        self._kept = None

    def _at(self, *, fresh: bool = False) -> Connection:
        if fresh:
            self.close()
        if self._kept is None:
            self._kept = Connection(self.way, "cisco_ios", error=ERROR, usual="admin")
            with contextlib.suppress(Refused):  # netmiko sets a Cisco's terminal first, which vtysh refuses, by and by
                self._kept.ask("show version", expect=r"FRRouting [\s\S]*[\r\n]\S+# *$")
        return self._kept

    def _ask(self, line: str) -> str:
        try:
            return self._at().ask(line)
        except Unreachable:
            self.close()
            raise

    def _running(self) -> str:
        said = self._ask("show running-config")
        if "Current configuration:" not in said:
            raise Unreadable(f"{self.way.host} says something else than its configuration", hint=CANNOT_READ)
        return said.replace("\r", "")

    def without_timer(self) -> str:
        """Nothing, where the guard runs on it."""
        if "guard" in dict(REMARK.findall(self._running())):
            return ""
        return "no office-frr-guard runs on it (docs/router.md, frr)"

    # ---------------------------------------------------------------------------------------- what it has

    def differences(self) -> list[Difference]:
        """What a push would change."""
        running = self._running()
        here, wanted = frr.ours(running), self.wanted[frr.CONFIGURATION].content
        if here == wanted:
            return []
        lines = difflib.unified_diff(
            here.splitlines(keepends=True), wanted.splitlines(keepends=True), "routes: running", "routes: wanted"
        )
        pushed = dict(REMARK.findall(running)).get("digest", frr.digest(here))
        return [Difference(frr.CONFIGURATION, "".join(lines), by_hand=pushed != frr.digest(here))]

    def current(self) -> Files:
        """The static routes as they run."""
        return {frr.CONFIGURATION: File(frr.ours(self._running()))}

    def running(self) -> dict[str, Any]:
        """How it runs: version, up_s, links, route, leases, tunnel, last."""
        version = re.search(r"^FRRouting (\S+)", self._ask("show version"), re.M)
        route = None
        links = frr_reading.links(self._ask("show interface brief"))
        with contextlib.suppress(Refused):  # "% Network not in table"
            route = re.search(r"\* ([0-9.]+), via ([^\s,]+)", self._ask("show ip route 0.0.0.0/0"))
        last = self._state().last
        return {
            "version": f"FRR {version[1][:40]}" if version else "FRR",
            "up_s": None,  # vtysh does not say it
            "links": [asdict(one) | {"addresses": list(one.addresses)} for one in links],
            "leases": [],
            "route": {"gateway": route[1], "dev": route[2]} if route else None,
            "tunnel": None,
            "last": asdict(last) if last else None,
        }

    def probe(self) -> dict[str, str]:
        """What it reaches of the world, by echoes: vtysh sends no others, and asks for no name."""
        targets = [str(address) for address, _ in self.probes.get("internet", ())]
        near = [str(address) for address in self.probes.get("lan", ())]
        found = {}
        if targets:
            found["internet"] = "" if self._any(targets) else f"the Internet does not answer: {', '.join(targets)}"
        if near:
            found["lan"] = "" if self._any(near) else f"no machine of the LAN answers: {', '.join(near)}"
        return found

    def _any(self, addresses: list[str]) -> bool:
        """Whether one of them answers an echo."""
        try:
            return any(
                self._at().answers(f"ping {one}", "bytes from", timeout_s=ECHO_S) for one in addresses if HOST.fullmatch(one)
            )
        except Unreachable:
            self.close()
            raise

    def reading(self) -> Reading:
        """Its routes and its links in the dossier's words."""
        return frr_reading.read(self._running(), self._ask("show interface brief"))

    # ---------------------------------------------------------------------------------------- the guard

    def look(self) -> tuple[State, dict[str, str]]:
        """By a new connection: what it says of pushes, and once ours is loaded what it reaches."""
        self._at(fresh=True)
        state = self._state()
        return state, self.probe() if state.loaded and not state.refused else {}

    def _state(self) -> State:
        marks = dict(REMARK.findall(self._running()))
        words = marks.get("guard", "").split()
        window = Window(words[1], words[2], words[3], "open") if len(words) == 4 and words[0] == "open" else None
        told = marks.get("last", "").split(" ", 4)
        how, token, technician, run, why = told if len(told) == 5 else ("", "", "", "", "")
        last = Window(token, technician, run, "applied" if how == "applied" else "reverted", why[:300]) if token else None
        loaded = bool(window and marks.get("loaded", "") == window.token)
        return State(window, last, loaded=loaded, refused=self._refused if window else ())

    def arm(self, token: str, timeout_s: float) -> None:
        """Have the guard keep what is there and count."""
        self._refused = ()
        if window := self._state().window:
            raise self._busy(window)
        note = f"{token} {max(1, round(timeout_s))} {self.way.technician} {self.way.run}"
        self._mark("window", note)
        until = time.monotonic() + HEARD_S
        while time.monotonic() < until:
            window = self._state().window
            if window and window.token == token:
                return
            if window:
                raise self._busy(window)
            time.sleep(0.3)
        self._configure([f"no {frr.MARK}window"])
        if not (window := self._state().window) or window.token != token:
            raise Rejected(f"{self.way.host} cannot keep what it has: its guard does not answer", hint="nothing was changed")

    def _busy(self, window: Window) -> Busy:
        return Busy(
            f"{self.way.host} waits for the push of {window.technician} (run {window.run}) to be confirmed",
            hint="wait until it has ended: it goes back by itself",
        )

    def _mark(self, name: str, told: str) -> None:
        self._configure([f"{frr.MARK}{name} remark {told}"])

    def _configure(self, lines: list[str]) -> None:
        try:
            self._at().configure(lines, enter="configure terminal", leave="end", prompt=CONFIGURING)
        except Unreachable:
            self.close()
            raise

    def load(self, token: str) -> None:
        """Put the new routes in force: first those that come, so that none is missed in between."""
        window = self._state().window
        if not window or window.token != token:
            why = f"{self.way.host}: the time for it is over: the router takes its former configuration back"
            raise Rejected(why, hint="nothing was changed")
        here = frr.ours(self._running()).splitlines()
        wanted = self.wanted[frr.CONFIGURATION].content.splitlines()
        lines = [line for line in wanted if line not in here] + [f"no {line}" for line in here if line not in wanted]
        try:
            self._configure([*lines, f"{frr.MARK}loaded remark {token}"])
        except Refused as refused:
            self._refused = (str(refused),)

    def confirm(self, token: str) -> State:
        """Let it stay, over a fresh connection; what it says of pushes once the guard has heard it."""
        self._at(fresh=True)
        state = self._state()
        if state.window and state.window.token == token:
            self._mark("confirm", token)
            until = time.monotonic() + HEARD_S
            while (state := self._state()).window and time.monotonic() < until:
                time.sleep(0.3)
        return state

    def revert(self, token: str) -> None:
        """Have the former routes back now, not only in time."""
        self._at(fresh=True)
        state = self._state()
        if state.window and state.window.token == token:
            with contextlib.suppress(Refused):
                self._mark("revert", token)
