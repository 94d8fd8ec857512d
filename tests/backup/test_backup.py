"""Backups on real systems: made at both places, put back to the bit, and said plainly whatever goes wrong with one of them."""

import json
import re
import shlex

import pytest

from tests.backup.shop import FILE, MEMORY, Q, listed, restore, root, run
from tests.directory.people import logs_in, refused
from tests.lab.light import kill, replace
from tests.stage import Stage

pytestmark = pytest.mark.lab


def test_both_places_hold_the_first_backup(shop: Stage) -> None:
    """One command backs up to the disk and to the account away from the office; the list says when and how much."""
    first = shop.evidence["first"]

    assert first.code == 0, first.out + first.err
    assert set(first.data["places"]) == {"disk", "remote"}
    for place, snapshots in listed(shop).items():
        assert snapshots[0]["id"].startswith(first.data["places"][place]["snapshot"])
        assert snapshots[0]["host"] == "server"
        assert int(snapshots[0]["bytes"]) > 3_000_000
    assert shop.run("runs", "check", "demo", "--lab").code == 0
    assert "backup" in [one["verb"] for one in shop.json("runs", "list", "demo", "--lab").data["runs"]]


@pytest.mark.deep
def test_the_night_comes_by_itself_and_reads_back_once_a_week(shop: Stage) -> None:
    """The timer stands, with its jitter; a week after the last check the night reads a slice of each place, then no more."""
    timer = root(shop, "systemctl show office-backup.timer -p RandomizedDelayUSec -p ActiveState -p NextElapseUSecRealtime")
    known = dict(line.split("=", 1) for line in timer.split("\n") if line)
    assert known["ActiveState"] == "active"
    assert known["RandomizedDelayUSec"] not in ("0", "")
    assert known["NextElapseUSecRealtime"]

    week_ago = "import json; p = '/var/lib/provisioner/backup.json'; d = json.load(open(p))\n"
    week_ago += "for place in d['places'].values(): place['checked'] -= 8 * 86400\njson.dump(d, open(p, 'w'))"
    root(shop, f"python3 -c {shlex.quote(week_ago)}")
    checks = []
    for _ in range(2):
        since = root(shop, "date +%s.%N").strip()
        root(shop, "systemctl start office-backup.service")
        said = root(shop, f"journalctl -q -o cat -u office-backup --since @{since}")
        checks.append([json.loads(line) for line in said.splitlines() if '"checking"' in line])
    assert {one["place"] for one in checks[0]} == {"disk", "remote"}
    assert all(re.fullmatch(r"\d+/\d+", one["subset"]) for one in checks[0])
    assert checks[1] == []


def test_secrets_are_roots_alone_and_in_no_argument(shop: Stage) -> None:
    """The repositories' password and the key lie in files of root's alone, and in no snapshot."""
    modes = root(
        shop, "cd /etc/office-backup && stat -c '%n %a %U' password ssh_key; stat -c %a /var/lib/provisioner/backup.json"
    )

    assert modes.split() == ["password", "600", "root", "ssh_key", "600", "root", "600"]
    assert restore(shop, "--path", "/etc/office-backup", "--to", "/root/secrets").code == 2


@pytest.mark.parametrize("place", ["disk", pytest.param("remote", marks=pytest.mark.deep)])
def test_a_file_comes_back_identical_to_the_bit(shop: Stage, place: str) -> None:
    """Its name full of signs, its content, owner and mode; what stood there is replaced, nothing else."""
    root(shop, f"printf 'verdorben' > {Q}; chmod 777 {Q}; touch {Q}.new")

    said = restore(shop, "--place", place, "--path", FILE, "--at", "2999-01-01")

    assert said.code == 0, said.out + said.err
    assert root(shop, f"cat {Q}; stat -c ' %a %u %g' {Q}").strip() == "premier 640 1234 4321"
    assert root(shop, f"rm {Q}.new; ls -A /var/lib/office-backup").strip() == ""


@pytest.mark.deep
def test_any_night_can_be_chosen(shop: Stage) -> None:
    """By the snapshot's name or by the time; into another folder, so that both can be looked at."""
    root(shop, f"printf 'second' > {Q}")
    assert run(shop, "--place", "disk").code == 0
    first, *_, last = listed(shop)["disk"]

    for when, text in ((first["id"][:8], "premier"), (first["at"], "premier"), (last["id"], "second"), ("", "second")):
        assert restore(shop, "--path", "/srv/share/people", "--to", "/root/then", "--at", when).code == 0
        assert root(shop, "cat /root/then/people/zoe/*.txt") == text
    root(shop, f"printf 'premier' > {Q}; rm -r /root/then")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--at", "ffffffff"], "no snapshot begins with ffffffff"),
        (["--at", "2001-01-01"], "no snapshot of 2001-01-01 or before"),
        (["--path", "/srv/share/perdu.odt"], "there is no /srv/share/perdu.odt in the snapshot"),
        (["--path", "srv/share"], "a path begins with /"),
        (["--path", "/etc"], "not replaced under a running machine"),
        (["--path", "/root/../var/lib"], "not replaced under a running machine"),
    ],
)
def test_what_is_not_there_is_one_clear_message(shop: Stage, words: list[str], said: str) -> None:
    """An unknown snapshot, a path that is not in it or must not be replaced: exit 2, nothing changed."""
    done = restore(shop, *words)

    assert done.code == 2, done.out
    assert said in done.data["error"]
    assert done.data["hint"]


@pytest.mark.deep
def test_a_snapshot_is_looked_into_before_anything_comes_back(shop: Stage) -> None:
    """What a folder held, at each place; a misspelt one is said with the folder to look into."""
    for place in ("disk", "remote"):
        top = shop.json("backup", "list", "demo", "--lab", "--place", place, "--files").data
        share = shop.json("backup", "list", "demo", "--lab", "--place", place, "--files", "/srv/share").data
        assert "/srv/share" in [one["path"] for one in top["files"]]
        assert "/srv/share/commun" in [one["path"] for one in share["files"]]
    said = restore(shop, "--path", "/srv/share/comun")
    assert said.data["hint"] == "provisioner backup list demo --lab --files /srv/share"


@pytest.mark.deep
def test_a_folder_comes_back_on_another_machine(shop: Stage) -> None:
    """Any machine of the office can take it; what it has already is never written over, a machine too small is said."""
    assert run(shop, "--place", "disk").code == 0
    there = ("--path", "/srv/share/people", "--host", "router", "--to", "/root/there")
    said = restore(shop, *there)
    assert said.code == 0, said.out + said.err
    assert said.data["items"][0]["target"] == "router:/root/there"
    name = FILE.removeprefix("/srv/share/")
    assert shop.on("router", f"sudo cat {shlex.quote('/root/there/' + name)}") == "premier"

    again = restore(shop, *there)
    assert again.code == 4
    assert "/root/there/people is there already" in again.data["error"]
    assert shop.on("router", "sudo ls -A /root/there").split() == ["people"]
    assert restore(shop, "--host", "router").code == 2

    shop.on("router", "sudo mkdir /mnt/small; sudo mount -t tmpfs -o size=1M small /mnt/small")
    small = restore(shop, "--path", "/srv/share", "--host", "router", "--to", "/mnt/small/x")
    shop.on("router", "sudo umount /mnt/small")
    assert small.code == 4
    assert "free on router" in small.data["error"]


@pytest.mark.deep
def test_a_smaller_disk_is_said_before_anything_is_written(shop: Stage) -> None:
    """Where the restored data cannot fit, nothing is touched: one message with both sizes."""
    root(shop, "mkdir -p /mnt/small && mount -t tmpfs -o size=1M small /mnt/small && touch /mnt/small/kept")
    try:
        done = restore(shop, "--path", "/srv/share", "--to", "/mnt/small")
        assert done.code == 4
        assert re.search(r"the disk is too small: 3\.\d MB are to be restored and 1\.0 MB are free", done.data["error"])
        assert root(shop, "ls -A /mnt/small").split() == ["kept"]
    finally:
        root(shop, "umount /mnt/small")


@pytest.mark.deep
def test_a_full_disk_fails_plainly_and_harms_nothing(shop: Stage) -> None:
    """No room on the second disk: the run says so and exits 4, the other place is served, and with room again all is well."""
    try:
        root(shop, "head -c 5000000 /dev/urandom > /srv/share/more; fallocate -l 2G /srv/backup/x 2>/dev/null || true")
        assert root(shop, "df --output=avail /srv/backup | tail -n 1").strip() == "0"
        done = run(shop)
        assert done.code == 4
        assert "no room is left" in done.data["places"]["disk"]["problem"]
        assert "snapshot" in done.data["places"]["remote"]
        state = json.loads(root(shop, "cat /var/lib/provisioner/backup.json"))["places"]
        assert state["disk"]["last_failure"] > state["disk"]["last_success"]
        assert "no room" in state["disk"]["cause"]
    finally:
        root(shop, "rm -f /srv/backup/x")

    assert '"place_sound"' in root(shop, "office-backup check --place disk --everything")
    assert run(shop).code == 0
    root(shop, "rm /srv/share/more")


def test_another_host_key_at_the_second_place_gets_nothing(shop: Stage) -> None:
    """Whoever stands there without the pinned key gets neither login nor data; the disk is served."""
    before = len(listed(shop)["remote"])
    root(shop, "cp /etc/office-backup/known_hosts /root/; ssh-keygen -q -t ed25519 -N '' -f /root/other; "
         "echo office-backup $(cat /root/other.pub) > /etc/office-backup/known_hosts")  # fmt: skip
    try:
        done = run(shop)
    finally:
        root(shop, "cp /root/known_hosts /etc/office-backup/known_hosts")

    assert done.code == 4
    assert "shows another host key than the pinned one; nothing was sent" in done.data["places"]["remote"]["problem"]
    assert "snapshot" in done.data["places"]["disk"]
    assert len(listed(shop)["remote"]) == before


def test_nothing_is_made_over_a_repository_that_lost_its_config(shop: Stage) -> None:
    """A damaged repository is said, not replaced by an empty one."""
    root(shop, "mv /srv/backup/restic/config /root/config")
    try:
        done = run(shop, "--place", "disk")
        assert done.code == 4
        assert "the repository is damaged (its file config is gone)" in done.data["places"]["disk"]["problem"]
        assert "config" not in root(shop, "ls /srv/backup/restic")
    finally:
        root(shop, "mv /root/config /srv/backup/restic/config")


@pytest.mark.parametrize("memory", [pytest.param("kept", marks=pytest.mark.deep), "gone"])
def test_a_repository_that_vanished_is_red_until_a_person_says_why(shop: Stage, memory: str) -> None:
    """Root deletes it, the server's own memory too: no new one is made in its place, on neither side, night after night."""
    root(shop, f"mv /srv/backup/restic /root/restic; cp {MEMORY} /root/memory")
    root(shop, f"rm {MEMORY}" if memory == "gone" else "true")
    try:
        for _ in range(2):
            done = run(shop, "--place", "disk")
            assert done.code == 4, done
            assert "gone" in done.data["places"]["disk"]["problem"]
            assert "provisioner backup accept" in done.data["places"]["disk"]["problem"]
        said = shop.json("backup", "list", "demo", "--lab", "--place", "disk")
        assert said.code == 4
        assert "gone" in said.data["places"][0]["problem"]
        assert root(shop, "ls /srv/backup").split() == ["lost+found"] or "restic" not in root(shop, "ls /srv/backup")
        if memory == "kept":
            root(shop, "systemctl start office-backup.service || true")
            assert root(shop, "systemctl is-failed office-backup.service || true").strip() == "failed"
            assert "restic" not in root(shop, "ls /srv/backup")
    finally:
        root(shop, f"rm -rf /srv/backup/restic; mv /root/restic /srv/backup/restic; mv /root/memory {MEMORY}")
    assert run(shop, "--place", "disk").code == 0


@pytest.mark.deep
def test_whoever_goes_away_stops_a_restore_and_nothing_is_half_done(shop: Stage) -> None:
    """The laptop's end is the restore's end: the server goes back to what it was, and is free for the next one."""
    slow = '#!/bin/sh\ncase $* in *--verify*) sleep 30;; esac\nexec restic.real "$@"\n'
    root(
        shop,
        f"mv /usr/bin/restic /usr/bin/restic.real; printf %s {shlex.quote(slow)} > /usr/bin/restic; chmod 755 /usr/bin/restic",
    )
    try:
        going = shop.start("backup", "restore", "demo", "--lab", "--yes", "--path", FILE)
        assert going.stderr
        next(line for line in going.stderr if "Read " in line)
        kill(going)
        root(shop, "for n in $(seq 100); do pgrep -f 'office-backup [-]-attached' >/dev/null || exit 0; sleep 0.1; done; exit 1")
    finally:
        root(shop, "mv /usr/bin/restic.real /usr/bin/restic")
    assert root(shop, "ls -A /var/lib/office-backup").strip() == ""
    assert root(shop, f"cat {Q}") == "premier"
    assert restore(shop, "--path", FILE).code == 0


@pytest.mark.deep
def test_a_lost_server_is_rebuilt_from_the_place_away_from_the_office(own_office: Stage) -> None:
    """Burnt, its second disk too: a blank machine, adopt, apply, backup restore. The same domain, everybody's own password,
    every file; the desktop, which nobody joined again, lets them in. Slow: some minutes.
    """
    stage = own_office
    first = stage.json("secrets", "show", "demo", "zoe", "--lab").data["people"]["zoe"]
    own = "Mon-mot-de-passe-7"
    root(stage, f"printf '%s\\n%s\\n' {own} {own} | samba-tool user setpassword zoe")
    zoe = ("smbclient", "//192.168.1.10/zoe", "-U", f"EPICERIE\\zoe%{own}", "-c")
    assert stage.plugged(*zoe, "put /etc/os-release gardé.txt").code == 0
    domain = root(stage, "net getdomainsid")
    uid = stage.on("desktop", "id -u zoe")
    said = run(stage)
    assert said.code == 0, said

    replace(stage, "server")
    assert stage.json("backup", "list", "demo", "--lab").code == 7  # another host key: nothing is sent to it
    for words in (
        ("adopt", "demo", "server", "--lab", "--yes", "--replace-key"),
        ("apply", "demo", "--lab", "--yes"),
        ("backup", "restore", "demo", "--lab", "--yes"),
        ("apply", "demo", "--lab", "--yes"),
    ):
        done = stage.json(*words, timeout_s=1500)
        assert done.code == 0, (words, done.out, done.err)
        stage.evidence[" ".join(words[:2])] = done

    assert stage.evidence["backup restore"].data["snapshot"]["place"] == "remote"
    assert stage.evidence["apply demo"].data["hosts"]["server"]["changed"] == 0  # every service runs as it did
    assert root(stage, "net getdomainsid") == domain
    assert "gardé.txt" in stage.plugged(*zoe, "ls").out
    # at the desk, by Kerberos: NTLM takes the former password for an hour more (smb.conf, old password allowed period)
    assert logs_in(stage, "zoe", own)
    assert refused(stage, "zoe", first)
    assert stage.on("desktop", "sudo sss_cache -E; id -u zoe") == uid
    gone = run(stage)  # the second disk burnt too, and a new one must not hide that
    assert gone.code == 4
    assert "snapshots are gone that were there" in gone.data["places"]["disk"]["problem"]
    assert "snapshot" in gone.data["places"]["remote"]
    assert stage.json("backup", "accept", "demo", "--lab", "--place", "disk", "--why", "it burnt with the server").code == 0
    assert run(stage).code == 0
    assert stage.json("apply", "demo", "--lab", "--yes").data["status"] == "unchanged"
    verified = stage.json("verify", "demo", "--lab")
    assert verified.code == 0, [f for f in verified.data["findings"] if f["level"] != "ok"]
