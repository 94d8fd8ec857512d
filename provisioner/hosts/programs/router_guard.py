"""The guard of a push on a Debian router, as root: what was there lies on the disk and comes back by itself unless confirmed.

Reads one JSON object on stdin (`do`: read, arm, load, confirm, revert; and what that needs) and prints one. `arm` puts
this very program and its units on the router: from then on a timer of systemd's reverts in time, and a unit that comes before
the network reverts at the next start. Neither needs the laptop, the link, or whoever logged in. The window is open while
`pending.json` is there; it is written last and removed first of all, both on disk (fsync) before anything is answered.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from provisioner.hosts.programs.router_files import BASE, call, in_force, kernel, look, put, remove, valid, write

Data = dict[str, Any]

PENDING, LAST, LOADED = f"{BASE}/pending.json", f"{BASE}/last.json", f"{BASE}/loaded.json"
PROGRAM = f"{BASE}/guard.py"
UNITS = "/etc/systemd/system"
REVERT, BOOT, LOAD = "office-router-revert", "office-router-boot", "office-router-load"
# Room on both disks for the way back, given free before it is gone: a router whose disk is full goes back too.
RESERVES, RESERVE_BYTES = ("/etc/.office-router-reserve", f"{BASE}/reserve"), 1 << 18

_SERVICE = """[Unit]
Description={about}
ConditionPathExists={pending}
StartLimitIntervalSec=0
{more}
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 {program} {word}
"""
_AGAIN = "Restart=on-failure\nRestartSec=1\n"
_TO_START = "[Install]\nWantedBy=sysinit.target\n"
_BEFORE_NETWORK = (
    "DefaultDependencies=no\nAfter=local-fs.target\nWants=network-pre.target\n"
    "Before=network-pre.target systemd-networkd.service nftables.service systemd-sysctl.service\n"
)
_TIMER = """[Unit]
Description=The router takes its former configuration back unless the new one was confirmed
[Timer]
OnActiveSec={timeout_s}
AccuracySec=100ms
[Install]
WantedBy=timers.target
"""


def read(path: str) -> Data | None:
    """An object that lies on the disk; None where there is none or it is torn."""
    try:
        with open(path) as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One of us at a time."""
    os.makedirs(BASE, mode=0o700, exist_ok=True)
    with open(f"{BASE}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def state() -> Data:
    """Whose window is open, what the last load said, and what was last confirmed or reverted."""
    pending = read(PENDING)
    window = {word: pending[word] for word in ("token", "technician", "run", "timeout_s")} if pending else None
    return {"pending": window, "loaded": read(LOADED), "last": read(LAST)}


def digest(files: dict[str, Data | None]) -> str:
    """One word for the whole configuration."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def arm(ask: Data) -> Data:
    """Keep what is there, put the guard in place, and open the window; nothing of the configuration has changed yet."""
    if pending := read(PENDING):
        return {"busy": {word: pending[word] for word in ("technician", "run", "timeout_s")}}
    wanted: dict[str, Data | None] = ask["files"]
    before = {path: look(path) for path in wanted}
    if refused := valid(wanted):
        return {"rejected": refused}
    timeout_s = float(ask["timeout_s"])
    put(PROGRAM, ask["program"].encode(), 0o700)
    remove(LOADED)
    for path in RESERVES:
        put(path, os.urandom(RESERVE_BYTES))
    if refused_units := guarded(timeout_s):
        return {"rejected": [refused_units]}
    pending = {
        "token": ask["token"], "technician": ask["technician"], "run": ask["run"], "timeout_s": timeout_s,
        "before": before, "after": wanted, "kernel": kernel(wanted),
    }  # fmt: skip
    put(PENDING, json.dumps(pending).encode())
    if refused_timer := call("systemctl", "restart", f"{REVERT}.timer"):
        close()
        return {"rejected": [refused_timer]}
    return {"armed": True, "before": digest(before)}


def guarded(timeout_s: float) -> str:
    """Have the units on the machine that take the former configuration back, in time and at the next start; what refused."""
    about = "The router takes its former configuration back"
    units = {f"{REVERT}.timer": _TIMER.format(timeout_s=timeout_s)}
    for name, word, more, rest in (
        (REVERT, "revert", f"Conflicts={LOAD}.service\n", _AGAIN),
        (BOOT, "boot", _BEFORE_NETWORK, _AGAIN + _TO_START),
        (LOAD, "load", "", ""),
    ):
        text = _SERVICE.format(about=about, pending=PENDING, program=PROGRAM, word=word, more=more)
        units[f"{name}.service"] = text + rest
    wanted = {f"{UNITS}/{name}": {"content": base64.b64encode(text.encode()).decode(), "mode": "0644", "group": "root"}
              for name, text in units.items()}  # fmt: skip
    for path, one in wanted.items():
        write(path, one)
    # they do nothing while no window is open, so they stay; systemd takes a second to read its units again
    old = subprocess.run(["systemctl", "show", "-p", "NeedDaemonReload", "--value", *units], capture_output=True, check=False)
    refused = call("systemctl", "daemon-reload") if b"yes" in old.stdout else ""
    if not refused and not os.path.islink(f"{UNITS}/sysinit.target.wants/{BOOT}.service"):
        refused = call("systemctl", "-q", "enable", f"{BOOT}.service")
    return refused


def close() -> None:
    """The window is over: first its mark, then the guard."""
    remove(PENDING)
    for path in RESERVES:
        remove(path)
    call("systemctl", "stop", f"{REVERT}.timer")


def mine(ask: Data) -> Data | None:
    """The window, if it is whose asks."""
    pending = read(PENDING)
    return pending if pending and pending["token"] == ask["token"] else None


def load(_: Data) -> Data:
    """Put the new configuration in force; what a program refuses brings the former one back at once."""
    pending = read(PENDING)
    if pending is None:
        return {"over": True}
    for path, wanted in pending["after"].items():
        write(path, wanted)
    refused = in_force(pending["before"], pending["after"])
    put(LOADED, json.dumps({"token": pending["token"], "refused": refused}).encode())
    if refused:
        back("; ".join(refused))
    return {"refused": refused}


def back(why: str, *, started: bool = True) -> Data:
    """What was there before the window, byte for byte; before the network is up the files alone."""
    pending = read(PENDING)
    if pending is None:
        return {"over": True}
    for path in RESERVES:
        remove(path)
    for path, former in pending["before"].items():
        write(path, former)
    said = in_force(pending["after"], pending["before"]) if started else []
    if started:
        said += filter(None, (call("sysctl", "-q", "-w", f"{name}={value}") for name, value in pending["kernel"].items()))
    same = all(look(path) == former for path, former in pending["before"].items())
    if not same:
        raise SystemExit("not all files could be written back")  # the unit is tried again
    end(pending, "reverted", why, said)
    close()
    return {"reverted": True, "said": said}


def end(pending: Data, how: str, why: str, said: list[str]) -> None:
    """Note how the window ended."""
    told = {word: pending[word] for word in ("token", "technician", "run")}
    files = {path: digest({path: look(path)}) for path in pending["after"]}  # whoever changes one by hand is found
    put(LAST, json.dumps({**told, "how": how, "why": why, "said": said, "at": time.time(), "files": files}).encode())


def confirm(ask: Data) -> Data:
    """Let the new configuration stay."""
    pending = mine(ask)
    if not pending:
        return {"over": True, **state()}
    end(pending, "applied", "confirmed", [])
    close()
    return {"confirmed": True, **state()}


def begin(ask: Data) -> Data:
    """Load, or give up at once and not only in time; either apart from this connection, which may not outlive it."""
    if not mine(ask):
        return {"over": True, **state()}
    refused = call("systemctl", "start", "--no-block", f"{LOAD if ask['do'] == 'load' else REVERT}.service")
    return {"rejected": [refused]} if refused else {"begun": True}


DOES: dict[str, Callable[[Data], Data]] = {"arm": arm, "confirm": confirm, "load": begin, "revert": begin}


def answer(ask: Data) -> Data:
    """Do what is asked."""
    if ask["do"] == "read":
        return {"files": {path: look(path) for path in ask["paths"]}, **state()}
    with alone():
        return DOES[ask["do"]](ask)


def unit(word: str) -> None:
    """What the units call."""
    with alone():
        if word == "load":
            load({})
        else:
            back("not confirmed in time" if word == "revert" else "the router was started anew", started=word == "revert")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ("load", "revert", "boot"):
        unit(sys.argv[1])
    else:
        print(json.dumps(answer(json.loads(sys.stdin.read() or "{}"))))
