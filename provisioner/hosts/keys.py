"""The key a technician logs in with."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import Missing
from provisioner.inventory.target import Target
from provisioner.laptop import git

if TYPE_CHECKING:
    pass


def technician_key(target: Target) -> Path:
    """The private key file to log in with: a lab's own (made here), or the technician's.

    The technician's is `git config provisioner.key` of the inventory, else the usual places.

    Raises:
        Missing: there is none.
    """
    if target.lab:
        key = target.state / "technician"
        if not key.exists():
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab of {target.office}", "-f", str(key)],
                check=True,
            )
        return key
    named = git.setting(target.inventory, "provisioner.key", path=True)
    usual = [Path.home() / ".ssh" / name for name in ("id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_rsa")]
    for path in [Path(named)] if named else usual:
        if path.is_file() or path.with_suffix(".pub").is_file():
            return path
    raise Missing(
        f"no private key to log in with{f' at {named}' if named else ''}",
        hint="ssh-keygen -t ed25519, or git config provisioner.key FILE in the inventory",
    )


def public_key(key: Path) -> str:
    """The public line (`type base64 comment`) that belongs to a private key file."""
    beside = key.with_name(key.name + ".pub")
    if beside.exists():
        return beside.read_text().strip()
    return subprocess.run(["ssh-keygen", "-y", "-f", str(key)], capture_output=True, text=True, check=True).stdout.strip()
