"""A host's second disk: a real ext4 in a sparse file, mounted outside and bound into the host, which thus has a real mount."""

from pathlib import Path

from provisioner.lab.machines import Machine
from provisioner.lab.remove import mounts_below
from provisioner.laptop.processes import run

LABEL = "office-backup"
SIZE_MIB = 1024


def insert(machine: Machine, previous: Path | None = None) -> None:
    """Make the host's second disk, if it has one, as a copy of the image `previous` if that is there, and mount it.

    The loop device frees itself at the last unmount (mount(8), autoclear), also when its maker was killed in between.

    Raises:
        HostFailed: it cannot be made or mounted.
    """
    if not machine.disk_mib or machine.disk in mounts_below(machine.disk):
        return
    machine.disk.mkdir(exist_ok=True)
    if not machine.image.exists():
        new = machine.image.with_suffix(".new")
        if previous and previous.exists():
            run(["cp", "--sparse=always", "--reflink=auto", str(previous), str(new)])
        else:
            with new.open("wb") as file:
                file.truncate(machine.disk_mib << 20)
            # root owns its top folder, none of it is kept for root alone: full means full, as on a client's disk
            run(["mkfs.ext4", "-q", "-F", "-L", LABEL, "-m", "0", "-E", "root_owner=0:0", str(new)])
        new.rename(machine.image)
    run(["mount", "-t", "ext4", "-o", "loop,nosuid,nodev,noexec,noatime", str(machine.image), str(machine.disk)])
