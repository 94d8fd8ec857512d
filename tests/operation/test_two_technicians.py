"""Two technicians, one office: one works at a time, each on the newer copy, whatever happens to a laptop."""

import json
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from tests.lab.light import Technician, fast, kill, slow, soon, waits
from tests.operation.technicians import FIRST, pair

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Technician, Technician]]:
    """Two technicians of one reseller who both have adopted the office's two machines."""
    with pair(tmp_path_factory.mktemp("two")) as technicians:
        yield technicians


@pytest.fixture(autouse=True)
def _even(request: pytest.FixtureRequest) -> None:
    """Each test begins with two equal copies."""
    if "both" in request.fixturenames:
        one, two = request.getfixturevalue("both")
        for here, there in ((one, two), (two, one)):
            if here.git("status", "--porcelain"):
                here.git("add", "-A")
                here.git("commit", "-q", "-m", "left by a test")
            here.git("pull", "-q", "--no-rebase", "-X", "ours", str(there.clone), "main")


def test_the_guard_against_locking_oneself_out(both: tuple[Technician, Technician]) -> None:
    """With a key that the reseller's file does not have, plan and apply refuse before asking any host."""
    one, _ = both
    stranger = one.key.with_name("stranger")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
    one.git("config", "provisioner.key", str(stranger))
    try:
        said = [one.run("plan", "demo"), one.run("apply", "demo", "--yes")]
    finally:
        one.git("config", "provisioner.key", str(one.key))

    for each in said:
        assert each.code == 2, each
        assert "lock you out" in each.data["error"]
        assert stranger.with_name("stranger.pub").read_text().split()[1] in each.data["hint"]
        assert "resellers/scop-lumiere.yml" in each.data["error"]
    assert not list((one.home / "provisioner").glob("offices/demo-*/journals/*"))  # nothing began


@pytest.mark.case("F10")
def test_both_in_the_same_second(both: tuple[Technician, Technician]) -> None:
    """Exactly one works; the other exits 6 and is told who works there, from where and since when."""
    one, two = both
    slow(lambda line: one.on("server", line), 3)
    try:
        running = {who.login: who.start("apply", "demo", "--yes") for who in (one, two)}
        said = {login: (*process.communicate(timeout=120), process.returncode) for login, process in running.items()}
    finally:
        fast(lambda line: one.on("server", line))

    codes = {login: code for login, (_, _, code) in said.items()}
    assert sorted(codes.values()) == [0, 6], said
    winner, loser = sorted(codes, key=lambda login: codes[login])
    error = json.loads(said[loser][0])["error"]
    assert f"{winner} works on demo from" in error
    assert " since 20" in error
    assert "UTC" in error


def test_one_commit_a_run_and_the_audit_holds(both: tuple[Technician, Technician]) -> None:
    """A run is one commit with its summary and nobody's other work; --no-commit leaves the summary to the technician."""
    one, _ = both
    (one.clone / "README").write_text("work of somebody else\n")
    before = one.git("rev-list", "--count", "HEAD")
    said = one.run("apply", "demo", "--yes")
    assert said.code == 0, said
    assert int(one.git("rev-list", "--count", "HEAD")) == int(before) + 1
    files = one.git("show", "--name-only", "--format=%an <%ae>", "HEAD").split("\n")
    assert files[0] == "Céline Lefèvre <c.lefevre@lumiere.example>"
    assert [name for name in files[1:] if name] == [
        f"offices/demo/runs/{name}"
        for name in sorted(path.name for path in (one.clone / "offices/demo/runs").glob(f"*{said.data['run']}.json"))
    ]
    assert one.git("status", "--porcelain") == "?? README"

    said = one.run("apply", "demo", "--yes", "--no-commit")
    assert said.code == 0, said
    assert int(one.git("rev-list", "--count", "HEAD")) == int(before) + 1
    assert f"-{said.data['run']}.json" in one.git("status", "--porcelain", "-uall")
    assert one.run("runs", "check", "demo").code == 0


@pytest.mark.case("F10")
def test_an_older_copy_is_refused(both: tuple[Technician, Technician]) -> None:
    """Who lacks the commit last applied is told to pull; a pull mends it; --force goes on and the audit says so."""
    one, two = both
    dossier = one.clone / "offices/demo/dossier.yml"
    dossier.write_text(dossier.read_text().replace("Toute la boutique", "Toute l'équipe"))
    one.git("commit", "-q", "-a", "-m", "another title")
    assert one.run("apply", "demo", "--yes").code == 0
    for words in (("plan", "demo"), ("apply", "demo", "--yes")):
        said = two.run(*words)
        assert said.code == 6, said
        assert "your copy is older" in said.data["error"]
        assert FIRST in said.data["error"]
        assert "git pull" in said.data["hint"]

    older = two.git("rev-parse", "HEAD")
    two.git("pull", "-q", str(one.clone), "main")
    said = two.run("plan", "demo")
    assert said.code in (0, 3), said

    two.git("reset", "-q", "--hard", older)
    forced = two.run("apply", "demo", "--yes", "--force", "--no-commit")
    assert forced.code == 0, forced
    summary = next((two.clone / "offices/demo/runs").glob(f"*-{forced.data['run']}.json"))
    assert json.loads(summary.read_text())["forced"] is True
    summary.unlink()


@pytest.mark.case("F10")
@pytest.mark.deep
def test_a_killed_laptop_yields(both: tuple[Technician, Technician]) -> None:
    """A laptop that died in the middle of a run holds the office as long as its lease, and no longer."""
    one, two = both
    slow(lambda line: one.on("server", line), 4)
    try:
        dying = one.start("apply", "demo", "--yes", KNOB_LEASE_S="12")
        assert soon(lambda: waits(one.stage, "server"))
        kill(dying)
        early = two.run("apply", "demo", "--yes")
    finally:
        fast(lambda line: one.on("server", line))

    assert early.code == 6, early
    assert f"{FIRST} works on demo" in early.data["error"]
    assert soon(lambda: two.run("apply", "demo", "--yes").code == 0, 30)


@pytest.mark.deep
@pytest.mark.case("F10")
def test_a_holder_whose_lease_was_taken_stops_before_the_next_task(both: tuple[Technician, Technician]) -> None:
    """Who can no longer renew the lease ends after the current task, exits 6, and says who holds it now."""
    one, _ = both
    slow(lambda line: one.on("server", line), 8)
    try:
        running = one.start("apply", "demo", "--yes", KNOB_LEASE_S="5")
        assert soon(lambda: waits(one.stage, "server"))
        steal = 's/"token": "[0-9a-f]*/"token": "00/; s/c.lefevre/n.petit/'
        one.on("router", f"sudo sed -i {shlex.quote(steal)} /var/lib/provisioner/lease.json")
        out, err = running.communicate(timeout=60)
    finally:
        fast(lambda line: one.on("server", line))
        one.on("router", "sudo rm -f /var/lib/provisioner/lease.json")

    assert running.returncode == 6, out + err
    assert "taken over by n.petit" in json.loads(out)["error"]
    events = [
        json.loads(line) for line in max((one.home / "provisioner").glob("offices/demo-*/journals/*")).read_text().splitlines()
    ]
    assert len({event["task"] for event in events if event["what"] in ("host_ok", "host_changed")}) == 1
    assert events[-1]["detail"]["status"] == "interrupted"
