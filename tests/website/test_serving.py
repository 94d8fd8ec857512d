"""A website online: in a lab, with a certificate from a real ACME server, looked at from the Internet's side."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner import lab
from provisioner.lab.devices import provider
from provisioner.lab.network import INTERNET, NAMESPACES, OUTSIDE
from provisioner.lab.state import ready
from provisioner.laptop.processes import as_root
from tests.lab.light import bring_up, light, state
from tests.stage import CommandResult, Stage

pytestmark = pytest.mark.lab

ROLES = {"server": ("base", "web_server", "website"), "router": ("base", "router")}
DOMAIN = "epicerie.example"


@dataclass(frozen=True)
class Site:
    """The demo office's server and router, applied; and a visitor on the Internet."""

    stage: Stage
    folder: Path

    def outside(self, *words: str) -> str:
        """What a command says that runs on the Internet's side of the office's line."""
        enter = ["nsenter", f"--net={NAMESPACES / ready(self.stage.target).network.internet}", "--"]
        return subprocess.run(as_root([*enter, *words]), capture_output=True, text=True, check=False).stdout

    def get(self, path: str = "/", *more: str) -> str:
        """What a visitor gets who believes the authority's root."""
        root = self.folder / "root.pem"
        root.write_text(self.outside("curl", "-sk", f"https://{INTERNET.ip}:{provider.ROOTS_PORT}/roots/0"))
        led = [word for port in (80, 443) for word in ("--resolve", f"{DOMAIN}:{port}:{OUTSIDE.ip}")]
        url = path if "://" in path else f"https://{DOMAIN}{path}"
        return self.outside("curl", "-s", "--max-time", "20", "--cacert", str(root), *led, *more, url)

    def website(self, verb: str, *words: str) -> CommandResult:
        """A verb of the website's."""
        return self.stage.json("website", verb, "demo", "--lab", *words)

    def release(self, name: str, text: str, **more: bytes) -> list[str]:
        """A release that was built before: `--from` and its folder."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "index.html").write_text(f"<!doctype html><html lang=fr><title>{text}</title>" + f"<p>{text}</p>" * 40)
        (folder / "about.html").write_text("<!doctype html><html lang=fr><title>Nous</title>" + "<p>Toujours là.</p>" * 40)
        for file, data in more.items():
            (folder / file).write_bytes(data)
        return ["--from", str(folder)]

    def serial(self) -> str:
        """The serial number of the certificate that a visitor is shown."""
        shown = f"openssl s_client -connect {OUTSIDE.ip}:443 -servername {DOMAIN} </dev/null 2>/dev/null"
        return self.outside("sh", "-c", f"{shown} | openssl x509 -noout -serial").strip()

    def names(self, line: str) -> None:
        """What the world's DNS says of the office's name: a line of hosts(5), or nothing."""
        (ready(self.stage.target).folder / "line/names/website").write_text(f"{line}\n" if line else "")
        time.sleep(1)  # dnsmasq is told of the change by inotify


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An office whose website is online, from blank machines."""
    stage = light(tmp_path_factory.mktemp("website"), ROLES)
    try:
        bring_up(stage)
        said = stage.json("apply", "demo", "--lab", "--yes")
        assert said.code == 0, said
        found = Site(stage, tmp_path_factory.mktemp("visitor"))
        stage.evidence["deploy"] = found.website("deploy")
        yield found
    finally:
        stage.run("lab", "down", "demo")


def problem(said: CommandResult) -> str:
    """What a verb says went wrong on the server."""
    return str(said.data["problems"]["server"]["problem"])


def notes(said: CommandResult) -> str:
    return " / ".join(said.data["notes"].get("server", ()))


def test_one_verb_puts_the_site_online_with_a_certificate_that_browsers_believe(site: Site) -> None:
    """From pages to a visitor on the Internet: HTTP/2, compressed, nothing from elsewhere; http leads on to https."""
    said = site.stage.evidence["deploy"]
    head = site.get("/", "-D", "-", "-o", "/dev/null", "-H", "Accept-Encoding: br").lower()
    listed = site.website("list").data
    kept = json.loads(site.stage.json("runs", "list", "demo", "--lab").out)

    assert said.code == 0 and notes(said) == "", said
    assert head.startswith("http/2 200") and "content-encoding: br" in head, head
    assert "content-security-policy: default-src 'self'" in head and "strict-transport-security" in head
    assert "L&#39;Épicerie" in site.get("/") or "L'Épicerie" in site.get("/") or "L’Épicerie" in site.get("/")
    assert site.get(f"http://{DOMAIN}/x", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}") == f"301 https://{DOMAIN}/x"
    assert site.outside("curl", "-sk", "--max-time", "5", f"https://{OUTSIDE.ip}/") == "", "another name gets no answer"
    assert listed["served"] == said.data["release"] == listed["kept"][0]["release"]
    assert "website deploy" in json.dumps(kept)


def test_a_page_changed_is_a_page_sent_and_the_way_back_is_one_verb(site: Site) -> None:
    """The second release shares what is the same; rollback serves the first again, and a third verb says which."""
    first = site.website("deploy", *site.release("aaaa1", "un"))
    second = site.website("deploy", *site.release("aaaa2", "deux"))
    seen = site.get("/")
    back = site.website("rollback")
    runs = sorted((state(site.stage) / "runs").glob("*.json"))
    sent = [found for path in runs if (found := json.loads(path.read_text())).get("release") == "aaaa2"]

    assert (first.code, second.code, back.code) == (0, 0, 0), (first, second, back)
    assert site.stage.json("runs", "check", "demo", "--lab").code == 0, "the audit is whole"
    assert sent[0]["sent_files"] == 1 and sent[0]["sent_bytes"] < 2000
    assert "<p>deux</p>" in seen and "<p>un</p>" in site.get("/")
    assert site.website("list").data["served"] == "aaaa1"
    assert site.website("rollback", "zzzz").code == 2


def test_the_certificate_is_renewed_by_the_timer_s_service_and_read(site: Site) -> None:
    """Near its end the authority gives another one, and nginx shows it without anybody's doing."""
    before = site.serial()
    conf = "/etc/letsencrypt/renewal/website-demo.conf"
    site.stage.on("server", f"sudo sed -i '1i renew_before_expiry = 100 days' {conf} && sudo systemctl start certbot.service")

    assert before.startswith("serial=") and site.serial() not in ("", before)
    assert "active" in site.stage.on("server", "systemctl is-active certbot.timer")


def test_a_site_that_does_not_show_the_release_gets_the_former_back(site: Site) -> None:
    """The web server answers otherwise than it should: the run failed, and the old release is served."""
    before = site.website("list").data["served"]
    conf = "/etc/nginx/conf.d/website.conf"
    site.stage.on("server", f"sudo sed -i 's/index index.html;/index about.html;/' {conf} && sudo systemctl reload nginx")
    try:
        said = site.website("deploy", *site.release("bbbb1", "jamais"))
    finally:
        site.stage.on("server", f"sudo sed -i 's/index about.html;/index index.html;/' {conf} && sudo systemctl reload nginx")

    assert said.code == 4 and "another first page" in problem(said) and f"{before[:12]} is served again" in problem(said), said
    assert site.website("list").data["served"] == before


@pytest.mark.deep
@pytest.mark.parametrize("where", ["upload", "release"])
def test_a_full_disk_is_one_sentence_and_the_old_site_stays(site: Site, where: str) -> None:
    """No room for what is carried there, or none for the release."""
    before, seen = site.website("list").data["served"], site.get("/")
    home = "~" if where == "upload" else "/srv/website/demo"
    at = site.stage.on("server", f"echo {home}").strip()
    small = (
        f"sudo mkdir -p /mnt/small && sudo mount -t tmpfs -o size=1m,mode=755 small /mnt/small && sudo cp -a {at}/. /mnt/small/"
    )
    site.stage.on("server", f"{small} && sudo chown --reference={at} /mnt/small && sudo mount --bind /mnt/small {at}")
    try:
        said = site.website("deploy", *site.release(f"cccc-{where}", "grand", **{"photo.avif": noise(3_000_000)}))
        again = site.website("list").data["served"], site.get("/")
    finally:
        site.stage.on("server", f"cd / && sudo umount --lazy {at} && sudo umount --lazy /mnt/small")  # a login stands in its home

    assert said.code == 4 and "has no room for the" in problem(said) and "\n" not in problem(said), said
    assert again == (before, seen)


def noise(size: int) -> bytes:
    """Bytes that no compression makes fewer, the same each time."""
    import random

    return random.Random(1).randbytes(size)


@pytest.mark.deep
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "the name epicerie.example is not in the DNS"),
        (f"{INTERNET.ip} {DOMAIN}", f"the name {DOMAIN} leads to {INTERNET.ip}, where another machine answers"),
    ],
)
def test_a_name_that_does_not_lead_here_is_said_and_the_site_goes_on(site: Site, line: str, told: str) -> None:
    """Without a certificate yet: its own is shown, the deploy says why, and once the name leads here the next one has it."""
    lost = "sudo rm -rf /etc/letsencrypt/live /etc/letsencrypt/archive /etc/letsencrypt/renewal"
    site.stage.on("server", f"{lost}; sudo office-website prepare; sudo systemctl reload nginx")
    site.names(line)
    try:
        said = site.website("deploy", *site.release(f"dddd{len(line)}", "ici"))
        seen = site.get("/", "-k")
    finally:
        site.names(f"{OUTSIDE.ip} {DOMAIN}")
    again = site.website("deploy", "--from", str(site.folder / f"dddd{len(line)}"))

    assert said.code == 0 and told in notes(said) and "online at server alone" in notes(said), said
    assert "<p>ici</p>" in seen
    assert again.code == 0 and notes(again) == "" and "<p>ici</p>" in site.get("/"), again


@pytest.mark.deep
def test_an_authority_that_is_down_or_refuses_leaves_the_certificate_there_is(site: Site) -> None:
    """The certificate that is near its end stays; afterwards a new one comes, though the authority forgot us meanwhile."""
    before = site.serial()
    assert site.website("deploy").code == 0
    near = "sudo sed -i 's/timedelta(days=30)/timedelta(days=100)/' /usr/local/sbin/office-website"
    soon = "sudo sed -i -e '1i renew_before_expiry = 100 days' -e '/^renew_before_expiry/d'"
    site.stage.on("server", near)
    peace = site.website("deploy").data  # we would, certbot sees no reason yet
    site.stage.on("server", f"{soon} /etc/letsencrypt/renewal/website-demo.conf")
    lab.power_off(site.stage.target, "provider")
    try:
        down = site.website("deploy")
        same = site.serial()
    finally:
        lab.power_on(site.stage.target, "provider")
    again = site.website("deploy")

    assert peace["hosts"]["server"]["changed"] == 0
    assert down.code == 0 and "the certificate authority does not answer" in notes(down), down
    assert "it keeps the one until" in notes(down) and same == before
    # the lab's authority makes itself a new root at each start, of which the office's machines do not know
    assert again.code == 0 and site.serial() not in ("", before), again


@pytest.mark.deep
def test_another_office_s_site_lies_beside_kept_apart(site: Site) -> None:
    """The reseller's server has another office's site too: an account, a folder and a log of its own."""
    other = site.stage.inventory / "offices/mairie-saint-aubin/dossier.yml"
    lacking = site.stage.json("website", "deploy", "mairie-saint-aubin", "--lab", *site.release("eeee0", "mairie"))
    other.write_text(other.read_text().replace("\nwebsite:\n", "\nwebsite:\n  served_by: demo\n"))
    unnamed = site.stage.json("website", "deploy", "mairie-saint-aubin", "--lab", "--from", str(site.folder / "eeee0"))
    site.stage.edit(("\nwebsite:\n", "\nwebsites_of: [mairie-saint-aubin]\nwebsite:\n"))
    early = site.stage.json("website", "deploy", "mairie-saint-aubin", "--lab", "--from", str(site.folder / "eeee0"))
    applied = site.stage.json("apply", "demo", "--lab", "--yes")
    said = site.stage.json("website", "deploy", "mairie-saint-aubin", "--lab", "--from", str(site.folder / "eeee0"))
    owners = site.stage.on("server", "stat -c %U /srv/website/*; ls /var/log/website").split()
    seen = site.outside(
        "curl", "-sk", "--resolve", f"saint-aubin.example:443:{OUTSIDE.ip}", "https://saint-aubin.example/"
    )  # fmt: skip

    assert lacking.code == 2 and unnamed.code == 2 and "does not name it" in unnamed.out, (lacking, unnamed)
    assert early.code == 4 and "does not serve the website of mairie-saint-aubin yet" in problem(early), early
    assert applied.code == 0 and said.code == 0, (applied, said)
    assert owners == ["web-demo", "web-mairie-saint-aubin", "demo", "mairie-saint-aubin"]
    assert "<p>mairie</p>" in seen and "mairie" not in site.get("/")
