"""`make matrix`: every case that is due, one after another; stop it when you like, it goes on where it was.

One result file a case, named by row, fault, boundary and the content of the code: a changed line makes the cases due again.
"""

import hashlib
import inspect
import json
import sys
import time
from pathlib import Path

from tests.matrix import faults
from tests.matrix.faults import ROWS, Fault, case
from tests.matrix.office import code, home, reference


def kept(row: str, fault: Fault, boundary: int) -> Path:
    """Where the result of a case lies."""
    digest = hashlib.sha256(code().encode() + inspect.getsource(faults).encode()).hexdigest()[:12]
    return home() / row / f"{fault.__name__}-{boundary:02}-{digest}.json"


def table(boundaries: int) -> list[str]:
    """A line a row: cases, passed, failed, left. No row is called passed with cases left."""
    lines = ["| # | fault | cases | passed | failed | left |", "|---|---|---|---|---|---|"]
    for row, (title, ways) in ROWS.items():
        paths = [kept(row, fault, boundary) for fault in ways for boundary in range(1, boundaries + 1)]
        results = [json.loads(path.read_text())["passed"] for path in paths if path.exists()]
        counts = (len(paths), results.count(True), results.count(False), len(paths) - len(results))
        lines.append(f"| {row} | {title} | {' | '.join(map(str, counts))} |")
    return lines


def main(*rows: str) -> int:
    """Run what is due of these rows, of all when none is named; 7 when a case failed or is left."""
    print("the uninterrupted run", flush=True)
    tasks = reference().tasks
    # spread first, so that a matrix that is stopped early has seen the beginning, the middle and the end of a run
    order = sorted(range(1, len(tasks) + 1), key=lambda n: (int(f"{n:08b}"[::-1], 2), n))
    for boundary in order:
        for row, (_, ways) in ROWS.items():
            for fault in ways if not rows or row in rows else ():
                path = kept(row, fault, boundary)
                if path.exists():
                    continue
                began, problem = time.monotonic(), ""
                try:
                    case(fault, boundary)
                except AssertionError as error:
                    problem = str(error)[:4000]
                path.parent.mkdir(exist_ok=True)
                result = {"passed": not problem, "problem": problem, "task": tasks[boundary - 1]}
                path.write_text(json.dumps({**result, "took_s": round(time.monotonic() - began, 1)}))
                word = "FAILED" if problem else "passed"
                print(f"{row} {fault.__name__} before {boundary}/{len(tasks)} “{tasks[boundary - 1]}”: {word}", flush=True)
                if problem:
                    print(f"  {problem[:600]}", flush=True)
    lines = table(len(tasks))
    print("\n".join(lines))
    return 0 if all(line.endswith("| 0 | 0 |") for line in lines[2:]) else 7


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
