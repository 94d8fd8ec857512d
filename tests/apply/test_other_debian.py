"""Machines as they really come: Debian 12, and a network set up by the Debian installer (ifupdown and a DHCP client)."""

from pathlib import Path

import pytest

from provisioner import lab
from tests.lab.light import light
from tests.stage import make

pytestmark = pytest.mark.lab


@pytest.mark.deep
def test_a_debian_12_office_set_up_by_the_installer_ends_on_its_addresses(tmp_path: Path) -> None:
    """The installer's ifupdown and DHCP client give way to the dossier's address, over a restart too; nothing changes twice."""
    stage = make(tmp_path, hosts=("router", "server"))
    try:
        assert stage.run("lab", "up", "demo", "--suite", "bookworm").code == 0
        assert stage.run("adopt", "demo", "--lab", "--yes").code == 0
        here = lab.find(stage.target)
        assert here
        stage.restart(
            "server",
            f"sudo env http_proxy={here.proxy} DEBIAN_FRONTEND=noninteractive sh -ec '"
            "apt-get update -q; apt-get install -q -y --no-install-recommends ifupdown isc-dhcp-client;"
            'printf "auto lo\\niface lo inet loopback\\nauto eth0\\niface eth0 inet dhcp\\n" > /etc/network/interfaces;'
            "rm /etc/systemd/network/50-eth0.network; systemctl disable -q systemd-networkd;"
            "systemctl enable -q networking'",
        )
        assert "dhclient" in stage.on("server", "ps ax")
        assert stage.on("server", ". /etc/os-release; echo $VERSION_ID").strip() == "12"

        first = stage.json("apply", "demo", "--lab", "--yes")
        assert first.code == 0, first.out + first.err
        assert stage.on("server", "ip -4 -o addr show dev eth0 | awk '{ print $4 }'").split() == ["192.168.1.10/24"]
        assert "dhclient" not in stage.on("server", "ps ax")

        stage.restart("server")
        assert stage.on("server", "ip -4 -o addr show dev eth0 | awk '{ print $4 }'").split() == ["192.168.1.10/24"]
        assert stage.on("server", "systemctl --failed --no-legend --plain").strip() == ""
        again = stage.json("apply", "demo", "--lab", "--yes")
        assert again.code == 0, again.out + again.err
        assert again.data["status"] == "unchanged", again.err
    finally:
        stage.run("lab", "down", "demo")


@pytest.mark.deep
def test_a_desktop_that_networkmanager_runs_ends_on_its_address(tmp_path: Path) -> None:
    """NetworkManager lets go of the office's link, at once and at every start; a second apply finds nothing to do."""
    stage = light(tmp_path, {"desktop": ["base"]}, hosts=("router", "desktop"))
    try:
        assert stage.run("lab", "up", "demo").code == 0
        assert stage.run("adopt", "demo", "--lab", "--yes").code == 0
        here = lab.find(stage.target)
        assert here
        stage.restart(
            "desktop",
            f"sudo env http_proxy={here.proxy} DEBIAN_FRONTEND=noninteractive sh -ec '"
            "apt-get update -q; apt-get install -q -y --no-install-recommends network-manager;"
            "rm -f /etc/systemd/network/50-eth0.network /usr/lib/udev/rules.d/85-nm-unmanaged.rules;"
            "systemctl disable -q systemd-networkd systemd-networkd.socket; systemctl enable -q NetworkManager'",
        )
        assert "eth0:connected" in stage.on("desktop", "nmcli -t -f DEVICE,STATE device")

        assert stage.run("apply", "demo", "--lab", "--yes", "--host", "desktop").code == 0
        stage.restart("desktop")
        assert "eth0:unmanaged" in stage.on("desktop", "nmcli -t -f DEVICE,STATE device")
        assert stage.on("desktop", "ip -4 -o addr show dev eth0 | awk '{ print $4 }'").split() == ["192.168.1.20/24"]
        again = stage.json("apply", "demo", "--lab", "--yes", "--host", "desktop")
        assert again.data["status"] == "unchanged", again.out + again.err
    finally:
        stage.run("lab", "down", "demo")
