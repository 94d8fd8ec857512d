"""A stage for tests on real hosts: a copy of the example network, a lab of one office, the verbs as a person calls them."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioner.inventory.target import Target, state_home
from provisioner.training.network import keep_hosts
from tests import knobs

EXAMPLE = Path(__file__).parents[1] / "inventory"


@dataclass
class CommandResult:
    """What a verb said and how it ended."""

    code: int
    out: str
    err: str
    took_s: float

    @property
    def data(self) -> dict[str, Any]:
        """The object printed on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass
class Stage:
    """One inventory of its own, and one of its offices."""

    inventory: Path
    home: Path
    office: str = "demo"
    evidence: dict[str, CommandResult] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """The office's lab."""
        return Target(self.inventory, self.office, lab=True)

    @property
    def dossier(self) -> Path:
        """The office's dossier."""
        return self.inventory / "offices" / self.office / "dossier.yml"

    @property
    def environment(self) -> dict[str, str]:
        """The verbs' environment: our inventory, our state, the machine's bases."""
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PROVISIONER_INVENTORY": str(self.inventory),
            "XDG_STATE_HOME": str(self.home),
            "PROVISIONER_LAB_DIR": os.environ.get("PROVISIONER_LAB_DIR") or str(state_home() / "lab-hosts"),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "COLUMNS": "120",
        }

    def command(self, *words: str) -> list[str]:
        """The command line of a verb."""
        return [sys.executable, "-m", "provisioner.cli", *words]

    def run(self, *words: str, stdin: str = "", timeout_s: float = 600, **environment: str) -> CommandResult:
        """Call a verb without a terminal and wait for it."""
        began = time.monotonic()
        done = subprocess.run(
            self.command(*words), input=stdin, capture_output=True, text=True, check=False, timeout=timeout_s,
            env=knobs.environment(self.environment | environment),
        )  # fmt: skip
        return CommandResult(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    def json(self, *words: str, **rest: Any) -> CommandResult:
        """The same with `--json`."""
        return self.run("--json", *words, **rest)

    def start(self, *words: str, **environment: str) -> "subprocess.Popen[str]":
        """Call a verb and do not wait; it leads a process group of its own."""
        return subprocess.Popen(
            self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=knobs.environment(self.environment | environment), start_new_session=True,
        )  # fmt: skip

    def labs(self) -> list[tuple[str, str]]:
        """The labs of its own inventories, (inventory, office); others' on this machine are none of its business."""
        told = self.json("lab", "list").data["labs"]
        roots = (str(self.inventory), str(self.home))
        return [(one["inventory"], one["office"]) for one in told if one["inventory"].startswith(roots)]

    def take_down(self) -> None:
        """Remove them; `lab down --all` would take those of other tests too."""
        for inventory, office in self.labs():
            self.run("--inventory", inventory, "lab", "down", office)

    def on(self, host: str, line: str) -> str:
        """What a shell line printed on a host of the lab; it must succeed."""
        said = self.json("ssh", self.office, host, "--lab", "--", line)
        assert said.code == 0, said.out + said.err
        return str(said.data["stdout"])

    def restart(self, host: str, line: str = "", timeout_s: float = 90) -> None:
        """Run `line` on a host, restart it, and wait until it answers again in another boot."""
        ask = "cat /proc/sys/kernel/random/boot_id"
        former = self.on(host, ask)
        self.on(host, f"{line}\n(sleep 1; sudo systemctl reboot) >/dev/null 2>&1 &")
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            said = self.json("ssh", self.office, host, "--lab", "--", ask)
            if said.code == 0 and said.data["stdout"] != former:
                return
            time.sleep(0.3)
        raise AssertionError(f"{host} did not come back: {said.out} {said.err}")

    def plugged(self, *words: str, stdin: str = "") -> CommandResult:
        """A command plugged into the lab's LAN, as `lab exec` runs it."""
        return self.run("lab", "exec", self.office, "--", *words, stdin=stdin)

    def edit(self, *changes: tuple[str, str]) -> None:
        """Replace text in the dossier; each must be there once."""
        text = self.dossier.read_text()
        for old, new in changes:
            assert text.count(old) == 1, (old, text.count(old))
            text = text.replace(old, new)
        self.dossier.write_text(text)

    def git(self, *words: str, **environment: str) -> str:
        """Git in the inventory."""
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        done = subprocess.run(
            ["git", *identity, *words], cwd=self.inventory, capture_output=True, text=True, check=True,
            env=os.environ | environment,
        )  # fmt: skip
        return done.stdout


def make(folder: Path, office: str = "demo", hosts: Sequence[str] = ()) -> Stage:
    """A stage in `folder`; `hosts` keeps only these hosts of the office, so that its lab is up sooner."""
    stage = Stage(folder / "inventory", folder / "state", office)
    shutil.copytree(EXAMPLE, stage.inventory)
    if hosts:
        keep_hosts(stage.dossier, hosts)
    stage.git("init", "-q", "-b", "main")
    stage.git("add", "-A")
    # the same commit each time: a lab that starts from a snapshot was applied from the very copy it is tested with
    when = "2026-01-01T00:00:00Z"
    stage.git("commit", "-q", "-m", "the network", GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)
    return stage
