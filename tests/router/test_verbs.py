"""The verbs on an office whose router is of another system: the program itself, called as a person does, over real SSH.

A stand-in, or a real FRR, has the router's address in a network namespace, and each verb is called in it.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioner.lab.devices import stand_ins
from tests.bakery import Bakery, bakery
from tests.router.boxes import INTERNET, make_key, soon
from tests.router.frr_machine import machine
from tests.verbs import log

pytestmark = pytest.mark.lab

ADDRESS, PASSWORD, WIFI = "192.168.1.1", "mot de passe {{ 7*7 }}", "cle {{ 7*7 }} d'ici"


@dataclass(frozen=True)
class Platform:
    """What is of one platform here.

    `owned` is what an owner has set there by its own words, `typed` at a terminal or each by a call; `read` what the dossier
    says of it afterwards, `secret` whether a key of the Wi-Fi is among it; `change` what is wanted later in place of what.
    """

    login: str
    owned: tuple[str, ...]
    read: tuple[str, ...]
    change: tuple[str, str] = ("192.168.1.199", "192.168.1.189")
    secret: bool = False
    typed: bool = False


POOL = ("dhcp_first: 192.168.1.180", "dhcp_last: 192.168.1.199")
PLATFORMS = {
    "cisco_ios": Platform(
        "admin",
        (
            "configure terminal",
            "ip dhcp excluded-address 192.168.1.1 192.168.1.179", "ip dhcp excluded-address 192.168.1.200 192.168.1.254",
            "ip dhcp pool BUREAU", " network 192.168.1.0 255.255.255.0", " default-router 192.168.1.1", "exit",
            "interface GigabitEthernet0/0", " ip address dhcp", "exit", "end", "write memory",
        ),
        (*POOL, "lan: [GigabitEthernet0/1]"),
        typed=True,
    ),
    "frr": Platform(
        "admin",
        (
            "configure terminal", "ip route 0.0.0.0/0 203.0.113.9", "ip route 10.9.0.0/16 192.168.1.77",
            "ip route 10.8.0.0/16 Null0", "exit", "write memory",
        ),
        (
            "type: static", "address: 203.0.113.10/29", "gateway: 203.0.113.9", "network: 10.9.0.0/16, via: 192.168.1.77",
            "wan: eth1", "lan: [eth0]",
        ),
        ("192.168.1.77", "192.168.1.78"),
        typed=True,
    ),
    "openwrt": Platform(
        "root",
        (
            "uci set wireless.default_radio0.disabled=0", "uci set wireless.radio0.disabled=0",
            "uci set wireless.default_radio0.ssid='Le Pain'", "uci set wireless.default_radio0.encryption=psk2",
            f"uci set wireless.default_radio0.key='{WIFI.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'",
            "uci set dhcp.lan.start=180", "uci set dhcp.lan.limit=20", "uci commit",
        ),
        (*POOL, "ssid: Le Pain"),
        secret=True,
    ),
    "routeros": Platform(
        "admin",
        (
            "/ip pool set default-dhcp ranges=192.168.1.180-192.168.1.199",
            "/interface wifi set wifi1 disabled=no configuration.ssid=\"Le Pain\" configuration.mode=ap"
            f" security.authentication-types=wpa2-psk security.passphrase=\"{WIFI}\"",
            "/interface bridge port add bridge=bridge interface=wifi1",
        ),
        (*POOL, "ssid: Le Pain"),
        secret=True,
    ),
}  # fmt: skip


@dataclass
class Owner:
    """The office, the router that its owner has set up, and the verbs."""

    office: Bakery
    platform: Platform
    disk: Path
    inside: list[str]

    def call(self, *words: str, stdin: str = "", code: int = 0) -> str:
        """A verb in the router's network; what it printed on stdout."""
        done = subprocess.run(
            [*self.inside, sys.executable, "-m", "provisioner.cli", *words],
            input=stdin, capture_output=True, text=True, check=False, env=self.office.environment, cwd="/",
        )  # fmt: skip
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def data(self, *words: str, code: int = 0) -> Any:
        """The object that a verb prints."""
        return json.loads(self.call("--json", *words, code=code))

    @property
    def storage(self) -> dict[str, tuple[int, bytes]]:
        """What lies on the router's permanent storage, and when it was written."""
        found = [path for path in self.disk.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}

    @property
    def dossier(self) -> str:
        """The dossier."""
        return (self.office.target.folder / "dossier.yml").read_text()

    def edit(self, change: Callable[[str], str]) -> None:
        """Change the dossier by hand."""
        before, after = self.dossier, change(self.dossier)
        assert before != after
        (self.office.target.folder / "dossier.yml").write_text(after)


@contextmanager
def owner(platform: str, folder: Path) -> Iterator[Owner]:
    """A router on, its owner's configuration on it, nobody of ours met it yet."""
    if platform == "frr":  # a real one
        with bakery() as office, machine(folder, office.target, PASSWORD) as gate:
            yield moved_in(Owner(office, PLATFORMS[platform], gate.root / "etc", []), platform)
        return
    folder.mkdir()
    make_key(folder / "host_key")
    told = {
        "platform": platform, "address": ADDRESS, "port": 22, "login": PLATFORMS[platform].login, "password": PASSWORD,
        "minute_s": 20.0, "boot_s": 0.3, "answers": [INTERNET, "192.168.1.10"],
    }  # fmt: skip
    (folder / "box.json").write_text(json.dumps(told))
    apart = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    on = f'ip link set lo up; ip address add {ADDRESS}/24 dev lo; exec "$@"'
    argv = [*apart, "sh", "-euc", on, "on", sys.executable, "-m", stand_ins.__name__, str(folder)]
    with bakery() as office, (folder / "log").open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output)
        try:
            assert soon((folder / "ready").exists, 60), (folder / "log").read_text()[-2000:]
            user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
            inside = ["nsenter", f"--target={process.pid}", "--net", *user]
            yield moved_in(Owner(office, PLATFORMS[platform], folder / "flash", inside), platform)
        finally:
            process.kill()
            process.wait(10)


def moved_in(one: Owner, platform: str) -> Owner:
    """The dossier names the router's platform, the vault its password; its owner has set it up."""
    one.office.target.known_hosts.unlink()
    one.edit(lambda text: re.sub("(?m)^    platform: debian$", f"    platform: {platform}", text, count=1))
    one.call("secrets", "set", "bakery", "routers.router", "--stdin", stdin=f"{PASSWORD}\n")
    script = TYPED if one.platform.typed else AT_IT
    said = subprocess.run(
        [*one.inside, sys.executable, "-c", script, ADDRESS, one.platform.login, PASSWORD, *one.platform.owned],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    return one


AT_IT = """
import sys, paramiko
at, user, password, *lines = sys.argv[1:]
for line in lines:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(at, username=user, password=password, look_for_keys=False, allow_agent=False)
    _, out, err = client.exec_command(line)
    said = out.read().decode() + err.read().decode()
    if out.channel.recv_exit_status() or said:
        sys.exit(f"{line}: {said}")
    client.close()
"""
TYPED = """
import re, sys, time, paramiko
at, user, password, *lines = sys.argv[1:]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect(at, username=user, password=password, look_for_keys=False, allow_agent=False)
terminal = client.invoke_shell()
terminal.settimeout(20)
for line in ("", *lines):
    terminal.send(line + "\\n" if line else "")
    said = ""
    while not re.search(r"(^|[\\r\\n])[A-Za-z][\\w.-]*(\\(config[^)]*\\))?# ?\\Z", said):
        said += terminal.recv(4096).decode()
    if line and re.search(r"(?m)^% ?[A-Z]", said):
        sys.exit(f"{line}: {said}")
client.close()
"""


@pytest.mark.parametrize(
    "platform", [pytest.param(one, marks=[pytest.mark.deep] if one == "frr" else []) for one in sorted(PLATFORMS)]
)
def test_a_router_that_was_there_goes_through_its_life(platform: str, tmp_path: Path) -> None:
    """Met, read into the dossier with nothing written on it, pushed to, kept once, changed by hand, given back."""
    with owner(platform, tmp_path / "box") as one:
        _read_in(one)
        _configured(one)
        _given_back(one)


def _read_in(one: Owner) -> None:
    before = one.storage
    met = one.data("adopt", "bakery", "router", "--at", ADDRESS, "--yes")
    assert met["hosts"]["router"]["status"] == "adopted"

    read = one.data("router", "adopt", "bakery", "router", "--yes")

    assert one.storage == before
    secrets = ["wifi.staff"] if one.platform.secret else []
    assert (read["written"], read["secrets"], read["secrets_missed"]) == (True, secrets, [])
    assert log(one.office.root)[0] == "bakery: router is read into the dossier"
    for said in one.platform.read:
        assert said in one.dossier, one.dossier
    if one.platform.secret:
        assert WIFI not in one.dossier + json.dumps(read, ensure_ascii=False)
        assert one.data("secrets", "show", "bakery", "--complete")["wifi"]["staff"] == WIFI
    assert read["left"]
    assert not [line for line in read["left"] if WIFI in line["text"] or not line["why"]]


@pytest.mark.deep
def test_a_real_frr_s_verbs_say_what_they_refuse(tmp_path: Path) -> None:
    """Told at adoption, undone where it proves bad, noticed where it was entered by hand, refused without a guard but on site."""
    with bakery() as office, machine(tmp_path / "box", office.target, PASSWORD) as gate:
        one = moved_in(Owner(office, PLATFORMS["frr"], gate.root / "etc", []), "frr")
        one.data("adopt", "bakery", "router", "--at", ADDRESS, "--yes")
        left = {line["text"]: line["why"] for line in one.data("router", "adopt", "bakery", "router", "--yes")["left"]}
        assert left["ip route 10.8.0.0/16 Null0"] == "the dossier has no word for it"
        assert left["hostname gate"] == "it stays on the router: a push leaves it alone"
        one.data("router", "push", "bakery", "--timeout", "20")
        before = (gate.routes(), gate.saved)
        assert before[0] == ["ip route 0.0.0.0/0 203.0.113.9", "ip route 10.9.0.0/16 192.168.1.77"]

        by_hand = "routes was changed on the router itself since its last push"
        one.edit(lambda text: text.replace("gateway: 203.0.113.9", "gateway: 203.0.113.14"))
        assert by_hand not in one.data("router", "diff", "bakery", code=3)["notes"]["router"]
        said = one.data("router", "push", "bakery", "--timeout", "20", code=4)["problems"]["router"]["problem"]
        assert said.endswith("has its former one back: the Internet does not answer: deb.debian.org")
        assert (gate.routes(), gate.saved) == before
        one.edit(lambda text: text.replace("gateway: 203.0.113.14", "gateway: 203.0.113.9"))

        gate.inside("vtysh", "-c", "configure terminal", "-c", "ip route 10.7.0.0/16 192.168.1.77")
        assert by_hand in one.data("router", "diff", "bakery", code=3)["notes"]["router"]
        assert one.data("router", "restore", "bakery", "--yes", "--timeout", "20")["status"] == "changed"
        assert (gate.routes(), gate.saved) == before

        gate.inside("systemctl", "stop", "office-frr-guard")
        gate.inside("vtysh", "-c", "configure terminal", "-c", "no access-list office-guard")
        one.edit(lambda text: text.replace("192.168.1.77", "192.168.1.78"))
        said = one.data("router", "push", "bakery", code=4)["problems"]["router"]["problem"]
        assert "nothing on it takes the former configuration back by itself: no office-frr-guard runs on it" in said
        assert (gate.routes(), gate.saved) == before


def _configured(one: Owner) -> None:
    assert one.data("router", "diff", "bakery", code=3)["changes"]["router"]
    assert one.data("router", "push", "bakery", "--timeout", "40")["status"] == "changed"
    assert one.data("router", "diff", "bakery")["changes"]["router"] == []
    assert one.data("router", "push", "bakery")["status"] == "unchanged"
    (now,) = one.data("router", "show", "bakery")["routers"].values()
    assert now["last"]["how"] == "applied"
    assert one.data("router", "backup", "bakery")["offices"]["bakery"]["status"] == "unchanged"  # the push kept it


def _given_back(one: Owner) -> None:
    one.edit(lambda text: text.replace(*one.platform.change))
    wanted = one.data("plan", "bakery", "--host", "router", code=3)
    assert wanted["status"] == "changed"
    kept = one.office.target.folder / "routers/router.vault"
    former = kept.read_bytes()
    assert one.data("apply", "bakery", "--host", "router", "--yes")["status"] == "changed"
    assert kept.read_bytes() != former
    kept.write_bytes(former)
    assert one.data("router", "restore", "bakery", "--yes")["status"] == "changed"
    assert one.data("router", "diff", "bakery", code=3)["changes"]["router"]
