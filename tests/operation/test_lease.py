"""The keeper of a host's lease: whose it is and whether it lives, whatever the host's clock shows.

The program that runs on the hosts runs here as it is, on a folder, a time since boot, a clock and a start of the test's own:
a lab's hosts have the clock and the time since boot of the machine they run on.
"""

import json
import queue
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioner.hosts import answers, programs
from provisioner.hosts.access import SshAccess, explain
from provisioner.operation import lease

BASE, BOOT = "/var/lib/provisioner", "/proc/sys/kernel/random/boot_id"
NOW, DAY, YEARS = 1_795_000_000.0, 86_400.0, 3_652 * 86_400.0
WHO = {"technician": "c.lefevre", "laptop": "one", "run": "r", "lease_s": 900, "pid": 1, "born": "1", "since": "then"}


@dataclass
class Host:
    """A host's keeper; `up` is its time since boot, `now` its clock, `boot` its start's name."""

    folder: Path
    up: float = 5_000.0
    now: float = NOW
    boot: str = "first"

    def ask(self, **request: Any) -> dict[str, Any]:
        """One question, as `lease.ask` puts it."""
        (self.folder / "boot").write_text(self.boot)
        given = f"import time\ntime.clock_gettime = lambda _: {self.up}\ntime.time = lambda: {self.now}\n"
        program = programs.source("lease").replace(BASE, str(self.folder)).replace(BOOT, str(self.folder / "boot"))
        done = subprocess.run(
            [sys.executable, "-c", programs.BOOT], input=programs.given(given + program, request),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def take(self, token: str, **request: Any) -> dict[str, Any]:
        """Somebody asks for it."""
        return self.ask(do="take", token=token, who=WHO, over="", **request)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host where one works since just now."""
    host = Host(tmp_path)
    assert host.take("one")["ok"]
    return host


def keeper(host: Host, request: dict[str, Any]) -> lease.LeaseAnswer:
    """What the laptop reads of an answer."""
    return answers.read(json.dumps(host.ask(**request)), lease.LeaseAnswer)


WATCHED = """
import os
sync, rename = os.fsync, os.rename
def watch(word, call, *given):
    with open(LOG, "a") as log: log.write(word + "\\n")
    call(*given)
os.fsync = lambda file: watch("folder" if os.path.isdir(f"/proc/self/fd/{file}") else "file", sync, file)
os.rename = lambda old, new: watch("rename", rename, old, new)
"""


def test_a_lease_is_on_the_disk_before_it_is_answered(tmp_path: Path) -> None:
    """A host whose power goes the moment it said yes must not come back and say yes to another."""
    log = tmp_path / "log"
    request = {"do": "take", "token": "one", "who": WHO, "over": ""}
    program = f"LOG = {str(log)!r}\n{WATCHED}" + programs.source("lease").replace(BASE, str(tmp_path))
    subprocess.run([sys.executable, "-c", programs.BOOT], input=programs.given(program, request), text=True, check=True)

    assert log.read_text().split() == ["file", "rename", "folder"]


CLOCKS = {"right": 0.0, "a day behind": -DAY, "a day ahead": DAY, "ten years behind": -YEARS, "ten years ahead": YEARS}


@pytest.mark.case("F10")
@pytest.mark.parametrize(("after_s", "lives"), [(0, True), (899, True), (901, False), (10 * DAY, False)])
def test_a_lease_lives_for_fifteen_minutes(host: Host, after_s: float, lives: bool) -> None:
    """At its default of 900 s: before, the other is refused and told who; afterwards it is theirs."""
    host.up += after_s
    host.now += after_s
    answer = host.take("two")

    assert answer["ok"] is not lives
    assert host.ask(do="read")["lease"]["token"] == ("one" if lives else "two")
    if lives:
        assert answer["lease"]["technician"] == "c.lefevre"
        assert answer["ago_s"] == after_s
    assert host.ask(do="renew", token="one")["ok"] is lives


@pytest.mark.case("F7")
@pytest.mark.parametrize("clock", [*CLOCKS.values(), -NOW], ids=[*CLOCKS, "1970"])
@pytest.mark.parametrize(("after_s", "lives"), [(60, True), (899, True), (901, False)])
@pytest.mark.parametrize("restarted", [False, True])
def test_no_clock_makes_a_lease_live_or_die(host: Host, clock: float, after_s: float, lives: bool, restarted: bool) -> None:
    """The host's clock jumps, by itself or with a restart: a lease lives 15 minutes from its renewal or from that start."""
    host.now += after_s + clock
    host.up = after_s if restarted else host.up + after_s
    host.boot = "second" if restarted else "first"
    answer = host.take("two")

    assert answer["ok"] is not lives
    if lives:
        assert answer["ago_s"] == after_s
        assert answer["restarted"] is restarted


def test_who_works_on_after_a_restart_renews_it_in_that_start(host: Host) -> None:
    """A renewal after the host's restart counts from itself, and the other is refused for as long again."""
    host.boot, host.up = "second", 600.0
    assert host.ask(do="renew", token="one")["ok"]
    host.up += 600

    assert not host.take("two")["ok"]
    assert host.ask(do="read")["live"]


def test_a_host_that_is_somebody_elses_by_now_was_not_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was applied is kept where the lease is ours to the end; the others are named."""
    monkeypatch.setattr(lease, "ask", lambda _door, _name, _address, request: keeper(host, request))
    ours = lease.Lease(SshAccess.__new__(SshAccess), {"server": "192.0.2.1"}, "r", "c.lefevre", lost=lambda _: None)
    ours._taken, ours._token = ["server"], "one"

    assert ours.mark(MARK | {"commit": "a" * 40}, ["server"]) == []
    host.up += 901
    assert host.take("two")["ok"]
    assert ours.mark(MARK | {"commit": "b" * 40}, ["server"]) == ["server"]
    assert host.ask(do="read")["applied"]["commit"] == "a" * 40


def test_a_laptop_without_room_for_a_connection_cannot_renew(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a run that is no answer from the host: the run ends when it lasted, and is told the laptop's trouble."""

    def ask(_door: SshAccess, name: str, address: str, request: dict[str, Any]) -> lease.LeaseAnswer:
        if request["do"] == "renew":
            raise explain(name, address, "me", "unix_listener: cannot bind to path /run/x.Vq8G: No space left on device\n")
        return keeper(host, request)

    monkeypatch.setattr(lease, "ask", ask)
    monkeypatch.setattr(lease, "LEASE_S", 0.5)
    host.up += 901  # the other's has run out
    words: queue.Queue[str] = queue.Queue()
    with lease.Lease(SshAccess.__new__(SshAccess), {"server": "192.0.2.1"}, "r", "c.lefevre", lost=words.put):
        said = words.get(timeout=30)

    assert said.startswith("the lease on server cannot be renewed: no room is left on this laptop's disk")


MARK = {"technician": "jo", "at": "2026-01-02T03:04:05Z"}
TORN = ["5", "null", "[]", '{"commit": 5}', '{"refused": 5}', "{", "", '"text"', "[" * 100_000, '{"token": 1, "lease_s": "x"}']


@pytest.mark.parametrize("name", ["lease.json", "applied.json", "refused.json"])
@pytest.mark.parametrize("text", TORN, ids=range(len(TORN)))
def test_a_torn_mark_is_named_and_the_next_one_takes_its_place(host: Host, name: str, text: str) -> None:
    """Whatever lies there is read by shape: it never ends the keeper, it is named, and the next mark of ours mends it."""
    assert host.ask(do="release", token="one")["ok"]
    (host.folder / name).write_text(text)
    honest = name == "refused.json" and text in ("null", "{}")

    read = keeper(host, {"do": "read"})
    assert read.ok
    assert name in read.torn or honest
    assert host.take("two")["ok"]
    assert host.ask(do="mark", token="two", applied=MARK | {"commit": "c" * 40})["ok"]
    assert host.ask(do="release", token="two")["ok"]
    assert keeper(host, {"do": "read"}).torn == ()
