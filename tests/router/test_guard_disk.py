"""What of a push lies on the router's disk, and when: the guard's own program, its calls to the system noted one by one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from provisioner.hosts import programs

BASE, UNITS = "/var/lib/provisioner/router", "/etc/systemd/system"
CONFIG = "/etc/dnsmasq.d/office.conf"
# Before the program: each call that orders the disk is noted with what it is about; nothing but the disk is there.
WATCHED = """
import os, subprocess, types
real = types.SimpleNamespace(fsync=os.fsync, rename=os.rename, unlink=os.unlink)
def note(*words):
    with open(LOG, "a") as log: log.write(" ".join(words) + "\\n")
def fsync(file):
    note("fsync", os.readlink(f"/proc/self/fd/{file}"))
    real.fsync(file)
def rename(old, new):
    note("rename", new)
    real.rename(old, new)
def unlink(path):
    real.unlink(path)
    note("unlink", path)
def run(words, **_):
    note("call", *words)
    return subprocess.CompletedProcess(words, 0, "waiting", "")
os.fsync, os.rename, os.unlink, subprocess.run = fsync, rename, unlink, run
os.sync, os.fchown = lambda: note("sync"), lambda *_: None
"""


def asked(folder: Path, *words: str, **request: Any) -> list[tuple[str, str]]:
    """What the guard does to the disk when it is asked, in order: the call, and the path below the folder (or the words)."""
    log = folder / "log"
    log.write_text("")
    text = f"LOG = {str(log)!r}\n{WATCHED}" + programs.source("router_guard")
    for place in (BASE, UNITS, "/etc/dnsmasq.d", "/etc/.office-router-reserve"):
        text = text.replace(place, f"{folder}{place}")
    said = subprocess.run(
        [sys.executable, "-c", programs.BOOT, *words], input=programs.given(text, request),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    log.write_text(log.read_text() + f"answer {said.stdout.strip()}\n")
    lines = (line.partition(" ") for line in log.read_text().splitlines())
    return [(call, about.replace(str(folder), "")) for call, _, about in lines]


def armed(folder: Path) -> list[tuple[str, str]]:
    """Of a window that was opened."""
    (folder / "etc/dnsmasq.d").mkdir(parents=True)
    (folder / CONFIG.strip("/")).write_text("former\n")
    files = {f"{folder}{CONFIG}": {"content": "bmV3Cg==", "mode": "0644", "group": "root"}}
    who = {"token": "one", "technician": "c.lefevre", "run": "r", "timeout_s": 60, "program": "pass"}
    found = asked(folder, do="arm", files=files, **who)
    assert json.loads(found[-1][1])["armed"] is True, found[-1]
    return found


def on_disk(found: list[tuple[str, str]], path: str) -> int:
    """When a file is whole on the disk: its text, then its name, then the folder's entry."""
    part = f"{path.rpartition('/')[0]}/.{path.rpartition('/')[2]}.part"
    begun, named = found.index(("fsync", part)), found.index(("rename", path))
    kept = found.index(("fsync", path.rpartition("/")[0]), named)
    assert begun < named < kept
    return kept


def test_the_mark_that_arms_is_the_last_thing_on_the_disk(tmp_path: Path) -> None:
    """The way back, its units and their timer are there for good before it, it before the answer; no file is touched."""
    found = armed(tmp_path)

    mark = found.index(("fsync", f"{BASE}/.pending.json.part"))
    before = ["guard.py", "pending.copy", "reserve"]
    units = [f"{UNITS}/office-router-{name}" for name in ("revert.timer", "revert.service", "boot.service", "load.service")]
    for path in (*(f"{BASE}/{name}" for name in before), "/etc/.office-router-reserve", *units):
        assert on_disk(found, path) < mark, path
    timer = found.index(("call", "systemctl restart office-router-revert.timer"))
    assert timer < found.index(("sync", "")) < mark
    assert on_disk(found, f"{BASE}/pending.json") == len(found) - 2
    assert found[-1][0] == "answer"
    assert (tmp_path / CONFIG.strip("/")).read_text() == "former\n"


def test_the_mark_goes_first_of_all(tmp_path: Path) -> None:
    """A power cut after a confirmation must not find it: how the window ended is noted, the mark is gone, then the guard."""
    armed(tmp_path)

    found = asked(tmp_path, do="confirm", token="one")

    gone = found.index(("unlink", f"{BASE}/pending.json"))
    assert on_disk(found, f"{BASE}/last.json") < gone
    assert found[gone + 1] == ("fsync", BASE)
    later = [
        ("unlink", f"{BASE}/pending.copy"),
        ("unlink", f"{BASE}/reserve"),
        ("call", "systemctl stop office-router-revert.timer"),
    ]
    assert all(found.index(one) > gone + 1 for one in later)


def test_what_was_there_is_on_the_disk_before_the_mark_goes(tmp_path: Path) -> None:
    """A power cut while the former configuration is written back finds the mark, and does it again."""
    armed(tmp_path)
    path = tmp_path / CONFIG.strip("/")
    path.write_text("new\n")

    found = asked(tmp_path, "revert")

    assert path.read_text() == "former\n"
    assert on_disk(found, CONFIG) < on_disk(found, f"{BASE}/last.json") < found.index(("unlink", f"{BASE}/pending.json"))
