"""What a host runs to shut somebody out (provisioner/hosts/programs/refuse.py), without a machine."""

import subprocess
from pathlib import Path

from provisioner.hosts.programs.authorized_keys import fingerprint, keys_in, keys_of, without
from provisioner.hosts.programs.leaver import runs_as


def test_keys_are_known_however_they_are_written(keys: dict[str, str], tmp_path: Path) -> None:
    """Behind options, as an authority, with another comment: one key; a commented line is none."""
    one = keys["kim"]
    wanted = keys_of([one])

    for line in (
        one, f"{one} somebody else", f'command="echo hi",no-pty {one} x', f"cert-authority {one}", f"  {one}\r", f"\t{one}",
        f'from="10.0.0.0/8" {one}',
    ):  # fmt: skip
        assert {k for _, k in keys_in(line.encode())} == wanted, line
    assert keys_in(f"# {one}".encode()) == []
    assert keys_in(b"ssh-ed25519 !!!! \xff\xfe") == []
    said = subprocess.run(["ssh-keygen", "-l", "-f", str(tmp_path / "kim.pub")], capture_output=True, text=True, check=True)
    assert fingerprint(next(iter(wanted))) == said.stdout.split()[1]


def test_only_lines_with_their_key_go(keys: dict[str, str], tmp_path: Path) -> None:
    """The rest of a file of keys stays byte for byte, with owner and mode; a link is followed, and stays a link."""
    real = tmp_path / "real"
    others = f"# {keys['kim']}\n\n{keys['lou']} lou\r\nnot a key \xff".encode("latin-1")
    real.write_bytes(f"{keys['kim']} kim\n".encode() + others)
    real.chmod(0o640)
    link = tmp_path / "authorized_keys"
    link.symlink_to(real)

    without(str(link), keys_of([keys["kim"]]))

    assert real.read_bytes() == others
    assert real.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_jobs_of_the_system_that_run_as_them() -> None:
    """The sixth word of a line of /etc/crontab, the second after @reboot; never a comment, a setting or another's job."""
    for line in ("* * * * * kim /x", "@daily kim /x", "*/5\t0 * * 1-5\tkim /x"):
        assert runs_as(line, "kim"), line
    for line in ("# * * * * * kim /x", "* * * * * root kim", "PATH=/kim", "", "* * * * * kimono /x", "@daily root /home/kim/x"):
        assert not runs_as(line, "kim"), line
