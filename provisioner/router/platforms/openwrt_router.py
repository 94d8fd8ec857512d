"""An OpenWrt router as the guard needs it: its shell without a terminal, UCI's files whole, and the guard that runs on it.

netmiko knows no OpenWrt, and a terminal would only add its prompts and pages: each line goes with a session of its own and
comes back with its exit code. What is on the router for it is `openwrt_guard`; nothing of it runs while no push waits.
"""

import contextlib
import difflib
import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from provisioner.errors import Busy, Unreachable, Unreadable
from provisioner.hosts.first_contact import FirstContact
from provisioner.router.guard import Difference, Rejected, State, Window
from provisioner.router.platforms import File, Files, Probes, Way, hidden, openwrt, openwrt_reading, openwrt_state, uci
from provisioner.router.platforms.connection import ANSWER_S, CANNOT_READ, logged_in
from provisioner.router.platforms.openwrt_guard import PACKAGES, PROGRAM, ROOT, installed, written
from provisioner.router.reading import Reading

SECRET = {"network", "wireless"}
READ = (
    f"cd {openwrt.FOLDER} && for one in {' '.join(PACKAGES)}; do if [ -f $one ]; then"
    ' echo "file $one $(wc -c < $one)"; cat $one; echo; fi; done'
)
OTHERS = f"ls {openwrt.FOLDER}; echo =; uci changes"
NOTES = f"cat {ROOT}/pushed 2> /dev/null; echo =; cat /proc/mounts"
IN_MEMORY = re.compile(r"^(overlayfs:/tmp\S*|tmpfs|rootfs) / ", re.M)
BUSY, STAGED = 3, 4


@dataclass
class Device:
    """One router: the way to it, what is wanted of it, and what must answer afterwards."""

    way: Way
    wanted: Files
    probes: Probes
    _held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)
    _contact: FirstContact | None = field(default=None, repr=False)

    def close(self) -> None:
        """End the connection."""
        self._contact = None
        self._held.close()

    def _at(self, *, fresh: bool = False) -> FirstContact:
        if fresh:
            self.close()
        if self._contact is None:
            self._contact = self._held.enter_context(logged_in(self.way, usual="root"))
        return self._contact

    def _ask(self, line: str, stdin: str = "") -> tuple[int, str]:
        """What one line says, and its exit code; what it complains of is left out."""
        try:
            code, said, _ = self._at().run(line, stdin=stdin, timeout_s=ANSWER_S, errors="surrogateescape")
        except Exception as problem:
            self.close()
            broken = isinstance(problem, OSError | EOFError) or type(problem).__module__.partition(".")[0] == "paramiko"
            if isinstance(problem, Unreachable) or not broken:
                raise
            raise Unreachable(f"{self.way.host} ({self.way.address}) stopped answering: {problem}") from problem
        return code, said

    def without_timer(self) -> str:
        """Nothing, but where what it keeps lies in memory."""
        mounts = self._ask(NOTES)[1].rpartition("=\n")[2]
        return "what is kept on it lies in memory, because its overlay is not on its flash" if IN_MEMORY.search(mounts) else ""

    # ---------------------------------------------------------------------------------------- what it has

    def current(self) -> Files:
        """The packages that are ours, as their files are."""
        return {
            f"{openwrt.FOLDER}/{name}": File(text, "0600", secret=name in SECRET) for name, text in self._packages().items()
        }  # fmt: skip

    def _packages(self) -> dict[str, str]:
        code, said = self._ask(READ)
        data, found = said.encode("utf-8", "surrogateescape"), dict[str, str]()
        while line := re.match(rb"file (\w+) (\d+)\n", data):
            start, size = line.end(), int(line[2])
            if len(data) < start + size:
                break
            found[line[1].decode()] = data[start : start + size].decode("utf-8", "surrogateescape")
            data = data[start + size + 1 :]
        if code or data or "network" not in found:
            raise Unreadable(f"{self.way.host} says something else than its configuration", hint=CANNOT_READ)
        return found

    def _wanted(self, here: Mapping[str, str]) -> dict[str, str]:
        """The packages as they are to be: what the dossier makes with what only the board knows; what was kept as it was."""
        found = {}
        for path, file in self.wanted.items():
            name = path.rpartition("/")[2]
            if file.content.startswith(openwrt.RENDERED):
                merged = openwrt.merged(name, _sections(here.get(name, "")) or [], _sections(file.content) or [])
                found[name] = openwrt.HEAD + uci.write(merged)
            else:
                found[name] = file.content
        return found

    def differences(self) -> list[Difference]:
        """What a push would change, package by package."""
        here = self._packages()
        wanted = self._wanted(here)
        digests = re.findall(r"^([0-9a-f]{64}) +(\S+)$", self._ask(NOTES)[1], re.M)
        pushed = {path.rpartition("/")[2]: digest for digest, path in digests}
        return [
            Difference(name, _diff(name, here.get(name, ""), wanted.get(name, "")), by_hand=_by_hand(here, pushed, name))
            for name in PACKAGES
            if not self._same(name, here, wanted)
        ]  # fmt: skip

    def _same(self, name: str, here: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
        """Byte for byte where a copy is given back; where the dossier speaks, what it says counts."""
        if here.get(name) == wanted.get(name):
            return True
        file = self.wanted.get(f"{openwrt.FOLDER}/{name}")
        if file is None or not file.content.startswith(openwrt.RENDERED):
            return False
        return _sections(here.get(name, "config")) == _sections(wanted[name])

    def running(self) -> dict[str, Any]:
        """How it runs: version, up_s, links, route, leases, tunnel, last."""
        last = self._state(self._ask(f"{PROGRAM} state 2> /dev/null")[1]).last
        return {**openwrt_state.running(self._ask), "last": asdict(last) if last else None}

    def probe(self) -> dict[str, str]:
        """What it reaches of the world."""
        return openwrt_state.probes(self._ask, self.probes)

    def reading(self) -> Reading:
        """Its configuration in the dossier's words."""
        names, _, staged = self._ask(OTHERS)[1].partition("=\n")
        there = re.findall(r"^[\w-]{1,60}$", names, re.M)
        others = [name for name in there if name not in PACKAGES]
        waits = [name for name in there if re.search(rf"^-?{re.escape(name)}\.", staged, re.M)]  # what is said may be a secret
        try:
            return openwrt_reading.read(self._packages(), others, waits)
        except ValueError as problem:
            why = f"{self.way.host} has a configuration that no program would take: {problem}"
            raise Unreadable(why, hint=CANNOT_READ) from None

    # ---------------------------------------------------------------------------------------- the guard

    def look(self) -> tuple[State, dict[str, str]]:
        """By a new connection: what it says of pushes, and once ours is loaded what it reaches."""
        self._at(fresh=True)
        state = self._state(self._ask(f"{PROGRAM} state 2> /dev/null")[1])
        return state, self.probe() if state.loaded else {}

    def _state(self, said: str) -> State:
        """What the guard on it prints: `open` with a note, `loaded`, and `last` with how, the note and why below it."""
        head, _, ended = said.partition("last\n")
        lines = head.splitlines()
        window = next((_window(line[5:], "open", "") for line in lines if line.startswith("open ")), None)
        how, _, rest = ended.partition("\n")
        note, _, why = rest.partition("\n")
        last = _window(note, "applied" if how == "applied" else "reverted", "" if how == "applied" else why) if ended else None
        return State(window, last, loaded="loaded" in lines)

    def arm(self, token: str, timeout_s: float) -> None:
        """Keep what is there and start the timer."""
        self._free()
        folder = f"{ROOT}/push-{token}"
        note = json.dumps({"token": token, "technician": self.way.technician, "run": self.way.run})
        lines = f"mkdir -p {ROOT} && chmod 700 {ROOT} && mkdir {folder} {folder}/new {folder}/before || exit 5\n"
        lines += f"if [ -L {ROOT}/open ]; then exit {BUSY}; fi\n" + installed() + written(f"{folder}/note", f"{note}\n")
        for name, text in self._wanted(self._packages()).items():
            lines += written(f"{folder}/new/{name}", text) + f"chmod 600 {folder}/new/{name}\n"
        lines += f"{PROGRAM} arm {token} {max(1, round(timeout_s))} 2>&1\n"
        code, said = self._ask("sh", lines)
        if code == BUSY:
            self._free()
            raise Busy(f"{self.way.host} waits for somebody else's push to be confirmed", hint="wait until it has ended")
        if code:
            self._ask(f"if [ ! -L {ROOT}/open ]; then rm -rf {folder}; fi")
            said = hidden(said.strip())[-300:] or "its storage takes no more"
            hint = "commit or revert them there" if code == STAGED else "nothing was changed"
            raise Rejected(f"{self.way.host} cannot keep what it has: {said}", hint=hint)

    def _free(self) -> None:
        if window := self._state(self._ask(f"{PROGRAM} state 2> /dev/null")[1]).window:
            raise Busy(
                f"{self.way.host} waits for the push of {window.technician} (run {window.run}) to be confirmed",
                hint="wait until it has ended: it goes back by itself",
            )

    def load(self, token: str) -> None:
        """Begin to put the new configuration in force, by the helper on the router."""
        if self._ask(f"{PROGRAM} load {shlex.quote(token)}")[0]:
            why = f"{self.way.host}: the time for it is over: the router takes its former configuration back"
            raise Rejected(why, hint="nothing was changed")

    def confirm(self, token: str) -> State:
        """Let it stay, over a fresh connection; what it says of pushes then."""
        self._at(fresh=True)
        return self._state(self._ask(f"{PROGRAM} confirm {shlex.quote(token)}")[1])

    def revert(self, token: str) -> None:
        """Begin to take the former configuration back now, not only in time."""
        self._at(fresh=True)
        self._ask(f"{PROGRAM} revert {shlex.quote(token)}")


# ------------------------------------------------------------------------------------------------ what it says


def _sections(text: str) -> list[uci.Section] | None:
    """A package's sections; None where nobody could read them."""
    try:
        return uci.read(text)
    except ValueError:
        return None


def _window(note: str, how: str, why: str) -> Window | None:
    """Whose push it is, as its note says; None where that is no note of ours."""
    try:
        found = json.loads(note)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("token"), str):
        return None
    token, technician, run = (str(found.get(word, ""))[:300] for word in ("token", "technician", "run"))
    return Window(token, technician, run, how, hidden(why.strip())[:300])  # type: ignore[arg-type]


def _diff(name: str, here: str, wanted: str) -> str:
    """As `diff -u`, without secrets; where nothing else differs, that one did is said."""
    lines = "".join(difflib.unified_diff(_shown(here), _shown(wanted), f"{name}: running", f"{name}: wanted"))
    return lines or f"--- {name}: running\n+++ {name}: wanted\n@@ -1 +1 @@\n # secret changed\n"


def _shown(text: str) -> list[str]:
    sections = _sections(text)
    return (hidden(text) if sections is None else uci.write(uci.hide(sections))).splitlines(keepends=True)


def _by_hand(here: Mapping[str, str], pushed: Mapping[str, str], name: str) -> bool:
    """Whether it is another than the last push left."""
    text = here.get(name, "").encode("utf-8", "surrogateescape")
    return name in pushed and hashlib.sha256(text).hexdigest() != pushed[name]
