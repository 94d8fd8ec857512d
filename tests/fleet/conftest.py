"""A PostgreSQL, a database of one's own in it, a network of offices that are not there."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import network
from tests.fleet.postgresql import PostgreSQL, programs, server
from tests.verbs import Run, key

LOGIN = "c.lefevre"
ALONE = ["unshare", "--net", "--"] if os.geteuid() == 0 else ["unshare", "--user", "--map-current-user", "--net", "--"]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One for all tests that leave it running."""
    if not programs():
        pytest.skip("no PostgreSQL is here: make tools")
    with server() as found:
        yield found


@pytest.fixture
def conninfo(postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, which the verbs take for theirs."""
    found = postgresql.create(f"fleet_{uuid.uuid4().hex[:8]}")
    monkeypatch.setenv("PROVISIONER_FLEET", found)
    return found


@pytest.fixture
def offices(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four offices of a machine each, the last one never adopted; only `work` contacts them. We stand there."""
    del run  # its folders are set
    root = network.empty(tmp_path / "net", history=True)
    pin = key(tmp_path, "machine")
    key(tmp_path, "technician")
    for word, said in (("key", str(tmp_path / "technician")), ("technician", LOGIN), ("reseller", "scop-lumiere")):
        subprocess.run(["git", "-C", str(root), "config", f"provisioner.{word}", said], check=True)
    for n in range(4):
        office = root / f"offices/office-{n:05d}"
        office.mkdir()
        text = network.dossier(n, 1).replace(f"reseller: {network.RESELLERS[n % 3]}", "reseller: scop-lumiere")
        (office / "dossier.yml").write_text(text, encoding="utf-8")
        if n < 3:
            (office / "known_hosts").write_text(f"host-0.office-{n:05d} {pin}\n", encoding="utf-8")
    monkeypatch.chdir(root)
    return root


def work(*words: str) -> "subprocess.CompletedProcess[str]":
    """A worker in a network where nobody answers, over the inventory we stand in, until nothing is due."""
    command = [*ALONE, sys.executable, "-m", "provisioner.cli", "fleet", "work", "--no-wait", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)
