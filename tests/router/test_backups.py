"""What is kept of a router: given back byte for byte, and readable without a secret in it."""

from pathlib import Path

import pytest

from provisioner.errors import BadInput, Missing
from provisioner.inventory import open_inventory
from provisioner.inventory.dossier import Office
from provisioner.inventory.target import Target
from provisioner.router import backups
from provisioner.router.platforms import File
from provisioner.secrets import rotation, vault
from tests.stage import make

KEY = "k" * 40
LATIN = b"# caf\xe9\n".decode("utf-8", "surrogateescape")
FILES = {
    "/etc/dnsmasq.d/office.conf": File("domain=epicerie.internal\n"),
    "/etc/hostapd/office.conf": File("ssid2=41\nwpa_passphrase=une clé {{ 7*7 }}\n", "0600", secret=True),
    "/etc/office/firewall.nft": File(LATIN, "0755"),
    "/etc/ppp/office-secret": File('password "p"\n', "0600", secret=True),
    "/etc/systemd/network/10-office-tunnel.key": File("QUJD=\n", "0640", "systemd-network", secret=True),
}


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """An office's lab with its secrets."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = make(tmp_path / "stage").target
    vault.complete(found, office(found))
    return found


def office(target: Target) -> Office:
    """Its dossier."""
    return open_inventory(target.inventory).office(target.office)


def test_it_is_given_back_byte_for_byte(target: Target) -> None:
    """Bytes that are no UTF-8, modes and groups too; in the encrypted file nothing of it can be read."""
    assert backups.keep(target, "router", FILES)

    assert backups.kept(target, "router") == FILES
    assert backups.kept(target, "router")["/etc/office/firewall.nft"].data == b"# caf\xe9\n"
    assert "epicerie" not in backups.vault_of(target, "router").read_text()


def test_what_did_not_change_is_not_written(target: Target) -> None:
    """Encrypted again it would be other bytes each time, and git full of them."""
    backups.keep(target, "router", FILES)
    before = [path.read_bytes() for path in (backups.vault_of(target, "router"), backups.text_of(target, "router"))]

    assert not backups.keep(target, "router", dict(reversed(FILES.items())))

    assert [path.read_bytes() for path in (backups.vault_of(target, "router"), backups.text_of(target, "router"))] == before


def test_a_file_that_shows_no_secret_is_kept_once_too(target: Target) -> None:
    """OpenWrt has its secrets in files of any name: that they are not shown makes no other file of them."""
    files = {"/etc/config/network": File("config interface 'lan'\n", "0600", secret=True)}
    assert backups.keep(target, "router", files)

    assert not backups.keep(target, "router", files)


def test_the_text_has_no_secret_and_shows_that_one_changed() -> None:
    """Only marks differ where only secrets do; equal secrets have equal marks, under another key others."""
    other = {**FILES, "/etc/hostapd/office.conf": File("ssid2=41\nwpa_passphrase=une autre\n", "0600", secret=True)}
    text, changed = backups.scrubbed(FILES, [], KEY), backups.scrubbed(other, [], KEY)

    for secret in ("une clé", "une autre", 'password "p"', "QUJD"):
        assert secret not in text + changed
    (differs,) = set(text.splitlines()) - set(changed.splitlines())
    assert differs.startswith("wpa_passphrase=secret:")
    assert backups.scrubbed(FILES, [], KEY) == text
    assert backups.scrubbed(FILES, [], "x" * 40) != text


def test_a_router_s_line_shows_no_secret(target: Target) -> None:
    """RouterOS has its secrets among other words, some in quotes and with a backslash: none is in the copy to read; kept once."""
    line = r'/interface pppoe-client add name=x password="m\"d\\p de la ligne" user=u'
    files = {"office.rsc": File(f"{line}\n/interface wifi security add passphrase=geheim77 name=y\n", "0600", secret=True)}
    assert backups.keep(target, "router", files)

    text = backups.text_of(target, "router").read_text()
    assert "geheim77" not in text and "de la ligne" not in text and "user=u" in text
    assert backups.kept(target, "router") == files
    assert not backups.keep(target, "router", files)


def test_a_secret_of_the_vault_is_hidden_wherever_it_stands() -> None:
    """In a comment, in the middle of a word: whatever the vault holds is never in clear."""
    said = backups.scrubbed({"/etc/x": File("# was: hunter22!\n")}, ["hunter22", "x"], KEY)

    assert "hunter22" not in said
    assert "# was: secret:" in said


def test_new_secrets_do_not_lock_the_old_copy(target: Target) -> None:
    """After `access rotate` what was kept opens all the same, and the next copy has the new key."""
    backups.keep(target, "router", FILES)
    first = vault.read(target).router["key"]
    rotation.rotate(target, office(target))

    assert vault.read(target).router["key"] != first
    assert backups.kept(target, "router") == FILES


@pytest.mark.parametrize("text", ["", "$ANSIBLE_VAULT;1.2;AES256;demo\n00\n", "nonsense"])
def test_a_torn_copy_is_named(target: Target, text: str) -> None:
    """Somebody edited it, a merge tore it: one sentence with its name."""
    backups.keep(target, "router", FILES)
    backups.vault_of(target, "router").write_text(text)

    with pytest.raises(BadInput, match=r"router\.vault cannot be opened"):
        backups.kept(target, "router")


def test_none_kept_yet_names_the_verb(target: Target) -> None:
    """What to type."""
    with pytest.raises(Missing) as refused:
        backups.kept(target, "router")
    assert refused.value.hint == "provisioner router backup demo --lab"
