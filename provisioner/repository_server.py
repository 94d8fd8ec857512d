"""The second place of an office's backups, where the office can only add: what stands there.

Two keys open one account. The office's runs Debian's `rclone serve restic --append-only` and nothing else (restic's own way over
SSH; rclone(1), serve restic): it reads and adds, and deletes nothing but its own locks. The keeper's, which no machine of the
office ever has, runs `keep.py`. Neither is a login.
"""

import importlib.util
import shlex
from functools import cache
from pathlib import Path
from types import ModuleType

from provisioner.inventory.dossier import Backup
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
