"""What is advised can be done: for people who left, for an office without mail, and where there is nothing to choose from."""

from pathlib import Path

import pytest

from provisioner.errors import BadInput, one_of
from provisioner.inventory import fields
from provisioner.inventory.target import Target
from tests.verbs import BAKERY, Run


def test_what_to_do_about_each_secret_can_be_done(run: Run, net: Path) -> None:
    """`rotate --list` sends nobody to a verb that would refuse: the leaver's password, the mail of an office that has none."""
    from provisioner.secrets import vault

    run("office", "new", "bakery", *BAKERY, "--person", "zoe=Zoé", "--person", "bob=Bob")
    run("person", "remove", "bakery", "bob", "--yes")
    target = Target(net, "bakery")
    vault.store(target, vault.key_of(target), vault.read(target).model_copy(update={"mail": {"password": "secret"}}))

    how = {one["secret"]: one["how"] for one in run("access", "rotate", "bakery", "--list", "--json").data["by_hand"]}

    assert how["people.zoe"] == "provisioner person password bakery zoe, unless they have chosen their own since"
    assert how["people.bob"] == "nothing: they work there no more, their account is closed by an apply"
    assert how["mail.password"].startswith("the dossier has no mail: any more")


def test_a_hosts_key_is_asked_of_the_host() -> None:
    """A wrong `backup.host_key` is not mended with one's own public key."""
    with pytest.raises(BadInput, match="is not a host's key") as refused:
        fields.validate(fields.HostKey, "backup.example ssh-ed25519 AAAA")
    assert "ssh-keyscan" in refused.value.hint


def test_nothing_to_choose_from_is_no_hint() -> None:
    """`try: one of` is followed by names, or something else is said."""
    assert one_of(["a", "b"], "make one") == "one of a, b"
    assert one_of([], "make one") == "make one"


@pytest.mark.parametrize(("lab", "words"), [(True, "cafe --lab"), (False, "cafe")])
def test_a_hint_about_a_lab_says_so(lab: bool, words: str, tmp_path: Path) -> None:
    """What was typed with --lab is advised with --lab."""
    from provisioner.errors import Missing
    from provisioner.hosts.access import explain
    from provisioner.secrets import rotation

    target = Target(tmp_path, "cafe", lab)
    with pytest.raises(Missing) as missing:
        rotation.rotate(target, None, backup_key=False)  # type: ignore[arg-type]
    assert f"secrets show {words} --complete" in missing.value.hint
    said = explain("server", "192.168.1.10", "jo", "Permission denied (publickey)", target.words)
    assert said.hint.startswith(f"provisioner adopt {words} server")
