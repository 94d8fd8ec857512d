"""A good key with a bad certificate beside it: the certificate is none of ours, on no way in."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.light import bring_up, light, state
from tests.stage import Stage

pytestmark = [pytest.mark.lab, pytest.mark.deep, pytest.mark.case("T5")]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A router, adopted."""
    stage = light(tmp_path_factory.mktemp("certificate"), {}, hosts=("router",))
    try:
        yield bring_up(stage)
    finally:
        stage.run("lab", "down", "demo")


def certify(stage: Stage, folder: Path, how: str) -> Path:
    """Put a certificate beside the technician's key; the key's file."""
    key = state(stage) / "technician"
    beside = key.with_name("technician-cert.pub")
    beside.unlink(missing_ok=True)
    if how == "damaged":
        beside.write_text("ssh-ed25519-cert-v01@openssh.com AAAA damaged\n")
        return key
    authority = folder / "authority"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(authority)], check=True)
    lasting = "-2d:-1d" if how == "expired" else "-1d:+1d"
    words = ["ssh-keygen", "-q", "-s", str(authority), "-I", "x", "-n", "somebody", "-V", lasting, f"{key}.pub"]
    subprocess.run(words, check=True)
    assert beside.exists()
    return key


@pytest.mark.parametrize("how", ["expired", "of an unknown authority", "damaged"])
def test_a_bad_certificate_beside_a_good_key_locks_nobody_out(plain: Stage, tmp_path: Path, how: str) -> None:
    """First contact (paramiko), a session (OpenSSH) and a run (Ansible) get in with the key alone."""
    key = certify(plain, tmp_path, how)
    (state(plain) / "known_hosts").write_text("")

    said = plain.json("adopt", "demo", "router", "--lab", "--yes", "--user", "c.lefevre", "--key", str(key))
    assert said.code == 0, said
    assert plain.on("router", "id -un").strip() == "c.lefevre"
    said = plain.json("apply", "demo", "--lab", "--yes")
    assert said.code == 0, said


def test_a_key_with_a_passphrase_is_told(plain: Stage, tmp_path: Path) -> None:
    """What first contact cannot use is said in words."""
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", str(key)], check=True)

    pins = state(plain) / "known_hosts"
    kept = pins.read_text()
    pins.write_text("")
    said = plain.json("adopt", "demo", "router", "--lab", "--yes", "--user", "c.lefevre", "--key", str(key))
    pins.write_text(kept)
    assert said.code == 5, said
    assert f"{key} has a passphrase" in said.data["error"]
