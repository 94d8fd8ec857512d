"""The verbs for people and the secrets that people know: person list, add, remove, password; secrets set."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.secrets import models, vault
from tests.verbs import BAKERY, PASSPHRASE, Run, log, status

pytestmark = pytest.mark.usefixtures("bakery")


@pytest.fixture
def bakery(run: Run, net: Path) -> Path:
    """An office of two with its vault; the dossier's path."""
    assert run("office", "new", "bakery", *BAKERY, "--person", "zoe=Zoé N'Diaye", "--person", "bob=Bob").code == 0
    return net / "offices" / "bakery" / "dossier.yml"


def secrets(net: Path) -> models.Secrets:
    return vault.read(Target(net, "bakery"))


def test_person_add_is_one_commit_with_a_first_password(run: Run, net: Path) -> None:
    """Somebody new stands in the dossier, has a password in the vault, and the next command is named."""
    said = run("person", "add", "bakery", "j.aout", "--name", "Jérôme {{ 7*7 }} d'Août", "--group", "team", "--phone", "04 00")

    assert said.code == 0, said
    assert said.out.splitlines()[-1] == "next: provisioner plan bakery"
    assert "provisioner record sheet bakery j.aout --sealed" in said.out
    person = open_inventory(net).office("bakery").people["j.aout"]
    assert (person.name, person.groups, person.phone) == ("Jérôme {{ 7*7 }} d'Août", ["team"], "04 00")
    password = secrets(net).people["j.aout"]
    assert password not in said.out + said.err
    assert log(net)[0] == "bakery: person add: j.aout"
    assert status(net) == ""
    assert run("person", "list", "bakery", "--json").data["people"]["j.aout"]["groups"] == ["team"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a" * 33, "--name", "Trop Long"), "is not a login of at most 20 characters"),
        (("root", "--name", "Root"), "'root' is a name the system uses itself"),
        (("../etc", "--name", "X"), "is not a login"),
        (("zoe", "--name", "Une autre"), "zoe works in bakery already: Zoé N'Diaye"),
        (("team", "--name", "Équipe"), "is the name of a group too"),
        (("jo", "--name", "Jo"), "is the login of a technician of ma-scop"),
        (("luc", "--name", " "), "people.luc.name: is empty"),
        (("luc", "--name", "Luc", "--group", "nobody"), "'nobody' is not a group of this office"),
        (("luc",), "nobody is there to answer"),
    ],
)
def test_person_add_refuses(words: tuple[str, ...], message: str, run: Run, net: Path, bakery: Path) -> None:
    """A login of 33 characters, twice, `root`, a group nobody knows: one message, code 2, nothing changed."""
    before, entries = bakery.read_bytes(), secrets(net)

    said = run("person", "add", "bakery", *words)

    assert said.code == 2
    assert message in said.err
    assert "Traceback" not in said.err
    assert bakery.read_bytes() == before
    assert secrets(net) == entries
    assert status(net) == ""


def test_person_add_while_the_secrets_are_locked(run: Run, net: Path) -> None:
    """Without the passphrase the dossier is written, and it is said that the password comes later."""
    run("lock")

    said = run("person", "add", "bakery", "luc", "--name", "Luc", "--no-commit")

    assert said.code == 0
    assert "first password: none yet" in said.out
    assert "offices/bakery/dossier.yml" in status(net)
    assert "vault" not in status(net)
    assert "luc" in open_inventory(net).office("bakery").people


def test_person_remove_keeps_the_name_and_says_what_becomes_of_the_files(run: Run, net: Path) -> None:
    """Who left stands under `former:` with day and successor; their desk is nobody's; nothing is lost from the vault."""
    desk = next(name for name, host in open_inventory(net).office("bakery").hosts.items() if host.person == "zoe")

    said = run("person", "remove", "bakery", "zoe", "--successor", "bob", "--yes")

    assert said.code == 0, said
    assert "the account is closed, its files are kept and handed to bob" in said.out
    assert f"{desk} is nobody's desk" in said.out
    assert said.out.splitlines()[-1] == "next: provisioner plan bakery"
    office = open_inventory(net).office("bakery")
    assert "zoe" not in office.people
    assert (office.former["zoe"].name, office.former["zoe"].successor) == ("Zoé N'Diaye", "bob")
    assert office.former["zoe"].left
    assert office.hosts[desk].person == ""
    assert "zoe" in secrets(net).people
    assert log(net)[0] == "bakery: person remove: zoe"
    assert list(run("person", "list", "bakery", "--json").data["former"]) == ["zoe"]


def test_somebody_who_left_comes_back_with_a_new_password(run: Run, net: Path) -> None:
    """The same login works here again: out of `former:`, and the password of before is worth nothing."""
    before = secrets(net).people["zoe"]
    run("person", "remove", "bakery", "zoe", "--yes")

    said = run("person", "add", "bakery", "zoe", "--name", "Zoé N'Diaye", "--json")

    assert said.data["back"] is True
    office = open_inventory(net).office("bakery")
    assert "zoe" in office.people
    assert not office.former
    assert secrets(net).people["zoe"] != before
    assert secrets(net).renewed == {"zoe": 1}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("luc", "--yes"), "bakery has nobody with the login 'luc'"),
        (("zoe", "--yes", "--successor", "zoe"), "zoe cannot be their own successor"),
        (("zoe", "--yes", "--successor", "luc"), "the successor 'luc' does not work in bakery"),
        (("zoe",), "nobody is there to answer"),
    ],
)
def test_person_remove_refuses(words: tuple[str, ...], message: str, run: Run, bakery: Path) -> None:
    """A typing error, or no answer, removes nobody."""
    before = bakery.read_bytes()

    said = run("person", "remove", "bakery", *words)

    assert said.code == 2
    assert message in said.err
    assert bakery.read_bytes() == before


def test_who_has_the_files_of_others_needs_a_successor(run: Run, net: Path) -> None:
    """The files somebody was handed are not orphaned when they leave too; leaving twice is said."""
    run("person", "add", "bakery", "luc", "--name", "Luc")
    run("person", "remove", "bakery", "zoe", "--successor", "bob", "--yes")

    assert "bob has the files of zoe" in run("person", "remove", "bakery", "bob", "--yes").err
    assert run("person", "remove", "bakery", "bob", "--successor", "luc", "--yes").code == 0
    assert {who.successor for who in open_inventory(net).office("bakery").former.values()} == {"luc"}
    assert "zoe has left bakery already, on 2" in run("person", "remove", "bakery", "zoe", "--yes").err


def test_person_password_is_made_counted_and_shown_only_on_demand(run: Run, net: Path) -> None:
    """A new password stands in the vault and is counted, so that the next apply sets it once."""
    old = secrets(net)

    said = run("person", "password", "bakery", "zoe")

    fresh = secrets(net)
    assert (said.code, fresh.renewed) == (0, {"zoe": 1})
    assert fresh.people["zoe"] != old.people["zoe"]
    assert fresh.people["bob"] == old.people["bob"]
    assert fresh.people["zoe"] not in said.out + said.err
    assert log(net)[0] == "bakery: person password: zoe"
    shown = run("person", "password", "bakery", "zoe", "--show", "--json").data
    assert shown["password"] == secrets(net).people["zoe"]
    assert secrets(net).renewed == {"zoe": 2}
    assert run("person", "password", "bakery", "luc").code == 2
    run("lock")
    assert "locked" in run("person", "password", "bakery", "zoe").err


def test_a_lab_has_passwords_of_its_own(run: Run, net: Path) -> None:
    """A lab's new password touches neither the office's vault nor its history."""
    before, commits = secrets(net), log(net)

    assert run("person", "password", "bakery", "zoe", "--lab").out.splitlines()[-1] == "next: provisioner plan bakery --lab"

    assert secrets(net) == before
    assert log(net) == commits
    assert vault.read(Target(net, "bakery", lab=True)).renewed == {"zoe": 1}


def test_secrets_set_takes_what_only_a_person_knows(run: Run, net: Path) -> None:
    """The mail provider's password goes into the vault as it was typed, and into nothing that is said."""
    word = '{{ 7*7 }} d\'été "$(id)"'

    said = run("secrets", "set", "bakery", "mail.password", "--stdin", stdin=word + "\n")

    assert said.code == 0, said
    assert secrets(net).mail == {"password": word}
    assert word not in said.out + said.err
    assert log(net)[0] == "bakery: secrets set: mail.password"
    assert status(net) == ""
    assert word in run("secrets", "show", "bakery", "mail.password").out
    assert run("secrets", "set", "bakery", "mail.password", "--stdin", "--lab", stdin="of the lab\n").code == 0
    assert secrets(net).mail == {"password": word}


@pytest.mark.parametrize(
    ("name", "typed", "message"),
    [
        ("people.zoe", "hunter2\n", "provisioner person password OFFICE zoe"),
        ("directory.administrator", "hunter2\n", "is no secret that a person sets"),
        ("mail", "hunter2\n", "mail.password (the password of the mail provider's account)"),
        ("mail.password", "\n", "must be one line of visible characters"),
        ("mail.password", "a\u202eb\n", "must be one line of visible characters"),
    ],
)
def test_secrets_set_refuses(name: str, typed: str, message: str, run: Run, net: Path) -> None:
    """What we make ourselves is not typed in, and an empty answer replaces nothing."""
    before = secrets(net)

    said = run("secrets", "set", "bakery", name, "--stdin", stdin=typed)

    assert said.code == 2
    assert message in said.err
    assert "hunter2" not in said.err
    assert secrets(net) == before


def test_logins_are_completed(net: Path) -> None:
    """The shell completes the logins of the office that was typed before."""
    root = Path(__file__).parents[2]
    environment: dict[str, Any] = {
        **os.environ, "PYTHONPATH": str(root), "_PROVISIONER_COMPLETE": "bash_complete",
        "COMP_WORDS": "provisioner person remove bakery z", "COMP_CWORD": "4", "PROVISIONER_INVENTORY": str(net),
    }  # fmt: skip
    code = "from provisioner.cli.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert "plain,zoe" in done.stdout
    assert "bob" not in done.stdout
    assert PASSPHRASE not in done.stdout


def test_a_newcomer_gets_the_only_team_and_is_told_of_several(run: Run, net: Path) -> None:
    """With one group it is the newcomer's; with several and nobody to ask, that there is none is said, with what to do."""
    run("office", "new", "bakery", *BAKERY)
    said = run("person", "add", "bakery", "lea", "--name", "Léa")
    assert said.out.splitlines()[0] == "lea, Léa, works in bakery, in team"
    dossier = net / "offices/bakery/dossier.yml"
    dossier.write_text(dossier.read_text().replace("groups:\n  team:", "groups:\n  shop: La boutique\n  team:"))

    said = run("person", "add", "bakery", "luc", "--name", "Luc")

    assert "! in no group, so without a team's share: groups: [] of luc in the dossier takes shop, team" in said.out
    people = open_inventory(net).office("bakery").people
    assert (people["lea"].groups, people["luc"].groups) == (["team"], [])
