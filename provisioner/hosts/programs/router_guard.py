"""The guard of a push on a Debian router, as root: what was there lies on the disk and comes back by itself unless confirmed.

Reads one JSON object on stdin (`do`: read, arm, load, confirm, revert; and what that needs) and prints one. `arm` puts
this very program and its units on the router: from then on a timer of systemd's reverts in time, and a unit that comes before
the network reverts at the next start. Neither needs the laptop, the link, or whoever logged in. The window is open while
`pending.json` is there; it is written last and removed first of all, both on disk (fsync) before anything is answered.
"""

import base64
import contextlib
import fcntl
import grp
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

Data = dict[str, Any]

BASE = "/var/lib/provisioner/router"
PENDING, LAST, LOADED = f"{BASE}/pending.json", f"{BASE}/last.json", f"{BASE}/loaded.json"
PROGRAM = f"{BASE}/guard.py"
UNITS = "/etc/systemd/system"
REVERT, BOOT, LOAD = "office-router-revert", "office-router-boot", "office-router-load"
NETWORK = "/etc/systemd/network"
# Room on both disks for the way back, given free before it is gone: a router whose disk is full goes back too.
RESERVES, RESERVE_BYTES = ("/etc/.office-router-reserve", f"{BASE}/reserve"), 1 << 18
SETTLE_S = 8  # what a link that was reconfigured may take to be as it was

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


# ------------------------------------------------------------------------------------------------- files


def sync(folder: str) -> None:
    """Make sure that a folder's entries lie on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def put(path: str, content: bytes, mode: int = 0o600, group: str = "root") -> None:
    """Write a file whole or not at all, and make sure that it lies on the disk."""
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    part = f"{folder}/.{os.path.basename(path)}.part"
    with open(part, "wb") as file:
        os.fchmod(file.fileno(), mode)
        with contextlib.suppress(KeyError):  # a group that comes with a package which is not there yet
            os.fchown(file.fileno(), 0, grp.getgrnam(group).gr_gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(part, path)
    sync(folder)


def remove(path: str) -> None:
    """Take a file away, and make sure that it is gone from the disk."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync(os.path.dirname(path))


def look(path: str) -> Data | None:
    """A file as it is: `content` (base64), `mode`, `group`; None where there is none."""
    try:
        with open(path, "rb") as file:
            status, content = os.fstat(file.fileno()), file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = "root"
    return {"content": base64.b64encode(content).decode(), "mode": f"{status.st_mode & 0o7777:04o}", "group": group}


def write(path: str, wanted: Data | None) -> None:
    """Make a file as wanted."""
    if wanted is None:
        remove(path)
    elif look(path) != wanted:
        put(path, base64.b64decode(wanted["content"]), int(wanted["mode"], 8), wanted["group"])


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


# ------------------------------------------------------------------------------------- what is in force


def call(*words: str, stdin: str = "") -> str:
    """Run a program; empty when it succeeded, else what it said."""
    plain = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=20, check=False, env=plain)
    except FileNotFoundError:
        return f"{words[0]} is not installed"
    except subprocess.TimeoutExpired:
        return f"{' '.join(words)} did not end within 20 s"
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip()[-2000:] or f"{words[0]} failed"


def installed(unit: str) -> bool:
    """Whether the machine has a unit."""
    done = subprocess.run(["systemctl", "cat", unit], capture_output=True, check=False)
    return done.returncode == 0


def valid(files: dict[str, Data | None]) -> list[str]:
    """What the programs themselves refuse in the files, each asked before anything is in force."""
    found = []
    for path, wanted in files.items():
        if wanted is None:
            continue
        trial = f"{BASE}/trial{os.path.basename(path)}"
        put(trial, base64.b64decode(wanted["content"]))
        refused = ""
        if path == "/etc/nftables.conf":
            refused = call("nft", "-c", "-f", trial)
        elif path.startswith("/etc/dnsmasq.d/"):
            refused = call("dnsmasq", "--test", f"--conf-file={trial}")
        remove(trial)
        if refused:
            found.append(f"{path}: {refused.replace(trial, path)}")
    return found


def links(files: dict[str, Data | None]) -> set[str]:
    """The virtual links that these files make (systemd.netdev(5), Name=)."""
    found = set()
    for path, one in files.items():
        if path.endswith(".netdev") and one:
            text = base64.b64decode(one["content"]).decode(errors="replace")
            found.update(re.findall(r"^\[NetDev\]\nName=(\S+)$", text, re.M))
    return found


def kernel(files: dict[str, Data | None]) -> dict[str, str]:
    """The kernel's present values of all that these files set (sysctl.d(5))."""
    found = {}
    for path, one in files.items():
        if path.startswith("/etc/sysctl.d/") and one:
            for line in base64.b64decode(one["content"]).decode(errors="replace").splitlines():
                name, sign, _ = line.partition("=")
                place = f"/proc/sys/{name.strip().replace('.', '/')}"
                if sign and not line.startswith("#") and os.path.exists(place):
                    with open(place) as file:
                        found[name.strip()] = file.read().strip()
    return found


def in_force(before: dict[str, Data | None], after: dict[str, Data | None]) -> list[str]:
    """Have the system go by the files `after` where they differ from `before`; what refused."""
    touched = {path for path in after if before.get(path) != after[path]}
    said = []
    for link in links(before) - links(after):
        call("ip", "link", "delete", link)
    changed = {path for path in touched if path.endswith(".netdev")}
    for link in links({path: before.get(path) for path in changed}) & links({path: after[path] for path in changed}):
        call("ip", "link", "delete", link)  # networkd does not give a link that is there another shape
    for path in touched:
        if path.startswith("/etc/sysctl.d/") and after[path]:
            said.append(call("sysctl", "-q", "-p", path))
    if any(path.startswith(f"{NETWORK}/") for path in touched):
        said.append(call("networkctl", "reload"))
        said += settle(links(after))
    if "/etc/nftables.conf" in touched:
        there = after["/etc/nftables.conf"]
        said.append(call("nft", "-f", "/etc/nftables.conf") if there else call("nft", "delete", "table", "inet", "office"))
    services = {
        "systemd-resolved.service": "/etc/systemd/resolved.conf.d/", "office-names.service": "/etc/dnsmasq.d/",
        "hostapd@office.service": "/etc/hostapd/", "office-line.service": "/etc/ppp/",
    }  # fmt: skip
    for unit, folder in services.items():
        mine = [path for path in after if path.startswith(folder)]
        if touched & set(mine):
            word = "restart" if any(after[path] for path in mine) or unit.startswith("systemd-") else "stop"
            if word == "restart" or installed(unit):
                said.append(call("systemctl", word, unit))
    return [line for line in said if line]


def settle(wanted: set[str]) -> list[str]:
    """Wait until the links that are wanted are there, and every link has what its file says (networkd takes the files itself)."""
    until, listed = time.monotonic() + SETTLE_S, ""
    while time.monotonic() < until:
        listed = subprocess.run(["networkctl", "list", "--no-legend"], capture_output=True, text=True, check=False).stdout
        there = all(os.path.exists(f"/sys/class/net/{link}") for link in wanted)
        if there and not re.search(r"\bconfiguring\b|\bpending\b", listed):
            break
        time.sleep(0.2)
    missing = sorted(link for link in wanted if not os.path.exists(f"/sys/class/net/{link}"))
    if missing:
        return [f"systemd-networkd did not make {', '.join(missing)}: does the kernel know this sort of link?"]
    failed = [" ".join(line.split()) for line in listed.splitlines() if re.search(r"\bfailed\b", line)]
    return [f"systemd-networkd: {'; '.join(failed)}"] if failed else []


# -------------------------------------------------------------------------------------------- the push


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
    about = "The router takes its former configuration back"
    for name, word, more, rest in (
        (REVERT, "revert", f"Conflicts={LOAD}.service\n", _AGAIN),
        (BOOT, "boot", _BEFORE_NETWORK, _AGAIN + _TO_START),
        (LOAD, "load", "", ""),
    ):
        text = _SERVICE.format(about=about, pending=PENDING, program=PROGRAM, word=word, more=more) + rest
        put(f"{UNITS}/{name}.service", text.encode(), 0o644)
    put(f"{UNITS}/{REVERT}.timer", _TIMER.format(timeout_s=timeout_s).encode(), 0o644)
    remove(LOADED)
    for path in RESERVES:
        put(path, os.urandom(RESERVE_BYTES))
    if refused_units := call("systemctl", "daemon-reload") or call("systemctl", "-q", "enable", f"{BOOT}.service"):
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


def close() -> None:
    """The window is over: first its mark, then the guard."""
    remove(PENDING)
    for path in RESERVES:
        remove(path)
    call("systemctl", "stop", f"{REVERT}.timer")
    call("systemctl", "-q", "disable", f"{BOOT}.service")


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
