"""What a router says of itself is data: read by shape, to the last word, before anything of it is shown."""

from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.errors import Unreachable
from provisioner.router.platforms.connection import Connection
from provisioner.router.platforms.debian_router import _runs

GOOD: dict[str, Any] = {
    "version": "Debian GNU/Linux 13 (trixie)", "up_s": 12.5, "route": {"gateway": "198.51.100.1", "dev": "wan0"}, "tunnel": None,
    "links": [{"name": "lan0", "up": True, "addresses": ["192.168.1.1/24"]}],
    "leases": [{"address": "192.168.1.100", "mac": "02:00:5e:10:00:14", "name": ""}],
}  # fmt: skip


def test_an_honest_answer_is_taken() -> None:
    """As the program gives it, without a way out and with a tunnel too."""
    assert _runs(GOOD)
    assert _runs({**GOOD, "route": None, "tunnel": {"endpoint": "203.0.113.1:51820", "heard": 0}})


@pytest.mark.parametrize(
    "lie",
    [
        {"links": [1]}, {"links": [{"name": "lan0", "up": True, "addresses": [7]}]}, {"links": {}}, {"leases": [{}]},
        {"route": {}}, {"tunnel": {}}, {"up_s": float("nan")}, {"up_s": "9"}, {"version": None},
    ],
)  # fmt: skip
def test_another_shape_is_no_answer(lie: dict[str, Any]) -> None:
    """Whatever its word, an answer of another shape is refused as a whole."""
    assert not _runs({**GOOD, **lie})


def test_silence_after_the_login_is_no_traceback() -> None:
    """A router that prints no prompt any more is one that does not answer: the timer does the rest."""
    from netmiko.exceptions import ReadTimeout

    connection = Connection.__new__(Connection)
    connection.way = SimpleNamespace(  # type: ignore[assignment]
        host="router", password="", access=SimpleNamespace(target=SimpleNamespace(words="demo"))
    )
    connection._named, connection._user = "router (192.168.1.1)", "jo"

    def silent() -> None:
        raise ReadTimeout("Pattern not detected: 'router.*' in output.")

    with pytest.raises(Unreachable, match="gives no session"):
        connection.of_netmiko(silent)
    assert connection.of_netmiko(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        connection.of_netmiko(lambda: 1 // 0)
