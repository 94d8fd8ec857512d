"""Snapshots: a lab's disks and what is known of it, kept so that other labs start from there in seconds.

A snapshot is the upper layer of each host's disk over the base, the lab's second disks, and its files in the state folder
(pins, keys, secrets, summaries). It is made once and never written again: labs that start from it lay a layer of their own
over it, and what is kept of those lies over it too. What it holds is a lab's, so nothing in it is a client's.
"""

import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    "proofs",
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot on disk: of which office, on which base, with which login its blank machines had."""

    folder: Path
    office: str
    suite: str
    base: str
    login: tuple[str, str]
    below: "Snapshot | None" = None  # the one that its own lab started from

    def layers(self, host: str, system: Path) -> list[Path]:
        """The layers of a host's disk, the topmost first; a host that it lacks is blank."""
        mine = self.folder / "hosts" / host
        below = self.below.layers(host, system) if self.below else [system]
        return [mine, *below] if mine.is_dir() else below

    def has(self, host: str) -> bool:
        """Whether the host is in it."""
        return (self.folder / "hosts" / host).is_dir() or bool(self.below and self.below.has(host))

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
        below = find(data["below"], suite) if data.get("below") else None
        login = (data["login"][0], data["login"][1])
        found = Snapshot(folder, data["office"], data["suite"], data["base"], login, below)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, IndexError):
        raise BadInput(f"{folder} is no snapshot of this version", hint=f"rm -r --one-file-system {folder}") from None
    if data.get("below") and not below:
        return None  # what it lies on is gone
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
    below = Path(state.snapshot).name if state.snapshot else ""
    found = {"office": state.office, "suite": state.suite, "base": system, "login": list(state.login), "below": below}
    (beside / "snapshot.json").write_text(json.dumps(found), encoding="utf-8")
    if folder.exists():
        remove_tree(folder)
    beside.rename(folder)
    return get(name, state.suite)


def prune(wanted: Sequence[str], in_use: Sequence[str], say: Callable[[str], None]) -> None:
    """Remove snapshots that are neither wanted nor under a lab that is up, and what a killed `keep` left."""
    home = base.lab_home() / "snapshots"
    below = {name for kept in (*wanted, *(Path(one).name for one in in_use)) for name in _below(home / kept)}
    for folder in home.iterdir() if home.is_dir() else ():
        if folder.name not in (*wanted, *below) and str(folder) not in in_use:
            say(f"removing the snapshot {folder.name}")
            remove_tree(folder)


def _below(folder: Path) -> Iterator[str]:
    """The names of those a snapshot lies on."""
    try:
        name = json.loads((folder / "snapshot.json").read_text(encoding="utf-8")).get("below")
    except (OSError, ValueError):
        return
    if name:
        yield name
        yield from _below(folder.parent / name)


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
