"""UCI's text is read and written as libuci does it, and what only a board knows stays on it."""

import pytest

from provisioner.errors import Unreadable
from provisioner.hosts.access import SshAccess
from provisioner.inventory.target import Target
from provisioner.router import platforms
from provisioner.router.platforms import Way, hidden, openwrt, uci
from provisioner.router.platforms.uci import Section
from tests import network

NASTY = [
    "{{ 7*7 }}",
    "it's",
    "''",
    '"',
    "a\\'b\\",
    "# no remark",
    "; reboot",
    "$(reboot)`reboot`",
    "Épicerie\u202e",
    "two\nlines",
    " ",
]


@pytest.mark.parametrize("value", NASTY)
def test_a_value_comes_back_byte_for_byte(value: str) -> None:
    """As an option and in a list, with what comes after it."""
    sections = [Section("wifi-iface", "a", (("ssid", value), ("dns", (value, "x", value)))), Section("rule", "", (("n", "1"),))]

    assert uci.read(uci.write(sections)) == sections


def test_it_is_written_as_uci_commit_writes_it() -> None:
    """Tabs, quotes, an empty line before each section and one at the end (libuci, file.c)."""
    assert uci.write([uci.section("zone", "", name="lan", network=["lan", "a'b"], masq=None)]) == (
        "\nconfig zone\n\toption name 'lan'\n\tlist network 'lan'\n\tlist network 'a'\\''b'\n\n"
    )


def test_what_a_person_wrote_is_read() -> None:
    """Without quotes, with double ones, with remarks, short words, a package's head, an option set twice and one taken back."""
    text = (
        "package network\n# a remark\nconfig interface lan # another\n  option ipaddr 192.168.1.1\n"
        "\to descr \"a \\\"b\\\" 'c'\"\n\toption x 1\n\toption x 2\n\toption gone 1\n\toption gone ''\n"
        "\tl dns 1.1.1.1\n\tlist dns '9.9.9.9'"
    )
    (one,) = uci.read(text)
    assert (one.type, one.name) == ("interface", "lan")
    assert dict(one.options) == {"ipaddr": "192.168.1.1", "descr": "a \"b\" 'c'", "x": "2", "dns": ("1.1.1.1", "9.9.9.9")}


@pytest.mark.parametrize("text", ["option a 'b'\n", "config\n", "config a b c\n", "\nconfig a\n\toption x 'open\n", "konfig a\n"])
def test_what_uci_would_not_take_is_refused(text: str) -> None:
    """With its line."""
    with pytest.raises(ValueError, match=r"^line [123]: "):
        uci.read(text)


def test_what_only_the_board_knows_stays() -> None:
    """A radio's place on the bus, the lights, a port's own address; what somebody else set in the office's packages does not."""
    radio = Section("wifi-device", "radio0", (("type", "mac80211"), ("path", "platform/soc/wifi"), ("channel", "36")))
    ours = Section("wifi-device", "radio0", (("country", "FR"), ("channel", "auto")))
    (one,) = openwrt.merged("wireless", [radio, Section("wifi-iface", "default_radio0", (("ssid", "OpenWrt"),))], [ours])
    assert dict(one.options) == {"type": "mac80211", "path": "platform/soc/wifi", "channel": "auto", "country": "FR"}

    led, port = (
        Section("led", "led_wan", (("sysfs", "wan"),)),
        Section("device", "", (("name", "wan"), ("macaddr", "02:00:5e:1:2:3"))),
    )
    assert openwrt.merged("system", [Section("system", "", ()), led], []) == [led]
    bridge = Section("device", "", (("name", "br-lan"), ("type", "bridge"), ("macaddr", "02:00:5e:1:2:4")))
    assert openwrt.merged("network", [port, bridge, Section("interface", "lan2", ())], []) == [port]


def test_it_is_the_same_when_done_again() -> None:
    """Merged with what was merged, nothing is another."""
    here = [Section("wifi-device", "radio0", (("type", "mac80211"), ("channel", "36"))), Section("wifi-device", "radio1", ())]
    wanted = [Section("wifi-device", "radio0", (("country", "FR"), ("channel", "auto")))]
    once = openwrt.merged("wireless", here, wanted)

    assert openwrt.merged("wireless", once, wanted) == once


def test_secrets_are_hidden() -> None:
    """Whoever wrote them, in the sections and in the text."""
    secret = Section("wifi-iface", "", (("ssid", "Bakery"), ("key", "it's secret"), ("password", "s3"), ("private_key", "QUJD=")))
    shown = uci.write(uci.hide([secret]))
    for text in (shown, hidden(uci.write([secret]))):
        assert "Bakery" in text
        assert not any(word in text for word in ("it", "s3", "QUJD"))


def test_a_router_is_refused_before_any_connection(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No push of ours is guarded on OpenWrt yet, so there is none."""
    folder = tmp_path_factory.mktemp("net")
    target = Target(network.with_office(folder / "net"), "demo")
    with pytest.raises(Unreadable, match="runs OpenWrt"):
        platforms.router("openwrt")(Way(SshAccess(target, "m.durand", folder / "no-key"), "router", "127.0.0.1", "run"), {}, {})
