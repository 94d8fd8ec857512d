"""One account for everything: the office's directory, from its people's desks."""

import base64
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from provisioner import lab
from tests import applied
from tests.directory.people import asked, changes_password, logs_in, passwords, refused, smb
from tests.lab.light import kill, soon
from tests.stage import Stage

pytestmark = pytest.mark.lab

NAME = 'L\'Été {{ 7*7 }} "x" \u202eà côté'
CHANGED = "Ma-propre-clef-7"


def on_server(stage: Stage, program: str) -> str:
    """What a Python program printed, run as root on the server."""
    return stage.on("server", f"sudo python3 -c {shlex.quote(program)}")


def attribute(stage: Stage, account: str, name: str) -> list[str]:
    """What the directory has of an account."""
    program = (
        "import json; from samba.auth import system_session; from samba.param import LoadParm; from samba.samdb import SamDB\n"
        "lp = LoadParm(); lp.load('/etc/samba/smb.conf'); db = SamDB(session_info=system_session(), lp=lp)\n"
        f"found = db.search(db.domain_dn(), expression={f'(sAMAccountName={account})'!r}, attrs=[{name!r}])\n"
        f"print(json.dumps([bytes(v).decode() for v in found[0].get({name!r}, [])] if len(found) else ['no such account']))"
    )
    return [str(value) for value in json.loads(on_server(stage, program))]


def enabled(stage: Stage, login: str) -> bool:
    """Whether the account is open."""
    return not int(attribute(stage, login, "userAccountControl")[0]) & 2


@pytest.mark.deep
def test_people_log_in_at_the_desk_with_their_first_password(office: Stage) -> None:
    """Everybody of the office gets in with their own password, and has a home that nobody else reads."""
    for login, password in passwords(office).items():
        assert logs_in(office, login, password), login
        assert office.on("desktop", f"stat -c '%U %a' /home/{login}").split() == [login, "700"]


def test_the_directory_comes_up_while_an_address_is_still_tried_out(office: Stage) -> None:
    """Samba ends where it cannot bind an address of the machine's: it is tried again until it can, and answers again."""
    kernel = "/proc/sys/net/ipv6/conf/eth0/dad_transmits"
    tried_out = f"echo 8 > {kernel}; ip address add fd00:5::a/64 dev eth0; echo 1 > {kernel}; ip address show tentative"
    assert "fd00:5::a" in office.on("server", f"sudo sh -c '{tried_out}'")
    try:
        office.on("server", "sudo systemctl restart samba-ad-dc || true")
        asks = "sudo kinit -k 'DESKTOP$' -c /run/seen && echo seen || true"
        assert soon(lambda: "seen" in office.on("desktop", asks), 60)
        assert int(office.on("server", "systemctl show samba-ad-dc --property NRestarts --value")) >= 1
    finally:
        office.on("server", "sudo ip address del fd00:5::a/64 dev eth0")


@pytest.mark.deep
def test_a_wrong_password_opens_nothing(office: Stage) -> None:
    """Neither somebody else's password nor a wrong one lets anybody in."""
    known = passwords(office)

    assert refused(office, "zoe", known["come"])
    assert refused(office, "zoe", "Zoe-2026-zoe")


@pytest.mark.deep
def test_a_password_too_short_or_the_same_again_is_not_taken(office: Stage) -> None:
    """The office's rule holds for whoever changes theirs; what they had stays."""
    known = passwords(office)["zoe"]
    assert logs_in(office, "zoe", known)
    for new in ("Court-7", known):
        given = " ".join(shlex.quote(word) for word in (known, new, new))
        said = office.on("desktop", f"printf '%s\\n' {given} | sudo -u zoe passwd 2>&1 && echo taken || true")
        assert "taken" not in said, said
    assert logs_in(office, "zoe", known)


def test_the_directory_alone_knows_the_people(office: Stage) -> None:
    """No machine has a local account of a person or a local group of the office."""
    for host in ("server", "desktop", "router"):
        there = office.on(host, "cut -d: -f1 /etc/passwd /etc/group").split()
        assert not {"zoe", "come", "aicha", "office", "boutique", "compta"} & set(there), host


def test_names_and_groups_are_the_dossiers(office: Stage) -> None:
    """A desktop shows people's names as the dossier writes them, and their groups."""
    assert office.on("desktop", "getent passwd zoe").split(":")[4] == "Zoé N'Diaye"
    assert set(office.on("desktop", "id -nG come").split()) - {"domain", "users"} == {"office", "boutique"}
    assert attribute(office, "compta", "description") == ["Comptabilité"]


def test_the_server_answers_for_the_offices_names(office: Stage) -> None:
    """Hosts, printers, services, and what a Windows PC asks before it joins; the world's names go to the router."""
    asks = {
        "desktop.epicerie.internal A": "192.168.1.20",
        "bureau.epicerie.internal A": "192.168.1.30",
        "calendar.epicerie.internal A": "192.168.1.10",
        "_ldap._tcp.dc._msdcs.epicerie.internal SRV": "0 100 389 server.epicerie.internal.",
        "_kerberos._udp.epicerie.internal SRV": "0 100 88 server.epicerie.internal.",
        "_gc._tcp.epicerie.internal SRV": "0 100 3268 server.epicerie.internal.",
    }
    program = (
        "import dns.resolver; r = dns.resolver.Resolver(configure=False); r.nameservers = ['192.168.1.10']; r.lifetime = 10\n"
        f"for ask in {list(asks)!r}: print(r.resolve(*ask.split())[0])"
    )
    assert on_server(office, program).splitlines() == list(asks.values())
    assert "dns forwarder = 192.168.1.1" in office.on("server", "sudo testparm -s 2>/dev/null")


@pytest.mark.deep
def test_the_server_gives_the_time(office: Stage) -> None:
    """A machine of the LAN asks the server for the time and is told its own."""
    program = (
        "import socket, struct, time; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(5)\n"
        "s.sendto(b'\\x1b' + bytes(47), ('192.168.1.10', 123)); got = s.recv(512)\n"
        "print(abs(struct.unpack('!I', got[40:44])[0] - 2208988800 - time.time()) < 2, got[1])"
    )
    said = office.plugged("python3", "-c", program).out.split()
    assert said[0] == "True"
    assert 0 < int(said[1]) < 16  # its stratum: it holds itself to be right


def test_ldap_shows_the_offices_certificate(office: Stage) -> None:
    """A desktop trusts the directory's LDAPS by the office's authority, by name."""
    program = (
        "import socket, ssl; c = ssl.create_default_context()\n"
        "s = c.wrap_socket(socket.create_connection(('192.168.1.10', 636), 10), server_hostname='server.epicerie.internal')\n"
        "print(dict(s.getpeercert()['subjectAltName'][:1]))"
    )
    assert "server" in office.on("desktop", f"python3 -c {shlex.quote(program)}")


def test_no_desktop_has_the_administrators_password(office: Stage) -> None:
    """What a desktop shows the directory is its own; the Administrator's password is on no disk of it."""
    secret = office.json("secrets", "show", "demo", "--lab").data["directory"]["administrator"]
    # not as an argument: sudo would write it into the journal that is searched
    pattern = base64.b64encode(secret.encode()).decode()
    search = "grep -rlaFf /run/pattern /etc /var /home /root /tmp 2>/dev/null; true"
    found = office.on("desktop", f"echo {pattern} | base64 -d | sudo tee /run/pattern >/dev/null; sudo sh -c '{search}'")

    assert found.split() == []
    assert office.on("desktop", "sudo klist -k | grep -o 'DESKTOP[$].*' | sort -u").split() == ["DESKTOP$@EPICERIE.INTERNAL"]


@pytest.mark.deep
def test_who_was_here_logs_in_while_the_server_is_off(own_office: Stage) -> None:
    """After one login a person gets in without the server, and nobody else does; with it back, everything goes on."""
    known = passwords(own_office)
    assert logs_in(own_office, "zoe", known["zoe"])
    own_office.on("server", "sudo systemctl stop samba-ad-dc")

    assert logs_in(own_office, "zoe", known["zoe"])
    assert not asked(own_office, "zoe", known["come"])
    assert not asked(own_office, "come", known["come"])
    own_office.on("server", "sudo systemctl start samba-ad-dc")
    assert soon(lambda: logs_in(own_office, "come", known["come"]), 90)


@pytest.mark.deep
def test_a_windows_pc_can_join(own_office: Stage) -> None:
    """A machine that is not in the dossier joins with the Administrator's password, and the next apply leaves it alone."""
    secret = own_office.json("secrets", "show", "demo", "--lab").data["directory"]["administrator"]
    up = lab.find(own_office.target)
    assert up
    install = f"sudo http_proxy={up.proxy} apt-get install -y -q --no-install-recommends adcli >/dev/null"
    # played by the desktop, under another name: with its own it would claim what is another machine's in the directory
    pc = "--computer-name=CAISSE --host-fqdn=caisse.epicerie.internal --host-keytab=/root/pc.keytab"
    join = f"sudo adcli join --stdin-password {pc} epicerie.internal"
    own_office.on("desktop", f"{install} && printf %s {shlex.quote(secret)} | {join}")

    own_office.on("desktop", "sudo env KRB5CCNAME=/root/pc kinit -k -t /root/pc.keytab 'CAISSE$'")
    assert own_office.json("apply", "demo", "--lab", "--yes").data["status"] == "unchanged"
    own_office.on("desktop", "sudo env KRB5CCNAME=/root/pc kinit -k -t /root/pc.keytab 'CAISSE$'")


# ------------------------------------------------------------------------------------------- the dossier changes


@dataclass
class Later:
    """The office a while later: what was in the vault before, and after."""

    stage: Stage
    first: dict[str, str]
    now: dict[str, str]


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory, applied_name: str) -> Iterator[Later]:
    """Zoé changed her password, Aïcha forgot hers, Côme left to Zoé, somebody new has a difficult name; then one apply."""
    with applied.office(tmp_path_factory.mktemp("later"), applied_name) as stage:
        first = passwords(stage)
        assert changes_password(stage, "zoe", first["zoe"], CHANGED)
        note = stage.home / "à côté.txt"
        note.write_text("de Côme\n")
        assert "putting file" in smb(stage, "come", first["come"], "come", f'lcd "{note.parent}"; put "{note.name}"')
        for words in (
            ("person", "password", "demo", "aicha", "--lab"),
            ("person", "remove", "demo", "come", "--successor", "zoe", "--yes"),
        ):
            said = stage.run(*words)
            assert said.code == 0, said
        dossier = yaml.safe_load(stage.dossier.read_text())
        dossier["people"]["ete"] = {"name": NAME, "groups": ["compta"]}
        stage.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False))
        stage.git("commit", "-q", "-a", "-m", "somebody new")
        stage.evidence["later"] = stage.json("apply", "demo", "--lab", "--yes", timeout_s=1200)
        assert stage.evidence["later"].code == 0, stage.evidence["later"]
        yield Later(stage, first, passwords(stage))


def test_a_password_somebody_chose_stays(later: Later) -> None:
    """An apply never resets what a person changed their password to."""
    assert logs_in(later.stage, "zoe", CHANGED)
    assert refused(later.stage, "zoe", later.first["zoe"])


@pytest.mark.deep
def test_a_renewed_password_is_set_once(later: Later) -> None:
    """Who forgot theirs gets the new one at the next apply; what they change it to afterwards stays."""
    stage = later.stage
    assert later.now["aicha"] != later.first["aicha"]
    assert refused(stage, "aicha", later.first["aicha"])
    assert changes_password(stage, "aicha", later.now["aicha"], CHANGED)

    assert stage.json("apply", "demo", "--lab", "--yes").data["status"] == "unchanged"
    assert logs_in(stage, "aicha", CHANGED)


def test_any_name_arrives_byte_for_byte(later: Later) -> None:
    """Quotes, braces, accents, an invisible sign: the name is the dossier's very text, and its person works here."""
    assert attribute(later.stage, "ete", "displayName") == [NAME]
    assert logs_in(later.stage, "ete", later.now["ete"])
    assert later.stage.on("desktop", "getent passwd ete").split(":")[4] == NAME
    assert set(later.stage.on("desktop", "id -nG ete").split()) - {"domain", "users"} == {"office", "compta"}


def test_who_left_is_shut_out_and_kept(later: Later) -> None:
    """A former person's account is disabled and in no group, never deleted."""
    stage = later.stage

    assert not enabled(stage, "come")
    assert refused(stage, "come", later.first["come"])
    assert attribute(stage, "come", "memberOf") == []
    assert "come" not in stage.on("desktop", "sudo sss_cache -E; getent group office boutique")


def test_the_files_of_who_left_are_their_successors(later: Later) -> None:
    """The successor finds them, with their names, in a folder of their former owner's login."""
    said = smb(later.stage, "zoe", CHANGED, "zoe", 'cd come; ls; get "à côté.txt" -')
    assert "de Côme" in said
    assert "tree connect failed" in smb(later.stage, "zoe", CHANGED, "come", "ls")


@pytest.mark.deep
def test_somebody_who_comes_back_is_let_in_again(later: Later) -> None:
    """The same account, open again, with a share of its own; nothing of the successor's is touched."""
    stage = later.stage
    dossier = yaml.safe_load(stage.dossier.read_text())
    del dossier["former"]
    dossier["people"]["come"] = {"name": "Côme Lévêque", "groups": ["boutique"]}
    stage.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False))
    stage.git("commit", "-q", "-a", "-m", "back")
    assert stage.json("apply", "demo", "--lab", "--yes", timeout_s=1200).code == 0

    assert enabled(stage, "come")
    assert "blocks" in smb(stage, "come", later.first["come"], "come", "ls")
    assert "à côté.txt" in smb(stage, "zoe", CHANGED, "zoe", "cd come; ls")


# ------------------------------------------------------------------------------------------- bad days


@pytest.mark.deep
def test_a_founding_cut_short_is_started_over(blank: Stage) -> None:
    """Killed while the directory is founded, a plain re-run founds it, and the people are in it."""
    pack = blank.inventory / "packs/standard-2026.1.yml"
    roles = yaml.safe_load(pack.read_text())
    roles["kinds"]["server"] = {name: roles["kinds"]["server"][name] for name in ("base", "directory", "file_share")}
    pack.write_text(yaml.safe_dump(roles, allow_unicode=True, sort_keys=False))
    blank.git("commit", "-q", "-a", "-m", "a light pack")
    assert blank.json("adopt", "demo", "--lab", "--yes").code == 0
    running = blank.start("apply", "demo", "--lab", "--yes")
    ready = "sudo test -e /var/lib/provisioner/directory-begun && sudo test -e /var/lib/samba/private/sam.ldb && echo yes || true"
    # meanwhile the server moves to the dossier's address: a question that falls into that moment has no answer
    assert soon(lambda: "yes" in blank.json("ssh", "demo", "server", "--lab", "--", ready).out, 300)
    kill(running)
    # the brackets keep the line that asks from being found itself
    blank.on("server", "for pid in $(pgrep -f '[A]nsiballZ_directory'); do sudo kill -9 $pid; done")
    assert "directory-begun" in blank.on("server", "sudo ls /var/lib/provisioner")

    again = blank.json("apply", "demo", "--lab", "--yes", timeout_s=900)
    assert again.code == 0, again
    assert enabled(blank, "zoe")
    assert "blocks" in smb(blank, "zoe", passwords(blank)["zoe"], "commun", "ls")
    assert blank.json("apply", "demo", "--lab", "--yes").data["status"] == "unchanged"


@pytest.mark.deep
def test_the_directory_of_yesterday_is_brought_up_to_date(own_office: Stage) -> None:
    """Restored from yesterday, a plain apply makes again what was made since, and sets a password renewed since."""
    stage = own_office
    keep = (
        "sudo systemctl stop samba-ad-dc && sudo cp -a /var/lib/samba/private /root/yesterday && sudo systemctl start samba-ad-dc"
    )
    stage.on("server", keep)
    assert stage.run("person", "password", "demo", "aicha", "--lab").code == 0
    dossier = yaml.safe_load(stage.dossier.read_text())
    dossier["people"]["ete"] = {"name": NAME, "groups": ["compta"]}
    stage.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False))
    stage.git("commit", "-q", "-a", "-m", "somebody new")
    assert stage.json("apply", "demo", "--lab", "--yes", timeout_s=1200).code == 0
    known = passwords(stage)
    assert logs_in(stage, "ete", known["ete"])
    restore = "rm -r /var/lib/samba/private && mv /root/yesterday /var/lib/samba/private"
    stage.on("server", f"sudo sh -c 'systemctl stop samba-ad-dc && {restore} && systemctl start samba-ad-dc'")
    assert attribute(stage, "ete", "displayName") == ["no such account"]

    assert stage.json("apply", "demo", "--lab", "--yes", timeout_s=1200).code == 0
    assert logs_in(stage, "ete", known["ete"])
    assert logs_in(stage, "aicha", known["aicha"])


@pytest.mark.deep
def test_local_accounts_give_way_and_homes_stay(own_office: Stage) -> None:
    """Where people had local accounts before, their homes are theirs still, under the directory's account."""
    stage = own_office
    stage.on("desktop", "sudo systemctl stop sssd; sudo rm -rf /home/zoe; sudo useradd -m zoe; sudo groupadd office")
    stage.on("desktop", "echo bonjour | sudo -u zoe tee /home/zoe/lettre >/dev/null; sudo usermod -aG office zoe")
    assert stage.json("apply", "demo", "--lab", "--yes", "--host", "desktop").code == 0

    known = passwords(stage)
    assert "zoe" not in stage.on("desktop", "cut -d: -f1 /etc/passwd").split()
    assert logs_in(stage, "zoe", known["zoe"])
    assert stage.on("desktop", "sudo stat -c %U /home/zoe /home/zoe/lettre").split() == ["zoe", "zoe"]
    assert stage.on("desktop", "sudo cat /home/zoe/lettre").strip() == "bonjour"
