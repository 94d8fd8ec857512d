"""Wrong clocks: the laptop's is found by the hosts' contradiction and nothing is done; a host's is said and holds up nothing.

The laptop's is faked for the verb's own processes. A lab's hosts have the machine's clock and no other (Linux has no
namespace for it): here one only says another time, by a `date` of its own.
"""

import json
import shlex
import time
from collections.abc import Iterator

import pytest

from provisioner import lab
from tests.lab.light import bring_up, light, state
from tests.laptop.wrong_clock import WRONG, clock, off_s
from tests.stage import CommandResult, Stage

pytestmark = [pytest.mark.lab, pytest.mark.case("F7")]

# In `make test` one of them, all in `make deep`.
EACH = [name if name == "a day behind" else pytest.param(name, marks=pytest.mark.deep) for name in WRONG]
HOSTS = ("router", "server")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Router and server, applied, with a pack that asks little."""
    stage = light(tmp_path_factory.mktemp("clocks"), {})
    stage.git("commit", "-q", "--allow-empty", "-m", "just now")
    try:
        bring_up(stage)
        assert apply(stage).code == 0
        yield stage
    finally:
        stage.run("lab", "down", "demo")


def apply(stage: Stage, **environment: str) -> CommandResult:
    """The plain command."""
    return stage.json("apply", "demo", "--lab", "--yes", **environment)


def kept(stage: Stage) -> list[str]:
    """The audit's files."""
    return sorted(path.name for path in stage.target.summaries.glob("*"))


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize(
    "words",
    [("plan", "demo", "--lab"), pytest.param(("apply", "demo", "--lab", "--yes"), marks=pytest.mark.deep)],
    ids=["plan", "apply"],
)
def test_a_laptop_with_a_wrong_clock_does_nothing(two: Stage, name: str, words: tuple[str, ...]) -> None:
    """Exit 7; the times are told, and how to set a clock; no lease, no entry in the audit, nothing on a host."""
    before = kept(two)
    for host in HOSTS:
        two.on(host, "sudo touch /run/marker; sleep 1.1")
    said = two.json(*words, **clock(off_s(name)))

    assert said.code == 7, said
    assert "every host contradicts it: router's is " in said.data["error"]
    assert said.data["error"].count("behind" if off_s(name) > 0 else "ahead") == 2, said.data
    assert "timedatectl set-ntp true" in said.data["hint"]
    assert kept(two) == before
    for host in HOSTS:
        assert two.on(host, "sudo find /etc /var/lib/provisioner /usr/local -newer /run/marker ! -type d") == ""
    assert two.run("runs", "check", "demo", "--lab").code == 0


@pytest.mark.parametrize("name", EACH)
def test_a_wrong_clock_is_told_at_adoption_and_lets_one_in(two: Stage, name: str) -> None:
    """`adopt` says how far the machine's clock is from the laptop's; `ssh` goes on working: it is how a host's is set."""
    pins = state(two) / "known_hosts"
    pins.write_text("".join(line for line in pins.read_text().splitlines(keepends=True) if not line.startswith("server.")))
    said = two.json("adopt", "demo", "server", "--lab", "--yes", **clock(off_s(name)))

    assert said.code == 0, said
    assert abs(said.data["hosts"]["server"]["found"]["clock_ahead_s"] + off_s(name)) < 60, said.data
    assert "! its clock is " in said.err
    inside = two.json("ssh", "demo", "server", "--lab", "--", "id -un", **clock(off_s(name)))
    assert (inside.code, inside.data["stdout"]) == (0, "c.lefevre\n"), inside


@pytest.mark.deep
@pytest.mark.parametrize("name", EACH)
def test_a_host_with_a_wrong_clock_is_said_and_holds_up_nothing(two: Stage, name: str) -> None:
    """The run is done on every host; the one is named with how far it is off; the journal has it too."""
    wrong = f'#!/bin/sh\nexec /usr/bin/date -d "@$(($(/usr/bin/date +%s) + {off_s(name):.0f}))" "$@"\n'
    two.on(
        "server",
        f"printf %s {shlex.quote(wrong)} | sudo tee /usr/local/sbin/date >/dev/null; sudo chmod 755 /usr/local/sbin/date",
    )
    try:
        said = apply(two)
    finally:
        two.on("server", "sudo rm /usr/local/sbin/date")

    assert said.code == 0, said
    assert list(said.data["notes"]) == ["server"]
    (note,) = said.data["notes"]["server"]
    assert note.startswith("its clock is ")
    assert note.endswith(f"{'ahead of' if off_s(name) > 0 else 'behind'} this laptop's")
    events = [json.loads(line) for line in (state(two) / f"journals/{said.data['run']}.jsonl").read_text().splitlines()]
    (found,) = (event for event in events if event["what"] == "clock_differs")
    assert abs(found["detail"]["ahead_s"] - off_s(name)) < 60


@pytest.mark.deep
def test_some_minutes_are_said_and_leave_the_audit_whole(two: Stage) -> None:
    """A laptop ten minutes ahead works, and is told; the next one, whose clock is right, is not called back-dated."""
    early = apply(two, **clock(600))
    then = apply(two)

    assert early.code == then.code == 0, (early, then)
    assert sorted(early.data["notes"]) == list(HOSTS)
    assert "10 minutes behind" in early.data["notes"]["server"][0]
    assert then.data["notes"] == {}
    assert two.run("runs", "check", "demo", "--lab").code == 0


@pytest.mark.deep
@pytest.mark.parametrize("name", EACH)
def test_nobody_reached_by_a_wrong_clock_leaves_the_audit_whole(two: Stage, name: str) -> None:
    """Where no host answers nothing contradicts the clock: that run is kept with its date, and proves nothing about others'."""
    for host in HOSTS:
        lab.cut(two.target, host)
    try:
        said = apply(two, **clock(off_s(name)))
    finally:
        for host in HOSTS:
            lab.mend(two.target, host)
    after = apply(two)

    assert said.code == 5, said
    assert after.code == 0, after
    assert two.run("runs", "check", "demo", "--lab").code == 0


@pytest.mark.deep
def test_package_lists_from_the_future_are_fetched_anew(two: Stage) -> None:
    """A host whose clock was once ten years ahead does not wait ten years for fresh lists."""
    two.on("server", "sudo touch -d '+3652 days' /var/lib/apt/lists")
    assert apply(two).code == 0

    assert int(two.on("server", "stat -c %Y /var/lib/apt/lists")) < time.time() + 60
