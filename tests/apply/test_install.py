"""From a dossier to installed machines, on real Debian systems."""

import json
from pathlib import Path

import pytest

from provisioner.runs.journal import read_journal
from tests.stage import Stage

pytestmark = pytest.mark.lab

HOSTS = {"router", "server", "desktop"}


def test_adopt_finds_every_machine_by_its_mac_and_tells_what_it_holds(office: Stage) -> None:
    """Each machine was found on the LAN, its fingerprint shown, its contents listed."""
    hosts = office.evidence["adopt"].data["hosts"]

    assert set(hosts) == HOSTS
    assert all(host["fingerprint"].startswith("SHA256:") for host in hosts.values())
    assert all("Debian" in host["found"]["system"] for host in hosts.values())


def test_plan_shows_blank_hosts_what_will_change_with_diffs_and_a_digest(office: Stage) -> None:
    """Check mode passes on blank machines: exit 3, diffs of the files and the packages, no failure."""
    plan = office.evidence["plan"]

    assert plan.code == 3, plan.err
    assert len(plan.data["digest"]) == 64
    assert {name: host["failed"] for name, host in plan.data["hosts"].items()} == dict.fromkeys(HOSTS, 0)
    shown = "\n".join(change["diff"] for change in plan.data["changes"]["server"])
    assert "+PasswordAuthentication no" in shown
    assert "samba" in shown
    assert "+Address=192.168.1.10/24" in shown


def test_apply_installs_the_saved_plan(office: Stage) -> None:
    """What was planned is what was done, on every host."""
    apply = office.evidence["apply"]

    assert apply.code == 0, apply.out + apply.err
    assert apply.data["status"] == "changed"
    assert {name for name, host in apply.data["hosts"].items() if host["changed"]} == HOSTS


def test_a_second_apply_changes_nothing(office: Stage) -> None:
    """Nothing changes on any host the second time."""
    again = office.evidence["again"]

    assert again.code == 0, again.out + again.err
    assert again.data["status"] == "unchanged"
    assert {name: host["changed"] for name, host in again.data["hosts"].items()} == dict.fromkeys(HOSTS, 0)


def test_who_installed_a_machine_gets_in_no_more(office: Stage) -> None:
    """The account that adopt came in by is closed and no longer root; what is in its home stays."""
    for host in HOSTS:
        assert office.on(host, "sudo getent shadow installer | cut -d: -f8").strip() == "1", host
        assert office.on(host, "id -nG installer").split() == ["installer"], host
        assert office.on(host, "sudo ls -A /home/installer").split(), host


def test_hosts_end_on_the_dossiers_addresses_and_on_no_other(office: Stage) -> None:
    """The run survived the move: the DHCP address is gone, and stays gone over a restart."""
    for host, address in (("server", "192.168.1.10"), ("desktop", "192.168.1.20")):
        assert office.on(host, "ip -4 -o addr show dev eth0 | awk '{ print $4 }'").split() == [f"{address}/24"]
        assert office.on(host, "systemctl is-enabled systemd-networkd").strip() == "enabled"


def test_the_lan_reaches_exactly_the_declared_ports(office: Stage) -> None:
    """Of a range of ports with listeners behind them, the LAN sees those of the pack alone."""
    office.on("server", "timeout 120 sh -c 'until ss -Hltn | grep -q :445; do sleep 1; done'")  # after a start, Samba comes last
    office.on("server", "(setsid python3 -m http.server 8000 >/dev/null 2>&1 &)")
    probe = (
        "import socket,sys\n"
        "for port in (22, 80, 137, 139, 445, 8000):\n"
        "    s = socket.socket(); s.settimeout(1)\n"
        "    print(port, s.connect_ex((sys.argv[1], port)))\n"
    )
    found = {
        host: {
            int(line.split()[0]) for line in office.plugged("python3", "-c", probe, ip).out.splitlines() if line.endswith(" 0")
        }
        for host, ip in (("server", "192.168.1.10"), ("desktop", "192.168.1.20"))
    }

    assert found == {"server": {22, 80, 445}, "desktop": {22}}  # 80: the website, and its proof for the certificate
    assert "8000" in office.on("server", "ss -Hltn")  # the listener was there: the firewall kept it in


def test_only_keys_open_the_machines_and_only_the_technicians(office: Stage) -> None:
    """sshd takes no password, no root, and no key from a home folder."""
    for host in HOSTS:
        said = office.on(host, "sudo sshd -T")
        assert "passwordauthentication no" in said
        assert "permitrootlogin no" in said
        assert "authorizedkeysfile /etc/ssh/technicians/%u" in said


def test_language_time_and_upgrades_are_the_offices(office: Stage) -> None:
    """The system speaks French, keeps Paris time, and upgrades itself."""
    assert "fr_FR.utf8" in office.on("desktop", "locale -a")
    assert "LANG=fr_FR.UTF-8" in office.on("desktop", "cat /etc/default/locale")
    assert office.on("desktop", "readlink /etc/localtime").strip() == "/usr/share/zoneinfo/Europe/Paris"
    assert "Debian-Security" in office.on("desktop", "sudo unattended-upgrade --dry-run --verbose 2>&1")
    assert 'APT::Periodic::Unattended-Upgrade "1"' in office.on("desktop", "apt-config dump")
    assert "apt-daily-upgrade.timer" in office.on("desktop", "systemctl list-timers --all")


@pytest.mark.deep
def test_a_restart_undoes_nothing(office: Stage) -> None:
    """After a restart every service runs, the address is the dossier's, and apply finds nothing to do."""
    office.restart("desktop")

    assert office.on("desktop", "systemctl --failed --no-legend --plain").strip() == ""
    assert office.on("desktop", "ip -4 -o addr show dev eth0 | awk '{ print $4 }'").split() == ["192.168.1.20/24"]
    assert "table inet office" in office.on("desktop", "sudo nft list tables")
    again = office.json("apply", "demo", "--lab", "--yes", "--host", "desktop")
    leased = [e.detail["hosts"] for e in read_journal(Path(again.data["journal"])) if e.what == "lease_taken"]
    assert leased == [sorted(HOSTS)]  # the whole office is ours meanwhile, not the one host alone
    assert again.data["hosts"]["desktop"]["changed"] == 0, office.json("runs", "show", "demo", "--lab").out


def test_runs_tell_what_was_done(office: Stage) -> None:
    """`runs list`, `show` and `check` speak of the run that `apply` named."""
    name = office.evidence["apply"].data["run"]

    assert name in [run["run"] for run in office.json("runs", "list", "demo", "--lab").data["runs"]]
    shown = office.json("runs", "show", "demo", name, "--lab").data
    assert shown["status"] == "changed"
    assert shown["hosts"]["server"] == office.evidence["apply"].data["hosts"]["server"] | {"rescued": 0, "ignored": 0}
    assert office.run("runs", "check", "demo", "--lab").code == 0


def test_runs_check_sees_an_edited_summary(office: Stage) -> None:
    """An altered entry of the audit is found, and exits 7."""
    folder = next(Path(office.home).glob("provisioner/labs/demo-*/runs"))
    first = sorted(folder.glob("*.json"))[0]
    original = first.read_text()
    try:
        first.write_text(original.replace('"changed"', '"unchanged"', 1))
        said = office.json("runs", "check", "demo", "--lab")
    finally:
        first.write_text(original)

    assert said.code == 7
    assert "altered" in said.data["problems"][0]


def test_ssh_goes_in_with_the_pinned_key(office: Stage) -> None:
    """A command's output and exit code come through."""
    assert office.run("ssh", "demo", "server", "--lab", "--", "hostname").out.strip() == "server"
    assert office.run("ssh", "demo", "server", "--lab", "--", "exit 42").code == 42


def test_the_mark_on_the_hosts_says_what_was_applied(office: Stage) -> None:
    """Root on the host finds who applied what, from which commit."""
    mark = json.loads(office.on("server", "sudo cat /var/lib/provisioner/applied.json"))

    assert mark["office"] == "demo"
    assert mark["commit"] == office.git("rev-parse", "HEAD").strip()
    assert "lease.json" not in office.on("server", "sudo ls /var/lib/provisioner").split()  # it was given back
