"""What the platforms of vendors bring into the matrix of a push: what they are given, what is pushed, what breaks it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.router.platforms import File, Files, openwrt

ROOM = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A platform's part of the matrix.

    `before` is what the router is given first, `after` what is pushed; `no_way_out` and `nobody_in` make of `after` one with a
    wrong way out, and one whose firewall lets no new connection in; `wrong` one with a line that the router refuses.
    `timeout_s`: the window; `lines`: how many lines a push enters from `arm` on.
    """

    before: Callable[[], Files]
    after: Callable[[], Files]
    no_way_out: Callable[[], Files]
    nobody_in: Callable[[], Files]
    wrong: Callable[[], Files]
    timeout_s: float = 10.0
    lines: int = 40


def _ios(change: Callable[[str], str] = lambda text: text) -> Callable[[], Files]:
    def files() -> Files:
        text = (ROOM / "cisco_ios/static-line/configuration").read_text()
        return {"configuration": File(change(text.replace("203.0.113.9", "198.51.100.1")))}

    return files


def _pool(text: str) -> str:
    return text.replace("192.168.1.200 192.168.1.254", "192.168.1.180 192.168.1.254")


def _openwrt(change: Callable[[str], str] = lambda text: text) -> Callable[[], Files]:
    """The packages as a router has them, its board's radio too; of the line's names those that answer on a bench."""
    radio = "\nconfig wifi-device 'radio0'\n\toption type 'mac80211'\n\toption path 'platform/soc/wifi'\n\n"
    bench_s = (("203.0.113.9", "198.51.100.1"), ("203.0.113.10", "198.51.100.2"), ("epicerie.internal", "office.internal"))

    def files() -> Files:
        found = {}
        for path in sorted((ROOM / "openwrt/static-line").glob("etc_config_*")):
            text = path.read_text().removeprefix(openwrt.RENDERED)
            for theirs, ours in bench_s:
                text = text.replace(theirs, ours)
            name = path.name.removeprefix("etc_config_")
            found[f"{openwrt.FOLDER}/{name}"] = File(change(radio if name == "wireless" else text), "0600")
        return found

    return files


def _limit(text: str) -> str:
    return text.replace("option limit '50'", "option limit '40'").replace("option hostname 'router'", "option hostname 'gate'")


CASES: Mapping[str, Case] = {
    "cisco_ios": Case(
        before=_ios(),
        after=_ios(_pool),
        no_way_out=_ios(lambda text: text.replace("0.0.0.0 0.0.0.0 198.51.100.1", "0.0.0.0 0.0.0.0 203.0.113.14")),
        nobody_in=_ios(
            lambda text: text.replace(" ip address 192.168.1.1", " ip access-group office-no in\n ip address 192.168.1.1")
            + "ip access-list extended office-no\n deny ip any any\n"
        ),
        wrong=_ios(lambda text: _pool(text) + "logging host 192.168.1.10 transport udp port none\n"),
        lines=45,
    ),
    "openwrt": Case(
        before=_openwrt(),
        after=_openwrt(_limit),
        no_way_out=_openwrt(lambda text: text.replace("ipaddr '198.51.100.2'", "ipaddr '203.0.113.10'")),
        nobody_in=_openwrt(lambda text: text.replace("dest_port '22'", "dest_port '2222'")),
        wrong=_openwrt(lambda text: _limit(text).replace("option src 'guests'", "option src 'guest'")),
        timeout_s=8.0,
        lines=121,
    ),
}  # fmt: skip
PLATFORMS = sorted(CASES)
