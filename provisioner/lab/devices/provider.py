"""What stands in the lab's Internet for the office's providers: a Debian of the same base that takes mail, and backups.

It shares the namespace of the lab's Internet with the way to the package cache, so it never touches the link. Its keys,
certificate and passwords are the lab's (`vault`, sections `lab`, `mail`, `backup`); its disk stays as long as the lab does.
"""

import importlib.util
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner import repository_server
from provisioner.inventory.dossier import Backup
from provisioner.lab import machines
from provisioner.lab import network as net
from provisioner.lab.blank import Origin
from provisioner.lab.machines import File, Machine, host_keys
from provisioner.lab.state import State
from provisioner.laptop.processes import run
from provisioner.secrets.models import Secrets

MAILBOX = Path("srv/mail/new")
_PROGRAM = Path("usr/local/lib/provider")
_LIBRARIES = ("aiosmtpd", "attr", "attrs", "public")  # aiosmtpd and all it imports, pure Python
_UID = 2000

_SUBMISSION = f"""\
[Unit]
Description=The lab's mail provider
Before=ssh.service
[Service]
Type=notify
ExecStart=/usr/bin/python3 /{_PROGRAM}/submission.py
Restart=always
"""

ROOTS_PORT = 15000  # where pebble shows the root of its chain, another one at each start
_AUTHORITY = f"""\
[Unit]
Description=The lab's certificate authority
Before=ssh.service
[Service]
Environment=PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0
ExecStart=/usr/bin/pebble -config /etc/provider/pebble.json -dnsserver {net.INTERNET.ip}:53
Restart=always
"""

_SSHD = """\
HostKey /etc/ssh/provider_host_key
Port 22
Port {port}
PasswordAuthentication no
Match User {user}
  AuthorizedKeysFile /etc/provider/authorized_keys
  ChrootDirectory /srv/sftp
  ForceCommand internal-sftp -d /{user}
  AllowTcpForwarding no
  PermitTTY no
"""


@dataclass(frozen=True, slots=True)
class Provider:
    """What stands for the providers of one office: their plan, and the system that boots for all of them."""

    plan: net.Provider
    machine: Machine
    address: str = str(net.INTERNET.ip)

    @property
    def name(self) -> str:
        """A name that neither a host nor a printer has."""
        return self.plan.name

    @property
    def packages(self) -> tuple[str, ...]:
        """What keeps backups that can only grow, where the office has such a place; what gives certificates to its website."""
        kept = tuple(repository_server.PACKAGES) if self._append_only else ()
        return (*kept, "pebble") if self.plan.website else kept

    @property
    def _append_only(self) -> bool:
        return bool(self.plan.backup and self.plan.backup["append_only"])

    @property
    def running(self) -> bool:
        """Whether its system is on."""
        return self.machine.process is not None

    def create(self, origin: Origin) -> None:
        """Make its disk.

        Raises:
            HostFailed: it cannot be mounted or written.
        """
        given = self._files(origin.kept, origin.system)
        # no password opens the account: group shadow, base-passwd
        account = f"{self.plan.backup['user']}:*:20000:0:99999:7:::\n" if self.plan.backup else ""
        given["etc/shadow"] = File(origin.shadow + account, 0o640, gid=42)
        machines.create(self.machine, origin.layers(self.name, self.packages), given)

    def start(self) -> None:
        """Boot it; it answers a second or two later.

        Raises:
            HostFailed: it did not start.
        """
        if not self.running:
            machines.power_on(self.machine)

    def stop(self) -> None:
        """Cut its power.

        Raises:
            HostFailed: something of it survived.
        """
        machines.power_off([self.machine])

    def _files(self, kept: Secrets, system: Path) -> dict[str, File]:
        """What it needs on its disk: path below / -> content."""
        found = {
            # an empty unit file is a masked one (systemd.unit(5))
            "etc/systemd/system/systemd-networkd.service": File(""),
            "etc/systemd/system/systemd-networkd.socket": File(""),
            "etc/machine-id": File(f"{secrets.token_hex(16)}\n", 0o444),
            "etc/hostname": File(f"{self.name}\n"),
        }
        if self.plan.mail:
            found |= _mail(self.plan.mail, kept)
        if self.plan.website:
            found |= _authority(kept)
        if not self.plan.backup:
            return found | host_keys()
        return found | (_append_only if self._append_only else _sftp)(self.plan.backup, kept, system)

    @property
    def mails(self) -> list[str]:
        """The messages it took, oldest first, each with `X-Envelope-From` and `X-Envelope-To` before its own header."""
        folder = self.machine.root / MAILBOX
        names = sorted(run(["find", str(folder), "-type", "f", "-printf", "%f\\n"], check=False).splitlines(), key=_when)
        return [run(["cat", str(folder / name)]) for name in names]


def of(state: State) -> list[Provider]:
    """What stands for the providers of a lab's office: one machine, or none."""
    plan = state.network.provider
    if plan is None:
        return []
    folder = state.folder / "hosts" / plan.name
    return [Provider(plan, Machine(plan.name, state.id, folder, state.network.internet, net.INTERNET_LINK))]


def _authority(kept: Secrets) -> dict[str, File]:
    """Pebble, a real ACME server (RFC 8555): it gives a certificate to who answers for a name on port 80 of the office's line."""
    said = {
        "listenAddress": f"{net.INTERNET.ip}:443",
        "managementListenAddress": f"{net.INTERNET.ip}:{ROOTS_PORT}",
        "certificate": "/etc/provider/certificate.pem",
        "privateKey": "/etc/provider/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
        "certificateValidityPeriod": 90 * 86400,
    }
    return {
        "etc/provider/certificate.pem": File(kept.lab["provider_certificate"]),
        "etc/provider/key.pem": File(kept.lab["provider_key"], 0o600),
        "etc/provider/pebble.json": File(json.dumps({"pebble": said})),
        "etc/systemd/system/authority.service": File(_AUTHORITY),
        "etc/systemd/system/multi-user.target.d/authority.conf": File("[Unit]\nWants=authority.service\n"),
    }


def _mail(mail: Mapping[str, Any], kept: Secrets) -> dict[str, File]:
    said = {
        **{name: mail[name] for name in ("port", "user", "sender")},
        "names": kept.lab["names"].split(),
        "password": kept.mail["password"],
    }
    found = {
        "etc/provider/submission.json": File(json.dumps(said), 0o600),
        "etc/provider/certificate.pem": File(kept.lab["provider_certificate"]),
        "etc/provider/key.pem": File(kept.lab["provider_key"], 0o600),
        "etc/systemd/system/submission.service": File(_SUBMISSION),
        # a tar of plain files has no links: wanted by a drop-in instead of `systemctl enable`
        "etc/systemd/system/multi-user.target.d/provider.conf": File("[Unit]\nWants=submission.service\n"),
        "etc/tmpfiles.d/mail.conf": File("".join(f"d /{MAILBOX.parent / name} 0700\n" for name in ("", "tmp", "new"))),
        str(_PROGRAM / "submission.py"): File(Path(__file__).with_name("submission.py").read_text(encoding="utf-8")),
    }
    for library in _LIBRARIES:
        spec = importlib.util.find_spec(library)
        for folder in spec.submodule_search_locations or () if spec else ():
            for path in Path(folder).glob("*.py"):
                found[str(_PROGRAM / library / path.name)] = File(path.read_text(encoding="utf-8"))
    return found


def _account(backup: Mapping[str, Any], kept: Secrets, system: Path, home: str, shell: str) -> dict[str, File]:
    user = backup["user"]
    lines = {
        name: "".join(line + "\n" for line in run(["cat", str(system / "etc" / name)]).splitlines())
        for name in ("passwd", "group")
    }
    return {
        "etc/passwd": File(f"{lines['passwd']}{user}:x:{_UID}:{_UID}::{home}:{shell}\n"),
        "etc/group": File(f"{lines['group']}{user}:x:{_UID}:\n"),
        "etc/ssh/provider_host_key": File(kept.lab["provider_host_key"], 0o600),
    }


def _append_only(backup: Mapping[str, Any], kept: Secrets, system: Path) -> dict[str, File]:
    """The same files that `provisioner backup place` tells a keeper to write."""
    given = Backup.model_validate({**backup, "host_key": kept.lab["provider_host_key_public"]})
    written = repository_server.files(given, kept.backup["ssh_key_public"], kept.backup["keeper_key_public"])
    ports = f"HostKey /etc/ssh/provider_host_key\nPort 22\nPort {given.port}\n"
    return _account(backup, kept, system, f"{repository_server.DATA}/{given.user}", "/bin/sh") | {
        **{path.removeprefix("/"): File(content, mode) for path, (content, mode) in written.items()},
        "etc/ssh/sshd_config.d/00-provider.conf": File(ports),
        "etc/tmpfiles.d/backup.conf": File(
            f"d {repository_server.DATA} 0755\nd {repository_server.DATA}/{given.user} 0700 {given.user} {given.user}\n"
        ),
    }


def _sftp(backup: Mapping[str, Any], kept: Secrets, system: Path) -> dict[str, File]:
    user = backup["user"]
    return _account(backup, kept, system, f"/{user}", "/usr/sbin/nologin") | {
        "etc/provider/authorized_keys": File(f"{kept.backup['ssh_key_public']}\n"),
        "etc/ssh/sshd_config.d/provider.conf": File(_SSHD.format(user=user, port=backup["port"])),
        "etc/tmpfiles.d/backup.conf": File(f"d /srv/sftp 0755\nd /srv/sftp/{user} 0700 {user} {user}\n"),
    }


def _when(name: str) -> tuple[int, int]:
    moment, count, _ = name.split(".")
    return int(moment), int(count)
