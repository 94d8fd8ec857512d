"""A laptop whose clock is wrong: for the processes that are given this environment, and for those they start; for no others.

The machine's clock stays as it is (`wrong_clock.c`).
"""

import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

DAY, YEARS = 86_400.0, 3_652 * 86_400.0
WRONG = {"a day behind": -DAY, "a day ahead": DAY, "ten years behind": -YEARS, "ten years ahead": YEARS, "1970": None}


def off_s(name: str) -> float:
    """How far that clock is ahead (s)."""
    off = WRONG[name]
    return 600 - time.time() if off is None else off


@cache
def _library() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="wrong-clock-")  # gone with this process
    source = Path(__file__).with_suffix(".c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O", "-o", f"{folder.name}/wrong_clock.so", str(source)], check=True)
    return folder


def sleeper(path: Path) -> dict[str, str]:
    """The environment of a process whose laptop slept as many seconds as the file says, once it says so."""
    return {"LD_PRELOAD": f"{_library().name}/wrong_clock.so", "ASLEEP": str(path)}


def clock(off: float) -> dict[str, str]:
    """The environment of a process whose clock is that far ahead (s)."""
    return {"LD_PRELOAD": f"{_library().name}/wrong_clock.so", "WRONG_CLOCK_S": f"{off:.0f}"}
