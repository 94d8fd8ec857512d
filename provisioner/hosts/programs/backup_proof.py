"""A night on trial, on the server of a throw-away lab: fetched through another machine's way, restored, compared, then used.

Runs as root there, after the role `backup`: its repository takes the copy, so that a restore afterwards is the everyday one.
Standard input is one line of JSON, then (for `fetch`) the bytes of the place's own program, SFTP or rclone, as the laptop
passes them through; standard output goes back to it. What is found is one line of JSON on standard error.
"""

import base64
import contextlib
import datetime
import json
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from typing import IO, Any

HOME = "/run/office-proof"  # in memory: the client's password lies there while restic reads, and nowhere else
ROOM = "/var/lib/office-proof"
OWN_FOLDER, CONFIG = "/srv/backup/restic", "/etc/office-backup/config.json"
OWN = ["restic", "-r", OWN_FOLDER, "--password-file", "/etc/office-backup/password", "--no-cache"]
SOCKET = f"{HOME}/way"
MOST = 20  # differences that are told; all are counted
CHUNK = 1 << 20
KINDS = {"dir": stat.S_ISDIR, "file": stat.S_ISREG, "symlink": stat.S_ISLNK, "fifo": stat.S_ISFIFO, "dev": stat.S_ISBLK,
         "chardev": stat.S_ISCHR}  # fmt: skip
# restic's child: it only joins its own two ends to us, who hold the bytes of the place
_WAY = """
import os, socket, sys, threading
way = socket.socket(socket.AF_UNIX)
way.connect({socket!r})
def up():
    while data := os.read(0, 65536):
        way.sendall(data)
    way.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := way.recv(65536):
    os.write(1, data)
"""


class Trouble(Exception):
    """Why the night is not proven, in one sentence."""


def cause(said: str) -> str:
    """The sentence that the role's own program has for what restic says."""
    sys.path.insert(0, "/usr/local/lib/office-backup")
    import places  # type: ignore[import-not-found]  # only a server that makes backups has it

    return str(places.cause(said))


def fetch(ask: dict[str, Any]) -> dict[str, Any]:
    """Copy one snapshot out of the client's repository into this machine's own, every byte of it checked by restic.

    Raises:
        Trouble: it cannot be read whole.
    """
    shutil.rmtree(OWN_FOLDER, ignore_errors=True)
    os.makedirs(HOME, mode=0o700, exist_ok=True)
    way, secret = f"{HOME}/way.py", f"{HOME}/password"
    try:
        for path, text in ((way, _WAY.format(socket=SOCKET)), (secret, ask["password"])):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
        subprocess.run([*OWN, "init", "-q"], check=True, stdout=subprocess.DEVNULL)
        program = f"{ask['kind']}.{'program' if ask['kind'] == 'rclone' else 'command'}=/usr/bin/python3 {way}"
        source = [f"--from-repo={ask['repository']}", f"--from-password-file={secret}", "-o", program]
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(SOCKET)
            door.listen(1)
            threading.Thread(target=joined, args=(door,), daemon=True).start()
            words = [*OWN, "copy", "--no-lock", *source, ask["snapshot"]]
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    finally:
        shutil.rmtree(HOME, ignore_errors=True)
    if done.returncode:
        raise Trouble(cause(done.stderr or done.stdout))
    found = json.loads(subprocess.run([*OWN, "snapshots", "--json"], check=True, capture_output=True).stdout)
    if len(found) != 1:
        raise Trouble(f"{len(found)} snapshots came where one was asked for")
    return {"snapshot": found[0]["id"], "time": found[0]["time"], "paths": found[0]["paths"]}


def joined(door: socket.socket) -> None:
    """Pass what restic and the place say to each other."""
    way, _ = door.accept()

    def up() -> None:
        while data := os.read(0, 65536):
            way.sendall(data)
        with contextlib.suppress(OSError):
            way.shutdown(socket.SHUT_WR)

    threading.Thread(target=up, daemon=True).start()
    while data := way.recv(65536):
        while data:
            data = data[os.write(1, data) :]
    os.close(1)  # the place's program ends by it


def compare(ask: dict[str, Any]) -> dict[str, Any]:
    """Restore the night into a room of its own, then compare every entry with what restic holds, read a second way (`dump`).

    Raises:
        Trouble: it cannot be restored whole, or a part that this office has lacks.
    """
    with open(CONFIG, encoding="utf-8") as file:
        settings = json.load(file)
    needed = [part["path"] for part in settings["parts"] if part["required"]]
    needed += ["/var/lib/office-backup/directory"] * bool(settings["directory"])
    lacking = [path for path in needed if path not in ask["paths"]]
    if lacking:
        raise Trouble(f"the night lacks what the office has: {', '.join(lacking)}")
    shutil.rmtree(ROOM, ignore_errors=True)
    os.makedirs(ROOM, mode=0o700)
    try:
        words = [*OWN, "restore", "latest", "--no-lock", "--target", ROOM]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise Trouble(cause(done.stderr))
        return compared(nodes())
    finally:
        shutil.rmtree(ROOM, ignore_errors=True)


def nodes() -> dict[str, dict[str, Any]]:
    """Every entry of the night as restic lists it, by its path."""
    found = {}
    with subprocess.Popen([*OWN, "ls", "--json", "--no-lock", "latest"], stdout=subprocess.PIPE, text=True) as listed:
        assert listed.stdout
        for line in listed.stdout:
            node = json.loads(line)
            if node.get("struct_type") == "node":
                found[node["path"]] = node
    if listed.returncode or not found:
        raise Trouble("the night's list cannot be read")
    return found


def compared(known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Content, kind, mode, owner, times to the nanosecond, links, ACLs and other attributes of each; what differs is told."""
    unlike: list[str] = []
    seen: set[str] = set()
    size = files = 0
    with (
        subprocess.Popen([*OWN, "dump", "--no-lock", "--archive", "tar", "latest", "/"], stdout=subprocess.PIPE) as dump,
        tarfile.open(fileobj=dump.stdout, mode="r|") as tar,
    ):
        for member in tar:
            path = "/" + member.name.strip("/")
            if path == "/":
                continue
            seen.add(path)
            files += member.isreg()
            size += member.size
            try:
                different = list(
                    differences(member, tar.extractfile(member) if member.isreg() else None, ROOM + path, known.get(path))
                )
            except OSError as problem:
                different = [problem.strerror or str(problem)]
            unlike += [f"{path}: {', '.join(different)}"] if different else []
    if dump.returncode:
        raise Trouble("the night cannot be read a second time")
    for path in known.keys() - seen:
        if wrong := list(special(ROOM + path, known[path])):
            unlike.append(f"{path}: {', '.join(wrong)}")
    unlike += [f"{path}: held and not listed" for path in seen - known.keys()]
    unlike += [f"{path}: no more one file with {other}" for path, other in parted(known)]
    return {"files": files, "entries": len(seen), "bytes": size, "unlike": sorted(unlike)[:MOST], "count": len(unlike)}


def differences(member: tarfile.TarInfo, held: IO[bytes] | None, path: str, node: dict[str, Any] | None) -> Iterator[str]:
    """What is not the same on the disk."""
    here = os.lstat(path)
    if node and not KINDS.get(node["type"], stat.S_ISREG)(here.st_mode):
        yield "kind"
        return
    if held is not None:
        with open(path, "rb") as file:
            while data := held.read(CHUNK):
                if file.read(len(data)) != data:
                    yield "content"
                    break
            else:
                if file.read(1):
                    yield "content"
    if member.issym():
        if os.readlink(path) != member.linkname:
            yield "link"
    elif member.mode & 0o7777 != here.st_mode & 0o7777:
        yield "mode"
    if (member.uid, member.gid) != (here.st_uid, here.st_gid):
        yield "owner"
    if node and nanoseconds(node["mtime"]) != here.st_mtime_ns:
        yield "time"
    attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}
    if {name: shape(name, value) for name, value in attributes.items()} != said(member):
        yield "ACL or attributes"


def special(path: str, node: dict[str, Any]) -> Iterator[str]:
    """The same of a pipe or a device, which no tar of restic's holds; anything else that it does not hold is lost."""
    if node["type"] not in ("fifo", "dev", "chardev", "socket"):
        yield "listed and not held"
    elif node["type"] != "socket":  # restic restores none: it lives as long as its server
        try:
            here = os.lstat(path)
        except OSError as problem:
            yield problem.strerror or str(problem)
            return
        if not KINDS[node["type"]](here.st_mode):
            yield "kind"
        if (node["uid"], node["gid"], node["mode"] & 0o777) != (here.st_uid, here.st_gid, here.st_mode & 0o777):
            yield "mode or owner"
        if nanoseconds(node["mtime"]) != here.st_mtime_ns:
            yield "time"


def nanoseconds(moment: str) -> int:
    """RFC 3339 with up to nine digits behind the second."""
    at, digits = re.sub(r"\.\d+", "", moment).replace("Z", "+00:00"), re.search(r"\.(\d+)", moment)
    return int(datetime.datetime.fromisoformat(at).timestamp()) * 10**9 + (int(digits[1].ljust(9, "0")) if digits else 0)


def said(member: tarfile.TarInfo) -> dict[str, Any]:
    """The attributes that the tar tells of: ACLs as lines, others as they are."""
    acl = {"access": "system.posix_acl_access", "default": "system.posix_acl_default"}
    found: dict[str, Any] = {}
    for name, value in member.pax_headers.items():
        if name.startswith("SCHILY.acl."):
            found[acl[name.rpartition(".")[2]]] = frozenset(
                re.sub(r"#.*", "", line).strip() for line in re.split(r"[\n,]", value) if line.strip()
            )
        elif name.startswith("SCHILY.xattr."):
            found[name.removeprefix("SCHILY.xattr.")] = value.encode("utf-8", "surrogateescape")
    return found


def shape(name: str, value: bytes) -> Any:
    """An attribute of the disk as `said` has it: acl(5)'s binary form as lines of its long text form, ids as numbers."""
    if name not in ("system.posix_acl_access", "system.posix_acl_default"):
        return value
    tags = {1: "user::", 2: "user:{}:", 4: "group::", 8: "group:{}:", 16: "mask::", 32: "other::"}
    lines = set()
    for tag, allowed, number in struct.iter_unpack("<HHI", value[4:]):
        rights = "".join(sign if allowed & bit else "-" for sign, bit in (("r", 4), ("w", 2), ("x", 1)))
        lines.add(tags[tag].format(number) + rights)
    return frozenset(lines)


def parted(known: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Names of one file (hard links) that are several now."""
    first: dict[tuple[Any, ...], str] = {}
    for path, node in known.items():
        if node["type"] != "file" or not node.get("inode"):
            continue
        other = first.setdefault((path.split("/")[1], node["inode"], node.get("size"), node["mtime"]), path)
        with contextlib.suppress(OSError):
            if other != path and os.lstat(ROOM + path).st_ino != os.lstat(ROOM + other).st_ino:
                yield path, other


def person(ask: dict[str, Any]) -> dict[str, Any]:
    """Somebody of the restored directory logs in with a password that this lab alone gave them, and opens their folder.

    Raises:
        Trouble: nobody can.
    """
    secret = base64.b32encode(os.urandom(15)).decode() + "-a1"
    listed = subprocess.run(["samba-tool", "user", "list"], capture_output=True, text=True, check=False).stdout.split()
    login = next((one for one in ask["people"] if one in listed), "")
    if not login:
        raise Trouble("nobody of the dossier is in the restored directory")
    changed = subprocess.run(
        ["samba-tool", "user", "setpassword", login], input=f"{secret}\n{secret}\n", capture_output=True, text=True, check=False
    )
    if changed.returncode:
        raise Trouble(f"{login}: {(changed.stderr or changed.stdout).strip()[-200:]}")
    os.makedirs(HOME, mode=0o700, exist_ok=True)
    way = f"{HOME}/login"
    try:
        with open(os.open(way, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(f"username={login}\npassword={secret}\n")
        opened = {}
        for share in ask["shares"]:
            name = share.replace("{login}", login)
            done = subprocess.run(
                ["smbclient", f"//localhost/{name}", "-A", way, "-t", "10", "-c", "ls"],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise Trouble(f"{login} cannot open the folder {name}: {(done.stderr or done.stdout).strip()[-200:]}")
            opened[name] = max(0, sum(1 for line in done.stdout.splitlines() if re.match(r"  \S", line)) - 2)
    finally:
        shutil.rmtree(HOME, ignore_errors=True)
    return {"login": login, "folders": opened}


def main() -> None:
    """One verb; what it found, or why not."""
    line = b""
    while not line.endswith(b"\n"):  # a byte at a time: what follows it is the place's
        line += os.read(0, 1)
    ask = json.loads(line)
    verbs = {"fetch": fetch, "compare": compare, "person": person}
    try:
        found = {"event": ask["verb"], **verbs[ask["verb"]](ask)}
    except (Trouble, OSError, subprocess.SubprocessError, tarfile.TarError, ValueError, KeyError) as problem:
        why = str(problem) if isinstance(problem, Trouble) else f"{type(problem).__name__}: {problem}"
        found = {"event": "failed", "cause": why[:600]}
    print(json.dumps(found), file=sys.stderr, flush=True)
    os._exit(0 if found["event"] != "failed" else 1)  # what waits for the place's bytes is not waited for


if __name__ == "__main__":
    main()
