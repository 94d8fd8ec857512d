"""The machines' mail: from a desktop through the server to the provider, in the account's name; and for nobody else."""

import email
import email.policy
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

import pytest
import yaml

from provisioner import lab
from provisioner.lab.network import NAMESPACES
from provisioner.laptop.processes import as_root
from provisioner.secrets import ansible_vault
from tests.lab.light import soon, state
from tests.stage import Stage

pytestmark = pytest.mark.lab

SENDER = "systeme@epicerie.example"

# Says a whole dialogue to the server's port 25 from one address: the last answer of each step.
_DIALOGUE = """
import smtplib, sys
s = smtplib.SMTP(timeout=8, source_address=(sys.argv[1], 0))
try:
    s.connect("192.168.1.10", 25)
    s.ehlo()
    print(s.mail("spam@elsewhere.example")[0], s.rcpt(sys.argv[2])[0])
except (OSError, smtplib.SMTPException) as error:
    print("none", error)
"""


_MIME = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"


def arrived(stage: Stage, subject: str) -> list[EmailMessage]:
    """The messages with this subject that the provider took."""
    found = (email.message_from_string(text, policy=email.policy.default) for text in lab.mails(stage.target))
    return [message for message in found if message["subject"] == subject]


def write(stage: Stage, host: str, subject: str, to: str, sender: str = "") -> None:
    """Send a mail from a host as any program does."""
    given = f"-f {sender}" if sender else ""
    text = f"From: Zoé N'Diaye <{sender or 'zoe'}>\nTo: {to}\nSubject: {subject}\n{_MIME}\nÇa marche.\n"
    stage.on(host, f"/usr/sbin/sendmail -t {given} <<'END'\n{text}END")


@contextmanager
def provider_off(stage: Stage) -> Iterator[None]:
    """The provider has a bad day."""
    lab.power_off(stage.target, "provider")
    try:
        yield
    finally:
        lab.power_on(stage.target, "provider")


@pytest.mark.parametrize("host", ["desktop", *(pytest.param(one, marks=pytest.mark.deep) for one in ("server", "router"))])
def test_mail_of_every_machine_arrives_in_the_accounts_name(served: Stage, host: str) -> None:
    """Providers take one sender alone; whose mail it was and what it says stays as it was."""
    write(served, host, f"from-{host}", "client@elsewhere.example", sender="zoe")

    assert soon(lambda: arrived(served, f"from-{host}"), 30), served.on(host, "/usr/sbin/postqueue -p")
    (message,) = arrived(served, f"from-{host}")
    assert message["x-envelope-from"] == SENDER
    assert message["x-envelope-to"] == "client@elsewhere.example"
    assert str(message["from"].addresses[0].addr_spec) == SENDER
    assert message["from"].addresses[0].display_name == "Zoé N'Diaye"
    assert str(message.get_payload()).splitlines() == ["Ça marche."]
    ways = " ".join(message.get_all("received", []))
    assert (f"from {host}.epicerie.internal" in ways) == (host != "server")
    assert ("ESMTPS" in ways) == (host != "server"), "the way to the server is in clear"


def test_mail_to_a_machine_goes_to_somebody_who_reads_it(served: Stage) -> None:
    """Root's mail goes to the office's mailbox, a person's to their own address: nobody reads /var/mail."""
    write(served, "desktop", "to-the-machine", "root, zoe@localhost, come")

    assert soon(lambda: arrived(served, "to-the-machine"), 30)
    got = {to for message in arrived(served, "to-the-machine") for to in message["x-envelope-to"].split(", ")}
    assert got == {SENDER, "zoe@epicerie.example"}


def test_mail_waits_while_the_provider_is_down(served: Stage) -> None:
    """A provider's bad day loses nothing: the mail waits on the server and goes when the provider is back."""
    with provider_off(served):
        write(served, "desktop", "patience", "client@elsewhere.example")
        assert soon(lambda: "client@elsewhere.example" in served.on("server", "/usr/sbin/postqueue -p"), 30)
        served.on("server", "sudo systemctl restart postfix")
        assert "client@elsewhere.example" in served.on("server", "/usr/sbin/postqueue -p")
    served.on("server", "/usr/sbin/postqueue -f")
    assert soon(lambda: arrived(served, "patience"), 60)
    assert soon(lambda: "is empty" in served.on("server", "/usr/sbin/postqueue -p"), 30)


def test_a_bounce_arrives_once(served: Stage) -> None:
    """An address the provider refuses comes back to the office's mailbox, one time, with no sender to bounce to."""
    before = len(lab.mails(served.target))

    write(served, "desktop", "refused", "nobody@elsewhere.example")

    assert soon(lambda: len(lab.mails(served.target)) > before, 30)
    assert not soon(lambda: len(lab.mails(served.target)) > before + 1, 5)
    (bounce,) = lab.mails(served.target)[before:]
    head = email.message_from_string(bounce, policy=email.policy.default)
    assert (head["x-envelope-from"], head["x-envelope-to"]) == ("", SENDER)
    assert "no such mailbox" in bounce


def test_only_the_lan_is_relayed_for(served: Stage) -> None:
    """The LAN's machines may send; an address that is not the LAN's may not, even where a firewall were open."""

    def say(host: str, source: str, to: str = "victim@elsewhere.example") -> str:
        return served.on(host, f"python3 - {source} {to} <<'END'\n{_DIALOGUE}END").strip()

    assert say("router", "192.168.1.1") == "250 250"
    assert say("router", "198.51.100.2").startswith("none")
    served.on("server", "sudo nft delete table inet office")
    try:
        assert say("router", "198.51.100.2") == "250 554"
        assert say("router", "198.51.100.2", "root@server.epicerie.internal") == "250 554"
    finally:
        served.on("server", "sudo nft -f /etc/nftables.conf")
    assert served.on("desktop", "ss -Hltn 'sport = :25'").split()[3] == "127.0.0.1:25"


def test_nothing_comes_in_from_beyond_the_gateway(served: Stage) -> None:
    """From the Internet the server's port is not there, even for somebody who knows the way."""
    space = f"pv-{served.target.id}-net"
    route = ["192.168.1.0/24", "via", "198.51.100.2"]
    subprocess.run(as_root(["ip", "-netns", space, "route", "add", *route]), check=True)
    try:
        enter = as_root(["nsenter", f"--net={NAMESPACES / space}", "--", "timeout", "3", "bash", "-c"])
        for port in (25, 631):
            assert subprocess.run([*enter, f": </dev/tcp/192.168.1.10/{port}"], check=False, capture_output=True).returncode
    finally:
        subprocess.run(as_root(["ip", "-netns", space, "route", "del", *route]), check=True)


@pytest.mark.deep
def test_without_the_password_the_plan_says_what_to_do(served: Stage) -> None:
    """Only the office knows its provider's password: without it nothing is tried, and the sentence is the verb to type."""
    vault = state(served) / "vault.yml"
    cipher, key = vault.read_text(), vault.with_name("vault.key").read_text().strip()
    kept = yaml.safe_load(ansible_vault.decrypt(cipher, key))
    kept["mail"]["password"] = ""
    try:
        vault.write_text(ansible_vault.encrypt(yaml.safe_dump(kept, default_style='"'), key, "demo"))
        said = served.json("plan", "demo", "--lab", "--host", "server")
    finally:
        vault.write_text(cipher)
    assert said.code == 4, said
    problem = said.data["problems"]["server"]
    assert problem["task"] == "mail_relay: The provider's password is in the vault"
    assert "provisioner secrets set demo mail.password" in problem["problem"]


def test_the_providers_password_lies_on_the_server_alone(served: Stage) -> None:
    """The other machines hand their mail to the server and know no password; on the server only root reads it."""
    assert served.on("server", "stat -c '%a %U' /etc/postfix/provider") == "600 root\n"
    assert served.on("server", "sudo grep -c systeme@ /etc/postfix/provider") == "1\n"
    assert served.on("desktop", "sudo cat /etc/postfix/provider").strip() == ""


@pytest.mark.deep
def test_an_office_without_a_provider_keeps_its_mail(served: Stage) -> None:
    """Without `mail:` in the dossier nothing leaves: mail outside comes back, root's stays on the machine."""
    text = served.dossier.read_text()
    line = next(line for line in text.splitlines() if line.startswith("mail:"))
    try:
        served.edit((line + "\n", ""))
        assert served.json("apply", "demo", "--lab", "--yes", "--host", "server").code == 0
        before = len(lab.mails(served.target))
        write(served, "server", "stays", "client@elsewhere.example, root")
        assert soon(lambda: "Subject: stays" in served.on("server", "sudo cat /var/mail/root 2>/dev/null || true"), 20)
        assert len(lab.mails(served.target)) == before
    finally:
        served.dossier.write_text(text)
    back = served.json("apply", "demo", "--lab", "--yes", "--host", "server")
    assert back.code == 0, back
    write(served, "server", "again", "client@elsewhere.example")
    assert soon(lambda: arrived(served, "again"), 30)
