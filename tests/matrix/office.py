"""The matrix's office: a router and a server with small real roles, kept as adopted; what an uninterrupted run makes of it."""

import fcntl
import hashlib
import json
import random
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from provisioner import lab, runs
from provisioner.lab import base, every, snapshot
from tests.lab.light import bring_up, inside, light, state
from tests.matrix.rows import REFERENCE, content, home, pack
from tests.stage import Said, Stage

# Each kind of task that the packs use: commands, packages, files with handlers, accounts, units, a file before its package.
# The router's own are played where `whole` is asked for: they are the server's `base` again, and cost much.
WHOLE = {"router": ("base",), "server": ("base", "mail_relay")}
ROLES = {"server": WHOLE["server"]}
HOSTS = ("router", "server")
ROOM = Path(__file__).parent
SUITE = "trixie"
# Large packages that a run installs like any other: here already, so that a case takes less of the machine.
THERE = {
    "router": "ca-certificates locales",
    "server": "ca-certificates locales aide cracklib-runtime debsums libpam-pwquality needrestart",
}


@cache
def code() -> str:
    """A digest of what the uninterrupted run stands on."""
    return hashlib.sha256(f"{content(REFERENCE)}{pack()}{base.path_of(SUITE).name}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Reference:
    """One uninterrupted run: the tasks that began, when each did (s from the first), and what each host was afterwards.

    `boundaries` are numbers of tasks (from 1): the first one, and each that says it changed a machine. Before the others the
    machines are as before the next of these, as far as tasks say, so a run broken off there is the same case.
    """

    tasks: list[str]
    began: list[float]
    boundaries: list[int]
    hosts: dict[str, dict[str, str]]

    def moment(self, seed: int) -> tuple[int, float]:
        """A random moment before the last task: the number of the task it falls into (from 1), and how far into it, in s."""
        at = random.Random(seed).uniform(0, self.began[-1])
        number = sum(began <= at for began in self.began)
        return number, at - self.began[number - 1]


@contextmanager
def office(folder: Path, *, whole: bool = False) -> Iterator[Stage]:
    """A lab of the office, its machines adopted and otherwise blank; gone at the end, its folder too."""
    clear(folder)
    stage = light(folder, WHOLE if whole else ROLES)
    try:
        said = stage.json("lab", "up", "demo", "--suite", SUITE, "--from", _adopted(folder / "adopted"))
        assert said.code == 0, said
        for host in HOSTS:  # the lists of an old snapshot are as good as new: fetching them is no part of a case
            inside(stage, host, "touch /var/lib/apt/lists")
        yield stage
    finally:
        clear(folder)


def clear(folder: Path) -> None:
    """Take down the lab that stands on a folder and remove it: at the end, and what a killed call left before the beginning."""
    if folder.exists():
        stage = Stage(folder / "inventory", folder / "state")
        if stage.dossier.exists():
            said = stage.run("lab", "down", "demo")
            assert said.code == 0, said
        shutil.rmtree(folder)


def _adopted(folder: Path) -> str:
    """The snapshot of the adopted machines, made where it is not there yet; older ones go."""
    called = f"matrix-{code()}"
    with (base.lab_home() / "matrix.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not snapshot.find(called, SUITE):
            clear(folder)
            stage = light(folder, WHOLE)
            try:
                bring_up(stage)
                found = lab.find(stage.target)
                assert found
                way = f"sudo env http_proxy={found.proxy} DEBIAN_FRONTEND=noninteractive apt-get -q"
                for host, packages in THERE.items():
                    stage.on(host, f"{way} update && {way} install -y --no-install-recommends {packages}")
                # the office's secrets are made by the first plan: of the same ones every case must make the same files
                assert stage.json("plan", "demo", "--lab").code == 3
                assert stage.run("lab", "save", "demo", called).code == 0
            finally:
                clear(folder)
            others = [one.name for one in (base.lab_home() / "snapshots").glob("*") if not one.name.startswith("matrix-")]
            snapshot.prune([called, *others], [one.snapshot for one in every()], lambda _: None)
    return called


def alike(stage: Stage) -> dict[str, dict[str, str]]:
    """What each host is now (`likeness.py`)."""
    program = shlex.quote((ROOM / "likeness.py").read_text())
    return {host: json.loads(inside(stage, host, f"cd / && env LC_ALL=C.UTF-8 python3 -c {program}")) for host in HOSTS}


def apply(stage: Stage, **environment: str) -> Said:
    """The plain command."""
    return stage.json("apply", "demo", "--lab", "--yes", timeout_s=600, **environment)


def reference(*, whole: bool = False) -> Reference:
    """The uninterrupted run, made once for each snapshot of the adopted machines: others would have other secrets."""
    home().mkdir(parents=True, exist_ok=True)
    kept = snapshot.folder_of(_adopted(home() / "adopted")) / f"reference{'-whole' * whole}.json"
    with (home() / "reference.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other worker waits for it instead of making it too
        if not kept.exists():
            part = kept.with_suffix(".part")
            part.write_text(json.dumps(_uninterrupted(whole=whole)))
            part.rename(kept)
    return Reference(**json.loads(kept.read_text()))


def _uninterrupted(*, whole: bool) -> dict[str, Any]:
    with office(home() / "reference", whole=whole) as stage:
        hold = stage.home / "hold"
        said = apply(stage, PROVISIONER_HOLD=f"0:{hold}")
        assert said.code == 0, said
        lines = [line.split(" ", 1) for line in hold.with_suffix(".begun").read_text().splitlines()]
        boundaries = _boundaries(runs.read_journal(state(stage) / f"journals/{said.data['run']}.jsonl"))
        assert apply(stage).data["status"] == "unchanged"
        first = float(lines[0][0])
        return {
            "tasks": [name for _, name in lines],
            "began": [float(when) - first for when, _ in lines],
            "boundaries": boundaries,
            "hosts": alike(stage),
        }


def _boundaries(events: Iterable[runs.Event]) -> list[int]:
    number, found = 0, {1}
    for event in events:
        number += event.what == "task_started"
        if event.what == "host_changed":
            found.add(number)
    return sorted(found)
