"""The deep suite's office: router and server with small real roles, kept as adopted; what an uninterrupted run makes of it."""

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
from provisioner.runs import journal
from tests.applied import rendered
from tests.deep.rows import home
from tests.lab.light import bring_up, inside, light, state
from tests.stage import CommandResult, Stage

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
    """A digest of what the uninterrupted run stands on: as for the applied office, and what this one has of it."""
    return hashlib.sha256(json.dumps([rendered(SUITE), WHOLE, THERE]).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Reference:
    """One uninterrupted run: the tasks that began, when each did (s from the first), and what each host was afterwards.

    `boundaries`: host -> kind of task (`KINDS`) -> number of a task of that kind (from 1) that changed the host.
    """

    tasks: list[str]
    began: list[float]
    boundaries: dict[str, dict[str, int]]
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
    called = f"deep-{code()}"
    with (base.lab_home() / "deep.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not snapshot.find(called, SUITE):
            clear(folder)
            stage = light(folder, WHOLE)
            try:
                bring_up(stage, blank=True)  # what started from a checkpoint cannot become one
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
            others = [one.name for one in (base.lab_home() / "snapshots").glob("*") if not one.name.startswith("deep-")]
            snapshot.prune([called, *others], [one.snapshot for one in every()], lambda _: None)
    return called


def alike(stage: Stage) -> dict[str, dict[str, str]]:
    """What each host is now (`likeness.py`)."""
    program = shlex.quote((ROOM / "likeness.py").read_text())
    return {host: json.loads(inside(stage, host, f"cd / && env LC_ALL=C.UTF-8 python3 -c {program}")) for host in HOSTS}


def apply(stage: Stage, **environment: str) -> CommandResult:
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
        said = apply(stage, KNOB_HOLD=f"0:{hold}")
        assert said.code == 0, said
        lines = [line.split(" ", 2) for line in hold.with_suffix(".begun").read_text().splitlines()]
        events = journal.read_journal(state(stage) / f"journals/{said.data['run']}.jsonl")
        assert apply(stage).data["status"] == "unchanged"
        first = float(lines[0][0])
        return {
            "tasks": [name for _, _, name in lines],
            "began": [float(when) - first for when, _, _ in lines],
            "boundaries": _boundaries(events, [kind_of(action) for _, action, _ in lines]),
            "hosts": alike(stage),
        }


# What breaks in a way of its own; whatever is none of these is a module of ours.
KINDS = {
    "apt": ("apt",),
    "file": ("template", "copy", "file", "files"),
    "command": ("command", "shell"),
    "account": ("user", "group", "accounts"),
    "unit": ("units", "systemd_service"),
}


def kind_of(action: str) -> str:
    """The kind of a task, by the name of its module: `apt` of `ansible.builtin.apt`."""
    name = action.rpartition(".")[2]
    return next((kind for kind, names in KINDS.items() if name in names), "own")


def _boundaries(events: Iterable[runs.Event], kinds: list[str]) -> dict[str, dict[str, int]]:
    """Of each kind the task in the middle of those that changed a host."""
    number = 0
    changed: dict[str, dict[str, list[int]]] = {host: {} for host in HOSTS}
    for event in events:
        number += event.what == "task_started"
        if event.what == "host_changed":
            numbers = changed[event.host].setdefault(kinds[number - 1], [])
            if number not in numbers:
                numbers.append(number)
    return {host: {kind: numbers[len(numbers) // 2] for kind, numbers in found.items()} for host, found in changed.items()}
