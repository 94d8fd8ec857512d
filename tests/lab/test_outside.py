"""What stands around the hosts of a lab: the providers of the office in the Internet, and its printers on the LAN."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner import lab
from provisioner.errors import BadInput, Missing
from provisioner.inventory import open_inventory
from provisioner.lab.network import INTERNET
from provisioner.secrets import vault
from tests.lab.light import soon
from tests.lab.small import Small, bring_up, clean, traces
from tests.stage import make

pytestmark = pytest.mark.lab

PROVIDER = str(INTERNET.ip)

# A program that submits one mail: [port, user, password, sender, CA file, name] -> what the provider said, step by step.
_SUBMIT = """
import json, smtplib, ssl, sys
port, user, password, sender, authority, name = json.load(sys.stdin)
said = {}
server = smtplib.SMTP("198.51.100.1", port, timeout=20)
server._host = name
def attempt(step):
    try:
        server.sendmail(sender, ["zoe@epicerie.example"], "Subject: %s\\r\\n\\r\\nbonjour\\r\\n" % step)
        said[step] = "taken"
    except smtplib.SMTPException as error:
        said[step] = str(error)
attempt("in clear")
server.starttls(context=ssl.create_default_context(cafile=authority))
attempt("without a login")
try:
    server.login(user, "wrong")
    said["wrong password"] = "taken"
except smtplib.SMTPAuthenticationError as error:
    said["wrong password"] = str(error)
server.login(user, password)
attempt("in order")
sender = "root@server.epicerie.internal"
attempt("as somebody else")
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """A lab of two blank hosts with what is around them."""
    found = bring_up(tmp_path_factory.mktemp("outside"))
    yield found
    lab.down(found.stage.target)
    assert clean(found.stage.target.id)


def plugged(small: Small, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    argv = lab.plugged(small.stage.target, list(words))
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=60)


def submit(small: Small, folder: Path) -> dict[str, str]:
    kept = vault.read(small.stage.target)
    office = open_inventory(small.stage.inventory).office("demo")
    assert office.mail
    (folder / "authority").write_text(kept.lab["provider_authority"])
    mail = office.mail
    ask = [mail.port, mail.user, kept.mail["password"], mail.sender, str(folder / "authority"), mail.host]
    done = plugged(small, sys.executable, "-c", _SUBMIT, stdin=json.dumps(ask))
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def answers(small: Small) -> bool:
    """Whether the printer takes a connection."""
    return plugged(small, "timeout", "2", "bash", "-c", ": </dev/tcp/192.168.1.30/631").returncode == 0


def sftp(small: Small, folder: Path, *lines: str) -> "subprocess.CompletedProcess[str]":
    kept = vault.read(small.stage.target)
    key, pins = folder / "key", folder / "pins"
    key.touch(mode=0o600)
    key.write_text(kept.backup["ssh_key"])
    pins.write_text(f"{PROVIDER} {kept.lab['provider_host_key_public']}\n")
    pinned = [f"-oUserKnownHostsFile={pins}", "-oStrictHostKeyChecking=yes", "-oBatchMode=yes", f"-oIdentityFile={key}"]
    return plugged(small, "sftp", *pinned, "-b", "-", f"epicerie@{PROVIDER}", stdin="\n".join(lines) + "\n")


def test_the_provider_takes_mail_as_a_provider_does(small: Small, tmp_path: Path) -> None:
    """Nothing in clear, nothing without the account's password, nothing in another's name; the rest arrives."""
    before = len(lab.mails(small.stage.target))

    said = submit(small, tmp_path)

    assert said.pop("in order") == "taken"
    assert [text[1:4] for text in said.values()] == ["530", "530", "535", "553"], said
    arrived = lab.mails(small.stage.target)[before:]
    assert len(arrived) == 1
    head = "X-Envelope-From: systeme@epicerie.example\r\nX-Envelope-To: zoe@epicerie.example\r\n"
    assert arrived[0] == head + "Subject: in order\r\n\r\nbonjour\r\n"


def test_the_provider_keeps_backups_and_lends_no_shell(small: Small, tmp_path: Path) -> None:
    """A folder below the login's own, with the key the vault says, and nothing but SFTP."""
    (tmp_path / "piece").write_text("une pièce\n")

    put = sftp(small, tmp_path, "mkdir office", f"put {tmp_path}/piece office/piece", f"get office/piece {tmp_path}/back")

    assert put.returncode == 0, put.stderr
    assert (tmp_path / "back").read_text() == "une pièce\n"
    shell = [f"-oUserKnownHostsFile={tmp_path}/pins", "-oBatchMode=yes", f"-oIdentityFile={tmp_path}/key"]
    done = plugged(small, "ssh", *shell, f"epicerie@{PROVIDER}", "id")
    assert done.returncode == 1
    assert "sftp connections only" in done.stdout
    assert sftp(small, tmp_path, "put /etc/hostname /elsewhere").returncode == 1


def test_a_host_reaches_the_provider_through_the_router(small: Small) -> None:
    """What a lab's hosts send to their providers takes the way a client's would."""
    code, out, err = small.on("server", "exec 3<>/dev/tcp/198.51.100.1/587; head -1 <&3")
    assert (code, out[:4]) == (0, "220 "), err
    small.as_root("router", "sysctl -qw net.ipv4.ip_forward=0")
    try:
        code, out, _ = small.on("server", "timeout 2 bash -c ': </dev/tcp/198.51.100.1/587'")
        assert code != 0
    finally:
        small.as_root("router", "sysctl -qw net.ipv4.ip_forward=1")


def test_the_provider_may_fail_and_come_back_with_what_it_had(small: Small, tmp_path: Path) -> None:
    """Off means unreachable; on again, its mail and backups are still there."""
    target = small.stage.target
    assert sftp(small, tmp_path, "put /etc/hostname kept").returncode == 0
    submit(small, tmp_path)
    had = lab.mails(target)

    lab.power_off(target, "provider")
    assert ("provider", "off", PROVIDER) in small.lab.around
    assert sftp(small, tmp_path, "ls kept").returncode == 255
    lab.power_on(target, "provider")

    assert ("provider", "up", PROVIDER) in small.lab.around
    assert sftp(small, tmp_path, "ls kept").returncode == 0
    assert lab.mails(target) == had


def test_up_again_starts_what_went_off_around_the_hosts(small: Small) -> None:
    """`lab up` on a lab that is up mends printers and providers as it does hosts."""
    target = small.stage.target
    lab.power_off(target, "provider")
    lab.power_off(target, "bureau")

    lab.up(open_inventory(small.stage.inventory).office("demo"), target)

    assert {state for _, state, _ in small.lab.around} == {"up"}
    listed = small.stage.json("lab", "list").data["labs"]
    mine = next(one for one in listed if one["inventory"] == str(small.stage.inventory))
    assert {one["name"]: one["state"] for one in mine["around"]} == {"line": "up", "bureau": "up", "provider": "up"}


def test_a_printer_says_what_the_dossier_says_and_prints_to_a_file(small: Small, tmp_path: Path) -> None:
    """The real IPP program at the printer's address: its model and place as written, each job a file to look at."""
    target = small.stage.target
    page = tmp_path / "page.pdf"
    page.write_bytes(b"%PDF-1.4 a page that nobody reads\n")
    before = lab.printed(target, "bureau")

    asked = plugged(small, "ipptool", "-tv", "ipp://192.168.1.30/ipp/print", "get-printer-attributes.test")
    printed = plugged(
        small,
        "ipptool",
        "-tv",
        "-f",
        str(page),
        "-d",
        "filetype=application/pdf",
        "ipp://192.168.1.30/ipp/print",
        "print-job.test",
    )

    assert "printer-location (textWithoutLanguage) = À côté de la caisse" in asked.stdout
    assert "Multifonction laser couleur, recto verso" in asked.stdout
    assert printed.returncode == 0, printed.stdout
    assert soon(lambda: lab.printed(target, "bureau")[len(before) :])
    assert lab.printed(target, "bureau")[-1].read_bytes() == page.read_bytes()
    had = len(lab.printed(target, "bureau"))
    lab.power_off(target, "bureau")
    lab.power_on(target, "bureau")
    assert soon(lambda: answers(small), 10)
    plugged(small, "ipptool", "-f", str(page), "-d", "filetype=application/pdf", "ipp://192.168.1.30/ipp/print", "print-job.test")
    assert soon(lambda: len(lab.printed(target, "bureau")) == had + 1), "a printer that was off forgot what it printed"


def test_a_printer_that_is_off_answers_nobody(small: Small) -> None:
    """Not refused but gone, as a machine without power is; a name nobody has is told apart."""
    target = small.stage.target
    lab.power_off(target, "bureau")
    try:
        assert not answers(small)
    finally:
        lab.power_on(target, "bureau")
    assert soon(lambda: answers(small), 10)
    with pytest.raises(Missing, match="no machine fax"):
        lab.power_off(target, "fax")
    with pytest.raises(Missing, match="no printer server"):
        lab.printed(target, "server")


def test_an_office_without_providers_gets_none(tmp_path: Path) -> None:
    """Nothing stands in the Internet that the dossier does not name; and another dossier needs another lab."""
    stage = make(tmp_path, hosts=("router",))
    text = stage.dossier.read_text()
    kept = [part for part in text.split("\n") if part]
    start = next(number for number, line in enumerate(kept) if line.startswith("mail:"))
    end = next(number for number, line in enumerate(kept) if line.startswith("website:"))
    stage.dossier.write_text("\n".join([*kept[:start], *kept[end:]]) + "\n")
    try:
        found = lab.up(open_inventory(stage.inventory).office("demo"), stage.target)
        assert [name for name, _, _ in found.around] == ["line", "bureau"]
        assert lab.mails(stage.target) == []
        stage.dossier.write_text(text)
        with pytest.raises(BadInput, match="other hosts, printers or providers"):
            lab.up(open_inventory(stage.inventory).office("demo"), stage.target)
    finally:
        lab.down(stage.target)
    assert not any(traces(stage.target.id).values())
