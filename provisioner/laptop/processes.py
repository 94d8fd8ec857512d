"""Other programs: called as root where they must be, and those left running recorded so that no other is ever ended.

A pid alone proves nothing: pids come round within minutes. A process of ours is known by its pid, its start time
(field 22 of `/proc/PID/stat`, proc_pid_stat(5)) and its whole command line; only when all three match is it ended.
"""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import HostFailed, Missing

# Started by `setsid --fork`, so that neither a closed terminal nor sudo's end takes it along. The record is written by
# the process itself, before it becomes the program: a caller killed at any moment leaves no process unrecorded.
_WRAP = """
record=$1 log=$2 groups=$3; shift 3
for group in $groups; do echo $$ > "$group/cgroup.procs" || exit 1; done
exec < /dev/null > "$log" 2>&1
cat /proc/$$/stat > "$record.new" && mv "$record.new" "$record" && exec "$@"
"""


def as_root(command: Sequence[str], *, keep: Sequence[str] = ()) -> list[str]:
    """`command` as root would run it: itself when we are root, else through sudo, keeping the variables in `keep`."""
    if os.geteuid() == 0:
        return list(command)
    kept = [f"--preserve-env={','.join(keep)}"] if keep else []
    return ["sudo", *kept, "--", *command]


def run(command: Sequence[str], *, stdin: bytes | None = None, check: bool = True) -> str:
    """Run `command` as root to its end and return its stdout.

    Raises:
        HostFailed: it failed; the message holds its last words, the hint the command ready to paste.
        Missing: there is no such program.
    """
    argv = as_root(command)
    try:
        done = subprocess.run(
            argv, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise Missing(f"{argv[0]} is not on this laptop", hint="provisioner doctor") from None
    if check and done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
        raise HostFailed(f"{command[0]} failed: {' / '.join(said) or done.returncode}", hint=shlex.join(argv))
    return done.stdout.decode(errors="replace")


def born(pid: int) -> str:
    """When a process started, in clock ticks since boot: with the pid it names one process; empty when there is none."""
    try:
        return _fields(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace"))[19]
    except (OSError, ValueError, IndexError):
        return ""


@dataclass(frozen=True, slots=True)
class Process:
    """A process we left running: its pid, start time in clock ticks since boot, and command line."""

    pid: int
    start: int
    argv: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; another one under the same pid is not it, nor is a zombie."""
        try:
            argv = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False
        return self._there and tuple(argv.decode(errors="replace").split("\0")[:-1]) == self.argv

    @property
    def _there(self) -> bool:
        """Whether it still holds anything; one that is ending has no command line any more but its files and locks."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        fields = _fields(stat)
        return fields[0] not in "ZX" and int(fields[19]) == self.start

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Send `how` if it is still this process."""
        if self.alive:
            run(["kill", f"-{how.name.removeprefix('SIG')}", str(self.pid)], check=False)

    def gone(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` until it has ended."""
        until = time.monotonic() + timeout_s
        while self._there:
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True


def children(pid: int) -> list[Process]:
    """Those a process has started and that have not ended; their command lines are not known."""
    import psutil

    try:
        found = [one.pid for one in psutil.Process(pid).children() if one.status() != psutil.STATUS_ZOMBIE]
    except psutil.Error:
        return []
    return [Process(one, int(start), ()) for one in found if (start := born(one))]


def _fields(stat: str) -> list[str]:
    """What proc_pid_stat(5) counts from 3 on: its state first; the name before may hold blanks and brackets."""
    return stat[stat.rindex(")") + 2 :].split()


def recorded(record: Path, argv: Sequence[str]) -> Process | None:
    """The process that wrote `record` and became `argv`; None when there is no record. It may have ended since."""
    try:
        stat = record.read_text(encoding="utf-8", errors="replace")
        return Process(int(stat.split(maxsplit=1)[0]), int(_fields(stat)[19]), tuple(argv))
    except (OSError, ValueError, IndexError):
        return None


def start(
    argv: Sequence[str], record: Path, log: Path, *, groups: Sequence[Path] = (), through: Sequence[str] = (), root: bool = True
) -> Process:
    """Leave `argv` running, in the cgroups `groups`, its output in `log`; its record is there before it starts.

    `through` stands before it on the command line and becomes it (nsenter, setpriv): it is known by `argv` alone.

    Raises:
        HostFailed: it did not start; the message holds the last words of its log.
    """
    record.unlink(missing_ok=True)
    found = shutil.which(argv[0]) or argv[0]  # `argv` must be what /proc shows: no search by the wrapper
    exact = [found, *argv[1:]]
    wrapped = ["setsid", "--fork", "sh", "-c", _WRAP, "sh", str(record), str(log), " ".join(map(str, groups)), *through, *exact]
    called = subprocess.run(as_root(wrapped) if root else wrapped, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    until = time.monotonic() + 5
    while called.returncode == 0 and time.monotonic() < until:
        process = recorded(record, exact)
        if process and process.alive:
            return process
        if process and not Path(f"/proc/{process.pid}").exists():
            break
        time.sleep(0.005)
    words = (last_lines(log, 3) or called.stderr.decode(errors="replace").strip().splitlines()[-3:]) or ["no output"]
    raise HostFailed(f"{exact[0]} did not start: {' / '.join(words)}", hint=shlex.join(exact))


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines of a log that are not empty; none when it cannot be read."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 8192))
            text = log.read().decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()][-count:]
