"""The product's own verbs, called on a trainee's office as a person calls them."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.errors import HostFailed


@dataclass(frozen=True)
class Told:
    """How a verb ended, and the one object it printed."""

    code: int
    data: dict[str, Any]
    err: str


def call(inventory: Path, *words: str, timeout_s: float = 1800) -> Told:
    """Call a verb with `--json`, in English, and wait for it; the object is empty where it printed none."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PROVISIONER_PLUGGED",)}
    done = subprocess.run(
        [sys.executable, "-m", "provisioner.cli", "--json", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=timeout_s, cwd=inventory,
        env=environment | {"PROVISIONER_INVENTORY": str(inventory), "PROVISIONER_LANG": "en"},
    )  # fmt: skip
    try:
        data = json.loads(done.stdout)
    except ValueError:
        data = {}
    return Told(done.returncode, data if isinstance(data, dict) else {}, done.stderr)


def must(inventory: Path, *words: str) -> Told:
    """The same, when it must end well.

    Raises:
        HostFailed: it did not.
    """
    told = call(inventory, *words)
    if told.code:
        problems = [f"{host}: {one['task']}: {one['problem']}" for host, one in told.data.get("problems", {}).items()]
        said = str(told.data.get("error") or "; ".join(problems) or told.err.strip()[-300:])
        raise HostFailed(f"provisioner {' '.join(words)} failed: {said}", hint=str(told.data.get("hint", "")))
    return told


def show(inventory: Path, *words: str) -> int:
    """Call a verb before the eyes of whoever is there: it tells, and asks, as if they had called it; its exit code."""
    command = [sys.executable, "-m", "provisioner.cli", "--inventory", str(inventory), *words]
    return subprocess.run(command, check=False).returncode
