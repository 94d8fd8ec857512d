"""The client's training room on real hosts: it comes through plan and apply, begins anew, and ends without a trace."""

import re
import shlex

import pytest
import yaml

from provisioner.inventory.target import Target
from provisioner.secrets import vault
from provisioner.training import visit
from tests.training.test_solving import Desk, desk

__all__ = ["desk"]
pytestmark = [pytest.mark.lab, pytest.mark.deep]

# What a machine writes by itself, or a run of ours about itself: logs, caches, its clock, who was there last.
BY_ITSELF = (
    *("/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/log", "/var/cache", "/var/lib/apt", "/var/lib/systemd"),
    *("/var/lib/provisioner", "/var/lib/sss", "/var/lib/lightdm", "/var/lib/chrony", "/var/lib/lastlog", "/var/lib/wtmpdb"),
    *("/var/lib/aide", "/var/lib/NetworkManager", "/var/spool/cups", "/etc/cups", "/root/.ansible", "/var/lib/logrotate"),
    *("/var/lib/dpkg/lock", "/etc/.pwd.lock", "/var/spool/anacron", "/var/backups", "/home/c.lefevre/.local"),
    "/var/lib/lightdm-data/lightdm",  # of the first log-in screen that anybody sees
)
TREE = (
    "(find / -xdev \\( {} \\) -prune -o -printf '%p|%y|%m|%U|%G|%l\\n'; "
    "find /etc /home /root /srv /opt /usr/local /var -xdev \\( {} \\) -prune -o -type f -exec sha256sum {{}} +) "
    "| grep -v '/[.]ansible' | sort > /run/{}"
)


def note(desk: Desk, name: str, host: str = "desktop") -> None:
    """Every path of a machine with its kind, mode, owners and target, and what files hold where people and roles write."""
    left_out = " -o ".join(f"-path {path}" for path in BY_ITSELF)
    desk.on(host, f"sudo sh -c {shlex.quote(TREE.format(left_out, left_out, name))}")


def differs(desk: Desk, one: str, other: str, host: str = "desktop") -> list[str]:
    """What is in one of two notes alone."""
    return desk.on(host, f"comm -3 /run/{one} /run/{other} | head -300 | tr -d '\\t'").splitlines()


def home(desk: Desk) -> list[str]:
    """What is in the first account's home, byte for byte."""
    line = "cd /home/formation1 && find . -printf '%p|%y|%m|%u\\n' | sort; find . -type f | sort | xargs sha256sum"
    return desk.on("desktop", f"sudo sh -c {shlex.quote(line)}").splitlines()


@pytest.mark.parametrize("desk", ["premier-jour"], indirect=True)
def test_a_room_comes_begins_anew_and_ends_without_a_trace(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts with the course's files, at the log-in screen too; a second apply changes nothing; a reset undoes what was done;
    after the end every path and every file is as before, so is the dossier, and the vault has no password of it."""
    for name in ("XDG_STATE_HOME", "PROVISIONER_LAB_DIR"):
        monkeypatch.setenv(name, desk.stage.environment[name])
    target = Target(desk.home / "inventory", "demo", lab=True)
    dossier = desk.home / "inventory/offices/demo/dossier.yml"
    written = dossier.read_bytes()
    note(desk, "before")
    note(desk, "before", "server")

    said = desk.do("training", "setup", "demo", "--course", "premier-jour", "--trainees", "2", "--lab", "--yes").data
    assert said["apply"]["hosts"]["desktop"]["failed"] == 0
    assert set(said["apply"]["hosts"]) == {"desktop"}
    note(desk, "during")
    made = {line.split("|")[0] for line in differs(desk, "before", "during") if line.startswith("/") and "|" in line}
    theirs = ("/home/formation1", "/home/formation2", "/var/lib/office-training", "/etc/")
    assert {path for path in made if not path.startswith(theirs)} == set()
    assert {path for path in made if path.startswith("/etc/")} <= {f"/etc/{name}-" for name in ("subuid", "subgid", "gshadow")}
    assert desk.do("plan", "demo", "--host", "desktop", "--lab").data["hosts"]["desktop"]["changed"] == 0

    begun, password = home(desk), vault.read(target).training["password"]
    assert any("premier-jour.html" in line for line in begun)
    asked = {**visit.person(target, "zoe"), "login": "formation1", "password": password}
    assert visit.act(target, "desktop", "user_session", {**asked, "do": "session"})["ok"]
    more = {"steps": ["desktop"], "share": "", "server": "", "printer": "", "home": "", "website": "", "token": "x"}
    seen = visit.act(target, "desktop", "desktop_session", {**asked, **more}, 120)
    assert seen["desktop"]["ok"], seen["desktop"]["evidence"]
    desk.on(
        "desktop", "sudo runuser -u formation1 -- sh -c 'echo mine > ~/mine; echo x > /var/tmp/formation-x; rm -r ~/Formation'"
    )
    desk.on("desktop", "echo formation1:Autre-Mot-99 | sudo chpasswd")

    desk.do("training", "setup", "demo", "--reset", "--lab", "--yes")

    assert home(desk) == begun
    assert visit.act(target, "desktop", "user_session", {**asked, "do": "session"})["ok"]
    assert desk.on("desktop", "ls /var/tmp/formation-x 2>/dev/null || echo none").strip() == "none"

    desk.do("training", "end", "demo", "--lab", "--yes")

    note(desk, "after")
    note(desk, "after", "server")
    assert differs(desk, "before", "after") == []
    assert differs(desk, "before", "after", "server") == []
    assert desk.on("desktop", "sudo grep -rl formation1 /etc /var/lib/lightdm /var/lib/AccountsService 2>/dev/null || true") == ""
    assert yaml.safe_load(dossier.read_text()) == yaml.safe_load(written)
    assert dossier.read_bytes() == written
    assert not (dossier.parent / "training").exists()
    assert vault.read(target).training == {}
    assert not re.search("formation[0-9]", desk.on("desktop", "getent passwd"))
