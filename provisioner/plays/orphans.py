"""What a killed tool left at work: its ansible-playbook is found, asked to stop before its next task, waited for, ended."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence

from provisioner.hosts import access
from provisioner.inventory.target import Target, runtime_home
from provisioner.laptop.processes import born, children

RUN_VARIABLE = "PROVISIONER_RUN"


TOOL_VARIABLE = "PROVISIONER_TOOL"  # the process that plays, and when it started


def _all() -> Iterator[tuple[int, str, str]]:
    """Processes of plays whose tool is gone: pid, target's id, run. Only our own are looked at."""
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it ended meanwhile, or is somebody else's
            if process.uids().real != os.getuid() or "ansible-playbook" not in " ".join(process.cmdline()):
                continue
            given = process.environ()
            office, _, run = given.get(RUN_VARIABLE, "").partition("/")
            if process.pid != os.getpid() and office and not _at_work(given.get(TOOL_VARIABLE, "")):
                yield process.pid, office, run


def find(target: Target) -> dict[int, str]:
    """Processes of earlier plays on this target whose tool is gone: pid -> run."""
    return {pid: run for pid, office, run in _all() if office == target.id}


def targets() -> set[str]:
    """On which targets such plays are still at work: their ids."""
    return {office for _, office, _ in _all()}


def _used_s(pid: int) -> float:
    """The processor's time a process has taken so far; 0 when it is gone."""
    import psutil

    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


def tool() -> str:
    """This process, so that nobody takes what it plays for an orphan: its pid and when it started."""
    return f"{os.getpid()}/{born(os.getpid())}"


def _at_work(tool: str) -> bool:
    """Whether the tool that started a play still runs: what it plays is no orphan."""
    pid, _, started = tool.partition("/")
    return pid.isdecimal() and born(int(pid)) == started != ""


def sweep(target: Target, *, say: Callable[[str], None], patience_s: float = 900, idle_s: float = 10) -> list[str]:
    """Deal with what killed runs left: their ansible-playbook is stopped before its next task, their folders removed.

    One whose workers died with the tool waits for them for ever, without a child process. One that could not write to the dead
    tool reads no more results (ansible's `results_thread_main` ends at an OSError), and a worker with many of them waits for
    ever to hand them over. After `idle_s` of either it is ended.

    Returns:
        The names of the runs that were still working.
    """
    working = find(target)
    for run in sorted(set(working.values())):
        say(f"run {run} was killed but its ansible-playbook still works; waiting for its current task to end")
        with contextlib.suppress(OSError):
            (runtime_home() / f"play-{target.id}-{run}" / "gate/stop").touch()
    runs = sorted(set(working.values()))
    deadline = time.monotonic() + patience_s
    busy = dict.fromkeys(working, time.monotonic())
    used: dict[int, float] = {}
    while working and time.monotonic() < deadline:
        time.sleep(0.3)
        working = find(target)
        started = {pid: {child.pid for child in children(pid)} for pid in working}
        workers = set().union(*started.values()) & working.keys()
        before, used = used, {pid: _used_s(pid) for pid in workers}
        # a worker that computes takes time; one that waits for its host has a child that does: ssh
        gets_on = {pid for pid in working if pid not in busy or started[pid] - workers or used.get(pid) != before.get(pid)}
        gets_on |= {pid for pid in working if started[pid] & gets_on}
        busy |= dict.fromkeys(gets_on, time.monotonic())
        stuck = [pid for pid in working if pid not in workers and time.monotonic() - busy[pid] > idle_s]
        if stuck:
            say(f"ansible-playbook {', '.join(map(str, stuck))} waits for nothing any more; ending it")
            _end(target, stuck)
            working = find(target)
    if working:
        say(f"ending ansible-playbook {', '.join(map(str, working))}")
        _end(target, list(working))
    access.sweep(target)
    for left in runtime_home().glob(f"play-{target.id}-*"):
        try:
            tool = (left / "gate/tool").read_text()
        except OSError:
            tool = ""
        if not _at_work(tool):
            shutil.rmtree(left, ignore_errors=True)
    return runs


def _end(target: Target, pids: Sequence[int]) -> None:
    """Ask orphans to end, and make them when they do not within seconds; a pid that is no orphan any more is let be."""
    for how, wait_s in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        for pid in find(target).keys() & set(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        until = time.monotonic() + wait_s
        while (left := find(target).keys() & set(pids)) and time.monotonic() < until:
            time.sleep(0.1)
        if not left:
            return
