"""A backup proven on a real office, itself a lab: the newest night of each place, in a lab of its own that is gone afterwards."""

import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.lab import base
from tests.lab.light import soon
from tests.stage import Stage

pytestmark = [pytest.mark.lab, pytest.mark.deep]
PACK = "$(find /srv/backup/restic/data -type f -printf '%s %p\\n' | sort -n | tail -n 1 | cut -d' ' -f2)"


def root(stage: Stage, line: str) -> str:
    """A line as root on the office's server."""
    return stage.on("server", f"sudo sh -c {shlex.quote(line)}")


@pytest.fixture(scope="module")
def saved(office: Stage) -> Iterator[Stage]:
    """The applied office with a night at both places."""
    root(office, "echo secret-of-the-client > /srv/share/commun/compta.txt")
    said = office.json("backup", "run", "demo", "--lab")
    assert said.code == 0, said
    yield office


def left(stage: Stage) -> list[Path]:
    """What of a throw-away lab is still there: its inventory, its state, its disks beside the office's own."""
    home = stage.home / "provisioner"
    labs = [path for path in (home / "labs").glob("demo-*") if path.name != f"demo-{stage.target.id}"]
    disks = [path for path in base.lab_home().glob("*/lab.json") if str(home / "proofs") in path.read_text()]
    return [*(path for path in (home / "proofs").glob("demo-*") if path.is_dir()), *labs, *disks]


def test_the_newest_night_of_each_place_is_proven(saved: Stage) -> None:
    """Compared to the bit, used by a person and by a witness; a certificate of it; the lab is gone; `check` knows the day."""
    said = saved.json("backup", "prove", "demo", "--lab", timeout_s=1500)
    assert said.code == 0, said
    places = {one["place"]: one for one in said.data["places"]}
    assert set(places) == {"disk", "remote"}
    for one in places.values():
        assert not one["cause"]
        assert one["files"] > 100
        assert one["person"] in ("zoe", "come", "aicha")
        assert {"session", "share", "calendar"} <= set(one["answered"])
    assert Path(said.data["pdf"]).read_bytes().startswith(b"%PDF")
    assert left(saved) == []
    found = saved.json("check", "demo", "--lab").data["offices"][0]["findings"]
    assert [one["level"] for one in found if one["check"] == "proofs"] == ["ok", "ok"]
    assert saved.run("runs", "check", "demo", "--lab").code == 0


def test_a_damaged_pack_file_is_red_with_its_cause(saved: Stage) -> None:
    """On the disk; exit 7, a certificate that says so, and `check` is critical for it."""
    root(
        saved,
        f"cp -p {PACK} /root/pack; p={PACK}; chmod u+w $p; head -c 64 /dev/urandom | dd of=$p bs=1 seek=5000 conv=notrunc 2>&1",
    )
    try:
        said = saved.json("backup", "prove", "demo", "--lab", "--place", "disk", timeout_s=900)
    finally:
        root(saved, f"cp -p /root/pack {PACK}")
    assert said.code == 7
    assert said.data["places"][0]["cause"].startswith("the repository is damaged")
    assert left(saved) == []
    found = saved.json("check", "demo", "--lab")
    assert found.code == 7
    assert "critical" in [one["level"] for one in found.data["offices"][0]["findings"] if one["check"] == "proofs"]


def test_a_killed_proof_leaves_nothing_of_the_client(saved: Stage) -> None:
    """SIGKILL while the night is compared: lab, disks and state go by themselves."""
    going = saved.start("backup", "prove", "demo", "--lab", "--place", "disk")
    assert going.stderr
    next(line for line in going.stderr if "comparing" in line)
    assert left(saved)
    assert going.poll() is None
    os.killpg(going.pid, signal.SIGKILL)
    going.wait()
    assert soon(lambda: not left(saved), 120)
