"""What is known of every office at this moment, kept in memory: a scrape or a page asks no office and reads no dossier.

The file of findings is read again when it changed, and of it only the reports that are new; the inventory every few minutes.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock

from provisioner.alerting import Described, offices
from provisioner.check import ignored, store
from provisioner.errors import BadInput
from provisioner.findings import Finding, Level
from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target, state_home
from provisioner.language import N_
from provisioner.monitor import exporter

INVENTORY_S = 300.0
CHUNK = 1000  # offices whose text is joined at a time
UNREADABLE = N_("What the last round found here cannot be read.")


@dataclass(frozen=True, slots=True)
class Report:
    """An office's newest report with what is borne in it; `at` is in seconds since 1970."""

    office: str
    at: float
    findings: Sequence[Finding]
    borne: frozenset[int] = frozenset()

    @property
    def counted(self) -> list[tuple[Finding, bool]]:
        """Each finding, and whether it is counted."""
        return [(one, at not in self.borne) for at, one in enumerate(self.findings)]

    @property
    def worst(self) -> Finding | None:
        """The worst that counts."""
        return max((one for one, counts in self.counted if counts), key=lambda one: one.level, default=None)


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of an office in a line; `level` is None where no round looked at it yet."""

    office: Described
    level: Level | None
    at: float


@dataclass(slots=True)
class _Known:
    at: float
    level: Level
    samples: exporter.Packed


class Watch:
    """The offices of an inventory, as they were at the last `refresh`."""

    def __init__(self, inventory: Path) -> None:
        self.inventory = inventory
        self._lock = Lock()
        self._offices: dict[str, Described] = {}
        self._described: dict[str, dict[str, bytes]] = {}
        self._known: dict[str, _Known] = {}
        self._read_at = float("-inf")
        self._state: object = None
        self._today = date.min

    def refresh(self) -> None:
        """See what changed since the last time.

        Raises:
            BadInput: the file of findings, or the inventory, cannot be read.
        """
        with self._lock:
            now, today = time.monotonic(), date.today()
            anew = now - self._read_at >= INVENTORY_S or today != self._today
            if anew:
                found = {one.name: one for one in offices(open_inventory(self.inventory))}
                self._described = {
                    name: self._described[name] if self._offices.get(name) == one else exporter.described(one)
                    for name, one in found.items()
                }
                self._offices = found
            if anew or _state() != self._state:
                self._read(today, anew=anew)
                self._state = _state()
            if anew:
                self._read_at, self._today = now, today

    def report(self, office: str) -> Report | None:
        """What the last round found in an office, from the file."""
        with store.store() as file:
            return self._judged(file, office, date.today())

    def worst(self, names: Sequence[str]) -> dict[str, Finding]:
        """The worst that counts in each of these offices, where it is not well; read from the file."""
        with store.store() as file:
            reports = [self._judged(file, name, date.today()) for name in names]
        return {one.office: one.worst for one in reports if one and one.worst and one.worst.level > Level.OK}

    def rows(self) -> list[Row]:
        """Every office of the inventory, the worst first."""
        with self._lock:
            rows = [
                Row(one, known.level if known else None, known.at if known else 0.0)
                for name, one in self._offices.items()
                for known in (self._known.get(name),)
            ]
        return sorted(rows, key=lambda row: (-(Level.UNKNOWN if row.level is None else row.level), row.office.name))

    def office(self, name: str) -> Described | None:
        """An office of the inventory."""
        with self._lock:
            return self._offices.get(name)

    def metrics(self, office: str = "") -> Iterator[bytes]:
        """Prometheus' text of all offices, or of one, in pieces."""
        with self._lock:
            names = [office] if office else list(self._offices)
            kept: list[exporter.Samples] = [self._described[name] for name in names if name in self._described]
            kept += [self._known[name].samples for name in names if name in self._known]
        piece: list[bytes] = []
        for lines in exporter.joined(kept):
            piece.append(lines)
            if len(piece) >= CHUNK:
                yield b"".join(piece)
                piece = []
        yield b"".join(piece)

    def _read(self, today: date, *, anew: bool) -> None:
        """Those reports that are new; with `anew` all, because what is borne may have changed."""
        with store.store() as file:
            moments = store.moments(file, self.inventory)
            for name in set(self._known) - (set(moments) & set(self._offices)):
                del self._known[name]
            for name, at in moments.items():
                known = self._known.get(name)
                if name in self._offices and (known is None or known.at != at or (anew and self._bears(name, known))):
                    report = self._judged(file, name, today)
                    if report:
                        level = report.worst.level if report.worst else Level.UNKNOWN
                        self._known[name] = _Known(at, level, exporter.Packed(exporter.found(report)))

    def _bears(self, name: str, known: _Known) -> bool:
        """Whether something is or was borne in an office; most offices bear nothing, and are not read again."""
        return known.samples.bears or (Target(self.inventory, name).kept / "ignored.yml").exists()

    def _judged(self, file: sqlite3.Connection, name: str, today: date) -> Report | None:
        target = Target(self.inventory, name)
        try:
            kept = store.kept(file, target)
        except (KeyError, ValueError, TypeError):
            return Report(name, time.time(), (Finding("reached", Level.UNKNOWN, UNREADABLE),))
        if kept is None:
            return None
        try:
            borne = frozenset(ignored.borne(kept.findings, ignored.read(target), today))
        except BadInput:  # nothing is borne then: red rather than silent
            borne = frozenset()
        return Report(name, kept.at, kept.findings, borne)


def _state() -> tuple[tuple[int, int], ...]:
    """What `stat` says of the file and of its journal: it changes with each report."""
    found = []
    for name in ("check.sqlite", "check.sqlite-wal"):
        try:
            said = (state_home() / name).stat()
            found.append((said.st_mtime_ns, said.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)
