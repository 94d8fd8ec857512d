"""What one build leaves for the next: hashes of files by their status, parsed pages' needs, pictures' sizes, made pages.

All of it can be lost: it saves time and decides nothing. Files whose status is as young as the note of it are read again, as in
git's index (a second save within one tick of the clock would not be seen).
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from . import source
from .problems import Problem, Refused, problem

HERE = Path(__file__).parent
_OWN = ("key", "release", "folder", "files", "at")
RACY_NS = 2_000_000_000  # FAT notes even seconds; a share may do as it


class Memory:
    """The notes of the last build, and the folder as it is now."""

    def __init__(self, cache: Path, facts: Mapping[str, Any], pages: Path) -> None:
        self.cache, self.pages = cache, pages
        self.notes = _read(cache / "notes.json")
        if not pages.is_dir() or pages.is_symlink():
            raise Refused([problem(pages.name, 0, "no_home")])
        self.entries, self.wrong = source.walk(pages)
        self.looked = False  # whether a file was read for its hash
        self.facts_digest = digest(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode())

    @cached_property
    def own_digest(self) -> str:
        """The hash of this package: another theme or text builds everything anew."""
        files = sorted(path for path in HERE.rglob("*") if path.is_file() and path.suffix in (".py", ".html", ".css", ".yml"))
        return digest(b"".join(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes() for path in files))

    @cached_property
    def digests(self) -> dict[str, str]:
        """The hash of each file of the folder; only what changed since the last build is read."""
        known = self.notes.get("files", {}) if self.notes.get("folder") == str(self.pages) else {}
        found = {}
        for one in self.entries:
            if one.size > source.FILE_LIMIT:
                continue
            status = [one.size, one.mtime_ns, one.inode]
            old = known.get(one.name)
            if old and old[:3] == status and one.mtime_ns + RACY_NS < self.notes["at"]:
                found[one.name] = old[3]
            else:
                found[one.name] = digest(one.path.read_bytes())
                self.looked = True
        return found

    @cached_property
    def key(self) -> str:
        """The hash of all that a release is made from."""
        return digest(json.dumps([self.own_digest, self.facts_digest, sorted(self.digests.items())]).encode())

    def unchanged(self) -> str:
        """The release that the last build made of the same; empty when something is not the same."""
        if self.wrong or self.notes.get("key") != self.key:
            return ""
        release = str(self.notes.get("release", ""))
        if self.looked:  # touched, or too young for the last notes: the next build need not read them
            self.keep(release, {key: value for key, value in self.notes.items() if key not in _OWN})
        return release

    def keep(self, release: str, notes: Mapping[str, Any]) -> None:
        """Note what this build made."""
        files = {e.name: [e.size, e.mtime_ns, e.inode, self.digests[e.name]] for e in self.entries if e.name in self.digests}
        # "at" comes from the same clock as the files' own times: that of the file system's newest file of ours
        new = self.cache / "notes.json.new"
        new.write_text("", encoding="utf-8")
        at = new.stat().st_mtime_ns
        told = {"key": self.key, "release": release, "folder": str(self.pages), "files": files, "at": at, **notes}
        new.write_text(json.dumps(told), encoding="utf-8")
        new.rename(self.cache / "notes.json")


def digest(content: bytes) -> str:
    """A content's name: 32 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(content).hexdigest()[:32]


def _read(path: Path) -> dict[str, Any]:
    try:
        notes = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def as_note(one: Problem) -> list[Any]:
    """A problem as the notes keep it."""
    return [one.file, one.line, one.code, [list(pair) for pair in one.values], one.warning]


def of_note(note: list[Any]) -> Problem:
    """The problem that `as_note` wrote."""
    return Problem(note[0], note[1], note[2], tuple((name, value) for name, value in note[3]), note[4])
