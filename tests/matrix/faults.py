"""The faults, one function each: called while the run waits at a boundary, it does its harm, lets the run go, and sees it end.

Each returns what the run said, or None where its tool was killed. What must hold afterwards is the same for all (`case`).
"""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from provisioner import lab, plays
from tests.lab.light import soon
from tests.matrix.office import alike, apply, home, office, reference
from tests.stage import Stage

LIMIT_S = 240  # no run may take longer to see that a host is gone for good
SHORT_S = 4
LOOKED = 40


@dataclass(frozen=True)
class Waiting:
    """A run that waits before a task."""

    stage: Stage
    process: "Popen[str]"
    hold: Path

    def go(self) -> None:
        """Let it go on."""
        self.hold.unlink()

    def end(self) -> dict[str, Any]:
        """What it said in the end; its exit code is `code`."""
        out, err = self.process.communicate(timeout=LIMIT_S)
        assert out.startswith("{"), err
        return {**json.loads(out), "code": self.process.returncode}


def kill_tool(run: Waiting) -> None:
    """SIGKILL to the tool alone: its ansible-playbook goes on, orphaned."""
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.communicate()
    assert plays.orphans(run.stage.target)
    run.go()


def kill_all(run: Waiting) -> None:
    """SIGKILL to the tool and to all it started."""
    children = plays.orphans(run.stage.target)
    assert children
    os.killpg(run.process.pid, signal.SIGKILL)
    for child in children:
        os.kill(child, signal.SIGKILL)
    run.process.communicate()
    run.go()


def cut_short(run: Waiting) -> dict[str, Any]:
    """The server's cable pulled for some seconds."""
    lab.cut(run.stage.target, "server")
    run.go()
    time.sleep(SHORT_S)
    lab.mend(run.stage.target, "server")
    return run.end()


def cut_long(run: Waiting) -> dict[str, Any]:
    """The server's cable pulled until the run has ended."""
    lab.cut(run.stage.target, "server")
    try:
        run.go()
        return run.end()
    finally:
        lab.mend(run.stage.target, "server")


def power_cut(run: Waiting) -> dict[str, Any]:
    """The server's power cut, and on again when the run has ended."""
    lab.power_off(run.stage.target, "server")
    try:
        run.go()
        return run.end()
    finally:
        lab.power_on(run.stage.target, "server")


Fault = Callable[[Waiting], "dict[str, Any] | None"]
ROWS: dict[str, tuple[str, tuple[Fault, ...]]] = {
    "F1": ("SIGKILL: the tool alone, the tool with all its children", (kill_tool, kill_all)),
    "F2": ("the link cut both ways, short and long", (cut_short, cut_long)),
    "F3": ("the host's power cut, and on again", (power_cut,)),
}


def case(fault: Fault, boundary: int) -> None:
    """Break a run off before its task number `boundary` (from 1) and take it up again; AssertionError says what does not hold.

    The next plain apply is done, one more changes nothing, and each host is what an uninterrupted run makes of it.
    """
    wanted = reference()
    with office(home() / f"{fault.__name__}-{boundary}") as stage:
        hold = stage.home / "hold"
        hold.touch()
        process = stage.start("--json", "apply", "demo", "--lab", "--yes", PROVISIONER_HOLD=f"{boundary}:{hold}")
        try:
            held = hold.with_suffix(".held")
            assert soon(lambda: held.exists() or process.poll() is not None, 300)
            assert held.exists(), process.communicate()
            _true(fault(Waiting(stage, process, hold)))
        finally:
            hold.unlink(missing_ok=True)
            if process.poll() is None:
                process.kill()
        said = apply(stage)
        assert said.code == 0, said
        assert plays.orphans(stage.target) == {}
        assert apply(stage).data["status"] == "unchanged"
        assert stage.run("runs", "check", "demo", "--lab").code == 0
        now = alike(stage)
    for host, before in wanted.hosts.items():
        differs = {
            name: (before.get(name), now[host].get(name))
            for name in sorted(before.keys() | now[host].keys())
            if before.get(name) != now[host].get(name)
        }
        assert not differs, (host, dict(list(differs.items())[:LOOKED]))


def _true(said: dict[str, Any] | None) -> None:
    """The exit code says what happened: 0 only where every host was finished, 5 where one fell silent, 4 where a task failed."""
    if said is None:
        return
    server = said["hosts"]["server"]
    assert said["hosts"]["router"]["failed"] == said["hosts"]["router"]["unreachable"] == 0, said
    assert said["code"] == (4 if server["failed"] else 5 if server["unreachable"] else 0), said
