"""New secrets in place of those that somebody who left could read."""

import secrets
from typing import TYPE_CHECKING

from provisioner.errors import Missing
from provisioner.inventory.dossier import Office
from provisioner.laptop import disk

if TYPE_CHECKING:
    from provisioner.inventory.target import Target
from provisioner.secrets import certificates
from provisioner.secrets.models import completed
from provisioner.secrets.vault import (
    check_clock,
    decrypted,
    key_file,
    key_of,
    locked,
    mode,
    next_key_file,
    store,
    wrapped,
)

# What `rotate` makes new: the roles that use these bring the machines to whatever the vault says, at every apply.
ROTATED = {
    "console": "a machine's rescue password",
    "machines": "what a machine shows the directory",
    "directory": "the directory's Administrator",
    "tls": "the office's authority, and its server's certificate",
}


_BACKUP_KEY = ("ssh_key", "ssh_key_public", "keeper_key", "keeper_key_public")


def rotate(target: "Target", office: Office, *, backup_key: bool = False) -> list[str]:
    """Make new the sections of `ROTATED`, with `backup_key` that one too, and the vault's own key; the names of what is new.

    Killed half-way, the vault opens all the same: the next key lies beside the old one until it is the only one.

    Raises:
        Missing: the office has no vault.
        Locked, BadInput: as `complete`; nothing is changed.
    """
    check_clock(target)
    if not target.vault.is_file():
        raise Missing(f"{target.office} has no vault yet", hint=f"provisioner secrets show {target.words} --complete makes it")
    with locked(target):
        old = decrypted(target, key_of(target))
        gone: dict[str, dict[str, str]] = {section: {} for section in ROTATED}
        again = ("password", *(_BACKUP_KEY if backup_key else ()))
        gone["backup"] = {name: text for name, text in old.backup.items() if name not in again}
        if known := old.backup.get("password"):  # a repository that is out of reach meanwhile opens with it alone
            gone["backup"][f"former_{1 + sum(map(is_former, old.backup))}"] = known
        if known := old.router.get("key"):  # what is kept already opens with it alone
            gone["router"] = {name: text for name, text in old.router.items() if name != "key"}
            gone["router"][f"former_{1 + sum(map(is_former, old.router))}"] = known
        if "password" in old.monitor:  # a hub's authority stays: its offices would send nothing until each was applied to
            gone["monitor"] = {}
        fresh = completed(old.model_copy(update=gone), office, lab=target.lab)
        key = secrets.token_urlsafe(32)
        disk.write(next_key_file(target), wrapped(target, key), mode=mode(target))
        store(target, key, fresh)
        disk.move(next_key_file(target), key_file(target))
    names = [f"{section}.{name}" for section in ROTATED for name in getattr(fresh, section)]
    router = [*(["router.key"] if fresh.router else []), *(["monitor.password"] if "password" in fresh.monitor else [])]
    return ["vault.key", *names, *(f"backup.{name}" for name in again if name in fresh.backup), *router]


def rekey(target: "Target") -> str:
    """Make a new key of the office's end of its way in; its public half, which lies beside the vault too.

    Raises:
        Missing: the office has no vault.
        Locked, BadInput: as `complete`; nothing is changed.
    """
    if not target.vault.is_file():
        raise Missing(f"{target.office} has no vault yet", hint=f"provisioner secrets show {target.words} --complete makes it")
    with locked(target):
        key, new = key_of(target), certificates.tunnel()
        store(target, key, decrypted(target, key).model_copy(update={"remote": new}))
    return new["key_public"]


def is_former(name: str) -> bool:
    """Whether a secret is one that was in use before, kept for what it still opens."""
    return name.startswith("former_")
