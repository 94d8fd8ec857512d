"""The office's certificates, made on a laptop with a wrong clock: none of them outlives the mistake."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.secrets import vault
from tests.laptop.wrong_clock import WRONG, clock, off_s
from tests.stage import EXAMPLE

pytestmark = pytest.mark.case("F7")

_COMPLETE = """
import sys
from pathlib import Path
from provisioner.inventory import open_inventory
from provisioner.secrets import rotation, vault
from provisioner.inventory.target import Target
root = Path(sys.argv[1])
vault.complete(Target(root, "demo", lab=True), open_inventory(root).office("demo"))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An inventory committed just now."""
    shutil.copytree(EXAMPLE, tmp_path / "net")
    git = ["git", "-C", str(tmp_path / "net"), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "the network"]):
        subprocess.run([*git, *words], check=True)
    return tmp_path / "net"


def complete(root: Path) -> dict[str, str]:
    """The certificates as this laptop makes or leaves them, its clock being right."""
    return vault.complete(Target(root, "demo", lab=True), open_inventory(root).office("demo")).tls


def by_a_wrong_clock(root: Path, name: str) -> str:
    """The same in a process whose clock is wrong; its error, empty when it did."""
    done = subprocess.run(
        [sys.executable, "-c", _COMPLETE, str(root)],
        env=os.environ | clock(off_s(name)),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def hold(tls: dict[str, str]) -> bool:
    """Whether authority and certificate are valid now, and for a year."""
    found = [x509.load_pem_x509_certificate(tls[name].encode()) for name in ("authority", "certificate")]
    now = datetime.now(UTC)
    return all(c.not_valid_before_utc <= now and c.not_valid_after_utc >= now + timedelta(days=365) for c in found)


@pytest.mark.parametrize("name", WRONG)
def test_those_first_made_by_a_wrong_clock(root: Path, name: str) -> None:
    """A clock behind the newest commit makes none and says why; what one ahead made is made anew by the next right one."""
    said = by_a_wrong_clock(root, name)
    behind = off_s(name) < 0

    assert ("is behind the newest commit of the inventory" in said) is behind, said
    assert Target(root, "demo", lab=True).vault.is_file() is not behind
    assert hold(complete(root))


@pytest.mark.parametrize("name", WRONG)
def test_those_that_a_wrong_clock_finds(root: Path, name: str) -> None:
    """Good ones stay, or are made anew by the next right clock; a machine that trusts the office goes on trusting one of now."""
    made = complete(root)
    said = by_a_wrong_clock(root, name)
    after = complete(root)

    assert hold(after)
    if off_s(name) < 0:
        assert after == made, said


def test_a_clock_that_is_behind_rotates_nothing(root: Path) -> None:
    """`access rotate` would make another authority, of the past: refused, and the vault is as it was."""
    made = complete(root)
    code = _COMPLETE.replace("vault.complete(", "rotation.rotate(")
    words, environment = [sys.executable, "-c", code, str(root)], os.environ | clock(-86400)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    assert "is behind the newest commit of the inventory" in done.stderr
    assert complete(root) == made
    assert subprocess.run(words, check=False).returncode == 0  # by the right clock it does
    assert complete(root) != made


def test_a_right_clock_leaves_them(root: Path) -> None:
    """The test's own process, its clock faked by nothing, changes nothing."""
    made = complete(root)
    done = subprocess.run(
        [sys.executable, "-c", _COMPLETE, str(root)], env=os.environ | clock(0), capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert complete(root) == made
