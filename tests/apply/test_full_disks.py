"""A host's disk is full, before a run and in the middle of one (row F5): a clear sentence, nothing torn, done once there is room.

The server's `/` is an ext4 of its own (small_disks.py), so its kernel says ENOSPC as a client's does; `/var` and `/tmp` are
made disks of their own by a tmpfs with a limit.
"""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apply.small_disks import fill, free, root, small_folder, small_root
from tests.deep.faults import taken_up
from tests.deep.office import alike, office, reference
from tests.deep.rows import home
from tests.lab.light import bring_up, light, soon
from tests.stage import Stage

pytestmark = [pytest.mark.lab, pytest.mark.deep, pytest.mark.case("F5")]
LONG = pytest.mark.deep


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Router and server, adopted, of a pack that asks nothing; the server's disk is small."""
    stage = light(tmp_path_factory.mktemp("disks"), {})
    try:
        bring_up(stage)
        with small_root(stage, "server"):
            for folder in ("/var", "/tmp"):
                small_folder(stage, "server", folder, 600, 6000)
            yield stage
    finally:
        stage.run("lab", "down", "demo")


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        pytest.param(folder, kind, marks=() if (folder, kind) == ("/var", "room") else LONG)
        for folder in ("/", "/var", "/tmp")
        for kind in ("room", "inodes")
    ],
)
def test_a_disk_that_is_full_before_the_run_is_named(small: Stage, folder: str, kind: str) -> None:
    """Refused before anything is half done: which host, which disk, what is missing; with room again it is done."""
    fill(small, "server", folder, inodes=kind == "inodes")
    try:
        for verb in (("plan", "demo", "--lab"), ("apply", "demo", "--lab", "--yes")):
            said = small.json(*verb)
            told = said.data.get("error") or said.data["problems"]["server"]["problem"]

            assert said.code == 4, said
            if folder == "/var" and verb[0] == "apply":  # where the lease is kept
                assert told.startswith("server cannot keep a lease: no room is left on its disk")
                assert "df -h" in told
            else:
                assert told.startswith(f"no room on {folder}: "), told
                assert f" {'500 inodes' if kind == 'inodes' else 'MiB'} " in told
        assert root(small, "server", "find /var/lib/provisioner /etc -name '*.part'") == ""
    finally:
        free(small, "server", folder)
    assert small.json("apply", "demo", "--lab", "--yes").code == 0


PLACES = ("/ room", "/ inodes", "/var room", "/var inodes", "/tmp room", "/tmp inodes")
PARTS = (0.15, 0.3, 0.45, 0.6, 0.75)


@LONG
@pytest.mark.parametrize(("place", "part"), [(place, part) for part in PARTS for place in PLACES])
def test_a_disk_that_is_full_in_the_middle_of_a_run_tears_nothing(place: str, part: float) -> None:
    """Each file is the one before or the one wanted, never half of it; the cause is said; with room again all is as wanted."""
    wanted = reference()
    boundary = max(1, int(part * len(wanted.tasks)))
    folder, kind = place.split()
    with office(home() / f"full-{place.replace('/', '').replace(' ', '-')}-{boundary}") as stage, small_root(stage, "server"):
        if folder != "/":
            small_folder(stage, "server", folder, 600, 6000)
        before = alike(stage)["server"]
        hold = stage.home / "hold"
        hold.touch()
        process = stage.start("--json", "apply", "demo", "--lab", "--yes", KNOB_HOLD=f"{boundary}:{hold}")
        try:
            assert soon(lambda: hold.with_suffix(".held").exists() or process.poll() is not None, 300)
            fill(stage, "server", folder, inodes=kind == "inodes")
            hold.unlink()
            out, err = process.communicate(timeout=600)
        finally:
            hold.unlink(missing_ok=True)
            if process.poll() is None:
                process.kill()
        said = json.loads(out)

        assert process.returncode in (0, 4), out + err
        assert said["hosts"]["router"]["failed"] == 0
        assert (process.returncode == 4) == bool(said["hosts"]["server"]["failed"])
        if process.returncode:
            assert "no room" in said["problems"]["server"]["problem"].splitlines()[0], said["problems"]
        if folder == "/":
            assert process.returncode == 4, out + err
        assert torn(stage, before, wanted.hosts["server"]) == {}
        free(stage, "server", folder)
        taken_up(stage, wanted)


# Our filler, and what a package's own start makes of its files, before ours are there.
MADE = (".filler", "audit.rules")


def torn(stage: Stage, before: dict[str, str], wanted: dict[str, str]) -> dict[str, str]:
    """Plain files on the server that are neither as they were, nor as they should become, nor as their package has them."""
    now = alike(stage)["server"]
    apart = [name for name in now if name.startswith("/") and now[name] not in (before.get(name), wanted.get(name))]
    return {name: now[name] for name in apart if Path(name).name not in MADE and not shipped(stage, name)}


def shipped(stage: Stage, name: str) -> bool:
    """Whether a file is whole as its package brought it, by the package's own sums: dpkg says nothing of such a one."""
    package = root(stage, "server", f"dpkg-query -S {shlex.quote(name)} 2>/dev/null | cut -d: -f1 || true").strip()
    return bool(package) and name not in root(stage, "server", f"dpkg --verify {package} || true")
