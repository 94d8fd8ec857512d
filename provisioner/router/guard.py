"""The guarded push: a router that was given a new configuration returns to the former one by itself unless that is confirmed.

What is there is kept on the router, a timer is armed there, the new configuration is loaded; then a *fresh* connection has to
come about over the real path, and whatever answered before has to answer again. Only then is it confirmed. Everything else
(a link that is cut, a power cut, a killed laptop, a lost lease) leaves the window to end by itself. The same on all platforms.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from provisioner.errors import ProvisionerError, Unreachable

TIMEOUT_S = 120.0
SHORTEST_S = 15.0
MARGIN_S = 4.0  # a confirmation that is under way when the window ends is worth nothing
AFTER_S = 30.0  # by when a router that took the former configuration back answers again
AGAIN_S = 0.5
ALWAYS = {"names"}  # what has to answer though it did not before: the router's own service, which the push brings

Say = Callable[[str], None]


class Rejected(ProvisionerError):
    """The router refuses a line of the configuration; nothing was changed."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of the configuration that is another than wanted: a diff as `diff -u` writes it, without secrets.

    `by_hand`: somebody changed it on the router since the last push, so the dossier alone does not explain it.
    """

    part: str
    diff: str
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Whose push a router waits for, or waited for last: `how` it ended, why, and what was refused."""

    token: str
    technician: str
    run: str
    how: Literal["open", "applied", "reverted"]
    why: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """What a router says of pushes: the window that is open, the last one that ended, and what the load of ours came to."""

    window: Window | None
    last: Window | None
    loaded: bool = False
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a push; `unknown` until the router is seen again."""

    how: Literal["unchanged", "applied", "reverted", "unknown"]
    why: str = ""
    differences: tuple[Difference, ...] = ()
    timed: bool = True  # whether the router goes back by itself


class Device(Protocol):
    """A router, as the guard needs it. Each call raises `Unreachable` (or a leaf of it) when no answer comes."""

    def without_timer(self) -> str:
        """Why nothing on it takes the former configuration back by itself; empty where something does."""

    def differences(self) -> list[Difference]:
        """What a push would change; nothing is written on the router."""

    def probe(self) -> dict[str, str]:
        """What it reaches of the world: probe -> what is wrong, empty when nothing."""

    def look(self) -> tuple[State, dict[str, str]]:
        """By a new TCP and SSH connection: what it says of pushes, and once ours is loaded what it reaches."""

    def arm(self, token: str, timeout_s: float) -> None:
        """Keep what is there and start the timer.

        Raises:
            Busy: another push's window is open.
            Rejected: a line is refused.
        """

    def load(self, token: str) -> None:
        """Begin to put the new configuration in force, apart from this connection."""

    def confirm(self, token: str) -> State:
        """Let it stay, over a fresh connection; what it says of pushes then."""

    def revert(self, token: str) -> None:
        """Begin to take the former configuration back now, not only in time."""


def push(
    device: Device, *, timeout_s: float = TIMEOUT_S, say: Say, check: Callable[[], None] = lambda: None, on_site: bool = False
) -> Outcome:
    """Bring a router where it is wanted, or leave it as it was.

    Args:
        on_site: somebody stands beside it: one without a timer of its own is pushed to all the same.
        timeout_s: after how long the router goes back by itself, counted on the router.
        check: raises when we may no longer work there (the lease is lost): the push is given up.

    Raises:
        Busy: somebody else's push waits there.
        Rejected, Unreachable, HostKeyChanged: nothing was changed.
    """
    found = device.differences()
    if not found:
        return Outcome("unchanged")
    if (lacking := device.without_timer()) and not on_site:
        raise Rejected(
            f"nothing on it takes the former configuration back by itself: {lacking}",
            hint="--on-site, by somebody who stands beside it with a way in that needs no network",
        )
    before = device.probe()
    token = secrets.token_hex(8)
    device.arm(token, timeout_s)
    until = time.monotonic() + timeout_s
    if lacking:
        say("loading; nothing takes this router back by itself: stay beside it")
    else:
        say(f"loading; the router goes back by itself in {timeout_s:.0f} s unless the new configuration proves good")
    try:
        problem = _try(device, token, before, until, check)
    except BaseException:
        _give_up(device, token)
        raise
    if problem is None:
        return Outcome("applied", differences=tuple(found))
    if problem:
        say(f"not good: {problem}; the router takes its former configuration back")
        _give_up(device, token)
    how, why = _seen_again(device, token, until)
    return Outcome(how, problem or why, tuple(found), timed=not lacking)


def _try(device: Device, token: str, before: Mapping[str, str], until: float, check: Callable[[], None]) -> str | None:
    """Load, look, confirm: None when it was, empty when its answer was lost, else why it may not stay."""
    problem = "no new connection came about"
    with contextlib.suppress(Unreachable):  # the load goes on without this connection
        device.load(token)
    while time.monotonic() < until - MARGIN_S:
        check()
        try:
            state, now = device.look()
            if state.refused:
                return "; ".join(state.refused)
            if not (state.window and state.window.token == token):
                if _stays(state, token):
                    return ""  # the answer to the confirmation was lost, not the confirmation
                return state.last.why if state.last else "the router no longer waits for this push"
            if state.loaded:
                must = ALWAYS | {name for name, said in before.items() if not said}
                wrong = {name: now.get(name, "no answer") for name in must & (before.keys() | now.keys())}
                wrong = {name: said for name, said in wrong.items() if said}
                if not wrong:
                    check()
                    return None if _stays(device.confirm(token), token) else ""
                problem = "; ".join(wrong.values())
            else:
                problem = "the new configuration was not in force yet"
        except Unreachable as error:
            problem = f"no new connection came about: {error}"
        time.sleep(AGAIN_S)
    return problem


def _stays(state: State, token: str) -> bool:
    return bool(not state.window and state.last and (state.last.token, state.last.how) == (token, "applied"))


def _give_up(device: Device, token: str) -> None:
    """Ask the router to go back at once; where it does not hear that, its timer does it."""
    with contextlib.suppress(ProvisionerError):
        device.revert(token)


def _seen_again(device: Device, token: str, until: float) -> tuple[Literal["applied", "reverted", "unknown"], str]:
    """How the window ended, from the router's own mouth."""
    last = ""
    while time.monotonic() < until + AFTER_S:
        try:
            state, _ = device.look()
        except Unreachable as error:
            last = str(error)
        else:
            if state.last and state.last.token == token and not state.window:
                return ("applied" if state.last.how == "applied" else "reverted"), state.last.why
            last = "its window is still open"
        time.sleep(AGAIN_S)
    return "unknown", last
