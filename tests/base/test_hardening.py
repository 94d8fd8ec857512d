"""The pack's machines are closed, as far as an office is served by it: judged by others' programs, and all still get in."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import applied
from tests.deep import grades
from tests.lab.light import bring_up, light, soon, state
from tests.stage import Stage

pytestmark = pytest.mark.lab

ADDRESSES = {"router": "192.168.1.1", "server": "192.168.1.10", "desktop": "192.168.1.20"}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, applied_name: str) -> Iterator[Stage]:
    """The applied office, of this file alone: who was audited refuses this laptop for a while."""
    with applied.office(tmp_path_factory.mktemp("closed"), applied_name) as stage:
        yield stage


def logins(stage: Stage, host: str) -> dict[str, str]:
    """Who each program is on the host."""
    pins = (state(stage) / "known_hosts").read_text().splitlines()
    pin = next(line.split(" ", 1)[1] for line in pins if line.startswith(f"{host}."))
    me = stage.on(host, "id -un").strip()
    ask = {"address": ADDRESSES[host], "user": me, "key": str(state(stage) / "technician"), "pin": pin}
    said = stage.plugged(sys.executable, str(Path(__file__).parent / "logins.py"), stdin=json.dumps(ask))
    assert said.code == 0, said.err
    heard: dict[str, str] = json.loads(said.out)
    return {"OpenSSH": me, **heard}


def audited(stage: Stage, suite: str, host: str) -> str:
    """What ssh-audit misses on a host; empty when it passes. Ends when the host lets us in again."""
    done = grades.ssh_audit(stage, suite, ADDRESSES[host])
    assert "Policy:" in done.stdout, done.stdout + done.stderr
    assert soon(lambda: stage.json("ssh", "demo", host, "--lab", "--", "true").code == 0, timeout_s=120)
    return "" if done.returncode == 0 else done.stdout


@pytest.mark.parametrize("host", ADDRESSES)
def test_every_program_of_a_technician_gets_in(closed: Stage, host: str) -> None:
    """OpenSSH, paramiko, fabric and netmiko log in with the pinned key; that Ansible does, the office itself shows."""
    heard = logins(closed, host)

    assert set(heard) == {"OpenSSH", "paramiko", "fabric", "netmiko"}
    assert set(heard.values()) == {heard["OpenSSH"]}
    assert closed.evidence["again"].data["status"] == "unchanged"


def test_sshd_itself_says_it_is_closed(closed: Stage) -> None:
    """No root, no passwords, nothing tunnelled, wherever Debian's own file and ours may disagree."""
    for host in ADDRESSES:
        said = closed.on(host, "sudo sshd -T").splitlines()
        for line in ("permitrootlogin no", "passwordauthentication no", "kbdinteractiveauthentication no",
                     "allowtcpforwarding no", "allowagentforwarding no", "x11forwarding no", "loglevel VERBOSE"):  # fmt: skip
            assert line in said, host


def test_nobody_on_the_lan_turns_the_traffic_and_the_router_still_forwards(closed: Stage) -> None:
    """Redirects are refused on every link; strict paths on hosts of one link, not on the router, which goes on forwarding."""
    ask = "cat /proc/sys/net/ipv[46]/conf/*/accept_redirects /proc/sys/net/ipv4/conf/*/send_redirects"
    for host in ADDRESSES:
        assert set(closed.on(host, ask).split()) == {"0"}, host
    strict = "cat /proc/sys/net/ipv4/conf/eth0/rp_filter /proc/sys/net/ipv4/ip_forward"
    assert closed.on("server", strict).split() == ["1", "0"]
    assert closed.on("desktop", strict).split() == ["1", "0"]
    assert "1" not in closed.on("router", "cat /proc/sys/net/ipv4/conf/*/rp_filter").split()
    assert closed.on("router", "cat /proc/sys/net/ipv4/ip_forward").strip() == "1"


def test_a_browser_may_still_lock_itself_up(closed: Stage) -> None:
    """Firefox's own sandbox needs a user namespace; it is not taken away."""
    assert closed.on("desktop", "unshare --user --map-root-user id -u").strip() == "0"


def test_what_a_program_had_in_memory_stays_off_the_disk(closed: Stage) -> None:
    """No core may be written, by whoever logs in."""
    for host in ADDRESSES:
        assert closed.on(host, "ulimit -Hc").strip() == "0", host


def test_a_forgotten_shell_ends_but_no_window_closes(closed: Stage) -> None:
    """A login at a text screen or from afar ends after ten minutes; a terminal within a desktop has the screen lock."""
    ask = "bash -lc 'echo ${TMOUT-none}'"
    assert closed.on("desktop", f"env -u DISPLAY {ask}").strip() == "600"
    assert closed.on("desktop", f"DISPLAY=:0 {ask}").strip() == "none"


def test_after_a_restart_nothing_has_failed(closed: Stage) -> None:
    """Settings that a kernel does not take, and watchers that a container may not have, leave no unit failed."""
    closed.restart("server")
    for host in ADDRESSES:
        assert closed.on(host, "systemctl --failed --no-legend --plain").strip() == "", host
    units = closed.on("server", "systemctl is-enabled auditd.service audit-rules.service office-integrity.timer")
    assert units.split() == ["enabled"] * 3


def test_what_changed_in_the_system_is_noted_once(closed: Stage) -> None:
    """A file put into /etc is named by the next night's note, with its name, and not again by the one after."""
    closed.on("server", "sudo systemctl start office-integrity.service")
    closed.on("server", "echo '# by somebody' | sudo tee /etc/profile.d/somebody.sh >/dev/null")
    note = (
        "sudo systemctl start office-integrity.service;"
        "sudo journalctl -q -o cat _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID office-integrity.service)"
    )
    try:
        first, second = closed.on("server", note), closed.on("server", note)
    finally:
        closed.on("server", "sudo rm /etc/profile.d/somebody.sh; sudo systemctl start office-integrity.service")

    assert "/etc/profile.d/somebody.sh" in first
    assert "/etc/profile.d/somebody.sh" not in second


def test_who_is_refused_for_a_while_is_told_to_wait(closed: Stage) -> None:
    """A host that hangs up on us is not said to be switched off."""
    refusing = "/etc/ssh/sshd_config.d/99-refusing.conf"
    closed.on(
        "server",
        f"echo RefuseConnection yes | sudo tee {refusing} >/dev/null;"
        f"sudo systemd-run -q --on-active=10 sh -c 'rm {refusing}; systemctl reload ssh'; sudo systemctl reload ssh",
    )
    assert soon(lambda: closed.json("ssh", "demo", "server", "--lab", "--", "true").code == 5, timeout_s=8)
    said = closed.json("ssh", "demo", "server", "--lab", "--", "true")

    assert said.code == 5
    assert "ends the connection when" in said.data["error"]
    assert "wait a minute" in said.data["hint"]
    assert soon(lambda: closed.json("ssh", "demo", "server", "--lab", "--", "true").code == 0, timeout_s=120)


@pytest.mark.parametrize("host", [one if one == "server" else pytest.param(one, marks=pytest.mark.deep) for one in ADDRESSES])
def test_the_policy_of_debian_13_passes(closed: Stage, host: str) -> None:
    """Every sshd of the office passes ssh-audit's policy for its Debian."""
    assert audited(closed, "trixie", host) == ""


@pytest.mark.deep
def test_the_policy_of_debian_12_passes(tmp_path: Path) -> None:
    """So does a Debian 12's; the pinned key stays the pinned one, all programs get in, a second apply changes nothing."""
    stage = light(tmp_path, {"server": ["base"], "router": ["base"]})
    try:
        bring_up(stage, suite="bookworm")
        pinned = (state(stage) / "known_hosts").read_text()
        for verdict in ("changed", "unchanged"):
            said = stage.json("apply", "demo", "--lab", "--yes")
            assert said.code == 0, said.out
            assert said.data["status"] == verdict
        assert (state(stage) / "known_hosts").read_text() == pinned
        for host in ("router", "server"):
            heard = logins(stage, host)
            assert set(heard.values()) == {heard["OpenSSH"]}
            assert stage.on(host, "systemctl --failed --no-legend --plain").strip() == ""
            assert audited(stage, "bookworm", host) == ""
    finally:
        stage.run("lab", "down", "demo")


@pytest.mark.deep
def test_the_grades_are_reached_and_every_rule_missed_has_its_reason(tmp_path: Path) -> None:
    """lynis 80 on the server, 78 on the desktop; OpenSCAP 80 of what can be shown; the list of exceptions is the graders' own."""
    found, audits = grades.office(tmp_path, "trixie")
    server, desktop = found

    assert server.lynis >= 80
    assert desktop.lynis >= 78
    assert min(server.shown, desktop.shown) >= 80
    assert all(audits.values()), audits
    assert grades.unexplained(found) == []
