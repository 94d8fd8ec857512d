"""`make deep`: every case that is due; stop it when you like, it goes on where it was.

ROWS=F1,grade runs these rows alone; ROWS=table only tells what is noted. Cases that failed are tried again by the next call.
Ends with the table, which goes into docs/faults.md too, and with 7 when a case failed or is left, or cases are missing.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.deep import rows
from tests.deep.rows import PROGRAMS, ROOT, Cases

PYTEST = [sys.executable, "-m", "pytest", f"--rootdir={ROOT}", "-p", "tests.deep.plugin", "-m", ""]
# These have a lab of their own each, or none, so any worker may take any; the others share one in their file.
ALONE = ("F1", "F2", "F3", "F11", "F12", "T1", "T2")
COMMANDS = {"grade": [sys.executable, "tests/deep/grades.py"], "bench": [sys.executable, "tests/deep/bench.py"]}
PAGE = ROOT / "docs/faults.md"
# a case waits for its machines and its package programs more than it works
WORKERS = os.environ.get("WORKERS") or str((os.cpu_count() or 2) + 1)


def collect() -> Cases:
    """All cases there are, by row.

    Raises:
        SystemExit: a test file could not be imported: its cases would be left out unseen.
    """
    with tempfile.NamedTemporaryFile("r", suffix=".cases") as file:
        words = [*PYTEST, "-q", f"--list-cases={file.name}"]  # apart, pytest takes the file's folder into account for its root
        done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True)
        text = file.read()
    if done.returncode not in (0, 5) or not text:  # 5: collected, and none run
        raise SystemExit(done.stdout + done.stderr)
    found: dict[str, list[str]] = {row: [f"{command[1]}::{row}"] for row, command in COMMANDS.items()}
    for row, case in json.loads(text):
        found.setdefault(row, []).append(case)
    return found


def play(asked: list[str], cases: Cases) -> None:
    """Run what is due of the rows."""
    tested = [row for row in asked if row not in PROGRAMS and not rows.done(row, cases)]
    for alone in (True, False):
        mine = [row for row in tested if (row in ALONE) == alone]
        files = sorted({case.partition("::")[0] for row in mine for case in cases[row]})
        if mine:
            dist = ["--dist", "load" if alone else "loadfile", "--no-loadscope-reorder", "--maxschedchunk", "1"]
            words = [*PYTEST, "--deep", ",".join(mine), "-n", WORKERS, *dist, "-v", "--tb=short", *files]
            done = subprocess.run(words, cwd=ROOT, check=False)
            if done.returncode not in (0, 1, 2):
                raise SystemExit(f"no case of {', '.join(mine)} could be run, though some are due")
    for row in (row for row in asked if row in PROGRAMS and not rows.done(row, cases)):
        began = time.monotonic()
        done = subprocess.run(COMMANDS[row], cwd=ROOT, check=False)
        rows.keep(row, cases[row][0], ok=done.returncode == 0, took_s=time.monotonic() - began)


def write(lines: list[str], page: Path = PAGE) -> None:
    """Put the table into the page, between its marks."""
    text = page.read_text(encoding="utf-8")
    marks = r"(<!-- deep -->\n).*?(<!-- /deep -->)"
    new = re.sub(marks, lambda found: f"{found[1]}\n" + "\n".join(lines) + f"\n\n{found[2]}", text, flags=re.DOTALL)
    if new != text:
        page.write_text(new, encoding="utf-8")


def main(*words: str) -> int:
    """Run what is due of these rows, of all when none is named; `table` only tells."""
    cases = collect()
    unknown = [word for word in words if word not in cases and word != "table"]
    if unknown:
        print(f"no row {', '.join(unknown)}; there are {', '.join(cases)}", file=sys.stderr)
        return 2
    if wrong := rows.missing(cases):
        print("\n".join(wrong), file=sys.stderr)
        return 7
    asked = [word for word in words if word in cases] or list(cases)
    if "table" not in words:
        rows.begin(asked, cases)
        play(asked, cases)
        rows.note(asked, cases)
    lines = rows.table(cases)
    print("\n".join(lines))
    if "table" in words:
        return 0
    write(lines)
    return 0 if all(rows.done(row, cases) for row in asked) else 7


if __name__ == "__main__":
    sys.exit(main(*(word for given in sys.argv[1:] for word in given.split(","))))
