"""Shuts technicians who left out of this machine, names all that was theirs, and proves it; as root, standard library only.

Reads one JSON object on stdin and prints one: `do` is `look` or `refuse`, `logins` who left with their keys, `stay` who works
here still with theirs (no key of theirs is ever taken away), `me` who asks, `who` whose access is only told, `stamp` what the
machine remembers of it, `keep_lease` that another's work here is none of our business (a play's own).
"""

import contextlib
import fcntl
import glob
import json
import os
import pwd
import stat
import sys
import time
from collections.abc import Container, Iterable
from typing import Any

from provisioner.hosts.programs.authorized_keys import Sshd, fingerprint, keys_in, keys_of, lines_of
from provisioner.hosts.programs.host_processes import call
from provisioner.hosts.programs.leaver import BASE, SUDOERS, Leaver
from provisioner.hosts.programs.root_files import put, text

SETUID_S = 20  # for a look at every file of the machine's own disk


def setuid() -> list[str]:
    """Programs that give whoever calls them somebody's rights, and are of no package; and whether all files were looked at."""
    found = []
    look = ("find", "/", "-xdev", "-path", "/proc", "-prune", "-o", "-type", "f", "-perm", "/6000", "-print")
    code, out = call("timeout", str(SETUID_S), *look)
    paths = [path for path in out.splitlines() if path.startswith("/")]
    known = call("dpkg", "-S", *paths)[1] if paths else ""
    owned = {line.partition(": ")[2] for line in known.splitlines()}
    # what lies below /usr is known to some packages by its former place, /bin (usrmerge)
    owned |= {f"/usr{path}" for path in owned} | {path.removeprefix("/usr") for path in owned}
    for path in paths:
        if path not in owned:
            status = os.lstat(path)
            who = next((a.pw_name for a in pwd.getpwall() if a.pw_uid == status.st_uid), str(status.st_uid))
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            found.append(f"{path} gives whoever calls it the rights of {who}, and is of no package (mode {mode})")
    if code:
        found.append(f"not every file was looked at for set-user-ID programs within {SETUID_S} s")
    return found


def lease(logins: Container[str], act: bool) -> dict[str, Any] | None:
    """Whose work on this machine goes on now (lease.py): somebody's who left is none, and ends."""
    try:
        held = json.loads(text(f"{BASE}/lease.json"))
        here = held["boot"] == text("/proc/sys/kernel/random/boot_id").strip()
        ago = time.clock_gettime(time.CLOCK_BOOTTIME) - (held["renewed_up"] if here else 0)
        if not 0 <= ago < held["lease_s"]:
            return None
    except (ValueError, KeyError, TypeError):
        return None
    if held.get("technician") in logins:
        if act:
            with contextlib.suppress(OSError):
                os.unlink(f"{BASE}/lease.json")
        return None
    return {word: held.get(word, "") for word in ("technician", "laptop", "run", "since")}


def access(login: str, sshd: Sshd) -> dict[str, Any]:
    """Who somebody is to this machine: account, whether it is closed, the keys it is let in with, whether it may administer."""
    try:
        account = pwd.getpwnam(login)
    except KeyError:
        return {"account": False, "open": False, "keys": [], "sudo": False}
    keys = {fingerprint(key) for path in sshd.of(account) for line in lines_of(path) for _, key in keys_in(line)}
    over = next((line.split(":")[7] for line in text("/etc/shadow").splitlines() if line.startswith(f"{login}:")), "")
    sudo = any(line.split()[:1] == [login] for line in text(SUDOERS).splitlines())
    return {"account": True, "open": over != "1", "keys": sorted(keys), "sudo": sudo}


def strangers(known: Iterable[str]) -> list[str]:
    """Logins that are let in as technicians are, and that nobody knows."""
    named = {line.split()[0] for line in text(SUDOERS).splitlines() if line.strip() and not line.startswith("#")}
    named |= {os.path.basename(path) for path in glob.glob("/etc/ssh/technicians/*")}
    return sorted(name for name in named - set(known) if not name.startswith(("Defaults", "%", "@")))


def main() -> None:
    """Look, refuse, prove, tell."""
    ask = json.load(sys.stdin)
    os.makedirs(BASE, mode=0o700, exist_ok=True)
    lock = os.open("/run/provisioner-refuse.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    sshd = Sshd()
    act = ask["do"] == "refuse"
    mine = keys_of([ask["me"]["key"]])
    wrong = ""
    if ask["me"]["login"] in ask["logins"] or set(ask["logins"]) & set(ask["stay"]):
        wrong = "somebody who left is said to stay"
    elif mine & {key for lines in ask["logins"].values() for key in keys_of(lines)}:
        wrong = "the key this was asked with is one to be refused"
    if wrong:
        print(json.dumps({"wrong": wrong, "logins": {}, "changed": False}))
        sys.exit(3)
    leavers = [Leaver(login, lines, ask, sshd) for login, lines in sorted(ask["logins"].items())]
    for leaver in leavers:
        leaver.refuse()
    if act:
        for leaver in leavers:
            leaver.prove()
    working = None if ask.get("keep_lease") else lease(ask["logins"], act)
    if act and ask.get("stamp"):
        with contextlib.suppress(ValueError, AttributeError):
            known = json.loads(text(f"{BASE}/refused.json") or "{}")
            put(f"{BASE}/refused.json", json.dumps({**known, **dict.fromkeys(ask["logins"], ask["stamp"])}), 0o600)
    same = [a.pw_name for a in pwd.getpwall() if a.pw_uid == 0 and a.pw_name != "root"]
    answer = {
        "changed": any(leaver.found for leaver in leavers),
        "logins": {leaver.login: leaver.answer() for leaver in leavers},
        "look_at": [f"the account {name} has root's number" for name in same] + setuid() if leavers else [],
        "works": working,
        "who": {login: access(login, sshd) for login in ask.get("who", [])},
        "strangers": strangers([*ask["logins"], *ask["stay"], *ask.get("who", [])]),
    }
    print(json.dumps(answer))
    left = [line for leaver in leavers for line in leaver.left]
    print("\n".join(left), file=sys.stderr)
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    main()
