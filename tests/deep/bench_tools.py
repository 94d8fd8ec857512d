"""What every measurement of the bench uses: CPU time of a whole process, things measured in turn, a number and its verdict."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


class Broken(Exception):
    """Something that is measured does not work: there is no number."""


@dataclass(frozen=True, slots=True)
class Number:
    """One line of the table."""

    what: str
    to_reach: str
    seen: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process and all it waited for took, in seconds."""

    cpu_s: float
    wall_s: float


def say(line: str) -> None:
    """Tell the person waiting; the load tells how quiet the machine is."""
    print(f"[{time.strftime('%H:%M:%S')}, load {os.getloadavg()[0]:.1f}] {line}", file=sys.stderr, flush=True)


def environment(**more: str) -> dict[str, str]:
    """The caller's environment without his inventory, run or lab; Python may keep its bytecode, as at a technician's."""
    kept = {
        name: value for name, value in os.environ.items()
        if name == "PROVISIONER_LAB_DIR" or not name.startswith(("PROVISIONER_", "ANSIBLE_", "PYTHON"))
    }  # fmt: skip
    return {**kept, "PATH": f"{BIN}:{kept.get('PATH', os.defpath)}", "LC_ALL": "C.UTF-8", **more}


def cost(command: Sequence[str | Path], env: Mapping[str, str], cwd: Path = ROOT, *, unwanted: str = "") -> Cost:
    """Run a command that must succeed; its CPU is user + system, its waited-for children included.

    Raises:
        Broken: it failed, or said the `unwanted` word on stderr; the message holds its last words.
    """
    with tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in command], env=dict(env), cwd=cwd,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    if process.returncode or (unwanted and unwanted in said):
        raise Broken(f"{' '.join(map(str, command[:6]))} ended with {process.returncode}: {said[-1500:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall_s)


def in_turn(rounds: int, **measured: Callable[[], float]) -> dict[str, float]:
    """The median of each, measured A B A B …, so that whatever disturbs the machine disturbs all alike."""
    seen: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds):
        began = time.monotonic()
        for name, function in measured.items():
            seen[name].append(function())
        if time.monotonic() - began > 10:
            say("  " + ", ".join(f"{name} {values[-1]:.4g} s" for name, values in seen.items()))
    for name, values in seen.items():
        say(f"  {name}: {' '.join(f'{value:.4g}' for value in values)}")
    return {name: statistics.median(values) for name, values in seen.items()}


def at_most_one_in(what: str, parts: float, ours_s: float, theirs_s: float) -> Number:
    """A number that is passed when ours costs no more than a `parts`th of theirs."""
    seen = f"1/{theirs_s / ours_s:.1f} ({ours_s:.2f} s to {theirs_s:.2f} s)"
    return Number(what, f"1/{parts:g}", seen, ours_s * parts <= theirs_s)


def at_most_times(what: str, times: float, ours_s: float, theirs_s: float, *, unit: str = "s", scale: float = 1) -> Number:
    """A number that is passed when ours costs no more than `times` theirs."""
    seen = f"{ours_s / theirs_s:.2f}x ({ours_s * scale:.2f} {unit} to {theirs_s * scale:.2f} {unit})"
    return Number(what, f"{times:g}x", seen, ours_s <= times * theirs_s)


def at_most(what: str, limit_s: float, seen_s: float) -> Number:
    """An absolute number, in seconds."""
    return Number(what, f"{limit_s:g} s", f"{seen_s:.1f} s", seen_s <= limit_s)


def table(numbers: Sequence[Number]) -> str:
    """The table, as docs/numbers.md has it but for the last column."""
    lines = ["| number | to reach | seen | passed |", "| --- | --- | --- | --- |"]
    lines += [f"| {n.what} | at most {n.to_reach} | {n.seen} | {'yes' if n.passed else '**no**'} |" for n in numbers]
    return "\n".join(lines)
