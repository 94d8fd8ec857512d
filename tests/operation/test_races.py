"""Who works on an office, and who waits: races of two technicians, leases that age, hosts that restart, cables that are cut."""

import json
import random
import shlex
import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pytest

from provisioner import lab
from tests.lab.light import Technician, fast, kill, slow, soon, waits
from tests.operation.technicians import FIRST, pair

pytestmark = [pytest.mark.lab, pytest.mark.case("F10")]

LEASE = "/var/lib/provisioner/lease.json"
LATE_S = 1.0  # how far apart two starts in the same second may be
_numbers = count()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Technician, Technician]]:
    """Two technicians of one reseller who both have adopted the office's two machines."""
    with pair(tmp_path_factory.mktemp("races")) as technicians:
        yield technicians


def race(starters: Sequence[Technician], words: Sequence[Sequence[str]], late_s: float) -> list[tuple[int, dict[str, Any]]]:
    """Start an apply each, the second `late_s` after the first; the exit code and the object of each.

    Whoever works waits before the first task until the other's run is over: both at work would wait for ever.
    """
    running, holds = [], []
    for who, chosen in zip(starters, words, strict=True):
        holds.append(who.stage.home / f"hold-{next(_numbers)}")
        holds[-1].touch()
        running.append(who.start("apply", "demo", "--yes", "--no-commit", *chosen, KNOB_HOLD=f"1:{holds[-1]}"))
        time.sleep(0 if len(running) > 1 else late_s)
    try:
        assert soon(lambda: any(process.poll() is not None for process in running), 240), "both work"
    finally:
        for hold in holds:
            hold.unlink()
    said = [process.communicate(timeout=240) for process in running]
    return [(process.returncode, json.loads(out)) for process, (out, _) in zip(running, said, strict=True)]


def one_works(both: tuple[Technician, Technician], seed: int) -> None:
    """One race, its hosts, starter and delay by a seed: one is done, the other is told who works, from where, since when."""
    chance = random.Random(seed)
    starters = chance.sample(both, 2)
    words = [chance.choice(((), ("--host", "router"), ("--host", "server"))) for _ in both]
    ended = race(starters, words, chance.uniform(0, LATE_S))

    assert sorted(code for code, _ in ended) == [0, 6], (seed, ended)
    (winner,) = (who for who, (code, _) in zip(starters, ended, strict=True) if code == 0)
    (error,) = (said["error"] for code, said in ended if code == 6)
    laptop = (winner.home / "provisioner/laptop").read_text().strip()
    assert f"{winner.login} works on demo from {laptop} since 20" in error, (seed, error)
    assert "UTC (run 20" in error


@pytest.mark.deep
@pytest.mark.parametrize("case", range(10))
def test_of_two_in_the_same_second_one_works(both: tuple[Technician, Technician], case: int) -> None:
    """Twenty races: on the whole office or on one host of it each, up to a second apart, exactly one works each time."""
    for seed in range(case * 20, case * 20 + 20):
        one_works(both, seed)


@pytest.mark.deep
def test_one_race(both: tuple[Technician, Technician]) -> None:
    """One more race, on different hosts of the office: the lease is the office's, not the host's."""
    one_works(both, next(seed for seed in count(1000) if different(seed)))


def different(seed: int) -> bool:
    """Whether that race is on two different hosts."""
    chance = random.Random(seed)
    chance.sample((0, 1), 2)
    chosen = [chance.choice(("", "router", "server")) for _ in range(2)]
    return "" not in chosen and chosen[0] != chosen[1]


@pytest.mark.deep
def test_two_windows_of_one_laptop(both: tuple[Technician, Technician]) -> None:
    """The same technician twice: one works, the other is told that it is this laptop, which process, and since when."""
    one, _ = both
    ended = race((one, one), ((), ()), 0)

    assert sorted(code for code, _ in ended) == [0, 6], ended
    (error,) = (said["error"] for code, said in ended if code == 6)
    assert "another provisioner on this laptop works on demo (process " in error
    assert "UTC)" in error


# ------------------------------------------------------------------------------------------ leases that age


def left(one: Technician, **environment: str) -> None:
    """A laptop that dies in the middle of a run, its lease of 15 minutes left behind."""
    slow(lambda line: one.on("server", line), 4)
    try:
        dying = one.start("apply", "demo", "--yes", **environment)
        assert soon(lambda: waits(one.stage, "server"))
        kill(dying)
        one.on("server", "while [ -e /run/waiting ]; do sleep 0.2; done")
    finally:
        fast(lambda line: one.on("server", line))


def aged(one: Technician, seconds: float) -> None:
    """Let the leases on both hosts be renewed that long ago, by the hosts' own time since their start."""
    change = (
        f"import json,time; p='{LEASE}'; d=json.load(open(p));"
        f"d['renewed_up']=time.clock_gettime(time.CLOCK_BOOTTIME)-{seconds}; json.dump(d, open(p,'w'))"
    )
    for host in ("router", "server"):
        one.on(host, f"sudo python3 -c {shlex.quote(change)}")


@pytest.mark.deep
def test_the_lease_of_the_dead_yields_after_fifteen_minutes(both: tuple[Technician, Technician]) -> None:
    """A quarter of an hour after its last sign of life a dead laptop's lease is nobody's; a minute before, it still holds."""
    one, two = both
    left(one)
    aged(one, 840)
    early = two.run("apply", "demo", "--yes", "--no-commit")
    aged(one, 901)
    late = two.run("apply", "demo", "--yes", "--no-commit")

    assert early.code == 6, early
    assert f"{FIRST} works on demo from" in early.data["error"]
    assert "until 15 minutes after their last sign of life" in early.data["hint"]
    assert late.code == 0, late


@pytest.mark.deep
def test_a_holder_that_cannot_renew_stops_by_itself(both: tuple[Technician, Technician]) -> None:
    """The cable to one host is cut while the run works on another: it ends after that task, exit 6, and says which lease."""
    one, two = both
    slow(lambda line: one.on("router", line), 90)
    try:
        running = one.start("apply", "demo", "--yes", "--no-commit", KNOB_LEASE_S="60")
        assert soon(lambda: waits(one.stage, "router"))
        lab.cut(one.stage.target, "server")
        other = two.run("apply", "demo", "--host", "router", "--yes", "--no-commit")
        out, err = running.communicate(timeout=300)
    finally:
        lab.mend(one.stage.target, "server")
        fast(lambda line: one.on("router", line))

    assert other.code == 6, other
    assert running.returncode == 6, out + err
    assert "the lease on server cannot be renewed" in json.loads(out)["error"]
    (journal,) = (
        path for path in one.home.glob("provisioner/offices/demo-*/journals/*") if "cannot be renewed" in path.read_text()
    )
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len({event["task"] for event in events if event["host"] == "router" and event["task"]}) == 1
    assert events[-1]["detail"]["status"] == "interrupted"
    assert two.run("apply", "demo", "--yes", "--no-commit").code == 0
