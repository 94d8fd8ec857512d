"""What speaks against a backup before and after it is read, and the certificate: pure, no machine is asked."""

import json
import shutil
import struct
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioner.backup import certificate
from provisioner.backup.proof import Proof, judged, longest_unproven, together
from provisioner.errors import Unreadable, Unverified
from provisioner.hosts.programs import backup_proof
from provisioner.inventory.target import Target
from provisioner.runs import proofs
from tests.stage import EXAMPLE
from tests.verbs import Run

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
NIGHT = {"id": "ab" * 32, "at": "2026-11-28T01:00:00+01:00", "host": "server", "bytes": 5}


@pytest.mark.parametrize(
    ("said", "same", "cause"),
    [
        ({"snapshots": [NIGHT]}, "", ""),
        ({"snapshots": [], "problem": ""}, "", "nothing was backed up there yet"),
        ({"snapshots": [NIGHT], "problem": "3 snapshots are gone\x1b[2J"}, "", "3 snapshots are gone"),
        ({"snapshots": [NIGHT | {"at": "2026-11-20T01:00:00+01:00"}]}, "", "its newest night is 8 days old, of 2026-11-20T01:00"),
        ({"snapshots": [NIGHT | {"at": "2036-11-20T01:00:00+01:00"}]}, "", "in the future"),
        ({"snapshots": [NIGHT]}, "it lies on the very drive", "it lies on the very drive"),
    ],
)
def test_a_place_that_cannot_be_proven_says_why(said: dict[str, object], same: str, cause: str) -> None:
    """Shrunk, empty, aged, dated in the future, on the same disk: its cause, before a lab is made for it."""
    found = judged({"place": "disk", **said}, NOW, same)
    assert cause in found.cause
    assert bool(cause) == bool(found.cause)
    assert "\x1b" not in found.cause
    assert not found.files


@pytest.mark.parametrize("said", [{}, {"place": "disk", "snapshots": [{"id": 3}]}, {"place": "disk", "snapshots": 7}])
def test_a_list_of_another_shape_is_no_list(said: dict[str, object]) -> None:
    """It is said, not guessed at."""
    with pytest.raises(Unreadable, match="cannot be read"):
        judged(said, NOW, "")


def test_the_place_that_goes_with_the_server_is_told() -> None:
    """The drive that holds the shares or the system, by whatever partition; a second place with the server's own key."""
    key = "ssh-ed25519 AAAA"
    assert together("/ sda\n/srv/share sda\n/srv/backup sdb\nssh-ed25519 BBBB root@x", key) == {}
    assert set(together("/ sda\n/srv/share sdc\n/srv/backup sda", "")) == {"disk"}
    assert set(together("/ sda sdb\n/srv/share sdc\n/srv/backup sdb", "")) == {"disk"}
    assert set(together("/ sda\n/srv/backup sdb\nssh-ed25519 AAAA", f"{key} place")) == {"remote"}
    assert together("/\n/srv/share\n/srv/backup", "") == {}  # a virtual machine's: nothing can be told
    assert together("garbage \x00\n\n/", key) == {}


def test_acls_are_compared_as_they_are(tmp_path: Path) -> None:
    """The binary form of the disk and the text of the tar say the same, in whatever order; another right is another ACL."""
    entries = [(1, 6, 0xFFFFFFFF), (2, 7, 1000), (4, 4, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    raw = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries)
    member = tarfile.TarInfo("x")
    name = "system.posix_acl_access"
    member.pax_headers = {"SCHILY.acl.access": "user:1000:rwx\nuser::rw-\ngroup::r--\nmask::rwx\nother::---\n"}
    assert backup_proof.said(member) == {name: backup_proof.shape(name, raw)}
    member.pax_headers = {"SCHILY.acl.access": "user::rw-\nuser:1001:rwx\ngroup::r--\nmask::rwx\nother::---\n"}
    assert backup_proof.said(member) != {name: backup_proof.shape(name, raw)}
    del tmp_path


def test_what_differs_is_told_for_each_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, mode, owner, time, link: each by its word; what is the same says nothing."""
    import io

    at = tmp_path / "a"
    at.write_bytes(b"same")
    at.chmod(0o640)
    here = at.lstat()
    member = tarfile.TarInfo("a")
    member.size, member.mode, member.uid, member.gid = 4, 0o640, here.st_uid, here.st_gid
    when = f"{datetime.fromtimestamp(here.st_mtime_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{here.st_mtime_ns % 10**9:09d}Z"
    node = {"type": "file", "mtime": when}

    def different(text: bytes = b"same") -> list[str]:
        return list(backup_proof.differences(member, io.BytesIO(text), str(at), node))

    assert different() == []
    assert different(b"sama") == ["content"]
    assert different(b"sam") == ["content"]
    member.mode = 0o644
    assert different() == ["mode"]
    member.mode, member.uid = 0o640, here.st_uid + 1
    assert different() == ["owner"]
    member.uid = here.st_uid
    node["mtime"] = when.replace("Z", "1Z")[:-3] + "9Z" if not when.endswith("9Z") else when[:-2] + "1Z"
    assert different() == ["time"]
    node |= {"type": "dir", "mtime": when}
    assert different() == ["kind"]
    monkeypatch.undo()


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """The example office, without a git of its own."""
    shutil.copytree(EXAMPLE, tmp_path / "network")
    return Target(tmp_path / "network", "demo")


def test_the_oldest_proofs_come_first(target: Target) -> None:
    """An office without one before all; of two the older; one whose pack has no backups never."""
    root = target.inventory
    shutil.copytree(root / "offices/demo", root / "offices/another")
    names = [one.office for one in longest_unproven(root, 9)]
    assert {"demo", "another"} <= set(names)
    proofs.keep(Target(root, "demo"), {"number": 1, "run": "r", "made": "2026-11-01T00:00:00Z", "former": None,
                                       "places": [{"place": "disk", "cause": ""}]}, "x", b"%PDF")  # fmt: skip
    assert [one.office for one in longest_unproven(root, 9)][-1] == "demo"
    assert len(longest_unproven(root, 1)) == 1
    (root / "offices/another/dossier.yml").write_text("{")
    assert "another" not in [one.office for one in longest_unproven(root, 9)]


def test_a_locked_vault_is_one_offices_finding(target: Target, run: Run) -> None:
    """A round goes on past it: every office has its line with what to try, and none of them is proven."""
    root = target.inventory
    shutil.copytree(root / "offices/demo", root / "offices/another")
    for name in ("vault.yml", "vault.key"):
        (root / "offices/another" / name).write_text("x")
    (root / "network.key").write_text("x")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for word, value in (("technician", "c.lefevre"), ("reseller", "scop-lumiere")):
        subprocess.run(["git", "-C", str(root), "config", f"provisioner.{word}", value], check=True)
    said = run("--json", "--inventory", root, "backup", "prove", "--oldest", "9")

    assert said.code == 7
    found = {one["office"]: one for one in said.data["offices"]}
    assert found["another"]["hint"] == "provisioner unlock"
    assert "demo" in found
    assert found["demo"]["problem"] != found["another"]["problem"]


GOOD = Proof(
    "disk", "", "ab" * 32, "2026-11-28T01:00:00+01:00", 3_000_000, 12, 40, "zoe", {"commun": 3}, ("session", "share"), 70.0
)
BAD = Proof("remote", "the repository is damaged (ciphertext verification failed)", "cd" * 32, "2026-11-28T01:00:00+01:00")


def certify(target: Target, *found: Proof, language: str = "fr") -> certificate.Certificate:
    began = datetime(2026, 11, 28, 12, tzinfo=UTC)
    return certificate.certify(
        target, found, run=f"2026-{len(proofs.ledger(target).files())}", began=began, now=began.replace(minute=9),
        by=("c.lefevre", "Camille Lefèvre", "c@x.example"), language=language, commit=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fr", ("Preuve de sauvegarde n° 1", "Les sauvegardes se restaurent", "12 fichiers, 3 Mo", "9 min 0 s")),
        ("en", ("Proof of backups no. 1", "The backups can be restored", "12 files, 3 MB", "9 min 0 s")),
    ],
)
def test_a_certificate_says_what_was_done(target: Target, language: str, words: tuple[str, ...]) -> None:
    """In both languages, dated, with its duration; as HTML and PDF, and as the last word on each place."""
    made = certify(target, GOOD, language=language)
    page = made.path.with_suffix(".html").read_text().replace("\u202f", " ").replace("\u00a0", " ")
    assert made.good
    assert all(word in page for word in words)
    assert made.path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert proofs.newest(target) == {"disk": (made.body["made"], "")}


def test_a_proof_that_failed_is_kept_with_its_cause_and_the_next_one_takes_its_word(target: Target) -> None:
    """A chain of both; what is altered in it shows, and nothing is put behind it then."""
    assert not certify(target, GOOD, BAD).good
    assert proofs.newest(target)["remote"][1].startswith("the repository is damaged")
    second = certify(target, Proof("remote", "", BAD.snapshot, BAD.at, 5, 1, 1))
    assert proofs.newest(target)["remote"][1] == ""
    assert proofs.newest(target)["disk"][1] == ""
    assert list(proofs.check(target)) == []
    certificate.sound(target)
    first = proofs.ledger(target).files()[0]
    first.write_text(first.read_text().replace("damaged", "mended"))
    assert any("altered" in problem for problem in proofs.check(target))
    with pytest.raises(Unverified, match="altered"):
        certificate.sound(target)
    assert json.loads(second.path.read_bytes())["number"] == 2
