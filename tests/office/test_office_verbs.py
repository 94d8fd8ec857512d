"""The verbs for a network's files: init, office, inventory, reseller, unlock, lock, secrets."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import network
from tests.verbs import BAKERY, ME, PASSPHRASE, Run, log, status


def test_init_makes_an_inventory_of_ones_own(run: Run, net: Path) -> None:
    """`init` makes a repository with the co-op, the pack, the schemas and a passphrase, and knows who we are."""
    from provisioner.inventory import open_inventory
    from provisioner.secrets import passphrase

    assert open_inventory(net).whoami() == ("jo", "ma-scop")
    assert [member.organisation.name for member in open_inventory(net).resellers()] == ["Ma Scop"]
    assert passphrase.unlocked(net)
    assert log(net) == ["init: a new inventory"]
    assert status(net) == ""
    assert run("inventory", "check").code == 0
    assert run("init", net.parent / "net" / "offices", *ME, "--generate-passphrase").code == 2, "not empty"


def test_init_generates_a_passphrase(run: Run, tmp_path: Path) -> None:
    """A generated passphrase is printed once, and opens the inventory."""
    passphrase = run("init", "new", *ME, "--generate-passphrase", "--json").data["passphrase"]
    run("lock", "--inventory", tmp_path / "new")

    assert run("unlock", "--inventory", tmp_path / "new", "--passphrase-stdin", stdin=passphrase + "\n").code == 0
    run("lock", "--inventory", tmp_path / "new")
    assert passphrase.encode() not in b"".join(file.read_bytes() for file in (tmp_path / "new").rglob("*") if file.is_file())


def test_init_without_answers_names_every_option(run: Run, tmp_path: Path) -> None:
    """Without a terminal and answers, `init` asks nothing, ends with 2 and makes nothing."""
    said = run("init", "new", "--technician", "jo")

    assert said.code == 2
    assert "--technician-name … --reseller … --organisation …" in said.err
    assert run("init", "new", *ME).code == 2, "no passphrase"
    assert run("init", "new", *ME, "--passphrase-stdin", stdin="short\n").code == 2
    wrong = [word.replace("000953893", "000953894").replace("jo", "root") for word in ME]
    said = run("init", "new", *wrong, "--generate-passphrase")
    assert "organisation.siren" in said.err
    assert "technicians.root" in said.err
    assert "\n:" not in said.err, "there is no file yet to point at"
    assert not (tmp_path / "new").exists()


def test_init_joins_a_network(run: Run, net: Path, tmp_path: Path) -> None:
    """In a clone of the network `init` only notes who works with it, if the network knows them."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(net), str(clone)], check=True)

    assert run("init", clone, "--technician", "li", "--reseller", "ma-scop").code == 2
    assert run("init", clone, "--technician", "jo", "--reseller", "ma-scop").code == 0
    assert log(clone) == ["init: a new inventory"]
    from provisioner.inventory import open_inventory

    assert open_inventory(clone).whoami() == ("jo", "ma-scop")


def test_a_new_dossier_shows_what_can_be_said(run: Run, net: Path) -> None:
    """The commented places of a new dossier are right as they stand: printers, mail, backup, who left, another size."""
    run("office", "new", "bakery", *BAKERY, "--person", "m.durand=Maëlle D'Urand")
    dossier = net / "offices" / "bakery" / "dossier.yml"
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
    text = dossier.read_text().replace("ssh-ed25519 AAAA…", key)

    said = re.sub(r"^# ((former|printers|mail|backup|variant):| +[a-z.]+: \{)", r"\1", text, flags=re.M)
    dossier.write_text(said)

    assert run("inventory", "check").code == 0
    from provisioner.inventory import open_inventory

    office = open_inventory(net).office("bakery")
    assert (len(office.former), len(office.printers), office.variant) == (1, 1, "light")
    assert office.mail
    assert office.backup


def test_office_new_list_show_remove(run: Run, net: Path) -> None:
    """A new office passes the check, is listed and shown, holds its secrets, and goes as one commit."""
    said = run("office", "new", "bakery", *BAKERY, "--person", "m.durand=Maëlle D'Urand", "--person", "bob=Bob", "--json")

    assert (said.code, said.data["hosts"]) == (0, ["router", "server", "desktop-1", "desktop-2"])
    assert run("inventory", "check", "--json").data == {"offices": 1, "problems": []}
    (line,) = run("office", "list", "--json").data["offices"]
    assert (line["organisation"], line["hosts"], line["people"]) == ("Le Pain d'à côté", 4, 2)
    office = run("office", "show", "bakery", "--json").data
    assert office["address"]["street"] == "2, rue {{ 7*7 }}"
    assert office["hosts"]["desktop-1"]["person"] == "m.durand"
    assert office["reseller"] == "ma-scop"
    assert len(run("secrets", "show", "bakery", "--json").data["people"]["bob"]) == 19
    assert log(net)[0] == "office new: bakery"
    assert status(net) == ""
    assert run("office", "remove", "bakery").code == 2, "nobody is there to say yes"
    assert run("office", "remove", "bakery", "--yes").code == 0
    assert not (net / "offices" / "bakery").exists()
    assert log(net)[0] == "office remove: bakery"
    assert status(net) == ""


def test_office_new_takes_machines_and_leaves_the_commit(run: Run, net: Path) -> None:
    """`--host` names machines with their own MAC; `--no-commit` leaves the commit."""
    hosts = ("--host", "gw=router@02:AA:00:00:00:01", "--host", "poste=desktop@02:aa:00:00:00:02", "--network", "10.1.2.0/26")
    wrong = run("office", "new", "small", *BAKERY, *hosts, "--platform", "junos")
    assert (wrong.code, "hosts.gw.platform: 'junos' is not one of its values" in wrong.err) == (2, True), wrong
    said = run("office", "new", "small", *BAKERY, *hosts, "--platform", "openwrt", "--no-commit", "--json")

    office = run("office", "show", "small", "--json").data
    assert said.data["commit"] is None
    assert {name: host["platform"] for name, host in office["hosts"].items()} == {
        "gw": "openwrt", "poste": "debian",
    }  # fmt: skip
    assert "router (openwrt)" in run("office", "show", "small").out
    assert {name: (host["address"], host["mac"]) for name, host in office["hosts"].items()} == {
        "gw": ("10.1.2.1", "02:aa:00:00:00:01"),
        "poste": ("10.1.2.3", "02:aa:00:00:00:02"),
    }
    assert status(net) == "?? offices/small/\n"
    said = run("office", "remove", "small", "--yes")
    assert (said.code, "--force" in said.err) == (2, True), "what is in no commit is not thrown away"
    assert run("office", "remove", "small", "--yes", "--force").code == 0


def test_office_new_refuses_all_at_once_and_leaves_nothing(run: Run, net: Path) -> None:
    """Every wrong answer is named in one message, and no folder stays behind."""
    words = [word.replace("000454710", "123").replace("Le Pain d'à côté", " ") for word in BAKERY]
    said = run("office", "new", "bakery", *words, "--country", "no", "--person", "root=R", "--host", "all=server@x")

    assert said.code == 2
    for field in ("organisation.name", "organisation.siren", "address.country", "people.root", "hosts.all", "hosts.all.mac"):
        assert f"{field}: " in said.err
    assert run("office", "new", "bakery", *BAKERY, "--reseller", "nobody").code == 2
    assert run("office", "new", "bakery", *BAKERY, "--pack", "none-1").code == 2
    assert run("office", "new", "bakery", *BAKERY, "--person", "bob").code == 2
    assert run("office", "new", "bakery", *BAKERY, "--network", "8.8.8.8").code == 2
    assert run("office", "new", "bakery", *BAKERY, "--network", "10.0.0.0/29", "--desktop", "9").code == 2
    for name in ("../x", "all", "a[1:3]", "-x", "Bakery", "localhost"):
        assert run("office", "new", *BAKERY, "--", name).code == 2
    run("lock")
    assert "provisioner unlock" in run("office", "new", "bakery", *BAKERY).err
    assert sorted(path.name for path in net.rglob("*") if ".git" not in path.parts and path.is_dir()) == [
        *("offices", "packs", "resellers", "schema")
    ]
    assert status(net) == ""


def test_office_new_without_answers_names_every_option(run: Run, net: Path) -> None:
    """Without a terminal `office new` asks nothing and names the options that lack."""
    said = run("office", "new", "bakery")

    assert said.code == 2
    assert "--organisation … --legal-form … --siren … --street … --postcode … --city …" in said.err
    assert not (net / "offices" / "bakery").exists()


def test_office_new_asks_on_a_terminal(run: Run, net: Path) -> None:
    """On a terminal `office new` asks for what no option gave."""
    pexpect = pytest.importorskip("pexpect")
    words = ["-m", "provisioner.cli", "office", "new", "bakery", *BAKERY[:-6], "--pack", "standard-2026.1"]
    child = pexpect.spawn(sys.executable, words, cwd=str(net), encoding="utf-8", timeout=20)
    talk(
        child,
        *(("Its country", ""), ("Whom to call there", "Zoé"), ("phone", "04 00"), ("e-mail", "zoe@@pain"), ("e-mail", "")),
        *(("login, as|Who works there", "zoe=Zoé"), ("One more", "zoe=Zoé B"), ("said twice.*One more", "root=R")),
        *(("system uses itself.*One more", "m.durand=Maëlle"), ("One more", "")),
        *(("A router", "no"), ("Address of the box", "192.168.1.254"), ("A server", "02005E10000A"), ("How many desktops", "")),
        *(("MACs", "02-00-5E-10-00-0B"), ("Its LAN", "8.8.8.0/24"), ("not a private network.*Its LAN", "")),
        *(("Its printers", "accueil=192.168.1.150"), ("One more", "")),
        ("lies in the DHCP pool.*Which is to be corrected", "99"),
        ("none of them.*corrected", "19"),
        *(("Its printers", "accueil=192.168.1.50"), ("One more", ""), ("Right", "9"), ("Whom to call", "Zoé B."), ("Right", "y")),
    )
    child.expect("next: put the MACs of desktop-2 into the dossier")
    child.expect(pexpect.EOF)
    child.wait()
    from provisioner.inventory import open_inventory

    office = open_inventory(net).office("bakery")
    assert (list(office.people), office.organisation.contacts[0].name) == (["zoe", "m.durand"], "Zoé B.")
    assert {name: host.mac for name, host in office.hosts.items() if name != "desktop-2"} == {
        "server": "02:00:5e:10:00:0a",
        "desktop-1": "02:00:5e:10:00:0b",
    }
    assert (str(office.lan.gateway), str(office.printers["accueil"].address)) == ("192.168.1.254", "192.168.1.50")
    assert run("inventory", "check").out.endswith("0 problems\n")


def talk(child: Any, *said: tuple[str, str]) -> None:
    """Answer questions in their order."""
    for question, answer in said:
        child.expect("(?s)" + question)
        child.expect(": ?")
        child.sendline(answer)


def test_init_asks_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`init` tells its rules, asks a wrong answer again, makes a key, and shows all of it, to be corrected, before it writes."""
    pexpect = pytest.importorskip("pexpect")
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    child = pexpect.spawn(
        sys.executable, ["-m", "provisioner.cli", "init", "net"], cwd=str(tmp_path), encoding="utf-8", timeout=20
    )
    talk(
        child,
        *(("Your login", "Jo"), ("login of at most.*Your login", "jo"), ("Your name", "Jo"), ("Your phone", "04 00")),
        *(("Your e-mail", "jo@@x"), ("not a mail address.*Your e-mail", "jo@x.example"), ("Your SSH key", "nowhere")),
        *(
            ("there is no key.*Your SSH key", ""),
            ("short name", "ma-scop"),
            ("full name", "Ma Scop"),
            ("legal form", "association"),
        ),
        *(("Its country", "fr"), ("not a country.*Its country", ""), ("nine digits.*Its SIREN", ""), ("Its RNA", "W1")),
        *(
            ("not an RNA.*Its RNA", ""),
            ("street", "1 rue"),
            ("postcode", "690"),
            ("no postcode.*postcode", "69001"),
            ("city", "Lyn"),
        ),
        *(("Right", "14"), ("city", "Lyon")),
    )
    child.expect("Right.*: ")
    assert not (tmp_path / "net").exists(), "nothing is written before somebody says so"
    child.sendline("")
    child.expect("12 characters or more.*Make a strong one.*: ")
    child.sendline("n")
    for question, answer in (
        ("Passphrase: ", "short"),
        ("Passphrase: ", PASSPHRASE),
        ("more: ", "x"),
        ("not the same.*Passphrase: ", PASSPHRASE),
    ):
        child.expect("(?s)" + question)
        child.sendline(answer)
    child.expect("more: ")
    child.sendline(PASSPHRASE)
    for _ in range(2):  # ssh-keygen's own question
        child.expect("passphrase.*: ")
        child.sendline("")
    child.expect(r"(?s)your key, now in your co-op's\s+file:.*id_ed25519.*\n  SHA256:.*next:")
    child.expect(pexpect.EOF)
    child.wait()
    from provisioner.inventory import open_inventory

    jo = open_inventory(tmp_path / "net").reseller("ma-scop").technicians["jo"]
    assert (jo.phone, jo.email) == ("04 00", "jo@x.example")
    assert jo.keys == [(tmp_path / "home/.ssh/id_ed25519.pub").read_text().strip()]
    assert open_inventory(tmp_path / "net").reseller("ma-scop").organisation.address.city == "Lyon"


@pytest.mark.usefixtures("net")
def test_secrets_are_shown_when_asked_for(run: Run) -> None:
    """`secrets show` lists names; a secret is printed when named, or all with --all."""
    run("office", "new", "bakery", *BAKERY, "--person", "bob=Bob")
    words = run("secrets", "show", "bakery", "--json").data
    bob, server = words["people"]["bob"], words["console"]["server"]

    hidden = run("secrets", "show", "bakery").out
    assert "people.bob" in hidden
    assert bob not in hidden
    named = run("secrets", "show", "bakery", "bob").out
    assert bob in named
    assert server not in named
    assert server in run("secrets", "show", "bakery", "--all").out
    assert run("secrets", "show", "bakery", "console.server", "--json").data["people"] == {}
    assert run("secrets", "show", "bakery", "nobody").code == 2
    lab = run("secrets", "show", "bakery", "--lab", "--json").data
    assert lab["people"]["bob"] != bob
    run("lock")
    assert run("secrets", "show", "bakery", "bob").code == 2
    assert run("secrets", "show", "bakery", "--lab", "bob").code == 0


@pytest.mark.usefixtures("net")
def test_unlock_and_lock(run: Run) -> None:
    """`unlock` reads the passphrase from standard input; the wrong one and no terminal end with 2."""
    run("lock")

    assert run("unlock").code == 2
    assert run("unlock", "--passphrase-stdin", stdin="another one, and wrong\n").code == 2
    assert run("unlock", "--passphrase-stdin", "--json", stdin=PASSPHRASE + "\n").data["minutes"] == 480
    assert run("lock", "--json").data == {"unlocked": False}


def test_a_dossier_that_is_gone_or_shut_is_said(run: Run, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's dossier, or an office's folder without one, gets a message and exit 2, not a traceback."""
    run("office", "new", "bakery", *BAKERY)
    dossier = net / "offices/bakery/dossier.yml"
    really = Path.open

    def shut(path: Path, *words: Any, **more: Any) -> Any:  # root may open what is 0000
        if path == dossier:
            raise PermissionError(13, "Permission denied")
        return really(path, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", shut)
        said = run("office", "show", "bakery", "--json")
    assert (said.code, said.data["error"]) == (2, "offices/bakery/dossier.yml: cannot be read: Permission denied; try ls -l")
    dossier.unlink()
    said = run("office", "show", "bakery", "--json")
    assert (said.code, said.data["error"]) == (2, "office bakery has no dossier.yml")


def test_inventory_check_names_everything_wrong(run: Run, net: Path) -> None:
    """`inventory check` ends with 7 and one line per wrong entry, with file and line."""
    run("office", "new", "bakery", *BAKERY)
    dossier = net / "offices" / "bakery" / "dossier.yml"
    dossier.write_text(dossier.read_text().replace("country: FR", "country: no").replace('"01000"', "[]"))

    said = run("inventory", "check")

    assert said.code == 7
    assert said.out.count("offices/bakery/dossier.yml:") == 4
    assert {problem["line"] for problem in run("inventory", "check", "--json").data["problems"]} >= {8, 10}
    assert run("office", "show", "bakery").code == 2
    assert run("office", "remove", "bakery", "--yes", "--force").code == 0, "a wrong office can be removed"


def test_reseller_verbs(run: Run) -> None:
    """The network's members, their technicians, the offices each serves."""
    members = run("reseller", "list", "--json", "--inventory", network.EXAMPLE).data["resellers"]

    assert {member["name"]: member["offices"] for member in members} == {
        "breizh-libre": ["association-les-hirondelles"],
        "garrigue-numerique": ["mairie-saint-aubin"],
        "scop-lumiere": ["demo"],
    }
    one = run("reseller", "show", "scop-lumiere", "--json", "--inventory", network.EXAMPLE).data
    assert list(one["technicians"]) == ["c.lefevre", "n.petit"]
    assert "Céline Lefèvre" in run("reseller", "show", "scop-lumiere", "--inventory", network.EXAMPLE).out
    assert "scop-lumiere" in run("reseller", "list", "--inventory", network.EXAMPLE).out
    assert run("reseller", "show", "scop", "--inventory", network.EXAMPLE).code == 2


def test_show_makes_hidden_characters_visible(run: Run, tmp_path: Path) -> None:
    """A client's name that would colour the terminal or turn the text round is shown as what it is."""
    root = network.with_office(tmp_path / "net")
    dossier = root / "offices" / "demo" / "dossier.yml"
    dossier.write_text(dossier.read_text().replace("L'Épicerie", "\\e[31m\\u202eL'[bold]"))
    dossier.write_text(dossier.read_text().replace("name: Côme Lévêque", 'name: "\\e[31m\\u202eC"'))

    for words in (("office", "show", "demo"), ("office", "list")):
        out = run(*words, "--inventory", root).out
        assert "\\u001b[31m\\u202eL'[bold]" in out
        assert "\x1b" not in out
        assert "\u202e" not in out


def test_schema_is_printed_and_written(run: Run, tmp_path: Path) -> None:
    """`inventory schema` prints the four schemas; --write keeps an inventory's own current."""
    root = network.empty(tmp_path / "net")

    assert list(run("inventory", "schema", "--json", "--inventory", root).data) == ["dossier", "pack", "reseller", "course"]
    assert len(run("inventory", "schema", "--write", "--json", "--inventory", root).data["changed"]) == 4
    assert run("inventory", "schema", "--write", "--json", "--inventory", root).data["changed"] == []
