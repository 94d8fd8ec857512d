"""One job's verb, called in a process of its own that outlives its worker and writes down itself how the verb ended.

Under the office's two locks (in the database, and on this machine, where the verb holds it too) it looks first whether the
verb is to be called at all: so whoever starts this a second time, or on another machine, waits for the first and calls nothing
twice.
"""

import contextlib
import fcntl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from provisioner.errors import ProvisionerError
from provisioner.fleet import jobs
from provisioner.fleet.database import SAID_LIMIT, Database, patiently
from provisioner.fleet.jobs import Job, Outcome
from provisioner.inventory.target import state_home

HELD = 75  # exit code: somebody else is at work on this office (EX_TEMPFAIL, sysexits.h)
RENEW_S = 5.0
PATIENCE_S = 24 * 3600.0  # for the database, once the verb has ended: its end is known to nobody else


def folder() -> Path:
    """Where locks and logs of executions lie on this machine."""
    path = state_home() / "fleet"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def log(job: int) -> Path:
    """What the verb of a job told the person waiting; kept when it did not end well."""
    return folder() / f"{job}.log"


def command(conninfo: str, inventory: Path, job: int) -> list[str]:
    """What starts this for a job."""
    return [sys.executable, "-m", "provisioner.fleet.execution", conninfo, str(inventory), str(job)]


@contextlib.contextmanager
def _alone(name: str, *, wait: bool) -> Iterator[IO[str] | None]:
    with (folder() / f"{name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None
        else:
            yield lock


def execute(database: Database, inventory: Path, number: int) -> int:
    """Call the verb of a job, if it is to be called now; the exit code of this process."""
    job = database.job(number)
    with _alone(job.office, wait=False) as lock:
        if lock is None:
            return HELD
        with database.holding(job.office) as held:
            if held is None:
                return HELD
            before = database.executions(number)
            for one in before:
                if one.ended is None:  # nobody holds its office: whoever called it is dead
                    database.end(one.id, Outcome.INTERRUPTED, -1)
            due = jobs.due(database.executions(number) if before else before)
            if due is None or due > time.time():
                return 0
            with _alone("prove", wait=True) if job.verb == "prove" else contextlib.nullcontext():  # one lab of a proof at a time
                execution = database.begin(number)
                code, said = _call(job, inventory, lock, held.renew)
            outcome = jobs.judge(job.verb, code, jobs.read(said))
            patiently(lambda: database.end(execution, outcome, code, said), PATIENCE_S)
    if outcome is Outcome.DONE:
        log(number).unlink(missing_ok=True)
    return 0


def _call(job: Job, inventory: Path, lock: IO[str], renew: Callable[[], None]) -> tuple[int, str]:
    """Call the verb to its end: its exit code, what it printed. It holds this machine's lock too, whatever becomes of us."""
    words = [sys.executable, "-m", "provisioner.cli", "--inventory", str(inventory), *jobs.VERBS[job.verb], job.office, "--json"]
    with (folder() / f"{job.id}.out").open("w+", encoding="utf-8", errors="replace") as out:
        verb = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, pass_fds=[lock.fileno()])
        while True:
            try:
                code = verb.wait(RENEW_S)
                break
            except subprocess.TimeoutExpired:
                renew()
        out.seek(0)
        said = out.read(SAID_LIMIT + 1)
    Path(out.name).unlink(missing_ok=True)
    return code, said


def main() -> None:
    """Be that process."""
    conninfo, inventory, number = sys.argv[1:4]
    try:
        sys.exit(execute(Database(conninfo), Path(inventory), int(number)))
    except ProvisionerError as problem:
        print(f"{problem} ({problem.hint})", file=sys.stderr)
        sys.exit(problem.exit_code)


if __name__ == "__main__":
    main()
