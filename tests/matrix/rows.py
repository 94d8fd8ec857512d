"""The rows of the matrix: what each breaks, which code its cases stand on, and where their results lie.

A case is a test marked `@pytest.mark.case("F4")`; one that only `make matrix` runs is marked `matrix` too. Its result is one
file, named by the content of the code: a changed line makes the cases of its row due again.

The results lie outside git. A row whose every case passed is noted in `whole.json` with a digest of its code and its cases, so
that the README's table is the same in every clone, and a row done on one machine is not done again on the next.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from provisioner.inventory.target import state_home

ROOT = Path(__file__).parents[2]
WHOLE = Path(__file__).parent / "whole.json"

Cases = list[tuple[str, str]]  # row and name

# What a run on a router and a server with small roles goes through.
RUN = (
    *(f"provisioner/{name}.py" for name in ("adopt", "apply", "errors", "packages", "plans", "plays", "processes")),
    *(f"provisioner/{name}" for name in ("runs.py", "ssh.py", "operation", "cli/apply.py", "cli/common.py", "inventory", "lab")),
    *(f"playbooks/{name}" for name in ("ansible.cfg", "apply.yml", "files", "plugins", "roles/base", "roles/mail_relay")),
    *("inventory/offices", "inventory/resellers", "tests/stage.py", "tests/lab/light.py"),
)
# Of these, what no case runs: role base's program for technicians who left, of whom the matrix's reseller has none.
NOT_RUN = ("playbooks/roles/base/files/refuse.py",)
# What an uninterrupted run makes of the matrix's office, and how a run broken off is compared with it.
REFERENCE = (*RUN, "tests/matrix/office.py", "tests/matrix/likeness.py")
BROKEN_OFF = (*REFERENCE, "tests/matrix/faults.py")
PACKAGES = (*RUN, "provisioner/causes.py")
ROOM = (*BROKEN_OFF, "provisioner/causes.py", "provisioner/cli/__main__.py", "tests/lab/small_disks.py")
MIRROR = (*BROKEN_OFF, "provisioner/causes.py", "provisioner/forwarder.py", "tests/lab/bad_mirror.py")
DOSSIER = ("provisioner/inventory", "provisioner/errors.py", "inventory")
# What the tool keeps on the laptop, and the verbs that write it without a machine.
KEPT = (
    *DOSSIER,
    *(f"provisioner/{name}" for name in ("apply.py", "runs.py", "ssh.py", "operation", "access", "record", "documents", "cli")),
    *("tests/traced.py", "tests/handover.py"),
)


@dataclass(frozen=True)
class Row:
    """One line of the table: what is broken, and the files and folders that its cases stand on."""

    title: str
    code: tuple[str, ...] = RUN


ROWS = {
    "F1": Row(
        "SIGKILL: the tool alone, the tool with all its children; before each task that changes a machine, and at random moments",
        BROKEN_OFF,
    ),
    "F2": Row("the link cut both ways, short and long; before each task that changes a machine", BROKEN_OFF),
    "F3": Row(
        "the host's power cut, and on again; before each task that changes a machine, and at random moments inside dpkg",
        BROKEN_OFF,
    ),
    "F4": Row("dpkg half-configured, locked, a package script that fails, a machine that updates itself", PACKAGES),
    "F5": Row("`/`, `/var`, `/tmp` full, inodes gone, on the host and on the laptop", ROOM),
    "F6": Row("the package mirror down, slow, wrong, expired, a portal's page in its place", MIRROR),
    "F7": Row(
        "clocks off by a day, by ten years, at 1970",
        (
            *RUN,
            *(f"provisioner/{name}.py" for name in ("clock", "doctor", "proofs/clock", "proofs/there/server")),
            "playbooks/roles/backup/files/nightly.py",
            "tests/wrong_clock.c",
            "tests/wrong_clock.py",
        ),
    ),
    "F8": Row(
        "wrong sudo password, key refused, host key changed, no shell, an sshd that refuses us for a while",
        (*RUN, "tests/lab/impostor.py"),
    ),
    "F9": Row("one of ten hosts dead, or silent", (*RUN, "tests/lab/impostor.py")),
    "F10": Row(
        "two technicians in the same second, a dead laptop's lease, a live one cut off, an older clone",
        (*RUN, "tests/lab/technicians.py"),
    ),
    "F11": Row("a kill, or no space, at every write, rename and fsync of what the tool keeps", KEPT),
    "F12": Row(
        "garbage dossiers", (*DOSSIER, "provisioner/cli/__main__.py", "provisioner/cli/common.py", "provisioner/cli/office.py")
    ),
    "T1": Row(
        "the audit edited, cut, reordered, back-dated, forged, with two heads",
        ("provisioner/runs.py", "provisioner/inventory/git.py"),
    ),
    "T2": Row("client text that spells code, in every field, in every output"),
    "T3": Row("secrets searched wherever they must not be, after a good, a failed, a told-all and a killed run"),
    "T4": Row("a lost laptop's disk, locked", (*DOSSIER, "provisioner/cli/common.py", "provisioner/cli/secrets.py")),
    "T5": Row("impostors: another host key at adoption and after, on each way in", (*RUN, "tests/lab/impostor.py")),
}


@cache
def content(paths: tuple[str, ...]) -> str:
    """A digest of files and folders, by their path in the repository."""
    total = hashlib.sha256()
    for top in (ROOT / path for path in paths):
        for path in sorted(top.rglob("*") if top.is_dir() else [top]):
            name = str(path.relative_to(ROOT))
            if path.is_file() and "__pycache__" not in path.parts and name not in NOT_RUN:
                total.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


@cache
def pack(roles: tuple[str, ...] = ("base", "mail_relay")) -> str:
    """What the pack asks of these roles: the rest of it is nothing to a light office."""
    asked = yaml.safe_load((ROOT / "inventory/packs/standard-2026.1.yml").read_text())["kinds"]
    return json.dumps({kind: {role: asked[kind].get(role) for role in roles} for kind in sorted(asked)}, sort_keys=True)


@cache
def code(row: str, file: str) -> str:
    """A digest of what a row's cases in a test file stand on."""
    return hashlib.sha256(f"{content((*ROWS[row].code, file))}{pack()}".encode()).hexdigest()[:12]


def home() -> Path:
    """Where results lie: the state folder, outside git."""
    return state_home() / "matrix"


def kept(row: str, case: str) -> Path:
    """The file of a case's result; the case is named as pytest names it, `tests/lab/test_matrix.py::test_…[…]`."""
    file, _, name = case.partition("::")
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")
    if len(plain) > 120:  # of a long parameter
        plain = f"{plain[:100]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return home() / row / f"{Path(file).stem}-{plain}-{code(row, file)}.json"


def passed(row: str, case: str) -> bool | None:
    """Whether a case passed on this very code; None: it is yet to be done."""
    try:
        return bool(json.loads(kept(row, case).read_text())["passed"])
    except (OSError, ValueError):
        return None


def _cases_of(row: str, cases: Cases) -> list[str]:
    return [case for found, case in cases if found == row]


def _stands_on(row: str, cases: Cases) -> str:
    """A digest of a row's cases and of all the code they stand on."""
    mine = [[case, code(row, case.partition("::")[0])] for case in sorted(_cases_of(row, cases))]
    return hashlib.sha256(json.dumps(mine).encode()).hexdigest()[:12]


def whole(row: str, cases: Cases) -> bool:
    """Whether every case of a row passed on this very code, here or where it was noted."""
    if all(passed(row, case) for case in _cases_of(row, cases)):
        return True
    noted = json.loads(WHOLE.read_text(encoding="utf-8")) if WHOLE.exists() else {}
    return bool(noted.get(row) == _stands_on(row, cases))


def note(cases: Cases) -> None:
    """Note the rows that are whole now; what was noted of other code goes."""
    noted = {row: _stands_on(row, cases) for row in ROWS if _cases_of(row, cases) and whole(row, cases)}
    WHOLE.write_text(json.dumps(noted, indent=1) + "\n", encoding="utf-8")


def table(cases: Cases) -> list[str]:
    """A line a row: its cases, those passed, failed, and left. No row is called passed with cases left."""
    lines = ["| # | fault | cases | passed | failed | left |", "|---|---|---|---|---|---|"]
    for row, about in ROWS.items():
        everything = whole(row, cases)
        results = [everything or passed(row, case) for case in _cases_of(row, cases)]
        counts = (len(results), results.count(True), results.count(False), results.count(None))
        lines.append(f"| {row} | {about.title} | {' | '.join(map(str, counts))} |")
    return lines
