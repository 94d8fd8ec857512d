"""The RouterOS stand-in does what MikroTik's documents say, and refuses what they do not have."""

from pathlib import Path

import pytest

from provisioner.lab.devices.stand_ins.routeros import factory
from provisioner.lab.devices.stand_ins.routeros.language import ScriptError
from provisioner.lab.devices.stand_ins.routeros.network import Cables, accepts, reaches, way_out
from provisioner.lab.devices.stand_ins.routeros.shell import Shell
from provisioner.lab.devices.stand_ins.routeros.system import HISTORY, Rebooting, Router

OWN = "192.168.1.1"


@pytest.fixture
def router(tmp_path: Path) -> Router:
    """One as it comes, with an address of the office."""
    made = Router(tmp_path, factory.fresh(5, 1), cables=Cables(answers=("192.168.1.10",)))
    factory.default_configuration(made, f"{OWN}/24", 5)
    return made


def said(router: Router, text: str) -> str:
    """What a line says, or how it is refused."""
    out: list[str] = []
    try:
        Shell(router, out=out.append).run(text)
    except ScriptError as error:
        return str(error)
    return "".join(out).replace("\r\n", "\n").strip()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/foo", "bad command name foo (line 1 column 2)"),
        ("/ip adress print", "bad command name adress (line 1 column 5)"),
        ("/ip address ad address=1.2.3.4/8", "bad command name ad (line 1 column 13)"),
        ("/ip address add address=1.2.3.4/24 interface=ether1 colour=red", "expected end of command (line 1 column 53)"),
        ("/ip address add address=1.2.3.4/24", "missing value(s) of argument(s) interface"),
        ("/ip address add address=1.2.3.4/33 interface=ether1", "invalid value for argument address"),
        ("/ip address add address=1.2.3.4/24 interface=nope", "input does not match any value of interface"),
        ("/interface vlan add interface=ether1 vlan-id=4096", "value of vlan-id out of range (1..4095)"),
        ("/ip address remove 77", "no such item"),
        (f"/ip address add address={OWN}/24 interface=bridge", "failure: already have such address"),
        ("/interface bridge port add bridge=bridge interface=ether2", "failure: device already added as bridge port"),
        (":put \"a", "expected closing quote (line 1 column 8)"),
        ("/import file-name=none.rsc", "input does not match any value of file-name"),
        ("/system backup load name=none password=\"\"", "failure: backup file not found"),
        (":error stop", "stop"),
    ],
)  # fmt: skip
def test_what_it_refuses(router: Router, line: str, answer: str) -> None:
    """In the console's own words, with the place; nothing is changed by it."""
    before = (router.disk / "config.json").read_bytes()
    assert said(router, line) == answer
    assert (router.disk / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r':put "\48\45\4C\4C\4F\_\"\$\\\?"', r'HELLO "$\?'),
        (":put [/ip address get [find interface=bridge] address]", f"{OWN}/24"),
        (':global a 3; :put "$a and $[:len "four"]"', "3 and 4"),
        (":if (1 < 2 and !(\"a\" ~ \"b\")) do={:put yes} else={:put no}", "yes"),
        (":foreach i in=[/ip firewall nat find] do={:put [/ip firewall nat get $i chain]}", "srcnat"),
        (":do {:error x} on-error={:put caught}", "caught"),
        (":onerror why in={:error x} do={:put $why}", "x"),
        ("/ip address print count-only where interface=bridge", "1"),
        ("/ip/address/print count-only where interface=bridge", "1"),
        ("/ip address\nprint count-only where !dynamic", "1"),
        (":put [:typeof [/ip address find]]", "array"),
        (":put [/ping 192.168.1.10 count=1]",
         "SEQ HOST                                     SIZE TTL TIME       STATUS\n"
         "    0 192.168.1.10                               56  64 412us     \n    sent=1 received=1 packet-loss=0%\n1"),
    ],
)  # fmt: skip
def test_its_language(router: Router, text: str, answer: str) -> None:
    """Strings, variables, what stands in brackets, conditions, loops, errors that are caught."""
    assert said(router, text) == answer


def test_an_export_makes_the_same_router(router: Router, tmp_path: Path) -> None:
    """What it says of itself is what it takes; secrets stand in it only when they are asked for."""
    said(router, '/interface wifi security add name=x passphrase="caf\\C3\\A9 \\$\\"\\\\"')
    assert "passphrase" not in said(router, "/export terse")
    assert 'passphrase="caf\\C3\\A9 \\$\\"\\\\"' in said(router, "/export show-sensitive terse")
    whole = said(router, "/export show-sensitive")

    other = Router(tmp_path / "other", factory.fresh(5, 1))
    assert said(other, whole) == ""
    assert (
        said(other, "/export show-sensitive terse").splitlines()[1:]
        == said(router, "/export show-sensitive terse").splitlines()[1:]
    )


def test_an_import_stops_where_it_fails(router: Router) -> None:
    """What it did before stays done: there is no way back but a backup."""
    (router.place("flash/x.rsc")).write_text(
        "/ip pool add name=a ranges=10.0.0.1\n/ip pool add name=b\n/ip pool add name=c ranges=10.0.0.1\n"
    )

    assert said(router, "/import file-name=flash/x.rsc") == "missing value(s) of argument(s) ranges"
    assert said(router, ":foreach i in=[/ip pool find] do={:put [/ip pool get $i name]}").split() == ["default-dhcp", "a"]


def test_a_backup_gives_the_configuration_of_then_back(router: Router) -> None:
    """By a reboot, to the last byte; files are no part of it, and beside the folder flash they are gone."""
    said(router, "/system backup save name=flash/then dont-encrypt=yes")
    before = (router.disk / "config.json").read_bytes()
    said(router, "/system scheduler add name=x interval=1s on-event=:nothing; /file add name=near; /file add name=flash/kept")
    with pytest.raises(Rebooting):
        said(router, '/system backup load name=flash/then password=""')
    router.boot()

    assert (router.disk / "config.json").read_bytes() == before
    assert set(router.files()) == {"flash", "flash/kept", "flash/then.backup"}


def test_safe_mode_ends_without_a_word_beyond_its_history(router: Router) -> None:
    """Up to 100 changes are undone when its session ends; one more, and none is."""
    for changes, left in ((HISTORY, 0), (HISTORY + 1, HISTORY + 1)):
        owner = object()
        router.take_safe(owner)
        for number in range(changes):
            said(router, f"/ip dns static add name=x{number} address=192.0.2.1")
        router.unroll(owner)
        assert said(router, '/ip dns static print count-only where name~"^x"') == str(left)


def test_the_scheduler_runs_in_time_and_at_the_start(router: Router) -> None:
    """Three seconds after a start, and after each interval; with an interval an entry is not run at the start."""
    said(router, "/system scheduler add name=boot start-time=startup on-event=:nothing")
    said(router, "/system scheduler add name=both start-time=startup interval=1h on-event=:nothing")
    said(router, "/system scheduler add name=often interval=1s on-event=:nothing")
    assert [one["name"] for one in router.due()] == []
    router.started -= 3600
    router.turns.clear()
    assert [one["name"] for one in router.due()] == []  # its time was before it was made
    router.boot()
    list(router.due())
    router.turns = {number: (told, turn - 4 if turn else None) for number, (told, turn) in router.turns.items()}
    assert [one["name"] for one in router.due()] == ["boot", "often"]


def test_what_its_rules_come_to(router: Router) -> None:
    """The first rule that fits decides; a bridge's port has no address of its own; without a way out nothing answers."""
    assert accepts(router, 22, OWN) and way_out(router) and reaches(router, "192.168.1.10")
    said(router, "/ip firewall filter add chain=input action=drop protocol=tcp dst-port=22 in-interface=bridge")
    assert not accepts(router, 22, OWN)
    said(router, "/ip firewall filter set [find dst-port=22] disabled=yes")
    assert accepts(router, 22, OWN) and not accepts(router, 22, "192.168.1.2")
    said(router, "/interface bridge port remove [find interface=ether2]")
    assert not accepts(router, 22, OWN)
    said(router, "/ip dhcp-client remove [find]")
    assert not way_out(router)


def test_what_names_another_follows_it(router: Router) -> None:
    """Items know each other by number: a new name is everybody's, and what is gone leaves its number."""
    said(router, "/interface bridge set bridge name=lan")
    assert said(router, ":put [/ip address get [find] interface]") == "lan"
    said(router, "/interface bridge remove lan")
    assert said(router, ":put [/ip address get [find] interface]").startswith("*")


def test_removing_a_job_ends_it(router: Router) -> None:
    """At its next command."""
    said(router, ':execute script=":delay 30s; /ip pool add name=late ranges=10.0.0.1"')
    (job,) = router.jobs.values()
    said(router, "/system script job remove [find]")
    job["thread"].join(5)
    assert not router.jobs
    assert "late" not in said(router, "/ip pool print")
