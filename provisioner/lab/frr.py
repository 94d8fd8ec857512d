"""A router of the platform frr: a real one, the lab's Debian with FRR on it, prepared as docs/router.md has root do it once.

FRR does the routes alone, so the machine does the rest as it is: its addresses, the LAN's DHCP, the way out. No stand-in.
"""

from collections.abc import Mapping
from importlib.resources import files as packaged

from provisioner.lab.machines import File
from provisioner.lab.network import Appliance

PACKAGES = ("frr",)
_PREPARE = """\
set -eu
sed -i 's/^staticd=no/staticd=yes/' /etc/frr/daemons
grep -qx /usr/bin/vtysh /etc/shells || echo /usr/bin/vtysh >> /etc/shells
id "$1" > /dev/null 2>&1 || useradd --create-home --shell /usr/bin/vtysh --groups frrvty "$1"
chpasswd < /root/frr-login
rm /root/frr-login
"""
_UNIT = """\
[Unit]
{order}
ConditionPathExists={once}
[Service]
Type=oneshot
ExecStart={program}
"""


def files(router: Appliance, password: str) -> Mapping[str, File]:
    """What its disk has before its first start: path below / -> file; its login gets the password that the lab's vault has."""
    guard = packaged("provisioner.hosts.programs").joinpath("frr_guard.py").read_text(encoding="utf-8")
    login = _UNIT.format(
        order="Before=frr.service ssh.service", once="/root/frr-login", program=f"/bin/sh /root/frr-prepare {router.login}"
    )
    install = _UNIT.format(
        order="After=frr.service", once="!/usr/local/sbin/office-frr-guard", program="/usr/bin/python3 /root/frr_guard.py install"
    )
    return {
        "root/frr-login": File(f"{router.login}:{password}\n", 0o600),
        "root/frr-prepare": File(_PREPARE),
        "root/frr_guard.py": File(guard),
        "etc/systemd/system/frr-login.service": File(login),
        "etc/systemd/system/frr-guard-install.service": File(install),
        "etc/systemd/system/multi-user.target.d/frr.conf": File("[Unit]\nWants=frr-login.service frr-guard-install.service\n"),
        # vtysh is a login's shell: whoever comes in before FRR runs is turned away
        "etc/systemd/system/ssh.service.d/frr.conf": File("[Unit]\nAfter=frr.service\n"),
    }
