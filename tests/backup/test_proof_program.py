"""The program that proves a night, with the real restic, SFTP and rclone of this machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.hosts.programs import backup_proof

SFTP = Path("/usr/lib/openssh/sftp-server")
pytestmark = pytest.mark.skipif(
    not shutil.which("restic") or os.geteuid() != 0, reason="restic is not on this laptop, or owners cannot be given"
)
# the program with the paths of a lab's server led into a folder
AT = """
import sys
sys.path[:0] = [{root!r}, {root!r} + "/playbooks/roles/backup/files"]
from provisioner.hosts.programs import backup_proof as program
home = {home!r}
program.HOME, program.SOCKET, program.ROOM, program.OWN_FOLDER = home + "/run", home + "/run/way", home + "/room", home + "/own"
program.OWN = ["restic", "-r", program.OWN_FOLDER, "--password-file", home + "/own-password", "--no-cache"]
program.CONFIG = home + "/config.json"
program.main()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A client's repository with one night of all kinds of files, and an empty room for the proof."""
    source = tmp_path / "srv"
    (source / "folder").mkdir(parents=True)
    (source / "large").write_bytes(os.urandom(3_000_000))
    (source / "folder/l'été {{ 7*7 }} [1]*.txt").write_text("premier")
    os.link(source / "large", source / "folder/hard")
    (source / "link").symlink_to("large")
    os.mkfifo(source / "pipe")
    os.setxattr(source / "large", "user.office", b"\x00\xffA")
    os.chown(source / "folder", 1234, 4321)
    (source / "folder").chmod(0o2770)
    for name, text in (("password", "client's"), ("own-password", "lab's")):
        (tmp_path / name).write_text(text)
    (tmp_path / "config.json").write_text(
        json.dumps({"directory": False, "parts": [{"name": "shares", "path": str(source), "required": True}]})
    )
    for words in (["init"], ["backup", str(source)]):
        restic = ["restic", "-q", "-r", str(tmp_path / "repository"), "--password-file", str(tmp_path / "password"), "--no-cache"]
        subprocess.run([*restic, *words], check=True)
    return tmp_path


def ask(home: Path, request: dict[str, object], way: list[str] | None = None) -> dict[str, object]:
    """What the program says, its streams joined to a place's as the laptop joins them."""
    reading, writing = os.pipe()
    code = AT.format(root=str(Path(__file__).parents[2]), home=str(home))
    with subprocess.Popen([sys.executable, "-c", code], stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as there:
        os.close(reading)
        assert there.stdout
        assert there.stderr
        os.write(writing, json.dumps(request).encode() + b"\n")
        giver = subprocess.Popen(way, stdin=there.stdout, stdout=writing, stderr=subprocess.DEVNULL) if way else None
        os.close(writing)
        there.stdout.close()
        said = json.loads(there.stderr.read().decode().strip().splitlines()[-1])
        if giver:
            giver.terminate()
            giver.wait()
    return dict(said)


def fetch(home: Path, kind: str = "sftp") -> dict[str, object]:
    if kind == "sftp" and not SFTP.exists():
        pytest.skip("no sftp-server here")
    if kind == "rclone" and not shutil.which("rclone"):
        pytest.skip("no rclone here")
    repository = str(home / "repository")
    way = [str(SFTP), "-R"] if kind == "sftp" else ["rclone", "serve", "restic", "--stdio", "--append-only", repository]
    name = f"sftp:office:{repository}" if kind == "sftp" else f"rclone:{repository}"
    asked: dict[str, object] = {"verb": "fetch", "password": "client's", "kind": kind, "repository": name, "snapshot": "latest"}
    return ask(home, asked, way)


@pytest.mark.parametrize("kind", ["sftp", "rclone"])
def test_a_night_comes_over_and_is_what_restic_holds(home: Path, kind: str) -> None:
    """By a way that may only read; into a repository of its own with its own password; the client's is not left there."""
    before = {path: path.stat().st_mtime_ns for path in (home / "repository").rglob("*")}
    held = fetch(home, kind)
    assert held["event"] == "fetch", held
    same = ask(home, {"verb": "compare", "paths": held["paths"]})
    assert (same["count"], same["files"]) == (0, 3), same
    assert {path: path.stat().st_mtime_ns for path in (home / "repository").rglob("*")} == before
    assert not (home / "run").exists()
    assert not (home / "room").exists()
    assert b"client's" not in b"".join(path.read_bytes() for path in (home / "own").rglob("*") if path.is_file())


def test_a_damaged_pack_file_ends_it_with_its_cause(home: Path) -> None:
    """Bytes in the middle of the largest: restic says so, and nothing is taken for proven."""
    pack = max((path for path in (home / "repository/data").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    with pack.open("r+b") as file:
        file.seek(pack.stat().st_size // 2)
        file.write(os.urandom(64))
    said = fetch(home)
    assert said["event"] == "failed"
    assert str(said["cause"]).startswith("the repository is damaged"), said


def test_a_night_that_lacks_a_part_is_said(home: Path) -> None:
    """Before anything is restored: the part by its path."""
    config = json.loads((home / "config.json").read_text())
    config["parts"].append({"name": "calendars", "path": "/var/lib/radicale", "required": True})
    (home / "config.json").write_text(json.dumps(config))
    said = ask(home, {"verb": "compare", "paths": fetch(home)["paths"]})
    assert said["cause"] == "the night lacks what the office has: /var/lib/radicale"


def test_a_password_that_is_another_is_said(home: Path) -> None:
    """The vault's no longer opens the repository."""
    (home / "other").write_text("another")
    restic = ["restic", "-q", "-r", str(home / "repository"), "--password-file", str(home / "password")]
    subprocess.run([*restic, "key", "passwd", "--new-password-file", str(home / "other")], check=True)
    said = fetch(home)
    assert said["event"] == "failed"
    assert "wrong password" in str(said["cause"])


def test_the_program_is_shipped_whole() -> None:
    """It needs nothing of ours on the other side."""
    from provisioner.hosts import programs

    compile(programs.source("backup_proof"), "program", "exec")
    assert "provisioner" not in [line.split()[1].partition(".")[0] for line in programs.source("backup_proof").splitlines()
                                 if line.startswith(("import ", "from "))]  # fmt: skip
    assert backup_proof.MOST
