"""Snapshots: a lab's disks and what is known of it, kept so that other labs start from there in seconds.

A snapshot is the upper layer of each host's disk over the base, the lab's second disks, and its files in the state folder
(pins, keys, secrets, summaries). It is made once and never written again: labs that start from it lay a layer of their own
over it. What it holds is a lab's, so nothing in it is a client's.
"""

import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import BadInput, Missing
from provisioner.inventory.target import Target
from provisioner.lab import base
from provisioner.lab.machines import Machine
from provisioner.lab.remove import remove_tree
from provisioner.lab.state import State
from provisioner.laptop.processes import run

# Of the state folder: what the next lab must know to be at home on these disks.
STATE = (
    "known_hosts",
    "vault.yml",
    "vault.key",
    "technician",
    "technician.pub",
    "addresses.json",
    "totals.json",
    "runs",
    "records",
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot on disk: of which office, on which base, with which login its blank machines had."""

    folder: Path
    office: str
    suite: str
    base: str
    login: tuple[str, str]

    def layers(self, host: str, system: Path) -> list[Path]:
        """The layers of a host's disk, the topmost first; a host that it lacks is blank."""
        mine = self.folder / "hosts" / host
        return [mine, system] if mine.is_dir() else [system]

    def has(self, host: str) -> bool:
        """Whether the host is in it."""
        return (self.folder / "hosts" / host).is_dir()

    def disk(self, host: str) -> Path:
        """The image of a host's second disk; not there when it had none."""
        return self.folder / "hosts" / f"{host}.disk"

    def recall(self, target: Target) -> None:
        """Put what was known of the hosts into the state folder of the lab that starts from here."""
        for name in STATE:
            _copy(self.folder / "state" / name, target.state / name)


def folder_of(name: str) -> Path:
    """Where the snapshot of this name lies.

    Raises:
        BadInput: it cannot be called so.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", name) or name.endswith(".partial"):
        raise BadInput(f"{name!r} is no name for a snapshot", hint="small letters, digits, dots and hyphens")
    return base.lab_home() / "snapshots" / name


def find(name: str, suite: str) -> Snapshot | None:
    """The snapshot of this name; None when there is none, or when its base is no more."""
    folder = folder_of(name)
    try:
        data = json.loads((folder / "snapshot.json").read_text(encoding="utf-8"))
        found = Snapshot(folder, data["office"], data["suite"], data["base"], (data["login"][0], data["login"][1]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, IndexError):
        raise BadInput(f"{folder} is no snapshot of this version", hint=f"rm -r --one-file-system {folder}") from None
    return found if found.suite == suite and found.base == base.path_of(suite).name else None


def get(name: str, suite: str) -> Snapshot:
    """The same, when it must be there.

    Raises:
        Missing: it is not.
    """
    found = find(name, suite)
    if found is None:
        raise Missing(f"there is no snapshot {name!r} for {suite}", hint="provisioner lab up OFFICE starts from blank machines")
    return found


def check(name: str, state: State, hosts: Iterable[str]) -> None:
    """Say that it cannot be kept, before anything is switched off for it.

    Raises:
        BadInput: the lab started from a snapshot itself, or the name is none.
    """
    folder_of(name)
    if state.snapshot and any(find_layer(state, host) for host in hosts):
        raise BadInput("a snapshot of a lab that started from one is not kept", hint="from blank machines: lab down, lab up")


def keep(name: str, state: State, systems: Mapping[str, Machine], target: Target) -> Snapshot:
    """Make a snapshot of a lab whose `systems` are off and unmounted; their upper layers move into it."""
    folder = folder_of(name)
    beside = folder.with_name(f"{name}.{secrets.token_hex(4)}.partial")
    (beside / "hosts").mkdir(mode=0o700, parents=True)
    (beside / "state").mkdir(mode=0o700)
    for word, machine in systems.items():
        run(["mv", str(machine.folder / "upper"), str(beside / "hosts" / word)])
        if machine.disk_mib:
            run(["mv", str(machine.image), str(beside / "hosts" / f"{word}.disk")])
    for file in STATE:
        _copy(target.state / file, beside / "state" / file)
    system = base.path_of(state.suite).name
    found = {"office": state.office, "suite": state.suite, "base": system, "login": list(state.login)}
    (beside / "snapshot.json").write_text(json.dumps(found), encoding="utf-8")
    if folder.exists():
        remove_tree(folder)
    beside.rename(folder)
    return Snapshot(folder, state.office, state.suite, system, state.login)


def find_layer(state: State, host: str) -> bool:
    """Whether the host's disk has the layer of a snapshot below it."""
    return (Path(state.snapshot) / "hosts" / host).is_dir()


def prune(wanted: Sequence[str], in_use: Sequence[str], say: Callable[[str], None]) -> None:
    """Remove snapshots that are neither wanted nor under a lab that is up, and what a killed `keep` left."""
    home = base.lab_home() / "snapshots"
    for folder in home.iterdir() if home.is_dir() else ():
        if folder.name not in wanted and str(folder) not in in_use:
            say(f"removing the snapshot {folder.name}")
            remove_tree(folder)


def _copy(source: Path, to: Path) -> None:
    """Copy a file or folder over what is there; what the source lacks goes."""
    if to.is_dir():
        shutil.rmtree(to)
    else:
        to.unlink(missing_ok=True)
    if source.is_dir():
        shutil.copytree(source, to)
    elif source.exists():
        shutil.copy2(source, to)
