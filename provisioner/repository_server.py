"""The second place of an office's backups, where the office can only add: what stands there.

Two keys open one account. The office's runs Debian's `rclone serve restic --append-only` and nothing else (restic's own way over
SSH; rclone(1), serve restic): it reads and adds, and deletes nothing but its own locks. The keeper's, which no machine of the
office ever has, runs `keep.py`. Neither is a login.
"""

import importlib.util
import shlex
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from provisioner.errors import BadInput
from provisioner.inventory.dossier import Backup, Office
from provisioner.laptop.installed import playbooks

DATA = "/srv/office-backups"
PROGRAMS = "/usr/local/lib/office-place"
KEYS = "/etc/office-place"
PACKAGES = ("rclone", "restic")


def _file(name: str) -> Path:
    return playbooks() / "roles/backup/files" / name


@cache
def keeping() -> ModuleType:
    """The rules for what may go: the very file that the server and the place work by."""
    spec = importlib.util.spec_from_file_location("provisioner_keeping", _file("keeping.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files(backup: Backup, office_key: str, keeper_key: str) -> dict[str, tuple[str, int]]:
    """What stands at the place: path -> content and mode."""
    folder = f"{DATA}/{backup.user}/{backup.path}"
    serve = f"rclone --config /dev/null serve restic --stdio --append-only {shlex.quote(folder)}"
    keep = f"{PROGRAMS}/keep.py {shlex.quote(folder)}"
    keys = f'restrict,command="{serve}" {office_key}\nrestrict,command="{keep}" {keeper_key}\n'
    sshd = (
        f"Match User {backup.user}\n  AuthorizedKeysFile {KEYS}/{backup.user}.keys\n  PasswordAuthentication no\n"
        "  AllowTcpForwarding no\n  AllowStreamLocalForwarding no\n  PermitTTY no\n"
    )
    return {
        f"{KEYS}/{backup.user}.keys": (keys, 0o644),
        f"/etc/ssh/sshd_config.d/office-place-{backup.user}.conf": (sshd, 0o644),
        f"{PROGRAMS}/keep.py": (_file("keep.py").read_text(encoding="utf-8"), 0o755),
        f"{PROGRAMS}/keeping.py": (_file("keeping.py").read_text(encoding="utf-8"), 0o644),
    }


def keeper(office: Office, look: Callable[[str], Office]) -> Office | None:
    """The hub that keeps an office's second copies: the one it calls, where `backup.host` is that one's name; else None."""
    if not (office.backup and office.backup.append_only and office.remote):
        return None
    hub = look(office.remote.hub)
    there = hub.hub and office.name in hub.hub.offices and hub.hub.endpoint == office.backup.host
    return hub if there else None


def kept(hub: Office, offices: Mapping[str, Office], keys: Mapping[str, str], port: int) -> list[dict[str, Any]]:
    """What a hub's play is told of the second places it has: `user`, and `files` as module `files` takes them.

    Args:
        hub: the hub's dossier.
        offices: those that the hub leads to, by name.
        keys: the public halves of an office's two keys, a line each; an office whose are not known yet is left out.
        port: where the hub serves them.

    Raises:
        BadInput: two offices have one account, or a dossier has another port.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, office in offices.items():
        lines = keys.get(name, "").splitlines()
        if keeper(office, lambda _: hub) is None or len(lines) != 2:
            continue
        assert office.backup
        user = office.backup.user
        if user in found:
            raise BadInput(
                f"{hub.name} keeps the backups of two offices under one account, {user}", hint=f"another backup.user in {name}"
            )
        if office.backup.port != port:
            raise BadInput(
                f"{hub.name} takes backups at port {port}, {name} goes to {office.backup.port}",
                hint=f"backup: {{port: {port}}} in offices/{name}/dossier.yml",
            )
        written = files(office.backup, *lines)
        found[user] = {
            "user": user,
            "files": [
                {"dest": path, "content": text, "mode": f"{mode:04o}"}
                for path, (text, mode) in written.items()
                if not path.startswith("/etc/ssh/")
            ],
        }
    return list(found.values())
