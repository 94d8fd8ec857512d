"""The faults, one function each: called while the run waits at a boundary, it does its harm, lets the run go, and sees it end.

Each returns what the run said, or None where its tool was killed. What must hold afterwards is the same for all (`case`).
"""

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from provisioner import lab
from provisioner.explain import FELL_SILENT
from provisioner.plays import orphans
from tests.deep.office import Reference, alike, apply, office, reference
from tests.deep.rows import home
from tests.lab.light import soon
from tests.stage import Stage

LIMIT_S = 240  # no run may take longer to see that a host is gone for good
SHORT_S = 4
LOOKED = 40
SECOND = 0.3  # of the moments inside dpkg, those in the second installation: it is the shorter one


@dataclass(frozen=True)
class Waiting:
    """A run that waits before a task."""

    stage: Stage
    process: "Popen[str]"
    hold: Path

    def go(self) -> None:
        """Let it go on."""
        self.hold.unlink(missing_ok=True)

    def end(self) -> dict[str, Any]:
        """What it said in the end; its exit code is `code`."""
        out, err = self.process.communicate(timeout=LIMIT_S)
        assert out.startswith("{"), err
        return {**json.loads(out), "code": self.process.returncode}


def kill_tool(run: Waiting) -> None:
    """SIGKILL to the tool alone: its ansible-playbook goes on, orphaned."""
    waits = run.hold.exists()
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.communicate()
    assert orphans.find(run.stage.target) or not waits
    run.go()


def kill_all(run: Waiting) -> None:
    """SIGKILL to the tool and to all it started."""
    children = orphans.find(run.stage.target)
    assert children
    os.killpg(run.process.pid, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(ProcessLookupError):  # a worker whose task ended just now
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


def case(fault: Fault, boundary: int, after_s: float | None = None, *, whole: bool = False) -> None:
    """Break a run off before its task number `boundary` (from 1) and take it up again; AssertionError says what does not hold.

    With `after_s` it is broken off that long after the task began. The next plain apply is done, one more changes nothing,
    and each host is what an uninterrupted run makes of it.
    """
    wanted = reference(whole=whole)
    with office(home() / f"{fault.__name__}-{boundary}-{os.getpid()}", whole=whole) as stage:
        hold = stage.home / "hold"
        hold.touch()
        process = stage.start("--json", "apply", "demo", "--lab", "--yes", KNOB_HOLD=f"{boundary}:{hold}")
        try:
            held = hold.with_suffix(".held")
            assert soon(lambda: held.exists() or process.poll() is not None, 300)
            assert held.exists(), process.communicate()
            run = Waiting(stage, process, hold)
            if after_s is not None:
                run.go()
                time.sleep(after_s)
            _true(fault(run))
        finally:
            hold.unlink(missing_ok=True)
            if process.poll() is None:
                process.kill()
        taken_up(stage, wanted)


def taken_up(stage: Stage, wanted: Reference) -> None:
    """The next plain apply is done, one more changes nothing, each host is as an uninterrupted run leaves it."""
    said = apply(stage)
    assert said.code == 0, said
    assert orphans.find(stage.target) == {}
    again = apply(stage)
    assert again.data["status"] == "unchanged", again
    assert stage.run("runs", "check", "demo", "--lab").code == 0
    now = alike(stage)
    for host, before in wanted.hosts.items():
        differs = {
            name: (before.get(name), now[host].get(name))
            for name in sorted(before.keys() | now[host].keys())
            if before.get(name) != now[host].get(name)
        }
        assert not differs, (host, dict(list(differs.items())[:LOOKED]))


def in_dpkg(seed: int) -> None:
    """Cut the server's power while dpkg works there, in the one or the other of the run's two installations; then as `case`."""
    wanted, moment = reference(), random.Random(seed)
    with office(home() / f"in_dpkg-{seed}-{os.getpid()}") as stage:
        process = stage.start("--json", "apply", "demo", "--lab", "--yes")
        run = Waiting(stage, process, stage.home / "hold")
        try:
            if moment.random() < SECOND:  # let the first installation go by
                assert soon(lambda: working(stage, "dpkg"), 200)
                assert soon(lambda: not working(stage, "dpkg", "apt"), 200)
            assert soon(lambda: working(stage, "dpkg") or process.poll() is not None, 200)
            assert process.poll() is None, process.communicate()
            time.sleep(moment.uniform(0, 1.5))
            lab.power_off(stage.target, "server")
            _true(run.end())
        finally:
            if process.poll() is None:
                process.kill()
        lab.power_on(stage.target, "server")
        taken_up(stage, wanted)


def working(stage: Stage, *names: str) -> bool:
    """Whether a program of one of these names runs on the server now, seen from outside; no connection is made."""
    unit = f"pv-{stage.target.id}-server"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() in names and unit in (process / "cgroup").read_text():
                return True
        except OSError:
            continue
    return False


def _true(said: dict[str, Any] | None) -> None:
    """The exit code says what happened: 0 only where every host was finished, 5 where one fell silent, 4 where a task failed."""
    if said is None:
        return
    server = said["hosts"]["server"]
    assert said["hosts"]["router"]["failed"] == said["hosts"]["router"]["unreachable"] == 0, said
    assert said["code"] == (4 if server["failed"] else 5 if server["unreachable"] else 0), said
    if server["unreachable"]:
        assert said["problems"]["server"]["problem"].startswith((FELL_SILENT, "server (")), said
