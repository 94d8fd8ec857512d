"""RouterOS' own words: client text is data in them, a difference is said without a secret, the way there is short and ordered."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.router.platforms import hidden
from provisioner.router.platforms import routeros_changes as changes
from provisioner.router.platforms.routeros import FILE, OWNED, items, render
from provisioner.router.platforms.routeros_syntax import Item, Unparsable, parsed, quoted, unquoted
from tests.router.test_rendering import ROOM, description

EVERYTHING = ROOM / "routeros/everything"
DEFAULT = """\
# 2026-11-28 12:00:00 by RouterOS 7.16.1
# software id = K7QZ-0S4A
/interface bridge add admin-mac=48:A9:8A:00:00:02 auto-mac=no comment=defconf name=bridge
/interface bridge port add bridge=bridge comment=defconf interface=ether2
/interface wifi set [ find default-name=wifi1 ] configuration.country=Latvia .mode=ap .ssid="MikroTik-\\C3\\A9 \\$x" disabled=no
/ip address add address=192.168.88.1/24 comment=defconf interface=bridge network=192.168.88.0
/ip dns set allow-remote-requests=yes servers=9.9.9.9
/ip firewall filter add action=accept chain=input comment=defconf protocol=icmp
/ip firewall filter add action=drop chain=input comment=defconf in-interface-list=!LAN
/ip service set telnet disabled=yes
/system identity set name="Bo\\C3\\AEte \\"1\\""
"""


@given(st.text())
def test_client_text_comes_back_as_it_was(text: str) -> None:
    """Whatever a client calls a network: in the line it is one word of plain signs, and read again it is the same."""
    clean = text.encode("utf-8", "replace").decode()
    word = quoted(clean)

    assert word.isascii() and word.isprintable()
    assert parsed(f"/x add a={word} b=c")[0].props == {"a": clean, "b": "c"}
    if word.startswith('"'):
        assert unquoted(word, 0) == (clean, len(word))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('a"b', r'"a\"b"'), ("a\\b", r'"a\\b"'), ("$[/quit]", r'"\$[/quit]"'), ("a;b?", r'"a;b\?"'), ("Épi", r'"\C3\89pi"'),
        ("{{ 7*7 }}", '"{{ 7*7 }}"'), ("\n\t\x1b\u202e", r'"\n\t\1B\E2\80\AE"'), ("", '""'), ("192.168.1.0/24", "192.168.1.0/24"),
    ],
)  # fmt: skip
def test_words_are_quoted_as_its_manual_says(text: str, word: str) -> None:
    """Nothing in a client's text is a command, a variable or the end of a string."""
    assert quoted(text) == word


def test_an_export_is_read_however_it_is_written() -> None:
    """By menus and folded, or each line whole; wifi's short names for what has the same prefix."""
    by_menus = """\
/interface wifi
set [ find default-name=wifi1 ] configuration.country=France .mode=ap \\
    .ssid="a b" disabled=no
/ip pool
add name=x \\
    ranges=10.0.0.1-10.0.0.9
"""
    whole = """\
/interface wifi set [ find default-name=wifi1 ] configuration.country=France .mode=ap .ssid="a b" disabled=no
/ip pool add name=x ranges=10.0.0.1-10.0.0.9
"""

    assert parsed(by_menus) == parsed(whole)
    assert parsed(whole)[0].props["configuration.ssid"] == "a b"


@pytest.mark.parametrize("text", ['/ip pool add name="x', "add name=x", "% nonsense", '/x add a="\\q"', "/x set [ find"])
def test_what_is_no_export_is_refused(text: str) -> None:
    """A torn answer is never taken for a configuration."""
    with pytest.raises(Unparsable):
        parsed(text)


def wanted(folder: Path, case: Path = EVERYTHING) -> list[Item]:
    """What a case's router is to have."""
    return changes.ours(render(description(case, folder))[FILE].content)


def test_what_is_there_already_is_no_difference(tmp_path: Path) -> None:
    """Nor is what older and newer systems say or leave unsaid; other menus are not ours."""
    there = wanted(tmp_path)
    said = changes.text(there) + "/ip service set telnet disabled=yes\n/queue simple add name=x target=10.0.0.0/8\n"
    said = said.replace("/ip dns static add address", "/ip dns static add type=A disabled=no address")

    assert changes.differences(changes.ours(said), there, {}) == []
    assert changes.script(changes.ours(said), there) == []


def test_what_goes_goes_first_and_what_others_name_stays(tmp_path: Path) -> None:
    """From the configuration that it comes with: strange items go, the last menu first; what is always there is set."""
    there = wanted(tmp_path)
    lines = changes.script(changes.ours(DEFAULT), there)
    verbs = [line.split(" remove ")[0] if " remove " in line else "" for line in lines]
    gone = [menu for menu in verbs if menu]

    assert gone == ["/ip firewall filter", "/ip address", "/interface bridge port", "/interface bridge"]
    assert verbs[: len(gone)] == gone
    assert '/ip address remove [ find where !dynamic and !(comment~"^office: ") ]' in lines
    assert "/interface bridge remove [ find name=bridge ]" in lines
    assert '/ip dns set allow-remote-requests=yes servers=""' not in lines  # what is so already is not set again
    assert '/ip dns set servers=""' in lines
    assert not any("/ip service" in line or "/system identity" in line for line in lines)
    (radio,) = [line for line in lines if line.startswith("/interface wifi set [ find default-name=wifi1 ]")]
    assert radio.endswith("configuration=office-staff !configuration.country !configuration.mode !configuration.ssid")


def test_a_new_key_changes_one_word_and_is_never_shown(tmp_path: Path) -> None:
    """The profile that others name is changed where it stands; the difference says that a secret is another."""
    there = wanted(tmp_path)
    before = [
        Item(one.menu, one.verb, {**one.props, "passphrase": "the old one"}, one.where)
        if one.props.get("name") == "office-staff" and one.menu.endswith("security") else one
        for one in there
    ]  # fmt: skip

    (line,) = changes.script(before, there)
    assert line.startswith("/interface wifi security set [ find name=office-staff ] passphrase=")
    (difference,) = changes.differences(before, there, {})
    assert difference.part == "interface wifi security"
    assert "secret changed" in difference.diff
    assert "the old one" not in difference.diff and "cle-du-personnel" not in difference.diff


def test_two_machines_change_their_addresses_with_each_other(tmp_path: Path) -> None:
    """Both go before either comes: the router refuses an address that is taken."""
    there = wanted(tmp_path)
    swapped = {"192.168.1.10": "192.168.1.20", "192.168.1.20": "192.168.1.10"}
    before = [
        Item(one.menu, one.verb, {name: swapped.get(value, value) for name, value in one.props.items()})
        if one.menu.endswith("lease") else one
        for one in there
    ]  # fmt: skip

    assert [line.split()[3] for line in changes.script(before, there)] == ["remove", "remove", "add", "add"]


def test_the_order_of_rules_counts(tmp_path: Path) -> None:
    """The same rules in another order are another firewall, which is written anew as a whole."""
    there = wanted(tmp_path)
    turned = [*reversed([one for one in there if one.menu == "/ip firewall filter"])]
    before = [one for one in there if one.menu != "/ip firewall filter"] + turned

    lines = changes.script(before, there)
    assert lines[0] == "/ip firewall filter remove [ find where !dynamic ]"
    assert lines[1:] == [one.text for one in there if one.menu == "/ip firewall filter"]


def test_who_changed_it_by_hand_is_found(tmp_path: Path) -> None:
    """A menu that is another than right after the last push was changed on the router itself."""
    there = wanted(tmp_path)
    by_hand = [one for one in there if one.props.get("comment") != "office: all else"]

    assert all(one.by_hand for one in changes.differences(by_hand, there, changes.digests(there)))
    assert not any(one.by_hand for one in changes.differences(by_hand, there, changes.digests(by_hand)))
    assert not any(one.by_hand for one in changes.differences(by_hand, there, {}))


def test_lines_are_shown_without_their_secrets() -> None:
    """In an error too."""
    line = r'/interface wifi security set [ find name=x ] passphrase="a \" b" .password=c private-key=d='
    assert hidden(line) == (
        "/interface wifi security set [ find name=x ] passphrase=******** .password=******** private-key=********"
    )


@pytest.mark.parametrize("case", sorted(path.parent for path in ROOM.glob("routeros/*/dossier.yml")), ids=lambda case: case.name)
def test_every_line_bears_a_mark_of_ours(case: Path, tmp_path: Path) -> None:
    """By its name or its comment each item is found again, once in its menu."""
    there = [one for one in items(description(case, tmp_path)) if one.verb == "add"]
    keys = [(one.menu, changes.key(one)) for one in there]

    assert len(set(keys)) == len(keys)
    assert all(word for _, word in keys)
    assert {one.menu for one in there} <= set(OWNED)
