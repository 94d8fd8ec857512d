"""The second place outlives the first: the office can only add there, and the night before comes back after the worst one."""

import json
import shlex
from collections.abc import Iterator

import pytest

from tests.backup.shop import root, run
from tests.lab.light import bring_up, inside, light, replace
from tests.stage import Stage

pytestmark = pytest.mark.lab

RESTIC = (
    "restic -r rclone:office --password-file /etc/office-backup/password"
    " -o 'rclone.program=ssh -F /etc/office-backup/ssh_config office-backup rclone'"
)
FILE = "/srv/share/commun/compta.ods"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A server whose second place is an append-only one."""
    stage = light(tmp_path_factory.mktemp("second"), {"server": ("base", "backup"), "router": ("base",)})
    stage.edit(("  user: epicerie\n", "  user: epicerie\n  append_only: true\n"))
    stage.git("commit", "-q", "-a", "-m", "append only")
    try:
        bring_up(stage)
        said = stage.json("apply", "demo", "--lab", "--yes")
        assert said.code == 0, said
        root(stage, f"mkdir -p /srv/share/commun && head -c 200000 /dev/urandom > {FILE}")
        said = run(stage)
        assert said.code == 0, said
        yield stage
    finally:
        stage.run("lab", "down", "demo")


@pytest.mark.deep
def test_the_office_reads_and_adds_and_deletes_nothing(shop: Stage) -> None:
    """With all that the server holds, its root gets a snapshot back, and can neither forget, prune, overwrite nor log in."""
    listed = shop.json("backup", "list", "demo", "--lab")
    assert listed.code == 0, listed
    (remote,) = [place for place in listed.data["places"] if place["place"] == "remote"]
    name = remote["snapshots"][0]["id"]

    assert shop.json("backup", "restore", "demo", "--lab", "--yes", "--place", "remote", "--path", FILE).code == 0
    for words in (
        f"forget {name}",
        "prune",
        f"rewrite --forget --exclude x {name}",
        "key passwd --new-password-file /etc/hostname",
    ):
        root(shop, f"{RESTIC} {words} >/dev/null 2>&1 || true")
    way = "-F /etc/office-backup/ssh_config office-backup"
    for words in ("rm -rf .", "sh -c id", "-s sftp"):
        said = root(shop, f"timeout 20 ssh {way} {words} </dev/null 2>&1 || true")
        assert "uid=" not in said
    root(shop, "echo 'rename epicerie x' | timeout 20 sftp -q -F /etc/office-backup/ssh_config -b - office-backup 2>&1 || true")
    assert root(shop, "ls /etc/office-backup").split().count("keeper_key") == 0
    assert name in root(shop, f"{RESTIC} snapshots --json --no-lock")
    root(shop, f"{RESTIC} check --read-data >/dev/null 2>&1")


@pytest.mark.deep
def test_the_night_before_comes_back_after_ransomware(shop: Stage) -> None:
    """Root on the server encrypts, deletes the disk's repository and its own memory, adds 60 fakes, tries to delete the rest;
    the keeper's maintenance runs, and so does the next night: what was there the night before comes back to the bit, on a
    machine set up anew.
    """
    kept = root(shop, f"sha256sum {FILE}").split()[0]
    before = json.loads(root(shop, f"{RESTIC} snapshots --json --no-lock"))[-1]["id"]
    root(shop, f"openssl rand 200000 > {FILE}.locked 2>/dev/null || head -c 200000 /dev/urandom > {FILE}.locked; rm {FILE}")
    root(shop, "rm -rf /srv/backup/restic /var/lib/provisioner/backup.json")
    root(shop, f"for n in $(seq 1 60); do {RESTIC} backup -q --host server --tag office"
         " --time \"$(date -d \"$n days ago\" '+%F %T')\" /etc/hostname; done")  # fmt: skip
    root(shop, f"{RESTIC} forget {before} >/dev/null 2>&1 || true; {RESTIC} prune >/dev/null 2>&1 || true")
    root(shop, "systemctl start office-backup.service || true")  # the server's own night, by a program that may be anybody's

    tidied = shop.json("backup", "prune", "demo", "--lab")
    assert tidied.code == 0, tidied
    said = shop.json("backup", "run", "demo", "--lab")
    assert said.code == 4  # the disk's repository is another: it is said
    assert "gone" in said.data["places"]["disk"]["problem"]
    replace(shop, "server")
    for words in (("adopt", "demo", "server", "--lab", "--yes", "--replace-key"), ("apply", "demo", "--lab", "--yes")):
        done = shop.json(*words, timeout_s=900)
        assert done.code == 0, done
    back = ("backup", "restore", "demo", "--lab", "--yes", "--place", "remote", "--at", before[:10], "--path", FILE)
    done = shop.json(*back)
    assert done.code == 0, done
    assert root(shop, f"sha256sum {FILE}").split()[0] == kept


@pytest.mark.deep
def test_the_keeper_forgets_what_is_too_old_and_nothing_on_the_word_of_one_clock(shop: Stage) -> None:
    """Old nights go once thirty newer days have one, and are tidied away a day later; two clocks that differ forget nothing."""
    made = f"{RESTIC} backup -q --host server /etc/hostname --time"
    root(shop, f"{made} '2020-01-01 00:00:00'; for n in $(seq 1 30); do {made} \"$(date -d \"$n days ago\" '+%F %T')\"; done")
    said = shop.json("backup", "prune", "demo", "--lab")
    assert said.code == 0, said
    assert said.data["forgotten"] == 1
    assert said.data["tidied"] is False
    state = "/srv/office-backups/epicerie/office.kept.json"
    day_ago = f"import json; p={state!r}; d=json.load(open(p)); d['forgotten'] -= 90000; json.dump(d, open(p, 'w'))"
    inside(shop, "provider", f"python3 -c {shlex.quote(day_ago)}")
    said = shop.json("backup", "prune", "demo", "--lab")
    assert said.data["tidied"] is True
    assert said.data["forgotten"] == 0
    lost = f"import json; p={state!r}; d=json.load(open(p)); d['held']['ab' * 32] = 2e9; json.dump(d, open(p, 'w'))"
    inside(shop, "provider", f"python3 -c {shlex.quote(lost)}")
    said = shop.json("backup", "prune", "demo", "--lab")
    assert said.code == 4
    assert "1 snapshots are gone that nobody forgot: nothing is forgotten" in said.data["error"]


@pytest.mark.deep
def test_a_new_password_reaches_the_append_only_place(shop: Stage) -> None:
    """After `access rotate` and an apply backups go on there, and the keeper takes the former password away."""
    root(shop, "cp /etc/office-backup/password /root/known")
    assert shop.json("access", "rotate", "demo", "--lab", "--yes").code == 0
    assert shop.json("apply", "demo", "--lab", "--yes").code == 0
    assert run(shop, "--place", "remote").code == 0
    assert root(shop, f"{RESTIC} snapshots --json --no-lock").startswith("[")

    said = shop.json("backup", "prune", "demo", "--lab", "--accept", "the test above lost one on purpose")
    assert said.code == 0, said
    known = RESTIC.replace("/etc/office-backup/password", "/root/known")
    assert "wrong password" in root(shop, f"{known} snapshots --no-lock 2>&1 || true")
    assert run(shop, "--place", "remote").code == 0
    assert "backup prune" in [one["verb"] for one in shop.json("runs", "list", "demo", "--lab").data["runs"]]


@pytest.mark.deep
def test_the_script_for_the_place_holds_no_secret_and_is_what_the_lab_has(shop: Stage) -> None:
    """What a keeper runs as root writes the very files of the lab's own place, and a shell accepts it."""
    said = shop.json("backup", "place", "demo", "--lab")
    assert said.code == 0
    script = said.data["script"]
    assert "PRIVATE" not in script
    inside(shop, "provider", f"printf %s {shlex.quote(script)} > /root/place.sh && sh -n /root/place.sh")
    keys = inside(shop, "provider", "cat /etc/office-place/epicerie.keys")
    assert keys.strip() in script
