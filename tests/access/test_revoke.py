"""A technician leaves, on real hosts: whatever of theirs is there is found, named and gone, and nobody else notices."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioner.hosts.programs import BOOT
from provisioner.inventory import open_inventory, technicians
from tests.access.leaving import HOSTS, LEAVES, STAYS, Network, as_root, keygen, public, two_work_here
from tests.lab.light import Technician, bring_up, kill, light, power, soon

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """The office both serve."""
    with two_work_here(tmp_path_factory.mktemp("access")) as both:
        yield both


@pytest.fixture(autouse=True)
def _there(network: Network) -> None:
    """Each test begins with both technicians on every host, as adoption left them, and nobody written down as gone."""
    stays = network.stays
    if "former:" in (stays.clone / "resellers/scop-lumiere.yml").read_text():
        stays.git("checkout", "-q", network.begun, "--", "resellers")
        stays.git("commit", "-q", "-m", "a test begins")
    for host in HOSTS:
        as_root(
            stays,
            host,
            f"""
            rm -f /var/lib/provisioner/refused.json
            usermod --expiredate '' {LEAVES}
            keys=/home/{LEAVES}/.ssh/authorized_keys
            echo '{public(network.leaves.key)}' > $keys; chown {LEAVES}: $keys; chmod 600 $keys
            grep -q '^{LEAVES} ' /etc/sudoers.d/office || echo '{LEAVES} ALL=(ALL:ALL) NOPASSWD: ALL' >> /etc/sudoers.d/office
            """,
        )
        assert network.gets_in(host, LEAVES, network.leaves.key), host


def test_whatever_is_theirs_is_found_named_and_gone(network: Network) -> None:
    """A key by hand under root, one nobody knew, a session with sudo, cron, at and lingering: named, gone; a colleague stays."""
    stays, leaves = network.stays, network.leaves
    here, second = public(leaves.key), public(network.second)
    as_root(stays, "router", f"umask 077; mkdir -p /root/.ssh; printf '# mine\n{here} by hand\n' > /root/.ssh/authorized_keys")
    as_root(stays, "router", f"""echo 'environment="A=b" {second}' >> /home/{STAYS}/.ssh/authorized_keys""")
    leaves.on("server", f"echo '{second}' >> ~/.ssh/authorized_keys")
    leaves.on("server", f"echo '{public(stays.key)}' >> ~/.ssh/authorized_keys")  # so that a colleague's key passes for theirs
    as_root(
        stays,
        "router",
        f"""
        mkdir -p /opt/keys; echo '{here}' > /opt/keys/root
        printf 'Port 2222\nAuthorizedKeysFile /opt/keys/%%u\nPidFile none\n' > /etc/ssh/second
        systemd-run -q --unit second /usr/sbin/sshd -D -f /etc/ssh/second
        """,
    )
    assert network.gets_in("router", "root", leaves.key)
    job = f"* * * * * /home/{LEAVES}/call-home"
    as_root(
        stays,
        "server",
        f"""
        mkdir -p /var/spool/cron/crontabs /var/spool/cron/atjobs /etc/cron.d /var/lib/systemd/linger
        printf '# m h\n{job}\n' > /var/spool/cron/crontabs/{LEAVES}
        printf 'MAILTO=root\n0 3 * * * root true\n0 4 * * * {LEAVES} /bin/night\n' > /etc/cron.d/nightly
        printf '0 5 * * * root /home/{LEAVES}/backup\n' > /etc/cron.d/theirs
        printf '#!/bin/sh\nSUDO_USER={LEAVES}; export SUDO_USER\n/bin/later\n' > /var/spool/cron/atjobs/a0001
        touch /var/lib/systemd/linger/{LEAVES}
        printf '[Service]\nUser={LEAVES}\nExecStart=/bin/sleep 7777\n' > /etc/systemd/system/helper.service
        systemctl daemon-reload
        systemctl start helper
        """,
    )
    leaves.on(
        "server",
        "sudo systemd-run -q --unit=tunnel sleep 6666; sudo cp /bin/sh /usr/local/bin/.sh; sudo chmod 4755 /usr/local/bin/.sh",
    )
    as_root(stays, "server", f"echo '{LEAVES} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/zz; chmod 440 /etc/sudoers.d/zz")
    session = leaves.start("ssh", "demo", "server", "--", "sudo setsid sleep 8888 & sleep 9999")
    assert soon(lambda: len(sleeping(stays, "server")) == 3), sleeping(stays, "server")
    colleague = stays.start("ssh", "demo", "server", "--", "sleep 13; echo still here")
    assert soon(lambda: len(sleeping(stays, "server", "13")) == 1)

    said = network.revoke()

    assert said.code == 0, said
    named = {host: network.found(said, host) for host in HOSTS}
    for host in HOSTS:
        assert not network.gets_in(host, LEAVES, leaves.key)
        assert not network.gets_in(host, LEAVES, network.second)
        assert network.gets_in(host, STAYS, stays.key)
        assert as_root(stays, host, f"getent shadow {LEAVES} | cut -d: -f8").strip() == "1"
        assert any(line.startswith("account n.petit") for line in named[host]), named[host]
        assert "sudo /etc/sudoers.d/office " in named[host]
    assert not network.gets_in("router", "root", leaves.key)
    assert not network.gets_in("router", STAYS, network.second)  # one host's discovery is refused by the other
    assert as_root(stays, "router", "cat /root/.ssh/authorized_keys") == "# mine\n"
    for start in ("key /root/.ssh/authorized_keys:2", f"key /home/{STAYS}/.ssh/authorized_keys:2", "key /opt/keys/root:1"):
        assert any(line.startswith(start) for line in named["router"]), named["router"]
    text = "\n".join(named["server"])
    for part in (
        f"cron /var/spool/cron/crontabs/{LEAVES} {job}", "cron /etc/cron.d/nightly 0 4 * * * n.petit /bin/night",
        "at /var/spool/cron/atjobs/a0001 /bin/later", f"linger /var/lib/systemd/linger/{LEAVES}",
        "unit /etc/systemd/system/helper.service", "session ", "process ",
    ):  # fmt: skip
        assert part in text, (part, text)
    for folder in ("/var/spool/cron/crontabs", "/var/spool/cron/atjobs", "/var/lib/systemd/linger"):
        assert as_root(stays, "server", f"ls {folder}") == "", folder
    nightly = stays.on("server", "cat /etc/cron.d/nightly").splitlines()
    assert nightly[:2] == ["MAILTO=root", "0 3 * * * root true"]
    assert nightly[2].startswith("# refused")
    look_at = said.data["offices"]["demo"]["hosts"]["server"]["look_at"]
    assert f"/etc/cron.d/theirs runs something of {LEAVES}'s: 0 5 * * * root /home/{LEAVES}/backup" in look_at
    for start in (
        f"tunnel.service runs `/usr/bin/sleep 6666` as root: {LEAVES} started it",
        "/usr/local/bin/.sh gives",
        f"/etc/sudoers.d/zz lets {LEAVES}",
    ):
        assert any(line.startswith(start) for line in look_at), (start, look_at)
    assert len(look_at) == 4, look_at
    assert f"/home/{LEAVES}/backup" in stays.on("server", "cat /etc/cron.d/theirs")  # the office's, perhaps: a person judges
    assert len(as_root(stays, "server", f"ls /var/lib/provisioner/refused/{LEAVES}").split()) == 3
    assert stays.on("server", f"test -d /home/{LEAVES} && echo kept").strip() == "kept"
    session.communicate(timeout=30)
    assert sleeping(stays, "server") == []
    out, err = colleague.communicate(timeout=60)
    assert json.loads(out)["stdout"] == "still here\n", out + err
    kept = open_inventory(stays.clone).reseller("scop-lumiere").former[LEAVES]
    assert {here, second} <= set(kept.keys)
    assert public(stays.key) not in kept.keys
    assert stays.git("status", "--porcelain") == ""
    assert stays.run("runs", "check", "demo").code == 0
    assert stays.run("access", "list", "--json").data["pending"] == {}

    again = network.revoke()

    assert again.code == 0, again
    assert {host: network.found(again, host) for host in HOSTS} == {host: [] for host in HOSTS}


def sleeping(who: Technician, host: str, *seconds: str) -> list[str]:
    """The sleeps of these tests that go on there."""
    found = [line.split() for line in who.on(host, "ps -eo args").splitlines()]
    wanted = seconds or ("7777", "8888", "9999")
    return [words[1] for words in found if len(words) == 2 and words[0].endswith("sleep") and words[1] in wanted]


def test_a_killed_laptop_locks_nobody_out_and_forgets_nothing(network: Network) -> None:
    """SIGKILL while one host is done, the other at work: a colleague gets in, both are on the list, one command ends it."""
    stays, leaves = network.stays, network.leaves
    held = "touch /run/held; until [ -e /run/let-go ]; do sleep 0.2; done"
    holding = stays.start("ssh", "demo", "server", "--", f"sudo flock /run/provisioner-refuse.lock sh -c '{held}'")
    assert soon(lambda: stays.on("server", "ls /run/held 2>/dev/null || true").strip())
    running = stays.start("access", "revoke", LEAVES, "--yes")
    assert soon(lambda: not network.gets_in("router", LEAVES, leaves.key))
    assert network.gets_in("server", LEAVES, leaves.key)
    kill(running)

    listed = stays.run("access", "list", "--json").data
    assert LEAVES in listed["former"]
    assert listed["pending"] == {"demo": {LEAVES: list(HOSTS)}}
    for host in HOSTS:
        assert network.gets_in(host, STAYS, stays.key)
    as_root(stays, "server", "touch /run/let-go")
    holding.communicate(timeout=30)
    for host in HOSTS:
        assert as_root(stays, host, "visudo -cq && id -u").strip() == "0"

    said = stays.run("access", "revoke", "--pending", "--json")

    assert said.code == 0, said
    for host in HOSTS:
        assert not network.gets_in(host, LEAVES, leaves.key)
        assert network.gets_in(host, STAYS, stays.key)
    assert stays.run("access", "list", "--json").data["pending"] == {}
    assert stays.run("runs", "check", "demo").code == 0
    assert stays.git("status", "--porcelain") == ""


def test_the_program_killed_on_the_host_at_any_step(network: Network) -> None:
    """Killed there at each system call that changes something, it leaves colleagues in; the last call proves it done."""
    stays, leaves = network.stays, network.leaves
    as_root(stays, "router", f"umask 077; echo '{public(leaves.key)}' >> /home/{STAYS}/.ssh/authorized_keys")
    at_each = """
import os, sys
count, left = 0, int(sys.argv[1])
def step(event, args):
    global count
    if event in ("os.rename", "os.remove", "subprocess.Popen", "os.chmod", "os.kill") and not (
        event == "subprocess.Popen" and "usermod" not in str(args) and "visudo" not in str(args)):
        count += 1
        if count == left: os.kill(os.getpid(), 9) if event != "os.kill" else os._exit(137)
sys.addaudithook(step)
"""
    ended = []
    for step in range(1, 30):
        ended.append(network.program(at_each + BOOT, str(step))[-1])
        # each further verb logs in anew, and asks sudo: that a colleague still gets in is what goes on here
        if ended[-1] == "ended 0":
            break
    assert ended[-1] == "ended 0", ended
    assert len(ended) > 3, ended
    assert network.gets_in("router", STAYS, stays.key)
    assert not network.gets_in("router", LEAVES, leaves.key)
    assert not network.gets_in("router", STAYS, leaves.key)


LATE = """
import json, subprocess, sys, time
module = {"__name__": "refuse"}
exec(json.loads(sys.stdin.readline()), module)
prove = module["Leaver"].prove
def late(self):
    uid = self.account.pw_uid
    subprocess.Popen(["sleep", "6666"], user=uid, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(["systemctl", "stop", "--no-block", f"user-runtime-dir@{uid}"], check=True)
    asked = ["systemctl", "show", "-p", "ControlPID", "--value", f"user-runtime-dir@{uid}"]
    while subprocess.run(asked, check=True, capture_output=True).stdout.strip() == b"0":
        time.sleep(0.01)
    prove(self)
module["Leaver"].prove = late
module["main"]()
"""


def test_what_begins_in_the_last_moment_ends_too_and_the_systems_own_goes_on(network: Network) -> None:
    """Between the kills and the proof: a process of theirs is named and ends; systemd's clearing up after them is not theirs."""
    stays = network.stays
    uid = as_root(stays, "router", f"id -u {LEAVES}").strip()
    slow = f"/etc/systemd/system/user-runtime-dir@{uid}.service.d"
    as_root(
        stays,
        "router",
        f"""
        mkdir -p {slow}; printf '[Service]\nExecStop=/bin/sleep 5555\n' > {slow}/slow.conf
        systemctl daemon-reload; systemctl start user-runtime-dir@{uid}
        """,
    )
    try:
        *answer, ended = network.program(LATE)

        assert ended == "ended 0", answer
        told = json.loads(answer[0])["logins"][LEAVES]
        assert told["left"] == []
        assert [thing["about"] for thing in told["found"] if thing["what"] == "process"][-1:] == ["sleep"], told
        assert sleeping(stays, "router", "5555", "6666") == ["5555"]
    finally:
        as_root(stays, "router", f"rm -r {slow}; systemctl daemon-reload; systemctl kill user-runtime-dir@{uid}")


LEASE = """
import json, time
boot = open("/proc/sys/kernel/random/boot_id").read().strip()
held = {"technician": "NAME", "laptop": "another", "run": "r", "since": "now", "lease_s": 900, "token": "t", "boot": boot}
up = time.clock_gettime(time.CLOCK_BOOTTIME)
json.dump({**held, "renewed_up": up, "renewed": time.time()}, open("/var/lib/provisioner/lease.json", "w"))
"""


def test_somebody_at_work_holds_nothing_up_and_is_told_of(network: Network) -> None:
    """A colleague's lease does not keep anybody in: exit 6, and that host stays on the list; the leaver's own lease ends."""
    stays, leaves = network.stays, network.leaves
    as_root(stays, "server", f"python3 -c {shlex.quote(LEASE.replace('NAME', STAYS))}")
    as_root(stays, "router", f"python3 -c {shlex.quote(LEASE.replace('NAME', LEAVES))}")
    try:
        said = network.revoke()
    finally:
        as_root(stays, "server", "rm /var/lib/provisioner/lease.json")

    assert said.code == 6, said
    assert not any(network.gets_in(host, LEAVES, leaves.key) for host in HOSTS)
    hosts = said.data["offices"]["demo"]["hosts"]
    assert (hosts["server"]["state"], hosts["router"]["state"]) == ("again", "refused")
    assert f"{STAYS} works here from another" in hosts["server"]["problem"]
    assert stays.run("access", "list", "--json").data["pending"] == {"demo": {LEAVES: ["server"]}}
    assert as_root(stays, "router", "ls /var/lib/provisioner/lease.json || true") == ""


def test_who_is_away_is_listed_and_caught_up_later(network: Network) -> None:
    """A host that is off: exit 5, on the list; back again, --pending does that one alone; so does the next apply."""
    stays, leaves = network.stays, network.leaves
    power(stays.stage, "off", "server")
    try:
        said = network.revoke()
    finally:
        power(stays.stage, "on", "server")

    assert said.code == 5, said
    assert said.data["pending"] == {"demo": ["server"]}
    assert not network.gets_in("router", LEAVES, leaves.key)
    assert stays.run("access", "list", "--json").data["pending"] == {"demo": {LEAVES: ["server"]}}
    assert soon(lambda: stays.run("ssh", "demo", "server", "--", "true").code == 0)
    assert network.gets_in("server", LEAVES, leaves.key)

    late = stays.run("access", "revoke", "--pending", "--json")

    assert late.code == 0, late
    assert list(late.data["offices"]["demo"]["hosts"]) == ["server"]
    assert not network.gets_in("server", LEAVES, leaves.key)
    assert stays.run("access", "revoke", "--pending", "--json").data["offices"] == {}
    looked = stays.run("access", "list", "demo", "--look", "--json")
    assert looked.code == 0, looked
    assert {host: one["found"] for host, one in looked.data["hosts"].items()} == {host: [] for host in HOSTS}
    assert all(one["who"][STAYS]["open"] for one in looked.data["hosts"].values())


def test_an_older_copy_does_not_let_them_in_again(network: Network) -> None:
    """The hosts remember from which commit somebody was shut out: a colleague's copy without it is told to pull."""
    stays = network.stays
    assert network.revoke().code == 0

    stays.git("branch", "-f", "kept")
    stays.git("reset", "-q", "--hard", network.begun)
    try:
        said = stays.run("plan", "demo")
        assert said.code == 6, said
        assert "your copy is older" in said.data["error"]
    finally:
        stays.git("reset", "-q", "--hard", "kept")


def test_other_offices_at_the_same_addresses_are_not_knocked_at(network: Network) -> None:
    """Every office is 192.168.1.0/24: those we are not at are unreachable, and their pins do not use up a host's patience."""
    stays = network.stays
    others = [stays.clone / "offices" / name for name in ("other", "third", "fourth")]
    for number, other in enumerate(others):
        shutil.copytree(stays.clone / "offices/demo", other)
        text = (other / "dossier.yml").read_text().replace("ula: fd5c", f"ula: fd6{number}", 1)
        (other / "dossier.yml").write_text(re.sub(r'(mac: "?02:00:5e):..', rf"\1:e{number}", text))
        wrong = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
        (other / "known_hosts").write_text("".join(f"{host}.{other.name} {wrong}\n" for host in HOSTS))
    try:
        knocks = "journalctl -t sshd -t sshd-session -o cat | grep -c preauth || true"
        before = int(as_root(stays, "router", knocks))

        said = network.revoke()

        assert said.code == 5, said
        states = {name: {h: one["state"] for h, one in o["hosts"].items()} for name, o in said.data["offices"].items()}
        assert states.pop("demo") == dict.fromkeys(HOSTS, "refused")
        assert states == {other.name: dict.fromkeys(HOSTS, "unreachable") for other in others}
        assert said.data["pending"] == {other.name: ["router", "server"] for other in others}
        assert int(as_root(stays, "router", knocks)) == before + 1  # one look at the key, for all offices
    finally:
        for other in others:
            shutil.rmtree(other)
        stays.git("add", "-A")
        stays.git("commit", "-q", "-m", "the other offices are gone")


@pytest.mark.deep
def test_apply_shuts_out_who_left_by_itself(tmp_path: Path) -> None:
    """The plan says so, apply does it, the second apply changes nothing; a rehearsal of revoke leaves the inventory alone."""
    stage = light(tmp_path, {"router": ["base"], "server": ["base"]})
    gone = tmp_path / "gone"
    keygen(gone)
    reseller = stage.inventory / "resellers/scop-lumiere.yml"
    text = reseller.read_text()
    at = text.index("keys:", text.index(f"  {LEAVES}:"))
    reseller.write_text(text.replace(text[at : text.index("\n", at)], f"keys: ['{public(gone)}']"))
    stage.git("commit", "-q", "-a", "-m", "their key")
    try:
        bring_up(stage)
        assert stage.json("apply", "demo", "--lab", "--yes").code == 0
        by_hand = f"sudo sh -ec \"mkdir -p /root/.ssh; echo '{public(gone)}' > /root/.ssh/authorized_keys\""
        stage.on("server", by_hand)

        rehearsed = stage.json("access", "revoke", LEAVES, "--lab", "--office", "demo", "--yes")
        assert rehearsed.code == 0, rehearsed
        assert reseller.read_text().count(LEAVES) == text.count(LEAVES)
        assert stage.on("server", "sudo cat /root/.ssh/authorized_keys") == ""
        assert stage.on("server", f"getent shadow {LEAVES} | cut -d: -f8; ls /etc/ssh/technicians; true").split()[-1] == STAYS
        assert stage.json("apply", "demo", "--lab", "--yes").code == 0  # the inventory still has them
        assert LEAVES in stage.on("server", "ls /etc/ssh/technicians")

        stage.on("server", by_hand)
        technicians.leave(open_inventory(stage.inventory), "scop-lumiere", LEAVES, datetime.now(UTC))
        planned = stage.json("plan", "demo", "--lab")
        assert planned.code == 3, planned
        tasks = [change["task"] for change in planned.data["changes"]["server"]]
        assert any("Technicians who left are shut out" in task for task in tasks), tasks
        assert stage.on("server", "sudo cat /root/.ssh/authorized_keys") != ""
        listed = stage.json("access", "list", "demo", "--lab").data
        assert listed["pending"] == {"demo": {LEAVES: list(HOSTS)}}

        applied = stage.json("apply", "demo", "--lab", "--yes")

        assert applied.code == 0, applied
        assert stage.on("server", "sudo cat /root/.ssh/authorized_keys; ls /etc/ssh/technicians").split() == [STAYS]
        assert stage.on("server", f"sudo getent shadow {LEAVES} | cut -d: -f8").strip() == "1"
        again = stage.json("apply", "demo", "--lab", "--yes")
        assert sum(one["changed"] for one in again.data["hosts"].values()) == 0, again
        assert stage.json("access", "list", "demo", "--lab").data["pending"] == {}
        before = stage.json("secrets", "show", "demo", "--lab").data
        assert stage.json("access", "rotate", "demo", "--lab", "--yes").code == 0
        after = stage.json("secrets", "show", "demo", "--lab").data
        assert not set(before["console"].values()) & set(after["console"].values())
        assert after["people"] == before["people"]
        assert stage.json("apply", "demo", "--lab", "--yes").code == 0
        assert stage.on("server", "cat /usr/local/share/ca-certificates/office.crt").strip() == after["tls"]["authority"].strip()
    finally:
        stage.run("lab", "down", "demo")
