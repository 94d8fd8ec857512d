"""What the guard concludes from what a router says, and from its silence: the truth, and never more than was seen."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from provisioner.errors import Busy, Unreachable
from provisioner.router import guard
from provisioner.router.guard import Difference, Outcome, Rejected, State, Window


@dataclass
class Router:
    """A router that keeps a window as the real one does; `on` is what goes wrong at a call, by its name and number."""

    on: dict[tuple[str, int], Callable[["Router"], None]] = field(default_factory=dict)
    said: State = field(default_factory=lambda: State(None, None))
    reaches: dict[str, str] = field(default_factory=lambda: {"line": "", "internet": "", "lan": "nobody answers", "names": ""})
    calls: list[str] = field(default_factory=list)
    token: str = ""
    lacks: str = ""

    def without_timer(self) -> str:
        """Why it has none."""
        return self.lacks

    def called(self, name: str) -> None:
        """Note the call, and let what is to happen at it happen."""
        self.calls.append(name)
        if happening := self.on.get((name, self.calls.count(name))):
            happening(self)

    def end(self, how: str, why: str) -> None:
        """The window ends."""
        assert how in ("applied", "reverted")
        ended = Window(self.token, "me", "run", "applied" if how == "applied" else "reverted", why)
        self.said = State(None, ended)

    def differences(self) -> list[Difference]:
        """One part."""
        self.called("differences")
        return [Difference("/etc/x", "+x\n")]

    def look(self) -> tuple[State, dict[str, str]]:
        """As it is."""
        self.called("look")
        return self.said, dict(self.reaches)

    def probe(self) -> dict[str, str]:
        """As it is."""
        self.called("probe")
        return dict(self.reaches)

    def arm(self, token: str, timeout_s: float) -> None:
        """Open the window, unless one is open."""
        assert timeout_s > 0
        if self.said.window:
            raise Busy(f"router waits for the push of {self.said.window.technician}")
        self.called("arm")
        self.token = token
        self.said = State(Window(token, "me", "run", "open"), None)

    def load(self, token: str) -> None:
        """Load."""
        assert token == self.token
        self.called("load")
        self.said = replace(self.said, loaded=True)

    def confirm(self, token: str) -> State:
        """Close the window."""
        assert token == self.token
        self.end("applied", "confirmed")
        self.called("confirm")
        return self.said

    def revert(self, token: str) -> None:
        """Go back."""
        assert token == self.token
        self.called("revert")
        self.end("reverted", "not confirmed in time")


def silent(_: Router) -> None:
    """No answer."""
    raise Unreachable("router (192.168.1.1) gave no answer within 12 s")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "AGAIN_S", 0.01)
    monkeypatch.setattr(guard, "MARGIN_S", 0.1)
    monkeypatch.setattr(guard, "AFTER_S", 0.2)


def pushed(router: Router, check: Callable[[], None] = lambda: None) -> Outcome:
    """A push with a window of half a second."""
    return guard.push(router, timeout_s=0.5, say=lambda _: None, check=check)


def test_what_proves_good_is_confirmed() -> None:
    """Probes that failed before need not answer now; the router itself says that it stays."""
    router = Router()
    assert pushed(router).how == "applied"
    assert router.calls == ["differences", "probe", "arm", "load", "look", "confirm"]


def test_equal_configurations_write_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but one look."""
    router = Router()
    monkeypatch.setattr(Router, "differences", lambda _: [])
    assert pushed(router).how == "unchanged"
    assert router.calls == []


def test_what_answered_before_must_answer_again() -> None:
    """A probe that was good and is not any more: taken back, with the probe's own words."""
    router = Router({("load", 1): lambda one: one.reaches.update(internet="198.51.100.1:3142: timed out")})
    said = pushed(router)
    assert (said.how, said.why) == ("reverted", "198.51.100.1:3142: timed out")


def test_what_the_push_brings_must_answer_though_it_never_did() -> None:
    """The router's own names: a first push after which they do not answer has brought nothing."""
    router = Router()
    router.reaches["names"] = "192.168.1.1 does not answer"
    assert pushed(router).why == "192.168.1.1 does not answer"


def test_a_load_that_never_ends_is_not_called_a_lost_connection() -> None:
    """The router answers, and the configuration is not in force: that is what is said."""
    router = Router({("load", 1): lambda one: setattr(one, "said", replace(one.said, loaded=False))})
    router.on[("look", 1)] = lambda one: setattr(one, "said", replace(one.said, loaded=False))
    said = pushed(router)
    assert (said.how, said.why) == ("reverted", "the new configuration was not in force yet")


def test_a_confirmation_whose_answer_is_lost_is_asked_about() -> None:
    """The router took it, the answer never came: it is applied, and said so only when the router was seen."""
    assert pushed(Router({("confirm", 1): silent})).how == "applied"


def test_a_router_that_is_never_seen_again_is_unknown() -> None:
    """Neither applied nor taken back is claimed."""
    router = Router({("look", number): silent for number in range(1, 500)})
    said = pushed(router)
    assert said.how == "unknown"
    assert "no new connection came about" in said.why


def test_a_refused_line_is_said_and_taken_back() -> None:
    """What the load refused is the reason."""
    router = Router({("load", 1): lambda one: setattr(one, "said", replace(one.said, refused=("nftables: line 7",)))})
    said = pushed(router)
    assert (said.how, said.why) == ("reverted", "nftables: line 7")


def test_nothing_begins_beside_another_window() -> None:
    """Somebody else's push waits there: nothing is armed."""
    router = Router(said=State(Window("theirs", "n.petit", "20261128T100000Z-aaaa", "open"), None))
    with pytest.raises(Busy, match=r"n\.petit"):
        pushed(router)
    assert "arm" not in router.calls


def test_a_lost_lease_gives_the_push_up() -> None:
    """From then on nothing is confirmed; the router is asked to go back at once."""
    router, asked = Router(), iter([None, Busy("the lease was taken over by n.petit")])

    def check() -> None:
        if problem := next(asked, None):
            raise problem

    with pytest.raises(Busy, match="taken over"):
        pushed(router, check)
    assert "confirm" not in router.calls
    assert router.calls[-1] == "revert"


def test_a_rejected_configuration_changes_nothing() -> None:
    """Refused before the window opens: nothing to take back."""

    def reject(_: Router) -> None:
        raise Rejected("router refuses the new configuration: line 7")

    router = Router({("arm", 1): reject})
    with pytest.raises(Rejected):
        pushed(router)
    assert "load" not in router.calls
    assert "revert" not in router.calls


def test_a_router_without_a_timer_is_left_alone() -> None:
    """Nothing would bring it back: nothing is armed nor loaded, and the hint says what would allow it."""
    router = Router(lacks="its system has no archive")
    with pytest.raises(Rejected, match="its system has no archive") as refused:
        pushed(router)
    assert "--on-site" in refused.value.hint
    assert router.calls == ["differences"]


def test_somebody_beside_it_may_push_all_the_same() -> None:
    """The same look and the same way back, over the network; never seen again, nobody says that it goes back by itself."""
    router = Router(lacks="its system has no archive")
    said: list[str] = []
    assert guard.push(router, timeout_s=0.5, say=said.append, on_site=True).how == "applied"
    assert "stay beside it" in said[0]
    router = Router({("look", number): silent for number in range(1, 500)}, lacks="its system has no archive")
    lost = guard.push(router, timeout_s=0.5, say=lambda _: None, on_site=True)
    assert (lost.how, lost.timed) == ("unknown", False)
