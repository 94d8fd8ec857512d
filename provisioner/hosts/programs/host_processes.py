"""What runs on a host, and how one of its programs is called; as root, standard library only."""

import os
import re
import subprocess


def call(*words: str) -> tuple[int, str]:
    """A program's exit code and what it said."""
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=30, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout.strip()


def pids() -> list[int]:
    """Every process."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def raw(pid: int, name: str) -> bytes:
    """A file of /proc/PID; nothing when the process has ended."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def ancestors() -> set[int]:
    """Ourselves and whoever started us, up to the first process: the very connection this comes by."""
    found, pid = {1}, os.getpid()
    while pid > 1:
        found.add(pid)
        pid = int(raw(pid, "stat").rpartition(b")")[2].split()[1] or b"1")
    return found


def processes(uid: int) -> dict[int, str]:
    """What runs as this account, or came out of one of its logins (sudo, su, nohup): process -> its unit."""
    ours = ancestors()
    found = {}
    for pid in pids():
        if pid in ours:
            continue
        status = raw(pid, "status").decode(errors="replace")
        uids = re.search(r"^Uid:\s+(.*)$", status, re.M)
        if not uids or re.search(r"^State:\s+Z", status, re.M):
            continue
        group = raw(pid, "cgroup").decode(errors="replace")
        mine = str(uid) in uids[1].split()
        # user-runtime-dir@.service is the system's own: it makes and removes /run/user/UID around their logins
        login = raw(pid, "loginuid").strip() == str(uid).encode()
        if mine or login or re.search(rf"/user-{uid}\.slice/(?!user-runtime-dir@{uid}\.service)", group):
            unit = re.search(r"/system\.slice/(?:[^\n]*/)?([^/\n]+\.service)", group)
            # what systemd runs for somebody is stopped as a unit; what a login of theirs started elsewhere is not one of ours
            if mine or not unit:
                found[pid] = unit[1] if unit and mine else ""
    return found


def called(pid: int) -> str:
    """A process's name without its arguments, which may hold a secret."""
    return raw(pid, "comm").decode(errors="replace").strip() or "?"
