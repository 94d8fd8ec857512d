"""The rows of the deep suite, where their results lie, and what `tests/deep.json` notes of each.

A case is a test that `make deep` runs: one of a row of faults (`@pytest.mark.case("F4")`), or one that `make test` leaves out
(`@pytest.mark.deep`); of those without a row the test's file is the row. A result is one file in the state folder. A round
goes on where it was stopped, whatever was mended meanwhile; when every row is done the next call begins a new one. No digest of
files decides whether a case is due: the note says which commit it ran on, and `ROWS=table` what was touched since.
"""

import hashlib
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from provisioner.inventory.target import state_home

ROOT = Path(__file__).parents[2]
NOTES = ROOT / "tests/deep.json"
WRITTEN = (NOTES, ROOT / "docs/faults.md", ROOT / "docs/hardening.md")  # by the suite itself

FAULTS = {
    "F1": "SIGKILL: the tool alone, the tool with all its children; before each kind of task on each host, and at random moments",
    "F2": "the link cut both ways, short and long; before each kind of task on each host",
    "F3": "the host's power cut, and on again; before each kind of task on each host, and at random moments inside dpkg",
    "F4": "dpkg half-configured, locked, a package script that fails, a machine that updates itself",
    "F5": "`/`, `/var`, `/tmp` full, inodes gone, on the host and on the laptop",
    "F6": "the package mirror down, slow, wrong, expired, a portal's page in its place",
    "F7": "clocks off by a day, by ten years, at 1970",
    "F8": "wrong sudo password, key refused, host key changed, no shell, an sshd that refuses us for a while",
    "F9": "one of ten hosts dead, or silent",
    "F10": "two technicians in the same second, a dead laptop's lease, a live one cut off, an older clone",
    "F11": "a kill, or no space, at every write, rename and fsync of what the tool keeps",
    "F12": "garbage dossiers",
    "R1": "a push to a router: link, power, laptop, guard cut or killed after each of its steps, a second pusher, refused lines",
    "T1": "the audit edited, cut, reordered, back-dated, forged, with two heads",
    "T2": "client text that spells code, in every field, in every output",
    "T3": "secrets searched wherever they must not be, after a good, a failed, a verbose and a killed run",
    "T4": "a lost laptop's disk, locked",
    "T5": "impostors: another host key at adoption and after, on each way in",
}
# Programs of their own, each one case: it passed when the program ended well.
PROGRAMS = {"grade": "how hard the machines are, by lynis, OpenSCAP and ssh-audit", "bench": "the numbers, as ratios of one run"}

Cases = Mapping[str, list[str]]  # row -> pytest's names of its cases


@dataclass(frozen=True)
class Note:
    """What came of a row: its cases, those passed and failed, the commit and the day (UTC) of the last of them."""

    cases: int
    passed: int
    failed: int
    commit: str
    date: str


def home() -> Path:
    """Where a round's results lie: the state folder, outside git."""
    return state_home() / "deep"


def kept(row: str, case: str) -> Path:
    """The file of a case's result; the case is named as pytest names it, `tests/lab/test_lab.py::test_…[…]`."""
    file, _, name = case.partition("::")
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")[:100]
    return home() / row / f"{Path(file).stem}-{plain}-{hashlib.sha256(case.encode()).hexdigest()[:12]}.json"


def passed(row: str, case: str) -> bool | None:
    """Whether a case passed in this round; None: it is yet to be done."""
    try:
        return bool(json.loads(kept(row, case).read_text(encoding="utf-8"))["passed"])
    except (OSError, ValueError):
        return None


def keep(row: str, case: str, *, ok: bool, problem: str = "", took_s: float = 0) -> None:
    """Keep what came of a case, and the commit it ran on."""
    path = kept(row, case)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    result = {"passed": ok, "problem": problem, "case": case, "took_s": round(took_s, 1), "commit": commit(), "date": _today()}
    part.write_text(json.dumps(result), encoding="utf-8")
    part.rename(path)


def done(row: str, cases: Cases) -> bool:
    """Whether every case of a row passed in this round."""
    return bool(cases[row]) and all(passed(row, case) for case in cases[row])


def begin(rows: list[str], cases: Cases) -> None:
    """Begin a new round of these rows when nothing of them is left to do; otherwise the one that was begun goes on."""
    if all(done(row, cases) for row in rows):
        for row in rows:
            shutil.rmtree(home() / row, ignore_errors=True)


def notes() -> dict[str, Note]:
    """What is noted of each row."""
    found = json.loads(NOTES.read_text(encoding="utf-8")) if NOTES.exists() else {}
    return {row: Note(**one) for row, one in found.items()}


def note(rows: list[str], cases: Cases) -> None:
    """Note the rows of which every case has a result."""
    noted = notes()
    for row in rows:
        results = [kept(row, case) for case in cases[row]]
        if not results or not all(path.exists() for path in results):
            continue
        each = [json.loads(path.read_text(encoding="utf-8")) for path in results]
        last = max(zip((path.stat().st_mtime_ns for path in results), each, strict=True), key=lambda pair: pair[0])[1]
        good = sum(bool(one["passed"]) for one in each)
        noted[row] = Note(len(each), good, len(each) - good, last["commit"], last["date"])
    text = json.dumps({row: asdict(noted[row]) for row in sorted(noted, key=_order)}, indent=1)
    NOTES.write_text(text + "\n", encoding="utf-8")


def missing(cases: Cases) -> list[str]:
    """What is wrong with the cases that were found: a row without any, a row with fewer than were noted."""
    wrong = [f"{row} has no case" for row in (*FAULTS, *PROGRAMS) if not cases.get(row)]
    noted = notes().items()
    return wrong + [
        f"{row} has {len(cases.get(row, []))} cases, fewer than {one.cases} noted in {NOTES.name} (meant? set it there)"
        for row, one in noted
        if len(cases.get(row, [])) < one.cases
    ]


def table(cases: Cases) -> list[str]:
    """A line a row: what its last whole run gave, on which commit, how many commits ago, and what those touched."""
    lines = ["| # | what | cases | passed | failed | commit | date | since |", "|---|---|---|---|---|---|---|---|"]
    noted = notes()
    for row in sorted(cases, key=_order):
        about = FAULTS.get(row) or PROGRAMS.get(row) or "second looks"
        one = noted.get(row)
        seen = f"{one.cases} | {one.passed} | {one.failed} | {one.commit} | {one.date} | {since(one.commit)}" if one else ""
        lines.append(f"| {row} | {about} | {seen or f'{len(cases[row])} | | | | | never whole'} |")
    return lines


def since(commit_id: str) -> str:
    """How many commits ago that was, and which rooms they touched: `3 commits: apply, lab`."""
    count = _git("rev-list", "--count", f"{commit_id}..HEAD")
    if not count:
        return "a commit that is not here"
    if count == "0":
        return "nothing"
    touched = Counter(room(line) for line in (_git("diff", "--name-only", f"{commit_id}..HEAD") or "").splitlines())
    most = [name for name, _ in touched.most_common(6)]
    more = f" and {len(touched) - len(most)} more" if len(touched) > len(most) else ""
    return f"{count} commits: {', '.join(most)}{more}"


def room(path: str) -> str:
    """The room a file belongs to: `apply` of provisioner/apply/plans.py, `base` of playbooks/roles/base/…; else the top one."""
    parts = path.split("/")
    if parts[:2] == ["playbooks", "roles"] and len(parts) > 3:
        return parts[2]
    return parts[1].removesuffix(".py") if len(parts) > 1 and parts[0] in ("provisioner", "playbooks") else parts[0]


def commit() -> str:
    """The commit that runs, in short; with `+` where something is not committed, but for what the suite wrote."""
    ours = [f":!{path.relative_to(ROOT)}" for path in WRITTEN]
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *ours)
    return f"{_git('rev-parse', '--short=9', 'HEAD')}{'+' if changed else ''}"


def _git(*words: str) -> str | None:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _order(row: str) -> tuple[int, int | str]:
    known = [*FAULTS, *PROGRAMS]
    return (0, known.index(row)) if row in known else (1, row)
