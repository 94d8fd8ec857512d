"""How a machine stands today: disks, memory, services, updates, keys, ports, backups; as root, standard library only.

Reads one JSON object on stdin (`certificates`: files to read the end of) and prints one: section -> {"is": what was seen} or
{"lacks": why it could not be. Each section stands alone: one that fails or takes too long costs the others nothing.
"""

import calendar
import contextlib
import glob
import grp
import hashlib
import json
import os
import pwd
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from provisioner.hosts.programs.answering import answering, websites
from provisioner.hosts.programs.facts import firewall, system, updates
from provisioner.hosts.programs.router_files import look as file_of

PATIENCE_S = 40
REAL = ("ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "f2fs", "overlay", "zfs", "ntfs3")
PER_KEYS, MOST_KEYS = 20, 400
STATE = "/var/lib/provisioner"


class Lacks(Exception):
    """Why something could not be seen."""


def call(*words: str, codes: tuple[int, ...] = (0,)) -> str:
    """What a program says; one that is not there, fails or takes too long is why nothing is known."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False, env=environment
        )  # fmt: skip
    except FileNotFoundError:
        raise Lacks(f"{words[0]} is not installed") from None
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Lacks(f"{words[0]}: {problem}") from None
    if codes and done.returncode not in codes:
        raise Lacks(f"{words[0]} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return done.stdout


def disks() -> list[dict[str, Any]]:
    """Each disk's file system once: where, bytes and inodes in all and free, and whether it went read-only."""
    found, seen = [], set()
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            device, where, kind, options = line.split()[:4]
            where = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), where)
            if kind not in REAL or (where != "/" and where.startswith(("/proc", "/sys", "/dev", "/run", "/boot/efi", "/tmp"))):  # noqa: S108
                continue
            try:
                size = os.statvfs(where)
                number = os.stat(where).st_dev
            except OSError:
                continue
            if number in seen or not size.f_blocks:
                continue
            seen.add(number)
            found.append({
                "where": where, "device": device, "kind": kind, "bytes": size.f_blocks * size.f_frsize,
                "free": size.f_bavail * size.f_frsize, "inodes": size.f_files, "inodes_free": size.f_favail,
                "read_only": "ro" in options.split(","),
            })  # fmt: skip
    if not found:
        raise Lacks("no file system of a disk is mounted")
    return found


def memory() -> dict[str, int]:
    """proc_meminfo(5), in bytes, and how often the kernel ended a process for want of memory since the start."""
    with open("/proc/meminfo", encoding="utf-8") as file:
        said = dict(re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.M))
    with open("/proc/vmstat", encoding="utf-8") as file:
        killed = re.search(r"^oom_kill (\d+)", file.read(), re.M)
    return {
        "bytes": int(said["MemTotal"]) * 1024,
        "available": int(said["MemAvailable"]) * 1024,
        "killed": int(killed[1]) if killed else 0,
    }


def units() -> list[str]:
    """Those of systemd's that failed."""
    said = call("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager", "--full")
    return [line.split()[0] for line in said.splitlines() if line.strip()]


def pending() -> dict[str, Any]:
    """What apt would upgrade, how old its lists are (s), and whether a restart waits."""
    refused: list[str] = []

    def ask(*words: str) -> str:
        try:  # apt that fails says nothing of what waits; the others' exit codes are part of their answer
            return call(*words, codes=(0,) if words[0] == "apt-get" else ())
        except Lacks as why:
            refused.append(str(why))
            return ""

    found = updates(ask)
    if refused and not found["audit"]:  # half installed packages are told as such
        raise Lacks(refused[0])
    lists = [os.path.getmtime(path) for path in glob.glob("/var/lib/apt/lists/*_Packages*")]
    names = ""
    if os.path.exists("/run/reboot-required.pkgs"):
        with open("/run/reboot-required.pkgs", encoding="utf-8", errors="replace") as file:
            names = " ".join(sorted(set(file.read(4000).split())))
    return {
        **found, "lists_s": time.time() - max(lists) if lists else None,
        "restart": os.path.exists("/run/reboot-required") and (names or "yes"),
    }  # fmt: skip


def clock() -> dict[str, Any]:
    """Whether it follows the world's time; the time here (s since 1970) is added last."""
    said = call("timedatectl", "show", "-p", "NTP", "-p", "NTPSynchronized").split()
    return {"now": 0.0, "kept": "NTP=yes" in said, "synchronised": "NTPSynchronized=yes" in said}


def backups() -> dict[str, Any] | None:
    """What this machine remembers of each place that it backs up to; None where it backs nothing up."""
    try:
        with open("/etc/office-backup/config.json", encoding="utf-8") as file:
            places = list(json.load(file)["places"])
    except FileNotFoundError:
        return None
    try:
        with open(f"{STATE}/backup.json", encoding="utf-8") as file:
            known = json.load(file)["places"]
    except FileNotFoundError:
        known = {}
    words = ("last_success", "last_failure", "cause", "odd", "note", "checked_at", "snapshot_at")
    return {
        name: {word: str(one[word])[:400] for word in words if one.get(word)} for name in places for one in [known.get(name, {})]
    }


def certificates(paths: list[str]) -> dict[str, float]:
    """When each certificate that is there ends (s since 1970)."""
    found = {}
    for path in sorted({one for pattern in paths for one in glob.glob(pattern)}):
        said = call("openssl", "x509", "-enddate", "-noout", "-in", path)
        ends = re.search(r"notAfter=(.+?) GMT", said)
        if not ends:
            raise Lacks(f"{path}: {said[:100]}")
        found[path] = float(calendar.timegm(time.strptime(" ".join(ends[1].split()), "%b %d %H:%M:%S %Y")))
    return found


def ways_in() -> dict[str, Any]:
    """Who can log in or become root: accounts of people, members of sudo, and every key of SSH by the file it lies in.

    An account whose last day is past (shadow(5)'s eighth field, days since 1970) lets nobody in, by password or key.
    """
    with open("/etc/shadow", encoding="utf-8", errors="replace") as file:
        ends = {parts[0]: parts[7] for line in file if len(parts := line.split(":")) > 7}
    closed = {name for name, day in ends.items() if day.isdecimal() and int(day) <= time.time() // 86400}
    people = [one.pw_name for one in pwd.getpwall() if one.pw_uid == 0 or 1000 <= one.pw_uid < 60000]
    accounts = sorted({*people} - closed)
    keys: dict[str, list[str]] = {}
    homes = {one.pw_dir for one in pwd.getpwall()}
    files = [*glob.glob("/etc/ssh/technicians/*"), *glob.glob("/etc/ssh/authorized_keys*")]
    files += [f"{home}/.ssh/{name}" for home in sorted(homes) for name in ("authorized_keys", "authorized_keys2")]
    for path in files[:MOST_KEYS]:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read(100_000).splitlines()
        except OSError:
            continue
        found = [
            match[0]
            for line in lines
            if not line.lstrip().startswith("#") and (match := re.search(r"(?:ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/=]{40,}", line))
        ]
        if found:
            keys[path] = found[:PER_KEYS]
    sudo = []
    for name in ("sudo", "admin", "wheel"):
        try:
            sudo += grp.getgrnam(name).gr_mem
        except KeyError:
            continue
    return {"accounts": accounts, "sudo": sorted(set(sudo)), "keys": keys}


def listening() -> list[dict[str, Any]]:
    """What answers to other machines: protocol, port, program; the loopback's is left out."""
    found = {}
    for line in call("ss", "-Hltunp").splitlines():
        words = line.split()
        if len(words) < 5:
            continue
        protocol, (address, _, port) = words[0], words[4].rpartition(":")
        if re.match(r"127\.|\[::1\]|\[::ffff:127\.", address) or "%lo" in address or not port.isdigit():
            continue
        program = re.search(r'users:\(\("([^"]+)"', line)
        found[protocol, int(port)] = program[1] if program else ""
    return [{"protocol": protocol, "port": port, "program": name} for (protocol, port), name in sorted(found.items())]


def drives() -> list[dict[str, Any]] | None:
    """What each drive says of its own health (smartctl(8)); None where there is none of its own, as in a virtual machine."""
    if subprocess.run(["systemd-detect-virt", "--quiet"], check=False).returncode == 0:
        return None
    found = []
    for drive in json.loads(call("smartctl", "--scan", "--json")).get("devices", [])[:16]:
        # bits 3 to 7 of smartctl's exit code are the drive's own bad news, not a failed call
        said = json.loads(call("smartctl", "--json", "--health", "--attributes", drive["name"], codes=()) or "{}")
        passed = said.get("smart_status", {}).get("passed")
        worn = {row["name"]: row["raw"]["value"] for row in said.get("ata_smart_attributes", {}).get("table", [])
                if row.get("id") in (5, 187, 197, 198)}  # fmt: skip
        log = said.get("nvme_smart_health_information_log", {})
        worn |= {word: log[word] for word in ("critical_warning", "media_errors", "percentage_used") if word in log}
        found.append({"drive": drive["name"], "passed": passed, "worn": worn})
    return found


def arrays() -> list[dict[str, str]]:
    """Each array of Linux' software RAID: its name, and its members as /proc/mdstat draws them (`[UU]`, `[U_]`)."""
    try:
        with open("/proc/mdstat", encoding="utf-8") as file:
            text = file.read(20_000)
    except FileNotFoundError:
        return []
    return [{"name": name, "members": members} for name, members in re.findall(r"^(md\S+) : .*\n.*?(\[[U_]+\])", text, re.M)]


def queues() -> list[dict[str, Any]] | None:
    """Each printer: whether it takes pages, and how many wait; None where nothing prints."""
    if not os.path.exists("/usr/bin/lpstat") or call("systemctl", "is-active", "cups.service", codes=()).strip() != "active":
        return None
    waiting = [
        line.split()[0].rpartition("-")[0] for line in call("lpstat", "-W", "not-completed", "-o").splitlines() if line.strip()
    ]
    printers = re.findall(r"^printer (\S+) (.*)$", call("lpstat", "-p", codes=()), re.M)
    return [{"printer": name, "stopped": "disabled" in said, "waiting": waiting.count(name)} for name, said in printers]


def batteries() -> list[dict[str, str]] | None:
    """What NUT says of each uninterruptible power supply: its state and charge; None without NUT."""
    if not os.path.exists("/usr/bin/upsc"):
        return None
    found = []
    for name in call("upsc", "-l").split():
        said = dict(line.split(": ", 1) for line in call("upsc", name, codes=()).splitlines() if ": " in line)
        found.append({"ups": name, "state": said.get("ups.status", ""), "charge": said.get("battery.charge", "")})
    return found


def active(names: list[str]) -> dict[str, str]:
    """Each unit that should run: systemd's word for how it is."""
    said = call("systemctl", "is-active", *names, codes=()).splitlines() if names else []
    return dict(zip(names, said, strict=False))


def drift() -> dict[str, Any]:
    """What is not as the last apply wrote it (path -> `changed` or `gone`), or the last push left it; None: nothing is noted."""
    found: dict[str, Any] = {"files": None, "pushed": None}
    with contextlib.suppress(FileNotFoundError), open(f"{STATE}/files.json", encoding="utf-8") as file:
        now = {path: (state_of(path), state) for path, state in json.load(file).items()}
        found["files"] = {path: "changed" if here else "gone" for path, (here, state) in now.items() if here != state}
    with contextlib.suppress(FileNotFoundError), open(f"{STATE}/router/last.json", encoding="utf-8") as file:
        pushed = json.load(file).get("files") or {}
        found["pushed"] = [path for path, digest in sorted(pushed.items()) if _pushed(path) != digest]
    return found


def state_of(path: str) -> str:
    """As the play's own module has it (`text_files.state_of`)."""
    try:
        status = os.stat(path)
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
    except OSError:
        return ""
    return f"{digest} {status.st_uid}:{status.st_gid} {stat.S_IMODE(status.st_mode):04o}" if digest else ""


def _pushed(path: str) -> str:
    return hashlib.sha256(json.dumps({path: file_of(path)}, sort_keys=True).encode()).hexdigest()


def main() -> None:
    """All sections at once: each in a thread of its own, none waited for beyond its time."""
    ask = json.load(sys.stdin)
    sections: dict[str, Callable[[], Any]] = {
        "system": system, "disks": disks, "memory": memory, "units": units,
        "updates": pending, "clock": clock,
        "backups": backups, "certificates": lambda: certificates(ask["certificates"]), "ways_in": ways_in, "listening": listening,
        "firewall": firewall, "drives": drives, "arrays": arrays, "queues": queues, "batteries": batteries,
        "active": lambda: active(ask["units"]), "drift": drift, "websites": websites,
        "answering": lambda: answering(ask["services"]),
    }  # fmt: skip
    found: dict[str, Any] = {name: {"lacks": f"no answer within {PATIENCE_S} s"} for name in sections}

    def look(name: str) -> None:
        try:
            found[name] = {"is": sections[name]()}
        except Lacks as why:
            found[name] = {"lacks": str(why)[:300]}
        except Exception as problem:
            found[name] = {"lacks": f"{type(problem).__name__}: {problem}"[:300]}

    threads = [threading.Thread(target=look, args=(name,), daemon=True) for name in sections]
    until = time.monotonic() + PATIENCE_S + 5
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    if "is" in found["clock"]:
        found["clock"]["is"]["now"] = time.time()  # last: the other sections take their time
    print(json.dumps(dict(found)), flush=True)
    os._exit(0)  # a thread that still hangs is not waited for


if __name__ == "__main__":
    main()
