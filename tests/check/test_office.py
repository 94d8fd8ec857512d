"""`check` on a real office: green as it was installed, and each thing that is broken on a host turns exactly its check."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.light import power, soon
from tests.stage import CommandResult, Stage

pytestmark = pytest.mark.lab
BAD = ("warning", "unknown", "critical")
NAMES = set[tuple[str, str]]


def check(stage: Stage, *words: str) -> CommandResult:
    """The verb, on the lab."""
    return stage.json("check", "demo", "--lab", *words)


def bad(said: CommandResult) -> NAMES:
    """(check, machine) of all that is not well and counted."""
    (office,) = said.data["offices"]
    return {(one["check"], one["about"]) for one in office["findings"] if one["level"] in BAD and "ignored" not in one}


def root(stage: Stage, host: str, line: str) -> None:
    """A line for root."""
    stage.on(host, f"sudo sh -c {shlex.quote(line)}")


@pytest.fixture(scope="module")
def usual(office: Stage) -> Iterator[NAMES]:
    """What the applied and backed up office is warned of: nothing."""
    assert soon(lambda: office.run("ssh", "demo", "server", "--lab", "--", "systemctl is-active samba-ad-dc").code == 0, 90)
    assert office.json("backup", "run", "demo", "--lab").code == 0
    said = check(office)
    assert said.code == 0, [one for one in said.data["offices"][0]["findings"] if one["level"] in ("critical", "unknown")]
    assert bad(said) == set()
    yield bad(said)


@dataclass(frozen=True)
class Break:
    """A line for root on a host, the line that mends it, and the check that turns."""

    host: str
    line: str
    again: str
    check: str


MEMORY = "/var/lib/provisioner/backup.json"
STATUS = "sed -i '/^Package: tzdata$/,/^$/ s/^Status: .*/Status: install ok {}/' /var/lib/dpkg/status"
BREAKS = {
    "a service that stands": Break(
        "server", "systemctl stop cups.service cups.socket cups.path", "systemctl start cups.service", "services"
    ),
    "a unit that failed": Break(
        "router", "systemd-run -q --unit=broken false; sleep 1", "systemctl reset-failed broken.service", "units"
    ),
    "a key of a stranger's": Break(
        "desktop", "mkdir -p /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/k; mv /root/k.pub /root/.ssh/authorized_keys",
        "rm /root/k /root/.ssh/authorized_keys", "keys",
    ),
    "a port beyond what was agreed": Break(
        "server", "nft add rule inet office input tcp dport 4444 accept", "systemctl restart nftables", "ports"
    ),
    "a package half installed": Break("router", STATUS.format("unpacked"), STATUS.format("installed"), "updates"),
    "a restart that is due": Break("router", "touch /run/reboot-required", "rm /run/reboot-required", "restart"),
    "an old backup": Break(
        "server", "cp -p /var/lib/provisioner/backup.json /root/b; sed -i 's/\"last_success\": \"20../\"last_success\": \"2001/'"
        " /var/lib/provisioner/backup.json", "mv /root/b /var/lib/provisioner/backup.json", "backups",
    ),
    "a certificate that ends": Break(
        "server", "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=x -days 3 2>/dev/null"
        " -out /etc/nginx/tls/z.crt",
        "rm /etc/nginx/tls/z.crt", "certificates",
    ),
}  # fmt: skip
SITE, RELEASE = "/srv/website/demo", "0123456789abcdef"
SISTERS = {
    "a timer that stands": Break("server", "systemctl stop certbot.timer", "systemctl start certbot.timer", "services"),
    "a firewall that is not loaded": Break("server", "nft delete table inet office", "systemctl restart nftables", "ports"),
    "an account that nobody knows": Break("server", "useradd -m stranger", "userdel -r stranger 2>/dev/null", "accounts"),
    "lists of last week": Break(
        "router", "touch -d '9 days ago' /var/lib/apt/lists/*_Packages*", "touch /var/lib/apt/lists/*_Packages*", "updates"
    ),
    "a package held back": Break("router", "apt-mark -q hold tzdata", "apt-mark -q unhold tzdata", "updates"),
    "a printer that stands": Break("server", "cupsdisable bureau", "cupsenable bureau", "queues"),
    "a file that was changed by hand": Break(
        "server", "cp -p /etc/postfix/main.cf /root/m; echo '# by hand' >> /etc/postfix/main.cf",
        "mv /root/m /etc/postfix/main.cf", "files",
    ),
    "a file that is gone": Break(
        "desktop", "mv /etc/modprobe.d/office.conf /root", "mv /root/office.conf /etc/modprobe.d", "files"
    ),
    "a router changed by hand": Break(
        "router", "cp -p /etc/dnsmasq.d/office.conf /root/d; echo '# by hand' >> /etc/dnsmasq.d/office.conf",
        "mv /root/d /etc/dnsmasq.d/office.conf", "router",
    ),
    "a directory that hangs": Break(
        "server", "kill -STOP $(pgrep -f 'task.ldap')", "kill -CONT $(pgrep -f 'task.ldap')", "directory"
    ),
    "shares that hang": Break("server", "kill -STOP $(pgrep -x smbd)", "kill -CONT $(pgrep -x smbd)", "share"),
    "a website that is another": Break(
        "server", f"mkdir -p {SITE}/releases/{RELEASE}; echo x > {SITE}/releases/{RELEASE}/index.html;"
        f" ln -s releases/{RELEASE} {SITE}/current", f"rm -r {SITE}/current {SITE}/releases/{RELEASE}", "website",
    ),
    "a program that is gone": Break("router", "mv /usr/bin/timedatectl /root", "mv /root/timedatectl /usr/bin", "clock"),
    "a backup that failed": Break(
        "server", f"cp -p {MEMORY} /root/b; "
        f"sed -i 's/\"last_success\"/\"last_failure\": \"2099-01-01T00:00:00Z\", \"last_success\"/' {MEMORY}",
        f"mv /root/b {MEMORY}", "backups",
    ),
}  # fmt: skip


def test_each_thing_that_is_broken_turns_its_check_and_no_other(office: Stage, usual: NAMES) -> None:
    """All at once: exactly those, each with what was seen; after the repairs all is as before."""
    broken: list[Break] = []
    try:
        for one in BREAKS.values():
            root(office, one.host, one.line)
            broken.append(one)
        said = check(office)
    finally:
        for one in broken:
            root(office, one.host, one.again)
    assert said.code == 7
    assert bad(said) - usual == {(one.check, one.host) for one in BREAKS.values()}, said.data["offices"][0]["findings"]
    again = check(office)
    assert again.code == 0, bad(again) - usual
    assert bad(again) == usual


@pytest.mark.deep
@pytest.mark.parametrize("name", [*BREAKS, *SISTERS])
def test_one_break_turns_one_check(office: Stage, usual: NAMES, name: str) -> None:
    """And its repair turns it back."""
    one = (BREAKS | SISTERS)[name]
    try:
        root(office, one.host, one.line)
        said = check(office)
    finally:
        root(office, one.host, one.again)
    findings = said.data["offices"][0]["findings"]
    turned = {(found["check"], found["about"]) for found in findings if found["level"] in BAD and found["about"] == one.host}
    worse = [found for found in findings if found["check"] == one.check and found["level"] in BAD]
    assert {check for check, _ in turned - usual} | {one.check} == {one.check}
    assert worse
    assert bad(check(office)) == usual


def test_a_machine_that_is_off_is_one_finding(office: Stage, usual: NAMES) -> None:
    """The others are judged all the same; what is borne for a reason is shown and not counted; Prometheus reads the same."""
    out = office.home / "office.prom"
    power(office, "off", "desktop")
    try:
        said = check(office, "--prom", str(out))
        assert (
            check(office, "--ignore", "reached", "--host", "desktop", "--because", "à l'atelier", "--until", "2099-12-31").code
            == 0
        )
        borne = check(office)
    finally:
        power(office, "on", "desktop")
    assert said.code == 7
    assert {one for one in bad(said) if one[1] == "desktop"} == {("reached", "desktop")}
    assert {one for one in bad(said) if one[1] != "desktop"} == {one for one in usual if one[1] != "desktop"}
    told = {one.name: one.samples for one in text_string_to_metric_families(out.read_text())}
    at_desktop = [one for one in told["provisioner_check_level"] if one.labels["host"] == "desktop"]
    (reached,) = [one for one in at_desktop if one.labels["check"] == "reached"]
    assert reached.labels == {"office": "demo", "host": "desktop", "check": "reached", "ignored": "no"}
    assert reached.value == 3
    assert borne.code == 0
    (shown,) = [one for one in borne.data["offices"][0]["findings"] if one["about"] == "desktop"]
    assert shown["ignored"]["because"] == "à l'atelier"
