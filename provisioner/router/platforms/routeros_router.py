"""A RouterOS 7 router as the guard needs it. Its safe mode is not used: beyond 100 changes it ends without a word.

What is there is kept by the router itself (`/system backup save`, on its permanent storage), before two entries of its scheduler
are made that load that backup again: one in time, one at the next start. A backup does not know of what came after it, so a
router that went back has neither of them. The new configuration is a file that is imported in the background, apart from our
connection. What came of the last window lies in a file beside them.
"""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from provisioner.errors import Busy, Unreadable
from provisioner.router.guard import Difference, Rejected, State, Window
from provisioner.router.platforms import File, Files, Probes, Way, hidden, routeros_reading, routeros_state
from provisioner.router.platforms import routeros_changes as changes
from provisioner.router.platforms.routeros import FILE
from provisioner.router.platforms.routeros_state import UPTIME
from provisioner.router.platforms.routeros_syntax import Item, Unparsable, quoted
from provisioner.router.platforms.routeros_terminal import Terminal
from provisioner.router.reading import Reading

OLDEST = (7, 13)  # the menu `wifi`, and scripts that learn why a line was refused (:onerror)
GUARD, STARTUP = "office-guard", "office-startup"
WHY = {GUARD: "not confirmed in time", STARTUP: "the router was started anew"}
AGAIN_S = 5  # where loading the backup fails, or is ended, it is done again
SETTLED_S = 8.0
LAST = "office-last.txt"
OURS = re.compile(r"office-[0-9a-f]{16}[.-].*")
FOUND = '[ find name="{}" ]'

T = TypeVar("T")


@dataclass
class Device:
    """One router: the way to it, what is wanted of it, and what must answer afterwards."""

    way: Way
    wanted: Files
    probes: Probes
    _terminal: Terminal | None = field(default=None, repr=False)
    _script: list[str] = field(default_factory=list, repr=False)

    @property
    def host(self) -> str:
        """What it is called."""
        return self.way.host

    def close(self) -> None:
        """End the connection."""
        if self._terminal:
            self._terminal.close()
        self._terminal = None

    def _at(self, *, fresh: bool = False) -> Terminal:
        """A connection: the one that is open, or a new one."""
        if fresh or (self._terminal and not self._terminal.alive):
            self.close()
        if self._terminal is None:
            self._terminal = Terminal(self.way)
        return self._terminal

    def without_timer(self) -> str:
        """Nothing: its scheduler is there on each."""
        return ""

    # ---------------------------------------------------------------------------------------- what it has

    def differences(self) -> list[Difference]:
        """What a push would change, menu by menu."""
        version = self._at().run(":put [/system resource get version]")
        found = re.match(r"(\d+)\.(\d+)", version)
        if not found or (int(found[1]), int(found[2])) < OLDEST:
            raise Unreadable(
                f"{self.host} runs RouterOS {version[:40] or '?'}; from {OLDEST[0]}.{OLDEST[1]} on it can be configured here",
                hint="update it: /system package update",
            )
        menus = self._last().get("menus")
        return changes.differences(self._running(), self._wanted(), menus if isinstance(menus, dict) else {})

    def current(self) -> Files:
        """What stands in the menus that are ours, in an order of its own."""
        return {FILE: File(changes.text(self._running()), "0600", secret=True)}

    def _running(self) -> list[Item]:
        return self._exported(changes.ours)

    def _exported(self, read: Callable[[str], T]) -> T:
        """All that it is set to, read."""
        try:
            return read(self._at().run("/export show-sensitive terse"))
        except Unparsable as error:
            raise Unreadable(f"{self.host} says something else than its configuration: {error}", hint="look at it") from None

    def _wanted(self) -> list[Item]:
        return changes.ours(self.wanted[FILE].content)

    def running(self) -> dict[str, Any]:
        """How it runs: version, up_s, links, route, leases, tunnel, last."""
        last = self._window(self._last(), open_=False)
        return {**routeros_state.running(self._at()), "last": asdict(last) if last else None}

    def probe(self) -> dict[str, str]:
        """What it reaches of the world."""
        return routeros_state.probes(self._at(), self.probes)

    def reading(self) -> Reading:
        """Its whole configuration in the dossier's words."""
        return self._exported(routeros_reading.read)

    # ---------------------------------------------------------------------------------------- the guard

    def look(self) -> tuple[State, dict[str, str]]:
        """By a new connection: what it says of pushes, and once ours is loaded what it reaches."""
        self._at(fresh=True)
        state = self._state()
        return state, self.probe() if state.loaded and not state.refused else {}

    def _state(self) -> State:
        """What its scheduler and its notes say of pushes."""
        at = self._at()
        said = dict(_notes(at.run(_NOTES)))
        window = self._window(_read(said[GUARD]), open_=True) if GUARD in said else None
        load = said.get(STARTUP, "")
        refused: tuple[str, ...] = ()
        if load.startswith("refused "):
            refused = (self._refusal(load),)
        last = self._window(self._last(), open_=False)
        return State(window, last, loaded=(bool(window) and load == "loaded") or bool(refused), refused=refused)

    def _refusal(self, load: str) -> str:
        """The line that was refused, and why."""
        _, number, why = (*load.split(" ", 2), "", "")[:3]
        place = int(number) if number.isdigit() else 0
        line = hidden(self._script[place - 1])[:200] if 0 < place <= len(self._script) else f"line {place}"
        return f"{line}: {why.strip()[:200] or 'refused'}"

    def _last(self) -> dict[str, Any]:
        """The notes on the last window; `why` is the router's own word, on a line of its own."""
        at = self._at()
        note, _, why = (at.get(at.place(LAST)) or b"").decode("utf-8", "replace").partition("\n")
        found = _read(note)
        if why:
            found["why"] = self._refusal(why) if why.startswith("refused ") else why
        return found

    def _window(self, said: dict[str, Any], *, open_: bool) -> Window | None:
        if not isinstance(said.get("token"), str):
            return None
        token, technician, run, why = (str(said.get(word, ""))[:300] for word in ("token", "technician", "run", "why"))
        how = "open" if open_ else "applied" if said.get("how") == "applied" else "reverted"
        return Window(token, technician, run, how, why)  # type: ignore[arg-type]

    def _note(self, token: str, how: str) -> dict[str, Any]:
        return {"token": token, "technician": self.way.technician, "run": self.way.run, "how": how}

    def arm(self, token: str, timeout_s: float) -> None:
        """Keep what is there and start the timer."""
        self._free()
        at = self._at()
        # an entry for the start that is made in the first seconds after one is run for that very start (Scheduler)
        if (up_s := routeros_state.seconds(at.run(UPTIME))) < SETTLED_S:
            time.sleep(SETTLED_S - up_s)
        last = self._last()
        self._script = changes.script(self._running(), self._wanted())
        base = at.place(f"office-{token}")
        note = {**self._note(token, "reverted"), "menus": last.get("menus", {})}
        at.put(f"{base}-load.rsc", "".join(f":global officeAt {n}\n{line}\n" for n, line in enumerate(self._script, start=1)))
        at.put(f"{base}-run.rsc", _run(base))
        at.put(f"{base}-arm.rsc", _arm(base, at.place(LAST), note, timeout_s))
        if at.get(at.place(LAST)) is None:
            at.put(at.place(LAST), "")
        try:
            at.run(f'/system backup save name="{base}" dont-encrypt=yes')
            at.run(f'/import file-name="{base}-arm.rsc"')
        except Unreadable as refused:
            at.remove([name for name in at.names() if name.startswith(base)])
            self._free()  # somebody else's came first
            raise Rejected(f"{self.host} cannot keep what it has: {refused}", hint="nothing was changed") from refused
        # now that the window is ours nobody else has files there but those who are gone
        at.remove([name for name in at.names() if OURS.fullmatch(name.rpartition("/")[2]) and not name.startswith(base)])

    def _free(self) -> None:
        if window := self._state().window:
            raise Busy(
                f"{self.host} waits for the push of {window.technician} (run {window.run}) to be confirmed",
                hint="wait until it has ended: it goes back by itself",
            )

    def load(self, token: str) -> None:
        """Begin to put the new configuration in force, by a job of the router's own."""
        if not self._mine(token):
            why = f"{self.host}: the time for it is over: the router takes its former configuration back"
            raise Rejected(why, hint="nothing was changed")
        at = self._at()
        command = f'/import file-name="{at.place(f"office-{token}-run.rsc")}"'
        at.run(f":execute script={quoted(command)}")

    def _mine(self, token: str) -> bool:
        window = self._state().window
        return window is not None and window.token == token

    def confirm(self, token: str) -> State:
        """Let it stay: first the note, then the entries go, both of them with one command."""
        at = self._at(fresh=True)
        if self._mine(token):
            note = {**self._note(token, "applied"), "menus": changes.digests(self._wanted())}
            at.put(at.place(LAST), json.dumps(note) + "\nconfirmed")
            at.run('/system scheduler remove [ find where name~"^office-" ]')
            state = self._state()
            with contextlib.suppress(Unreadable):
                at.remove([name for name in at.names() if f"office-{token}" in name])
            return state
        return self._state()

    def revert(self, token: str) -> None:
        """Begin to take the former configuration back: the timer ends now."""
        at = self._at(fresh=True)
        if self._mine(token):
            at.run(f"/system scheduler set {FOUND.format(GUARD)} interval=1s")


# ------------------------------------------------------------------------------------------------ scripts for the router

_NOTES = (
    ':foreach i in=[/system scheduler find where name~"^office-"] '
    'do={:put ([/system scheduler get $i name] . " " . [/system scheduler get $i comment])}'
)


def _notes(said: str) -> Iterator[tuple[str, str]]:
    for line in said.splitlines():
        name, _, note = line.strip().partition(" ")
        if name in (GUARD, STARTUP):
            yield name, note


def _read(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _run(base: str) -> str:
    """Load, and say how that went where it outlives this script: at the entry for the next start."""
    note = f"/system scheduler set {FOUND.format(STARTUP)} comment"
    return (
        ":global officeAt 0\n"
        ":local good true\n"
        f':onerror why in={{ /import file-name="{base}-load.rsc" }} do={{\n'
        "  :set good false\n"
        f'  {note}=("refused " . $officeAt . " " . $why)\n'
        f"  /system scheduler set {FOUND.format(GUARD)} interval=1s\n"
        "}\n"
        f':if ($good) do={{ {note}="loaded" }}\n'
    )


def _arm(base: str, last: str, note: dict[str, Any], timeout_s: float) -> str:
    """The two entries: first that of the next start, so that no timer is ever there without it; a name is given once alone."""
    window = json.dumps({word: note[word] for word in ("token", "technician", "run")})
    return (
        f"/system scheduler add name={STARTUP} start-time=startup interval=0s comment=armed"
        f" on-event={quoted(_back(base, last, note, STARTUP))}\n"
        f"/system scheduler add name={GUARD} interval={max(1, round(timeout_s))}s comment={quoted(window)}"
        f" on-event={quoted(_back(base, last, note, GUARD))}\n"
    )


def _back(base: str, last: str, note: dict[str, Any], by: str) -> str:
    """The way back. Whatever becomes of the note, the backup is loaded; until it is, this is done again."""
    return (
        f":do {{ /system scheduler set {FOUND.format(GUARD)} interval={AGAIN_S}s }} on-error={{}}\n"
        ":do {\n"
        f"  :local why {quoted(WHY[by])}\n"
        f"  :local load [/system scheduler get {FOUND.format(STARTUP)} comment]\n"
        '  :if ($load ~ "^refused ") do={ :set why $load }\n'
        f'  /file set {FOUND.format(last)} contents=({quoted(json.dumps(note))} . "\\n" . $why)\n'
        f'  /file remove [ find name~"^{base}-" ]\n'
        "} on-error={}\n"
        f'/system backup load name="{base}.backup" password=""\n'
    )
