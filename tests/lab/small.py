"""Labs for tests of the lab itself, labs that several files share, and eyes on what a lab leaves on the machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner import lab
from provisioner.inventory import open_inventory
from provisioner.laptop.processes import run
from tests import applied
from tests.stage import Stage, make

# Where a printer stands, as a client may write it: an apostrophe, accents, braces, a percent sign, a right-to-left word.
PLACE = "L'atelier {{ office.name }}, 100 % à l'étage, ימין"

# Logs in with the password as a person would; standard input is what the command reads. The key is not pinned here:
# adoption does that, and these tests come before it.
_LOGIN = """
import json, sys, paramiko
ask = json.load(sys.stdin)
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect(ask["address"], username=ask["user"], password=ask["password"], look_for_keys=False, allow_agent=False)
stdin, stdout, stderr = client.exec_command(ask["command"], get_pty=False)
stdin.write(ask["stdin"]); stdin.channel.shutdown_write()
out, err = stdout.read().decode(), stderr.read().decode()
print(json.dumps([stdout.channel.recv_exit_status(), out, err]))
client.close()
"""


@dataclass(frozen=True)
class Small:
    """A lab of a router and a server that a test may use."""

    stage: Stage

    @property
    def lab(self) -> lab.Lab:
        """What the lab says of itself now."""
        found = lab.find(self.stage.target)
        assert found
        return found

    def namespace(self, host: str) -> str:
        """The network namespace of a host, or of `lan` and `net`."""
        return f"pv-{self.stage.target.id}-{host}"

    def address(self, host: str) -> str:
        """The address the host has now."""
        link = "lan0" if host == "router" else "eth0"
        words = ["ip", "-json", "-4", "-netns", self.namespace(host), "address", "show", link]
        found = json.loads(run(words))
        return str(found[0]["addr_info"][0]["local"])

    def on(self, host: str, command: str, stdin: str = "") -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command on a blank host, logged in with its password."""
        user, password = self.lab.login
        ask = {"address": self.address(host), "user": user, "password": password, "command": command, "stdin": stdin}
        words = lab.plugged(self.stage.target, [sys.executable, "-c", _LOGIN])
        done = subprocess.run(words, input=json.dumps(ask), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        code, out, err = json.loads(done.stdout)
        return int(code), str(out), str(err)

    def as_root(self, host: str, command: str) -> tuple[int, str, str]:
        """The same through sudo, with its password."""
        return self.on(host, f"sudo -S -p '' sh -c '{command}'", stdin=f"{self.lab.login[1]}\n")


def bring_up(folder: Path) -> Small:
    """A lab of two blank hosts on an inventory of its own."""
    stage = make(folder, hosts=("router", "server"))
    lab.up(open_inventory(stage.inventory).office("demo"), stage.target)
    return Small(stage)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """A small lab for the tests of one file; each leaves it as it was."""
    small = bring_up(tmp_path_factory.mktemp("shared"))
    yield small
    lab.down(small.stage.target)


def traces(lab_id: str) -> dict[str, list[str]]:
    """All that the lab `lab_id` has on this machine, by kind; every list is empty when it left nothing."""
    processes = []
    # only root sees the namespaces of its processes; those that end meanwhile are no error
    seen = run(["find", "/proc", "-maxdepth", "3", "-path", "/proc/[0-9]*/ns/net", "-printf", "%p %l\n"], check=False)
    spaces = {line.split("/")[2]: line.split()[-1] for line in seen.splitlines()}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            space = spaces.get(process.name, "")
            where = (process / "cgroup").read_text()
        except OSError:
            continue
        mine = int(process.name) == os.getpid()
        if line and not mine and (lab_id in line or lab_id in where or space in _spaces(lab_id)):
            processes.append(f"{process.name} {line}")
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if lab_id in line]
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    found = {
        "processes": processes,
        "mounts": mounts,
        "loops": [line for line in run(["losetup", "--noheadings", "--list", "-O", "BACK-FILE"]).splitlines() if lab_id in line],
        "namespaces": [path.name for path in Path("/run/netns").glob(f"pv-{lab_id}-*")],
        "links": [line for line in links.splitlines() if lab_id in line or "pv-" in line],
        "cgroups": _groups(f"pv-{lab_id}-"),
        "folders": run(["find", "/run/systemd/nspawn", "-maxdepth", "2", "-name", f"pv-{lab_id}-*"], check=False).splitlines(),
    }
    home = lab.base.lab_home()
    # a base that is being built bears no lab's mark: it may be another clone's
    found["folders"] += [str(home / lab_id)] if (home / lab_id).exists() else []
    return found


def _groups(prefix: str) -> list[str]:
    """Control groups so named; those of other labs end meanwhile, which os.walk takes for no error."""
    found = (Path(root, name) for root, names, _ in os.walk("/sys/fs/cgroup") for name in names)
    return [str(path) for path in found if path.name.startswith(prefix)]


def _spaces(lab_id: str) -> list[str]:
    return [f"net:[{path.stat().st_ino}]" for path in Path("/run/netns").glob(f"pv-{lab_id}-*")]


def clean(lab_id: str) -> bool:
    """Whether the lab left no trace; what it left is in the assertion's message."""
    left = {kind: found for kind, found in traces(lab_id).items() if found}
    assert not left, left
    return True


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, applied_name: str) -> Iterator[Stage]:
    """An applied office that prints and sends mail, one printer of which stands at a difficult place; left as it was."""
    with applied.office(tmp_path_factory.mktemp("served"), applied_name) as stage:
        stage.edit(("À côté de la caisse", f'"{PLACE}"'))
        stage.git("commit", "-q", "-a", "-m", "where the printer stands")
        said = stage.json("apply", "demo", "--lab", "--yes")
        assert said.code == 0, said
        yield stage
    assert clean(stage.target.id)
