"""Light labs for what goes wrong: few hosts, few roles, programs on the hosts that wait or fail when told to."""

import fcntl
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from provisioner import adopt, lab
from provisioner.lab import base, snapshot
from provisioner.lab.network import NAMESPACES
from provisioner.laptop.processes import as_root
from tests import knobs
from tests.stage import EXAMPLE, CommandResult, Stage, make

ROOM = Path(__file__).parent
EXAMPLE_DOSSIER = EXAMPLE / "offices/demo/dossier.yml"


def light(folder: Path, roles: Mapping[str, Sequence[str]], hosts: Sequence[str] = ("router", "server")) -> Stage:
    """A stage whose pack gives each kind these roles alone; none means: reached, repaired, addressed, nothing more."""
    stage = make(folder, hosts=hosts)
    path = stage.inventory / "packs/standard-2026.1.yml"
    pack = yaml.safe_load(path.read_text())
    for kind, known in pack["kinds"].items():
        pack["kinds"][kind] = {role: known[role] for role in roles.get(kind, ())}
    path.write_text(yaml.safe_dump(pack, allow_unicode=True, sort_keys=False))
    stage.git("commit", "-q", "-a", "-m", "a light pack")
    return stage


KNOWN = {"router", "server", "desktop"}  # of the example office


def bring_up(stage: Stage, suite: str = "trixie", *, blank: bool = False) -> Stage:
    """The stage's lab with every host adopted: from a checkpoint of adopted machines, unless they are to be `blank` first."""
    hosts = sorted(yaml.safe_load(stage.dossier.read_text())["hosts"])
    known = set(hosts) <= KNOWN and not blank
    start = ["--from", _adopted(hosts, suite)] if known else []
    for words in (("lab", "up", "demo", "--suite", suite, *start), *([] if known else [ADOPT])):
        said = stage.json(*words)
        assert said.code == 0, said
        stage.evidence[words[0]] = said
    return stage


ADOPT = ("adopt", "demo", "--lab", "--yes")


def _adopted(hosts: Sequence[str], suite: str) -> str:
    """The checkpoint of these machines, blank and adopted, made where it is not there yet; older ones go."""
    sort = f"light-{suite}-{'-'.join(hosts)}-"
    made_of = [base.path_of(suite).name, *(f"{path}{path.read_text()}" for path in (Path(adopt.__file__), EXAMPLE_DOSSIER))]
    called = sort + hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:12]
    base.lab_home().mkdir(parents=True, exist_ok=True)
    with (base.lab_home() / f"{sort}lock").open("w") as lock, tempfile.TemporaryDirectory() as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other worker waits for it instead of making it too
        if not snapshot.find(called, suite):
            stage = make(Path(folder), hosts=hosts)
            try:
                for words in (("lab", "up", "demo", "--suite", suite), ADOPT, ("lab", "save", "demo", called)):
                    said = stage.run(*words)
                    assert said.code == 0, said
            finally:
                stage.run("lab", "down", "demo")
            others = [one.name for one in (base.lab_home() / "snapshots").glob("*") if not one.name.startswith(sort)]
            snapshot.prune([called, *others], [one.snapshot for one in lab.every()], lambda _: None)
    return called


def state(stage: Stage) -> Path:
    """The state folder of the stage's lab."""
    return stage.home / "provisioner/labs" / f"{stage.office}-{stage.target.id}"


def soon(true: Callable[[], object], timeout_s: float = 60) -> bool:
    """Whether it becomes true in time."""
    until = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


# The first task of every play calls `dpkg --audit`: where that waits, a run waits, in a task that may be cut short.
_SLOW = r"""#!/bin/sh
[ ! -e /run/slow ] || { touch /run/waiting; sleep $(cat /run/slow); rm -f /run/waiting; }
exec /usr/bin/dpkg "$@"
"""


def slow(on: Callable[[str], str], seconds: float) -> None:
    """Make the first task of a play on a host last that long; `on` runs a line there."""
    dpkg = shlex.quote(_SLOW)
    on(f"printf %s {dpkg} | sudo tee /usr/local/sbin/dpkg >/dev/null; sudo chmod 755 /usr/local/sbin/dpkg")
    on(f"echo {seconds} | sudo tee /run/slow >/dev/null")


def fast(on: Callable[[str], str]) -> None:
    """Take it back."""
    on("sudo rm -f /run/slow /run/waiting /usr/local/sbin/dpkg")


def waits(stage: Stage, host: str) -> bool:
    """Whether the host is in that task now, seen on its disk from outside: no connection is made."""
    root = lab.base.lab_home() / stage.target.id / "hosts" / host
    there = (as_root(["test", "-e", f"/proc/{pid}/root/run/waiting"]) for pid in _inside(stage, host))
    return root.exists() and any(subprocess.run(words, check=False).returncode == 0 for words in there)


def _inside(stage: Stage, host: str) -> list[str]:
    """The host's own PID 1, as the machine numbers it."""
    unit = f"pv-{stage.target.id}-{host}"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if unit in (process / "cgroup").read_text() and "systemd\0" in (process / "cmdline").read_bytes().decode(
                errors="replace"
            ):
                found.append(process.name)
        except OSError:
            continue
    return found


def inside(stage: Stage, host: str, line: str, *, network: str = "") -> str:
    """What a line printed, run by the host's root from outside: where nobody gets in, it does; it must succeed.

    With `network`, a namespace's name, by the host's programs there.
    """
    first = next(pid for pid in _inside(stage, host) if "\t1\n" in Path(f"/proc/{pid}/status").read_text().partition("NSpid:")[2])
    net = f"--net={NAMESPACES / network}" if network else "--net"
    words = ["nsenter", "--target", first, "--mount", "--uts", "--ipc", net, "--pid", "--", "/bin/sh", "-c", line]
    done = subprocess.run(as_root(words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kill(process: "subprocess.Popen[str]") -> None:
    """SIGKILL to the tool and whatever is in its process group, as a closing laptop does; ours alone, by its number."""
    assert process.poll() is None, "it had ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def power(stage: Stage, word: str, name: str) -> None:
    """Switch a machine of the stage's lab `off` or `on`: a host, a printer, the provider."""
    _lab(stage, f"power_{word}", name)


def replace(stage: Stage, host: str) -> None:
    """Put a blank machine in a host's place."""
    _lab(stage, "replace", host)


def _lab(stage: Stage, word: str, name: str) -> None:
    code = (
        "import sys; from pathlib import Path; from provisioner import lab; from provisioner.inventory.target import Target;"
        "getattr(lab, sys.argv[1])(Target(Path(sys.argv[2]), 'demo', lab=True), sys.argv[3])"
    )
    subprocess.run([sys.executable, "-c", code, word, str(stage.inventory), name], env=stage.environment, check=True)


# --------------------------------------------------------------------------------------------- impostors


@dataclass
class Impostor:
    """A server of ours that stands at an address of the lab's LAN; `heard` is what it was given."""

    process: "subprocess.Popen[str]"
    log: Path
    address: str
    lines: list[str] = field(default_factory=list)

    @property
    def heard(self) -> list[dict[str, Any]]:
        """Everything that came in, one entry a thing: `connected`, then any request or credential."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    @property
    def secrets(self) -> list[dict[str, Any]]:
        """What no impostor may be given: any step of a login."""
        return [entry for entry in self.heard if entry["what"] != "connected"]


@contextmanager
def impostor(stage: Stage, address: str, *how: str) -> Iterator[Impostor]:
    """Stand at `address` in the LAN, before its real owner for whoever is plugged in; `how` goes to `impostor.py`."""
    log = stage.home / f"impostor-{address}-{time.monotonic_ns()}"
    log.touch()
    # as root there: its address, its port and the sysctl are not for the user that `lab.plugged` gives a command back to
    lan = as_root(["nsenter", f"--net={NAMESPACES}/pv-{stage.target.id}-lan", "--"])
    # the other hosts must go on reaching the real one: answer ARP for the addresses of the link alone (ip-sysctl.rst)
    subprocess.run([*lan, "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1"], check=True)
    subprocess.run([*lan, "ip", "address", "add", f"{address}/32", "dev", "lo"], check=True, capture_output=True)
    words = [*lan, sys.executable, str(ROOM.parent / "hosts/impostor.py"), address, str(log), *how]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield Impostor(process, log, address)
    finally:
        process.terminate()
        process.wait(timeout=10)
        subprocess.run([*lan, "ip", "address", "del", f"{address}/32", "dev", "lo"], check=True)


# ------------------------------------------------------------------------------------- real offices


@dataclass
class Technician:
    """Somebody with a laptop of their own: a copy of the inventory, a state folder, a key; plugged into a lab's LAN."""

    login: str
    stage: Stage
    clone: Path
    home: Path
    key: Path

    @property
    def environment(self) -> dict[str, str]:
        """Their verbs' environment."""
        return {**self.stage.environment, "PROVISIONER_INVENTORY": str(self.clone), "XDG_STATE_HOME": str(self.home)}

    def start(self, *words: str, **environment: str) -> "subprocess.Popen[str]":
        """Call a verb on the office's real hosts and do not wait."""
        argv = lab.plugged(self.stage.target, [sys.executable, "-m", "provisioner.cli", "--json", *words])
        return subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=knobs.environment(self.environment | environment), start_new_session=True,
        )  # fmt: skip

    def run(self, *words: str, stdin: str = "", timeout_s: float = 300, **environment: str) -> CommandResult:
        """Call one and wait."""
        began = time.monotonic()
        process = self.start(*words, **environment)
        out, err = process.communicate(stdin, timeout=timeout_s)
        return CommandResult(process.returncode, out, err, time.monotonic() - began)

    def on(self, host: str, line: str) -> str:
        """What a shell line printed on a real host; it must succeed."""
        said = self.run("ssh", "demo", host, "--", line)
        assert said.code == 0, said
        assert said.data["exit"] == 0, said.data
        return str(said.data["stdout"])

    def git(self, *words: str) -> str:
        """Git in their copy."""
        identity = ["-c", f"user.name={self.login}", "-c", f"user.email={self.login}@example.org"]
        done = subprocess.run(["git", *identity, *words], cwd=self.clone, capture_output=True, text=True, check=True)
        return done.stdout.strip()
