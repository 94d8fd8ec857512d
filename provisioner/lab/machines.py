"""One host: a blank Debian booted by systemd-nspawn over an overlay of the base, in a network namespace and cgroup of its own.

nspawn is called as a plain program, without machined, so that it works alike where systemd is not PID 1. Two things it
is never given: the machine's /dev, and CAP_SYS_TIME (there is no namespace for the clock, it would set the laptop's).
"""

import contextlib
import io
import json
import select
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import HostFailed, Unreachable
from provisioner.lab import network as net
from provisioner.lab.remove import mounts_below
from provisioner.laptop.processes import Process, as_root, last_lines, recorded, run, start

CGROUPS = Path("/sys/fs/cgroup")
NSPAWN = Path("/run/systemd/nspawn")
BOOT_TIMEOUT_S = 120
SECOND_DISK = "/srv/backup"  # where role `backup` looks for it

# A reboot inside ends nspawn with 133 (systemd-nspawn(1), --keep-unit): start it again, as long as the lab is there.
_LOOP = 'lab=$1; shift; while [ -e "$lab" ]; do "$@"; [ $? -eq 133 ] || break; done'


@dataclass(frozen=True, slots=True)
class File:
    """A file of root's to write on a host: text, mode, group."""

    content: str
    mode: int = 0o644
    gid: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """Where one host of a lab lies and what it is called outside; pure. `disk_mib` is the size of its second disk, 0: none."""

    name: str
    lab_id: str
    folder: Path
    namespace: str
    link: str
    disk_mib: int = 0

    @property
    def unit(self) -> str:
        """Its name as nspawn's machine, as cgroup and as scope."""
        return f"pv-{self.lab_id}-{self.name}"

    @property
    def root(self) -> Path:
        """Where its root file system is mounted."""
        return self.folder / "root"

    @property
    def image(self) -> Path:
        """The file that its second disk lies in."""
        return self.folder / "disk.img"

    @property
    def disk(self) -> Path:
        """Where its second disk is mounted, outside."""
        return self.folder / "disk"

    @property
    def console(self) -> Path:
        """What its console showed since it was last switched on."""
        return self.folder / "console.log"

    @property
    def argv(self) -> list[str]:
        """The loop that runs it, as /proc shows it."""
        nspawn = [
            *("env", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network", "systemd-nspawn", "--quiet", "--boot", "--settings=no"),
            *(f"--directory={self.root}", f"--machine={self.unit}", "--hostname=debian", "--register=no", "--keep-unit"),
            *(f"--network-namespace-path={net.NAMESPACES / self.namespace}", "--capability=CAP_NET_ADMIN"),
            "--system-call-filter=@memlock",  # as on any machine: who asks for a password keeps it out of swap
            *("--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=read-only"),
            *([f"--bind={self.disk}:{SECOND_DISK}"] if self.disk_mib else []),
        ]
        if systemd():
            nspawn = [
                *("systemd-run", "--scope", "--quiet", "--collect", f"--unit={self.unit}"),
                *("--property=Delegate=yes", "--", *nspawn),
            ]
        return ["/bin/sh", "-c", _LOOP, self.unit, str(self.folder.parents[1] / "lab.json"), *nspawn]

    @property
    def groups(self) -> list[Path]:
        """Its cgroups where systemd does not make them; without its own, two hosts would share `/payload`."""
        if systemd():
            return []
        # v1 and hybrid mount the hierarchies side by side, v2 is the top itself
        tops = [CGROUPS / name for name in ("systemd", "unified", "memory") if (CGROUPS / name).is_dir()]
        return [top / self.unit for top in tops or [CGROUPS]]

    @property
    def process(self) -> Process | None:
        """The loop that runs it, None when it is off."""
        process = recorded(self.folder / "process", self.argv)
        return process if process and process.alive else None


def systemd() -> bool:
    """Whether systemd is this machine's PID 1 (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def create(machine: Machine, layers: Sequence[Path], files: Mapping[str, File]) -> None:
    """Give the host a disk of its own over `layers`, the topmost first, with `files` (by path below /) on it.

    Raises:
        HostFailed: the overlay cannot be mounted, or writing failed.
    """
    upper, selection = machine.folder / "upper", machine.folder / "work"
    for folder in (upper, selection, machine.root):
        folder.mkdir(parents=True)
    # The upper folder's own owner and mode are those of the host's /.
    run(["chown", "0:0", str(upper)])
    run(["chmod", "0755", str(upper)])
    # volatile: a lab needs no sync, and dpkg asks for thousands (kernel, overlayfs.rst).
    options = f"lowerdir={':'.join(map(str, layers))},upperdir={upper},workdir={selection},volatile"
    run(["mount", "-t", "overlay", "-o", options, machine.unit, str(machine.root)])
    if not files:
        return
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, file in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.gid, entry.mtime = len(file.content.encode()), file.mode, file.gid, int(time.time())
            tar.addfile(entry, io.BytesIO(file.content.encode()))
    run(["tar", "--extract", "--numeric-owner", "--directory", str(machine.root)], stdin=packed.getvalue())


def host_keys() -> dict[str, File]:
    """New SSH host keys, as `ssh-keygen -A` makes them at a real first boot."""
    with tempfile.TemporaryDirectory(prefix="provisioner-") as folder:
        (Path(folder) / "etc/ssh").mkdir(parents=True)
        subprocess.run(["ssh-keygen", "-A", "-f", folder], check=True, capture_output=True)
        return {
            f"etc/ssh/{path.name}": File(path.read_text(encoding="ascii"), 0o644 if path.suffix == ".pub" else 0o600)
            for path in (Path(folder) / "etc/ssh").iterdir()
        }


def power_on(machine: Machine) -> None:
    """Boot the host; it answers a second or two later (`wait`).

    Raises:
        HostFailed: nspawn did not start.
    """
    _remove_groups(machine)
    _sweep_run(machine)
    for group in machine.groups:
        run(["mkdir", "-p", str(group)])
    start(machine.argv, machine.folder / "process", machine.console, groups=machine.groups)


def _remove_groups(machine: Machine) -> None:
    """Remove the host's empty cgroups, deepest first.

    One that was killed cannot be used again: Linux 6.18 also kills what systemd 257 later clones from it into a new
    cgroup below it (CLONE_INTO_CGROUP; both sides' kill_seq differ), and services die at their start with 9/KILL [M].
    """
    for group in machine.groups:
        for _ in range(100):  # what was killed leaves its cgroup a moment later
            if not group.exists():
                break
            run(["find", str(group), "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"], check=False)
            time.sleep(0.02 if group.exists() else 0)


def power_off(machines: Iterable[Machine]) -> None:
    """Cut the power of these hosts: SIGKILL to all their processes at once, and wait until they are gone.

    Their cgroups bear names of ours, so nothing else can be hit; the recorded loops are ended too.

    Raises:
        HostFailed: something survived.
    """
    machines = list(machines)
    running = [process for machine in machines if (process := machine.process)]
    for process in running:
        process.end()
    if systemd():
        scopes = [f"{machine.unit}.scope" for machine in machines]
        run(["systemctl", "kill", "--signal=KILL", *scopes], check=False)
        run(["systemctl", "stop", *scopes], check=False)  # waits until they are gone: their names are needed again
    else:
        kills = [str(group / "cgroup.kill") for m in machines for group in m.groups if (group / "cgroup.kill").exists()]
        run(["sh", "-c", 'for kill; do echo 1 > "$kill"; done', "sh", *kills], check=False)
    left = [process for process in running if not process.gone(3)]
    if left:
        raise HostFailed(f"process {left[0].pid} survived SIGKILL", hint=f"ps -o pid,stat,wchan,args {left[0].pid}")
    for machine in machines:
        _remove_groups(machine)


def shut_down(machines: Iterable[Machine], timeout_s: float = 60) -> None:
    """Let these hosts shut down in good order (systemd(1), SIGRTMIN+4), as by their power buttons, and wait until they are off.

    Raises:
        HostFailed: one did not end in time; it still runs.
    """
    running = [(machine, process) for machine in machines if (process := machine.process)]
    for machine, _ in running:
        run(["kill", "-s", "RTMIN+4", *(str(pid) for pid in _first(machine))])
    until = time.monotonic() + timeout_s
    for machine, process in running:
        if not process.gone(max(0.1, until - time.monotonic())):
            raise HostFailed(*_blame(f"did not shut down within {timeout_s:.0f} s", machine))
        _remove_groups(machine)


def _first(machine: Machine) -> list[int]:
    """The machine's own PID 1 as this laptop numbers it: in the machine's cgroup, and 1 in its own namespace (proc(5), NSpid)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if machine.unit not in (process / "cgroup").read_text():
                continue
            line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("NSpid:"))
            if line.split()[2:] == ["1"]:
                found.append(int(process.name))
    return found


def _sweep_run(machine: Machine) -> None:
    """Remove what nspawn keeps under /run and leaves there after a SIGKILL; it would refuse to start again."""
    for folder in (NSPAWN / sort / machine.unit for sort in ("unix-export", "propagate")):
        _unmount(folder)
        run(["rmdir", str(folder)], check=False)  # only root may look whether it is there


def _unmount(point: Path) -> None:
    for _ in range(100):  # the last process of a killed host lets go a moment later
        if point not in mounts_below(point):
            return
        run(["umount", str(point)], check=False)
        time.sleep(0.02 if point in mounts_below(point) else 0)


def _wait_for_loops(image: Path) -> None:
    """The kernel frees a loop device after its last unmount, later while anybody still looks at it (loop(4), autoclear)."""
    for _ in range(200):
        for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
            with contextlib.suppress(OSError):  # this one has just been freed
                if backing.read_text().strip() == str(image.resolve()):
                    break
        else:
            return
        time.sleep(0.05)


def unmount(machine: Machine) -> None:
    """Unmount the host's disks, and remove what nspawn left of its own under /run."""
    if machine.root.is_dir():
        disk = machine.root.stat()
        run(["rm", "-f", str(NSPAWN / "locks" / f"inode-{disk.st_dev}:{disk.st_ino}")])
    _unmount(machine.root)
    _unmount(machine.disk)
    _wait_for_loops(machine.image)
    _sweep_run(machine)


def wait(
    machines: Mapping[str, Machine], network: net.Network, say: Callable[[str], None], timeout_s: float, *, before: int = 0
) -> None:
    """Wait until the sshd of each of these hosts answers over the LAN; `before` of the lab's hosts do already.

    Who stands beyond the router is asked from there: a router that starts from a snapshot may let nobody out.

    Raises:
        HostFailed: a host ended; the message shows the last lines of its console.
        Unreachable: a host did not answer within `timeout_s`; the same.
    """
    if not machines:
        return
    asked = {
        "timeout_s": timeout_s,
        "hosts": {
            name: {
                "namespace": str(net.NAMESPACES / machine.namespace),
                "link": machine.link,
                "asked_from": str(net.NAMESPACES / (network.internet if machine.namespace == network.internet else network.lan)),
            }
            for name, machine in machines.items()
        },
    }
    script = Path(__file__).with_name("watch.py")
    watcher = subprocess.Popen(
        as_root([sys.executable, "-I", str(script)]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert watcher.stdin and watcher.stdout
    json.dump(asked, watcher.stdin)
    watcher.stdin.close()
    waiting = dict(machines)
    try:
        while waiting:
            if not select.select([watcher.stdout], [], [], 0.5)[0]:
                ended = [name for name, machine in waiting.items() if machine.process is None]
                if ended:
                    raise HostFailed(*_blame("ended while it booted", waiting[ended[0]]))
                continue
            line = watcher.stdout.readline()
            if not line:
                raise Unreachable(*_blame(f"does not answer after {timeout_s:.0f} s", next(iter(waiting.values()))))
            name, address = line.split()
            del waiting[name]
            say(f"  {name} answers at {address} ({before + len(machines) - len(waiting)} of {network.machines})")
    finally:
        with contextlib.suppress(ProcessLookupError):
            watcher.terminate()
        watcher.stdout.close()
        watcher.wait()


def _blame(what: str, machine: Machine) -> tuple[str]:
    lines = "\n".join(f"  | {line}" for line in last_lines(machine.console, 8))
    return (f"{machine.name} {what}; its console says:\n{lines or '  | nothing'}",)
