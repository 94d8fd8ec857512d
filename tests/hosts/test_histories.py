"""Machines that somebody else prepared: the new way in is proven before the old one closes, and what is set is in force."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.lab.light import bring_up, inside, kill, light, power, soon, state
from tests.stage import CommandResult, Stage

pytestmark = pytest.mark.lab

OURS = "/etc/ssh/sshd_config.d/00-office.conf"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Adopted machines, nothing applied yet; role base alone."""
    roles = dict.fromkeys(("server", "desktop", "router"), ("base",))
    stage = light(tmp_path_factory.mktemp("histories"), roles, hosts=("router", "server", "desktop"))
    try:
        yield bring_up(stage)
    finally:
        stage.run("lab", "down", "demo")


def apply(stage: Stage, host: str) -> CommandResult:
    return stage.json("apply", "demo", "--lab", "--yes", "--host", host)


def problem(said: CommandResult, host: str) -> str:
    """Why the host failed."""
    assert said.code == 4, said
    return str(said.data["problems"][host]["problem"])


def as_before(stage: Stage, host: str) -> None:
    """The technician gets in anew, and nothing of a change that was not proven is left."""
    assert stage.on(host, "sudo id -u").strip() == "0"
    assert stage.on(host, f"ls {OURS} 2>/dev/null || echo none").strip() == "none"
    assert stage.on(host, "sudo ls /var/lib/provisioner/way-in 2>/dev/null || echo none").strip() == "none"
    assert "yes" in stage.on(host, "sudo sshd -T | grep -i '^passwordauthentication'")
    assert stage.on(host, "ls /etc/systemd/system/office-way-in.service 2>/dev/null || echo none").strip() == "none"


@pytest.mark.deep
def test_a_way_in_that_would_shut_everybody_out_is_put_back(office: Stage) -> None:
    """A group may write to /etc/ssh there, so sshd would take no key from below it: the host fails, the old way in stays open."""
    inside(office, "server", "chmod 775 /etc/ssh")

    said = problem(apply(office, "server"), "server")

    assert "nobody would get in any more" in said
    assert "bad ownership or modes for directory /etc/ssh" in said
    as_before(office, "server")
    inside(office, "server", "chmod 755 /etc/ssh")
    assert apply(office, "server").code == 0
    assert "no" in office.on("server", "sudo sshd -T | grep -i '^passwordauthentication'")
    assert apply(office, "server").data["status"] == "unchanged"


# Where the new login would be made, the laptop stops.
_HANGS = """#!/bin/sh
case "$*" in *--confirm*) touch {mark}; sleep 300;; esac
exec /usr/bin/ssh "$@"
"""


@pytest.mark.deep
@pytest.mark.parametrize("how", [pytest.param("timer", marks=pytest.mark.deep), "power"])
def test_a_change_that_nobody_proved_undoes_itself(office: Stage, tmp_path: Path, how: str) -> None:
    """The laptop dies before its new login: a timer on the machine brings the former way in back, and so does a power cut."""
    host = "desktop"
    mark = tmp_path / "mark"
    (tmp_path / "ssh").write_text(_HANGS.format(mark=mark))
    (tmp_path / "ssh").chmod(0o755)
    going = office.start("--json", "apply", "demo", "--lab", "--yes", "--host", host, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert soon(lambda: mark.exists() or going.poll() is not None, 300)  # what a killed run left is waited for first
    assert mark.exists(), going.communicate()
    assert "PasswordAuthentication no" in inside(office, host, f"cat {OURS}")
    kill(going)
    if how == "timer":
        assert "office-way-in-timer.timer" in inside(office, host, "systemctl list-timers --no-legend")
        inside(office, host, "systemctl start office-way-in-timer.service")  # as it would in two minutes
        assert soon(lambda: "none" in inside(office, host, f"ls {OURS} 2>/dev/null || echo none"), 30)
    else:
        power(office, "off", host)
        power(office, "on", host)
    as_before(office, host)


@pytest.mark.deep
def test_the_same_command_goes_on_from_there(office: Stage) -> None:
    """Nothing of it is in the way of the next apply."""
    assert apply(office, "desktop").code == 0
    assert apply(office, "desktop").data["status"] == "unchanged"


# As from a network that the new rules leave out: the one new login does not come about.
_LEFT_OUT = """#!/bin/sh
case "$*" in *--confirm*) echo 'Connection timed out' >&2; exit 255;; esac
exec /usr/bin/ssh "$@"
"""


@pytest.mark.deep
def test_a_firewall_that_would_shut_the_technician_out_is_put_back(office: Stage, tmp_path: Path) -> None:
    """Another port is opened, and nobody could log in anew: the rules as they were loaded are back, not only their file."""
    assert apply(office, "server").code == 0
    ask = "nft list table inet office; cat /etc/nftables.conf"
    before = inside(office, "server", ask)
    pack = office.inventory / "packs/standard-2026.1.yml"
    text = pack.read_text()
    whole = yaml.safe_load(text)
    whole["kinds"]["server"]["base"]["ports"] = [*whole["kinds"]["server"]["base"].get("ports", []), {"port": 2222}]
    pack.write_text(yaml.safe_dump(whole, allow_unicode=True, sort_keys=False))
    (tmp_path / "ssh").write_text(_LEFT_OUT)
    (tmp_path / "ssh").chmod(0o755)
    try:
        words = ("apply", "demo", "--lab", "--yes", "--host", "server")
        said = problem(office.json(*words, PATH=f"{tmp_path}:{os.environ['PATH']}"), "server")
        assert "nobody would get in any more" in said
        assert "Connection timed out" in said
        assert inside(office, "server", ask) == before
        assert apply(office, "server").code == 0
        assert "2222" in inside(office, "server", ask)
    finally:
        pack.write_text(text)
    assert apply(office, "server").code == 0


VENDOR = 'APT::Periodic::Enable "0";\n'
MATCH = "Match User *\n  PasswordAuthentication yes\n"
WINS = {
    "/etc/apt/apt.conf.d/zz-vendor": (VENDOR, "APT::Periodic::Enable is '0' in force, not '1'"),
    "/etc/ssh/sshd_config.d/50-vendor.conf": (MATCH, "passwordauthentication is 'yes' in force, not 'no'"),
}


@pytest.mark.deep
def test_a_file_that_comes_before_ours_is_overruled(office: Stage) -> None:
    """A former admin's drop-in had switched updates off: they are on afterwards, by apt's own word."""
    inside(office, "server", f"printf %s {shlex.quote(VENDOR)} > /etc/apt/apt.conf.d/02vendor")
    assert apply(office, "server").code == 0
    assert 'Enable "1"' in office.on("server", "apt-config dump APT::Periodic::Enable")
    inside(office, "server", "rm /etc/apt/apt.conf.d/02vendor")


@pytest.mark.deep
@pytest.mark.parametrize("path", WINS)
def test_a_file_that_wins_over_ours_fails_the_host_and_is_named(office: Stage, path: str) -> None:
    """What was set is asked back from the program; a green run whose settings are not in force is a lie."""
    text, wrong = WINS[path]
    inside(office, "server", f"printf %s {shlex.quote(text)} > {path}")
    try:
        said = problem(apply(office, "server"), "server")
        assert wrong in said
        assert path in said
    finally:
        inside(office, "server", f"rm {path}")
    assert apply(office, "server").code == 0


@pytest.mark.deep
def test_what_ifupdown_knows_of_the_link_brings_no_second_address(office: Stage) -> None:
    """A stanza in interfaces.d, as Debian's cloud images have it: its link is networkd's, also after networking restarts."""
    stanza = "auto eth0 eth7\nallow-hotplug eth0\niface eth0 inet dhcp\n  metric 5\n\niface eth7 inet manual\n"
    inside(office, "desktop", "mkdir -p /etc/network/interfaces.d")
    inside(office, "desktop", f"printf %s {shlex.quote(stanza)} > /etc/network/interfaces.d/50-cloud-init")
    main = "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n"
    inside(office, "desktop", f"printf %s {shlex.quote(main)} > /etc/network/interfaces")

    assert apply(office, "desktop").data["status"] == "changed"

    left = inside(office, "desktop", "cat /etc/network/interfaces.d/*")
    assert "eth0" not in left
    assert "auto eth7" in left
    assert "iface eth7 inet manual" in left
    assert "iface lo inet loopback" in inside(office, "desktop", "cat /etc/network/interfaces")
    assert "iface eth0 inet dhcp" in inside(office, "desktop", "cat /var/lib/provisioner/before-pack/*50-cloud-init")
    assert apply(office, "desktop").data["status"] == "unchanged"


@pytest.mark.deep
def test_another_manager_of_the_link_that_wins_is_named(office: Stage) -> None:
    """A file of networkd's that comes before ours, as netplan writes it: the host fails, and the file is named."""
    vendor = "/etc/systemd/network/05-vendor.network"
    inside(office, "desktop", f"printf '[Match]\\nName=eth0\\n\\n[Network]\\nDHCP=yes\\n' > {vendor}")
    try:
        assert f"{vendor}, which wins over ours" in problem(apply(office, "desktop"), "desktop")
    finally:
        inside(office, "desktop", f"rm {vendor}; networkctl reload")
    assert apply(office, "desktop").code == 0


@pytest.mark.deep
def test_the_address_is_the_cards_alone(office: Stage) -> None:
    """A bridge for virtual machines with the card's MAC gets no address, and loses the one that an earlier version gave it."""
    bridge = (
        "ip link add br-vm address 02:00:5e:10:00:14 type bridge; ip link add vt0 type veth peer name vt1;"
        " ip link set vt0 master br-vm; ip link set vt0 up; ip link set vt1 up; ip link set br-vm up"
    )
    there = "ip -4 -o addr show | awk '/192.168.1.20/ { print $2 }'"
    assert apply(office, "desktop").code == 0
    inside(office, "desktop", f"sed -i /^Kind=/d /etc/systemd/network/10-office.network; {bridge}; networkctl reload")
    try:
        assert soon(lambda: inside(office, "desktop", there).split() == ["eth0", "br-vm"])
        assert apply(office, "desktop").data["status"] == "changed"
        assert inside(office, "desktop", there).split() == ["eth0"]
        inside(office, "desktop", "ip link set br-vm down; ip link set br-vm up; networkctl reload; sleep 5")
        assert inside(office, "desktop", there).split() == ["eth0"]
        assert apply(office, "desktop").data["status"] == "unchanged"
    finally:
        inside(office, "desktop", "ip link del vt0; ip link del br-vm")


@pytest.mark.deep
def test_a_card_within_a_bridge_is_said_before_anything_is_half_done(office: Stage) -> None:
    """The office's address cannot stand on a bridge's port: the host fails with what to do, and is reached as before."""
    inside(office, "desktop", "systemctl stop systemd-networkd.socket systemd-networkd")
    over = (
        "ip link add br0 address 02:00:5e:10:00:14 type bridge; ip link set br0 up; ip addr flush dev eth0;"
        " ip link set eth0 master br0; ip addr add 192.168.1.77/24 dev br0; ip route replace default via 192.168.1.1"
    )
    inside(office, "desktop", over)
    try:
        said = problem(apply(office, "desktop"), "desktop")
        assert "eth0 is a port of br0, and the office's address stands on the card itself: take it out of br0" in said
        assert office.on("desktop", "hostname").strip() == "desktop"
    finally:
        inside(office, "desktop", "ip link del br0; systemctl start systemd-networkd; networkctl reconfigure eth0")
    assert apply(office, "desktop").code == 0


_DEPOT = """mkdir -p /srv/depot/dists/stable
printf 'Origin: Tiers\\nSuite: stable\\nDate: Fri, 27 Nov 2026 10:00:00 UTC\\nArchitectures: amd64\\nComponents: main\\n' \
  > /srv/depot/dists/stable/Release
echo 'deb [signed-by=/usr/share/keyrings/tiers.gpg] file:/srv/depot stable main' > /etc/apt/sources.list.d/tiers.list
touch -d '2 hours ago' /var/lib/apt/lists
"""


@pytest.mark.deep
def test_a_source_that_is_not_debians_is_named_at_first_contact_and_stops_nothing(office: Stage) -> None:
    """A maker's source whose key is gone: a note of plan and apply with its file and address, and Debian's own go on."""
    inside(office, "router", _DEPOT)
    try:
        said = office.json("plan", "demo", "--lab", "--host", "router")
        assert said.code in (0, 3), said
        assert said.data["notes"]["router"][0].startswith("file:/srv/depot (/etc/apt/sources.list.d/tiers.list) gives nothing")
        known = state(office) / "known_hosts"
        known.write_text("".join(line for line in known.read_text().splitlines(True) if not line.startswith("router.")))
        met = office.json("adopt", "demo", "router", "--lab", "--yes")
        assert met.code == 0, met
        found = met.data["hosts"]["router"]["found"]["sources"]
        assert found == [{"address": "file:/srv/depot", "file": "/etc/apt/sources.list.d/tiers.list"}]
    finally:
        inside(office, "router", "rm -r /srv/depot /etc/apt/sources.list.d/tiers.list")
