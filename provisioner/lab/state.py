"""What is known of a lab: the file it is written down in before anything is made, and the lock around it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from provisioner import package_cache
from provisioner.errors import BadInput, Missing
from provisioner.inventory.target import Target, runtime_home
from provisioner.lab import base, network
from provisioner.lab.machines import Machine
from provisioner.lab.network import Line

LINE = "line.json"  # beside lab.json: whoever counts the lines of an Internet need know no more of a lab


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that is up.

    `login` is (user, password) of the blank machines, `proxy` the package cache as hosts reach it, `hosts` a list of
    (name, state, MAC) with the states `up`, `off` and `starting`, `around` the same of what is no host, with addresses (the
    printers, the machine that stands for the providers), `started_s` how long `up` took, in seconds, `inventory` the folder
    whose office it is (that folder may be gone), `snapshot` the folder of the one its hosts started from, `line` its line to an
    Internet that it shares, None when it is alone.
    """

    office: str
    suite: str
    login: tuple[str, str]
    proxy: str
    hosts: list[tuple[str, str, str]]
    around: list[tuple[str, str, str]]
    started_s: float
    inventory: Path
    snapshot: str = ""
    line: Line | None = None

    @property
    def target(self) -> Target:
        """What `down` and the others take."""
        return Target(self.inventory, self.office, lab=True)


@dataclass(slots=True)
class State:
    """What lab.json holds: all names of what the lab makes, written before anything is made."""

    office: str
    inventory: str
    id: str
    suite: str
    login: tuple[str, str]
    network: network.Network
    disks: dict[str, int] = field(default_factory=dict)  # host -> size of its second disk in MiB
    forward: package_cache.Forward | None = None
    ready: bool = False
    started_s: float = 0.0
    snapshot: str = ""  # the folder of the snapshot its hosts start from

    @property
    def folder(self) -> Path:
        """Where all of the lab lies."""
        return folder_of(self.id)

    @property
    def machines(self) -> dict[str, Machine]:
        """The systems of its hosts, by name."""
        hosts = self.folder / "hosts"
        return {
            cable.host: Machine(
                cable.host, self.id, hosts / cable.host, cable.namespace, cable.link, self.disks.get(cable.host, 0)
            )
            for cable in self.network.cables
        }

    def write(self) -> None:
        """Keep it, whole or not at all; the line has a file of its own."""
        path, data = self.folder / "lab.json", asdict(self)
        del data["network"]["line"]
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(data, default=str, indent=1), encoding="utf-8")
        new.replace(path)


def folder_of(lab_id: str) -> Path:
    """The folder of the lab with this id."""
    return base.lab_home() / lab_id


def id_of(target: Target) -> str:
    """The id of the office's lab."""
    return Target(target.inventory, target.office, lab=True).id


def read(lab_id: str) -> State | None:
    """The lab's state; None when there is none. A torn or older file is an error, never "no lab"."""
    path = folder_of(lab_id) / "lab.json"
    try:
        written = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        data = json.loads(written)
        forward = data.pop("forward")
        return State(
            **data
            | {
                "login": (data["login"][0], data["login"][1]),
                "network": replace(network.Network.read(data["network"]), line=line_of(lab_id)),
                "forward": package_cache.Forward(Path(forward["record"]), tuple(forward["argv"])) if forward else None,
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput(f"{path} is of another version of this tool", hint="provisioner lab down, with that one") from None


def line_of(lab_id: str) -> Line | None:
    """The lab's line to an Internet that it shares; None when it has none."""
    try:
        data = json.loads((folder_of(lab_id) / LINE).read_text(encoding="utf-8"))
        return Line(data["internet"], data["number"])  # another version may note more
    except FileNotFoundError:
        return None


def ready(target: Target) -> State:
    """The state of the office's lab, which must be up.

    Raises:
        Missing: it is not; the hint says how to bring it up.
    """
    state = read(id_of(target))
    if state is None or not state.ready:
        raise Missing(f"the lab of {target.office} is not up", hint=f"provisioner lab up {target.office}")
    return state


@contextlib.contextmanager
def locked(lab_id: str) -> Iterator[None]:
    """One `up` or `down` of a lab at a time, and by its id one change of an Internet that labs share.

    The lock lies in memory: `down` leaves nothing on disk.
    """
    path = runtime_home() / f"lab-{lab_id}.lock"
    while True:
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists() or path.stat().st_ino != os.fstat(lock.fileno()).st_ino:
                continue  # a `down` removed it while we waited
            try:
                yield
            finally:
                if not folder_of(lab_id).exists():
                    path.unlink()
            return
