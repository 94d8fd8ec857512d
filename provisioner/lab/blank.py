"""What a machine has on its disk before it boots for the first time: a host the login of a shop's Debian, keys of its own, DHCP.

A host that the lab's snapshot holds is not blank: it goes on from there.
"""

import secrets
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.inventory.target import Target
from provisioner.lab import base, disks, frr, machines, network
from provisioner.lab.machines import File, Machine
from provisioner.lab.snapshot import Snapshot
from provisioner.laptop.processes import run
from provisioner.secrets import vault
from provisioner.secrets.models import Secrets


@dataclass(frozen=True, slots=True)
class Origin:
    """What all machines of a lab start from: the base of its suite, the login's /etc/shadow, its vault, a snapshot if any."""

    suite: str
    system: Path
    shadow: str
    kept: Secrets
    snapshot: Snapshot | None = None

    def layers(self, name: str, packages: Sequence[str] = ()) -> list[Path]:
        """The layers of a machine's disk, the topmost first."""
        below = self.snapshot.layers(name, self.system) if self.snapshot else [self.system]
        if packages:  # a snapshot was made over them
            below.insert(-1, base.with_packages(self.suite, packages, base.quiet))
        return below


def origin(suite: str, login: tuple[str, str], target: Target, snapshot: Snapshot | None = None) -> Origin:
    """What the machines of the office's lab start from; the base is there."""
    system = base.path_of(suite)
    return Origin(suite, system, _shadow(system, login), vault.read(target), snapshot)


def make(machine: Machine, plan: network.Network, start: Origin) -> None:
    """Make the disks of a host, from the snapshot or blank."""
    if start.snapshot and start.snapshot.has(machine.name):
        # it was made for another line, maybe
        files = _plain(network.outer_files(plan)) if machine.name == plan.router else {}
    else:
        files = _plain(network.files(plan, machine.name)) | machines.host_keys()
        files["etc/machine-id"] = File(f"{secrets.token_hex(16)}\n", 0o444)
        if router := plan.real.get(machine.name):
            files |= frr.files(router, start.kept.routers[router.host])
        files["etc/shadow"] = File(start.shadow, 0o640, gid=42)  # group shadow, base-passwd
    packages = frr.PACKAGES if machine.name in plan.real else ()
    machines.create(machine, start.layers(machine.name, packages), files)
    disks.insert(machine, start.snapshot.disk(machine.name) if start.snapshot else None)


def _plain(contents: Mapping[str, str]) -> dict[str, File]:
    return {path: File(content) for path, content in contents.items()}


def _shadow(system: Path, login: tuple[str, str]) -> str:
    """The base's /etc/shadow with the lab's password, hashed as Debian does (crypt(5); perl is everywhere, crypt not in 3.13)."""
    code = 'my ($p, $s) = map { chomp; $_ } <STDIN>; print crypt($p, "\\$y\\$j9T\\$$s")'
    salted = f"{login[1]}\n{secrets.token_hex(8)}\n"
    made = subprocess.run(["perl", "-e", code], input=salted, capture_output=True, text=True, check=True).stdout
    lines = run(["cat", str(system / "etc/shadow")]).splitlines()
    user, day = login[0], int(time.time() // 86400)
    return "".join(f"{user}:{made}:{day}:0:99999:7:::\n" if line.startswith(f"{user}:") else f"{line}\n" for line in lines)
