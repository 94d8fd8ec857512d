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
from provisioner.findings import Finding, Level
from provisioner.inventory.target import Target, state_home

KEPT_DAYS = 60  # of samples; a trend looks at all of them
WAIT_S = 20.0
WORST = "worst"  # of an office at each round: a sample of no host
# `told` are the findings that are not well, `well` how many others there are; the whole comes last, where it costs nobody who
# does not ask for it: 10,000 offices have a million findings.
_TABLES = """
DROP TABLE IF EXISTS report;
CREATE TABLE IF NOT EXISTS newest (target TEXT PRIMARY KEY, inventory TEXT, office TEXT, lab INTEGER, at REAL, took_s REAL,
  worst INTEGER, well INTEGER, told TEXT, findings TEXT);
CREATE TABLE IF NOT EXISTS sample (target TEXT, host TEXT, what TEXT, at REAL, value REAL);
CREATE INDEX IF NOT EXISTS sample_by_host ON sample (target, host, what, at);
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An office's newest report; `at` in seconds since 1970; `well`: how many that are well are not among the findings."""

    office: str
    at: float
    took_s: float
    findings: tuple[Finding, ...]
    well: int = 0


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
            file.execute("PRAGMA synchronous=NORMAL")  # with WAL: a power cut may cost the last round, never the file
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
    known = list(findings)
    told, said = (
        json.dumps([one.as_object() for one in some]) for some in ([one for one in known if one.level > Level.OK], known)
    )
    well = sum(one.level is Level.OK for one in known)
    row = (target.id, str(target.inventory), target.office, target.lab, now, took_s, worst, well, told, said)
    file.execute("INSERT OR REPLACE INTO newest VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
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


def newest(file: sqlite3.Connection, inventory: Path, *, whole: bool = True) -> list[Kept]:
    """The newest report of each real office of an inventory, the worst first; not `whole`: what is well is only counted."""
    part = "0, findings" if whole else "well, told"
    asked = f"SELECT office, at, took_s, {part} FROM newest WHERE inventory = ? AND NOT lab ORDER BY worst DESC, office"  # noqa: S608 - ours
    return [
        Kept(office, at, took_s, tuple(Finding.of(one) for one in json.loads(said)), well)
        for office, at, took_s, well, said in file.execute(asked, (str(inventory),))
    ]


def moments(file: sqlite3.Connection, inventory: Path) -> dict[str, float]:
    """When each real office of an inventory was looked at last (s since 1970)."""
    return dict(file.execute("SELECT office, at FROM newest WHERE inventory = ? AND NOT lab", (str(inventory),)))


def kept(file: sqlite3.Connection, target: Target) -> Kept | None:
    """An office's newest report, where there is one.

    Raises:
        KeyError, ValueError, TypeError: it was written by no tool of ours.
    """
    row = file.execute("SELECT office, at, took_s, findings FROM newest WHERE target = ?", (target.id,)).fetchone()
    return Kept(row[0], row[1], row[2], tuple(Finding.of(one) for one in json.loads(row[3]))) if row else None
