"""What the tests of this room share: folders of their own, so that nothing of the user's is read or written."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """State and cache in a temporary folder; the runtime folder in memory, as on a laptop."""
    home = tmp_path_factory.mktemp("home")
    memory = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="provisioner-test-"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(memory))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    yield
    shutil.rmtree(memory)
