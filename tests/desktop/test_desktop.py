"""The desktop, from the chair before it: what is there, whose it is, and what happens on its bad days."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from provisioner.inventory import open_inventory
from provisioner.lab import base
from provisioner.laptop.processes import as_root
from provisioner.package_cache import stop_forward
from tests import applied
from tests.desktop.sitting import sit_down
from tests.directory.people import logs_in, passwords, refused
from tests.lab.light import bring_up, light, power, replace, soon, state
from tests.stage import Stage

pytestmark = pytest.mark.lab


def programs(stage: Stage) -> list[str]:
    """The packages that the pack gives the demo office's desktop, in its variant and language."""
    inventory = open_inventory(stage.inventory)
    office = inventory.office("demo")
    settings = inventory.pack(office.pack).roles(office.hosts["desktop"].kind, office.variant)["desktop"].settings
    names: list[str] = [*settings["packages"], *settings["more"], *settings["languages"]["fr"]["packages"]]  # type: ignore[misc,index]
    return names


def test_every_program_of_the_pack_is_there(office: Stage) -> None:
    """What the pack names for this variant and this language is installed, and nothing is half installed."""
    there = set(office.on("desktop", "dpkg-query -W -f '${binary:Package} ${db:Status-Status}\\n'").splitlines())
    found = {line.split()[0].split(":")[0] for line in there if line.endswith(" installed")}

    assert set(programs(office)) - found == set()
    assert office.on("desktop", "sudo dpkg --audit") == ""


def test_nothing_is_written_into_homes(office: Stage) -> None:
    """What a new person finds at home is Debian's alone; all of the office's is defaults beside it."""
    skeleton = office.on("desktop", "find /etc/skel -type f").split()
    owned = office.on("desktop", f"dpkg -S {' '.join(skeleton)} 2>&1 || true")

    assert "no path found" not in owned
    assert office.on("desktop", "sudo find /home -user root ! -path /home").split() == []


def test_the_log_in_screen_tells_no_names(office: Stage) -> None:
    """Neither the people nor a guest are offered: who logs in gives their name."""
    said = office.on("desktop", "/usr/sbin/lightdm --show-config 2>&1")

    for wanted in ("greeter-hide-users=true", "greeter-show-manual-login=true", "allow-guest=false", "user-session=xfce"):
        assert wanted in said


@pytest.mark.deep
def test_a_wrong_password_five_times_shuts_nobody_out(office: Stage) -> None:
    """Nobody gets in by guessing, and who mistyped five times gets in with the right one."""
    known = passwords(office)
    for n in range(5):
        assert refused(office, "come", f"Wrong-{n}-password"), n

    assert logs_in(office, "come", known["come"])


def test_updates_wait_until_nobody_works(office: Stage) -> None:
    """While somebody has a desktop open no program is changed under their hands; afterwards the next hour's try goes ahead."""
    # a run of the timer's own may be under way: starting would only join it
    calm = "while [ $(systemctl show -p ActiveState --value apt-daily-upgrade.service) = activating ]; do sleep 1; done"
    run = f"{calm}; sudo systemctl start apt-daily-upgrade.service; systemctl show -p Result --value apt-daily-upgrade.service"
    selection = "cp /bin/sleep /tmp/xfce4-session && (setsid /tmp/xfce4-session 600 >/dev/null 2>&1 &)"
    selection += "; until pgrep -x xfce4-session >/dev/null; do sleep 0.1; done"
    office.on("desktop", selection)
    try:
        assert office.on("desktop", run).strip() == "exec-condition"
    finally:
        office.on("desktop", "pkill -x xfce4-session; rm -f /tmp/xfce4-session")
    assert office.on("desktop", run).strip() == "success"
    assert "OnCalendar=hourly" in office.on("desktop", "systemctl cat apt-daily-upgrade.timer")
    assert 'InstallOnShutdown "true"' in office.on("desktop", "apt-config dump Unattended-Upgrade")


@pytest.mark.deep
def test_a_full_home_still_opens(own_office: Stage) -> None:
    """Where a home has no byte left its owner still gets to the desktop, to make room."""
    password = passwords(own_office)["zoe"]
    assert logs_in(own_office, "zoe", password)
    full = "mount -t tmpfs -o size=1M full /home/zoe && chown zoe: /home/zoe && chmod 700 /home/zoe"
    own_office.on("desktop", f"sudo sh -c '{full} && head -c 2M /dev/zero > /home/zoe/all 2>/dev/null; true'")
    assert own_office.on("desktop", "df --output=avail /home/zoe | tail -n 1").strip() == "0"

    said = sit_down(own_office, "zoe", password)

    assert said["desktop"]["ok"], said


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory, applied_name: str) -> Iterator[Stage]:
    """The office with somebody new, in no group, who needs the screen read to them; the desktop was off at the first apply."""
    with applied.office(tmp_path_factory.mktemp("changed"), applied_name) as stage:
        dossier = yaml.safe_load(stage.dossier.read_text())
        dossier["people"]["seul"] = {"name": "Sol O'Hara", "accessibility": ["large_text", "screen_reader"]}
        stage.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False))
        stage.git("commit", "-q", "-a", "-m", "somebody new")
        power(stage, "off", "desktop")
        stage.evidence["without"] = stage.json("apply", "demo", "--lab", "--yes", timeout_s=900)
        power(stage, "on", "desktop")
        stage.evidence["later"] = stage.json("apply", "demo", "--lab", "--yes", timeout_s=900)
        assert stage.evidence["later"].code == 0, stage.evidence["later"]
        yield stage


@pytest.mark.deep
def test_a_desktop_that_was_off_catches_up(changed: Stage) -> None:
    """Off at one apply, it is named and the others are done; at the next it takes what it missed, and they nothing."""
    without, later = changed.evidence["without"], changed.evidence["later"].data["hosts"]

    assert without.code == 5, without
    assert without.data["hosts"]["desktop"]["unreachable"] == 1
    assert without.data["hosts"]["server"]["changed"] > 0
    assert later["desktop"]["changed"] > 0
    assert later["server"]["changed"] == later["router"]["changed"] == 0


@pytest.mark.deep
def test_two_people_at_one_desktop(changed: Stage) -> None:
    """Somebody is at work when another logs in: both have their desktop and the common folder, neither notices."""
    known = passwords(changed)
    both = "pgrep -u zoe -x xfdesktop >/dev/null && pgrep -u come -x xfdesktop >/dev/null && echo both || true"
    with ThreadPoolExecutor(2) as pool:
        sitting = {login: pool.submit(sit_down, changed, login, known[login], "files", "lock") for login in ("zoe", "come")}
        together = soon(lambda: "both" in changed.on("desktop", both), 90)

    assert together
    for login, done in sitting.items():
        assert all(answer["ok"] for answer in done.result().values()), (login, done.result())


@pytest.mark.deep
def test_somebody_without_groups_works_too(changed: Stage) -> None:
    """In no group, a person has a desktop, the common folder and their own."""
    said = sit_down(changed, "seul", passwords(changed)["seul"], "files")

    assert said["desktop"]["ok"], said
    assert said["files"]["ok"], said
    assert said["desktop"]["shown"] == 2


@pytest.mark.deep
def test_a_password_is_changed_with_the_mouse(changed: Stage) -> None:
    """The menu's window changes one's own password: the new one counts, the old one no longer; and the screen asks in French."""
    old, new = passwords(changed)["seul"], "Corail-trois-1moulin-bleu"
    said = sit_down(changed, "seul", old, "lock", "password", new=new)

    assert all(answer["ok"] for answer in said.values()), said
    assert said["password"]["evidence"] == "Votre mot de passe est changé"
    assert logs_in(changed, "seul", new)
    assert refused(changed, "seul", old)
    assert "Changer mon mot de passe" in changed.on("desktop", "cat /usr/local/share/applications/office-password.desktop")


@pytest.mark.deep
def test_who_needs_it_has_larger_text_and_a_voice(changed: Stage) -> None:
    """Larger letters and the screen reader are there from the first login, for that person and nobody else."""
    ask = ". /etc/X11/Xsession.d/35office; dbus-run-session xfconf-query -c xsettings -p /Xft/DPI 2>/dev/null; true"
    for login, large, read in (("seul", True, True), ("aicha", True, False), ("come", False, False)):
        said = sit_down(changed, login, passwords(changed)[login], "files")
        letters = changed.on("desktop", f"sudo runuser -u {login} -- env USER={login} HOME=/home/{login} sh -c '{ask}'")
        assert ("144" in letters) is large, letters
        assert ("orca" in said["files"]["evidence"]) is read, said


# ------------------------------------------------------------------------------------------- bad days


LARGE = ("libreoffice-writer", "thunderbird", "firefox-esr")


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Stage]:
    """A router and a desktop whose pack has nothing but a desktop role."""
    stage = light(tmp_path, {"desktop": ["desktop"]}, hosts=("router", "desktop"))
    try:
        yield bring_up(stage)
    finally:
        stage.run("lab", "down", "demo")


def pack(stage: Stage, *names: str) -> None:
    """Let the pack's desktop hold its log-in screen and these programs."""
    path = stage.inventory / "packs/standard-2026.1.yml"
    data = yaml.safe_load(path.read_text())
    role = data["kinds"]["desktop"]["desktop"]
    role["settings"] |= {"packages": ["lightdm", "lightdm-gtk-greeter", *names], "languages": {"fr": {"keyboard": "fr"}}}
    role["variant_settings"] = {}
    path.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))
    stage.git("commit", "-q", "-a", "-m", "another pack")


@pytest.mark.deep
def test_a_line_cut_in_the_middle_and_a_program_that_is_no_more(bare: Stage) -> None:
    """A name that this Debian lacks is said by the plan; a line cut in the middle of the download is said; then it converges."""
    pack(bare, *LARGE, "xfce4-never-was")
    said = bare.json("plan", "demo", "--lab", "--host", "desktop")
    assert said.code == 4, said
    assert "xfce4-never-was" in said.data["problems"]["desktop"]["problem"]
    assert "installed" in said.data["problems"]["desktop"]["task"]

    pack(bare, *LARGE)
    running = bare.start("--json", "apply", "demo", "--lab", "--yes", "--host", "desktop")
    # seen on its disk from outside: from a full cache all of it comes in seconds
    archives = base.lab_home() / bare.target.id / "hosts/desktop/root/var/cache/apt/archives"
    assert soon(lambda: [*archives.glob("*.deb"), *archives.glob("partial/*.deb")], 120)
    cut(bare)
    out, _ = running.communicate(timeout=600)
    assert running.returncode == 4, out
    assert "installed" in json.loads(out)["problems"]["desktop"]["task"]

    assert bare.run("lab", "up", "demo").code == 0  # the line is back
    again = bare.json("apply", "demo", "--lab", "--yes", "--host", "desktop", timeout_s=900)
    assert again.code == 0, again
    assert bare.json("apply", "demo", "--lab", "--yes", "--host", "desktop").data["status"] == "unchanged"


def cut(stage: Stage) -> None:
    """Cut the office's way to the packages."""
    from provisioner.lab.state import read

    found = read(stage.target.id)
    assert found
    assert found.forward
    stop_forward(found.forward)


@pytest.mark.deep
def test_a_replaced_desktop_takes_its_place(tmp_path: Path) -> None:
    """Another machine, another MAC: written, adopted, applied; its person logs in there, and the old key is nobody's."""
    roles = {"server": ["base", "directory", "file_share"], "desktop": ["base", "directory_client"], "router": ["base"]}
    stage = light(tmp_path, roles, hosts=("router", "server", "desktop"))
    try:
        bring_up(stage)
        assert stage.json("apply", "demo", "--lab", "--yes", timeout_s=900).code == 0
        known = passwords(stage)
        assert logs_in(stage, "zoe", known["zoe"])
        former = yaml.safe_load(stage.dossier.read_text())["hosts"]["desktop"]

        wrong = stage.json("office", "replace-host", "demo", "desktop", "--mac", former["mac"], "--lab")
        assert wrong.code == 2
        assert "is already" in wrong.data["error"]
        new = "02:00:5e:10:00:99"
        space = f"pv-{stage.target.id}-desktop"
        said = stage.json("office", "replace-host", "demo", "desktop", "--mac", new, "--serial", "NEUF-1", "--lab")
        assert said.code == 0, said
        now = yaml.safe_load(stage.dossier.read_text())["hosts"]["desktop"]
        assert (now["mac"], now["serial"], now["person"], now["address"]) == (new, "NEUF-1", "zoe", former["address"])
        assert "model" not in now
        assert "desktop." not in (state(stage) / "known_hosts").read_text()
        subprocess.run(as_root(["ip", "-netns", space, "link", "set", "eth0", "address", new]), check=True)
        replace(stage, "desktop")

        assert stage.json("adopt", "demo", "desktop", "--lab", "--yes").code == 0
        applied = stage.json("apply", "demo", "--lab", "--yes", timeout_s=900)
        assert applied.code == 0, applied
        assert logs_in(stage, "zoe", known["zoe"])
        assert stage.on("desktop", "cat /sys/class/net/eth0/address").strip() == new
    finally:
        stage.run("lab", "down", "demo")
