"""Where a verification sits down: a desktop, else the server; what cannot be tried from there says so."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from provisioner.errors import BadInput, Missing
from provisioner.findings import Level
from provisioner.inventory.models import Kind
from provisioner.operation.selection import Selection
from provisioner.verify import desk
from provisioner.verify.checks import NO_DESKTOP, VerifySession, desktop, session


def selection(adopted: list[str], **hosts: str) -> Selection:
    """An office with these hosts, of which some are adopted."""
    office = SimpleNamespace(hosts={name: SimpleNamespace(kind=Kind(kind)) for name, kind in hosts.items()})
    return cast(Selection, SimpleNamespace(office=office, hosts=adopted, target=SimpleNamespace(office="cafe", words="cafe")))


@pytest.mark.parametrize(
    ("adopted", "hosts", "host", "seat"),
    [
        (["s", "d"], {"s": "server", "d": "desktop"}, "", "d"),
        (["s", "d", "e"], {"s": "server", "d": "desktop", "e": "desktop"}, "e", "e"),
        (["r", "s"], {"r": "router", "s": "server"}, "", "s"),
        (["r"], {"r": "router"}, "", "r"),
    ],
)
def test_the_seat(adopted: list[str], hosts: dict[str, str], host: str, seat: str) -> None:
    """A desktop where there is one; an office whose people bring their own is tried from its server, else its router."""
    assert desk(selection(adopted, **hosts), host) == seat


def test_a_desktop_that_is_not_adopted_is_no_reason_to_sit_elsewhere() -> None:
    """What the office has is tried, or said to be missing."""
    with pytest.raises(Missing, match="cafe has no adopted desktop to verify from"):
        desk(selection(["s"], s="server", d="desktop"), "")
    with pytest.raises(BadInput, match="'s' is no adopted desktop of cafe"):
        desk(selection(["s", "d"], s="server", d="desktop"), "s")


def test_what_needs_a_desktop_says_that_there_is_none() -> None:
    """Logging in, the password, and everything on a screen: not applicable, with the reason, never passed."""
    seat: Any = VerifySession(cast(Any, SimpleNamespace(selection=None)), "s", "s", {}, "secret", "token")
    office = SimpleNamespace(hosts={"s": SimpleNamespace(kind=Kind.SERVER)}, variant="full")
    seat.op.selection = SimpleNamespace(office=office, pack=SimpleNamespace(roles=lambda *_: {}))

    found = [*session.log_in(seat), *session.change_password(seat), *desktop.visit(seat), *desktop.offline(seat)]

    assert {one.check for one in found} == {"session", "password", *desktop.SAID}
    assert {(one.level, one.sentence) for one in found} == {(Level.NOT_APPLICABLE, NO_DESKTOP)}
