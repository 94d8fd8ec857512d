"""What is known of a lab: the file it is written down in before anything is made, and the lock around it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from provisioner import package_cache
from provisioner.errors import BadInput
from provisioner.inventory.target import Target, runtime_home
from provisioner.lab import base, network
from provisioner.lab.machines import Machine
from provisioner.lab.printers import Printer


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that is up.

    `login` is (user, password) of the blank machines, `proxy` the package cache as hosts reach it, `hosts` a list of
    (name, state, MAC) with the states `up`, `off` and `starting`, `around` the same of what is no host, with addresses (the
    printers, the machine that stands for the providers), `started_s` how long `up` took, in seconds, `inventory` the folder
    whose office it is (that folder may be gone), `snapshot` the folder of the one its hosts started from.
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
        """Its systems by name: the hosts, and last what stands for the providers."""
        plan, hosts = self.network, self.folder / "hosts"
        places = {cable.host: (cable.namespace, cable.link) for cable in plan.cables}
        if plan.provider:
            places[plan.provider.name] = (plan.internet, network.INTERNET_LINK)
        return {name: Machine(name, self.id, hosts / name, *place, self.disks.get(name, 0)) for name, place in places.items()}

    @property
    def printers(self) -> dict[str, Printer]:
        """Its printers by name."""
        folder = self.folder / "printers"
        return {place.cable.host: Printer(place, folder / place.cable.host) for place in self.network.printers}

    def write(self) -> None:
        """Keep it, whole or not at all."""
        path = self.folder / "lab.json"
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(asdict(self), default=str, indent=1), encoding="utf-8")
        new.replace(path)

    @property
    def lab(self) -> Lab:
        """What others may know of it."""
        up = "up" if self.ready else "starting"
        states = {name: up if machine.process else "off" for name, machine in self.machines.items()}
        hosts = [(cable.host, states[cable.host], cable.mac) for cable in self.network.cables]
        around = [(name, "up" if one.process else "off", one.place.address.split("/")[0]) for name, one in self.printers.items()]
        around += [(plan.name, states[plan.name], str(network.INTERNET.ip)) for plan in [self.network.provider] if plan]
        proxy = f"http://{network.INTERNET.ip}:{network.PROXY_PORT}"
        home = Path(self.inventory)
        return Lab(self.office, self.suite, self.login, proxy, hosts, around, self.started_s, home, self.snapshot)


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
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    try:
        forward = data.pop("forward")
        return State(
            **data
            | {
                "login": (data["login"][0], data["login"][1]),
                "network": network.Network.read(data["network"]),
                "forward": package_cache.Forward(Path(forward["record"]), tuple(forward["argv"])) if forward else None,
            }
        )
    except (KeyError, TypeError):
        raise BadInput(f"{path} is of another version of this tool", hint="provisioner lab down, with that one") from None


@contextlib.contextmanager
def locked(lab_id: str) -> Iterator[None]:
    """One `up` or `down` of a lab at a time. The lock lies in memory: `down` leaves nothing on disk."""
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
