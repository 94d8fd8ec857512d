"""The network's passphrase: `network.key` proves it right; it locks the key of every office's vault."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import BadInput, Locked, Missing
from provisioner.laptop import disk
from provisioner.secrets import ansible_vault, key_ring

if TYPE_CHECKING:
    pass
from provisioner.secrets.models import _SIGNS

NETWORK = "network"  # the vault id of what the passphrase opens


PASSPHRASE_MIN = 12  # characters: PBKDF2's 10,000 rounds are few, so the passphrase must carry the weight


MINUTES = 8 * 60  # a sitting


def new() -> str:
    """A strong passphrase for a network: six groups of five, about 148 bits."""
    return "-".join("".join(secrets.choice(_SIGNS) for _ in range(5)) for _ in range(6))


def create(root: Path, passphrase: str) -> None:
    """Give an inventory its passphrase: writes `network.key`.

    Raises:
        BadInput: it has one already, or the new one is too short.
    """
    path = root / "network.key"
    if path.exists():
        raise BadInput(f"{path.name} is there already: this inventory has its passphrase", hint="provisioner unlock")
    validate(passphrase)
    disk.write(path, ansible_vault.encrypt(secrets.token_hex(32) + "\n", passphrase, NETWORK), mode=0o644)


def validate(passphrase: str) -> None:
    """Let a new passphrase through only if it is long enough.

    Raises:
        BadInput: it is not.
    """
    if len(passphrase) < PASSPHRASE_MIN or "\n" in passphrase:
        raise BadInput(f"the passphrase needs {PASSPHRASE_MIN} characters or more, on one line", hint="a longer one")


def unlock(root: Path, passphrase: str, minutes: int = MINUTES) -> str:
    """Check the passphrase and keep it in memory for `minutes`; say where it is kept.

    Raises:
        Missing: the inventory has no passphrase yet.
        BadInput: it is another one.
    """
    path = root / "network.key"
    if not path.is_file():
        raise Missing("this inventory has no passphrase yet", hint=f"provisioner init {root}")
    try:
        ansible_vault.decrypt(path.read_text(), passphrase)
    except ansible_vault.WrongPassword:
        raise BadInput("this is not the passphrase of this inventory", hint="provisioner unlock") from None
    return key_ring.remember(root, passphrase, minutes)


def lock(root: Path) -> None:
    """Forget the passphrase."""
    key_ring.forget(root)


def unlocked(root: Path) -> bool:
    """Whether the secrets of this inventory's offices can be read now."""
    return key_ring.recall(root) is not None


def change_passphrase(root: Path, new: str) -> list[Path]:
    """Give an inventory another passphrase: the key of every office's vault and `network.key` are locked with it; those files.

    All are read before the first is written, and `network.key` is the last: killed half-way, the same call does the rest.

    Raises:
        Locked: nobody has unlocked the inventory.
        BadInput: the new one is the old one or too short, or a key opens with neither; nothing is changed.
    """
    old = key_ring.recall(root)
    if old is None:
        raise Locked("the inventory is locked", hint="provisioner unlock")
    validate(new)
    if new == old:
        raise BadInput("this is the passphrase it has", hint="another one")
    files = sorted(path for name in ("vault.key", "vault.key.next") for path in root.glob(f"offices/*/{name}"))
    held = {path: _opened(path, old, new) for path in [*files, root / "network.key"]}
    for path, text in held.items():
        disk.write(path, ansible_vault.encrypt(text, new, NETWORK), mode=0o644)
    key_ring.remember(root, new, MINUTES)
    return list(held)


def _opened(path: Path, *passphrases: str) -> str:
    for passphrase in passphrases:
        try:
            return ansible_vault.decrypt(path.read_text(), passphrase)
        except ansible_vault.WrongPassword:
            continue
    raise BadInput(f"neither passphrase opens {path}", hint="its last version in git")
