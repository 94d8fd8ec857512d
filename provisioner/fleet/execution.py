"""One job's verb, called in a process of its own that outlives its worker and writes down itself how the verb ended.

Under the office's two locks (in the database, and on this machine, where the verb holds it too) it looks first whether the
verb is to be called at all: so whoever starts this a second time, or on another machine, waits for the first and calls nothing
twice.
"""

import contextlib
import fcntl
import json
import re
import signal
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
LOST = "another machine has the lock of this office in the database: the verb was told to stop"
PATIENCE_S = 24 * 3600.0  # for the database, once the verb has ended: its end is known to nobody else


def folder() -> Path:
    """Where locks and logs of executions lie on this machine."""
    path = state_home() / "fleet"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def log(job: int) -> Path:
    """What the verb of a job told the person waiting; kept when it did not end well."""
    return folder() / f"{job}.log"


def forget(days: int) -> None:
    """Remove what executions of this machine left so long ago."""
    for path in (one for kind in ("*.log", "*.out") for one in folder().glob(kind)):
        with contextlib.suppress(FileNotFoundError):  # another worker does it too
            if path.stat().st_mtime < time.time() - days * 86400:
                path.unlink()


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
    if not re.fullmatch(r"[a-z][a-z0-9.-]*", job.office) or job.verb not in jobs.VERBS:  # a word of a command, a file's name
        error = json.dumps({"error": f"{job.verb[:40]!r} for {job.office[:40]!r} is no job of ours"})
        database.end(database.begin(number), Outcome.FAILED, 2, error)
        return 0
    with contextlib.ExitStack() as holding:
        lock = holding.enter_context(_alone(job.office, wait=False))
        if lock is None:
            return HELD
        if job.verb == "prove":  # one lab of a proof at a time; no office has a name that begins so
            holding.enter_context(_alone(".prove", wait=True))
        with database.holding(job.office) as held:
            if held is None:
                return HELD
            before = database.executions(number)
            for one in before:
                if one.ended is None:  # nobody holds its office: whoever called it is dead
                    database.end(one.id, Outcome.INTERRUPTED, -1)
            due = jobs.due(database.executions(number) if before else before, job.asked)
            if due is None or due > database.now():
                return 0
            execution = database.begin(number)
            code, said = _call(job, inventory, lock, held.renew)
            outcome = jobs.judge(job.verb, code, jobs.read(said))
            patiently(lambda: database.end(execution, outcome, code, said), PATIENCE_S)
    if outcome is Outcome.DONE:
        log(number).unlink(missing_ok=True)
    return 0


def _call(job: Job, inventory: Path, lock: IO[str], renew: Callable[[], bool]) -> tuple[int, str]:
    """Call the verb to its end: its exit code, what it printed. It holds this machine's lock too, whatever becomes of us.

    Where another machine has the office's lock meanwhile, the verb is asked to stop as by Ctrl-C, and its end waited for.
    """
    ours = True
    words = [sys.executable, "-m", "provisioner.cli", "--inventory", str(inventory), *jobs.VERBS[job.verb], job.office, "--json"]
    with (folder() / f"{job.id}.out").open("w+", encoding="utf-8", errors="replace") as out:
        verb = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, pass_fds=[lock.fileno()])
        while True:
            try:
                code = verb.wait(RENEW_S)
                break
            except subprocess.TimeoutExpired:
                if ours and not (ours := renew()):
                    print(LOST, file=sys.stderr, flush=True)
                    verb.send_signal(signal.SIGINT)
        out.seek(0)
        said = out.read(SAID_LIMIT + 1)
    Path(out.name).unlink(missing_ok=True)
    if not ours and jobs.judge(job.verb, code, jobs.read(said)) is Outcome.INTERRUPTED:
        said = json.dumps({"error": LOST})
    return code, said


def main() -> None:
    """Be that process."""
    conninfo, inventory, number = sys.argv[1:4]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a worker started in the background ignores it: the verb must not
    try:
        sys.exit(execute(Database(conninfo), Path(inventory), int(number)))
    except ProvisionerError as problem:
        print(f"{problem} ({problem.hint})", file=sys.stderr)
        sys.exit(problem.exit_code)


if __name__ == "__main__":
    main()
