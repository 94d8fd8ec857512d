"""An FRR router, a real one: Debian with FRR under systemd, vtysh as its login's shell, in network namespaces of its own.

It is built once (`mmdebstrap`) beside the labs' bases, and started between the LAN's side and the line's.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import Unreachable
from provisioner.hosts.access import SshAccess
from provisioner.hosts.pins import pin
from provisioner.hosts.programs import frr_guard
from provisioner.inventory.target import Target
from provisioner.lab.base import lab_home
from provisioner.laptop.processes import as_root
from provisioner.router import guard, platforms
from provisioner.router.guard import Outcome
from provisioner.router.platforms import File, Router, Way, frr
from tests.router.boxes import INTERNET, soon

TIMEOUT_S = 15.0
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000  # sched.h; os.setns is there from Python 3.12
NAME = f"pv-frr{os.getpid()}"
PACKAGES = "frr,openssh-server,iproute2,iputils-ping,python3,systemd,systemd-sysv,dbus"
PREPARE = """
sed -i 's/^staticd=no/staticd=yes/; s/^zebra=no/zebra=yes/' /etc/frr/daemons
echo /usr/bin/vtysh >> /etc/shells
useradd -m -s /usr/bin/vtysh -G frrvty admin
echo gate > /etc/hostname
printf '127.0.0.1 localhost gate\\n198.51.100.1 deb.debian.org\\n' > /etc/hosts
printf '[Match]\\nName=eth0\\n\\n[Network]\\nAddress=192.168.1.1/24\\n' > /etc/systemd/network/10-eth0.network
printf '[Match]\\nName=eth1\\n\\n[Network]\\nAddress=203.0.113.10/29\\n' > /etc/systemd/network/11-eth1.network
systemctl --quiet enable frr ssh systemd-networkd
systemctl --quiet mask systemd-networkd-wait-online
ssh-keygen -A > /dev/null
"""
INSTALL = "[Unit]\nAfter=frr.service\n[Service]\nType=oneshot\nExecStart=/usr/bin/python3 /root/frr_guard.py install\n"


def run(*words: str, stdin: str = "") -> str:
    """What a program says, as root."""
    return subprocess.run(as_root(list(words)), check=True, capture_output=True, text=True, input=stdin).stdout


def base() -> Path:
    """Debian with FRR, built once."""
    path = Path(os.environ.get("PROVISIONER_FRR_ROOT") or lab_home() / "bases-frr" / "bookworm-2")
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        part.parent.mkdir(exist_ok=True)
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(part))
        run("chroot", str(part), "/bin/sh", "-ec", PREPARE)
        part.rename(path)
    return path


@dataclass
class Gate:
    """The router, its cables, and the office it is pinned for."""

    folder: Path
    target: Target
    password: str
    pid: int = 0

    @property
    def root(self) -> Path:
        """Its disk."""
        return self.folder / "root"

    @property
    def init(self) -> int:
        """Its first process, by its number outside."""
        return int(run("ps", "-o", "pid=", "--ppid", str(self.pid)))

    def start(self) -> None:
        """Switch it on."""
        groups = [top / NAME for one in ("systemd", "unified", "memory") if (top := Path("/sys/fs/cgroup") / one).is_dir()]
        for group in groups:
            group.mkdir(exist_ok=True)
        into = "".join(f"echo $$ > {group}/cgroup.procs; " for group in groups)
        words = [
            *("env", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network", "systemd-nspawn", "--quiet", "--boot", "--settings=no"),
            *(f"--directory={self.root}", f"--machine={NAME}", "--hostname=gate", "--register=no", "--keep-unit"),
            *(f"--network-namespace-path=/run/netns/{NAME}-gate", "--capability=CAP_NET_ADMIN", "--link-journal=no"),
            *("--resolv-conf=off", "--timezone=off", "--console=read-only"),
        ]
        with (self.folder / "console").open("ab") as console:
            self.pid = subprocess.Popen(["/bin/sh", "-c", f'{into}exec "$@"', "sh", *words], stdout=console, stderr=console).pid
        assert soon(self.answers, 60), (self.folder / "console").read_text()[-2000:]

    def answers(self) -> bool:
        """Whether it takes a login, and its guard says that it is there and waits for nobody."""
        router = self.device("")
        try:
            return router.without_timer() == "" and router.look()[0].window is None
        except (Unreachable, OSError):
            return False
        finally:
            router.close()

    def power(self, *, back: bool = True) -> None:
        """Cut its power, and give it back."""
        os.kill(self.init, 9)  # the first process of its namespace takes all others along; nspawn's own end would not
        os.waitpid(self.pid, 0)
        if back:
            self.start()

    def inside(self, *words: str) -> str:
        """What a program on it says."""
        return run("nsenter", "-t", str(self.init), "-m", "-p", "-n", "-u", "-i", "--", *words)

    def device(self, *routes: str, **other: str) -> Router:
        """It, as the guard needs it."""
        way = Way(SshAccess(self.target, other.get("by", "m.durand"), self.folder / "no-key"), "router", "192.168.1.1", "run-1",
                  "admin", self.password)  # fmt: skip
        probes = {"internet": [(INTERNET, 80)], "lan": ["192.168.1.10"]}
        return platforms.router("frr")(way, {frr.CONFIGURATION: File(frr.text(filter(None, routes)))}, probes)

    def push(self, *routes: str) -> Outcome:
        """Push, and end the connection."""
        router = self.device(*routes)
        try:
            return guard.push(router, timeout_s=TIMEOUT_S, say=lambda _: None)
        finally:
            router.close()

    def routes(self) -> list[str]:
        """The static routes that run."""
        return frr.ours(self.inside("vtysh", "-c", "show running-config")).splitlines()

    def running(self) -> list[str] | None:
        """The same, None while FRR is down."""
        with suppress(subprocess.CalledProcessError, ValueError):
            return self.routes()
        return None

    @property
    def saved(self) -> bytes:
        """What it starts with."""
        return (self.root / "etc/frr/frr.conf").read_bytes()

    def cable(self, *, plugged: bool) -> None:
        """The LAN's cable."""
        run("ip", "-n", f"{NAME}-lan", "link", "set", "eth0", "up" if plugged else "down")


@contextmanager
def machine(folder: Path, target: Target, password: str = "right one") -> Iterator[Gate]:
    """The router, on, its key pinned; whoever uses it is in the LAN's namespace meanwhile."""
    folder.mkdir(exist_ok=True)
    gate = Gate(folder, target, password)
    run("cp", "-a", str(base()), str(gate.root))
    run("chroot", str(gate.root), "chpasswd", stdin=f"admin:{password}\n")
    pin(target, "router", [" ".join((gate.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])])
    shutil.copy(frr_guard.__file__, gate.root / "root/frr_guard.py")
    (gate.root / "etc/systemd/system/first.service").write_text(INSTALL)
    wants = gate.root / "etc/systemd/system/multi-user.target.wants/first.service"
    wants.symlink_to("/etc/systemd/system/first.service")
    home = Path("/proc/self/ns/net").open("rb")  # noqa: SIM115 - the way back, needed after setns
    try:
        for side in ("gate", "lan", "line"):
            run("ip", "netns", "add", f"{NAME}-{side}")
            run("ip", "-n", f"{NAME}-{side}", "link", "set", "lo", "up")
        for side, port, address in (("lan", "eth0", "192.168.1.10/24"), ("line", "eth1", "203.0.113.9/29")):
            run("ip", "-n", f"{NAME}-{side}", "link", "add", port, "type", "veth", "peer", "name", port, "netns", f"{NAME}-gate")
            run("ip", "-n", f"{NAME}-{side}", "address", "add", address, "dev", port)
            run("ip", "-n", f"{NAME}-{side}", "link", "set", port, "up")
        run("ip", "-n", f"{NAME}-line", "address", "add", f"{INTERNET}/32", "dev", "lo")
        with Path(f"/run/netns/{NAME}-lan").open("rb") as lan:
            assert LIBC.setns(lan.fileno(), CLONE_NEWNET) == 0
        gate.start()
        wants.unlink()
        yield gate
    finally:
        if gate.pid:
            gate.power(back=False)
        LIBC.setns(home.fileno(), CLONE_NEWNET)
        home.close()
        for side in ("gate", "lan", "line"):
            subprocess.run(as_root(["ip", "netns", "delete", f"{NAME}-{side}"]), check=False)
        groups = [str(group) for one in Path("/sys/fs/cgroup").iterdir() if (group := one / NAME).is_dir()]
        for words in (["rm", "-rf", "--one-file-system", str(gate.root)], ["find", *groups, "-depth", "-type", "d", "-delete"]):
            subprocess.run(as_root(words), check=False, capture_output=True)
