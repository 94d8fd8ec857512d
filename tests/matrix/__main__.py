"""`make matrix`: every case that is due; stop it when you like, it goes on where it was.

ROWS=F1,F4 runs these rows alone. Cases that failed are tried again by the next call. Ends with the table, which goes into
the README too, and with 7 when a case failed or is left. Rows that passed whole are noted in `whole.json`.
"""

import os
import re
import subprocess
import sys
import tempfile

from tests.matrix.rows import ROOT, ROWS, Cases, note, table, whole

PYTEST = [sys.executable, "-m", "pytest", "-p", "tests.matrix.plugin", "-m", ""]
# These have a lab of their own each, or none, so any worker may take any; the others share one in their file.
ALONE = ("F1", "F2", "F3", "F11", "F12", "T1", "T2")
# a case waits for its machines and its package programs more than it works
WORKERS = os.environ.get("WORKERS") or str((os.cpu_count() or 2) + 1)


def cases() -> Cases:
    """All cases there are: row and name."""
    with tempfile.NamedTemporaryFile("r", suffix=".cases") as file:
        done = subprocess.run([*PYTEST, "-q", "--list-cases", file.name], cwd=ROOT, check=False, capture_output=True, text=True)
        found = [tuple(line.rstrip("\n").split(" ", 1)) for line in file]
    if not found:
        raise SystemExit(done.stdout + done.stderr)
    return [(row, case) for row, case in found]


def write(lines: list[str]) -> None:
    """Put the table into the README, between its marks."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    marks = r"(<!-- matrix -->\n).*?(<!-- /matrix -->)"
    new = re.sub(marks, lambda found: f"{found[1]}\n" + "\n".join(lines) + f"\n\n{found[2]}", text, flags=re.DOTALL)
    if new != text:
        readme.write_text(new, encoding="utf-8")


def main(*words: str) -> int:
    """Run what is due of these rows, of all when none is named; `table` only counts."""
    asked = [word for word in words if word in ROWS] or list(ROWS)
    every = cases()
    for rows, dist in ((ALONE, "load"), (tuple(row for row in ROWS if row not in ALONE), "loadfile")):
        mine = [row for row in asked if row in rows and not whole(row, every)]
        if mine and "table" not in words:
            files = sorted({case.partition("::")[0] for row, case in every if row in mine})
            workers = ["-n", WORKERS, "--dist", dist, "--no-loadscope-reorder", "--maxschedchunk", "1", "-v", "--tb=short"]
            subprocess.run([*PYTEST, "--matrix", ",".join(mine), *workers, *files], cwd=ROOT, check=False)
    note(every)
    lines = table(every)
    print("\n".join(lines))
    write(lines)
    return 0 if all(line.endswith("| 0 | 0 |") for line in lines[2:]) else 7


if __name__ == "__main__":
    sys.exit(main(*(word for given in sys.argv[1:] for word in given.split(","))))
