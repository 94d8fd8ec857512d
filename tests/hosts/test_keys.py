"""Keys as people have them: each works, or gets one sentence with the command that mends it."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import BadInput, Missing
from provisioner.hosts import keys
from provisioner.hosts.first_contact import private
from provisioner.inventory.target import Target
from tests import network


def made(folder: Path, *words: str, name: str = "id_ed25519", passphrase: str = "") -> tuple[Path, str]:
    """A key pair; its private half and its public line."""
    key = folder / name
    subprocess.run(["ssh-keygen", "-q", "-N", passphrase, "-C", "jo", "-f", str(key), *(words or ("-t", "ed25519"))], check=True)
    return key, (folder / f"{name}.pub").read_text().strip()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A technician's ~/.ssh, and an inventory beside it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir(mode=0o700)
    network.empty(tmp_path / "net", history=True)
    return tmp_path / ".ssh"


@pytest.fixture
def agent(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An agent with eight keys of others in it, for whoever is at `home`."""
    assert home.is_dir()
    folder = tempfile.TemporaryDirectory(dir="/tmp")
    socket = Path(folder.name) / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as running:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        while not socket.exists():
            pass
        for n in range(8):
            subprocess.run(["ssh-add", "-q", str(made(tmp_path, name=f"other-{n}")[0])], check=True)
        yield
        running.terminate()
    folder.cleanup()


def target(home: Path) -> Target:
    return Target(home.parent / "net", "cafe")


@pytest.mark.parametrize("words", [("-t", "ed25519"), ("-t", "rsa", "-b", "2048"), ("-t", "ecdsa", "-b", "521")], ids=" ".join)
@pytest.mark.parametrize("form", [(), ("-m", "PEM")], ids=["own form", "PEM"])
def test_either_half_names_a_key(words: tuple[str, ...], form: tuple[str, ...], home: Path) -> None:
    """Given by its .pub or by its private half, with a .pub beside it or without: it is the same key, and it works."""
    key, line = made(home, *words, *form, name="work.key")

    assert keys.public_key(key) == keys.public_key(home / "work.key.pub") == line
    subprocess.run(["git", "-C", str(home.parent / "net"), "config", "provisioner.key", f"{key}.pub"], check=True)
    assert keys.technician_key(target(home)) == key
    assert private(home / "work.key.pub").get_base64() == line.split()[1]
    (home / "work.key.pub").unlink()
    assert keys.public_key(key).split()[:2] == line.split()[:2]


@pytest.mark.usefixtures("agent")
def test_a_key_with_a_passphrase(home: Path) -> None:
    """Its public half is known without a .pub; to log in an agent must hold it, and of many keys there only that one is used."""
    key, line = made(home, passphrase="a passphrase")
    (home / "id_ed25519.pub").unlink()

    assert keys.public_key(key).split()[:2] == line.split()[:2]
    with pytest.raises(BadInput, match="has a passphrase, and no agent holds it open") as refused:
        keys.technician_key(target(home))
    assert refused.value.hint == f"ssh-add {key}"
    ask = home / "ask"
    ask.write_text("#!/bin/sh\necho a passphrase\n")
    ask.chmod(0o700)
    environment = os.environ | {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(["ssh-add", "-q", str(key)], check=True, env=environment, stdin=subprocess.DEVNULL)
    assert keys.technician_key(target(home)) == key
    assert private(key).get_base64() == line.split()[1]


def test_an_old_key_with_a_passphrase_and_no_pub(home: Path) -> None:
    """What hides its public half is told how to show it."""
    key, _ = made(home, "-t", "rsa", "-m", "PEM", name="id_rsa", passphrase="a passphrase")
    (home / "id_rsa.pub").unlink()

    with pytest.raises(BadInput, match=r"has a passphrase, and no id_rsa\.pub beside it") as refused:
        keys.public_key(key)
    assert refused.value.hint == f"ssh-keygen -y -f {key} > {key}.pub"


def test_a_key_that_others_may_read(home: Path) -> None:
    """ssh refuses it: so do we, before anything is tried."""
    key, _ = made(home)
    key.chmod(0o644)

    with pytest.raises(BadInput, match="others may read it") as refused:
        keys.technician_key(target(home))
    assert refused.value.hint == f"chmod 600 {key}"


@pytest.mark.usefixtures("agent")
def test_a_key_whose_other_half_is_in_the_agent(home: Path, tmp_path: Path) -> None:
    """The .pub alone is enough when an agent, as of a token, has the rest."""
    line = (tmp_path / "other-5.pub").read_text()
    (home / "id_ed25519.pub").write_text(line)
    assert keys.technician_key(target(home)) == home / "id_ed25519"
    assert private(home / "id_ed25519").get_base64() == line.split()[1]

    made(tmp_path, name="elsewhere")
    (home / "id_ed25519.pub").write_text((tmp_path / "elsewhere.pub").read_text())
    with pytest.raises(BadInput, match="no agent holds the key of"):
        keys.technician_key(target(home))


@pytest.mark.parametrize("text", ["", "nonsense", "ssh-dss AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "\x00\xff"])
def test_what_is_no_key(text: str, home: Path) -> None:
    """A file that is no key gets one sentence."""
    for name in ("id_ed25519", "id_ed25519.pub"):
        file = home / name
        file.write_text(text, encoding="latin-1")
        file.chmod(0o600)
        with pytest.raises(BadInput):
            keys.public_key(home / "id_ed25519")


def test_no_key_at_all(home: Path) -> None:
    """The hint is the verb that finds or makes one."""
    with pytest.raises(Missing) as missing:
        keys.technician_key(target(home))
    assert "provisioner init" in missing.value.hint


def test_doctor_and_adopt_look_at_the_key(home: Path) -> None:
    """A missing key, one that is not in the reseller's file: the doctor says so, and `adopt` refuses before it meets anybody."""
    from provisioner import doctor
    from provisioner.hosts.access import SshAccess
    from provisioner.inventory import open_inventory
    from provisioner.operation.selection import refuse_lockout

    root = home.parent / "net"
    for word, said in (("technician", "n.petit"), ("reseller", "scop-lumiere")):
        subprocess.run(["git", "-C", str(root), "config", f"provisioner.{word}", said], check=True)

    def lacking() -> list[tuple[str, str]]:
        return [(lack.what, lack.advice) for lack in doctor.diagnose(3, root).selection if "key" in lack.what]

    assert lacking() == [("an SSH key", f"provisioner init {root}")]
    key, line = made(home)
    assert lacking() == [("your SSH key in the network", f"provisioner init {root} --key {key}")]
    reseller = open_inventory(root).reseller("scop-lumiere")
    with pytest.raises(BadInput, match=r"is none of n\.petit's in resellers/scop-lumiere\.yml"):
        refuse_lockout(SshAccess(target(home), "n.petit", key), reseller)
    from provisioner.inventory.technicians import add_key

    add_key(open_inventory(root), "scop-lumiere", "n.petit", line)
    assert lacking() == []
    refuse_lockout(SshAccess(target(home), "n.petit", key), open_inventory(root).reseller("scop-lumiere"))
    key.chmod(0o644)
    assert lacking() == [("an SSH key that works", f"chmod 600 {key}")]
