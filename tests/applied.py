"""The demo office as applied: made once for each content of what makes it, kept as a snapshot, started in seconds."""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from provisioner.lab import base, every, snapshot
from provisioner.laptop.installed import playbooks
from provisioner.plays.handover import hosts
from tests.stage import EXAMPLE, CommandResult, Stage, make


def rendered(suite: str = "trixie") -> str:
    """A digest of what decides what blank machines become: what roles are given for each host, the playbooks, the Debian.

    Not the bytes of Python files: a comment would cost a whole installation.
    """
    total = hashlib.sha256(base.path_of(suite).name.encode())
    total.update(json.dumps(hosts(EXAMPLE / "offices/demo/dossier.yml"), sort_keys=True, default=str).encode())
    for path in sorted(p for p in playbooks().rglob("*") if p.is_file() and p.suffix not in (".md", ".pyc")):
        total.update(str(path.relative_to(playbooks())).encode() + path.read_bytes())
    return total.hexdigest()[:12]


def name(suite: str = "trixie") -> str:
    """The snapshot's name: the office, the Debian, and a digest of all that made it."""
    return f"tests-{suite}-{rendered(suite)}"


def ensure(folder: Path, suite: str = "trixie") -> str:
    """The snapshot's name, made in `folder` where it is not there yet; older ones of ours that nobody uses go."""
    called = name(suite)
    base.lab_home().mkdir(parents=True, exist_ok=True)
    with (base.lab_home() / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other worker waits for it instead of making it too
        if not snapshot.find(called, suite):
            _make(folder, called, suite)
    return called


def _make(folder: Path, called: str, suite: str) -> None:
    stage = make(folder)
    try:
        said = stage.evidence
        said["up"] = stage.json("lab", "up", "demo", "--suite", suite)
        assert said["up"].code == 0, said["up"]
        said["adopt"] = stage.json("adopt", "demo", "--lab", "--yes")
        assert said["adopt"].code == 0, said["adopt"]
        said["plan"] = stage.json("plan", "demo", "--lab", "--save", str(stage.home / "first.plan"))
        said["apply"] = stage.json("apply", "demo", "--lab", "--plan", str(stage.home / "first.plan"), timeout_s=1200)
        assert said["apply"].code == 0, said["apply"]
        said["again"] = stage.json("apply", "demo", "--lab", "--yes")
        assert stage.run("lab", "save", "demo", called).code == 0
    finally:
        stage.run("lab", "down", "demo")
    kept = {word: asdict(one) for word, one in stage.evidence.items()}
    (snapshot.folder_of(called) / "evidence.json").write_text(json.dumps(kept))
    used = [one.snapshot for one in every()]
    home = base.lab_home() / "snapshots"
    mine = [path.name for path in home.glob("*") if not path.name.startswith(f"tests-{suite}-")]
    snapshot.prune([called, *mine], used, lambda _: None)


@contextmanager
def office(folder: Path, called: str, suite: str = "trixie") -> Iterator[Stage]:
    """A lab of the applied demo office of one's own; its `evidence` is what the verbs said when it was made."""
    stage = make(folder)
    try:
        up = stage.json("lab", "up", "demo", "--suite", suite, "--from", called)
        assert up.code == 0, up
        kept = json.loads((snapshot.folder_of(called) / "evidence.json").read_text())
        stage.evidence |= {word: CommandResult(**one) for word, one in kept.items()}
        yield stage
    finally:
        stage.run("lab", "down", "demo")
