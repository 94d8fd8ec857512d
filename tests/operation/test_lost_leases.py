"""Whoever lost the lease stops, whatever the verb; whoever only reads holds nothing up; what was killed is waited for."""

import json
import shlex
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import applied
from tests.hosts.test_hostile import quiet, taken_over
from tests.lab.light import Technician, fast, inside, kill, slow, soon, waits
from tests.laptop.wrong_clock import sleeper
from tests.operation.technicians import pair
from tests.operation.test_races import aged
from tests.stage import Stage

pytestmark = pytest.mark.lab


def some(names: Iterable[str], *shown: str) -> list[Any]:
    """All of them as parameters; those that look once more at what `shown` have shown are long."""
    return [pytest.param(name, marks=[] if name in shown else pytest.mark.deep) for name in names]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Technician, Technician]]:
    """Two technicians who both have adopted the office's two machines."""
    with pair(tmp_path_factory.mktemp("lost")) as technicians:
        yield technicians


def test_after_a_sleep_nothing_begins_while_another_works(both: tuple[Technician, Technician], tmp_path: Path) -> None:
    """The lid was closed for twenty minutes in the middle of a run; another took the lease: not one more task begins."""
    one, two = both
    asleep, hold, held = tmp_path / "asleep", tmp_path / "hold", tmp_path / "other"
    hold.touch()
    held.touch()
    words = ("apply", "demo", "--yes", "--no-commit")
    sleeping = one.start(*words, KNOB_HOLD=f"2:{hold}", **sleeper(asleep))
    assert soon(lambda: hold.with_suffix(".held").exists(), 120)
    aged(two, 1200)
    other = two.start(*words, KNOB_HOLD=f"1:{held}")
    assert soon(lambda: held.with_suffix(".held").exists(), 120)

    asleep.write_text("1200")
    hold.unlink()
    out, err = sleeping.communicate(timeout=120)
    held.unlink()
    other.communicate(timeout=240)

    assert sleeping.returncode == 6, out + err
    assert "was taken over by" in json.loads(out)["error"]
    assert len(hold.with_suffix(".begun").read_text().splitlines()) == 2
    assert other.returncode == 0


@pytest.mark.deep
def test_a_short_sleep_ends_nothing(both: tuple[Technician, Technician], tmp_path: Path) -> None:
    """Nobody took it meanwhile: the lease is asked for first, and the run goes on."""
    one, _ = both
    asleep, hold = tmp_path / "asleep", tmp_path / "hold"
    hold.touch()
    running = one.start("apply", "demo", "--yes", "--no-commit", KNOB_HOLD=f"2:{hold}", **sleeper(asleep))
    assert soon(lambda: hold.with_suffix(".held").exists(), 120)
    asleep.write_text("600")
    hold.unlink()
    out, err = running.communicate(timeout=240)
    assert running.returncode == 0, out + err


# ---------------------------------------------------------------------------------------- backup, verify


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, applied_name: str) -> Iterator[Stage]:
    """The applied office with a first backup: a server to restore on, a desktop to verify from."""
    with applied.office(tmp_path_factory.mktemp("shop"), applied_name) as stage:
        assert stage.json("backup", "run", "demo", "--lab").code == 0
        yield stage


WRITES = {
    "backup run": ("backup", "run", "demo", "--lab", "--place", "disk"),
    "backup restore": ("backup", "restore", "demo", "--lab", "--yes", "--path", "/etc/hostname", "--to", "/root/back"),
    "verify": ("verify", "demo", "--lab", "--only", "updates"),
}


@pytest.mark.deep
@pytest.mark.parametrize("verb", some(WRITES, "backup run", "verify"))
def test_what_a_killed_apply_left_at_work_is_waited_for(shop: Stage, verb: str) -> None:
    """An apply was killed in a task of the server: no other verb works beside that task; it waits, says so, and is done."""
    on = lambda line: shop.on("server", line)  # noqa: E731 - as `slow` takes it
    slow(on, 12)
    try:
        running = shop.start("--json", "apply", "demo", "--lab", "--yes")
        assert soon(lambda: waits(shop, "server"))
        kill(running)
        said = shop.run(*WRITES[verb])
        assert not waits(shop, "server")
    finally:
        fast(on)
    assert "still works" in said.err, said  # its ansible-playbook here, or, where that died too, its task there
    assert said.code in (0, 7), said
    assert shop.json("apply", "demo", "--lab", "--yes").code == 0


@pytest.mark.parametrize("how", some(("huge", "types", "nested")))
def test_verify_beside_a_machine_that_was_taken_over(shop: Stage, how: str) -> None:
    """What it says of itself is its own failure: it is named, the others are tried, and the verdict is not a success."""
    with taken_over(shop, "router", how):
        said = shop.json("verify", "demo", "--lab", "--only", "updates")
    assert quiet(said)
    assert said.code in (5, 7), said
    found = {(one["check"], one["about"]): one["level"] for one in said.data["findings"]}
    assert found["reached", "router"] == "critical"
    assert ("updates", "server") in found


def test_a_leaver_is_shut_out_beside_a_machine_that_was_taken_over(shop: Stage) -> None:
    """The others shut them out; the one whose answer is none is named and stays on the list."""
    with taken_over(shop, "router", "types"):
        said = shop.json("access", "revoke", "n.petit", "--lab", "--office", "demo", "--yes")
    assert quiet(said)
    states = {host: told["state"] for host, told in said.data["offices"]["demo"]["hosts"].items()}
    assert states["router"] == "failed"
    assert states["server"] == states["desktop"] == "refused"
    assert said.data["pending"] == {"demo": ["router"]}


THIEF = (
    "import json; p='/var/lib/provisioner/lease.json'; d=json.load(open(p));"
    " d.update(token='theirs', technician='n.petit'); json.dump(d, open(p, 'w'))"
)


@pytest.mark.parametrize("verb", some(("verify", "backup restore"), "verify"))
def test_a_lost_lease_stops_every_verb(shop: Stage, verb: str) -> None:
    """Somebody else has it now: what is at work is stopped and undone, exit 6, and nothing more begins."""
    when = "*' restore '*" if verb == "backup restore" else "*' -s '*"
    wait = '#!/bin/sh\ncase " $* " in {when}) touch /run/there; sleep 40;; esac\nexec {real} "$@"\n'
    program = "/usr/bin/restic" if verb == "backup restore" else "/usr/bin/apt-get"
    real = f"{program}.real"
    inside(shop, "server", f"rm -rf /run/there /root/back; mv {program} {real}")
    inside(shop, "server", f"printf %s {shlex.quote(wait.format(real=real, when=when))} > {program}; chmod 755 {program}")
    try:
        running = shop.start("--json", *WRITES[verb], KNOB_LEASE_S="15")
        assert soon(lambda: "yes" in inside(shop, "server", "test -e /run/there && echo yes || echo no"), 90)
        inside(shop, "server", f"python3 -c {shlex.quote(THIEF)}")
        began = time.monotonic()
        out, err = running.communicate(timeout=120)
        took = time.monotonic() - began
    finally:
        inside(shop, "server", f"mv {real} {program}; rm -f /var/lib/provisioner/lease.json")
    assert running.returncode == 6, out + err
    assert "was taken over by n.petit" in json.loads(out)["error"]
    if verb == "backup restore":
        assert took < 30
        left = "ls -A /var/lib/office-backup /root/back 2>/dev/null || true"
        assert soon(lambda: "hostname" not in inside(shop, "server", left), 30)
    inside(shop, "server", "for n in $(seq 60); do pgrep -f [o]ffice-backup >/dev/null || exit 0; sleep 1; done; exit 1")


READS = {
    "plan": ("plan", "demo", "--lab"),
    "backup list": ("backup", "list", "demo", "--lab"),
    "access list": ("access", "list", "demo", "--lab", "--look"),
    "runs check": ("runs", "check", "demo", "--lab"),
    "ssh": ("ssh", "demo", "server", "--lab", "--", "true"),
}


@pytest.mark.deep
@pytest.mark.parametrize("reader", some(READS, "plan", "backup list"))
def test_a_reader_ends_nobodys_apply(shop: Stage, reader: str) -> None:
    """Begun and ended in the middle of an apply, it gets its answer, and the apply is done as if it had not been there.

    Twice, because Ansible plays a task that lost its connection once more.
    """
    on = lambda line: shop.on("server", line)  # noqa: E731 - as `slow` takes it
    slow(on, 25 if reader != "plan" else 4)
    try:
        running = shop.start("--json", "apply", "demo", "--lab", "--yes")
        assert soon(lambda: waits(shop, "server"))
        for _ in range(1 if reader == "plan" else 2):
            said = shop.json(*READS[reader])
            assert waits(shop, "server") or reader == "plan"
        out, err = running.communicate(timeout=240)
    finally:
        fast(on)
    assert said.code in (0, 3), said
    assert running.returncode == 0, out + err


@pytest.mark.deep
@pytest.mark.parametrize("first", some(READS, "plan"))
def test_readers_run_beside_each_other(shop: Stage, first: str) -> None:
    """Each with each, in the same second: both get their answers."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": shop.environment}
    for second in READS:
        running = [subprocess.Popen(shop.command("--json", *READS[verb]), **pipes) for verb in (first, second)]
        for verb, process in zip((first, second), running, strict=True):
            out, err = process.communicate(timeout=240)
            assert process.returncode in (0, 3), (first, second, verb, out, err)
