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


@pytest.fixture
def tool() -> Tool:
    """Call promtool or amtool, which has to say yes; what it said."""

    def call(name: str, *words: str | Path, stdin: bytes = b"") -> str:
        where = f"{ROOT / '.venv/prometheus/usr/bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        program = shutil.which(name, path=where)
        if not program:
            pytest.skip(f"{name} is not here: make tools")
        done = subprocess.run([program, *map(str, words)], input=stdin, capture_output=True, check=False)
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
