"""What this laptop must have for a lab, said before anything is touched; `doctor` shows the same list."""

import contextlib
import ctypes
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import Missing

# RUNLEVEL=1 is for machines without systemd: their invoke-rc.d starts nothing in single-user mode.
INSTALL = ("env", "RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends")
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
# Measured: 17 hosts under the kernel's default of 128, and a desktop session of the laptop wants some too (FACTS, Lab).
INOTIFY_PER_HOST, INOTIFY_SPARE = 7, 8


@dataclass(frozen=True, slots=True)
class Lack:
    """Something this laptop lacks, why it matters, and the commands that mend it, as root.

    `advice` stands where only the technician can choose: a line to paste, with what to put in.
    """

    what: str
    why: str
    repair: tuple[tuple[str, ...], ...] = ()
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """A program, a library or a file, the Debian package it comes in, and what it does for us."""

    name: str
    package: str
    why: str


PROGRAMS = (
    Program("systemd-nspawn", "systemd-container", "boots the hosts of a lab"),
    Program("mmdebstrap", "mmdebstrap", "builds the base system of a lab"),
    Program("apt-cacher-ng", "apt-cacher-ng", "keeps packages, each fetched once"),
    Program("ip", "iproute2", "makes a lab's network"),
    Program("nsenter", "util-linux", "plugs into a lab's network"),
    Program("unshare", "util-linux", "gives a plugged-in command its own resolv.conf"),
    Program("setpriv", "util-linux", "gives a plugged-in command back to its user"),
    Program("mount", "mount", "mounts the disks of a lab"),
    Program("mkfs.ext4", "e2fsprogs", "makes the second disk of a lab's server"),
    Program("tar", "tar", "writes on the disks of a lab"),
    Program("perl", "perl-base", "makes the login of a lab"),
    Program("ssh-keygen", "openssh-client", "makes host keys"),
    Program("dnsmasq", "dnsmasq-base", "is the Internet provider of a lab"),
    Program("ippeveprinter", "cups-ipp-utils", "is the printers of a lab"),
    Program("dbus-daemon", "dbus-daemon", "is what those ask for at their start"),
)
_PLACES = (None, "/usr/sbin:/usr/bin:/sbin:/bin")


def have(program: str) -> bool:
    """Whether the program is here; /usr/sbin counts even where it is not on a user's PATH.

    A shared library (`libx.so.1`) is here when it can be loaded, an absolute path when there is something.
    """
    if ".so." in program:
        with contextlib.suppress(OSError):
            return bool(ctypes.CDLL(program))
        return False
    if program.startswith("/"):
        return Path(program).exists()
    return any(shutil.which(program, path=path) for path in _PLACES)


def path_of(program: str) -> str:
    """Where a program that is here lies; its bare name when it is not."""
    return next((found for path in _PLACES if (found := shutil.which(program, path=path))), program)


def install(package: str) -> tuple[tuple[str, ...], ...]:
    """The commands that install a package.

    apt-cacher-ng's own would start a public service on port 3142: its unit is masked first, which works offline and
    before the package is there [M: Debian 13, nothing listens afterwards].
    """
    service = package == "apt-cacher-ng" and have("systemctl")
    mask = (("systemctl", "mask", "apt-cacher-ng.service"),) if service else ()
    return (*mask, (*INSTALL, package))


def lacking(hosts: int, folder: Path | None = None, beside: int = 0) -> list[Lack]:
    """What is missing for a lab of `hosts` hosts in `folder`, with `beside` hosts of other labs up; empty when all is there."""
    found = [Lack(p.name, p.why, install(p.package)) for p in PROGRAMS if not have(p.name)]
    filesystems = Path("/proc/filesystems").read_text(encoding="ascii").split()
    if "overlay" not in filesystems and not _module("overlay"):
        found.append(Lack("overlayfs", "gives each host a disk of its own", (("modprobe", "overlay"),)))
    if not Path("/dev/loop-control").exists() and not _module("loop"):
        found.append(Lack("loop devices", "a server's second disk lies in a file", (("modprobe", "loop"),)))
    need = (hosts + beside) * INOTIFY_PER_HOST + INOTIFY_SPARE
    allowed = int(INOTIFY.read_text(encoding="ascii"))
    if allowed < need:
        setting = f"fs.inotify.max_user_instances={max(need, 1024)}"
        what = f"{need} inotify instances ({allowed} allowed)"
        found.append(Lack(what, f"each of {hosts + beside} hosts needs {INOTIFY_PER_HOST}", (("sysctl", "-w", setting),)))
    kind = file_system(folder) if folder else ""
    if kind in ("overlay", "nfs", "nfs4", "vfat", "exfat", "ntfs3", "fuse", "ecryptfs", "9p", "virtiofs"):
        what, why = f"a folder that overlayfs can use ({folder} is on {kind})", "each host's disk is an overlay"
        found.append(Lack(what, why, advice="export PROVISIONER_LAB_DIR=FOLDER  # on ext4, xfs, btrfs or tmpfs"))
    logind = Path("/run/systemd/system").is_dir()
    if folder and logind and folder.resolve().is_relative_to("/dev/shm"):  # noqa: S108 - named to be refused
        what, why = "a folder outside /dev/shm", "systemd-logind empties it when you log out (RemoveIPC, logind.conf(5))"
        found.append(Lack(what, why, advice="export PROVISIONER_LAB_DIR=FOLDER  # on ext4, xfs, btrfs or another tmpfs"))
    return found


def check(hosts: int, folder: Path, beside: int = 0) -> None:
    """Say all that is missing at once, as `lacking`.

    Raises:
        Missing: something is.
    """
    found = lacking(hosts, folder, beside)
    if found:
        lines = "\n".join(f"  {lack.what}: {lack.why}" for lack in found)
        raise Missing(f"this laptop lacks for a lab:\n{lines}", hint="provisioner doctor")


def file_system(folder: Path) -> str:
    """The type of the file system `folder` lies on (proc_pid_mountinfo(5), the field after the lone hyphen)."""
    best, kind = -1, ""
    top = folder.resolve()
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        if top.is_relative_to(point) and len(Path(point).parts) >= best:
            best, kind = len(Path(point).parts), fields[fields.index("-") + 1]
    return kind


def _module(name: str) -> bool:
    """Whether the kernel can load it by itself when it is first mounted."""
    return any(Path("/lib/modules").glob(f"{Path('/proc/sys/kernel/osrelease').read_text().strip()}/**/{name}.ko*"))
