"""Verify on real machines: all well; and whatever is broken turns exactly its own lines red."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.lab.network import NAMESPACES
from provisioner.laptop.processes import as_root
from tests import applied
from tests.lab.light import power
from tests.stage import CommandResult, Stage

pytestmark = pytest.mark.lab

RED = ("critical", "unknown")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, applied_name: str) -> Iterator[Stage]:
    """The applied demo office after its first night's backup; each test leaves it whole."""
    with applied.office(tmp_path_factory.mktemp("shop"), applied_name) as stage:
        said = stage.json("backup", "run", "demo", "--lab")
        assert said.code == 0, said
        yield stage


def verify(stage: Stage, *more: str) -> CommandResult:
    """The verb; its findings as an object."""
    said = stage.json("verify", "demo", "--lab", *more, timeout_s=600)
    assert "findings" in said.data or said.code != 7, said
    return said


def red(said: CommandResult) -> set[str]:
    """The names of the proofs that failed."""
    return {finding["check"] for finding in said.data["findings"] if finding["level"] in RED}


def told(said: CommandResult) -> str:
    """Each proof that failed, with what was seen: what is written for a person who cannot go there and look."""
    return "\n".join(
        f"{one['check']} at {one['about']}: {one['sentence']}\n{one.get('evidence', '')}"
        for one in said.data["findings"]
        if one["level"] in RED
    )


@pytest.fixture(scope="module")
def verified(shop: Stage) -> tuple[CommandResult, set[str]]:
    """What a whole verification said, a restart included, and every name that the desktop asked a name server for meanwhile."""
    sniffer = Path(__file__).with_name("names_asked.py")
    lan = as_root(["nsenter", f"--net={NAMESPACES}/pv-{shop.target.id}-lan", "--"])
    listening = subprocess.Popen(
        [*lan, sys.executable, str(sniffer), "192.168.1.20"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        said = verify(shop, "--reboot")
    finally:
        heard, _ = listening.communicate("", timeout=30)
    return said, set(heard.split())


def test_a_whole_office_passes_before_and_after_a_restart(shop: Stage, verified: tuple[CommandResult, set[str]]) -> None:
    """Nothing is red, what does not apply says why, and nothing of the witness stays behind: account, home, files, mail."""
    said, _ = verified

    assert said.code == 0, told(said)
    levels = {finding["check"]: finding["level"] for finding in said.data["findings"]}
    assert levels["restarted"] == "ok"
    away = [finding for finding in said.data["findings"] if finding["level"] == "not_applicable"]
    assert sorted(finding["check"] for finding in away) == [
        "clock",
        "monitor",
        "monitor_hosts",
        "remote",
        "remote_switch",
        "website",
    ]
    # one clock for all machines; no hub; no site is online
    assert all(len(finding["sentence"]) > 20 for finding in away)
    assert shop.on("server", "sudo samba-tool user list | grep -c witness || true").strip() == "0"
    assert "witness" not in shop.on("desktop", "ls /home")
    assert "verify" not in shop.on("server", "sudo ls /srv/share/commun")
    assert shop.on("server", "sudo find /var/lib/radicale -name '*witness*' | wc -l").strip() in ("0", "1")
    assert shop.on("desktop", "ls /var/lib | grep office-screen || true") == ""
    assert "office_verify" not in shop.on("desktop", "sudo nft list tables")
    assert shop.run("runs", "check", "demo", "--lab").code == 0
    assert "Une page envoyée" in shop.run("runs", "show", "demo", "--lab", "--lang", "fr").out


def test_what_a_screen_showed_is_kept_and_an_altered_picture_is_found(
    shop: Stage, verified: tuple[CommandResult, set[str]]
) -> None:
    """Every line of the screen has its picture in the audit; one that was changed afterwards shows."""
    said, _ = verified
    shown = {finding["check"]: finding.get("pictures", []) for finding in said.data["findings"]}
    kept = Path(said.data["summary"]).parent / "pictures"

    assert all(shown[check] for check in SCREEN)
    assert all((kept / name).read_bytes().startswith(b"\x89PNG") for names in shown.values() for name in names)
    one = kept / shown["desktop"][0]
    original = one.read_bytes()
    try:
        one.write_bytes(original + b"x")
        said = shop.json("runs", "check", "demo", "--lab")
    finally:
        one.write_bytes(original)
    assert said.code == 7
    assert f"{one.name}: altered" in said.data["problems"]


@pytest.mark.deep
def test_an_office_without_a_desktop_has_its_record(shop: Stage, verified: tuple[CommandResult, set[str]]) -> None:
    """Tried from the server: share, printing, calendar and names pass, what needs a desktop says that there is none."""
    del verified  # whose pictures name the desktop
    whole = shop.dossier.read_text()
    try:
        shop.dossier.write_text(re.sub(r"  desktop:\n(?:    .*\n)+", "", whole))
        said = verify(shop)
        made = shop.json("record", "new", "demo", "--lab", "--lang", "fr")
    finally:
        shop.dossier.write_text(whole)

    levels = {finding["check"]: finding["level"] for finding in said.data["findings"]}
    assert said.code == 0, told(said)
    assert {check for check in levels if levels[check] == "ok"} >= {"share", "others", "printing", "calendar", "names", "backup"}
    assert {check for check in levels if levels[check] == "not_applicable"} >= {"session", "password", *SCREEN}
    assert made.code == 0, made
    assert "n’a pas de poste à lui" in Path(made.data["html"]).read_text()


# What a desktop may ask for beyond the office without anybody's doing.
KNOWN = (
    "settings.services.mozilla.com",  # the browser's lists of revoked certificates and of dangerous add-ons
    "thunderbird-settings.thunderbird.net",  # the same, for the mail program
    "content-signature-2.cdn.mozilla.net",  # what proves these lists
    "firefox-settings-attachments.cdn.mozilla.net",  # what they point to
    "deb.debian.org",  # updates
    "debian.pool.ntp.org",  # time
)


def test_nothing_phones_home(verified: tuple[CommandResult, set[str]]) -> None:
    """Somebody logs in, browses, writes, reads their calendar: the desktop asks for no name that is not known here."""
    _, asked = verified
    beyond = {name for name in asked if not name.lower().endswith((".internal", ".example", ".arpa")) and "." in name}

    assert "calendar.epicerie.internal" in asked  # it heard something
    assert {name for name in beyond if not name.endswith(KNOWN)} == set()


@dataclass(frozen=True)
class Break:
    """A way to break one service: where, how, and how it is mended; `red` are its lines and no others."""

    host: str
    line: str
    again: str
    red: frozenset[str]


def stop(host: str, unit: str, *lines: str, also: str = "") -> Break:
    """A unit of systemd that is stopped."""
    return Break(host, f"sudo systemctl stop {unit} {also}", f"sudo systemctl start {unit} {also}", frozenset(lines))


def off(machine: str, *lines: str) -> Break:
    """A machine of the lab that is switched off."""
    return Break("", f"off {machine}", f"on {machine}", frozenset(lines))


SCREEN = ("desktop", "files", "document", "browser", "agenda", "lock", "offline")  # who cannot log in sees none of it
BREAKS = {
    "directory": stop("server", "samba-ad-dc", "names", "session", "share", "others", "calendar", "ports", "password", *SCREEN),
    "directory_client": stop("desktop", "sssd", "session", "password", *SCREEN),
    "time": stop("server", "chrony", "clock"),
    "file_share": stop("server", "wsdd2", "ports"),
    "printing": stop("server", "cups.service", "printing", "ports", "document", also="cups.socket cups.path"),
    "printer": off("bureau", "printing", "document"),
    "mail_relay": stop("server", "postfix", "mail", "ports"),
    "mail_client": stop("desktop", "postfix", "mail"),
    "provider": off("provider", "mail", "backup"),
    "calendar": stop("server", "radicale", "calendar", "agenda"),
    "web": stop("server", "nginx", "calendar", "ports", "agenda"),
    "backup_disk": Break("server", "sudo umount -l /srv/backup", "", frozenset({"backup"})),
    "firewall": Break("server", "sudo nft delete table inet office", "sudo systemctl restart nftables", frozenset({"ports"})),
    "gateway": Break(
        "router",
        "sudo nft flush ruleset",  # with what networkd may still lead the LAN out by, until the next start
        "sudo nft -f /etc/office/firewall.nft",
        frozenset({"ports", "beyond", "internet", "guests"}),
    ),
}


AWAY = ("website", "remote", "remote_switch", "monitor", "monitor_hosts")  # none of which the office has


def test_every_need_of_a_proof_is_broken_below() -> None:
    """The table of breaks and what the proofs say they need are one and the same."""
    from provisioner.verify.table import EVERY

    here = [part for part in EVERY if part.name not in AWAY]
    elsewhere = {"website", "remote", "remote_client", "metrics_agent", "node_exporter"}
    needs = {need: frozenset(part.name for part in here if need in part.needs) for one in here for need in one.needs - elsewhere}

    assert needs == {name: one.red for name, one in BREAKS.items()}


# At every `make test` what keeps others out: the others take two minutes each, for the desktop is visited.
OFTEN = ("gateway",)


@pytest.mark.parametrize("service", [one if one in OFTEN else pytest.param(one, marks=pytest.mark.deep) for one in BREAKS])
def test_a_broken_service_turns_exactly_its_lines_red(shop: Stage, service: str) -> None:
    """Everything else stays green, the exit code is 7, and each red line shows what was seen.

    Where nothing that a screen shows stands on the service, the desktop is not visited: that takes most of a minute.
    """
    from provisioner.verify.table import EVERY

    broken = BREAKS[service]
    chosen = [] if broken.red & set(SCREEN) else [part.name for part in EVERY if part.name not in SCREEN]

    def do(line: str) -> None:
        word, _, name = line.partition(" ")
        if word in ("off", "on"):
            power(shop, word, name)
        elif line:
            shop.on(broken.host, line)

    do(broken.line)
    try:
        said = verify(shop, *(word for check in chosen for word in ("--only", check)))
    finally:
        if broken.again:
            do(broken.again)
        else:
            shop.restart(broken.host)

    assert said.code == 7, said
    # who looks from outside has made a way back for the LAN meanwhile: the Internet may be reached without the router's table
    late = {"internet"} if service == "gateway" else set()
    assert red(said) - late == broken.red - late, told(said)
    assert all(finding["evidence"] for finding in said.data["findings"] if finding["level"] in RED)
    if service == "printer":  # what did not come out must not come out later, nor stand before what others print
        assert shop.on("server", "lpstat -W not-completed -o") == ""


def test_a_machine_that_is_off_is_no_success(shop: Stage) -> None:
    """The desktop off: exit 5 and its name; no verdict about the rest is kept."""
    before = len(json.loads(shop.json("runs", "list", "demo", "--lab").out)["runs"])
    power(shop, "off", "desktop")
    try:
        said = verify(shop)
    finally:
        power(shop, "on", "desktop")

    assert said.code == 5
    assert "desktop" in said.data["error"]
    assert len(json.loads(shop.json("runs", "list", "demo", "--lab").out)["runs"]) == before


@pytest.mark.deep
def test_a_witness_left_by_a_killed_verification_is_taken_away(shop: Stage) -> None:
    """The next one removes it first and passes."""
    shop.on(
        "server",
        "sudo samba-tool user create witness Left-Behind-2026-x >/dev/null && sudo samba-tool group addmembers office witness",
    )
    said = verify(shop, "--only", "session")

    assert said.code == 0, red(said)
    assert shop.on("server", "sudo samba-tool user list | grep -c witness || true").strip() == "0"


@pytest.mark.deep
def test_after_a_repair_one_thing_is_tried_and_nothing_rests_on_it(shop: Stage) -> None:
    """What was asked for is tried alone, in seconds; no record calls the office whole because of it."""
    said = verify(shop, "--only", "printing")
    assert said.code == 0, said
    assert said.data["status"] == "partial"
    assert {finding["check"] for finding in said.data["findings"]} == {"reached", "printing"}
    english = shop.run("verify", "demo", "--lab", "--only", "printing", "--lang", "en")
    assert "A page sent from desktop came out of the printer bureau." in english.out, english

    record = shop.json("record", "new", "demo", "--lab")
    assert record.data["verdict"] == "with_reserves", record
    wrong = shop.json("verify", "demo", "--lab", "--only", "teapot")
    assert wrong.code == 2
    assert "teapot" in wrong.data["error"]


def test_no_password_in_what_verify_leaves(shop: Stage, verified: tuple[CommandResult, set[str]]) -> None:
    """The witness's passwords and the office's own are in no journal, no summary and no output."""
    import yaml

    from provisioner.secrets.models import Secrets

    said, _ = verified
    state = Path(shop.home / "provisioner/labs" / f"demo-{shop.target.id}")
    kept = [path.read_text() for folder in ("journals", "runs") for path in (state / folder).glob("*.json*")]
    key = (state / "vault.key").read_text().strip()
    from provisioner.secrets import ansible_vault

    secrets = Secrets(**yaml.safe_load(ansible_vault.decrypt((state / "vault.yml").read_text(), key)))
    passwords = [*secrets.people.values(), *secrets.machines.values(), *secrets.directory.values(), *secrets.mail.values()]

    assert len(passwords) > 5
    assert not [password for password in passwords if any(password in text for text in (*kept, said.out, said.err))]
