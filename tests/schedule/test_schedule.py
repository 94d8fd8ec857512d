"""`schedule`: units that systemd finds without fault, installed twice as once, and a list that tells how each run ended."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner import schedule
from provisioner.errors import BadInput
from tests.check.test_verbs import network
from tests.verbs import Run

__all__ = ["network"]
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
PATHS = ("net", "Réseau de l'été", '50% "of" $HOME \\ %h')
# systemctl as it answers where the units were just switched on and one round ended badly
SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in
  *refused*) exit 1 ;;
  *"show provisioner-check"*.timer*) printf 'ActiveState=active\\nNextElapseUSecRealtime=Mon 2026-11-30 06:37:12 UTC\\n' ;;
  *"show provisioner-check"*.service*) printf 'ExecMainStatus=7\\nExecMainExitTimestamp=Sun 2026-11-29 06:40:01 UTC\\n' ;;
  *"show provisioner-"*) printf 'ActiveState=active\\nExecMainStatus=0\\nExecMainExitTimestamp=\\nLastTriggerUSec=n/a\\n' ;;
esac
"""


def verified(folder: Path, *words: str) -> str:
    """What `systemd-analyze verify` complains of."""
    done = subprocess.run(
        ["systemd-analyze", *words, "verify", "--man=no", *map(str, sorted(folder.iterdir()))],
        capture_output=True, text=True, check=False, env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )  # fmt: skip
    return "".join(line for line in (done.stdout + done.stderr).splitlines(True) if "provisioner-" in line)


@needs_systemd
@pytest.mark.parametrize("system", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_systemd_finds_no_fault(tmp_path: Path, path: str, system: bool) -> None:
    """Whatever the inventory's folder is called; and what starts is this very tool over this very inventory."""
    inventory = tmp_path / path
    inventory.mkdir()
    folder = tmp_path / "units"
    folder.mkdir()
    for one in schedule.ROUNDS:
        for file, text in schedule.units(one, inventory, system=system).items():
            (folder / file).write_text(text)

    assert verified(folder, *([] if system else ["--user"])) == ""
    (folder / "provisioner-wrong.service").write_text("[Service]\nExecStart=nowhere\n")
    assert "nowhere" in verified(folder), "a fault would be seen"
    text = schedule.units("check", inventory, system=system)[f"{schedule.name('check', inventory)}.service"]
    assert sys.executable in text
    assert ("User=" in text) == system


@needs_systemd
@pytest.mark.parametrize("name", list(schedule.ROUNDS))
def test_each_round_has_a_time_to_come(name: str) -> None:
    """`systemd-analyze calendar` reads it, and it is not never."""
    said = subprocess.run(
        ["systemd-analyze", "calendar", schedule.ROUNDS[name].when], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert "Next elapse: " in said.stdout
    assert "never" not in said.stdout


def test_a_path_that_no_unit_holds_is_refused(tmp_path: Path) -> None:
    """A line end would begin a setting of its own."""
    with pytest.raises(BadInput, match="holds a sign"):
        schedule.units("check", tmp_path / "a\nExecStart=x", system=False)


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that takes everything; what it was told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "systemctl").write_text(SYSTEMCTL)
    (folder / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "calls"


def test_installed_twice_is_installed_once_and_removed_leaves_nothing(run: Run, network: Path, systemctl: Path) -> None:
    """The list says when each runs next, when it ran last, and that it ended with 7."""
    folder = systemctl.parent / "config/systemd/user"
    first = run("schedule", "install", "--json")
    assert first.code == 0, first.err
    assert len(list(folder.iterdir())) == 2 * len(schedule.ROUNDS)
    assert "enable-linger" in first.err
    assert '"changed": []' in run("schedule", "install", "--json").out
    assert systemctl.read_text().count("daemon-reload") == 1
    listed = run("schedule", "list").out
    assert "Mon 2026-11-30 06:37:12 UTC" in listed
    assert any(line.rstrip().endswith("Sun 2026-11-29 06:40:01 UTC  7") for line in listed.splitlines()), listed
    assert run("schedule", "remove", "bulletin").code == 0
    assert len(list(folder.iterdir())) == 2 * len(schedule.ROUNDS) - 2
    assert "not installed" in run("schedule", "list").out
    assert run("schedule", "remove").code == 0
    assert not list(folder.iterdir())
    assert run("schedule", "remove").out.strip() == "nothing was installed"
    assert network.is_dir()


@pytest.mark.parametrize(
    ("words", "said"), [(("install", "teapot"), "no round is called 'teapot'"), (("remove", "teapot"), "no round is called")]
)
def test_bad_input_changes_nothing(run: Run, network: Path, systemctl: Path, words: tuple[str, ...], said: str) -> None:
    """Exit 2, one sentence."""
    done = run("schedule", *words)
    assert done.code == 2
    assert said in done.err
    assert not systemctl.exists()
    assert network.is_dir()


def test_where_no_systemd_answers_nothing_is_written(
    run: Run, network: Path, systemctl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container, or a shell of `su`."""
    (systemctl.parent / "bin/systemctl").write_text("#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n")
    done = run("schedule", "install")
    assert done.code == 4
    assert "Failed to connect to bus" in done.err
    assert not (systemctl.parent / "config").exists()
    monkeypatch.undo()
    assert network.is_dir()
