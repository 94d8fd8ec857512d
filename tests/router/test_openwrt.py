"""UCI's text is read and written as libuci does it, and what only a board knows stays on it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.router.guard import Rejected
from provisioner.router.platforms import File, Files, hidden, openwrt, uci
from provisioner.router.platforms.uci import Section
from tests.router.boxes import Bench, bench, pushed

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


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A router as it comes."""
    with bench(tmp_path_factory.mktemp("openwrt"), "openwrt") as one:
        yield one


def wanted() -> Files:
    """What a dossier makes, with the names of a bench."""
    found = {}
    for path in sorted((Path(__file__).parent / "openwrt/plain").glob("etc_config_*")):
        text = path.read_text().replace("epicerie.internal", "office.internal")
        found[f"{openwrt.FOLDER}/{path.name.removeprefix('etc_config_')}"] = File(text, "0600")
    return found


def shell(box: Bench, line: str) -> str:
    """What its shell says."""
    device = box.device({})
    try:
        return str(device._ask(line)[1])  # type: ignore[attr-defined]
    finally:
        device.close()


def test_a_dossier_is_pushed_and_what_the_board_knows_is_there_still(box: Bench) -> None:
    """Radio, light and a port's own address; then nothing differs, until somebody changes it by hand; secrets are never shown."""
    said = pushed(box.device(wanted()), 30.0)
    assert said.how == "applied", said
    kept = shell(box, "cat /etc/config/*")
    for word in ("mac80211", "18000000.wifi", "blue:wan", "02:00:5e:77:00:01", "router.office.internal"):
        assert word in kept
    assert pushed(box.device(wanted()), 30.0).how == "unchanged"
    shell(box, "uci set dhcp.lan.limit=7; uci set network.lan.password='s3cret'; uci commit")
    device = box.device(wanted())
    found = {one.part: one for one in device.differences()}
    device.close()
    assert (set(found), all(one.by_hand for one in found.values())) == ({"dhcp", "network"}, True)
    assert "s3cret" not in found["network"].diff and "password" in found["network"].diff


def test_changes_that_wait_there_are_somebody_s(box: Bench) -> None:
    """Whoever has not committed yet loses nothing: the push is refused, and says so; afterwards nothing lies about."""
    shell(box, "uci set dhcp.lan.leasetime=1h")
    before = shell(box, "cat /etc/config/*")
    device = box.device(wanted())
    assert device.differences()
    with pytest.raises(Rejected, match="wait there to be committed"):
        device.arm("a" * 16, 30.0)
    device.close()
    assert shell(box, "uci changes; ls /etc/provisioner") == "dhcp.lan.leasetime='1h'\nguard\nlast\npushed\n"
    assert shell(box, "uci revert dhcp; cat /etc/config/*") == before


def test_a_router_that_keeps_nothing_is_refused(tmp_path: Path) -> None:
    """Its overlay is in memory: a power cut would take the copy and the guard alike."""
    with bench(tmp_path, "openwrt", model="without flash") as one, pytest.raises(Rejected, match="lies in memory"):
        pushed(one.device(wanted()), 30.0)


def test_bytes_that_are_no_text_come_back_as_they_are(box: Bench) -> None:
    """A comment in Latin-1 in somebody's file is kept, and given back."""
    assert pushed(box.device(wanted()), 30.0).how != "reverted"
    shell(box, "printf '# caf\351\n' > /tmp/x; cat /etc/config/system >> /tmp/x; cp /tmp/x /etc/config/system; sync")
    device = box.device({})
    files = device.current()
    device.close()
    assert files["/etc/config/system"].data.startswith(b"# caf")
    with_time = {path: replace(file, content=file.content.replace("'12h'", "'6h'")) for path, file in wanted().items()}
    assert pushed(box.device(with_time), 30.0).how == "applied"
    said = pushed(box.device(files), 30.0)
    assert said.how == "applied", said
    device = box.device({})
    assert device.current() == files
    device.close()
