"""What goes wrong at a client's: wrong passwords, silent machines, full stops in the middle; named, survived, mended."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner import lab
from provisioner.inventory.target import runtime_home
from provisioner.laptop.processes import run
from provisioner.plays import orphans
from tests.lab.light import bring_up, fast, impostor, kill, light, slow, soon, state, waits
from tests.stage import CommandResult, Stage

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Router and server, adopted, with a pack that asks little: a run takes seconds."""
    stage = light(tmp_path_factory.mktemp("faults"), {})
    try:
        bring_up(stage)
        yield stage
    finally:
        stage.run("lab", "down", "demo")


def forget(stage: Stage) -> None:
    """Make every machine one that was never adopted."""
    (state(stage) / "known_hosts").unlink(missing_ok=True)


def journal(stage: Stage, name: str = "") -> list[dict[str, Any]]:
    """The events of a run, the last one unless named."""
    path = state(stage) / f"journals/{name}.jsonl" if name else max((state(stage) / "journals").glob("*.jsonl"))
    return [json.loads(line) for line in path.read_text().splitlines()]


def root(stage: Stage, host: str, line: str) -> str:
    """What a line printed, run by root on a host."""
    return stage.on(host, f"sudo sh -c {shlex.quote(line)}")


def wrong_logins(stage: Stage, host: str) -> int:
    """How often a password was refused there."""
    return int(root(stage, host, "journalctl -q -o cat -t sshd -t sshd-session | grep -c 'Failed password' || true"))


# ---------------------------------------------------------------------------------------- first contact


@pytest.mark.deep
@pytest.mark.case("F8")
def test_a_wrong_password_is_named_tried_once_and_holds_up_nobody(two: Stage) -> None:
    """One machine with another password: it is named, its password tried once, the other is adopted; exit 5."""
    before = wrong_logins(two, "router")
    password = lab_login(two)[1]
    root(two, "router", "echo installer:another-one | chpasswd")
    forget(two)
    said = two.json("adopt", "demo", "--lab", "--yes")
    hosts = said.data["hosts"]

    assert said.code == 5, said
    assert "refuses installer's password" in hosts["router"]["error"]
    assert hosts["server"]["status"] == "adopted"

    again = two.json(
        "adopt", "demo", "router", "--lab", "--yes", "--user", "installer", "--password-stdin", stdin="another-one\n"
    )
    assert again.code == 0, again
    root(two, "router", f"echo installer:{password} | chpasswd")
    assert wrong_logins(two, "router") == before + 1


@pytest.mark.case("F8")
def test_a_login_without_sudo_is_named_and_holds_up_nobody(two: Stage) -> None:
    """A login that may not administer: named with what sudo said, nothing changed there, the other adopted; exit 4."""
    root(two, "router", "gpasswd -d installer sudo")
    forget(two)
    said = two.json("adopt", "demo", "--lab", "--yes")
    hosts = said.data["hosts"]

    assert said.code == 4, said
    assert "refuses sudo to installer" in hosts["router"]["error"]
    assert hosts["server"]["status"] == "adopted"
    assert "router" not in (state(two) / "known_hosts").read_text()  # not pinned: nobody said that it is the router

    run(["sed", "-i", "s/^sudo:x:27:/&installer/", str(lab_root(two, "router") / "etc/group")])
    assert two.json("adopt", "demo", "router", "--lab", "--yes").code == 0


def lab_login(stage: Stage) -> tuple[str, str]:
    """The login of the lab's blank machines."""
    found = lab.find(stage.target)
    assert found
    return found.login


def lab_root(stage: Stage, host: str) -> Path:
    """A host's disk, seen from outside."""
    return lab.base.lab_home() / stage.target.id / "hosts" / host / "root"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("adopt", "demo", "router", "--lab"), "--fingerprint or --yes"),
        (("adopt", "demo", "router", "--lab", "--yes", "--user", "installer"), "--password-stdin or --key"),
        (("apply", "demo", "--lab"), "--yes, or --plan FILE"),
        (("unlock",), "--passphrase-stdin"),
    ],
)
def test_without_a_terminal_nothing_is_asked(two: Stage, words: tuple[str, ...], option: str) -> None:
    """Where nobody can answer, the verb ends at once with 2 and names the option to give."""
    pins = state(two) / "known_hosts"
    kept = pins.read_text()
    forget(two)
    try:
        said = two.run(*words, timeout_s=30)
    finally:
        pins.write_text(kept)

    assert said.code == 2, said
    assert option in said.err
    assert "nobody is there to answer" in said.err


# ------------------------------------------------------------------------------------------- silence


@pytest.mark.case("F9")
def test_a_machine_that_is_off_holds_up_nobody(two: Stage) -> None:
    """One machine without power: the other is finished, exit 5, and the object says who was not reached."""
    lab.power_off(two.target, "server")
    try:
        said = two.json("apply", "demo", "--lab", "--yes")
    finally:
        lab.power_on(two.target, "server")

    assert said.code == 5, said
    assert said.data["status"] == "unreachable"
    assert said.data["hosts"]["server"] == {"ok": 0, "changed": 0, "failed": 0, "unreachable": 1, "skipped": 0}
    assert said.data["hosts"]["router"]["ok"] > 0
    assert said.data["hosts"]["router"]["unreachable"] == 0
    assert "server" in said.data["problems"]["server"]["problem"]


@pytest.mark.deep
@pytest.mark.case("F9")
def test_a_machine_that_accepts_and_stays_silent_holds_up_nobody(two: Stage) -> None:
    """An address that takes the connection and never says a word: named after seconds, the other is finished."""
    with impostor(two, "192.168.1.1", "silent") as mute:
        said = two.json("apply", "demo", "--lab", "--yes")

    assert said.code == 5, said
    assert said.data["hosts"]["router"]["unreachable"] == 1
    assert said.data["hosts"]["server"]["failed"] == 0
    assert said.data["hosts"]["server"]["ok"] > 0
    assert mute.heard
    assert said.took_s < 60


@pytest.mark.deep
@pytest.mark.case("F9")
def test_a_cable_pulled_in_the_middle_holds_up_nobody(two: Stage) -> None:
    """A machine that falls silent in a task is unreachable, not failed, not done; the other is finished; later it is mended."""
    slow(lambda line: two.on("server", line), 3)
    try:
        running = two.start("--json", "apply", "demo", "--lab", "--yes")
        assert soon(lambda: waits(two, "server"))
        lab.cut(two.target, "server")
        out, err = running.communicate(timeout=180)
    finally:
        lab.mend(two.target, "server")
    data = json.loads(out)

    assert running.returncode == 5, out + err
    assert data["hosts"]["server"]["unreachable"] == 1
    assert data["hosts"]["router"]["failed"] == data["hosts"]["router"]["unreachable"] == 0
    assert data["hosts"]["router"]["ok"] > 1
    fast(lambda line: two.on("server", line))


# ------------------------------------------------------------------------------------------- failure


def test_a_failed_task_is_named_with_its_cause_and_the_next_command(two: Stage) -> None:
    """Exit 4; the host, the task and the cause are told, then where the journal lies and what to type; the other is finished."""
    root(two, "server", "rm -rf /etc/systemd/network/10-office.network; mkdir /etc/systemd/network/10-office.network")
    try:
        said = two.run("apply", "demo", "--lab", "--yes")
    finally:
        root(two, "server", "rmdir /etc/systemd/network/10-office.network")

    assert said.code == 4, said
    assert "✗ server at “base: The dossier's address is what the host will take at every start”" in said.out
    assert "10-office.network" in said.out[said.out.index("✗ server") :]
    *_, where, following = said.out.strip().splitlines()
    path = Path(where.removeprefix("journal: "))
    assert path.is_file()
    assert following.split() == ["try:", "provisioner", "apply", "demo", "--lab"]
    last = two.json("runs", "show", "demo", path.stem, "--lab").data
    assert last["status"] == "failed"
    assert (last["hosts"]["server"]["failed"], last["hosts"]["router"]["failed"]) == (1, 0)
    assert two.run("apply", "demo", "--lab", "--yes").code == 0


# ------------------------------------------------------------------------------------------- dying


def left_behind(stage: Stage) -> list[str]:
    """What runs on this target left in memory."""
    return [path.name for path in runtime_home().glob(f"play-{stage.target.id}-*")]


def again(stage: Stage) -> CommandResult:
    """The plain command once more; it must do."""
    said = stage.json("apply", "demo", "--lab", "--yes")
    assert said.code == 0, said
    assert left_behind(stage) == []
    return said


@pytest.mark.parametrize("moment", [*(pytest.param(one, marks=pytest.mark.deep) for one in ("reaching", "starting")), "working"])
def test_a_killed_run_is_taken_up_by_the_next(two: Stage, moment: str) -> None:
    """Killed while it logs in, while Ansible starts, in a task: the next plain apply finds what still works, waits, and is done.

    The lease of the dead run, 15 minutes long, does not stop its own laptop.
    """
    slow(lambda line: two.on("server", line), 3)
    before = set((state(two) / "journals").glob("*"))
    signs = {
        "reaching": lambda: set((state(two) / "journals").glob("*")) - before,
        "starting": lambda: left_behind(two),
        "working": lambda: waits(two, "server"),
    }
    try:
        running = two.start("--json", "apply", "demo", "--lab", "--yes")
        assert soon(signs[moment], 60)
        kill(running)
        (dead,) = set((state(two) / "journals").glob("*")) - before
        assert moment != "working" or left_behind(two)
        again(two)
    finally:
        fast(lambda line: two.on("server", line))

    assert orphans.find(two.target) == {}
    assert two.json("runs", "show", "demo", dead.stem, "--lab").data["status"] == "interrupted"
    assert two.run("runs", "check", "demo", "--lab").code == 0


def test_an_orphan_is_asked_waited_for_and_ended(two: Stage) -> None:
    """An ansible-playbook whose tool is dead is asked to stop before its next task; one that does not is ended; ours alone."""
    gate = runtime_home() / f"play-{two.target.id}-r1/gate/stop"
    gate.parent.mkdir(mode=0o700, parents=True)
    lines = {
        "r1": f"while [ ! -e {gate} ]; do sleep 0.1; done; sleep 0.5 # ansible-playbook",
        "r2": "sleep 60; : ansible-playbook",
    }
    runs = {name: f"{two.target.id}/{name}" for name in lines} | {"r3": "0000000000/r3"}
    lines["r3"] = lines["r2"]
    started = {
        name: subprocess.Popen(["sh", "-c", line], env={**os.environ, orphans.RUN_VARIABLE: runs[name]})
        for name, line in lines.items()
    }
    said: list[str] = []
    try:
        assert soon(lambda: set(orphans.find(two.target).values()) == {"r1", "r2"}, 5)
        assert orphans.sweep(two.target, say=said.append, patience_s=3) == ["r1", "r2"]
        assert started["r1"].wait(1) == 0
        assert started["r2"].wait(5) == -signal.SIGTERM
        assert started["r3"].poll() is None
        assert [line for line in said if "r1 was killed but its ansible-playbook still works" in line]
        assert left_behind(two) == []
    finally:
        for process in started.values():
            process.kill()
            process.wait()


@pytest.mark.parametrize("deaf", [False, True])
def test_an_orphan_that_waits_for_nothing_is_ended_at_once(two: Stage, deaf: bool) -> None:
    """Its workers died with the tool: it has no child and will never end; nobody waits a quarter of an hour for it."""
    code = f"{'import signal; signal.signal(15, signal.SIG_IGN); ' if deaf else ''}import time; time.sleep(60) # ansible-playbook"
    environment = {**os.environ, orphans.RUN_VARIABLE: f"{two.target.id}/stuck"}
    stuck = subprocess.Popen([sys.executable, "-c", code], env=environment)
    works = subprocess.Popen(["sh", "-c", "sleep 4; : ansible-playbook"], env=environment)
    said: list[str] = []
    try:
        assert soon(lambda: orphans.find(two.target).keys() >= {stuck.pid, works.pid}, 5)
        orphans.sweep(two.target, say=said.append, idle_s=1)
        assert stuck.wait(1) == (-signal.SIGKILL if deaf else -signal.SIGTERM)
        assert works.wait(1) == 0
        assert [line for line in said if f"ansible-playbook {stuck.pid} waits for nothing any more" in line]
    finally:
        for process in (stuck, works):
            process.kill()
            process.wait()


def test_an_orphan_whose_worker_cannot_hand_over_is_ended_at_once(two: Stage) -> None:
    """Nobody reads its worker's results any more, which fill the pipe; a worker that computes is let be."""
    ways = {"stuck": "os.write(out, bytes(1 << 20))", "works": "while time.time() < until: pass"}
    code = "import os, time; until = time.time() + 4; _, out = os.pipe(); os.fork() or exec({way!r}) or os._exit(0); os.wait()"
    started = {
        name: subprocess.Popen(
            [sys.executable, "-c", f"{code.format(way=way)} # ansible-playbook"],
            env={**os.environ, orphans.RUN_VARIABLE: f"{two.target.id}/{name}"},
        )
        for name, way in ways.items()
    }
    said: list[str] = []
    try:
        assert soon(lambda: len(orphans.find(two.target)) == 4, 5)
        orphans.sweep(two.target, say=said.append, patience_s=30, idle_s=1)
        assert orphans.find(two.target) == {}
        assert started["stuck"].wait(1) == -signal.SIGTERM
        assert started["works"].wait(1) == 0
        assert [line for line in said if f"ansible-playbook {started['stuck'].pid} waits for nothing any more" in line]
        assert not [line for line in said if line.startswith("ending")]
    finally:
        for process in started.values():
            process.kill()
            process.wait()


def test_ctrl_c_lets_the_current_task_end(two: Stage) -> None:
    """Once: the task that runs ends, no other begins, exit 130; the journal says interrupted, and the lease is given back."""
    slow(lambda line: two.on("server", line), 3)
    try:
        running = two.start("--json", "apply", "demo", "--lab", "--yes")
        assert soon(lambda: waits(two, "server"))
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        fast(lambda line: two.on("server", line))
    events = journal(two)

    assert running.returncode == 130, out + err
    assert json.loads(out)["status"] == "interrupted"
    done = [event for event in events if event["what"] in ("host_ok", "host_changed")]
    assert {event["host"] for event in done} == {"router", "server"}
    assert len({event["task"] for event in done}) == 1
    assert events[-1]["detail"] == {"status": "interrupted"}
    for host in ("router", "server"):
        assert "lease.json" not in root(two, host, "ls /var/lib/provisioner")


# --------------------------------------------------------------------------------------------- packages

_DEB = r"""
set -e
rm -rf /tmp/deb; mkdir -p /tmp/deb/DEBIAN
printf 'Package: half\nVersion: 1\nArchitecture: all\nMaintainer: t <t@example.org>\nDescription: t\n' > /tmp/deb/DEBIAN/control
printf '#!/bin/sh\n[ ! -e /run/hang ] || { echo $$ > /run/hanging; exec sleep 600; }\n' > /tmp/deb/DEBIAN/postinst
chmod 755 /tmp/deb/DEBIAN/postinst
dpkg-deb -b /tmp/deb /tmp/half.deb >/dev/null
touch /run/hang
dpkg -i /tmp/half.deb >/dev/null 2>&1 & pid=$!
while [ ! -s /run/hanging ]; do sleep 0.1; done
kill -9 $pid $(cat /run/hanging)
wait $pid || true
rm -f /run/hang /run/hanging
dpkg --audit
"""


def held(stage: Stage, path: str, seconds: int) -> None:
    """Hold a lock of dpkg or apt on the server, as another program does (fcntl, not flock)."""
    code = f"import fcntl,time; f=open('{path}','a'); fcntl.lockf(f, fcntl.LOCK_EX); open('/run/held','w'); time.sleep({seconds})"
    root(stage, "server", f"rm -f /run/held; setsid python3 -c {shlex.quote(code)} >/dev/null 2>&1 </dev/null &")
    assert soon(lambda: "held" in root(stage, "server", "ls /run"), 10)


@pytest.mark.deep
@pytest.mark.case("F4")
def test_a_package_left_half_configured_is_finished(two: Stage) -> None:
    """dpkg killed in the middle of an installation, and somebody else holds its lock now: the next apply waits and mends it."""
    again(two)  # whatever a former test left is done: what the next one changes is the repair
    assert "half" in root(two, "server", _DEB)
    held(two, "/var/lib/dpkg/lock", 8)
    said = again(two)

    assert said.data["hosts"]["server"]["changed"] == 1
    assert root(two, "server", "dpkg --audit; dpkg-query -W -f '${db:Status-Status}' half") == "installed"
    assert again(two).data["status"] == "unchanged"


@pytest.mark.deep
@pytest.mark.case("F4")
def test_a_lock_on_the_package_lists_is_waited_for(two: Stage) -> None:
    """The nightly refresh of the lists runs on the machine: the run waits for it instead of failing."""
    root(two, "server", "touch -d '2 hours ago' /var/lib/apt/lists")
    held(two, "/var/lib/apt/lists/lock", 8)

    assert again(two).data["hosts"]["server"]["failed"] == 0


@pytest.mark.deep
@pytest.mark.case("F4")
def test_killed_in_the_middle_of_the_packages(tmp_path: Path) -> None:
    """The laptop dies while the machine installs packages: the next apply mends it, one more changes nothing."""
    stage = light(tmp_path, {"server": ["base"]})
    try:
        bring_up(stage)
        running = stage.start("--json", "apply", "demo", "--lab", "--yes")
        info = lab_root(stage, "server") / "var/lib/dpkg/info"
        assert soon(
            lambda: (info / "nftables.list").exists() or (info / "locales.list").exists() or running.poll() is not None, 120
        )
        kill(running)
        assert again(stage).data["status"] == "changed"
        assert again(stage).data["status"] == "unchanged"
        assert root(stage, "server", "dpkg --audit") == ""
    finally:
        stage.run("lab", "down", "demo")
