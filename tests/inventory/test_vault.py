"""Secrets: in no file in clear, open for one sitting, readable by stock Ansible."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import BadInput, Locked, Missing
from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.laptop import disk
from provisioner.secrets import ansible_vault, key_ring, models, passphrase, vault
from tests import network

PASSPHRASE = "une phrase à deux accents, é et è"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A network with the office demo and a passphrase, locked; nothing stays in the kernel's keyring."""
    root = network.with_office(tmp_path / "net")
    passphrase.create(root, PASSPHRASE)
    yield root
    passphrase.lock(root)


@pytest.fixture
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose kernel refuses the keyring, as containers do."""
    monkeypatch.setattr(key_ring, "_CALLS", {})


def made(root: Path) -> models.Secrets:
    passphrase.unlock(root, PASSPHRASE)
    return vault.create(Target(root, "demo"), open_inventory(root).office("demo"))


def test_secrets_of_an_office(root: Path) -> None:
    """Each person and each host gets a password of its own, read again as written."""
    secrets = made(root)

    assert list(secrets.people) == ["zoe", "come", "aicha"]
    assert list(secrets.console) == ["router", "server", "desktop"]
    words = [*secrets.people.values(), *secrets.console.values()]
    assert len(set(words)) == 6
    assert all(len(word) == 19 and word != word.lower() and any(map(str.isdigit, word)) for word in words)
    assert vault.read(Target(root, "demo")) == secrets


def test_stock_ansible_vault_reads_it(root: Path, tmp_path: Path) -> None:
    """`ansible-vault view --vault-id` opens the office's key with the passphrase, and the vault with the key."""
    secrets = made(root)
    folder = root / "offices" / "demo"

    def view(vault_id: str, password: str, file: Path) -> str:
        kept = tmp_path / "password"
        kept.write_text(password)
        words = [str(Path(sys.executable).with_name("ansible-vault")), "view", "--vault-id", f"{vault_id}@{kept}", str(file)]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    key = view("network", PASSPHRASE, folder / "vault.key").strip()
    text = view("demo", key, folder / "vault.yml")

    assert (folder / "vault.yml").read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;demo\n")
    assert all(word in text for word in secrets.people.values())


def test_stock_ansible_vault_is_read(tmp_path: Path) -> None:
    """What a technician encrypted with ansible-vault is read here."""
    (tmp_path / "password").write_text("pw")
    (tmp_path / "file").write_text("é: 1\n")
    words = [str(Path(sys.executable).with_name("ansible-vault")), "encrypt", "--vault-id", f"demo@{tmp_path}/password"]
    subprocess.run([*words, str(tmp_path / "file")], capture_output=True, check=True)

    assert ansible_vault.decrypt((tmp_path / "file").read_text(), "pw") == "é: 1\n"


def test_no_secret_in_clear_on_disk(root: Path) -> None:
    """No file of the inventory, state, cache or the sitting holds a password or the passphrase in clear."""
    secrets = made(root)
    words = [PASSPHRASE, *secrets.people.values(), *secrets.console.values()]
    folders = [root, *(Path(os.environ[name]) for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"))]

    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]

    assert any(file.name == "vault.yml" for file in files)
    assert not [file for file in files for word in words if word.encode() in file.read_bytes()]
    assert not [word for word in words if word in repr(secrets)]


def test_locked_until_unlocked_and_after_lock(root: Path) -> None:
    """Without `unlock` nothing is read or made; after `lock` neither; a wrong passphrase opens nothing."""
    target, office = Target(root, "demo"), open_inventory(root).office("demo")

    with pytest.raises(Locked):
        vault.create(target, office)
    assert sorted(file.name for file in target.folder.iterdir()) == ["dossier.yml", "website"]
    made(root)
    passphrase.lock(root)
    with pytest.raises(Locked):
        vault.read(target)
    with pytest.raises(BadInput, match="not the passphrase"):
        passphrase.unlock(root, PASSPHRASE + "x")
    assert not passphrase.unlocked(root)


def test_unlocked_for_other_processes_of_the_same_user(root: Path) -> None:
    """One `unlock` serves every command of the sitting, in another session with a keyring of its own too."""
    secrets = made(root)
    script = (
        "import sys; from pathlib import Path; from provisioner.secrets import key_ring, vault;"
        "key_ring._keyctl(1, None);"  # KEYCTL_JOIN_SESSION_KEYRING: an empty new one, as a new login has
        "from provisioner.inventory.target import Target;"
        "print(vault.read(Target(Path(sys.argv[1]), 'demo')).people['zoe'])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(root)], capture_output=True, text=True, check=True, start_new_session=True
    )

    assert done.stdout.strip() == secrets.people["zoe"]


def test_keyring_forgets_by_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel forgets the passphrase when the time is over."""
    monkeypatch.setattr(key_ring, "_SECONDS", 1)
    if key_ring.remember(root, PASSPHRASE, 1) != "kernel keyring":
        pytest.skip("no kernel keyring here")

    assert key_ring.recall(root) == PASSPHRASE
    time.sleep(1.5)
    assert key_ring.recall(root) is None


@pytest.mark.usefixtures("no_keyring")
def test_without_keyring_a_file_in_memory(root: Path) -> None:
    """Where the keyring is refused the passphrase lies in memory, for us alone, until its time is over or `lock`."""
    assert passphrase.unlock(root, PASSPHRASE) == "file in memory"
    kept = next(Path(os.environ["XDG_RUNTIME_DIR"]).rglob("unlocked-*"))

    assert kept.stat().st_mode & 0o777 == 0o600
    assert passphrase.unlocked(root)
    disk.write(kept, json.dumps(json.loads(kept.read_text()) | {"until": time.clock_gettime(time.CLOCK_BOOTTIME) - 1}))
    assert not passphrase.unlocked(root)
    assert not kept.exists()
    passphrase.unlock(root, PASSPHRASE)
    passphrase.lock(root)
    assert not kept.exists()
    kept.write_text("damaged")
    assert not passphrase.unlocked(root)


@pytest.mark.usefixtures("no_keyring")
def test_never_a_passphrase_on_a_disk(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keyring and without a folder in memory, unlock refuses."""
    if key_ring._in_memory(tmp_path):
        pytest.skip("the temporary folder is in memory here")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    with pytest.raises(BadInput, match="nowhere in memory"):
        passphrase.unlock(root, PASSPHRASE)
    assert not list(tmp_path.rglob("unlocked-*"))


def test_two_inventories_do_not_share_a_sitting(root: Path, tmp_path: Path) -> None:
    """Unlocking one network opens no other, even with the same passphrase."""
    other = network.with_office(tmp_path / "other")
    passphrase.create(other, PASSPHRASE)
    passphrase.unlock(root, PASSPHRASE)

    assert passphrase.unlocked(root)
    assert not passphrase.unlocked(other)


def test_complete_adds_and_never_changes(root: Path) -> None:
    """A new person gets a password; the others keep theirs."""
    before = made(root)
    dossier = root / "offices" / "demo" / "dossier.yml"
    dossier.write_text(dossier.read_text().replace("people:\n", "people:\n  neuf: {name: Neuf}\n"))
    target = Target(root, "demo")

    assert "neuf" not in vault.read(target).people
    after = vault.complete(target, open_inventory(root).office("demo"))

    assert after.people.pop("neuf")
    assert (after.people, after.console) == (before.people, before.console)
    first = target.vault.read_bytes()
    vault.complete(target, open_inventory(root).office("demo"))
    assert target.vault.read_bytes() == first, "nothing lacks: nothing is written"


def test_lab_makes_its_own(root: Path) -> None:
    """A lab has secrets of its own without unlock, outside the inventory, with new people's added as they come."""
    lab = Target(root, "demo", lab=True)

    secrets = vault.read(lab)

    assert list(secrets.people) == ["zoe", "come", "aicha"]
    assert vault.read(lab) == secrets
    assert not list(root.rglob("vault.*"))
    assert {file.stat().st_mode & 0o777 for file in (lab.vault, lab.vault.with_name("vault.key"))} == {0o600}
    dossier = root / "offices" / "demo" / "dossier.yml"
    dossier.write_text(dossier.read_text().replace("people:\n", "people:\n  neuf: {name: Neuf}\n"))
    assert "neuf" in vault.read(lab).people


def test_damaged_files_are_said(root: Path) -> None:
    """A vault that was cut short, changed or belongs to another office is refused in one sentence."""
    made(root)
    target = Target(root, "demo")
    good = target.vault.read_text()

    for bad in ("", "people: {}\n", good[:-100], good.replace("1", "2"), good.replace("\n", "\nzz", 1)):
        target.vault.write_text(bad)
        with pytest.raises(BadInput):
            vault.read(target)
    target.vault.write_text(good)
    target.vault.with_name("vault.key").unlink()
    with pytest.raises(Missing, match=r"vault\.key is missing"):
        vault.read(target)


def test_no_vault_no_passphrase(tmp_path: Path) -> None:
    """An office without a vault and an inventory without a passphrase say what to do."""
    root = network.with_office(tmp_path / "net")

    with pytest.raises(Missing, match="no vault yet"):
        vault.read(Target(root, "demo"))
    with pytest.raises(Missing, match="no passphrase yet"):
        passphrase.unlock(root, PASSPHRASE)
    with pytest.raises(BadInput, match="12 characters"):
        passphrase.create(root, "short")


def test_killed_write_leaves_the_old_vault(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that dies half way leaves the vault as it was."""
    made(root)
    target = Target(root, "demo")
    before = target.vault.read_bytes()
    dossier = root / "offices" / "demo" / "dossier.yml"
    dossier.write_text(dossier.read_text().replace("people:\n", "people:\n  neuf: {name: Neuf}\n"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        vault.complete(target, open_inventory(root).office("demo"))

    assert target.vault.read_bytes() == before
    assert not list(target.folder.glob(".vault*"))
