"""The whole demo office with its website: its people edit it over the share, a visitor writes, a desktop's browser opens it."""

import email
import email.policy
import re
import shlex
import time
from collections.abc import Iterator

import pytest

from provisioner import lab
from tests import applied
from tests.directory.people import passwords
from tests.lab.light import soon
from tests.stage import Stage

pytestmark = [pytest.mark.lab, pytest.mark.deep]

PAGE = "---\ntitre: Essai\ndescription: Une page\n---\nBonjour du client\n"
# A visitor's browser, at a desktop: opens the form, writes, and sends it when somebody could have read it.
VISITOR = """
import re, ssl, time, urllib.error, urllib.parse, urllib.request
def get(data=None):
    asked = urllib.request.Request("https://epicerie.example/contact/", data=data)
    try:
        answer = urllib.request.urlopen(asked, context=ssl._create_unverified_context(), timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.read().decode()
token = re.search('name="token" value="([^"]+)', get()[1])[1]
form = {"name": "Zoé Client", "email": "client@ailleurs.example", "message": "À demain ?", "website": "", "token": token}
time.sleep(4)
print(get(urllib.parse.urlencode(form).encode())[0])
print(get(urllib.parse.urlencode({**form, "name": "a\\r\\nBcc: x@y.example"}).encode())[0])
print(get(b"x" * (1 << 20))[0])
print([get(b"x=1")[0] for _ in range(9)][-1])
"""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, applied_name: str) -> Iterator[Stage]:
    """The applied demo office with its website online."""
    with applied.office(tmp_path_factory.mktemp("life"), applied_name) as stage:
        said = stage.json("website", "deploy", "demo", "--lab")
        assert said.code == 0, said
        yield stage


def save(stage: Stage, text: str) -> None:
    """Zoé saves a page at her desktop."""
    secret = passwords(stage)["zoe"]
    line = f"cd /tmp && printf %s {shlex.quote(text)} > essai.md && smbclient -U {shlex.quote(f'zoe%{secret}')}"
    stage.on("desktop", f"""{line} //server.epicerie.internal/commun -c 'cd "Site web"; put essai.md' 2>&1""")


def live(stage: Stage) -> str:
    """Her page as it is served; empty where there is none."""
    return stage.on("server", "sudo cat /srv/website/demo/current/essai/index.html 2>/dev/null || true")


def told(stage: Stage) -> str:
    """The sentence in the folder."""
    return stage.on("server", "sudo cat '/srv/share/commun/Site web/_état.txt' 2>/dev/null || true")


def test_what_is_saved_over_the_share_is_online_within_a_minute_and_a_mistake_is_not(office: Stage) -> None:
    """A page, then a mistake: told in French, the page online stays; mended, the sentence goes. Then a version from before."""
    save(office, PAGE)
    assert soon(lambda: "Bonjour du client" in live(office), 60)
    save(office, PAGE + "[x](javascript:alert)\n")
    assert soon(lambda: "essai.md:6: " in told(office), 60)
    assert "javascript" not in live(office)
    save(office, PAGE + "Encore.\n")
    assert soon(lambda: "Encore" in live(office) and not told(office), 60)
    versions = office.json("website", "versions", "demo", "--lab").data["versions"]
    assert [one["files"] for one in versions[:2]] == [["essai.md"], ["essai.md"]]
    assert office.json("website", "undo", "demo", versions[1]["version"], "--lab").code == 0
    assert soon(lambda: "Encore" not in live(office), 60)
    assert "Bonjour du client" in live(office)


def test_a_deployment_keeps_what_the_office_wrote(office: Stage) -> None:
    """Both pages are online and in the folder; the inventory of a lab stays as it was."""
    save(office, PAGE)
    assert soon(lambda: "Bonjour du client" in live(office), 60)
    (office.dossier.parent / "website/garde.md").write_text("---\ntitre: Garde\ndescription: Qui ?\n---\nNous.\n")
    assert office.json("website", "deploy", "demo", "--lab").code == 0

    assert "Bonjour du client" in live(office)
    assert "Nous." in office.on("server", "sudo cat /srv/website/demo/current/garde/index.html")
    assert "Nous." in office.on("server", "sudo cat '/srv/share/commun/Site web/garde.md'")
    assert not (office.dossier.parent / "website/essai.md").exists()


def test_a_visitors_message_reaches_the_office_through_its_relay(office: Stage) -> None:
    """One mail at the provider, answered to the visitor; a line break in a name, a megabyte and a flood are refused."""
    said = office.on("desktop", f"python3 -c {shlex.quote(VISITOR)}").split()

    assert said == ["200", "422", "413", "429"]

    def arrived() -> list[str]:
        return [text for text in lab.mails(office.target) if "client@ailleurs.example" in text]

    assert soon(arrived, 60)
    (mail,) = (email.message_from_string(text, policy=email.policy.default) for text in arrived())
    assert (mail["X-Envelope-From"], mail["X-Envelope-To"]) == ("systeme@epicerie.example", "zoe@epicerie.example")
    assert str(mail["Reply-To"]) == "Zoé Client <client@ailleurs.example>"


def test_a_desktops_browser_opens_it_and_monitors_read_of_it(office: Stage) -> None:
    """Verified with a picture of the screen; release, age, certificate and builds in a file for node-exporter."""
    said = office.json("verify", "demo", "--lab", "--only", "website", timeout_s=300)
    found = [one for one in said.data["findings"] if one["check"] == "website"]
    assert [one["level"] for one in found] == ["ok"], found
    assert found[0]["pictures"]
    office.on("server", "sudo systemctl start website-metrics.service")
    text = office.on("server", "cat /var/lib/prometheus/node-exporter/provisioner_website.prom")
    numbers = {name: float(value) for name, value in re.findall(r'^(\w+)\{office="demo"[^}]*\} (\S+)$', text, re.M)}
    assert numbers["provisioner_website_release_info"] == 1
    assert numbers["provisioner_website_certificate_end_timestamp_seconds"] > time.time() + 30 * 86400
    assert numbers["provisioner_website_certificate_self_signed"] == numbers["provisioner_website_build_failing"] == 0


def test_a_second_apply_changes_nothing_while_it_is_online(office: Stage) -> None:
    """Certificate, releases and what the office wrote are nothing that an apply takes for its own to change."""
    again = office.json("apply", "demo", "--lab", "--yes")

    assert again.code == 0, again.out + again.err
    assert {name: host["changed"] for name, host in again.data["hosts"].items()} == {"router": 0, "server": 0, "desktop": 0}
    assert "Essai" in live(office) or live(office) == ""


def test_the_site_and_what_the_office_wrote_come_back_from_a_backup(office: Stage) -> None:
    """The share's folder, its history and every release lost: the night's backup and one deploy bring all of it back."""
    save(office, PAGE)
    assert soon(lambda: "Bonjour du client" in live(office), 90)
    assert office.json("backup", "run", "demo", "--lab").code == 0
    lost = "'/srv/share/commun/Site web' /var/lib/website-folder /srv/website/demo/releases /srv/website/demo/current"
    office.on("server", f"sudo systemctl stop website-folder.socket website-folder.service; sudo rm -rf --one-file-system {lost}")
    assert live(office) == ""

    restored = office.json("backup", "restore", "demo", "--lab", "--yes")
    assert restored.code == 0, restored
    applied_again = office.json("apply", "demo", "--lab", "--yes")
    assert applied_again.code == 0, applied_again
    deployed = office.json("website", "deploy", "demo", "--lab", "--keep", "folder")
    assert deployed.code == 0, deployed
    assert "Bonjour du client" in live(office)
