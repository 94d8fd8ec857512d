"""The guarded push on vendors' routers: platforms x invariants x every line that a push enters, on stand-ins that keep state.

Whatever happens with the k-th line, the router ends with its former configuration, byte for byte, or with the new one confirmed;
never between. A platform plugs in by a `Case`: what it is given first, what is pushed to it, and what breaks it.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from provisioner.errors import Busy, HostKeyChanged, Unreachable
from provisioner.hosts import access
from provisioner.router import guard
from provisioner.router.guard import Rejected
from provisioner.router.platforms import Files
from tests.router.boxes import Bench, bench, elsewhere, make_key, pushed, soon
from tests.router.vendors import CASES, PLATFORMS, Case

pytestmark = [pytest.mark.lab, pytest.mark.case("R1")]

WAITED = 5  # lines


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "AGAIN_S", 0.1)
    monkeypatch.setattr(guard, "MARGIN_S", 0.5)
    monkeypatch.setattr(guard, "AFTER_S", 6.0)
    monkeypatch.setattr(access, "CONNECT_TIMEOUT_S", 4)


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Bench]]:
    """A router of each platform, applied once."""
    open_: dict[str, Bench] = {}
    held = []

    def of(platform: str) -> Bench:
        if platform not in open_:
            case = CASES[platform]
            one = bench(tmp_path_factory.mktemp(platform), platform, minute_s=30.0)
            held.append(one)
            open_[platform] = one.__enter__()
            said = pushed(open_[platform].device(case.before()), 30.0)
            assert said.how == "applied", said
            one_box = open_[platform].folder / "box.json"  # from now on its minutes are short
            one_box.write_text(one_box.read_text().replace('"minute_s": 30.0', f'"minute_s": {case.timeout_s}'))
            open_[platform].power()
        return open_[platform]

    yield of
    for one in held:
        one.__exit__(None, None, None)


@dataclass
class Routers:
    """One router, and what it was before the test."""

    bench: Bench
    case: Case

    def now(self) -> dict[str, str]:
        """The office's part of what it runs, byte for byte."""
        router = self.bench.device(self.case.before())
        try:
            return {path: file.content for path, file in router.current().items()}
        finally:
            router.close()

    def back(self, before: Mapping[str, str], began: float) -> None:
        """It has its former configuration within the window and 30 s, runs it and starts with it, and waits for nobody."""
        limit = began + self.case.timeout_s + 30 - time.monotonic()
        assert soon(lambda: _quiet(self.now) == before, limit), _diff(before, _quiet(self.now))
        assert time.monotonic() < began + self.case.timeout_s + 30
        assert self.waits_for_nobody()

    def waits_for_nobody(self) -> bool:
        """Whether it answers, and no window is open."""
        router = self.bench.device(self.case.before())
        try:
            return router.look()[0].window is None
        except (Unreachable, OSError):
            return False
        finally:
            router.close()

    def push(self, files: Files) -> guard.Outcome:
        """Push."""
        return pushed(self.bench.device(files), self.case.timeout_s)


def _quiet(look: Callable[[], dict[str, str]]) -> dict[str, str] | None:
    try:
        return look()
    except (Unreachable, OSError):
        return None


def _diff(before: Mapping[str, str], after: Mapping[str, str] | None) -> str:
    if after is None:
        return "not reachable"
    return "\n".join(
        f"{sign}{line}" for path in before for a, b in [(before[path].splitlines(), after.get(path, "").splitlines())]
        for sign, one, other in (("-", a, b), ("+", b, a)) for line in one if line not in other
    )  # fmt: skip


@pytest.fixture
def router(platform: str, benches: Callable[[str], Bench]) -> Routers:
    """The router of a platform as it was applied, whatever the last test left."""
    one = Routers(benches(platform), CASES[platform])
    for name in ("fault.json", "cut", "held", "slow"):
        one.bench.set(name, None)
    wanted = one.case.before()
    assert soon(one.waits_for_nobody, one.case.timeout_s + 30)
    if _quiet(one.now) != {path: file.content for path, file in wanted.items()}:
        one.bench.power()  # what an earlier test's window left runs out first
        time.sleep(0.2)
        said = pushed(one.bench.device(wanted), 60.0)
        assert said.how in ("applied", "unchanged"), said
    return one


def steps(at: float) -> list[object]:
    """Every line of a push on every platform; all but one of each, `at` this part of the way, are deep."""
    return [
        pytest.param(platform, step, marks=[] if step == round(case.lines * at) else pytest.mark.deep, id=f"{platform}-{step}")
        for platform, case in CASES.items()
        for step in range(1, case.lines + 1)
    ]


def ended_before(router: Routers, step: int, *, fired: bool) -> bool:
    """Whether the push was over before its k-th line; the last ones only wait for the router."""
    assert fired or step > router.case.lines - WAITED, f"a push enters {router.case.lines} lines, and line {step} never came"
    return not fired


def fell(router: Routers, step: int, what: str) -> tuple[guard.Outcome | None, dict[str, str], float, bool]:
    """A push in whose k-th line something falls; what came of it, what was there before, when it began, whether it fell."""
    before, began = router.now(), time.monotonic()
    router.bench.fault(step, what)
    try:
        said = router.push(router.case.after())
    except (Unreachable, Rejected, Busy):
        said = None
    return said, before, began, router.bench.fired()


def settled(router: Routers, said: guard.Outcome | None, before: Mapping[str, str], began: float) -> None:
    """Whole, either way: what was said to be applied is there and stays; all else is as it was, byte for byte."""
    wanted = {path: file.content for path, file in router.case.after().items()}
    until = began + router.case.timeout_s + 30
    assert soon(router.waits_for_nobody, until - time.monotonic())
    if said is not None and said.how == "applied":
        assert router.now() == wanted
        return
    if soon(lambda: _quiet(router.now) == before, until - time.monotonic()):
        return
    # the answer to the confirmation was lost with the link, not the confirmation: nobody claimed otherwise
    assert said is None or said.how == "unknown", (said, _diff(before, _quiet(router.now)))
    assert router.now() == wanted


@pytest.mark.parametrize(("platform", "step"), steps(0.35))
def test_a_cut_link(router: Routers, step: int) -> None:
    """I1: with the k-th line the link is cut both ways, and mended when the window is long over."""
    before, began = router.now(), time.monotonic()
    router.bench.fault(step, "cut")
    with elsewhere(lambda: router.push(router.case.after())):
        if ended_before(router, step, fired=soon(router.bench.fired, 60)):
            return
        time.sleep(router.case.timeout_s + 1)
        router.bench.set("cut", None)
        settled(router, None, before, began)


@pytest.mark.parametrize(("platform", "step"), steps(0.7))
def test_a_power_cut(router: Routers, step: int) -> None:
    """I2: with the k-th line the power fails, and comes back at once."""
    said, before, began, fired = fell(router, step, "power")
    if ended_before(router, step, fired=fired):
        return
    settled(router, said, before, began)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("how", ["no_way_out", "nobody_in"])
def test_a_session_that_lives_on_proves_nothing(router: Routers, how: str) -> None:
    """I3: what breaks new connections, or the way out, is not confirmed, though the old session is alive."""
    before, began = router.now(), time.monotonic()
    said = router.push(getattr(router.case, how)())
    assert said.how in ("reverted", "unknown"), said
    router.back(before, began)


@pytest.mark.parametrize(("platform", "step"), steps(0.5))
def test_a_killed_laptop(router: Routers, step: int) -> None:
    """I4: the tool is killed at its k-th line; the router goes back by itself, and the next push is free to begin."""
    before, began = router.now(), time.monotonic()
    router.bench.fault(step, "hold")
    with elsewhere(lambda: router.push(router.case.after())) as pid:
        if ended_before(router, step, fired=soon(router.bench.fired, 60)):
            return
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    router.bench.set("held", None)
    settled(router, None, before, began)
    assert soon(lambda: pushed_at_last(router), router.case.timeout_s + 30)


def pushed_at_last(router: Routers) -> bool:
    """Whether a push gets through now."""
    try:
        return router.push(router.case.after()).how in ("applied", "unchanged")
    except (Busy, Unreachable):
        return False


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_second_pusher(router: Routers) -> None:
    """I5: while a window is open nobody else's push begins, and the first is not disturbed."""
    case = router.case
    first = router.bench.device(case.after())
    try:
        assert first.differences()
        first.arm("11112222", 30.0)
        second = router.bench.device(case.no_way_out(), run="theirs")
        try:
            assert second.differences()
            with pytest.raises(Busy, match="run-1"):
                second.arm("33334444", 30.0)
        finally:
            second.close()
        first.load("11112222")
        assert soon(lambda: first.look()[0].loaded, 10)
        state = first.confirm("11112222")
        assert (state.window, state.last and state.last.how) == (None, "applied")
    finally:
        first.close()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_line_that_is_refused(router: Routers) -> None:
    """I6: it stops the push, the reason is the router's own, and what was there is there."""
    before, began = router.now(), time.monotonic()
    try:
        said = router.push(router.case.wrong())
    except Rejected:
        said = None
    assert said is None or (said.how == "reverted" and "refuse" in said.why.lower()), said
    router.back(before, began)


@pytest.mark.parametrize(("platform", "step"), steps(0.2))
def test_a_dropped_session(router: Routers, step: int) -> None:
    """I7, and a session dropped in the middle of an answer: whoever obeyed the line dies with it; nothing is half confirmed."""
    said, before, began, fired = fell(router, step, "drop")
    if ended_before(router, step, fired=fired):
        return
    settled(router, said, before, began)


@pytest.mark.parametrize(("platform", "step"), steps(0.6))
def test_a_crash(router: Routers, step: int) -> None:
    """I7: the router's own system crashes with the k-th line and starts anew."""
    said, before, began, fired = fell(router, step, "crash")
    if ended_before(router, step, fired=fired):
        return
    settled(router, said, before, began)


# -------------------------------------------------------------------------------------------- the rest


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_proves_good_stays_and_a_second_push_writes_nothing(router: Routers) -> None:
    """Applied, there after a power cut too; then unchanged, and not one byte of its storage is written."""
    assert router.push(router.case.after()).how == "applied"
    router.bench.power()
    assert router.now() == {path: file.content for path, file in router.case.after().items()}
    stamps = {path.name: path.stat().st_mtime_ns for path in router.bench.flash.iterdir()}
    assert router.push(router.case.after()).how == "unchanged"
    assert {path.name: path.stat().st_mtime_ns for path in router.bench.flash.iterdir()} == stamps


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_was_kept_comes_back_byte_for_byte(router: Routers) -> None:
    """Its configuration now, given to it again after another push, is what it has."""
    kept = router.bench.device(router.case.before())
    files = kept.current()
    kept.close()
    assert router.push(router.case.after()).how == "applied"
    assert router.push(files).how == "applied"
    assert router.now() == {path: file.content for path, file in files.items()}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_impostor_gets_no_password(router: Routers, tmp_path: Path) -> None:
    """Another key in its place: nothing is offered to it, and the message says so."""
    key = router.bench.folder / "host_key"
    own = key.read_bytes()
    make_key(tmp_path / "other")
    try:
        key.write_bytes((tmp_path / "other").read_bytes())
        router.bench.power()
        heard = router.bench.noted()
        device = router.bench.device(router.case.after())
        with pytest.raises(HostKeyChanged, match="host key"):
            device.differences()
        assert router.bench.noted() == heard
    finally:
        key.write_bytes(own)
        router.bench.power()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_wrong_password_is_said(router: Routers) -> None:
    """One try, and what to do."""
    before = router.bench.noted().count("password from admin")
    device = router.bench.device(router.case.after(), password="wrong")
    with pytest.raises(Unreachable, match="password") as told:
        device.differences()
    assert "secrets set" in told.value.hint
    assert router.bench.noted().count("password from admin") == before + 1


@pytest.mark.parametrize("platform", PLATFORMS)
def test_how_it_runs_is_shown(router: Routers) -> None:
    """Version, uptime, links, and the last push."""
    assert router.push(router.case.after()).how == "applied"
    device = router.bench.device(router.case.before())
    try:
        said = device.running()
    finally:
        device.close()
    assert {"version", "up_s", "links", "route", "leases", "tunnel", "last"} <= said.keys()
    assert said["version"] and said["up_s"] >= 0
    assert any("192.168.1.1" in address for link in said["links"] for address in link["addresses"])
    assert said["last"]["how"] == "applied" and said["last"]["technician"] == "m.durand"


@pytest.mark.deep
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_slow_router(router: Routers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seconds a line: it ends applied, or as it was; nothing between, and no traceback."""
    box = router.bench.folder / "box.json"
    text = box.read_text()
    slow = replace(router.case, timeout_s=600.0)
    monkeypatch.setattr(access, "CONNECT_TIMEOUT_S", 6)
    try:
        box.write_text(text.replace(f'"minute_s": {router.case.timeout_s}', '"minute_s": 60.0'))
        router.bench.power()
        before = router.now()
        router.bench.set("slow", "3")
        try:
            said = pushed(router.bench.device(slow.after()), slow.timeout_s)
        except (Unreachable, Rejected):
            said = None
        router.bench.set("slow", None)
        if said is None or said.how != "applied":
            router.bench.power()
            assert router.now() == before
        else:
            assert router.now() == {path: file.content for path, file in slow.after().items()}
    finally:
        router.bench.set("slow", None)
        box.write_text(text)
        router.bench.power()
