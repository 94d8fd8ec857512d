"""The office's shares, as its people use them."""

import shlex
from pathlib import Path

import pytest
import yaml

from tests.directory.people import passwords, smb
from tests.lab.light import bring_up, light, soon
from tests.stage import Stage

pytestmark = pytest.mark.lab

NOTE = "éléphant d'à côté.txt"


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A file with a name as people give them."""
    (tmp_path / NOTE).write_text("bonjour\n")
    return tmp_path / NOTE


def put(office: Stage, login: str, share: str, note: Path) -> str:
    return smb(office, login, passwords(office)[login], share, f'lcd "{note.parent}"; put "{note.name}"')


def look(office: Stage, login: str, share: str, commands: str = "ls") -> str:
    return smb(office, login, passwords(office)[login], share, commands)


def test_all_share_one_folder(office: Stage, note: Path) -> None:
    """What one puts into the share for all, with accents in its name, another reads, changes and deletes."""
    assert "putting file" in put(office, "zoe", "commun", note)
    assert "bonjour" in look(office, "aicha", "commun", f'get "{NOTE}" -')
    assert "putting file" in put(office, "aicha", "commun", note)
    assert "NT_STATUS" not in look(office, "come", "commun", f'del "{NOTE}"')
    assert f"  {NOTE} " not in look(office, "zoe", "commun")


def test_a_groups_share_is_its_members(office: Stage, note: Path) -> None:
    """Who is in the group writes; who is not is refused."""
    assert "putting file" in put(office, "zoe", "compta", note)
    assert "ACCESS_DENIED" in look(office, "come", "compta")
    assert "NT_STATUS" not in look(office, "zoe", "compta", f'del "{NOTE}"')


def test_a_persons_share_is_theirs_alone(office: Stage, note: Path) -> None:
    """Everybody has a share that nobody else opens or sees in the list."""
    assert "putting file" in put(office, "come", "come", note)
    assert "ACCESS_DENIED" in look(office, "zoe", "come")
    listed = office.plugged("smbclient", "-L", "192.168.1.10", "-U", "zoe", stdin=passwords(office)["zoe"] + "\n").out
    assert "commun" in listed
    assert "come " not in listed
    look(office, "come", "come", f'del "{NOTE}"')


def test_nobody_without_an_account_gets_in(office: Stage) -> None:
    """A wrong password, no password, a name of the machine's own: all refused."""
    assert "LOGON_FAILURE" in smb(office, "zoe", "wrong", "commun", "ls")
    assert "NT_STATUS" in smb(office, "office-files", "", "commun", "ls")
    said = office.plugged("smbclient", "-N", "//192.168.1.10/commun", "-c", "ls")
    assert "NT_STATUS" in said.out + said.err


def test_deleted_files_wait_in_the_recycle_bin(office: Stage, note: Path) -> None:
    """Deleted twice, a file is there twice; after its days it goes, a younger one stays."""
    for _ in range(2):
        put(office, "zoe", "boutique", note)
        look(office, "zoe", "boutique", f'del "{NOTE}"')
    kept = look(office, "zoe", "boutique", "cd .corbeille; ls")
    assert kept.count(NOTE) == 2, kept

    # its age is counted from the day it was thrown away, so a file nobody touched for years is still there tomorrow
    office.on("server", "sudo find /srv/share/groups/boutique/.corbeille -type f -exec touch -d '2 years ago' {} +")
    office.on("server", "sudo systemctl start systemd-tmpfiles-clean.service")
    assert look(office, "zoe", "boutique", "cd .corbeille; ls").count(NOTE) == 2
    office.on("server", "sleep 2; sed s/30d/1s/ /etc/tmpfiles.d/office-recycle.conf | sudo tee /run/soon.conf >/dev/null")
    office.on("server", "sudo systemd-tmpfiles --clean /run/soon.conf")
    assert NOTE not in look(office, "zoe", "boutique", "cd .corbeille; ls")


def test_files_hang_on_nobodys_number(office: Stage, note: Path) -> None:
    """Everything in the shares belongs to one account of the system, whoever wrote it."""
    put(office, "zoe", "commun", note)
    assert (
        office.on(
            "server",
            "sudo find /srv/share -mindepth 2 ! -path '/srv/share/groups/*' ! -path '/srv/share/people/*' ! -user office-files",
        ).strip()
        == ""
    )
    assert (
        office.on("server", "sudo stat -c '%U %a' /srv/share/commun /srv/share/people/zoe").split() == ["office-files", "770"] * 2
    )
    look(office, "zoe", "commun", f'del "{NOTE}"')


@pytest.mark.deep
def test_files_from_another_machine_are_taken_in(own_office: Stage) -> None:
    """Restored with foreign owners, the shares' files are everybody's again after a plain apply."""
    own_office.on(
        "server",
        "sudo sh -c 'cd /srv/share/people/zoe; mkdir d; echo x > d/x; chown -R 4242:4242 .'",
    )
    assert "ACCESS_DENIED" in look(own_office, "zoe", "zoe")

    assert own_office.json("apply", "demo", "--lab", "--yes", "--host", "server", timeout_s=900).code == 0
    assert "x" in look(own_office, "zoe", "zoe", "get d\\x -")
    assert own_office.on("server", "sudo find /srv/share/people/zoe ! -user office-files").strip() == ""


def test_the_server_shows_among_the_neighbours(office: Stage) -> None:
    """Windows' and GNOME's search for servers on the LAN, sent to nobody by name, is answered."""
    # in the words that Windows uses, prefixes too: wsdd2 knows no others
    program = (
        "import socket, uuid; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(3)\n"
        "way = socket.socket(type=socket.SOCK_DGRAM); way.connect(('192.168.1.10', 9)); own = way.getsockname()[0]\n"
        "s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))\n"
        'ask = \'\'\'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:wsd="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
        'xmlns:wsdp="http://schemas.xmlsoap.org/ws/2006/02/devprof">'
        "<soap:Header><wsa:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</wsa:To>"
        "<wsa:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</wsa:Action>"
        "<wsa:MessageID>urn:uuid:%s</wsa:MessageID></soap:Header>"
        "<soap:Body><wsd:Probe><wsd:Types>wsdp:Device</wsd:Types></wsd:Probe></soap:Body></soap:Envelope>''' % uuid.uuid4()\n"
        "s.sendto(ask.encode(), ('239.255.255.250', 3702)); said, who = s.recvfrom(4096); print(who[0], said.decode())"
    )

    def answered() -> bool:
        said = office.plugged("python3", "-c", program).out
        return said.startswith("192.168.1.10 ") and "ProbeMatches" in said

    assert soon(answered, 60)  # a search is repeated, and a server that has just started is not there at once


@pytest.mark.deep
def test_a_pack_with_shares_and_no_directory_is_refused(tmp_path: Path) -> None:
    """Without a directory nobody could be told from anybody: the run stops with that sentence, before anything is shared."""
    stage = bring_up(light(tmp_path, {"server": ["file_share"]}, hosts=("router", "server")))
    try:
        said = stage.json("apply", "demo", "--lab", "--yes")
        assert said.code == 4, said
        assert "file_share without directory" in said.data["problems"]["server"]["problem"]
    finally:
        stage.run("lab", "down", "demo")


@pytest.mark.deep
def test_a_taken_name_is_not_overwritten(own_office: Stage) -> None:
    """Where the successor has something of that name already, both stay."""
    stage = own_office
    stage.on("server", "sudo -u office-files sh -c 'echo hers > /srv/share/people/zoe/come; echo his > /srv/share/people/come/x'")
    dossier = yaml.safe_load(stage.dossier.read_text())
    dossier["former"] = {"come": {"name": dossier["people"].pop("come")["name"], "successor": "zoe"}}
    stage.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False))
    stage.git("commit", "-q", "-a", "-m", "come left")
    assert stage.json("apply", "demo", "--lab", "--yes", "--host", "server", timeout_s=900).code == 0

    assert stage.on("server", "sudo sh -c 'cat /srv/share/people/zoe/come; cat /srv/share/people/zoe/come*2*/x'").split() == [
        "hers",
        "his",
    ]


# As a client of SMB sees and sends names, sign by sign; smbclient's own commands cannot say some of them.
_CLIENT = """
import sys
from samba import credentials
from samba.samba3 import libsmb_samba_internal as libsmb, param
lp = param.get_context()
lp.load("/etc/samba/smb.conf")
who = credentials.Credentials()
who.guess(lp)
who.set_username("zoe")
who.set_password(sys.stdin.readline().rstrip("\\n"))
who.set_kerberos_state(credentials.DONT_USE_KERBEROS)
share = libsmb.Conn("127.0.0.1", "commun", lp, who)
for name in sorted(one["name"] for one in share.list("ancien", mask="*") if one["name"] not in (".", "..")):
    share.savefile("ancien\\\\" + name, share.loadfile("ancien\\\\" + name) + b" et plus")
    print(ascii(name))
share.savefile("ancien\\\\neuf\\uf022 12h30.odt", b"neuf")
share.unlink("ancien\\\\Facture \\uf020n\\xb0 12\\uf020\\uf025.pdf")
"""
ON_THE_WIRE = (
    *("Devis\uf022 boulangerie.odt", "Facture \uf020n° 12\uf020\uf025.pdf", "Bilan [2025] \uf021.ods"),
    *("a\uf023b\uf024c\uf027d.txt", "back\uf026slash.txt", "Été.odt"),
)
OLD_NAMES = ("Devis: boulangerie.odt", 'Facture "n° 12"?.pdf', "Bilan [2025] *.ods", "a<b>c|d.txt", "back\\slash.txt", "Été.odt")


def test_names_that_windows_cannot_write_are_read_and_saved_by_all(office: Stage) -> None:
    """Files of an old machine with : ? * " < > | in their names: each has a name on every computer, opens and is saved there."""
    folder = "/srv/share/commun/ancien"
    quoted = " ".join(shlex.quote(f"{folder}/{name}") for name in OLD_NAMES)
    make = f'mkdir {folder}; for f in {quoted}; do printf avant > "$f"; done; chown -R office-files: {folder}'
    office.on("server", f"sudo sh -c {shlex.quote(make)}")
    try:
        line = f"printf '%s\\n' {shlex.quote(passwords(office)['zoe'])} | sudo python3 -c {shlex.quote(_CLIENT)}"
        seen = office.on("server", line).splitlines()
        assert seen == [ascii(name) for name in sorted(ON_THE_WIRE)]
        kept = office.on("server", f'sudo sh -c \'cd {folder}; for f in *; do printf "%s=%s\\n" "$f" "$(cat "$f")"; done\'')
        there = dict(one.split("=") for one in kept.splitlines())
        assert there == {name: "avant et plus" for name in OLD_NAMES if "12" not in name} | {"neuf: 12h30.odt": "neuf"}
        assert "Facture" in office.on("server", "sudo ls /srv/share/commun/.corbeille/ancien")
    finally:
        office.on("server", f"sudo rm -r {folder}; sudo rm -rf /srv/share/commun/.corbeille/ancien")
