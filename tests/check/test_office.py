"""`check` on a real office: green as it was installed, and each thing that is broken on a host turns exactly its check."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.stage import CommandResult, Stage

pytestmark = pytest.mark.lab
BAD = ("warning", "unknown", "critical")


def check(stage: Stage, *words: str) -> CommandResult:
    """The verb, on the lab."""
    return stage.json("check", "demo", "--lab", *words)


def bad(said: CommandResult) -> set[tuple[str, str]]:
    """(check, machine) of all that is not well and counted."""
    (office,) = said.data["offices"]
    return {(one["check"], one["about"]) for one in office["findings"] if one["level"] in BAD and "ignored" not in one}


@pytest.fixture(scope="module")
def usual(office: Stage) -> Iterator[set[tuple[str, str]]]:
    """What the applied office is warned of."""
    said = check(office)
    assert said.code == 0, [one for one in said.data["offices"][0]["findings"] if one["level"] in ("critical", "unknown")]
    yield bad(said)


@dataclass(frozen=True)
class Break:
    """A line for root on a host, the line that mends it, and the check that turns."""

    host: str
    line: str
    again: str
    check: str


BREAKS = {
    "service": Break("server", "systemctl stop cups.service cups.socket cups.path", "systemctl start cups.service", "services"),
    "unit": Break("server", "systemd-run -q --unit=broken false || true; sleep 1", "systemctl reset-failed broken", "units"),
    "account": Break("server", "useradd -m stranger", "userdel -r stranger 2>/dev/null", "accounts"),
    "root": Break("router", "groupadd -f admin; gpasswd -q -a nobody admin", "gpasswd -q -d nobody admin; groupdel admin", "accounts"),
    "port": Break("server", "nft add rule inet office input tcp dport 4444 accept", "systemctl restart nftables", "ports"),
    "firewall": Break("server", "nft delete table inet office", "systemctl restart nftables", "ports"),
    "package": Break(
        "router", "sed -i '/^Package: tzdata$/,/^$/ s/^Status: .*/Status: install ok unpacked/' /var/lib/dpkg/status",
        "sed -i '/^Package: tzdata$/,/^$/ s/^Status: .*/Status: install ok installed/' /var/lib/dpkg/status", "updates",
    ),
    "restart": Break("router", "touch /run/reboot-required", "rm /run/reboot-required", "restart"),
    "lists": Break(
        "router", "touch -d '9 days ago' /var/lib/apt/lists/*_Packages*", "touch /var/lib/apt/lists/*_Packages*", "updates"
    ),
    "held": Break("router", "apt-mark -q hold tzdata", "apt-mark -q unhold tzdata", "updates"),
    "backup": Break(
        "server", "cp /var/lib/provisioner/backup.json /root/b && sed -i 's/\"last_success\": \"20../\"last_success\": \"200/' "
        "/var/lib/provisioner/backup.json", "mv /root/b /var/lib/provisioner/backup.json", "backups",
    ),
    "printer": Break("server", "cupsdisable bureau", "cupsenable bureau", "queues"),
    "certificate": Break(
        "server", "cd /etc/nginx/tls && openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=x -days 3 -out z.crt"
        " 2>/dev/null", "rm /etc/nginx/tls/z.crt", "certificates",
    ),
    "no answer": Break("server", "mv /usr/bin/ss /root/ss; mv /usr/sbin/nft /root/nft", "mv /root/ss /usr/bin/ss; mv /root/nft /usr/sbin/nft", "ports"),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_turns_its_check_and_its_repair_turns_it_back(office: Stage, usual: set[tuple[str, str]], name: str) -> None:
    """Exactly one check of one machine, and nothing is left of it after the repair."""
    one = BREAKS[name]
    before = check(office)
    assert bad(before) == usual
    try:
        office.on(one.host, f"sudo sh -c {__import__('shlex').quote(one.line)}")
        said = check(office)
    finally:
        office.on(one.host, f"sudo sh -c {__import__('shlex').quote(one.again)}")
    assert {found for found, _ in bad(said) - usual} == {one.check}, said.data["offices"][0]["findings"]
    assert {about for _, about in bad(said) - usual} == {one.host}
