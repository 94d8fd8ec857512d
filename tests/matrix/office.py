"""The matrix's office: a router and a server with small real roles, kept as adopted; what an uninterrupted run makes of it."""

import fcntl
import hashlib
import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from provisioner import plays
from provisioner.inventory.target import state_home
from provisioner.lab import base, snapshot
from tests.lab.light import bring_up, light
from tests.stage import Said, Stage

# Each kind of task that the packs use: commands, packages, files with handlers, accounts, units, a file before its package.
ROLES = {"router": ("base",), "server": ("base", "mail_relay")}
HOSTS = ("router", "server")
ROOM = Path(__file__).parent
ROOT = ROOM.parents[1]
SUITE = "trixie"


@cache
def code() -> str:
    """A digest of what the uninterrupted run stands on: the tool, the roles, the example office, and this file's own room."""
    total = hashlib.sha256(plays.tree_digest().encode() + base.path_of(SUITE).name.encode())
    mine = [ROOM / "office.py", ROOM / "likeness.py", ROOT / "tests/lab/light.py", ROOT / "tests/stage.py"]
    for top in (ROOT / "provisioner", ROOT / "inventory"):
        mine += [path for path in top.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in sorted(mine):
        total.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return total.hexdigest()[:12]


def home() -> Path:
    """Where results lie."""
    return state_home() / "matrix"


@dataclass(frozen=True)
class Reference:
    """One uninterrupted run: the tasks that began, in order, and what each host was afterwards."""

    tasks: list[str]
    hosts: dict[str, dict[str, str]]


@contextmanager
def office(folder: Path) -> Iterator[Stage]:
    """A lab of the office, its machines adopted and otherwise blank; gone at the end, its folder too."""
    stage = light(folder, ROLES)
    try:
        said = stage.json("lab", "up", "demo", "--suite", SUITE, "--from", _adopted(folder / "adopted"))
        assert said.code == 0, said
        yield stage
    finally:
        stage.run("lab", "down", "demo")
        shutil.rmtree(folder)


def _adopted(folder: Path) -> str:
    """The snapshot of the adopted machines, made where it is not there yet; older ones go."""
    called = f"matrix-{code()}"
    with (base.lab_home() / "matrix.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not snapshot.find(called, SUITE):
            stage = light(folder, ROLES)
            try:
                bring_up(stage)
                # the office's secrets are made by the first plan: of the same ones every case must make the same files
                assert stage.json("plan", "demo", "--lab").code == 3
                assert stage.run("lab", "save", "demo", called).code == 0
            finally:
                stage.run("lab", "down", "demo")
            others = [one.name for one in (base.lab_home() / "snapshots").glob("*") if not one.name.startswith("matrix-")]
            snapshot.prune([called, *others], [], lambda _: None)
    return called


def alike(stage: Stage) -> dict[str, dict[str, str]]:
    """What each host is now (`likeness.py`)."""
    program = shlex.quote((ROOM / "likeness.py").read_text())
    return {host: json.loads(stage.on(host, f"sudo python3 -c {program}")) for host in HOSTS}


def apply(stage: Stage, **environment: str) -> Said:
    """The plain command."""
    return stage.json("apply", "demo", "--lab", "--yes", timeout_s=600, **environment)


def reference() -> Reference:
    """The uninterrupted run, made once for each content of the code."""
    home().mkdir(parents=True, exist_ok=True)
    kept = home() / f"reference-{code()}.json"
    if not kept.exists():
        with office(home() / "reference") as stage:
            hold = stage.home / "hold"
            said = apply(stage, PROVISIONER_HOLD=f"0:{hold}")
            assert said.code == 0, said
            assert apply(stage).data["status"] == "unchanged"
            found = {"tasks": hold.with_suffix(".begun").read_text().splitlines(), "hosts": alike(stage)}
        kept.with_suffix(".part").write_text(json.dumps(found))
        kept.with_suffix(".part").rename(kept)
    return Reference(**json.loads(kept.read_text()))
