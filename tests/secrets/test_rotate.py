"""The secrets that who left could read are made new, or listed: access rotate; killed half-way too."""

from pathlib import Path
from typing import Any

import pytest

from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.laptop import disk
from provisioner.secrets import ansible_vault, key_ring, passphrase, rotation, vault
from tests.verbs import BAKERY, PASSPHRASE, Run, log, status


def test_rotate_makes_new_what_apply_takes_over(run: Run, scop: Path) -> None:
    """Machines, directory, authority, repositories: new, under a new key; people's and mail's stay and are listed by hand."""
    target = Target(scop, "bakery")
    before, key_before = vault.read(target), (scop / "offices/bakery/vault.key").read_text()

    listed = run("access", "rotate", "bakery", "--list", "--json")
    assert vault.read(target) == before

    said = run("access", "rotate", "bakery", "--yes", "--json")

    assert said.code == 0, said
    assert listed.data["rotates"] == said.data["rotated"]
    assert listed.data["by_hand"] == said.data["by_hand"]
    after = vault.read(target)
    for section in rotation.ROTATED:
        old, new = getattr(before, section), getattr(after, section)
        assert list(old) == list(new)
        assert not [name for name in old if old[name] == new[name]], section
    assert (after.people, after.mail) == (before.people, before.mail)
    assert after.backup["password"] != before.backup["password"] == after.backup["former_1"]
    assert after.backup["ssh_key"] == before.backup["ssh_key"]
    assert (scop / "offices/bakery/vault.key").read_text() != key_before
    assert log(scop)[0] == "bakery: secrets rotated"
    assert status(scop) == ""
    by_hand = {one["secret"]: one["how"] for one in said.data["by_hand"]}
    assert {"people.zoe", "backup.ssh_key", "the inventory's passphrase"} <= set(by_hand)
    assert "mail.password" not in by_hand  # this office has no provider
    assert not set(by_hand) & set(said.data["rotated"])
    assert said.data["next"] == "provisioner apply bakery"
    texts = [text for entries in (after.people, after.console, after.machines, after.backup) for text in entries.values()]
    assert not [text for text in texts if text in said.out + said.err]


def test_the_backups_key_is_made_new_when_asked_for(run: Run, scop: Path) -> None:
    """A new pair, its public half printed to be taken to the second place."""
    before = vault.read(Target(scop, "bakery")).backup

    said = run("access", "rotate", "bakery", "--backup-key", "--yes", "--json")

    after = vault.read(Target(scop, "bakery")).backup
    assert said.code == 0, said
    assert before["ssh_key"] != after["ssh_key"]
    (how,) = [one["how"] for one in said.data["by_hand"] if one["secret"] == "backup.ssh_key"]
    assert after["ssh_key_public"] in how
    assert after["ssh_key"] not in said.out


def test_every_secret_of_the_vault_is_rotated_or_listed(run: Run, scop: Path) -> None:
    """None is forgotten: whatever the vault holds stands on one of the two lists."""
    found = vault.read(Target(scop, "bakery")).model_dump(mode="json")
    held = {f"{section}.{name}" for section, entries in found.items() if section != "renewed" for name in entries}

    said = run("access", "rotate", "bakery", "--yes", "--json")

    assert held - {"backup.ssh_key_public", "backup.keeper_key_public"} <= {
        *said.data["rotated"],
        *(one["secret"] for one in said.data["by_hand"]),
    }


def test_no_password_of_the_repositories_is_forgotten(run: Run, scop: Path) -> None:
    """Rotated twice before any machine heard of it: a repository that has the first one can still be brought to the last."""
    target = Target(scop, "bakery")
    had = [vault.read(target).backup["password"]]
    for _ in range(2):
        assert run("access", "rotate", "bakery", "--yes").code == 0
        had.append(vault.read(target).backup["password"])

    backup = vault.read(target).backup

    assert [backup["former_1"], backup["former_2"], backup["password"]] == had


@pytest.mark.parametrize("moment", ["next key written", "vault written"])
def test_a_rotation_killed_half_way_leaves_an_open_vault(
    moment: str, scop: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """At each step between the files the secrets can be read, and the same command does the rest."""
    target = Target(scop, "bakery")
    before = vault.read(target)

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    rename = Path.rename

    def cut(self: Path, to: Path) -> Path:
        if self.name == "vault.key.next":
            raise Killed
        return rename(self, to)

    with monkeypatch.context() as patch:
        if moment == "next key written":
            patch.setattr(rotation, "store", killed)
        else:
            patch.setattr(Path, "rename", cut)
        with pytest.raises(Killed):
            rotation.rotate(target, open_inventory(scop).office("bakery"))
    assert (scop / "offices/bakery/vault.key.next").exists()

    now = vault.read(target)
    assert (now == before) is (moment == "next key written")
    assert run("access", "rotate", "bakery", "--yes").code == 0
    assert vault.read(target) not in (before, now)
    assert not (scop / "offices/bakery/vault.key.next").exists()
    assert status(scop) == ""


def test_another_passphrase_opens_everything_and_the_old_one_nothing(run: Run, scop: Path) -> None:
    """One command for all offices; a weak one, the same one, a locked inventory: refused, nothing changed."""
    new = "une autre phrase, plus longue"
    for wrong in ("court", PASSPHRASE):
        assert run("access", "rotate", "--passphrase", "--passphrase-stdin", stdin=wrong + "\n").code == 2
    secrets = vault.read(Target(scop, "bakery"))
    assert status(scop) == ""

    said = run("access", "rotate", "--passphrase", "--passphrase-stdin", "--json", stdin=new + "\n")

    assert said.code == 0, said
    assert vault.read(Target(scop, "bakery")) == secrets
    run("lock")
    assert run("access", "rotate", "--passphrase", "--passphrase-stdin", stdin=new + "\n").code == 2
    assert run("unlock", "--passphrase-stdin", stdin=PASSPHRASE + "\n").code == 2
    assert run("unlock", "--passphrase-stdin", stdin=new + "\n").code == 0
    assert vault.read(Target(scop, "bakery")) == secrets
    assert status(scop) == ""
    assert new not in "".join(p.read_text(errors="replace") for p in scop.rglob("*") if p.is_file())


def test_a_new_passphrase_killed_half_way(run: Run, scop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some offices have it, some not: the same command with the same new one does the rest."""
    assert run("office", "new", "shop", *BAKERY).code == 0
    new, write = "une autre phrase, plus longue", disk.write
    written: list[Path] = []

    def killed(path: Path, *rest: Any, **more: Any) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write(path, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            passphrase.change_passphrase(scop, new)
    assert key_ring.recall(scop) == PASSPHRASE

    assert run("access", "rotate", "--passphrase", "--passphrase-stdin", stdin=new + "\n").code == 0
    for office in ("bakery", "shop"):
        assert vault.read(Target(scop, office)).console
        ansible_vault.decrypt((scop / f"offices/{office}/vault.key").read_text(), new)


def test_locked_secrets_stop_a_rotation_and_no_revocation(run: Run, scop: Path) -> None:
    """Shutting somebody out needs no secret; rotating needs the vault."""
    run("lock")

    assert run("access", "rotate", "bakery", "--yes").code == 2
    assert run("access", "revoke", "kim", "--yes").code == 0
    assert "kim" in open_inventory(scop).reseller("ma-scop").former
