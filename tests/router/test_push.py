"""The guarded push on a real Debian gateway: whatever happens in its window, the router comes back, byte for byte."""

import json
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner import lab
from provisioner.router.platforms.debian import OWNED
from tests.lab.light import bring_up, inside, kill, light, power, soon
from tests.stage import CommandResult, Stage

pytestmark = [pytest.mark.lab, pytest.mark.case("R1")]

TIMEOUT_S = 20
BACK_S = TIMEOUT_S + 30
STEPS = ("arm", "load", "look")  # of those before the confirmation, each a moment at which anything may happen
GUARD = "/var/lib/provisioner/router"


@dataclass
class Gateway:
    """A light office whose router is ours, and what it was before a case."""

    stage: Stage
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(200, 250)))

    def seen(self) -> dict[str, str]:
        """Everything a push may touch, as it is on the router now."""
        files = " ".join(OWNED)
        said = {
            "files": f"sha256sum {files} 2>/dev/null; stat -c '%a %U:%G %n' {files} 2>/dev/null; true",
            "firewall": "nft list table inet office 2>/dev/null || true",
            "addresses": "ip -o -4 addr | awk '{print $2, $4}'; ip -o link | awk '{print $2}'; sysctl net.ipv4.ip_forward",
            "names": "pgrep -af '[d]nsmasq --keep' | cut -d' ' -f2-; true",
        }
        return {word: inside(self.stage, "router", line) for word, line in said.items()}

    def change(self, **words: Any) -> None:
        """Write something else of the network into the dossier: by itself, another end of the DHCP pool."""
        data = yaml.safe_load(self.stage.dossier.read_text())
        data["lan"]["dhcp_last"] = f"192.168.1.{next(self.numbers)}"
        data |= words
        self.stage.dossier.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))
        self.stage.git("commit", "-q", "-a", "-m", "another network")

    def push(self, **environment: str) -> CommandResult:
        """Push what the dossier wants."""
        return self.stage.json("router", "push", "demo", "--lab", "--timeout", str(TIMEOUT_S), "--force", **environment)

    def held(self, step: str, folder: Path) -> tuple["subprocess.Popen[str]", Path]:
        """A push that waits after a step; it goes on when the file is removed."""
        hold = folder / step
        hold.touch()
        words = ["--json", "router", "push", "demo", "--lab", "--timeout", str(TIMEOUT_S), "--force"]
        running = self.stage.start(*words, KNOB_PUSH=f"{step}:{hold}")
        assert soon(hold.with_suffix(".held").exists, 60), running.communicate(timeout=5)
        return running, hold

    def last(self) -> dict[str, Any]:
        """How the last window ended, from the router's own mouth."""
        found: dict[str, Any] = json.loads(inside(self.stage, "router", f"cat {GUARD}/last.json"))
        return found

    def closed(self) -> bool:
        """Whether no window is open, and nothing of the guard is left armed."""
        said = inside(
            self.stage, "router", f"ls {GUARD}/pending.json 2>/dev/null; systemctl is-active office-router-revert.timer; true"
        )
        return said.split() == ["inactive"]

    def reachable(self) -> bool:
        """Whether a new connection comes about."""
        return self.stage.json("ssh", "demo", "router", "--lab", "--", "true").code == 0


def open_ports(stage: Stage, *ports: int) -> None:
    """Have the pack's role router open these (a light pack has no base, which opens that of sshd)."""
    path = stage.inventory / "packs/standard-2026.1.yml"
    pack = yaml.safe_load(path.read_text())
    pack["kinds"]["router"]["router"] |= {"ports": [{"port": port} for port in ports]}
    path.write_text(yaml.safe_dump(pack, allow_unicode=True, sort_keys=False))
    stage.git("commit", "-q", "-a", "-m", "other ports")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A router and a server; the router is applied."""
    stage = light(tmp_path_factory.mktemp("gateway"), {"router": ["router"]})
    open_ports(stage, 22, 53)
    try:
        bring_up(stage)
        said = stage.json("apply", "demo", "--lab", "--yes")
        assert said.code == 0, said
        stage.evidence["apply"] = said
        yield Gateway(stage)
    finally:
        stage.run("lab", "down", "demo")


def back(gateway: Gateway, before: dict[str, str], began: float) -> None:
    """The router has its former configuration, byte for byte, and answers, in time."""
    assert soon(gateway.closed, began + BACK_S - time.monotonic())
    assert gateway.seen() == before
    assert gateway.reachable()
    assert time.monotonic() - began < BACK_S
    assert gateway.last()["how"] == "reverted"


def test_an_apply_makes_the_router_the_office_s_gateway(gateway: Gateway) -> None:
    """Addresses, firewall, DHCP and the line are ours now; a second push changes nothing and writes nothing."""
    assert gateway.stage.evidence["apply"].data["hosts"]["router"]["failed"] == 0
    before = inside(gateway.stage, "router", f"stat -c '%Y %n' {GUARD}/*; true")

    again = gateway.push()

    assert again.code == 0, again
    assert again.data["status"] == "unchanged"
    assert inside(gateway.stage, "router", f"stat -c '%Y %n' {GUARD}/*; true") == before
    assert "policy drop" in inside(gateway.stage, "router", "nft list chain inet office forward")
    assert "dhcp" in inside(gateway.stage, "router", "ip -4 route show default")


SNTP = (
    "import socket, time; asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); asked.settimeout(3);"
    "asked.sendto(b'\\x23' + bytes(47), ('192.168.1.1', 123)); said = asked.recv(64);"
    "print(said[1], int.from_bytes(said[40:44], 'big') - 2208988800 - round(time.time()))"
)
LISTEN = "import socket; at = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); at.bind(('', 514)); print(at.recv(999).decode())"


@pytest.mark.deep
def test_the_router_gives_the_time_and_tells_what_it_does(gateway: Gateway) -> None:
    """A machine of the LAN gets the time from it, and what the router notes, once the dossier says that it takes it."""
    stratum, offset = inside(gateway.stage, "server", f"python3 -c {shlex.quote(SNTP)}; true").split() or ("", "")
    assert 0 < int(stratum) < 16
    assert abs(int(offset)) <= 1
    gateway.change(syslog={"to": "server"})
    assert gateway.stage.json("apply", "demo", "--lab", "--yes").code == 0
    inside(gateway.stage, "server", f"(timeout 30 python3 -c {shlex.quote(LISTEN)} > /run/heard 2>&1 &) ; sleep 1")

    inside(gateway.stage, "router", "logger -t office 'a word for {{ 7*7 }}'")

    assert soon(lambda: "office: a word for {{ 7*7 }}" in inside(gateway.stage, "server", "cat /run/heard"), 20)


def test_what_proves_good_stays(gateway: Gateway) -> None:
    """A change is loaded, seen over a new connection and confirmed; what it was is said as a diff."""
    gateway.change(reserved={"camera": {"address": "192.168.1.41", "mac": "02:00:5e:10:00:51"}})
    differs = gateway.stage.json("router", "diff", "demo", "--lab")
    assert differs.code == 3, differs
    (change,) = differs.data["changes"]["router"]
    assert differs.data["notes"] == {}  # the dossier explains it
    assert "+dhcp-host=02:00:5e:10:00:51,192.168.1.41,camera" in change["diff"]

    said = gateway.push()

    assert said.code == 0, said
    assert said.data["hosts"]["router"]["changed"] == 1
    assert gateway.last()["how"] == "applied"
    assert gateway.closed()
    assert gateway.stage.json("router", "diff", "demo", "--lab").code == 0


def some(steps: tuple[str, ...], *shown: str) -> list[Any]:
    """All steps; those that look once more at what `shown` have shown are deep."""
    return [pytest.param(step, marks=[] if step in shown else pytest.mark.deep) for step in steps]


@pytest.mark.parametrize("step", some(STEPS, "load"))
def test_a_cut_link(gateway: Gateway, step: str, tmp_path: Path) -> None:
    """I1: nobody gets through any more after a step; the router goes back by itself, and that is what is said."""
    gateway.change()
    before, began = gateway.seen(), time.monotonic()
    running, hold = gateway.held(step, tmp_path)
    lab.cut(gateway.stage.target, "router")
    try:
        hold.unlink()
        assert soon(gateway.closed, BACK_S)
    finally:
        lab.mend(gateway.stage.target, "router")
    out, _ = running.communicate(timeout=90)
    back(gateway, before, began)
    assert json.loads(out)["problems"]["router"]["problem"], out
    assert running.returncode in (4, 5), out


@pytest.mark.parametrize("step", some(STEPS, "look"))
def test_a_power_cut(gateway: Gateway, step: str, tmp_path: Path) -> None:
    """I2: the router's power fails within the window: it starts with its former configuration."""
    gateway.change()
    before = gateway.seen()
    running, hold = gateway.held(step, tmp_path)
    power(gateway.stage, "off", "router")
    began = time.monotonic()
    hold.unlink()
    power(gateway.stage, "on", "router")
    out, _ = running.communicate(timeout=120)
    assert soon(lambda: gateway.seen() == before, 30), (gateway.seen(), before)
    back(gateway, before, began)
    assert gateway.last()["why"] == "the router was started anew"
    assert running.returncode in (4, 5), out


BREAKS: dict[str, Callable[[Gateway], None]] = {
    "a way out that leads nowhere": lambda gateway: gateway.change(
        wan={"type": "static", "address": "203.0.113.10/29", "gateway": "203.0.113.9"}
    ),
    "a firewall that lets nobody in": lambda gateway: open_ports(gateway.stage, 53),
}


@pytest.mark.parametrize("how", some(tuple(BREAKS), "a firewall that lets nobody in"))
def test_a_session_that_lives_on_proves_nothing(gateway: Gateway, how: str) -> None:
    """I3: what breaks new connections, or the way out, is not confirmed, though the old session is alive."""
    before, began = gateway.seen(), time.monotonic()
    commit = gateway.stage.git("rev-parse", "HEAD").strip()
    BREAKS[how](gateway)
    try:
        said = gateway.push()
    finally:
        gateway.stage.git("reset", "-q", "--hard", commit)
    assert said.code == 4, said
    assert "has its former one back" in said.data["problems"]["router"]["problem"], said.data["problems"]
    back(gateway, before, began)


@pytest.mark.parametrize("step", some(STEPS))
def test_a_killed_laptop(gateway: Gateway, step: str, tmp_path: Path) -> None:
    """I4: the tool is killed after a step; the router goes back by itself, and the next push is free to begin."""
    gateway.change()
    before, began = gateway.seen(), time.monotonic()
    running, _ = gateway.held(step, tmp_path)
    kill(running)
    back(gateway, before, began)
    said = gateway.push()
    assert said.code == 0, said


def test_a_second_pusher(gateway: Gateway, tmp_path: Path) -> None:
    """I5: while a window is open nobody else's push begins, whatever became of the lease."""
    gateway.change()
    running, hold = gateway.held("load", tmp_path)
    ask = {"do": "arm", "token": "theirs", "technician": "n.petit", "run": "theirs", "timeout_s": 60, "files": {}, "program": ""}
    said = inside(gateway.stage, "router", f"printf %s {shlex.quote(json.dumps(ask))} | python3 {GUARD}/guard.py")
    assert set(json.loads(said)) == {"busy"}
    hold.unlink()
    out, err = running.communicate(timeout=90)
    assert running.returncode == 0, out + err


def test_a_line_that_is_refused(gateway: Gateway) -> None:
    """I6: a program that refuses the configuration before anything is loaded, and one that refuses it at the load."""
    gateway.change()
    before = gateway.seen()
    fake = '#!/bin/sh\ncase "$*" in *{word}*) echo \'bad line 7\' >&2; exit 1;; esac\nexec /usr/sbin/dnsmasq "$@"\n'
    for program, text, told in (
        ("/usr/local/sbin/dnsmasq", fake.format(word="--test"), "refuses the new configuration"),
        ("/usr/local/bin/systemctl", "#!/bin/sh\n[ \"$*\" != 'restart office-names.service' ] || [ ! -e /run/refuse ] || "
         "{ rm /run/refuse; echo 'bad line 7' >&2; exit 1; }\nexec /usr/bin/systemctl \"$@\"\n", "has its former one back"),
    ):  # fmt: skip
        inside(gateway.stage, "router", f"touch /run/refuse; printf %s {shlex.quote(text)} > {program}; chmod 755 {program}")
        try:
            said = gateway.push()
        finally:
            inside(gateway.stage, "router", f"rm -f {program} /run/refuse")
        assert said.code == 4, said
        problem = said.data["problems"]["router"]["problem"]
        assert told in problem and "bad line 7" in problem, problem
        assert soon(gateway.closed, 30)
        assert gateway.seen() == before


@pytest.mark.deep
def test_a_guard_whose_helper_is_killed(gateway: Gateway, tmp_path: Path) -> None:
    """I7: what takes the former configuration back is killed at its work: systemd does it again."""
    gateway.change()
    before, began = gateway.seen(), time.monotonic()
    running, _ = gateway.held("look", tmp_path)
    kill(running)
    slow = '#!/bin/sh\n[ ! -e /run/slow ] || { rm /run/slow; touch /run/caught; sleep 30; }\nexec /usr/bin/systemctl "$@"\n'
    place = "/usr/local/bin/systemctl"
    inside(gateway.stage, "router", f"touch /run/slow; printf %s {shlex.quote(slow)} > {place}; chmod 755 {place}")
    try:
        assert soon(lambda: "yes" in inside(gateway.stage, "router", "test -e /run/caught && echo yes; true"), BACK_S)
        inside(gateway.stage, "router", f"systemctl kill -s {int(signal.SIGKILL)} office-router-revert.service")
        back(gateway, before, began)
    finally:
        inside(gateway.stage, "router", f"rm -f {place} /run/slow /run/caught")


def test_what_was_kept_is_given_back(gateway: Gateway) -> None:
    """Somebody changes the router by hand: the difference is said, and the kept configuration comes back byte for byte."""
    assert gateway.push().code in (0, 3)
    kept = gateway.stage.json("router", "backup", "demo", "--lab")
    assert kept.code == 0, kept
    before = gateway.seen()
    inside(gateway.stage, "router", "echo 'dhcp-option=3' >> /etc/dnsmasq.d/office.conf; rm /etc/office/firewall.nft")
    differs = gateway.stage.json("router", "diff", "demo", "--lab")
    assert differs.code == 3
    told = "{} was changed on the router itself since its last push"
    assert set(differs.data["notes"]["router"]) == {
        told.format("/etc/dnsmasq.d/office.conf"),
        told.format("/etc/office/firewall.nft"),
    }

    said = gateway.stage.json("router", "restore", "demo", "--lab", "--yes", "--timeout", str(TIMEOUT_S))

    assert said.code == 0, said
    assert gateway.seen() == before
    shown = gateway.stage.json("router", "show", "demo", "--lab")
    assert shown.data["routers"]["router"]["last"]["how"] == "applied"
    assert "192.168.1.1/24" in [one for link in shown.data["routers"]["router"]["links"] for one in link["addresses"]]


def test_a_router_that_somebody_set_by_hand_is_read(gateway: Gateway) -> None:
    """What was added on the router stands in the dossier, what has no word there is told, and the router is as it was."""
    assert gateway.push().code in (0, 3)
    told = gateway.stage.json("router", "adopt", "demo", "router", "--lab", "--yes")
    assert (told.code, told.data["diff"], told.data["written"]) == (0, "", False), told
    assert told.data["left"] == []
    more = "dhcp-host=02:00:5e:10:00:99,192.168.1.44,balance\ndhcp-boot=pxelinux.0\n"
    inside(gateway.stage, "router", f"printf %s {shlex.quote(more)} >> /etc/dnsmasq.d/office.conf")
    inside(gateway.stage, "router", "nft add rule inet office input tcp dport 8080 accept")
    before = gateway.seen()

    told = gateway.stage.json("router", "adopt", "demo", "router", "--lab", "--yes")

    assert told.code == 0, told
    assert re.search(r"balance:\s+\{?address: 192\.168\.1\.44", gateway.stage.dossier.read_text())
    said = [one["text"] for one in told.data["left"]]
    assert said == ["dhcp-boot=pxelinux.0", "tcp dport 8080 accept"]
    assert gateway.seen() == before
    assert gateway.push().code == 0


@pytest.mark.deep
def test_a_full_disk(gateway: Gateway, tmp_path: Path) -> None:
    """No room is left on the router once the push has begun: it goes back all the same, to the last byte."""
    gateway.change()
    before, began = gateway.seen(), time.monotonic()
    running, _ = gateway.held("arm", tmp_path)
    kill(running)
    inside(gateway.stage, "router", "mkdir /run/full; mount -t tmpfs -o size=1m full /run/full")
    try:
        # what stands in its way is a disk of its own under the guard's folder, full to the last block
        inside(gateway.stage, "router", f"cp -a {GUARD}/. /run/full/ && mount --bind /run/full {GUARD}")
        inside(gateway.stage, "router", f"dd if=/dev/zero of={GUARD}/filler bs=1k 2>/dev/null; true")
        back(gateway, before, began)
    finally:
        inside(gateway.stage, "router", f"umount {GUARD} /run/full; rm -rf {GUARD}/pending.json /run/full; true")


@pytest.mark.deep
def test_a_full_etc(gateway: Gateway, tmp_path: Path) -> None:
    """The disk that the configuration itself lies on has no room left once the new one is there: the former one finds its own."""
    other = "mkdir /run/etc; mount -t tmpfs -o size=32m etc /run/etc; cp -a /etc/. /run/etc/; mount --bind /run/etc /etc"
    inside(gateway.stage, "router", other)
    try:
        gateway.change()
        before, began = gateway.seen(), time.monotonic()
        running, _ = gateway.held("look", tmp_path)
        kill(running)
        inside(
            gateway.stage,
            "router",
            "dd if=/dev/zero of=/etc/filler bs=4k 2>/dev/null; dd if=/dev/zero of=/etc/more bs=1 2>/dev/null; true",
        )
        assert inside(gateway.stage, "router", "df --output=avail /etc | tail -n 1").strip() == "0"
        back(gateway, before, began)
    finally:
        inside(gateway.stage, "router", "rm -f /etc/filler /etc/more; umount /etc; cp -a /run/etc/. /etc/; umount /run/etc; true")


@pytest.mark.deep
def test_a_way_back_that_fails_ends_in_a_start(gateway: Gateway, tmp_path: Path) -> None:
    """The files are the former ones and the system does not take them: the router starts anew, which is the state it was in."""
    gateway.change()
    before, began = gateway.seen(), time.monotonic()
    running, _ = gateway.held("look", tmp_path)
    kill(running)
    broken = '#!/bin/sh\n[ "$1" != restart ] || { echo \'no answer\' >&2; exit 1; }\nexec /usr/bin/systemctl "$@"\n'
    place = "/usr/local/bin/systemctl"
    inside(gateway.stage, "router", f"printf %s {shlex.quote(broken)} > {place}; chmod 755 {place}")
    try:
        assert soon(lambda: "started anew" in str(_starting(gateway.last)), BACK_S)
        assert soon(lambda: _starting(gateway.seen) == before, 60)
        back(gateway, before, began)
    finally:
        soon(lambda: _starting(lambda: inside(gateway.stage, "router", f"rm -f {place}; echo gone")), 60)


def _starting(look: Callable[[], Any]) -> Any:
    """What was seen; None while the machine is not up."""
    try:
        return look()
    except (AssertionError, StopIteration):
        return None
