"""A Debian router as the guard needs it: its files by our program there, over the pinned connections that every host has."""

import base64
import difflib
import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from provisioner.errors import Busy, Unreadable
from provisioner.hosts import answers, programs
from provisioner.router.guard import Difference, Rejected, State, Window
from provisioner.router.platforms import File, Files, Probes, Way, debian, debian_reading, hidden, holds_secret
from provisioner.router.reading import Reading

ANSWER_S = 90.0
FRESH_S = 20.0
FILES_BYTES = 4 << 20


@dataclass
class Device:
    """One router: how it is reached, what is wanted of it, and what must answer afterwards (`probes`, see `router_probe`)."""

    way: Way
    wanted: Files
    probes: Probes

    @property
    def host(self) -> str:
        """What it is called."""
        return self.way.host

    def close(self) -> None:
        """Nothing: its connections are the operation's."""

    def without_timer(self) -> str:
        """Nothing: systemd's timer and a unit at the next start are there on each."""
        return ""

    def differences(self) -> list[Difference]:
        """What a push would change, file by file."""
        said = self._read()
        here, last = self._files(said), said.get("last")
        left = last.get("files") if isinstance(last, dict) else None
        pushed = left if isinstance(left, dict) else {}
        return [
            Difference(
                path,
                _diff(path, here.get(path), self.wanted.get(path)),
                by_hand=path in pushed and pushed[path] != _digest(path, here.get(path)),
            )
            for path in debian.OWNED
            if _wire(here.get(path)) != _wire(self.wanted.get(path))
        ]

    def current(self) -> Files:
        """The files that are ours, as they lie there now."""
        return self._files(self._read())

    def _read(self) -> dict[str, Any]:
        return self._ask("router_guard", {"do": "read", "paths": list(debian.OWNED)}, limit_bytes=FILES_BYTES)

    def _files(self, said: Mapping[str, Any]) -> Files:
        try:
            return {path: _file(path, one) for path in debian.OWNED if (one := said["files"][path]) is not None}
        except (TypeError, KeyError, ValueError, AttributeError):
            raise Unreadable(f"{self.host} says something else than its files", hint="look at the machine itself") from None

    def running(self) -> dict[str, Any]:
        """How it runs now (`router_state`), and its `last` push."""
        said = self._ask("router_state", {})
        words = ("version", "up_s", "links", "leases", "route", "tunnel")
        if not _runs(said):
            raise Unreadable(f"{self.host} says something else than how it runs", hint="look at the machine itself")
        last = _state(self._ask("router_guard", {"do": "read", "paths": []})).last
        return {**{word: said[word] for word in words}, "last": asdict(last) if last else None}

    def reading(self) -> Reading:
        """Its whole configuration, whoever wrote it, in the dossier's words."""
        raw = debian_reading.shaped(self._ask("router_reading", {}, limit_bytes=FILES_BYTES))
        if raw is None:
            raise Unreadable(f"{self.host} says something else than its configuration", hint="look at the machine itself")
        try:
            return debian_reading.read(raw)
        except ValueError as problem:
            raise Unreadable(f"{self.host} has a configuration that no program would take: {problem}") from None

    def probe(self) -> dict[str, str]:
        """What it reaches of the world."""
        return self._probes(self._ask("router_probe", dict(self.probes)))

    def look(self) -> tuple[State, dict[str, str]]:
        """What it says of pushes, and once ours is loaded what it reaches; by a new connection."""
        said = self._ask("router_probe", {**self.probes, "state": True}, fresh=True)
        return _state(said), self._probes(said)

    def _probes(self, said: Mapping[str, Any]) -> dict[str, str]:
        found = said.get("probes")
        if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
            raise Unreadable(f"{self.host} says something else than what it reaches", hint="look at the machine itself")
        return {str(name): one for name, one in found.items()}

    def arm(self, token: str, timeout_s: float) -> None:
        """Keep what is there and start the timer."""
        files = {path: _wire(self.wanted.get(path)) for path in debian.OWNED}
        asked = {
            "do": "arm", "token": token, "technician": self.way.technician, "run": self.way.run, "timeout_s": timeout_s,
            "files": files, "program": programs.source("router_guard"),
        }  # fmt: skip
        said = self._ask("router_guard", asked)
        if isinstance(busy := said.get("busy"), dict):
            raise Busy(
                f"{self.host} waits for the push of {busy.get('technician')} (run {busy.get('run')}) to be confirmed",
                hint="wait until it has ended: it goes back by itself",
            )
        self._accepted(said)

    def load(self, token: str) -> None:
        """Begin to put the new configuration in force."""
        self._accepted(self._ask("router_guard", {"do": "load", "token": token}))

    def confirm(self, token: str) -> State:
        """Let it stay."""
        return _state(self._ask("router_guard", {"do": "confirm", "token": token}, fresh=True))

    def revert(self, token: str) -> None:
        """Begin to take the former configuration back."""
        self._ask("router_guard", {"do": "revert", "token": token}, fresh=True)

    def _accepted(self, said: Mapping[str, Any]) -> None:
        refused = said.get("rejected")
        if isinstance(refused, list) and refused:
            raise Rejected(
                f"{self.host} refuses the new configuration: {'; '.join(map(str, refused))}", hint="nothing was changed"
            )

    def _ask(
        self, program: str, request: Mapping[str, Any], *, fresh: bool = False, limit_bytes: int = answers.LIMIT_BYTES
    ) -> dict[str, Any]:
        """What our program there answers.

        Raises:
            HostKeyChanged, Unreachable: as `SshAccess.run`.
            Unreadable: it is no answer of ours.
        """
        access = replace(self.way.access, shared=False) if fresh else self.way.access
        done: subprocess.CompletedProcess[str] = programs.run(
            access, self.host, self.way.address, programs.source(program), request,
            timeout_s=FRESH_S if fresh else ANSWER_S, limit_bytes=limit_bytes,
        )  # fmt: skip
        try:
            said = json.loads(done.stdout) if done.returncode == 0 else None
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            why = done.stderr.strip().splitlines()[-1][:300] if done.stderr.strip() else "no answer"
            raise Unreadable(f"{self.host}: the router's guard gave no answer: {why}", hint="look at the machine itself")
        return said


_SHAPES: dict[str, dict[str, tuple[type, ...]]] = {
    "links": {"name": (str,), "up": (bool,), "addresses": (list,)},
    "leases": {"address": (str,), "mac": (str,), "name": (str,)},
    "route": {"gateway": (str,), "dev": (str,)},
    "tunnel": {"endpoint": (str,), "heard": (int,)},
}


def _runs(said: Mapping[str, Any]) -> bool:
    """Whether an answer has the shape that `router_state` has, down to its last word."""

    def fits(one: object, word: str) -> bool:
        return isinstance(one, dict) and all(type(one.get(name)) in kinds for name, kinds in _SHAPES[word].items())

    lists = all(isinstance(said.get(word), list) and all(fits(one, word) for one in said[word]) for word in ("links", "leases"))
    maybe = all(said.get(word) is None or fits(said[word], word) for word in ("route", "tunnel"))
    texts = lists and all(isinstance(address, str) for link in said["links"] for address in link["addresses"])
    up_s = said.get("up_s")
    return texts and maybe and isinstance(said.get("version"), str) and isinstance(up_s, int | float) and 0 <= up_s < 1e10


def _file(path: str, one: Any) -> File:
    content, mode, group = base64.b64decode(one["content"]), str(one["mode"]), str(one["group"])
    return File(content.decode("utf-8", "surrogateescape"), mode, group, holds_secret(path))


def _wire(file: File | None) -> dict[str, str] | None:
    if file is None:
        return None
    return {"content": base64.b64encode(file.data).decode(), "mode": file.mode, "group": file.group}


def _digest(path: str, file: File | None) -> str:
    """As the guard itself has it (`router_guard.digest`)."""
    return hashlib.sha256(json.dumps({path: _wire(file)}, sort_keys=True).encode()).hexdigest()


def _diff(path: str, there: File | None, wanted: File | None) -> str:
    if holds_secret(path) or (wanted and wanted.secret):
        return f"{path}: secret changed\n"
    before, after = (hidden(one.content if one else "").splitlines(keepends=True) for one in (there, wanted))
    named = (path if there else "/dev/null", path if wanted else "/dev/null")
    said = "".join(difflib.unified_diff(before, after, *named))
    return said.encode("utf-8", "replace").decode() or f"{path}: mode, owner or a secret\n"


def _state(said: Mapping[str, Any]) -> State:
    """What the guard says of pushes, read by shape."""
    pending, last, loaded = said.get("pending"), said.get("last"), said.get("loaded")
    refused = loaded.get("refused") if isinstance(loaded, dict) else None
    mine = isinstance(pending, dict) and isinstance(loaded, dict) and loaded.get("token") == pending.get("token")
    return State(
        _window(pending, open_=True),
        _window(last, open_=False),
        loaded=mine,
        refused=tuple(str(line)[:500] for line in refused) if mine and isinstance(refused, list) else (),
    )


def _window(said: Any, *, open_: bool) -> Window | None:
    if not isinstance(said, dict):
        return None
    token, technician, run, why = (str(said.get(word, ""))[:300] for word in ("token", "technician", "run", "why"))
    return Window(token, technician, run, "open" if open_ else "applied" if said.get("how") == "applied" else "reverted", why)
