"""`update` on a real office: what came, what is held, what waits for the office's hours, who is dead, and what became worse."""

import shlex
import textwrap

import pytest

from tests.lab.light import power
from tests.stage import CommandResult, Stage

pytestmark = [pytest.mark.lab, pytest.mark.deep]
ALWAYS = "{" + ", ".join(f'{day}: ["00:00-24:00"]' for day in (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")) + "}"  # fmt: skip
USUAL = 'maintenance: {sunday: ["20:00-24:00"], monday: ["00:00-06:00"]}'
# make NAME VERSION [POSTINST]: a package with a service that runs a program of its own, put into a list that says it is Debian's
# for weaknesses
MAKE = textwrap.dedent(r"""
    mkdir -p /srv/weak
    make() {
      root=$(mktemp -d)
      mkdir -p "$root/DEBIAN" "$root/usr/lib/$1" "$root/usr/lib/systemd/system"
      printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: t <t@x.example>\nDescription: x\n' \
        "$1" "$2" > "$root/DEBIAN/control"
      printf '#!/bin/sh\n%s\n' "$3" > "$root/DEBIAN/postinst"; chmod 755 "$root/DEBIAN/postinst"
      cp /usr/bin/sleep "$root/usr/lib/$1/sleeper"
      printf '[Service]\nExecStart=/usr/lib/%s/sleeper infinity\n' "$1" > "$root/usr/lib/systemd/system/$1.service"
      dpkg-deb -b "$root" "/srv/weak/$1_$2.deb" >/dev/null; rm -r "$root"
    }
    lists() {
      cd /srv/weak; : > Packages
      for file in *.deb; do
        dpkg-deb -f "$file" >> Packages
        printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' \
          "$file" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d' ' -f1)" >> Packages
      done
      { printf 'Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\nVersion: 13\nSHA256:\n'
        printf ' %s %s Packages\n' "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)"; } > Release
      echo 'deb [trusted=yes] file:/srv/weak ./' > /etc/apt/sources.list.d/weak.list
      touch -d '2 hours ago' /var/lib/apt/lists
    }
""")


def root(stage: Stage, host: str, lines: str) -> str:
    """Lines for root on a host."""
    return stage.on(host, f"sudo sh -ec {shlex.quote(MAKE + lines)}")


def update(stage: Stage, *words: str) -> CommandResult:
    """The verb, on the lab."""
    return stage.json("update", "demo", "--lab", "--yes", *words, timeout_s=900)


def test_an_office_is_updated_with_a_net(own_office: Stage) -> None:
    """What waits comes, what is held or half installed is named, restarts wait for their hours, a dead machine costs nobody."""
    office = own_office
    office.edit((USUAL, "maintenance: {}"))
    for host in ("router", "server"):
        root(office, host, "make weak-one 1.0; make weak-held 1.0; dpkg -i /srv/weak/*.deb; systemctl start weak-one;"
             "make weak-one 1.1; make weak-held 1.1; apt-mark hold weak-held; lists")  # fmt: skip
    root(office, "router", "sed -i '/^Package: tzdata$/,/^$/ s/^Status: .*/Status: install ok unpacked/' /var/lib/dpkg/status")
    power(office, "off", "desktop")
    first = update(office)
    assert first.code == 5, first.out + first.err
    (said,) = first.data["offices"]
    for host in ("router", "server"):
        here = said["hosts"][host]
        assert [(one["name"], one["old"], one["new"]) for one in here["installed"]] == [("weak-one", "1.0", "1.1")], here
        assert here["installed"][0]["origin"] == "Debian-Security:13/stable-security"
        assert [one["name"] for one in here["kept_back"]] == here["held"] == ["weak-held"]
        assert here["waiting"] == []
        assert "weak-one.service" in here["restart_due"]
        assert here["restarted"] == []
    assert "tzdata" in said["hosts"]["router"]["half_installed"]
    assert "does not answer" in said["hosts"]["desktop"]["problem"]
    assert "weak-one 1.0 → 1.1 (Debian-Security:13/stable-security)" in first.err
    assert said["worse"] == []

    # its hours: the service restarts, and the server as a whole
    office.edit(("maintenance: {}", f"maintenance: {ALWAYS}"))
    root(office, "server", "touch /run/reboot-required")
    boots = {host: office.on(host, "cat /proc/sys/kernel/random/boot_id") for host in ("router", "server")}
    second = update(office)
    (said,) = second.data["offices"]
    assert second.code == 5, second.out + second.err
    assert said["worse"] == [], said
    assert said["hosts"]["router"]["restarted"] == ["weak-one.service"]
    assert said["hosts"]["router"]["restart_due"] == []
    assert said["hosts"]["server"]["restarted"] == ["machine"]
    now = {host: office.on(host, "cat /proc/sys/kernel/random/boot_id") for host in ("router", "server")}
    assert (now["router"] == boots["router"], now["server"] == boots["server"]) == (True, False)

    # an update that breaks something: told, and the verdict is not good
    root(office, "router", "make weak-one 1.2 'systemd-run -q --unit=broken false; sleep 1'; lists")
    third = update(office)
    (said,) = third.data["offices"]
    assert third.code == 7, third.out + third.err
    assert [(one["check"], one["about"]) for one in said["worse"]] == [("units", "router")]
    assert [one["new"] for one in said["hosts"]["router"]["installed"]] == ["1.2"]
    kept = office.json("runs", "list", "demo", "--lab").out
    assert kept.count('"update"') >= 3
