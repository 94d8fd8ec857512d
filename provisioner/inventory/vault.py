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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from provisioner.errors import BadInput, Locked, Missing
from provisioner.inventory import ansible_vault, sitting
from provisioner.inventory.fields import Login, Name
from provisioner.inventory.models import Noun, Office, outside
from provisioner.inventory.strict_yaml import parse
from provisioner.inventory.writing import render
from provisioner.laptop import disk, git
from provisioner.laptop.clock import REFUSED_S

if TYPE_CHECKING:
    from provisioner.inventory.target import Target

NETWORK = "network"  # the vault id of what the passphrase opens
PASSPHRASE_MIN = 12  # characters: PBKDF2's 10,000 rounds are few, so the passphrase must carry the weight
MINUTES = 8 * 60  # a sitting

# Without 0 O 1 l I: people read these from paper.
_LETTERS = "abcdefghijkmnpqrstuvwxyz"
_SIGNS = _LETTERS + "23456789"


class Secrets(Noun):
    """The secrets of one office, by section and name.

    - `people` by login, and how often each was renewed on purpose (`renewed`);
    - `console`, the rescue password at the machine, and `machines`, what it shows the directory, by host;
    - `directory`: `administrator`;
    - `tls`: the office's own authority and its server's certificate, PEM (`keys.certified`);
    - `backup`: the repositories' `password` and those they had (`former_1` …), the key pair for the second place
      (`ssh_key`, `ssh_key_public`);
    - `mail`: the provider's `password`, which only a person can know;
    - `lab`: what the machine that stands for the providers shows (`keys.provider`), and its `names`.
    """

    people: dict[Login, str] = Field(default={}, repr=False)
    renewed: dict[Login, int] = Field(default={})
    console: dict[Name, str] = Field(default={}, repr=False)
    machines: dict[Name, str] = Field(default={}, repr=False)
    directory: dict[str, str] = Field(default={}, repr=False)
    tls: dict[str, str] = Field(default={}, repr=False)
    backup: dict[str, str] = Field(default={}, repr=False)
    mail: dict[str, str] = Field(default={}, repr=False)
    lab: dict[str, str] = Field(default={}, repr=False)


def password() -> str:
    """Four groups of four, about 78 bits, with a capital, a digit and a hyphen: Active Directory's rule is met."""
    while True:
        word = secrets.choice(_LETTERS).upper() + "".join(secrets.choice(_SIGNS) for _ in range(15))
        if any(sign.isdigit() for sign in word):
            return "-".join(word[at : at + 4] for at in range(0, 16, 4))


def passphrase() -> str:
    """A strong passphrase for a network: six groups of five, about 148 bits."""
    return "-".join("".join(secrets.choice(_SIGNS) for _ in range(5)) for _ in range(6))


def found(root: Path, passphrase: str) -> None:
    """Give an inventory its passphrase: writes `network.key`.

    Raises:
        BadInput: it has one already, or the new one is too short.
    """
    path = root / "network.key"
    if path.exists():
        raise BadInput(f"{path.name} is there already: this inventory has its passphrase", hint="provisioner unlock")
    refuse_weak(passphrase)
    disk.write(path, ansible_vault.encrypt(secrets.token_hex(32) + "\n", passphrase, NETWORK), mode=0o644)


def refuse_weak(passphrase: str) -> None:
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
        raise BadInput("this is not the passphrase of this inventory", hint="provisioner unlock again") from None
    return sitting.remember(root, passphrase, minutes)


def lock(root: Path) -> None:
    """Forget the passphrase."""
    sitting.forget(root)


def unlocked(root: Path) -> bool:
    """Whether the secrets of this inventory's offices can be read now."""
    return sitting.recall(root) is not None


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
        raise Missing(f"{target.office} has no vault yet", hint=f"provisioner secrets show {target.office} --complete makes it")
    return _decrypted(target, _key(target))


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
    with _alone(target):
        new = not target.vault.is_file()
        key = _new_key(target) if new else _key(target)
        old = Secrets() if new else _decrypted(target, key)
        whole = _completed(old, office, lab=target.lab)
        if whole.tls != old.tls:
            _refuse_wrong_clock(target)
        if new or whole != old:
            _write(target, key, whole)
        return whole


def _refuse_wrong_clock(target: "Target") -> None:
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
    with _alone(target):
        key = _key(target)
        old, fresh = _decrypted(target, key), password()
        renewed = {**old.renewed, login: old.renewed.get(login, 0) + 1}
        _write(target, key, old.model_copy(update={"people": {**old.people, login: fresh}, "renewed": renewed}))
    return fresh


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
    _refuse_wrong_clock(target)
    if not target.vault.is_file():
        raise Missing(f"{target.office} has no vault yet", hint=f"provisioner secrets show {target.office} --complete makes it")
    with _alone(target):
        old = _decrypted(target, _key(target))
        gone: dict[str, dict[str, str]] = {section: {} for section in ROTATED}
        again = ("password", *(_BACKUP_KEY if backup_key else ()))
        gone["backup"] = {name: text for name, text in old.backup.items() if name not in again}
        if known := old.backup.get("password"):  # a repository that is out of reach meanwhile opens with it alone
            gone["backup"][f"former_{1 + sum(map(is_former, old.backup))}"] = known
        fresh = _completed(old.model_copy(update=gone), office, lab=target.lab)
        key = secrets.token_urlsafe(32)
        disk.write(_next_key_file(target), _wrapped(target, key), mode=_mode(target))
        _write(target, key, fresh)
        disk.move(_next_key_file(target), _key_file(target))
    names = [f"{section}.{name}" for section in ROTATED for name in getattr(fresh, section)]
    return ["vault.key", *names, *(f"backup.{name}" for name in again if name in fresh.backup)]


def is_former(name: str) -> bool:
    """Whether a secret of `backup` is a password that the repositories had before."""
    return name.startswith("former_")


def change_passphrase(root: Path, new: str) -> list[Path]:
    """Give an inventory another passphrase: the key of every office's vault and `network.key` are locked with it; those files.

    All are read before the first is written, and `network.key` is the last: killed half-way, the same call does the rest.

    Raises:
        Locked: nobody has unlocked the inventory.
        BadInput: the new one is the old one or too short, or a key opens with neither; nothing is changed.
    """
    old = sitting.recall(root)
    if old is None:
        raise Locked("the inventory is locked", hint="provisioner unlock")
    refuse_weak(new)
    if new == old:
        raise BadInput("this is the passphrase it has", hint="another one")
    files = sorted(path for name in ("vault.key", "vault.key.next") for path in root.glob(f"offices/*/{name}"))
    held = {path: _opened(path, old, new) for path in [*files, root / "network.key"]}
    for path, text in held.items():
        disk.write(path, ansible_vault.encrypt(text, new, NETWORK), mode=0o644)
    sitting.remember(root, new, MINUTES)
    return list(held)


def _opened(path: Path, *passphrases: str) -> str:
    for passphrase in passphrases:
        try:
            return ansible_vault.decrypt(path.read_text(), passphrase)
        except ansible_vault.WrongPassword:
            continue
    raise BadInput(f"neither passphrase opens {path}", hint="its last version in git")


# What only a person can know; all else in a vault is made by us, and right as it was made.
KNOWN_BY_PEOPLE = {"mail.password": "the password of the mail provider's account"}


def refuse_own(name: str) -> None:
    """Let the name of a secret through that a person may set.

    Raises:
        BadInput: it is one that we make, or none at all.
    """
    section, _, entry = name.partition(".")
    if section == "people" and entry:
        raise BadInput("a person's password is made, not chosen here", hint=f"provisioner person password OFFICE {entry}")
    if name not in KNOWN_BY_PEOPLE:
        known = ", ".join(f"{word} ({what})" for word, what in KNOWN_BY_PEOPLE.items())
        raise BadInput(f"{name[:60]!r} is no secret that a person sets", hint=known)


def enter(target: "Target", office: Office, name: str, text: str) -> None:
    """Put what a person told us under `section.name`; everything else stays.

    Raises:
        BadInput: a name that is ours to make, an empty text, or one that is not one line.
        Locked: as `complete`.
    """
    refuse_own(name)
    if not text or not text.isprintable():
        raise BadInput(f"{name} must be one line of visible characters", hint="once more")
    section, _, entry = name.partition(".")
    complete(target, office)
    with _alone(target):
        key = _key(target)
        old = _decrypted(target, key)
        _write(target, key, old.model_copy(update={section: {**getattr(old, section), entry: text}}))


def _write(target: "Target", key: str, whole: Secrets) -> None:
    text = render(whole.model_dump(mode="json"), {}, [])
    disk.write(target.vault, ansible_vault.encrypt(text, key, target.office), mode=_mode(target))


def _completed(old: Secrets, office: Office, *, lab: bool) -> Secrets:
    from provisioner.inventory import keys

    return Secrets(
        people=_filled(old.people, office.people),
        renewed=old.renewed,
        console=_filled(old.console, office.hosts),
        machines=_filled(old.machines, office.hosts),
        directory=_filled(old.directory, ["administrator"]),
        tls=keys.certified(old.tls, office),
        backup=(
            keys.pair("ssh_key", f"backup of {office.name}")
            | keys.pair("keeper_key", f"keeper of the backups of {office.name}")
            | _filled(old.backup, ["password"])
        ),
        mail=_filled(old.mail, ["password"]) if lab else old.mail,
        lab=_provider(old.lab, office) if lab else {},
    )


def _provider(old: dict[str, str], office: Office) -> dict[str, str]:
    from provisioner.inventory import keys

    called = outside(office)
    # a name less changes nothing: the provider of a lab that is up goes on showing what it showed
    if set(called) <= set(old.get("names", "").split()):
        return old
    return {**keys.provider(called), "names": " ".join(called)}


def _filled(entries: Mapping[str, str], wanted: Iterable[str]) -> dict[str, str]:
    return {**{name: password() for name in wanted if name not in entries}, **entries}


def _mode(target: "Target") -> int:
    return 0o600 if target.lab else 0o644  # an office's is cipher text in git, which knows no 0600


def _key_file(target: "Target") -> Path:
    return target.vault.with_name("vault.key")


def _next_key_file(target: "Target") -> Path:
    return target.vault.with_name("vault.key.next")


def _key(target: "Target") -> str:
    """The password of the vault: after a `rotate` that was killed, the one beside it may be the one that opens it."""
    if _next_key_file(target).exists():
        with contextlib.suppress(ansible_vault.WrongPassword, OSError, UnicodeDecodeError):
            key = _key_in(target, _next_key_file(target))
            ansible_vault.decrypt(target.vault.read_text(), key)
            return key
    return _key_in(target, _key_file(target))


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
    disk.write(_key_file(target), _wrapped(target, key), mode=_mode(target))
    return key


def _wrapped(target: "Target", key: str) -> str:
    return key + "\n" if target.lab else ansible_vault.encrypt(key + "\n", _passphrase(target), NETWORK)


def _passphrase(target: "Target") -> str:
    said = sitting.recall(target.inventory)
    if said is None:
        ready = (target.inventory / "network.key").is_file()
        raise Locked(
            f"the secrets of {target.office} are locked",
            hint="provisioner unlock" if ready else f"provisioner init {target.inventory} gives it a passphrase",
        )
    return said


def _decrypted(target: "Target", key: str) -> Secrets:
    from provisioner.inventory.files import plain

    try:
        text = ansible_vault.decrypt(target.vault.read_text(), key)
    except (ansible_vault.WrongPassword, UnicodeDecodeError):
        raise BadInput(f"{target.office}: vault.key does not open vault.yml", hint="the last version of both in git") from None
    return plain(Secrets, parse(text.encode(), f"{target.office}/vault.yml"))


@contextmanager
def _alone(target: "Target") -> Iterator[None]:
    """Let one process at a time make entries: two that read a lab at once must see the same passwords."""
    descriptor = os.open(target.state / "vault.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
