"""A hundred light hosts: real sshd of the lab's Debian at a hundred addresses of one namespace, each with an answer at hand.

The answer is a real one, recorded on this machine by the program that `check` sends: what a host spends on it is no cost of the
laptop's, and a hundred at once would hide it. One address may be dead (nobody answers), one hanging (it takes calls, is silent).
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.check.subjects.certificates import FILES
from provisioner.hosts import programs
from provisioner.lab import base
from tests import network

LOGIN = "c.lefevre"
ILL = "10.99.7.10"  # the one that may hang: a machine of its own at the end of a cable
SSHD = """\
Port 22
HostKey /etc/ssh/bench_key
AuthorizedKeysFile /etc/ssh/bench.keys
PasswordAuthentication no
UsePAM no
MaxStartups 500
PerSourcePenalties no
PidFile /run/bench.pid
SetEnv PATH=/usr/local/bin:/usr/bin:/bin
"""
SILENT = """
import socket, sys
with socket.create_server((sys.argv[1], 22), backlog=64) as door:
    taken = []
    while True:
        taken.append(door.accept())
"""


@dataclass(frozen=True)
class LightHosts:
    """Where they are met: the words that put a command among them, their network of offices, their addresses."""

    inside: list[str]
    inventory: Path
    addresses: list[str]
    key: Path
    known_hosts: Path
    beyond: str  # the MAC at the far end of a cable, where one machine hangs

    def ill(self, dead: str, hanging: str) -> None:
        """Have one address answer nobody, and one take calls and stay silent; empty words: none."""
        lines = [f"address replace {address}/32 dev lo" for address in self.addresses]
        lines += [f"address delete {address}/32 dev lo" for address in (dead, hanging) if address]
        lines += [f"route replace {address} dev cable" for address in (dead, hanging) if address]
        lines += [f"neighbour replace {dead} lladdr {self.beyond} dev cable"] if dead else []  # who has it drops what comes
        subprocess.run(
            ["ip", "-netns", self.inside[1].rpartition("/")[2], "-batch", "-"], input="\n".join(lines), text=True, check=True
        )


def _unmount(root: Path) -> None:
    """Once the last sshd there has ended: those of single connections outlive their master for a moment."""
    for _ in range(60):
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "root").readlink() == root:
                    os.kill(int(process.name), signal.SIGKILL)
        if subprocess.run(["umount", str(root)], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.2)
    raise RuntimeError(f"{root} stays mounted")


def answer() -> str:
    """What `check` is told by this machine."""
    request = {"certificates": list(FILES), "units": [], "services": []}
    text = programs.given(programs.source("condition"), request)
    done = subprocess.run([sys.executable, "-c", programs.BOOT], input=text, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)
    return done.stdout


@contextlib.contextmanager
def light_hosts(folder: Path, count: int) -> Iterator[LightHosts]:
    """So many, each in an office of its own; gone at the end."""
    name, root = f"pvb-{os.getpid()}", folder / "root"
    key, alike = folder / "key", folder / "host_key"
    for path in (key, alike):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    addresses = [f"10.99.{n}.10" for n in range(count)]
    inventory, known = _offices(folder / "network", addresses, alike.with_suffix(".pub").read_text().strip())
    for word, said in (("key", str(key)), ("technician", LOGIN), ("reseller", "scop-lumiere")):
        subprocess.run(["git", "-C", str(inventory), "config", f"provisioner.{word}", said], check=True)
    with contextlib.ExitStack() as ending:
        _root(root, folder, key.with_suffix(".pub").read_text(), alike, ending)
        other = f"{name}-ill"
        for one in (name, other):
            subprocess.run(["ip", "netns", "add", one], check=True)
            ending.callback(subprocess.run, ["ip", "netns", "delete", one], check=False)
        lines = f"link set lo up\nlink add cable type veth peer name cable netns {other}\naddress add 10.98.0.1/24 dev cable\n"
        lines += "link set cable up\n" + "".join(f"address add {address}/32 dev lo\n" for address in addresses)
        far = f"link set cable up\naddress add {ILL}/32 dev cable\nroute add 10.98.0.0/24 dev cable\n"
        for one, text in ((name, lines), (other, far)):
            subprocess.run(["ip", "-netns", one, "-batch", "-"], input=text, text=True, check=True)
        shown = subprocess.run(["ip", "-netns", other, "-j", "link", "show", "cable"], capture_output=True, text=True, check=True)
        beyond = str(json.loads(shown.stdout)[0]["address"])
        inside = ["nsenter", f"--net=/run/netns/{name}", "--"]
        silent = ["nsenter", f"--net=/run/netns/{other}", "--", sys.executable, "-c", SILENT, ILL]
        for words in ([*inside, "chroot", str(root), "/usr/sbin/sshd", "-D"], silent):
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ending.callback(process.wait)
            ending.callback(process.kill)
        yield LightHosts(inside, inventory, addresses, key, known, beyond)


def _offices(root: Path, addresses: list[str], pin: str) -> tuple[Path, Path]:
    network.empty(root, history=True)
    for n, address in enumerate(addresses):
        office = root / f"offices/office-{n:05d}"
        office.mkdir()
        text = re.sub(r"(?m)^reseller: .*", "reseller: scop-lumiere", network.dossier(n, 1))
        text = text.replace("192.168.1.1\n", f"{address}\n").replace("192.168.1.", f"10.99.{n}.")
        (office / "dossier.yml").write_text(text, encoding="utf-8")
        (office / "known_hosts").write_text(f"host-0.office-{n:05d} {pin}\n", encoding="utf-8")
    known = root / "known"
    known.write_text("".join(f"{address} {pin}\n" for address in addresses), encoding="utf-8")
    return root, known


def _root(root: Path, folder: Path, keys: str, alike: Path, ending: contextlib.ExitStack) -> None:
    """The lab's Debian with a sudo that gives the recorded answer."""
    upper, work = folder / "upper", folder / "work"
    for path in (root, upper, work):
        path.mkdir()
    lower = base.path_of("trixie")
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", str(root)], check=True
    )
    ending.callback(_unmount, root)
    (root / "answer.json").write_text(answer(), encoding="utf-8")
    sudo = root / "usr/local/bin/sudo"
    sudo.write_text(textwrap.dedent("#!/bin/sh\ncat >/dev/null\nexec cat /answer.json\n"), encoding="utf-8")
    sudo.chmod(0o755)
    with (root / "etc/passwd").open("a", encoding="utf-8") as file:
        file.write(f"{LOGIN}:x:2000:2000::/:/bin/sh\n")
    with (root / "etc/shadow").open("a", encoding="utf-8") as file:
        file.write(f"{LOGIN}:*:20000:0:99999:7:::\n")
    (root / "etc/ssh/sshd_config").write_text(SSHD, encoding="utf-8")
    (root / "etc/ssh/bench.keys").write_text(keys, encoding="utf-8")
    shutil.copy(alike, root / "etc/ssh/bench_key")
    (root / "run/sshd").mkdir(mode=0o755, exist_ok=True)
    (root / "dev").mkdir(exist_ok=True)
    if not (root / "dev/null").exists():
        subprocess.run(["mknod", "-m", "666", str(root / "dev/null"), "c", "1", "3"], check=True)
