"""What lies at the places of a backup, when something there is wrong: locks, packs, clocks, disks, snapshots that went."""

import json

import pytest

from tests.backup.shop import KEYS, LOCAL, LOCKS, MEMORY, REMOTE, listed, lock, restore, root, run
from tests.lab.light import state
from tests.stage import Stage

pytestmark = [pytest.mark.lab, pytest.mark.deep]


def test_a_lock_of_a_dead_process_is_taken_away(shop: Stage) -> None:
    """A backup was killed a moment ago and its lock is fresh: the next one goes ahead, at both places."""
    for restic in (LOCAL, REMOTE):
        lock(shop, restic)
        root(shop, "kill -9 $(cat /run/restic.pid)")
    assert root(shop, LOCKS).strip() == "1"

    done = run(shop)

    assert done.code == 0, done.out
    assert root(shop, LOCKS).strip() == "0"


def test_a_lock_of_a_living_process_is_respected(shop: Stage) -> None:
    """Somebody works in the repository by hand: a snapshot is made beside them, and their lock stays."""
    lock(shop, LOCAL)
    try:
        done = run(shop, "--place", "disk")
        assert root(shop, LOCKS).strip() == "1"
        assert done.code == 0, done
    finally:
        root(shop, "kill -9 $(cat /run/restic.pid)")
    assert run(shop, "--place", "disk").code == 0


@pytest.mark.parametrize("killed", ["", "add", "remove"])
def test_who_knew_the_repositories_password_knows_nothing(shop: Stage, killed: str) -> None:
    """After `access rotate` and an apply both places open with the new password alone and hold what they held; killed, too."""
    root(shop, f"cp /etc/office-backup/password /root/known; {LOCAL} key add --new-password-file /etc/hostname")
    held = listed(shop)
    if killed:  # the program dies right after restic has done this step
        root(shop, "printf '#!/bin/sh\n/usr/bin/restic \"$@\"; code=$?\ncase \"$*\" in *\"key '" + killed + "'\"*)"
             " kill -9 $PPID;; esac; exit $code\n' > /usr/sbin/restic; chmod 755 /usr/sbin/restic")  # fmt: skip
    try:
        assert shop.json("access", "rotate", "demo", "--lab", "--yes").code == 0
        said = shop.json("apply", "demo", "--lab", "--yes")
        assert said.code == 0, said
    finally:
        root(shop, "rm -f /usr/sbin/restic")
    if killed:
        assert run(shop).code == 0

    for restic in (LOCAL, REMOTE):
        assert "wrong password" in root(
            shop, f"{restic.replace('/etc/office-backup/password', '/root/known')} {KEYS} 2>&1 || true"
        )
        assert len(json.loads(root(shop, f"{restic} {KEYS}"))) == (2 if restic == LOCAL else 1)  # a person's own key stays
    now = listed(shop)
    assert [{one["id"] for one in held[place]} <= {one["id"] for one in now[place]} for place in held] == [True, True]
    assert run(shop).code == 0
    assert shop.json("apply", "demo", "--lab", "--yes").data["status"] == "unchanged"
    own = f"{LOCAL.replace('/etc/office-backup/password', '/etc/hostname')} {KEYS}"
    (mine,) = [key["id"] for key in json.loads(root(shop, own)) if key["current"]]
    root(shop, f"{LOCAL} key remove {mine}; rm /root/known")


def test_a_damaged_pack_is_found_and_the_other_place_offered(shop: Stage) -> None:
    """A file whose data rotted is not put back half: exit 4, what stood there stays, the hint restores it from elsewhere."""
    # every 400 kB: no piece of a large file is smaller than 512 KiB but its last, whatever lies before it in the pack
    rot = "for at in $(seq 0 400000 $(stat -c %s $f)); do printf rot | dd of=$f bs=1 seek=$at conv=notrunc status=none; done"
    root(
        shop,
        "cp /srv/share/large /root/large; echo mine > /srv/share/large;"
        f"find /srv/backup/restic/data -type f -size +1M | while read f; do chmod u+w $f; {rot}; done",
    )

    assert '"place_failed"' in root(shop, "office-backup check --place disk --everything || true")
    done = restore(shop, "--path", "/srv/share/large")
    assert done.code == 4
    assert "nothing was changed: the repository is damaged" in done.data["error"]
    assert done.data["hint"] == "provisioner backup restore demo --lab --place remote --path '/srv/share/large'"
    assert root(shop, "cat /srv/share/large") == "mine\n"
    assert restore(shop, "--place", "remote", "--path", "/srv/share/large").code == 0
    assert root(shop, "cmp /srv/share/large /root/large && echo same") == "same\n"
    root(shop, "rm -r /srv/backup/restic")
    assert shop.json("backup", "accept", "demo", "--lab", "--place", "disk", "--why", "it rotted").code == 0
    assert run(shop, "--place", "disk").code == 0


def test_a_missing_disk_is_said_and_the_night_is_red(shop: Stage) -> None:
    """Without the second disk nothing lands on the system's own by accident; the timer's unit fails; the other is served."""
    before = len(listed(shop)["remote"])
    root(shop, "umount /srv/backup")
    root(shop, "systemctl start office-backup.service || true")

    assert root(shop, "systemctl is-failed office-backup.service || true").strip() == "failed"
    assert root(shop, "ls -A /srv/backup").strip() == ""
    said = shop.json("backup", "list", "demo", "--lab")
    assert said.code == 4
    places = {place["place"]: place for place in said.data["places"]}
    assert "no disk is mounted at /srv/backup" in places["disk"]["problem"]
    assert len(places["remote"]["snapshots"]) == before + 1
    shop.restart("server")
    root(shop, "systemctl start office-backup.service")
    assert "OnCalendar=*-*-* 01:00" in root(shop, "systemctl cat office-backup.timer")
    assert "Persistent=true" in root(shop, "systemctl cat office-backup.timer")


def test_old_nights_go_by_age_alone_and_the_newest_days_stay(shop: Stage) -> None:
    """Nights older than the pack keeps are forgotten once thirty newer days have one; fake ones of today push none out.

    What a night forgets is still there the next one: nothing is pruned in the same.
    """
    made = f"{LOCAL} backup -q --host server /etc/hostname --time"
    root(shop, f"{made} '2020-01-01 00:00:00'; {made} \"$(date -d '300 days ago' '+%F %T')\"")
    assert run(shop, "--place", "disk").code == 0
    assert "2020" in [snapshot["at"][:4] for snapshot in listed(shop)["disk"]]  # few nights: each of them stays

    root(shop, f'for n in $(seq 1 30); do {made} "$(date -d "$n days ago" \'+%F %T\')"; done')
    root(shop, f"for n in 1 2 3 4 5; do {made} \"$(date '+%F %T')\"; done")
    lock(shop, LOCAL)  # what needs the repository alone says so, and waits
    try:
        done = run(shop, "--place", "disk")
        assert root(shop, LOCKS).strip() == "1"
        assert done.code == 4
        assert "somebody works in the repository" in done.data["places"]["disk"]["problem"]
    finally:
        root(shop, "kill -9 $(cat /run/restic.pid)")
    packs = "find /srv/backup/restic/data -type f | wc -l"
    before = int(root(shop, packs))
    assert run(shop, "--place", "disk").code == 0
    kept = [snapshot["at"][:4] for snapshot in listed(shop)["disk"]]

    assert "2020" not in kept
    assert len(kept) >= 37
    assert int(root(shop, packs)) >= before


def test_a_clock_a_year_ahead_forgets_nothing(shop: Stage) -> None:
    """All former nights are a year old at once: they stay until a person says that the clock is right, and it is said."""
    made = f"{LOCAL} backup -q --host server /etc/hostname --time"
    ids = "$(" + LOCAL + " snapshots --json | python3 -c 'import json,sys; print(*[s[\"id\"] for s in json.load(sys.stdin)])')"
    root(shop, f"cp -a /srv/backup/restic /root/restic; cp {MEMORY} /root/memory; {LOCAL} forget -q {ids}")
    root(shop, f'for d in 24 25 26; do {made} "2016-11-$d 01:00:00"; done; rm {MEMORY}')
    (seen := state(shop) / "backups.json").unlink()
    summaries = sorted((state(shop) / "runs").glob("*.json"))
    try:
        for path in summaries:  # the nights of ten years ago are all that anybody knows of
            path.rename(path.with_suffix(".aside"))
        for _ in range(2):
            done = run(shop, "--place", "disk")
            assert done.code == 0, done
            assert "nothing is forgotten" in done.data["places"]["disk"]["note"]
        assert [one["at"][:4] for one in listed(shop)["disk"]].count("2016") == 3
        assert shop.json("backup", "accept", "demo", "--lab", "--place", "disk", "--why", "it was off for years").code == 0
        done = run(shop, "--place", "disk")
        assert done.data["places"]["disk"]["note"] == ""
        assert [one["at"][:4] for one in listed(shop)["disk"]].count("2016") == 3  # the floor holds all the same
    finally:
        for path in (state(shop) / "runs").glob("*.json"):
            path.unlink()
        for path in summaries:
            path.with_suffix(".aside").rename(path)
        seen.unlink(missing_ok=True)
        root(shop, f"rm -r /srv/backup/restic; mv /root/restic /srv/backup/restic; mv /root/memory {MEMORY}")
    assert run(shop, "--place", "disk").code == 0


def test_a_snapshot_that_vanished_is_red_too(shop: Stage) -> None:
    """Fewer than before, though nobody forgot one: tonight's is made, the place is red and names it until it is accepted."""
    ids = json.loads(root(shop, f"{LOCAL} snapshots --json --no-lock"))
    gone = max(ids, key=lambda one: one["time"])["id"]
    root(shop, f"{LOCAL} forget -q {gone}")
    for _ in range(2):
        done = run(shop, "--place", "disk")
        assert done.code == 4
        assert gone[:8] in done.data["places"]["disk"]["problem"]
    accepted = shop.json("backup", "accept", "demo", "--lab", "--place", "disk", "--why", "by hand, to make room")
    assert accepted.code == 0, accepted
    assert accepted.data["accepted"] == {"disk": 1}
    assert run(shop, "--place", "disk").code == 0


def test_a_snapshot_from_the_future_forgets_nothing(shop: Stage) -> None:
    """One with a wrong clock would make all others too old: it is said, all of them stay, and a person has it ignored."""
    before = len(listed(shop)["disk"])
    said = root(shop, f"{LOCAL} backup --json --host server --time '2099-01-01 00:00:00' /etc/hostname | tail -n 1")
    done = run(shop, "--place", "disk")

    assert done.code == 4
    assert "in the future" in done.data["places"]["disk"]["problem"]
    assert len(listed(shop)["disk"]) == before + 2
    accept = ("backup", "accept", "demo", "--lab", "--place", "disk", "--why")
    assert shop.json(*accept, "the clock was wrong that night").code == 0
    done = run(shop, "--place", "disk")
    assert done.code == 0, done
    assert len(listed(shop)["disk"]) == before + 3
    root(shop, f"{LOCAL} forget -q {json.loads(said)['snapshot_id']}")
    assert run(shop, "--place", "disk").code == 4  # by whoever it was: a person says it
    assert shop.json(*accept, "it was taken away by hand").code == 0
    assert run(shop, "--place", "disk").code == 0
