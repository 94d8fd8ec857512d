"""What a host runs to shut somebody out (playbooks/roles/base/files/refuse.py), without a machine."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

REFUSE = Path(__file__).parents[2] / "playbooks/roles/base/files/refuse.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """`refuse.py` as a module."""
    module = ModuleType("refuse")
    exec(compile(REFUSE.read_text(), str(REFUSE), "exec"), module.__dict__)
    return module


def test_keys_are_known_however_they_are_written(program: ModuleType, keys: dict[str, str], tmp_path: Path) -> None:
    """Behind options, as an authority, with another comment: one key; a commented line is none."""
    one = keys["kim"]
    wanted = program.of([one])

    for line in (
        one, f"{one} somebody else", f'command="echo hi",no-pty {one} x', f"cert-authority {one}", f"  {one}\r", f"\t{one}",
        f'from="10.0.0.0/8" {one}',
    ):  # fmt: skip
        assert {k for _, k in program.keys_in(line.encode())} == wanted, line
    assert program.keys_in(f"# {one}".encode()) == []
    assert program.keys_in(b"ssh-ed25519 !!!! \xff\xfe") == []
    said = subprocess.run(["ssh-keygen", "-l", "-f", str(tmp_path / "kim.pub")], capture_output=True, text=True, check=True)
    assert program.fingerprint(next(iter(wanted))) == said.stdout.split()[1]


def test_only_lines_with_their_key_go(program: ModuleType, keys: dict[str, str], tmp_path: Path) -> None:
    """The rest of a file of keys stays byte for byte, with owner and mode; a link is followed, and stays a link."""
    real = tmp_path / "real"
    others = f"# {keys['kim']}\n\n{keys['lou']} lou\r\nnot a key \xff".encode("latin-1")
    real.write_bytes(f"{keys['kim']} kim\n".encode() + others)
    real.chmod(0o640)
    link = tmp_path / "authorized_keys"
    link.symlink_to(real)

    program.without(str(link), program.of([keys["kim"]]))

    assert real.read_bytes() == others
    assert real.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_jobs_of_the_system_that_run_as_them(program: ModuleType) -> None:
    """The sixth word of a line of /etc/crontab, the second after @reboot; never a comment, a setting or another's job."""
    runs_as = program.Leaver.runs_as

    class Kim:
        login = "kim"

    for line in ("* * * * * kim /x", "@daily kim /x", "*/5\t0 * * 1-5\tkim /x"):
        assert runs_as(Kim, line), line
    for line in ("# * * * * * kim /x", "* * * * * root kim", "PATH=/kim", "", "* * * * * kimono /x", "@daily root /home/kim/x"):
        assert not runs_as(Kim, line), line


def test_the_program_runs_on_the_oldest_python_we_serve() -> None:
    """Debian 12 has Python 3.11: what a host runs as root compiles there, and needs the standard library alone."""
    imported = {line.split()[1] for line in REFUSE.read_text().splitlines() if line.startswith("import ")}

    compile(REFUSE.read_text(), str(REFUSE), "exec")
    assert imported <= set(sys.stdlib_module_names)
