"""The releases of a website on the machine that serves it; as root, standard library only.

    /srv/website/OFFICE/releases/RELEASE/   one built version, never changed once it bears its name
    /srv/website/OFFICE/current             a link to the one that is served; renamed, so it is the old one or the new one

A release is built beside under another name, from files that the kept ones have already (linked) and from the archive that came;
every file's hash is looked at before the folder gets its name. Whoever kills this leaves the site as it was.
"""

import contextlib
import errno
import fcntl
import gzip
import hashlib
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

SERVED = "/srv/website"
UPLOAD = "office-website-"  # what a login's home holds while a release is carried here
CONFIG = "/etc/office-website/sites.json"
PRESSED = re.compile(r"\.(html|css|js|mjs|svg|xml|txt|json|webmanifest|ico)$")
SMALL = 256  # bytes; below, the head of a compressed file costs what it saves
NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,79}")
KEEP = 3
BEGINNING, YEARS = 1_000_000_000, 700_000_000  # 2001 to 2023: no file is of the future
Ask = dict[str, Any]


class Refused(Exception):
    """Nothing was changed; `args[0]` is the reason's word, the second what it is about."""


def digest(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files(folder: str) -> Iterator[str]:
    """The plain files below a folder, by their path in it; a link is none."""
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                yield os.path.relpath(path, folder)


class Site:
    """The releases of one office."""

    def __init__(self, office: str) -> None:
        self.home = f"{SERVED}/{office}"
        self.releases = f"{self.home}/releases"
        self.current = f"{self.home}/current"

    def kept(self) -> list[str]:
        """The releases that are whole, the one that went live last first."""
        with contextlib.suppress(FileNotFoundError):
            names = [name for name in os.listdir(self.releases) if NAME.fullmatch(name)]
            return sorted(names, key=lambda name: os.stat(f"{self.releases}/{name}").st_mtime_ns, reverse=True)
        return []

    def served(self) -> str:
        """The release that is served; empty when none is."""
        with contextlib.suppress(OSError):
            return os.path.basename(os.readlink(self.current))
        return ""

    def have(self) -> dict[str, str]:
        """Where each content lies that a kept release has: hash -> path."""
        return {
            digest(path): path
            for release in self.kept()
            for path in (f"{self.releases}/{release}/{name}" for name in files(f"{self.releases}/{release}"))
        }

    def look(self, ask: Ask) -> Ask:
        """What is served, what is kept, and which of the contents asked for no release has."""
        kept = [{"release": name, "at": os.stat(f"{self.releases}/{name}").st_mtime} for name in self.kept()]
        have = self.have() if ask.get("contents") else {}
        return {"served": self.served(), "kept": kept, "missing": sorted(set(ask.get("contents") or ()) - set(have))}

    def receive(self, ask: Ask, archive: BinaryIO | None) -> Ask:
        """Put a release beside the others.

        Raises:
            Refused: a content is missing or another than it should be, or the release that is there is damaged.
        """
        release, manifest = ask["release"], ask["files"]
        folder, beside = f"{self.releases}/{release}", f"{self.releases}/.{release}"
        with contextlib.suppress(FileNotFoundError):
            for left in os.listdir(self.releases):
                if not NAME.fullmatch(left):
                    shutil.rmtree(f"{self.releases}/{left}")
        if os.path.isdir(folder):
            if {name: digest(f"{folder}/{name}") for name in manifest if os.path.isfile(f"{folder}/{name}")} != manifest:
                raise Refused("damaged", release)
            return {"new": False, "linked": len(manifest), "received": 0}
        try:
            os.makedirs(beside, mode=0o755)
            have, linked = self.have(), 0
            arrived = self.unpack(archive, f"{beside}/.arrived", set(manifest.values()) - set(have)) if archive else {}
            for name, content in sorted(manifest.items()):
                source = have.get(content) or arrived.get(content)
                if not source or not plain(name):
                    raise Refused("missing", name)
                linked += content in have
                self.place(source, f"{beside}/{name}", [end for end in PRESSES if f"{name}{end}" not in manifest])
            shutil.rmtree(f"{beside}/.arrived", ignore_errors=True)
            for here, _, _ in os.walk(beside):
                sync(here)
            os.rename(beside, folder)
            sync(self.releases)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return {"new": True, "linked": linked, "received": len(arrived)}

    def unpack(self, archive: BinaryIO, into: str, wanted: set[str]) -> dict[str, str]:
        """The contents of the archive that are wanted, each under its hash: hash -> path.

        Raises:
            Refused: one is another than its name says.
        """
        os.makedirs(into, mode=0o755)
        found = {}
        with tarfile.open(fileobj=archive, mode="r|gz") as tar:
            for member in tar:
                if member.name not in wanted or not member.isreg():
                    continue
                source, path, hashed = tar.extractfile(member), f"{into}/{member.name}", hashlib.sha256()
                assert source
                with open(path, "wb") as file:
                    while chunk := source.read(1 << 20):
                        hashed.update(chunk)
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                if hashed.hexdigest() != member.name:
                    raise Refused("damaged", member.name[:12])
                # one time for one content: nginx makes the ETag of time and size, and two versions of a page may be of one second
                moment = BEGINNING + int(member.name[:8], 16) % YEARS
                os.utime(path, (moment, moment))
                os.chmod(path, 0o644)
                found[member.name] = path
        return found

    def place(self, source: str, path: str, ends: list[str]) -> None:
        """A file of the release, and beside it, with these ends, what is sent to who takes it compressed."""
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        os.link(source, path)
        if not PRESSED.search(path) or os.path.getsize(path) < SMALL:
            return
        for end in ends:
            if os.path.isfile(source + end):  # of a kept release; what arrived bears its hash alone
                os.link(source + end, path + end)
            else:
                PRESSES[end](path, path + end)

    def flip(self, ask: Ask) -> Ask:
        """Serve another release.

        Raises:
            Refused: there is no such release.
        """
        release, former = ask["release"], self.served()
        if release not in self.kept():
            raise Refused("unknown", release)
        os.utime(f"{self.releases}/{release}")  # when it went live
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.home}/.current")
        os.symlink(f"releases/{release}", f"{self.home}/.current")
        os.rename(f"{self.home}/.current", self.current)
        sync(self.home)
        return {"former": former}

    def drop(self, _: Ask) -> Ask:
        """Keep the release that is served, and the newest others."""
        served, gone = self.served(), []
        for name in [name for name in self.kept() if name != served][KEEP - 1 :]:
            os.rename(f"{self.releases}/{name}", f"{self.releases}/.{name}")
            shutil.rmtree(f"{self.releases}/.{name}")
            gone.append(name)
        return {"gone": gone}


def plain(name: str) -> bool:
    """Whether a path stays in the folder that it is in, and no other name of ours is taken."""
    parts = name.split("/")
    return bool(name) and "\0" not in name and not set(parts) & {"", ".", ".."} and parts[0] != ".arrived"


def gzipped(source: str, into: str) -> None:
    """A compressed copy; equal files give equal copies."""
    with open(source, "rb") as file, open(into, "wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
        shutil.copyfileobj(file, packed)
    same_time(source, into)


def brotlied(source: str, into: str) -> None:
    """The same by brotli(1), where the machine has it."""
    if tool := shutil.which("brotli"):
        subprocess.run([tool, "--quality=9", f"--output={into}", source], check=True, capture_output=True)
        same_time(source, into)


PRESSES = {".gz": gzipped, ".br": brotlied}


def same_time(source: str, into: str) -> None:
    """A copy is as old as what it is of."""
    moment = os.stat(source).st_mtime
    os.utime(into, (moment, moment))
    os.chmod(into, 0o644)
    sync(into)


def sync(path: str) -> None:
    """Have it on disk before the next step."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def uploaded(login: str, name: str) -> BinaryIO | None:
    """The archive that a login carried here, open and its name taken away, with whatever a killed upload left."""
    home = pwd.getpwnam(login).pw_dir
    found = None
    for left in os.listdir(home):
        if left.startswith(UPLOAD):
            path = os.path.join(home, left)
            if left == name:
                found = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
            with contextlib.suppress(OSError):
                os.unlink(path)
    return found


def run(ask: Ask) -> Ask:
    """One question about one site, as the account whose site it is.

    Raises:
        Refused: nothing was changed.
    """
    known = {}
    with contextlib.suppress(FileNotFoundError), open(CONFIG, encoding="utf-8") as file:
        known = {site["office"]: site for site in json.load(file)["sites"]}
    if ask["office"] not in known:
        raise Refused("unserved", ask["office"])
    site = Site(ask["office"])
    if ask["do"] == "receive" and not NAME.fullmatch(ask["release"]):
        raise Refused("unknown", ask["release"])
    archive = uploaded(ask["login"], ask["archive"]) if ask.get("archive") else None
    user = pwd.getpwnam(known[ask["office"]]["user"])
    if os.geteuid() == 0:  # what lies there was made by that account, and leads only where it may go
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    os.umask(0o022)
    if ask["do"] == "look":
        return site.look(ask)
    os.makedirs(site.releases, mode=0o755, exist_ok=True)
    lock = os.open(f"{site.home}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + 60
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > until:
                raise Refused("busy", ask["office"]) from None
            time.sleep(0.1)
    if ask["do"] == "receive":
        return site.receive(ask, archive)
    return site.flip(ask) if ask["do"] == "flip" else site.drop(ask)


def main() -> None:
    """One question, one answer."""
    try:
        answer = run(json.load(sys.stdin))
    except Refused as reason:
        answer = {"refused": reason.args[0], "about": reason.args[1]}
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        answer = {"refused": "full", "about": str(error.filename or "")}
    except subprocess.CalledProcessError as error:
        answer = {"refused": "full" if b"space" in (error.stderr or b"") else "failed", "about": str(error)[:200]}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
