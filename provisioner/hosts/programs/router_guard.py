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
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from provisioner.hosts.programs.router_files import (
    BASE,
    call,
    firewall,
    in_force,
    kernel,
    look,
    ours,
    put,
    remove,
    says,
    valid,
    write,
)

Data = dict[str, Any]

PENDING, LAST, LOADED = f"{BASE}/pending.json", f"{BASE}/last.json", f"{BASE}/loaded.json"
COPY = f"{BASE}/pending.copy"
TRIES = 2
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
    "Before=network-pre.target systemd-networkd.service office-firewall.service systemd-sysctl.service"
    " rsyslog.service\n"
)
_TIMER = """[Unit]
Description=The router takes its former configuration back unless the new one was confirmed
[Timer]
OnActiveSec={timeout_s}
AccuracySec=100ms
[Install]
WantedBy=timers.target
"""


def window() -> Data | None:
    """The open window; where a disk's fault tore its mark, by the copy."""
    return read(PENDING) or (read(COPY) if os.path.exists(PENDING) else None)


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
    pending = window()
    told = {word: pending[word] for word in ("token", "technician", "run", "timeout_s")} if pending else None
    return {"pending": told, "loaded": read(LOADED), "last": read(LAST)}


def digest(files: dict[str, Data | None]) -> str:
    """One word for the whole configuration."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def arm(ask: Data) -> Data:
    """Keep what is there, put the guard in place, and open the window; nothing of the configuration has changed yet."""
    if pending := window():
        return {"busy": {word: pending[word] for word in ("technician", "run", "timeout_s")}}
    wanted: dict[str, Data | None] = ask["files"]
    before = {path: look(path) for path in wanted}
    if refused := ours(wanted) or valid(wanted):
        return {"rejected": refused}
    timeout_s = float(ask["timeout_s"])
    put(PROGRAM, ask["program"].encode(), 0o700)
    remove(LOADED)
    pending = {
        "token": ask["token"], "technician": ask["technician"], "run": ask["run"], "timeout_s": timeout_s,
        "before": before, "after": wanted, "kernel": kernel(wanted), "rules": firewall(),
    }  # fmt: skip
    try:
        for path in RESERVES:
            put(path, os.urandom(RESERVE_BYTES))
        put(COPY, json.dumps(pending).encode())
        # the timer first: it does nothing without the mark, and no mark must ever lie there without it
        if refused_units := guarded(timeout_s) or call("systemctl", "restart", f"{REVERT}.timer"):
            close()
            return {"rejected": [refused_units]}
        os.sync()  # what systemctl itself wrote too
        put(PENDING, json.dumps(pending).encode())
    except OSError as error:
        close()
        return {"rejected": [f"{error.strerror}: {error.filename or BASE}"]}
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
    # they do nothing while no window is open, so they stay; systemd takes a second to read its units again
    stale = [path for path, one in wanted.items() if write(path, one)]
    old = says("systemctl", "show", "-p", "NeedDaemonReload", "--value", *units)
    refused = call("systemctl", "daemon-reload") if stale or "yes" in old or not old else ""
    if not refused and not os.path.islink(f"{UNITS}/sysinit.target.wants/{BOOT}.service"):
        refused = call("systemctl", "-q", "enable", f"{BOOT}.service")
    return refused


def close() -> None:
    """The window is over: first its mark, then the guard."""
    remove(PENDING)
    for path in (COPY, *RESERVES):
        remove(path)
    call("systemctl", "stop", f"{REVERT}.timer")


def mine(ask: Data) -> Data | None:
    """The window, if it is whose asks."""
    pending = window()
    return pending if pending and pending["token"] == ask["token"] else None


def load(_: Data) -> Data:
    """Put the new configuration in force; what a program refuses brings the former one back at once."""
    pending = window()
    if pending is None:
        return {"over": True}
    try:
        for path, wanted in pending["after"].items():
            write(path, wanted)
        refused = in_force(pending["before"], pending["after"])
    except OSError as error:
        refused = [f"{error.strerror}: {error.filename or ''}"]
    put(LOADED, json.dumps({"token": pending["token"], "refused": refused}).encode())
    if refused:
        back("; ".join(refused))
    return {"refused": refused}


def back(why: str, *, started: bool = True) -> Data:
    """What was there before the window, byte for byte; before the network is up the files alone."""
    pending = window()
    if pending is None:
        return {"over": True}
    for path in RESERVES:
        remove(path)
    for path, former in pending["before"].items():
        write(path, former)
    if not all(look(path) == former for path, former in pending["before"].items()):
        raise SystemExit("not all files could be written back")  # the unit is tried again
    said: list[str] = []
    for _ in range(TRIES if started else 0):
        # the kernel first: to forbid forwarding takes it from every link, and networkd gives it to those that have it
        said = list(filter(None, (call("sysctl", "-q", "-w", f"{name}={value}") for name, value in pending["kernel"].items())))
        said += in_force(pending["after"], pending["before"], pending["rules"])
        if not said:
            break
    end(pending, "reverted", f"{why}; then the router was started anew: {'; '.join(said)}" if said else why, said)
    close()
    if said:  # its files are the former ones, so its next start is the state it was in
        call("systemctl", "reboot")
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
    if ask["do"] == "load" and says("systemctl", "show", "-p", "SubState", "--value", f"{REVERT}.timer").strip() != "waiting":
        return {"rejected": ["the time for it is over: the router takes its former configuration back"]}
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
            # a try at the start that failed is made again when the network is up already
            up = word == "revert" or says("systemctl", "is-active", "systemd-networkd.service").strip() == "active"
            back("not confirmed in time" if word == "revert" else "the router was started anew", started=up)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ("load", "revert", "boot"):
        unit(sys.argv[1])
    else:
        print(json.dumps(answer(json.loads(sys.stdin.read() or "{}"))))
