"""The doctor names what is missing and how to mend it, ready to paste, and never starts a public service."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner import doctor
from provisioner.errors import HostFailed
from provisioner.lab import requirements


def without(monkeypatch: pytest.MonkeyPatch, *programs: str) -> doctor.Diagnosis:
    """The diagnosis of a laptop without these programs."""
    monkeypatch.setattr(requirements, "have", lambda program: program not in programs)
    return doctor.diagnose(hosts=3)


def test_complete_laptop_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all is there, nothing is to repair."""
    found = without(monkeypatch)

    assert found.healthy
    assert found.repair == []


def test_packages_come_in_one_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    """All missing packages are installed by one command, each once."""
    found = without(monkeypatch, "mmdebstrap", "ssh-keygen", "ssh", "git")

    assert [lack.what for lack in found.lab] == ["mmdebstrap", "ssh-keygen"]
    assert [lack.what for lack in found.selection] == ["ssh", "ssh-keygen", "git"]
    assert found.repair == [["apt-get", "update"], [*requirements.INSTALL, "mmdebstrap", "openssh-client", "git"]]


def test_package_cache_never_becomes_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's apt-cacher-ng would listen to the world on 3142: its unit is masked before it is installed."""
    commands = without(monkeypatch, "apt-cacher-ng").repair

    mask = commands.index(["systemctl", "mask", "apt-cacher-ng.service"])
    install = commands.index([*requirements.INSTALL, "apt-cacher-ng"])
    assert mask < install
    assert "RUNLEVEL=1" in requirements.INSTALL


@pytest.mark.parametrize("healthy", [True, False])
def test_exit_code_tells(tmp_path: Path, healthy: bool) -> None:
    """`provisioner doctor` exits 0 when all is there and 7 when something is missing; `--json` says the same."""
    code = (
        "import sys\nfrom provisioner.lab import requirements\n"
        f"requirements.have = lambda program: {healthy} or program != 'git'\n"
        "from provisioner.cli.__main__ import main\nmain(['doctor', '--json'])"
    )
    environment = os.environ | {"PROVISIONER_LAB_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    said = json.loads(done.stdout)

    assert done.returncode == (0 if healthy else 7), done.stderr
    assert said["healthy"] is healthy
    assert [lack["what"] for lack in said["work"]] == ([] if healthy else ["git"])


def test_repair_runs_the_commands_in_order(tmp_path: Path) -> None:
    """`--repair` runs what would have been pasted, and stops at the first that fails."""
    log = tmp_path / "log"
    made = requirements.Lack("a", "b", (("sh", "-c", f"echo one >> {log}"), ("false",), ("sh", "-c", f"echo two >> {log}")))
    said: list[str] = []

    with pytest.raises(HostFailed, match="false failed on this laptop"):
        doctor.repair(doctor.Diagnosis([made], []), said.append)

    assert log.read_text() == "one\n"
    assert len(said) == 2
