"""Pushes to a RouterOS router, the stand-in: whatever happens in the window, it has its former configuration back by itself."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import Busy, HostKeyChanged
from provisioner.router import guard
from provisioner.router.platforms import File, Files, Router, routeros_router
from provisioner.router.platforms.routeros import FILE, render
from tests.router.boxes import Bench, bench, pushed, soon
from tests.router.test_rendering import ROOM, description

pytestmark = pytest.mark.lab

TIMEOUT_S = 15.0
BACK_S = TIMEOUT_S + 30


def wanted(folder: Path, *more: str, **words: str) -> Files:
    """What a plain office wants of it; `more` lines, and words that are others in it."""
    text = render(description(ROOM / "routeros/plain", folder))[FILE].content.replace("epicerie.internal", "office.internal")
    for old, new in words.items():
        text = text.replace(old.replace("_", "-"), new)
    return {FILE: File(text + "".join(f"{line}\n" for line in more), "0600", secret=True)}


def configuration(box: Bench) -> bytes:
    """All that it is set to, as its disk has it."""
    return (box.flash / "config.json").read_bytes()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A router as it comes, in which the office's network is in force."""
    folder = tmp_path_factory.mktemp("routeros")
    with pytest.MonkeyPatch.context() as patch, bench(folder, "routeros") as box:
        patch.setattr(routeros_router, "SETTLED_S", 1.0)  # a minute of its timers takes three seconds here
        said = pushed(box.device(wanted(folder / "case")), TIMEOUT_S)
        assert said.how == "applied", said
        yield box


@pytest.fixture
def box(fresh: Bench) -> Iterator[Bench]:
    """The router between two cases: nothing of the last one is left."""
    for name in ("cut", "slow", "held", "fault.json"):
        fresh.set(name, None)
    assert soon(lambda: not window(fresh) and listens(fresh), BACK_S)
    yield fresh


def listens(box: Bench) -> bool:
    """Whether it is up."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", box.port), timeout=1):
        return True
    return False


def window(box: Bench) -> bool:
    """Whether it waits for somebody's push."""
    return bool(json.loads(configuration(box)).get("/system scheduler"))


def test_an_equal_configuration_is_not_written(box: Bench, tmp_path: Path) -> None:
    """No change, no push: nothing is written on the router, not even beside its configuration."""
    before = {path: path.stat().st_mtime_ns for path in box.flash.rglob("*")}

    assert pushed(box.device(wanted(tmp_path)), TIMEOUT_S).how == "unchanged"

    assert {path: path.stat().st_mtime_ns for path in box.flash.rglob("*")} == before


def leases(count: int) -> list[str]:
    """So many reservations."""
    return [
        f'/ip dhcp-server lease add address=192.168.1.{number} comment="office: thing-{number}"'
        f" mac-address=02:00:5E:20:00:{number:02X} server=office-staff"
        for number in range(30, 30 + count)
    ]


def test_150_changes_go_back_completely(box: Bench, tmp_path: Path) -> None:
    """More than its history holds: the firewall shuts everybody out, and not one of the changes is left, to the last byte."""
    before, began = configuration(box), time.monotonic()
    device = box.device(wanted(tmp_path, *leases(150), **{"dst_port=22": "dst-port=2222"}))

    said = pushed(device, TIMEOUT_S)

    assert said.how == "reverted", said
    assert sum(one.diff.count("\n+/") for one in said.differences) >= 150
    assert configuration(box) == before
    assert time.monotonic() - began < BACK_S


def test_what_a_push_leaves_out_goes(box: Bench, tmp_path: Path) -> None:
    """What somebody added by hand in a menu of ours is said to be so, and taken away."""
    assert pushed(box.device(wanted(tmp_path, *leases(2))), TIMEOUT_S).how == "applied"
    device = box.device(wanted(tmp_path / "again"))

    (change,) = device.differences()
    assert change.part == "ip dhcp-server lease"
    assert not change.by_hand
    device.close()
    assert pushed(device, TIMEOUT_S).how == "applied"


def test_a_line_that_is_refused(box: Bench, tmp_path: Path) -> None:
    """The first line that it does not take ends the load; the line and the router's words are told, its secrets are not."""
    before = configuration(box)
    line = "/interface wifi security add name=office-x passphrase=geheim7"

    said = pushed(box.device(wanted(tmp_path, *leases(3), line)), TIMEOUT_S)

    assert said.how == "reverted"
    assert "must be 8 to 63 characters" in said.why
    assert "geheim7" not in str(said)
    assert configuration(box) == before


def test_a_second_pusher_waits(box: Bench, tmp_path: Path) -> None:
    """While a window is open nobody else's begins, and the first one is not disturbed."""
    first, second = box.device(wanted(tmp_path, *leases(1))), box.device(wanted(tmp_path / "b", *leases(2)), run="run-2")
    first.differences()
    first.arm("a" * 16, TIMEOUT_S)
    try:
        with pytest.raises(Busy, match=r"m\.durand"):
            second.arm("b" * 16, TIMEOUT_S)
        first.load("a" * 16)
        assert soon(lambda: first.look()[0].loaded, 10)
        assert first.confirm("a" * 16).last is not None
    finally:
        first.close()
        second.close()
    assert not window(box)
    assert pushed(box.device(wanted(tmp_path / "c")), TIMEOUT_S).how == "applied"


def test_a_race_of_two_has_one_winner(box: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both saw no window: the router itself gives the name of its entry once alone, and the first one's files are left alone."""
    first, second = box.device(wanted(tmp_path, *leases(1))), box.device(wanted(tmp_path / "b", *leases(2)))
    free = type(second)._free  # type: ignore[attr-defined]
    calls: list[int] = []

    def late(device: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            free(device)
            first.arm("a" * 16, TIMEOUT_S)
        else:
            free(device)

    with monkeypatch.context() as patch, pytest.raises(Busy):
        patch.setattr(type(second), "_free", lambda self: late(self) if self is second else free(self))
        second.arm("b" * 16, TIMEOUT_S)
    second.close()
    first.revert("a" * 16)
    first.close()
    assert soon(lambda: not window(box), BACK_S)


def test_an_impostor_gets_no_password(box: Bench, tmp_path: Path) -> None:
    """Another host key: the message says so, and nothing was sent."""
    with bench(tmp_path / "other", "routeros") as other:
        device = box.device(wanted(tmp_path), port=other.port)
        with pytest.raises(HostKeyChanged, match="host key"):
            device.differences()
        assert not [line for line in other.noted() if line.startswith("password")]


def test_how_it_runs(box: Bench, tmp_path: Path) -> None:
    """`router show`: every word in its place."""
    device: Router = box.device(wanted(tmp_path))
    said = device.running()
    device.close()

    assert said["version"].startswith("RouterOS 7.")
    assert said["route"] == {"gateway": "198.51.100.1", "dev": "ether1"}
    assert {"name": "office-lan", "up": True, "addresses": ["192.168.1.1/24"]} in said["links"]
    assert said["last"]["how"] in ("applied", "reverted")
    assert said["up_s"] >= 0


def test_what_was_kept_is_given_back(box: Bench, tmp_path: Path) -> None:
    """The configuration of then, byte for byte, whatever was done to it since."""
    keeper = box.device({})
    kept = keeper.current()
    keeper.close()
    assert pushed(box.device(wanted(tmp_path, *leases(5))), TIMEOUT_S).how == "applied"

    assert pushed(box.device(kept), TIMEOUT_S).how == "applied"

    keeper = box.device({})
    assert keeper.current() == kept
    keeper.close()
    assert guard.SHORTEST_S <= TIMEOUT_S
