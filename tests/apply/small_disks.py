"""Real disks that are small enough to be filled: under a lab's host, in one, and under this laptop's own folders."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner import lab
from provisioner.lab.remove import mounts_below
from provisioner.laptop.processes import run
from tests.stage import Stage

MIB = 1536  # of the server's disk: a run takes some 300 of it
INODES = 60_000

# Takes all the room but some KiB, or all inodes but some; what the file system keeps for root is root's to take.
_FILL = r"""
import json, os, sys
ask = json.loads(sys.argv[1])
os.makedirs(ask["where"], exist_ok=True)
if ask["inodes"]:
    free = os.statvfs(ask["where"]).f_ffree - ask["left"]
    try:
        for number in range(free):
            os.close(os.open(f"{ask['where']}/{number}", os.O_CREAT | os.O_WRONLY))
    except OSError:
        pass
else:
    size = 64 << 20
    descriptor, at = os.open(f"{ask['where']}/all", os.O_CREAT | os.O_WRONLY), 0
    while size >= 4096:
        room = os.statvfs(ask["where"])
        free = room.f_bavail * room.f_frsize - (ask["left"] << 10)
        try:
            if free < size: raise OSError
            os.posix_fallocate(descriptor, at, size)
            at += size
        except OSError:
            size //= 4
"""


@contextmanager
def small_root(stage: Stage, host: str) -> Iterator[None]:
    """Give a host's `/` a disk of its own, of `MIB`: a real ext4 in a sparse file, the upper layer of its overlay.

    The file stays sparse when the disk is filled: what `_FILL` takes is promised by ext4, not written.
    """
    folder = lab.base.lab_home() / stage.target.id / "hosts" / host
    root, upper, image, disk = folder / "root", folder / "upper", folder / "small.img", folder / "small"
    lab.power_off(stage.target, host)
    (line,) = [line for line in Path("/proc/self/mounts").read_text().splitlines() if line.split()[1] == str(root)]
    lower = next(word for word in line.split()[3].split(",") if word.startswith("lowerdir="))
    with image.open("wb") as file:
        file.truncate(MIB << 20)
    run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", str(INODES), str(image)])
    disk.mkdir()
    try:
        run(["mount", "-o", "loop", str(image), str(disk)])
        run(["cp", "-a", "--one-file-system", str(upper), str(disk / "upper")])
        run(["mkdir", str(disk / "work")])
        run(["umount", str(root)])
        layers = f"{lower},upperdir={disk / 'upper'},workdir={disk / 'work'}"
        run(["mount", "-t", "overlay", "-o", layers, "small", str(root)])
        lab.power_on(stage.target, host)
        yield
    finally:
        lab.power_off(stage.target, host)
        for point in (root, disk):
            if point in mounts_below(point):
                run(["umount", str(point)])


def small_folder(stage: Stage, host: str, folder: str, mib: int, inodes: int) -> None:
    """Put a tmpfs with room for so much more in a folder's place on a host, with all that is in it; until its next start."""
    root(
        stage,
        host,
        f"set -e; mkdir -p /run/small; size=$(($(du -skx {folder} | cut -f1) / 1024 + {mib}));"
        f" many=$(($(find {folder} -xdev | wc -l) + {inodes}));"
        f" mount -t tmpfs -o size=${{size}}m,nr_inodes=$many,mode=$(stat -c %a {folder}) small /run/small;"
        f" cp -ax {folder}/. /run/small; mount --bind /run/small {folder}; umount /run/small",
    )


def fill(stage: Stage, host: str, folder: str, *, inodes: bool = False, left: int = 0) -> None:
    """Leave so many KiB, or inodes, on the disk of a host's folder."""
    ask = {"where": f"{folder.rstrip('/')}/.filler", "inodes": inodes, "left": left}
    root(stage, host, f"python3 -c {shlex.quote(_FILL)} {shlex.quote(json.dumps(ask))}")


def free(stage: Stage, host: str, folder: str) -> None:
    """Take it back."""
    root(stage, host, f"rm -rf --one-file-system {folder.rstrip('/')}/.filler")


def root(stage: Stage, host: str, line: str) -> str:
    """What a line printed, run by root on a host."""
    return stage.on(host, f"sudo sh -c {shlex.quote(line)}")


@contextmanager
def small_here(folder: Path, mib: int = 4, inodes: int = 400) -> Iterator[None]:
    """Put a tmpfs in the place of a folder of this laptop; its content goes with it."""
    folder.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,nr_inodes={inodes},mode=700,uid={os.getuid()}", "small", str(folder)])
    try:
        yield
    finally:
        run(["umount", str(folder)])


def fill_here(folder: Path, *, inodes: bool = False, left: int = 0) -> None:
    """As `fill`, on this laptop; refuses whatever is not a small file system made for it."""
    room = os.statvfs(folder)
    assert folder in mounts_below(folder) and room.f_blocks * room.f_frsize < 64 << 20, folder
    ask = {"where": str(folder / ".filler"), "inodes": inodes, "left": left}
    subprocess.run(["python3", "-c", _FILL, json.dumps(ask)], check=True)


def free_here(folder: Path) -> None:
    """Take it back."""
    subprocess.run(["rm", "-rf", "--one-file-system", str(folder / ".filler")], check=True)
