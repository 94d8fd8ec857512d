"""Bad days of a round: each machine that answers otherwise than it should gets one true finding, and the others are judged.

The way to a machine is a program called `ssh` in front of the real one: it plays the machine, or runs what it was sent, here.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner import check as workflow
from provisioner.check import Report, store
from provisioner.findings import Level
from provisioner.inventory.target import Target
from tests.stage import EXAMPLE
from tests.verbs import key

PLAYED = r"""
import json, os, sys, time
name = next(word for word in sys.argv if word.startswith("HostKeyAlias=")).partition("=")[2].partition(".")[0]
kind = name.partition("-")[0]
if kind == "flood":
    for _ in range(100):
        sys.stdout.write("A" * (1 << 20))
elif kind == "garbage":
    sys.stdout.buffer.write(os.urandom(5000))
elif kind == "deep":
    print("[" * 200_000)
elif kind == "hang":
    time.sleep(60)
elif kind == "down":
    sys.exit(255)
else:
    text, _, request = sys.stdin.read().partition("\n")
    sys.path.insert(0, os.environ["ROOT"])
    out = json.loads(open(os.environ["ANSWER"]).read())
    out |= json.loads(open(os.environ["MORE"]).read()).get(name, {})
    print(json.dumps(out))
"""


def host(number: int, name: str) -> dict[str, Any]:
    """A desktop of the dossier."""
    return {"kind": "desktop", "model": name, "address": f"192.168.1.{40 + number}", "mac": f"02:00:5e:20:00:{number:02x}"}


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the program itself says of this very machine."""
    from provisioner.hosts import programs

    given = programs.given(programs.source("condition"), {"certificates": [], "units": ["ssh.service"], "services": []})
    done = subprocess.run(
        [sys.executable, "-c", programs.BOOT], input=given, capture_output=True, text=True, check=True, timeout=120
    )  # fmt: skip
    path = tmp_path_factory.mktemp("answer") / "answer.json"
    path.write_text(done.stdout)
    return path


@pytest.fixture
def office(tmp_path: Path, answer: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """An office of a router and of the machines that a test names with `play`."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home))
    inventory = tmp_path / "network"
    shutil.copytree(EXAMPLE, inventory)
    subprocess.run(["git", "init", "-q"], cwd=inventory, check=True)
    key(tmp_path, "key")
    for word, value in (("technician", "c.lefevre"), ("reseller", "scop-lumiere"), ("key", str(tmp_path / "key"))):
        subprocess.run(["git", "config", f"provisioner.{word}", value], cwd=inventory, check=True)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(f"#!{sys.executable}\n{PLAYED}")
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("ROOT", str(Path(__file__).parents[2]))
    monkeypatch.setenv("ANSWER", str(answer))
    monkeypatch.setenv("MORE", str(tmp_path / "more.json"))
    (tmp_path / "more.json").write_text("{}")
    return Target(inventory, "demo")


def play(target: Target, *names: str, more: Mapping[str, Any] | None = None) -> Report:
    """A round over machines of these names; `more` takes the place of sections of their answer."""
    path = target.folder / "dossier.yml"
    said = yaml.safe_load(path.read_text())
    said["hosts"] = {"router": said["hosts"]["router"]} | {name: host(at, name) for at, name in enumerate(names)}
    path.write_text(yaml.safe_dump(said, allow_unicode=True, sort_keys=False))
    pin = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFnVe3F1WnMLAgFHyZMQ/T96D3CYtb3uLBHkBPR0gcPQ"
    target.known_hosts.write_text("".join(f"{target.alias(name)} {pin}\n" for name in said["hosts"]))
    Path(os.environ["MORE"]).write_text(json.dumps(more or {}))
    (report,) = workflow.check([target])
    assert not report.problem
    return report


def of(report: Report, host: str, check: str = "") -> dict[str, Level]:
    """The worst level of each check of a machine."""
    found: dict[str, Level] = {}
    for one in report.findings:
        if one.about == host and check in ("", one.check):
            found[one.check] = max(one.level, found.get(one.check, Level.NOT_APPLICABLE))
    return found


@pytest.mark.parametrize("kind", ["flood", "garbage", "deep", "down"])
def test_what_is_no_answer_is_one_finding_and_the_others_go_on(office: Target, kind: str) -> None:
    """100 MB, random bytes, brackets without end, no answer at all: named, read no further, judged by nobody."""
    report = play(office, kind, "well")
    assert of(report, kind) == {"reached": Level.CRITICAL}
    assert of(report, "well")["reached"] is Level.OK
    assert len(of(report, "well")) > 10
    assert all(one.evidence.isprintable() and len(one.evidence) < 2000 for one in report.findings if one.about == kind)


def test_a_machine_that_hangs_holds_nobody_up(office: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one finding after its time; twelve others are judged meanwhile."""
    monkeypatch.setattr(workflow, "ANSWER_S", 15.0)
    began = time.monotonic()
    report = play(office, "hang", *(f"well-{number}" for number in range(12)))
    assert time.monotonic() - began < 45
    assert of(report, "hang") == {"reached": Level.CRITICAL}
    assert {of(report, f"well-{number}")["reached"] for number in range(12)} == {Level.OK}


@pytest.mark.parametrize("years", [-56, 10])
def test_a_wrong_clock_is_said_and_makes_nothing_look_young(office: Target, years: int) -> None:
    """Of 1970 or in ten years: the time is critical, and what is dated by that clock is no more well than it was."""
    then = time.time() + years * 365 * 86400
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then))
    more = {
        "odd": {
            "clock": {"is": {"now": max(0.0, then), "kept": True, "synchronised": True}},
            "backups": {"is": {"disk": {"last_success": stamp, "checked_at": stamp}}},
        }
    }
    found = of(play(office, "odd", more=more), "odd")
    assert found["clock"] is Level.CRITICAL
    assert found["backups"] >= Level.UNKNOWN


def test_what_a_machine_lacks_is_unknown_and_costs_the_rest_nothing(office: Target) -> None:
    """No smartctl, no SMART; escapes in a reason are shown as text."""
    more = {"bare": {"drives": {"lacks": "smartctl is not installed"}, "units": {"lacks": "\x1b[2J\x1b]0;x\x07gone"}}}
    report = play(office, "bare", more=more)
    assert of(report, "bare")["drives"] is Level.UNKNOWN
    assert of(report, "bare")["units"] is Level.UNKNOWN
    assert of(report, "bare")["disks"] is not Level.UNKNOWN
    from provisioner.cli.common import shown

    (unit,) = [one for one in report.findings if one.check == "units" and one.about == "bare"]
    assert "\x1b" not in shown(unit.evidence)


def test_two_rounds_at_once_both_end_well(office: Target) -> None:
    """Both see the office; one report of it is kept, whole."""
    play(office, "well")
    reports: list[Report] = []
    threads = [threading.Thread(target=lambda: reports.extend(workflow.check([office]))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [of(one, "well")["reached"] for one in reports] == [Level.OK, Level.OK]
    with store.store() as file:
        assert len(store.newest(file, office.inventory)) == 1
