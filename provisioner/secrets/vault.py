"""The secrets of an office: one ansible-vault file, its own random password, opened once per sitting.

INVENTORY/network.key               a random token, encrypted with the network's passphrase: proves a passphrase right
INVENTORY/offices/<office>/vault.key  the office's vault password, encrypted with the passphrase (vault id `network`)
INVENTORY/offices/<office>/vault.yml  the secrets, encrypted with that password (vault id = office), so that one office
                                      can be handed over alone

A lab's two files lie in its state folder, its key in clear beside it: they guard nothing but made-up accounts.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import BadInput, Locked, Missing
from provisioner.inventory.dossier import Office
from provisioner.inventory.rendering import render
from provisioner.inventory.strict_yaml import parse
from provisioner.laptop import disk, git
from provisioner.laptop.clock import REFUSED_S
from provisioner.secrets import ansible_vault, key_ring
from provisioner.secrets.models import Secrets, completed, password
from provisioner.secrets.passphrase import NETWORK

if TYPE_CHECKING:
    from provisioner.inventory.target import Target


def read(target: "Target") -> Secrets:
    """The secrets of an office, or of its lab. A lab's missing entries are made on the way, an office's are not.

    Raises:
        Locked: an office's, and nobody has unlocked the inventory.
        Missing: the office has no vault yet.
        BadInput: a file is damaged, or the dossier of a lab cannot be read.
    """
    if target.lab:
        from provisioner.inventory import open_inventory

        return complete(target, open_inventory(target.inventory).office(target.office))
    if not target.vault.is_file():
        raise Missing(f"{target.office} has no vault yet", hint=f"provisioner secrets show {target.words} --complete makes it")
    return decrypted(target, key_of(target))


def create(target: "Target", office: Office) -> Secrets:
    """Make the vault of a new office, or of a lab: a password per person, a rescue password per host.

    Raises:
        BadInput: it has one already.
        Locked: nobody has unlocked the inventory.
    """
    if target.vault.exists():
        raise BadInput(f"{office.name} has a vault already", hint=f"provisioner secrets show {office.name}")
    return complete(target, office)


def complete(target: "Target", office: Office) -> Secrets:
    """Add what the vault lacks for the people and hosts of the dossier; what is there stays, nobody is removed.

    Raises:
        Locked: an office's, and nobody has unlocked the inventory.
        BadInput: a file is damaged, or certificates are to be made by a clock that is behind the newest commit.
    """
    with locked(target):
        new = not target.vault.is_file()
        key = _new_key(target) if new else key_of(target)
        old = Secrets() if new else decrypted(target, key)
        whole = completed(old, office, lab=target.lab)
        if (whole.tls, whole.monitor) != (old.tls, old.monitor):
            check_clock(target)
        if new or whole != old:
            store(target, key, whole)
        _publish(target, whole)
        return whole


def _publish(target: "Target", whole: Secrets) -> None:
    """Have what others need beside the vault: no vault is opened to know it."""
    second = [whole.backup.get(f"{name}_public", "") for name in ("ssh_key", "keeper_key")]
    every = (
        (target.tunnel_public, [whole.remote.get("key_public", "")]),
        (target.backup_public, second),
        (target.monitor_public, [whole.monitor_public.rstrip("\n")]),
    )
    for path, lines in every:
        text = "".join(f"{line}\n" for line in lines)
        if all(lines) and not (path.is_file() and path.read_text(encoding="ascii") == text):
            disk.write(path, text, mode=0o644)


def check_clock(target: "Target") -> None:
    """Let a laptop make certificates only by a clock that is not behind the newest commit.

    Raises:
        BadInput: it is.
    """
    behind = git.behind_s(target.inventory) or 0
    if behind > REFUSED_S:
        raise BadInput(
            f"this laptop's clock ({datetime.now(UTC):%Y-%m-%d %H:%M} UTC) is behind the newest commit of the inventory: the"
            f" certificates of {target.office} would bear a wrong date",
            hint="timedatectl set-ntp true",
        )


def renew(target: "Target", office: Office, login: str) -> str:
    """Give a person a new password and count it, so that the next apply sets it once; the password.

    Raises:
        Missing: nobody of that login works in the office.
        Locked, BadInput: as `complete`.
    """
    if login not in office.people:
        raise Missing(f"{office.name} has nobody with the login {login[:40]!r}", hint=f"provisioner person list {office.name}")
    complete(target, office)
    with locked(target):
        key = key_of(target)
        old, fresh = decrypted(target, key), password()
        renewed = {**old.renewed, login: old.renewed.get(login, 0) + 1}
        store(target, key, old.model_copy(update={"people": {**old.people, login: fresh}, "renewed": renewed}))
    return fresh


# What only a person can know; all else in a vault is made by us, and right as it was made.
KNOWN_BY_PEOPLE = {
    "mail.password": "the password of the mail provider's account",
    "wan.password": "the password of the office's line, where it asks for one (PPPoE)",
    "wifi.staff": "the key of the staff's Wi-Fi, where it is to stay what it was",
    "wifi.guests": "the key of the guests' Wi-Fi",
    "tunnel.key": "the router's own key of the tunnel, where it is to stay what it was",
}
WIFI_KEY = range(8, 64)  # characters of a passphrase (IEEE 802.11, J.4)


def validate_name(name: str) -> None:
    """Let the name of a secret through that a person may set.

    Raises:
        BadInput: it is one that we make, or none at all.
    """
    section, _, entry = name.partition(".")
    if section == "people" and entry:
        raise BadInput("a person's password is made, not chosen here", hint=f"provisioner person password OFFICE {entry}")
    if name not in KNOWN_BY_PEOPLE and not (section == "routers" and entry):
        every = {**KNOWN_BY_PEOPLE, "routers.HOST": "the password of a router's own login"}
        known = ", ".join(f"{word} ({what})" for word, what in every.items())
        raise BadInput(f"{name[:60]!r} is no secret that a person sets", hint=known)


def enter(target: "Target", office: Office, name: str, text: str) -> None:
    """Put what a person told us under `section.name`; everything else stays.

    Raises:
        BadInput: a name that is ours to make, an empty text, or one that is not one line.
        Locked: as `complete`.
    """
    validate_name(name)
    if not text or not text.isprintable():
        raise BadInput(f"{name} must be one line of visible characters", hint="once more")
    section, _, entry = name.partition(".")
    if section == "wifi" and (len(text) not in WIFI_KEY or not text.isascii()):
        what = f"{len(text)} characters" if text.isascii() else "letters with accents, which not every device can send"
        raise BadInput(f"{name} has {what}; the key of a Wi-Fi network is 8 to 63 characters without accents", hint="once more")
    appliances = [host for host, one in office.hosts.items() if one.appliance]
    if section == "routers" and entry not in appliances:
        what = f"{entry[:40]!r} is no router of {office.name} with a login of its own"
        raise BadInput(what, hint=f"one of {', '.join(appliances)}" if appliances else "platform: in the router's section")
    from provisioner.secrets import certificates

    told = {entry: text}
    if section == "tunnel":
        try:
            told = certificates.tunnel(text)
        except ValueError:
            raise BadInput(f"{name} is no key of WireGuard", hint="what `wg genkey` printed: 44 characters") from None
    complete(target, office)
    with locked(target):
        key = key_of(target)
        old = decrypted(target, key)
        store(target, key, old.model_copy(update={section: {**getattr(old, section), **told}}))


def store(target: "Target", key: str, whole: Secrets) -> None:
    """Write the vault, encrypted with its key."""
    text = render(whole.model_dump(mode="json"), {}, [])
    disk.write(target.vault, ansible_vault.encrypt(text, key, target.office), mode=mode(target))
    _publish(target, whole)


def mode(target: "Target") -> int:
    """The files' mode; an office's are cipher text in git, which knows no 0600."""
    return 0o600 if target.lab else 0o644


def key_file(target: "Target") -> Path:
    """Where the vault's key lies."""
    return target.vault.with_name("vault.key")


def next_key_file(target: "Target") -> Path:
    """Where the next key lies while a `rotate` is under way."""
    return target.vault.with_name("vault.key.next")


def key_of(target: "Target") -> str:
    """The password of the vault: after a `rotate` that was killed, the one beside it may be the one that opens it."""
    if next_key_file(target).exists():
        with contextlib.suppress(ansible_vault.WrongPassword, OSError, UnicodeDecodeError):
            key = _key_in(target, next_key_file(target))
            ansible_vault.decrypt(target.vault.read_text(), key)
            return key
    return _key_in(target, key_file(target))


def _key_in(target: "Target", path: Path) -> str:
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise Missing(f"{target.office}: {path.name} is missing", hint="its last version in git") from None
    if target.lab:
        return text.strip()
    try:
        return ansible_vault.decrypt(text, _passphrase(target)).strip()
    except ansible_vault.WrongPassword:
        raise BadInput(
            f"{target.office}: the network's passphrase does not open {path.name}", hint="its last version in git"
        ) from None


def _new_key(target: "Target") -> str:
    key = secrets.token_urlsafe(32)
    disk.write(key_file(target), wrapped(target, key), mode=mode(target))
    return key


def wrapped(target: "Target", key: str) -> str:
    """The vault's key as its file has it: locked with the passphrase, a lab's in clear."""
    return key + "\n" if target.lab else ansible_vault.encrypt(key + "\n", _passphrase(target), NETWORK)


def refuse_locked(target: "Target") -> None:
    """Stop before anything is asked of a person that the vault would refuse in the end.

    Raises:
        Locked: nobody has unlocked the inventory.
    """
    _passphrase(target)


def _passphrase(target: "Target") -> str:
    said = key_ring.recall(target.inventory)
    if said is None:
        ready = (target.inventory / "network.key").is_file()
        raise Locked(
            f"the secrets of {target.office} are locked",
            hint="provisioner unlock" if ready else f"provisioner init {target.inventory} gives it a passphrase",
        )
    return said


def decrypted(target: "Target", key: str) -> Secrets:
    """What the vault holds.

    Raises:
        BadInput: the key does not open it, or it is no vault.
    """
    from provisioner.inventory.files import plain

    try:
        text = ansible_vault.decrypt(target.vault.read_text(), key)
    except (ansible_vault.WrongPassword, UnicodeDecodeError):
        raise BadInput(f"{target.office}: vault.key does not open vault.yml", hint="the last version of both in git") from None
    return plain(Secrets, parse(text.encode(), f"{target.office}/vault.yml"))


@contextmanager
def locked(target: "Target") -> Iterator[None]:
    """Let one process at a time make entries: two that read a lab at once must see the same passwords."""
    descriptor = os.open(target.state / "vault.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
