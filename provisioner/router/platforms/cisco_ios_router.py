"""A Cisco router as the guard needs it: `reload in` is the timer, the startup configuration in NVRAM the way back.

What runs is made permanent first (`write memory`): that is the snapshot. Then a start anew is scheduled (`reload in`, with whose
push it is as its reason, which `show reload` gives back: that is the window); the new lines go into the running configuration
alone. Whatever ends the window but a confirmation (timer, power cut, crash) is a start, and a start reads NVRAM: the former
configuration, byte for byte. Confirming saves what runs, then lets go of the timer. The last line entered is a mark (`alias
exec`) with the push's name, so a push that was torn is never taken for a whole one. Where the router still answers, going back is
`configure replace nvram:startup-config`, without the start; only when that gave back what NVRAM has is the timer let go of. Not
taken: `configure terminal revert timer`, which lives in memory beside an archive that the router must be given first, and whose
replacing is the device's own difference and no promise. Documents: Cisco IOS Configuration Fundamentals Command Reference
(reload, show reload, write memory, alias), Configuration Replace and Configuration Rollback.
"""

import contextlib
import difflib
import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from provisioner.errors import Busy, Unreachable, Unreadable
from provisioner.router.guard import Difference, Rejected, State, Window
from provisioner.router.platforms import File, Files, Probes, Way, cisco_ios, cisco_ios_reading
from provisioner.router.platforms.connection import CANNOT_READ, Connection, Refused, printed
from provisioner.router.reading import Reading

# How IOS says no (Cisco IOS Configuration Fundamentals, "CLI Error Messages"); a line of a configuration may hold a %.
ERROR = (
    r"^\s*%\s?(Invalid|Incomplete|Ambiguous|Unknown|Unrecognized|Bad|Error|Cannot|Can't|Not"
    r"|.*(overlaps|not found|not permitted|failed|denied|reject|conflict|does not exist|being used))"
)
MARK, REASON = "office-pushed", "provisioner"
IGNORES_NVRAM = 0x40  # bit 6 of the configuration register
PATIENCE_S = 180.0  # what NVRAM may take


@dataclass
class Device:
    """One router, as `Router` says."""

    way: Way
    wanted: Files
    probes: Probes
    _kept: Connection | None = None
    _before: str | None = None
    _token: str = ""
    _refused: tuple[str, ...] = ()

    # ------------------------------------------------------------------------------------- connections

    def _open(self) -> Connection:
        names = re.findall(r"^hostname (\S+)", self._text + (self._before or ""), re.M)  # a push, and its way back, change it
        prompt = rf"(^|\n)({'|'.join(re.escape(name[:16]) for name in names)})\S*[#>]\s*$" if self._before else ""
        connection = Connection(self.way, "cisco_ios", error=ERROR, usual="admin", prompt=prompt)
        try:
            if not connection.of_netmiko(connection.session.check_enable_mode):
                raise Unreachable(
                    f"{self.way.host} ({self.way.address}) gives this login no privilege to configure it",
                    hint="on the router: username LOGIN privilege 15",
                )
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def _session(self) -> Connection:
        if self._kept is None:
            self._kept = self._open()
        return self._kept

    @contextlib.contextmanager
    def _anew(self) -> Iterator[Connection]:
        with self._open() as connection:
            yield connection

    def close(self) -> None:
        """End the session that is kept."""
        if self._kept:
            self._kept.close()
            self._kept = None

    # ----------------------------------------------------------------------------------- what is there

    def differences(self) -> list[Difference]:
        """What a push would change of the office's part."""
        # by a line of its own: half the time of a terminal's session, which only a change needs
        said = printed(self.way, "show running-config", usual="admin") if self._kept is None else ""
        self._before = running = _plain(said) if _is_whole(said) else _running(self._session)
        self.close()  # a session from now on knows both names that the router may bear
        there, wanted = cisco_ios.ours(running, self._text), self._text
        if not cisco_ios.remedy(there, wanted):
            return []
        named = (f"{self.way.host}: running", f"{self.way.host}: wanted")
        diff = "".join(difflib.unified_diff(there.splitlines(keepends=True), wanted.splitlines(keepends=True), *named))
        mark = _mark(running)
        return [Difference(cisco_ios.CONFIGURATION, diff, by_hand=mark is not None and mark[3] != _digest(there))]

    @property
    def _text(self) -> str:
        return cisco_ios.text(cisco_ios.sections(self.wanted[cisco_ios.CONFIGURATION].content))

    def reading(self) -> Reading:
        """Its whole configuration in the dossier's words."""
        try:
            return cisco_ios_reading.read(_running(self._session))
        except ValueError as problem:
            raise Unreadable(f"{self.way.host} has a configuration that no program would take: {problem}") from None

    def current(self) -> Files:
        """The office's part as it runs."""
        return {cisco_ios.CONFIGURATION: File(cisco_ios.ours(_running(self._session), self._text))}

    def running(self) -> dict[str, Any]:
        """How it runs, read by ntc-templates' forms."""
        session = self._session
        (version,) = session.rows("show version") or [{}]
        route = next(iter(session.rows("show ip route 0.0.0.0", r"\* (?P<gateway>\d\S+?),.* via (?P<dev>\S+)")), None)
        state = _state(session, "")
        return {
            "version": f"IOS {version.get('version', '')}".strip(),
            "up_s": _seconds(str(version.get("uptime", ""))),
            "links": [
                {
                    "name": one["interface"],
                    "up": one["proto"] == "up",
                    "addresses": [one["ip_address"]] if one["ip_address"] != "unassigned" else [],
                }
                for one in session.rows("show ip interface brief")
            ],
            "route": {"gateway": route["gateway"], "dev": route["dev"]} if route else None,
            "leases": [
                {"address": one["address"], "mac": _mac(one["client"]), "name": ""}
                for one in session.rows("show ip dhcp binding", r"^(?P<address>\d+(?:\.\d+){3})\s+(?P<client>[0-9a-f.]+)\s")
            ],
            "tunnel": None,
            "last": state.last and {"token": state.last.token, "technician": state.last.technician, "run": state.last.run,
                                    "how": state.last.how, "why": state.last.why},
        }  # fmt: skip

    # --------------------------------------------------------------------------------------- the guard

    def without_timer(self) -> str:
        """Every IOS has one (`reload in`)."""
        return ""

    def probe(self) -> dict[str, str]:
        """What it reaches: the line's Internet, a machine of the LAN."""
        return self._reaches(self._session)

    def _reaches(self, session: Connection) -> dict[str, str]:
        found = {}
        if targets := [str(address) for address, _ in self.probes.get("internet", ())]:
            found["internet"] = "" if any(_pings(session, one) for one in targets) else f"{', '.join(targets)} does not answer"
        if near := [str(address) for address in self.probes.get("lan", ())]:
            found["lan"] = (
                "" if any(_pings(session, one) for one in near) else f"none of the LAN's machines answers ({', '.join(near)})"
            )
        return found

    def look(self) -> tuple[State, dict[str, str]]:
        """What it says of pushes, and once ours is loaded what it reaches."""
        with self._anew() as session:
            state = self._seen(session)
            return state, self._reaches(session) if state.loaded else {}

    def arm(self, token: str, timeout_s: float) -> None:
        """Save what runs, and schedule the start anew."""
        session = self._session
        self._free(session)
        self._boots(session)
        if _running(session) != self._before:
            raise Busy(f"somebody changed {self.way.host} just now", hint="look again: provisioner router diff")
        _save(session)
        self._token = token
        minutes = max(1, math.ceil(timeout_s / 60))
        session.confirm(f"reload in {minutes} {REASON} {token} {self.way.technician} {self.way.run}")
        window = _window(session)
        if window is None or window.token != token:
            raise Rejected(f"{self.way.host} schedules no start anew for us", hint="nothing was changed")
        if _running(session) != self._before:  # another push came between: its lines must not stay, so the start anew does
            raise Busy(f"somebody changed {self.way.host} just now: it starts anew in {minutes} min", hint="then again")

    def _free(self, session: Connection) -> None:
        window = _window(session)
        if window is not None:
            whose = (
                f"the push of {window.technician} (run {window.run})" if window.token else "a start anew that somebody scheduled"
            )
            raise Busy(f"{self.way.host} waits for {whose}", hint="wait until it has ended: it goes back by itself")

    def _boots(self, session: Connection) -> None:
        """Refuse a router that reads no NVRAM when it starts: it would come back empty."""
        found = re.search(
            r"Configuration register is 0x([0-9A-Fa-f]+)(?: \(will be 0x([0-9A-Fa-f]+))?", session.ask("show version")
        )
        if found is None or int(found[2] or found[1], 16) & IGNORES_NVRAM:
            raise Rejected(
                f"{self.way.host} would start without its saved configuration (configuration register)",
                hint="on the router: config-register 0x2102",
            )

    def load(self, token: str) -> None:
        """Enter the lines; the mark last."""
        session = self._session
        window = _window(session)
        if window is None or window.token != token:
            raise Rejected(f"{self.way.host} no longer waits for this push", hint="nothing was changed")
        there = cisco_ios.ours(self._before or "", self._text)
        mark = f"alias exec {MARK} {token} {self.way.technician} {self.way.run} {_digest(self._text)}"
        try:
            lines = [*cisco_ios.remedy(there, self._text), mark]
            session.configure(lines, enter="configure terminal", leave="end", prompt=r"\(config[\w-]*\)#\s*$")
        except Refused as problem:
            self._refused = (str(problem),)

    def confirm(self, token: str) -> State:
        """Save what runs, then let go of the timer."""
        with self._anew() as session:
            window, mark = _window(session), _mark(_running(session))
            if window and window.token == token and mark and mark[0] == token:
                _save(session)
                saved = _mark(_startup(session))
                if saved and saved[0] == token:
                    session.ask("reload cancel")
            return self._seen(session)

    def revert(self, token: str) -> None:
        """Put the saved configuration in force, else start anew now."""
        with self._anew() as session:
            window = _window(session)
            if window is None or window.token != token:
                return
            with contextlib.suppress(Refused):
                session.ask("configure replace nvram:startup-config force", timeout_s=PATIENCE_S)
            if _running(session) == _startup(session):
                session.ask("reload cancel")
            else:
                session.confirm("reload")

    def _seen(self, session: Connection) -> State:
        return _state(session, self._token, self._refused)


# ------------------------------------------------------------------------------------- what it says


def _plain(said: str) -> str:
    """A configuration without what changes by itself: remarks, sizes, times."""
    noise = re.compile(r"!|Building configuration|Current configuration|Using \d+ out of|ntp clock-period|end$")
    return "".join(f"{line.rstrip()}\n" for line in said.splitlines() if line.strip() and not noise.match(line))


def _running(session: Connection) -> str:
    return _whole(session, "show running-config")


def _startup(session: Connection) -> str:
    return _whole(session, "show startup-config")


def _is_whole(said: str) -> bool:
    """Whether a configuration is neither torn nor something else."""
    return bool(re.search(r"^end\s*$", said, re.M)) and "hostname " in said


def _whole(session: Connection, line: str) -> str:
    said = session.ask(line)
    if not _is_whole(said):
        raise Unreadable(f"{session.way.host} says something else than its configuration", hint=CANNOT_READ)
    return _plain(said)


def _mark(configuration: str) -> list[str] | None:
    """Whose push made it so: token, technician, run, digest."""
    found = re.search(rf"^alias exec {MARK} (\S+) (\S+) (\S+) (\S+)$", configuration, re.M)
    return list(found.groups()) if found else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _window(session: Connection) -> Window | None:
    """The start anew that is scheduled; one without a token is somebody else's."""
    said = session.ask("show reload")
    if "scheduled" not in said or re.search(r"No reload is scheduled", said):
        return None
    found = re.search(rf"^Reload reason: {REASON} (\S+) (\S+) (\S+)", said, re.M)
    token, technician, run = found.groups() if found else ("", "", "")
    return Window(token, technician, run, "open")


def _state(session: Connection, token: str, refused: tuple[str, ...] = ()) -> State:
    window, running, saved = _window(session), _running(session), _mark(_startup(session))
    mark = _mark(running)
    last = Window(saved[0], saved[1], saved[2], "applied") if saved else None
    if token and window is None and not (saved and saved[0] == token):
        last = Window(token, session.way.technician, session.way.run, "reverted", "it has its saved configuration back")
    loaded = bool(window and mark and mark[0] == window.token)
    return State(window, last, loaded, refused if window and window.token == token else ())


def _save(session: Connection) -> None:
    if "[OK]" not in session.ask("write memory", timeout_s=PATIENCE_S):
        raise Rejected(f"{session.way.host} cannot save its configuration", hint="look at the router itself: dir nvram:")


def _pings(session: Connection, address: str) -> bool:
    with contextlib.suppress(Refused):
        return bool(re.search(r"Success rate is [1-9]", session.ask(f"ping {address} repeat 2 timeout 1")))
    return False


def _seconds(uptime: str) -> float:
    units = {"year": 31536000, "week": 604800, "day": 86400, "hour": 3600, "minute": 60}
    return float(sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+) (year|week|day|hour|minute)", uptime)))


def _mac(client: str) -> str:
    digits = client.replace(".", "")[-12:]
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
