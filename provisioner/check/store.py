"""What rounds found, in one SQLite file of the state folder: the newest report of each office, and the numbers that tell a trend.

Everything that shows a report again reads it from here. Two rounds at once write one after the other (SQLite's own lock).
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import BadInput
from provisioner.findings import Finding
from provisioner.inventory.target import Target, state_home

KEPT_DAYS = 60  # of samples; a trend looks at all of them
WAIT_S = 20.0
WORST = "worst"  # of an office at each round: a sample of no host
_TABLES = """
CREATE TABLE IF NOT EXISTS report (target TEXT PRIMARY KEY, inventory TEXT, office TEXT, lab INTEGER, at REAL, took_s REAL,
  worst INTEGER, findings TEXT);
CREATE TABLE IF NOT EXISTS sample (target TEXT, host TEXT, what TEXT, at REAL, value REAL);
CREATE INDEX IF NOT EXISTS sample_by_host ON sample (target, host, what, at);
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An office's newest report; `at` in seconds since 1970."""

    office: str
    at: float
    took_s: float
    findings: tuple[Finding, ...]


@contextlib.contextmanager
def store(path: Path | None = None) -> Iterator[sqlite3.Connection]:
    """The file, open; what was written is kept when the block ends well.

    Raises:
        BadInput: it is no database of ours, or cannot be written.
    """
    where = path or state_home() / "check.sqlite"
    try:
        file = sqlite3.connect(where, timeout=WAIT_S)
        with contextlib.closing(file), file:
            file.execute("PRAGMA journal_mode=WAL")
            file.executescript(_TABLES)
            where.chmod(0o600)
            yield file
    except sqlite3.DatabaseError as problem:
        raise BadInput(
            f"{where} cannot be used: {problem}", hint=f"move it away; only the history of checks is lost: mv {where} {where}.bad"
        ) from None


def keep(
    file: sqlite3.Connection, target: Target, findings: Iterable[Finding], worst: int, *, took_s: float,
    samples: Mapping[tuple[str, str], float],
) -> None:  # fmt: skip
    """Write an office's report down in the place of its former one, and what was measured beside what was before.

    Args:
        samples: (host, what) -> value, now.
    """
    now = time.time()
    said = json.dumps([one.as_object() for one in findings])
    row = (target.id, str(target.inventory), target.office, target.lab, now, took_s, worst, said)
    file.execute("INSERT OR REPLACE INTO report VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    rows = [(target.id, host, what, now, value) for (host, what), value in samples.items()]
    rows.append((target.id, "", WORST, now, float(worst)))
    file.executemany("INSERT INTO sample VALUES (?, ?, ?, ?, ?)", rows)
    file.execute("DELETE FROM sample WHERE target = ? AND at < ?", (target.id, now - KEPT_DAYS * 86400))
    file.commit()


def samples(file: sqlite3.Connection, target: Target) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """What was measured of an office's hosts before: host -> what -> (s since 1970, value), the oldest first."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    asked = "SELECT host, what, at, value FROM sample WHERE target = ? ORDER BY at"
    for host, what, at, value in file.execute(asked, (target.id,)):
        found.setdefault(host, {}).setdefault(what, []).append((at, value))
    return found


def newest(file: sqlite3.Connection, inventory: Path) -> list[Kept]:
    """The newest report of each real office of an inventory, the worst first."""
    asked = "SELECT office, at, took_s, findings FROM report WHERE inventory = ? AND NOT lab ORDER BY worst DESC, office"
    return [
        Kept(office, at, took_s, tuple(Finding.of(one) for one in json.loads(said)))
        for office, at, took_s, said in file.execute(asked, (str(inventory),))
    ]


def moments(file: sqlite3.Connection, inventory: Path) -> dict[str, float]:
    """When each real office of an inventory was looked at last (s since 1970)."""
    return dict(file.execute("SELECT office, at FROM report WHERE inventory = ? AND NOT lab", (str(inventory),)))


def kept(file: sqlite3.Connection, target: Target) -> Kept | None:
    """An office's newest report, where there is one.

    Raises:
        KeyError, ValueError, TypeError: it was written by no tool of ours.
    """
    row = file.execute("SELECT office, at, took_s, findings FROM report WHERE target = ?", (target.id,)).fetchone()
    return Kept(row[0], row[1], row[2], tuple(Finding.of(one) for one in json.loads(row[3]))) if row else None
