"""Workers that are killed: no job is lost, none is run twice; what was interrupted is run again, never beside itself."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from provisioner.fleet.database import Database, Line, judged
from provisioner.fleet.jobs import Outcome
from provisioner.inventory.target import Target
from provisioner.lab import base
from tests.deep.light_hosts import LightHosts, light_hosts
from tests.fleet.conftest import ALONE
from tests.verbs import Run

pytestmark = pytest.mark.lab


class Workers:
    """Some workers, each in a process group of its own, started again as they are killed."""

    def __init__(self, through: list[str], inventory: Path, log: Path, count: int) -> None:
        words = [sys.executable, "-m", "provisioner.cli", "--inventory", str(inventory), "fleet", "work", "--at-once", "2"]
        self._words, self._log = [*through, *words], log
        self.running = [self._start() for _ in range(count)]

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(self._words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, which: int) -> None:
        """One, by SIGKILL; another takes its place."""
        self.running[which].kill()
        self.running[which].wait()
        self.running[which] = self._start()

    def end(self) -> list[int]:
        """All, in good order; their exit codes."""
        for one in self.running:
            one.terminate()
        return [one.wait(60) for one in self.running]


@contextlib.contextmanager
def workers(through: list[str], inventory: Path, log: Path, count: int = 2) -> Iterator[Workers]:
    """None is left behind."""
    found = Workers(through, inventory, log, count)
    try:
        yield found
    finally:
        for one in found.running:
            one.kill()
            one.wait()


def ended(lines: list[Line]) -> bool:
    return all(line.status not in ("todo", "doing") for line in lines)


def rounds(inventory: Path) -> Counter[str]:
    """How often each office was judged, by the file where `check` itself keeps what it found."""
    ids = {Target(inventory, path.name).id: path.name for path in (inventory / "offices").iterdir()}
    where = Path(os.environ["XDG_STATE_HOME"]) / "provisioner/check.sqlite"
    with contextlib.closing(sqlite3.connect(where)) as file:
        return Counter(ids[one] for (one,) in file.execute("SELECT target FROM sample WHERE what = 'worst'"))


def killed(run: Run, hosts: LightHosts, conninfo: str, log: Path, *, kills: int, every_s: float, limit_s: float) -> None:
    """Rounds of all offices over two workers, of which now one and now the other is killed."""
    names = sorted(path.name for path in (hosts.inventory / "offices").iterdir())
    assert len(run("fleet", "add", "check", "--all", "--inventory", hosts.inventory, "--json").data["jobs"]) == len(names)
    database, chance, left = Database(judged(conninfo)), random.Random(23), kills
    with workers(hosts.inside, hosts.inventory, log) as found:
        until = time.monotonic() + limit_s
        while not ended(lines := database.lines()):
            assert time.monotonic() < until, [(line.job.office, line.status) for line in lines if not ended([line])]
            time.sleep(every_s * (0.5 + chance.random()) if left else 0.5)
            if left and any(line.status == "doing" for line in database.lines()):  # idle workers are no proof
                found.kill(left % 2)
                left -= 1
        assert left == 0, "the jobs ended before the kills"
        assert found.end() == [0, 0], log.read_text()
    lines = database.lines()
    assert sorted(line.job.office for line in lines) == names, "none lost"
    assert {line.status for line in lines} == {"succeeded"}, log.read_text()
    assert {len(line.executions) for line in lines} == {1}, "none run twice, by what is written down"
    assert rounds(hosts.inventory) == Counter(names), "and by what check itself keeps"


@pytest.fixture
def hosts(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LightHosts]:
    """So many light hosts, each of an office; before `run`, which has a state folder of its own: the machine's bases."""
    if os.geteuid():
        pytest.skip("namespaces of a network need root")
    base.ensure("trixie", base.quiet)
    folder = tmp_path / "light"
    folder.mkdir()
    with light_hosts(folder, request.param) as found:
        yield found


@pytest.mark.lab
@pytest.mark.parametrize("hosts", [8], indirect=True)
def test_workers_killed_now_and_then_lose_nothing(hosts: LightHosts, run: Run, conninfo: str, tmp_path: Path) -> None:
    """Eight offices, two kills as soon as a worker has a job: a round takes seconds."""
    killed(run, hosts, conninfo, tmp_path / "log", kills=2, every_s=0.1, limit_s=240)


@pytest.mark.deep
@pytest.mark.lab
@pytest.mark.parametrize("hosts", [200], indirect=True)
def test_twenty_kills_over_two_hundred_offices(hosts: LightHosts, run: Run, conninfo: str, tmp_path: Path) -> None:
    """The number of docs/fleet.md."""
    killed(run, hosts, conninfo, tmp_path / "log", kills=20, every_s=6, limit_s=1800)


@contextlib.contextmanager
def suspended(processes: list[psutil.Process]) -> Iterator[None]:
    """Processes that stand still, and go on whatever becomes of the test."""
    for one in processes:
        one.suspend()
    try:
        yield
    finally:
        for one in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()


def test_what_died_with_its_worker_is_run_again_and_what_lives_is_waited_for(
    run: Run, offices: Path, conninfo: str, tmp_path: Path
) -> None:
    """As where a machine loses its power: one execution and its verb are gone too. Another is slow: it outlives its worker."""
    assert run("fleet", "add", "check", "office-00000", "office-00001").code == 0
    database, log = Database(judged(conninfo)), tmp_path / "log"
    with workers(ALONE, offices, log, count=1) as found:
        until = time.monotonic() + 60
        while not all(database.executions(number) for number in (1, 2)):
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.02)
        keepers = {int(one.cmdline()[-1]): one for one in psutil.Process(found.running[0].pid).children()}
        slow = keepers[2].children()
        assert slow, "its verb is under way"
        with suspended(slow):
            for one in [*keepers[1].children(recursive=True), keepers[1]]:
                with contextlib.suppress(psutil.Error):
                    one.send_signal(signal.SIGKILL)
            found.kill(0)
            until = time.monotonic() + 120
            while len(database.executions(1)) < 2 or database.executions(1)[-1].ended is None:
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.3)
            time.sleep(3)
            waiting = next(line for line in database.lines() if line.job.id == 2)
            assert waiting.status == "doing", "the second worker has that job"
            assert [one.ended for one in waiting.executions] == [None], "and begins nothing beside the one that is under way"
        while not all(line.status == "todo" and line.due for line in database.lines()):
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.3)
        assert found.end() == [0]
    assert [one.outcome for one in database.executions(1)] == [Outcome.INTERRUPTED, Outcome.UNREACHABLE]
    assert [one.outcome for one in database.executions(2)] == [Outcome.UNREACHABLE]


@pytest.mark.deep
def test_a_play_that_a_dead_execution_left_is_dealt_with(run: Run, offices: Path, conninfo: str, tmp_path: Path) -> None:
    """A worker that starts on that machine ends the ansible-playbook of an office, whoever goes on with the job."""
    from tests.fleet.conftest import work

    playbook = tmp_path / "wait.yml"
    playbook.write_text("- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ansible.builtin.pause: {seconds: 300}\n")
    program = Path(sys.executable).with_name("ansible-playbook")
    target = Target(offices, "office-00001")
    environment = {**os.environ, "PROVISIONER_RUN": f"{target.id}/20261129-000000-aaaa", "PROVISIONER_TOOL": "1/0"}
    left = subprocess.Popen(
        [program, "-i", "localhost,", playbook], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        time.sleep(6)  # its task is under way
        assert left.poll() is None
        done = work()
        assert done.returncode == 0, done
        assert "run 20261129-000000-aaaa was killed but its ansible-playbook still works" in done.stderr
        assert left.wait(5) is not None
    finally:
        left.kill()
        left.wait()
    del run, conninfo
