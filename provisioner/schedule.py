"""`schedule`: the rounds over all offices as systemd timers, of a user (the laptop) or of the system (the co-op's machine).

A round is a verb of ours over one inventory; its units bear the round's name and a digest of the inventory's path, so that two
inventories do not meet. Installing twice changes nothing; what is rendered here is all there is to a unit.
"""

import getpass
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import BadInput, HostFailed, Missing
from provisioner.language import N_
from provisioner.laptop import disk, processes

SYSTEM = Path("/etc/systemd/system")
KEPT = (
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "PYTHONPATH",
    "PROVISIONER_LANG",
)  # of whoever installs them: the same state, the same tool


@dataclass(frozen=True, slots=True)
class Round:
    """One round: the verb's words, and when, as systemd.time(7) writes it, in the machine's own time."""

    words: tuple[str, ...]
    when: str
    title: str


ROUNDS = {
    "check": Round(("check", "--all"), "*-*-* 06:30:00", N_("every office judged, each morning")),
    "prove": Round(
        ("backup", "prove", "--oldest", "3"), "*-*-* 20:30:00", N_("backups proven, those whose last proof is the oldest")
    ),
    "bulletin": Round(("bulletin", "--all"), "*-*-01 07:30:00", N_("the pages of the month before, on the first")),
}


@dataclass(frozen=True, slots=True)
class State:
    """A round as systemd has it; moments in its words, empty when never; `code` is the last run's exit code, None before one."""

    name: str
    installed: bool
    active: bool = False
    next: str = ""
    last: str = ""
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Manager:
    """Whose systemd: the system's, or this user's."""

    system: bool

    @property
    def folder(self) -> Path:
        """Where its units lie (systemd.unit(5))."""
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return SYSTEM if self.system else base / "systemd/user"

    def call(self, *words: str) -> str:
        """What systemctl says.

        Raises:
            Missing: there is none. HostFailed: it refuses, as where no systemd runs.
        """
        command = ["systemctl", "--no-pager", *([] if self.system else ["--user"]), *words]
        changes = words[0] not in ("show", "show-environment")
        command = processes.as_root(command) if self.system and changes else command
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=60)
        except FileNotFoundError:
            raise Missing("systemctl is not on this machine", hint="rounds need systemd; or call the verbs from cron") from None
        except subprocess.TimeoutExpired:
            raise HostFailed("systemd gave no answer within 60 s", hint="systemctl status") from None
        if done.returncode:
            said = " ".join(done.stderr.split())[-300:]
            hint = "systemctl status" if self.system else "log in as that user itself (not by su), or --system"
            raise HostFailed(f"systemd refuses: {said}", hint=hint)
        return done.stdout

    def write(self, path: Path, text: str) -> None:
        """Put a unit there."""
        if self.system and os.geteuid():
            processes.run(["tee", str(path)], stdin=text.encode())
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            disk.write(path, text, mode=0o644)


def name(round_: str, inventory: Path) -> str:
    """What a round's units are called, without their ending."""
    return f"provisioner-{round_}-{hashlib.sha256(str(inventory).encode()).hexdigest()[:8]}"


def units(round_: str, inventory: Path, *, system: bool) -> dict[str, str]:
    """A round's service and timer: file name -> text. Pure but for whose Python and settings these are.

    Raises:
        BadInput: a path that no unit can hold.
    """
    told, called = ROUNDS[round_], name(round_, inventory)
    words = [sys.executable, "-m", "provisioner.cli", "--inventory", str(inventory), *told.words]
    kept = {key: os.environ[key] for key in KEPT if os.environ.get(key)}
    if any(re.search(r"[\x00-\x1f\x7f]", text) for text in (*words, *kept.values())):
        raise BadInput(f"{str(inventory)[:80]!r} holds a sign that no unit of systemd can", hint="a folder with a plainer name")
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    service = [
        "[Unit]",
        f"Description=provisioner {' '.join(told.words)}",
        *(["Wants=network-online.target", "After=network-online.target"] if system else []),
        "",
        "[Service]",
        "Type=oneshot",
        *([f"User={user}"] if system else []),
        *(f"Environment={_quoted(f'{key}={value}')}" for key, value in kept.items()),
        f"ExecStart={' '.join(_quoted(word).replace('$', '$$') for word in words)}",
        "Nice=10",
        "TimeoutStartSec=6h",
    ]
    timer = [
        "[Unit]",
        f"Description=provisioner {' '.join(told.words)}",
        "",
        "[Timer]",
        f"OnCalendar={told.when}",
        "RandomizedDelaySec=15min",
        "Persistent=true",  # what a sleeping laptop missed is made up for
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return {f"{called}.service": "\n".join(service) + "\n", f"{called}.timer": "\n".join(timer) + "\n"}


def _quoted(word: str) -> str:
    """One word as systemd.syntax(7) reads it, specifiers taken out."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def known(rounds: Sequence[str]) -> list[str]:
    """The rounds that are named, or all.

    Raises:
        BadInput: there is none of that name.
    """
    for one in rounds:
        if one not in ROUNDS:
            raise BadInput(f"no round is called {one[:40]!r}", hint=f"one of {', '.join(ROUNDS)}")
    return list(rounds or ROUNDS)


def install(inventory: Path, rounds: Sequence[str], *, system: bool) -> list[str]:
    """Write the rounds' units and switch their timers on; the names of the files that changed.

    Raises:
        BadInput: no such round. Missing, HostFailed: systemd does not answer; nothing was written.
    """
    manager, changed = Manager(system), list[str]()
    wanted = {file: text for one in known(rounds) for file, text in units(one, inventory, system=system).items()}
    manager.call("show-environment")
    for file, text in wanted.items():
        path = manager.folder / file
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            manager.write(path, text)
            changed.append(file)
    if changed:
        manager.call("daemon-reload")
    manager.call("enable", "--now", *(file for file in wanted if file.endswith(".timer")))
    return changed


def remove(inventory: Path, rounds: Sequence[str], *, system: bool) -> list[str]:
    """Switch the rounds off and take their units away; the names of the files that were there.

    Raises:
        BadInput: no such round. Missing, HostFailed: systemd does not answer.
    """
    manager = Manager(system)
    files = [f"{name(one, inventory)}{ending}" for one in known(rounds) for ending in (".timer", ".service")]
    there = [file for file in files if (manager.folder / file).exists()]
    if there:
        if timers := [file for file in there if file.endswith(".timer")]:
            manager.call("disable", "--now", *timers)
        for file in there:
            path = manager.folder / file
            processes.run(["rm", "-f", "--", str(path)]) if system else path.unlink()
        manager.call("daemon-reload")
    return there


def states(inventory: Path, *, system: bool) -> list[State]:
    """Every round as it stands.

    Raises:
        Missing, HostFailed: one is installed, and systemd does not answer.
    """
    manager, found = Manager(system), []
    for one in ROUNDS:
        called = name(one, inventory)
        if not (manager.folder / f"{called}.timer").is_file():
            found.append(State(one, installed=False))
            continue
        timer = manager.call("show", f"{called}.timer", "-p", "ActiveState,NextElapseUSecRealtime,LastTriggerUSec")
        service = manager.call("show", f"{called}.service", "-p", "ExecMainStatus,ExecMainExitTimestamp,ExecMainCode")
        found.append(state(one, timer, service))
    return found


def state(round_: str, timer: str, service: str) -> State:
    """A round's state, from what `systemctl show` says of its two units. Pure."""
    said = dict(line.split("=", 1) for line in (timer + service).splitlines() if "=" in line)
    ended = said.get("ExecMainExitTimestamp", "")
    status = said.get("ExecMainStatus", "")
    return State(
        round_, installed=True, active=said.get("ActiveState") == "active", next=said.get("NextElapseUSecRealtime", ""),
        last=ended or said.get("LastTriggerUSec", ""), code=int(status) if ended and status.isdigit() else None,
    )  # fmt: skip


def lingers() -> bool:
    """Whether this user's timers run while nobody is logged in (loginctl(1)); unknown is no."""
    try:
        done = subprocess.run(
            ["loginctl", "show-user", getpass.getuser(), "-p", "Linger"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == "Linger=yes"
