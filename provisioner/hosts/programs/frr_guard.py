"""The guard of a push on an FRR router: the routes that were there come back by themselves unless the new ones are confirmed.

`python3 frr_guard.py install`, as root and once: from then on systemd runs this as `office-frr-guard`, and again where it ends.
Whoever pushes has vtysh alone, which can neither arm a timer nor write a file. So both sides speak by remarks of access lists
that filter nothing (`access-list office-… remark …`), in FRR's running configuration; none of them is ever saved. The snapshot
is FRR's own: new routes are in its memory alone until they are confirmed, so a start (a power cut) reads the former ones. In
time the guard takes them back line by line, else by a start of FRR's. The window and its end lie on the disk (fsync) before
they are told. Standard library only.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from typing import Any

Data = dict[str, Any]

BASE = os.environ.get("OFFICE_GUARD_BASE", "/var/lib/office-frr-guard")
CONFIG = os.environ.get("OFFICE_GUARD_CONFIG", "/etc/frr/frr.conf")
RESTART = os.environ.get("OFFICE_GUARD_RESTART", "systemctl restart frr").split()
PROGRAM, UNIT = "/usr/local/sbin/office-frr-guard", "office-frr-guard.service"
POLL_S = 1.0
MARK = re.compile(r"^access-list office-([a-z]+) remark (.+)$", re.M)
ROUTE = re.compile(r"^ip(?:v6)? route \S.*$", re.M)
WINDOW = re.compile(r"([0-9a-f]{16}) (\d{1,6}) (\S{1,64}) (\S{1,80})")
_UNIT = f"""[Unit]
Description=The routes that were there come back unless the new ones are confirmed
After=frr.service
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/python3 {PROGRAM} run
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""


def vtysh(*lines: str) -> str:
    """What FRR says.

    Raises:
        OSError: it does not answer.
    """
    words = [word for line in lines for word in ("-c", line)]
    try:
        done = subprocess.run(["vtysh", *words], capture_output=True, text=True, errors="replace", timeout=20, check=False)
    except subprocess.TimeoutExpired:
        raise OSError("vtysh does not answer") from None
    if done.returncode:
        raise OSError(f"vtysh: {(done.stdout + done.stderr).strip()[-200:]}")
    return done.stdout


def running() -> tuple[list[str], dict[str, str]]:
    """The routes and the remarks of ours, as FRR has them now."""
    said = vtysh("show running-config")
    if "Current configuration" not in said:
        raise OSError("vtysh shows no configuration")
    return [line.rstrip() for line in ROUTE.findall(said)], dict(MARK.findall(said))


def put(name: str, found: Data) -> None:
    """Write an object whole, on the disk."""
    path = os.path.join(BASE, name)
    with open(f"{path}.part", "w") as file:
        json.dump(found, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{path}.part", path)
    sync(BASE)


def sync(folder: str) -> None:
    """Make sure that a folder's entries lie on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def read(name: str) -> Data | None:
    """An object that lies on the disk; None where there is none."""
    try:
        with open(os.path.join(BASE, name)) as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def saved() -> str:
    """What FRR starts with."""
    with open(CONFIG, "rb") as file:
        return file.read().decode("utf-8", "surrogateescape")


def save(text: str) -> None:
    """Have FRR start with this: whole or not at all, whoever owned it before."""
    status = os.stat(CONFIG)
    with open(f"{CONFIG}.office", "wb") as file:
        os.fchmod(file.fileno(), status.st_mode & 0o777)
        os.fchown(file.fileno(), status.st_uid, status.st_gid)
        file.write(text.encode("utf-8", "surrogateescape"))
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{CONFIG}.office", CONFIG)
    sync(os.path.dirname(CONFIG))


def boot() -> str:
    """Which start of the machine this is."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return os.environ.get("OFFICE_GUARD_BOOT") or file.read().strip()


def marked(wanted: dict[str, str | None]) -> None:
    """Set remarks, or take them away."""
    lines = [
        f"access-list office-{name} remark {told}" if told else f"no access-list office-{name}" for name, told in wanted.items()
    ]
    for line in lines:
        try:
            vtysh("configure terminal", line)
        except OSError:
            if not line.startswith("no "):
                raise


def step() -> None:
    """Look once, and do what is due."""
    window, (routes, marks) = read("window.json"), running()
    if window is None:
        told = WINDOW.fullmatch(marks.get("window", "").strip())
        if told and told[1] != (read("last.json") or {}).get("token"):
            opened(told, routes)
        elif "guard" not in marks:
            publish(None)
        return
    if window["boot"] != boot():
        if window.get("kept") == saved():  # the power went behind the last step of a confirmation
            end(window, "applied", "confirmed")
        else:
            back(window, "the router was started anew")
    elif window.get("kept") or {marks.get(name, "").strip() for name in ("confirm", "loaded")} == {window["token"]}:
        keep(window, routes)
    elif marks.get("confirm", "").strip() == window["token"]:  # what was loaded is no more there, its mark neither
        back(window, "FRR was started anew")
    elif marks.get("revert", "").strip() == window["token"]:
        back(window, "given up")
    elif time.clock_gettime(time.CLOCK_BOOTTIME) >= window["until"]:
        back(window, "not confirmed in time")
    elif marks.get("guard", "").split()[:2] != ["open", window["token"]]:
        publish(window)


def opened(told: "re.Match[str]", routes: list[str]) -> None:
    """Open a window: what is there lies on the disk before it is said."""
    window = {
        "token": told[1], "timeout_s": int(told[2]), "technician": told[3], "run": told[4], "boot": boot(), "routes": routes,
        "until": time.clock_gettime(time.CLOCK_BOOTTIME) + int(told[2]), "saved": saved(),
    }  # fmt: skip
    put("window.json", window)
    publish(window)


def publish(window: Data | None) -> None:
    """Say in FRR's configuration whose window is open, and how the last one ended."""
    last = read("last.json")
    told = f"{last['how']} {last['token']} {last['technician']} {last['run']} {last['why']}" if last else None
    digest = (last or {}).get("digest")  # of the routes that a push made so: whatever differs was entered by hand
    open_ = f"open {window['token']} {window['technician']} {window['run']}" if window else "ready"
    said = {"last": told, "digest": digest, "guard": open_}
    marked({name: one for name, one in said.items() if one})


def keep(window: Data, routes: "list[str]") -> None:
    """Let the new routes stay: without our remarks, saved whole or not at all; what runs is what is saved."""
    marked(dict.fromkeys(("window", "loaded", "confirm", "revert", "guard", "last", "digest")))
    kept = window.get("kept")
    if not kept:
        body = vtysh("show running-config").partition("Current configuration:")[2].lstrip("\n").removeprefix("!\n")
        kept = "".join(line for line in body.splitlines(keepends=True) if not MARK.match(line))
        if routes_of(kept) != sorted(routes):
            raise OSError("FRR was started anew just now: its routes are the former ones")
        put("window.json", {**window, "kept": kept})
    save(kept)
    if sorted(running()[0]) != routes_of(kept):  # FRR died between the two: it starts with what was confirmed
        subprocess.run(RESTART, timeout=60, check=True)
    end(window, "applied", "confirmed")


def routes_of(text: str) -> "list[str]":
    """The routes of a configuration."""
    return sorted(line.rstrip() for line in ROUTE.findall(text))


def back(window: Data, why: str) -> None:
    """What was there before the window: what is saved, byte for byte, and the routes that run."""
    if saved() != window["saved"]:
        save(window["saved"])
    routes, _ = running()
    lines = [f"no {line}" for line in routes if line not in window["routes"]]
    lines += [line for line in window["routes"] if line not in routes]
    for line in lines:
        try:
            vtysh("configure terminal", line)
        except OSError as refused:
            print(f"{line}: {refused}", file=sys.stderr)
    if sorted(running()[0]) != sorted(window["routes"]):
        subprocess.run(RESTART, timeout=60, check=True)  # its start reads what is saved
    end(window, "reverted", why)


def routes_digest(routes: "list[str]") -> str:
    """What tells whether they are still those of the last push; the other side reckons it alike."""
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(set(routes))).encode()).hexdigest()[:16]


def end(window: Data, how: str, why: str) -> None:
    """Note how the window ended, then close it."""
    digest = routes_digest(running()[0]) if how == "applied" else (read("last.json") or {}).get("digest")
    whose = {word: window[word] for word in ("token", "technician", "run")}
    put("last.json", {**whose, "how": how, "why": why, "digest": digest})
    os.unlink(os.path.join(BASE, "window.json"))
    sync(BASE)
    marked(dict.fromkeys(("window", "loaded", "confirm", "revert")))
    publish(None)


def start_frr() -> None:
    """Start an FRR that answers no more once a window's time is over: systemd gives up on what dies too often."""
    window = read("window.json")
    if window and time.clock_gettime(time.CLOCK_BOOTTIME) >= window["until"]:
        subprocess.run(["systemctl", "reset-failed", "frr"], timeout=20, check=False)
        subprocess.run(RESTART, timeout=60, check=False)


def run() -> None:
    """For as long as the router runs."""
    os.makedirs(BASE, mode=0o700, exist_ok=True)
    while True:
        try:
            step()
        except (OSError, subprocess.SubprocessError) as problem:
            print(problem, file=sys.stderr)
            start_frr()
        time.sleep(POLL_S)


def install() -> None:
    """Put it on the router, and begin."""
    with open(__file__) as file:
        text = file.read()
    with open(PROGRAM, "w") as file:
        file.write(text)
    with open(f"/etc/systemd/system/{UNIT}", "w") as file:
        file.write(_UNIT)
    for words in (["daemon-reload"], ["enable", UNIT], ["restart", UNIT]):
        subprocess.run(["systemctl", *words], check=True)


if __name__ == "__main__":
    {"run": run, "install": install}[sys.argv[1] if len(sys.argv) > 1 else "run"]()
