"""This laptop's disk is full, before a run and in the middle of one (row F5): said, in good order, done once there is room.

Its folders lie on small file systems of their own: the state folder (journals, audit, pins), the folder in memory where
Ansible works, the one for temporary files, an inventory.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.plays import orphans
from tests.apply.small_disks import fill_here, free_here, small_here
from tests.lab.light import Technician, bring_up, light, soon, state
from tests.operation.test_two_technicians import both  # noqa: F401 - a fixture
from tests.stage import CommandResult, Stage
from tests.verbs import BAKERY, ME, PASSPHRASE, Run, status

pytestmark = [pytest.mark.lab, pytest.mark.case("F5")]
LONG = pytest.mark.deep

PLACES = {"state": "XDG_STATE_HOME", "memory": "XDG_RUNTIME_DIR", "tmp": "TMPDIR"}
KINDS = ("room", "inodes")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Router and server, adopted, of a pack that asks nothing; this laptop's folders are small."""
    stage = light(tmp_path_factory.mktemp("laptop"), {})
    folders = [folder_of(stage, place) for place in PLACES]
    with small_here(folders[0]), small_here(folders[1]), small_here(folders[2]):
        try:
            bring_up(stage)
            yield stage
        finally:
            stage.run("lab", "down", "demo")
    folders[1].rmdir()


def folder_of(stage: Stage, place: str) -> Path:
    """Where it lies; the paths of the sockets in memory must be short (unix(7))."""
    return {"state": stage.home, "memory": Path(f"/dev/shm/pv-{stage.target.id[:6]}")}.get(place, stage.home.with_name(place))


def surroundings(stage: Stage, place: str) -> dict[str, str]:
    """The environment in which it is the place that is small."""
    return {PLACES[place]: str(folder_of(stage, place))}


def clear(said: CommandResult) -> None:
    """One message for a person; nothing of Python's own."""
    assert "Traceback" not in said.err + said.out, said
    assert "Exception" not in said.err, said


def journals(stage: Stage) -> set[Path]:
    """All there are."""
    return set((state(stage) / "journals").glob("*"))


def done(stage: Stage, **environment: str) -> None:
    """The plain command does, no host is held, nothing goes on unseen, and the audit is whole."""
    said = stage.json("apply", "demo", "--lab", "--yes", **environment)
    assert said.code == 0, said
    assert orphans.find(stage.target) == {}
    for host in ("router", "server"):
        assert "lease.json" not in stage.on(host, "sudo ls /var/lib/provisioner")
    assert stage.run("runs", "check", "demo", "--lab").code == 0


@pytest.mark.parametrize("kind", ["room", pytest.param("inodes", marks=LONG)])
@pytest.mark.parametrize("place", ["state", *(pytest.param(place, marks=LONG) for place in ("memory", "tmp"))])
def test_a_laptop_that_is_full_before_the_run_says_so(small: Stage, place: str, kind: str) -> None:
    """Nothing is changed on any host; one sentence says which file had no room."""
    folder, around = folder_of(small, place), surroundings(small, place)
    if place == "memory":  # its folders are there, of earlier work, and no connection is open: ssh may be the first without room
        assert small.json("plan", "demo", "--lab", **around).code in (0, 3)
    fill_here(folder, inodes=kind == "inodes")
    try:
        said = small.json("apply", "demo", "--lab", "--yes", **around)
    finally:
        free_here(folder)

    clear(said)
    if place != "tmp":  # what a run needs lies elsewhere: it may go well
        assert said.code == 2, said
        assert "no room is left on this laptop's disk" in said.data["error"], said
        assert str(folder) in said.data["error"]
    else:
        assert said.code == 0, said
    done(small, **around)


@pytest.mark.deep
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["state", *(pytest.param(place, marks=LONG) for place in ("memory", "tmp"))])
@pytest.mark.parametrize("boundary", [2, *(pytest.param(number, marks=LONG) for number in (1, 4))])
def test_a_laptop_that_is_full_in_the_middle_of_a_run_ends_it_in_good_order(
    small: Stage, place: str, kind: str, boundary: int
) -> None:
    """The task at hand ends and no other begins, the hosts are given back; what the journal says is true as far as it goes."""
    folder, before, hold = folder_of(small, place), journals(small), small.inventory / "hold"
    hold.touch()
    around = surroundings(small, place)
    process = small.start("--json", "apply", "demo", "--lab", "--yes", KNOB_HOLD=f"{boundary}:{hold}", **around)
    try:
        assert soon(lambda: hold.with_suffix(".held").exists() or process.poll() is not None)
        fill_here(folder, inodes=kind == "inodes")
        hold.unlink()
        out, err = process.communicate(timeout=240)
    finally:
        free_here(folder)
        for left in (hold, hold.with_suffix(".held"), hold.with_suffix(".begun")):
            left.unlink(missing_ok=True)
        if process.poll() is None:
            process.kill()
    said = CommandResult(process.returncode, out, err, 0)

    clear(said)
    for host in ("router", "server"):
        assert "lease.json" not in small.on(host, "sudo ls /var/lib/provisioner")
    (name,) = [path.stem for path in journals(small) - before]
    kept = small.json("runs", "show", "demo", name, "--lab").data
    if place == "state" and kind == "room":
        # the last page of the journal may still have held all words to the end
        assert said.code in (130, 7), said
        assert ("the journal cannot be written" if said.code == 130 else "the run ended") in said.data["error"]
        assert said.code == 7 or f"{name}.jsonl" in said.data["error"]
        assert said.code == 7 or kept["status"] == "interrupted"
    elif place == "state":  # the journal has its inode; the summary has none
        assert said.code == 7, said
        assert "not all of what it leaves could be kept on this laptop: No space left on device" in said.data["error"]
    elif said.code == 0:
        assert kept["status"] in ("changed", "unchanged")
        assert kept["hosts"]["server"]["ok"] == kept["hosts"]["router"]["ok"] > 0
    done(small, **around)


@LONG
def test_an_audit_without_room_is_said_though_the_hosts_are_done(both: tuple[Technician, Technician]) -> None:  # noqa: F811
    """A real office: the run went well, its summary has no room: exit 7 and why; once more, and the audit is whole."""
    one, _ = both
    runs = one.clone / "offices/demo/runs"
    with small_here(runs):
        fill_here(runs)
        said = one.run("apply", "demo", "--yes")
        assert said.code == 7, said
        assert "not all of what it leaves could be kept on this laptop: No space left on device" in said.data["error"]
        assert [path.name for path in runs.iterdir()] == [".filler"]

    again = one.run("apply", "demo", "--yes")
    assert again.code == 0, again
    assert one.run("runs", "check", "demo").code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_inventory_without_room_stays_as_it_is(run: Run, tmp_path: Path, kind: str) -> None:
    """Verbs that edit it: one sentence, and each file is as it was; with room again they do."""
    net = tmp_path / "net"
    where = ("--inventory", net)
    verbs = (
        ("office", "new", "bakery", *BAKERY, "--person", "zoe=Zoé", "--host", "box=router", *where),
        ("person", "add", "bakery", "lea", "--name", "Léa", *where),
        ("secrets", "set", "bakery", "mail.password", "--stdin", *where),
    )
    with small_here(net, mib=8, inodes=2000):
        assert run("init", net, *ME, "--passphrase-stdin", stdin=PASSPHRASE + "\n").code == 0
        for words in verbs:
            before = files(net)
            fill_here(net, inodes=kind == "inodes")
            said = run("--json", *words, stdin="geheim-123\n")
            free_here(net)

            assert (said.code, files(net)) == (2, before), said
            assert "No space left on device" in said.data["error"], said
            assert status(net) == ""
            again = run("--json", *words, stdin="geheim-123\n")
            assert again.code == 0, again
        assert run("lock", *where).code == 0


def files(folder: Path) -> dict[Path, bytes]:
    """All that is in an inventory, but for what git keeps for itself."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts}
