"""An FRR router, a real one: Debian with FRR under systemd, vtysh as its login's shell; whatever happens, its routes come back.

It is built once (`mmdebstrap`) beside the labs' bases, and started in namespaces of its own: the LAN's side, the line's side.
"""

import ctypes
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.errors import Busy, Unreachable
from provisioner.hosts.access import SshAccess
from provisioner.hosts.pins import pin
from provisioner.hosts.programs import frr_guard
from provisioner.inventory.target import Target
from provisioner.lab.base import lab_home
from provisioner.laptop.processes import as_root
from provisioner.router import guard, platforms
from provisioner.router.guard import Outcome, Rejected
from provisioner.router.platforms import File, Router, Way, frr
from tests import network
from tests.router.boxes import elsewhere, soon

pytestmark = pytest.mark.deep
TIMEOUT_S = 15.0
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000  # sched.h; os.setns is there from Python 3.12
PACKAGES = "frr,openssh-server,iproute2,iputils-ping,python3,systemd,systemd-sysv,dbus"
WAY_OUT, OTHER, WRONG = "ip route 0.0.0.0/0 203.0.113.9", "ip route 10.9.0.0/16 192.168.1.77", "ip route 0.0.0.0/0 203.0.113.14"
PREPARE = """
sed -i 's/^staticd=no/staticd=yes/; s/^zebra=no/zebra=yes/' /etc/frr/daemons
echo /usr/bin/vtysh >> /etc/shells
useradd -m -s /usr/bin/vtysh -G frrvty admin
echo 'admin:right one' | chpasswd
echo gate > /etc/hostname
printf '127.0.0.1 localhost gate\\n' > /etc/hosts
printf '[Match]\\nName=eth0\\n\\n[Network]\\nAddress=192.168.1.1/24\\n' > /etc/systemd/network/10-eth0.network
printf '[Match]\\nName=eth1\\n\\n[Network]\\nAddress=203.0.113.10/29\\n' > /etc/systemd/network/11-eth1.network
systemctl --quiet enable frr ssh systemd-networkd
systemctl --quiet mask systemd-networkd-wait-online
ssh-keygen -A > /dev/null
"""


def run(*words: str) -> str:
    """What a program says, as root."""
    return subprocess.run(as_root(list(words)), check=True, capture_output=True, text=True).stdout


def base() -> Path:
    """Debian with FRR, built once."""
    path = Path(os.environ.get("PROVISIONER_FRR_ROOT") or lab_home() / "bases-frr" / "bookworm")
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
        groups = [top / "pv-frr" for one in ("systemd", "unified", "memory") if (top := Path("/sys/fs/cgroup") / one).is_dir()]
        for group in groups:
            group.mkdir(exist_ok=True)
        into = "".join(f"echo $$ > {group}/cgroup.procs; " for group in groups)
        words = [
            *("env", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network", "systemd-nspawn", "--quiet", "--boot", "--settings=no"),
            *(f"--directory={self.root}", "--machine=pv-frr", "--hostname=gate", "--register=no", "--keep-unit"),
            *("--network-namespace-path=/run/netns/pv-frr-gate", "--capability=CAP_NET_ADMIN", "--link-journal=no"),
            *("--resolv-conf=off", "--timezone=off", "--console=read-only"),
        ]
        with (self.folder / "console").open("ab") as console:
            self.pid = subprocess.Popen(["/bin/sh", "-c", f'{into}exec "$@"', "sh", *words], stdout=console, stderr=console).pid
        assert soon(self.answers, 60), (self.folder / "console").read_text()[-2000:]

    def answers(self) -> bool:
        """Whether it takes a login, and its guard says that it is there."""
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
                  "admin", "right one")  # fmt: skip
        probes = {"internet": [("198.51.100.1", 80)], "lan": ["192.168.1.10"]}
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

    @property
    def saved(self) -> bytes:
        """What it starts with."""
        return (self.root / "etc/frr/frr.conf").read_bytes()

    def cable(self, *, plugged: bool) -> None:
        """The LAN's cable."""
        run("ip", "-n", "pv-frr-lan", "link", "set", "eth0", "up" if plugged else "down")


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """The router with a way out, in the LAN's namespace, where these tests go on."""
    folder = tmp_path_factory.mktemp("frr")
    run("cp", "-a", str(base()), str(folder / "root"))
    target = Target(network.with_office(folder / "net"), "demo")
    pin(target, "router", [" ".join((folder / "root/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])])
    shutil.copy(frr_guard.__file__, folder / "root/root/frr_guard.py")
    home = Path("/proc/self/ns/net").open("rb")  # noqa: SIM115 - the way back, needed after setns
    for name in ("gate", "lan", "line"):
        run("ip", "netns", "add", f"pv-frr-{name}")
        run("ip", "-n", f"pv-frr-{name}", "link", "set", "lo", "up")
    for name, port, address in (("lan", "eth0", "192.168.1.10/24"), ("line", "eth1", "203.0.113.9/29")):
        run("ip", "-n", f"pv-frr-{name}", "link", "add", port, "type", "veth", "peer", "name", port, "netns", "pv-frr-gate")
        run("ip", "-n", f"pv-frr-{name}", "address", "add", address, "dev", port)
        run("ip", "-n", f"pv-frr-{name}", "link", "set", port, "up")
    run("ip", "-n", "pv-frr-line", "address", "add", "198.51.100.1/32", "dev", "lo")
    gate = Gate(folder, target)
    with Path("/run/netns/pv-frr-lan").open("rb") as lan:
        assert LIBC.setns(lan.fileno(), CLONE_NEWNET) == 0
    try:
        (folder / "root/etc/systemd/system/first.service").write_text(
            "[Unit]\nAfter=frr.service\n[Service]\nType=oneshot\nExecStart=/usr/bin/python3 /root/frr_guard.py install\n"
        )
        wants = folder / "root/etc/systemd/system/multi-user.target.wants/first.service"
        wants.symlink_to("/etc/systemd/system/first.service")
        gate.start()
        wants.unlink()
        assert gate.push(WAY_OUT).how == "applied"
        yield gate
    finally:
        if gate.pid:
            gate.power(back=False)
        LIBC.setns(home.fileno(), CLONE_NEWNET)
        home.close()
        for name in ("gate", "lan", "line"):
            subprocess.run(as_root(["ip", "netns", "delete", f"pv-frr-{name}"]), check=False)


@pytest.fixture
def gate(gates: Gate) -> Iterator[Gate]:
    """The router between two cases: it has its way out and waits for nobody; after each it has that still."""
    assert soon(gates.answers, 60)
    before = gates.saved
    assert gates.routes() == [WAY_OUT]
    yield gates
    assert soon(gates.answers, 60)
    assert gates.routes() == [WAY_OUT]
    assert gates.saved == before


def loaded(gate: Gate, *routes: str) -> tuple[Router, str]:
    """A push that is in force and waits to be confirmed; its token."""
    router, token = gate.device(*routes), secrets.token_hex(8)
    router.arm(token, TIMEOUT_S)
    router.load(token)
    assert frr.text(routes).splitlines() == gate.routes()
    return router, token


def running(gate: Gate) -> list[str]:
    """Its routes, none while FRR is down."""
    with suppress(subprocess.CalledProcessError):
        return gate.routes()
    return []


def back(gate: Gate, began: float) -> None:
    """Its former routes are there within the window and 30 s."""
    assert soon(lambda: running(gate) == [WAY_OUT], TIMEOUT_S + 30), gate.routes()
    assert time.monotonic() - began < TIMEOUT_S + 30


def test_what_proves_good_stays_and_is_saved(gate: Gate) -> None:
    """Confirmed over a fresh connection; then it starts with it, and the same again writes nothing."""
    before = gate.saved
    said = gate.push(WAY_OUT, OTHER)
    assert (said.how, said.why) == ("applied", "confirmed")
    assert OTHER.encode() in gate.saved
    assert b"office-" not in gate.saved
    written = (gate.root / "etc/frr/frr.conf").stat().st_mtime_ns
    assert gate.push(WAY_OUT, OTHER).how == "unchanged"
    assert (gate.root / "etc/frr/frr.conf").stat().st_mtime_ns == written
    gate.power()
    assert gate.routes() == [WAY_OUT, OTHER]

    assert gate.push(WAY_OUT).how == "applied"
    assert gate.saved == before


def test_a_way_out_that_leads_nowhere_is_not_confirmed(gate: Gate) -> None:
    """The session lives on, and the Internet that answered before does not."""
    said = gate.push(WRONG)

    assert (said.how, said.why) == ("reverted", "the Internet does not answer: 198.51.100.1")


def test_a_cut_link(gate: Gate) -> None:
    """Nobody comes in any more: in time the routes are the former ones."""
    (router, _), began = loaded(gate, OTHER), time.monotonic()
    gate.cable(plugged=False)
    router.close()
    try:
        back(gate, began)
    finally:
        gate.cable(plugged=True)


@pytest.mark.parametrize("step", ["armed", "loaded", "saved by hand"])
def test_a_power_cut(gate: Gate, step: str) -> None:
    """It starts with what it had, even where somebody saved what was not confirmed."""
    began = time.monotonic()
    if step == "armed":
        router = gate.device(OTHER)
        router.arm(secrets.token_hex(8), TIMEOUT_S)
    else:
        router, _ = loaded(gate, OTHER)
    if step == "saved by hand":
        gate.inside("vtysh", "-c", "write memory")
        assert OTHER.encode() in gate.saved
    router.close()
    gate.power()
    back(gate, began)
    router = gate.device(OTHER)
    state, _ = router.look()
    router.close()
    assert state.last
    assert (state.last.how, state.last.why) == ("reverted", "the router was started anew")


def test_a_killed_laptop(gate: Gate) -> None:
    """Whoever pushed is gone with the routes in force."""
    began = time.monotonic()
    ready = gate.folder / "loaded"
    ready.unlink(missing_ok=True)

    def work() -> None:
        loaded(gate, OTHER)
        ready.touch()
        time.sleep(600)

    with elsewhere(work):
        assert soon(ready.exists, 30)
    back(gate, began)


def test_a_second_pusher(gate: Gate) -> None:
    """Refused while a window is open, and told whose."""
    router, token = loaded(gate, WAY_OUT, OTHER)
    other = gate.device(WAY_OUT, by="z.other")
    with pytest.raises(Busy, match=r"waits for the push of m\.durand \(run run-1\)"):
        other.arm("f" * 16, TIMEOUT_S)
    other.close()
    router.revert(token)
    router.close()


def test_a_line_that_is_refused(gate: Gate) -> None:
    """The push stops there, what was loaded before it goes."""
    said = gate.push(WAY_OUT, "ip route 10.8.0.0/16 192.168.1.77", "ip rute 10.9.0.0/16 192.168.1.77")

    assert said.how == "reverted"
    assert "ip rute" in said.why


@pytest.mark.parametrize("who", ["office-frr-guard", "frr"])
def test_a_crash(gate: Gate, who: str) -> None:
    """The guard is killed, or FRR itself: the window ends all the same."""
    (router, _), began = loaded(gate, OTHER), time.monotonic()
    gate.inside("systemctl", "kill", "--signal=KILL", who)
    router.close()
    back(gate, began)


def test_without_a_guard_it_is_refused(gate: Gate) -> None:
    """Nothing on it would take the routes back; nothing was changed."""
    gate.inside("systemctl", "stop", "office-frr-guard")
    try:
        with pytest.raises(Rejected, match="its guard does not answer"):
            gate.push(WAY_OUT, OTHER)
        gate.inside("vtysh", "-c", "configure terminal", "-c", "no access-list office-guard")
        with pytest.raises(Rejected, match="no office-frr-guard runs on it"):
            gate.push(WAY_OUT, OTHER)
    finally:
        gate.inside("systemctl", "start", "office-frr-guard")


def test_how_it_runs(gate: Gate) -> None:
    """Its version, links with their addresses, the way out; what is kept is its routes."""
    router = gate.device(WAY_OUT)
    found = router.running()
    kept = router.current()
    router.close()

    assert found["version"].startswith("FRR 8.")
    assert {"name": "eth0", "up": True, "addresses": ["192.168.1.1/24"]} in found["links"]
    assert found["route"] == {"gateway": "203.0.113.9", "dev": "eth1"}
    assert kept == {frr.CONFIGURATION: File(f"{WAY_OUT}\n")}
