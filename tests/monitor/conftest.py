"""Prometheus' own judges, and a network to watch."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import network

ROOT = Path(__file__).resolve().parents[2]
Tool = Callable[..., str]
UNPACKED = ROOT / ".venv/prometheus/usr"
# Debian's Alertmanager reads its templates there, wherever it lies itself: where it is unpacked only, in a view of its own.
TEMPLATES = Path("/usr/share/prometheus/alertmanager/default.tmpl")
VIEW = 'mount -t overlay -o "lowerdir=$0:/usr/share" overlay /usr/share && exec "$@"'


def program(name: str) -> str:
    """Where a program of Prometheus' lies; empty where it does not."""
    return shutil.which(name, path=f"{UNPACKED / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}") or ""


def alertmanager(*words: str) -> list[str]:
    """The words that start it; none where it is not here."""
    found = program("prometheus-alertmanager")
    if not found or TEMPLATES.exists():
        return [found, *words] if found else []
    view = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-ec", VIEW, str(UNPACKED / "share")]
    return [*view, found, *words] if os.geteuid() == 0 else []


@pytest.fixture
def tool() -> Tool:
    """Call promtool or amtool, which has to say yes; what it said."""

    def call(name: str, *words: str | Path, stdin: bytes = b"") -> str:
        found = program(name)
        if not found:
            pytest.skip(f"{name} is not here: make tools")
        done = subprocess.run([found, *map(str, words)], input=stdin, capture_output=True, check=False)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, said
        return said

    return call


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example network, one's own."""
    folder = tmp_path / "network"
    shutil.copytree(network.EXAMPLE, folder)
    return folder
