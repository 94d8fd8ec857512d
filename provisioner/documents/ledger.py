"""The one hash chain: numbered files in a folder, each with the hash of the one before, so that what was altered shows.

The audit of an office and its records are such ledgers. A file is `<number>-<run>.json`; its entry `former` is the SHA-256 of the
file before it, none for the first.
"""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """What one file of a ledger says of itself; `at` is None where its time means nothing, `problems` are its own."""

    number: int
    previous: str | None
    run: str
    at: datetime | None = None
    problems: Sequence[str] = ()
    joined: Mapping[str, str] = field(default_factory=dict)  # file -> sha256: two heads that this entry holds together


@dataclass(frozen=True)
class Ledger:
    """The numbered files of a folder; `digits` is how long their numbers are, `noun` what one of them is called."""

    folder: Path
    digits: int
    noun: str
    begun: str = "made"  # what an entry's time is the time of
    tolerance: timedelta = timedelta()  # how much earlier than the one before an entry may have begun

    def files(self) -> list[Path]:
        """Its files, in the order of their numbers."""
        name = re.compile(rf"\d{{{self.digits},}}-[^/]+\.json")
        return sorted(path for path in self.folder.iterdir() if name.fullmatch(path.name)) if self.folder.is_dir() else []

    def next_number(self) -> int:
        """The number of the entry to come."""
        files = self.files()
        return int(files[-1].name.partition("-")[0]) + 1 if files else 1

    def newest_sha256(self) -> str | None:
        """The hash of the newest entry, to stand in the one to come."""
        files = self.files()
        return sha256(files[-1]) if files else None

    def name(self, number: int, run: str) -> str:
        """What the file of an entry is called."""
        return f"{number:0{self.digits}d}-{run}.json"

    def heads(self) -> dict[str, str]:
        """What two copies made apart, to be joined: the files from the first number on that stands twice, with their hashes."""
        files = [(int(path.name.partition("-")[0]), path) for path in self.files()]
        twice = [number for (number, _), (other, _) in pairwise(files) if number == other]
        return {path.name: sha256(path) for number, path in files if twice and number >= twice[0]}

    def check(self, read: Callable[[Path, bytes], Entry], joined: Mapping[str, str] | None = None) -> Iterator[str]:
        """What is wrong with the chain, one sentence each; nothing when it holds.

        Args:
            read: takes a file and its bytes; raises ValueError where it is no entry any more.
            joined: two heads to be taken as joined (`heads`), beside those that an entry joined.
        """
        together = dict(joined or {})
        for path in self.files():
            with contextlib.suppress(ValueError, OSError):
                together |= read(path, content(path)).joined
        seals: dict[int, set[str]] = {}
        expected, previous = 1, None
        last: datetime | None = None
        for path in self.files():
            raw = content(path) if path.is_file() else b""
            seal = hashlib.sha256(raw).hexdigest()
            try:
                entry = read(path, raw)
            except ValueError:
                yield f"{path.name}: not a {self.noun} any more"
                previous, expected = seal, expected + 1
                continue
            yield from entry.problems
            if path.name != self.name(entry.number, entry.run):
                yield f"{path.name}: says it is number {entry.number} of run {entry.run}"
            if entry.number > expected:
                yield f"{path.name}: {entry.number - expected} missing before it"
            elif together.get(path.name, seal) != seal:
                yield f"{path.name}: altered after the two heads were joined"
            elif together.get(path.name) == seal and entry.previous in seals.get(entry.number - 1, {None}):
                pass  # of one of two heads that were joined: it follows one of those before it, whichever
            elif entry.number < expected:
                yield f"{path.name}: two heads: number {entry.number} stands twice"
            elif entry.previous != previous:
                yield f"{path.name}: the one before it was altered after it was written"
            if entry.at:
                if last and entry.at < last - self.tolerance and path.name not in together:
                    yield f"{path.name}: {self.begun} before the one it follows"
                last = max(last or entry.at, entry.at)
            seals.setdefault(entry.number, set()).add(seal)
            expected, previous = max(expected, entry.number + 1), seal


def content(path: Path) -> bytes:
    """The bytes of a file; those of a text as we write it, whatever line ends a copy's git gave it (`core.autocrlf`)."""
    raw = path.read_bytes()
    return raw.replace(b"\r\n", b"\n") if path.suffix in (".json", ".yml", ".html") else raw


def sha256(path: Path) -> str:
    """The hash of a file's content, in hex."""
    return hashlib.sha256(content(path)).hexdigest()


def unlike(folder: Path, remembered: Mapping[str, str], altered: str = "altered") -> Iterator[str]:
    """The files that are not what others remember of them (file name -> sha256), one sentence each."""
    for name, digest in sorted(remembered.items()):
        path = folder / name
        if not path.is_file():
            yield f"{name}: deleted"
        elif sha256(path) != digest:
            yield f"{name}: {altered}"
