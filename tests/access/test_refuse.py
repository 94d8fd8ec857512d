"""What a host runs to shut somebody out (provisioner/hosts/programs/refuse.py), without a machine."""

import pwd
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.hosts.programs import authorized_keys, leaver
from provisioner.hosts.programs.authorized_keys import Sshd, fingerprint, keys_in, keys_of, without
from provisioner.hosts.programs.leaver import Leaver, runs_as


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


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The homes of a machine with two accounts, kim and jo, whose sshd reads keys in one folder of root's, as ours do."""
    config, homes = tmp_path / "sshd_config", tmp_path / "home"
    config.write_text(f"AuthorizedKeysFile {tmp_path}/technicians/%u\n")
    accounts = {
        login: pwd.struct_passwd((login, "x", uid, uid, "", str(homes / login), "/bin/sh"))
        for login, uid in (("kim", 1001), ("jo", 1002))
    }
    for login in accounts:
        (homes / login / ".ssh").mkdir(parents=True)
    known = SimpleNamespace(getpwall=lambda: [*accounts.values()], getpwnam=accounts.__getitem__)
    here = {"SSHD": str(config), "call": lambda *_: (0, ""), "pids": list, "pwd": known}
    for name, value in (here | {"glob": SimpleNamespace(glob=lambda _: [])}).items():  # of the real machine nothing is read
        monkeypatch.setattr(authorized_keys, name, value)
    monkeypatch.setattr(leaver, "pwd", known)
    return homes


def kim(keys: dict[str, str]) -> Leaver:
    """Kim, who left, on that machine; of theirs, one key is written down."""
    ask: dict[str, Any] = {"do": "refuse", "stay": {"jo": [keys["jo"]]}, "me": {"login": "jo", "key": keys["jo"]}}
    return Leaver("kim", [keys["kim"]], ask, Sshd())


@pytest.mark.parametrize("name", ["authorized_keys", "authorized_keys2"])
def test_their_key_in_a_colleagues_home_goes(name: str, homes: Path, keys: dict[str, str]) -> None:
    """Also where sshd reads no home now, and in the second file of Debian's own setting: it would let them in once it does."""
    theirs = homes / "jo/.ssh" / name
    theirs.write_text(f"{keys['jo']} jo\n{keys['kim']} kim\n")

    leaves = kim(keys)
    leaves.other_files()

    assert theirs.read_text() == f"{keys['jo']} jo\n"
    assert [(thing["what"], thing["where"]) for thing in leaves.found] == [("key", f"{theirs}:2")]
    assert leaves.left == []


@pytest.mark.parametrize("name", ["authorized_keys", "authorized_keys2"])
def test_a_key_that_only_the_host_knew_is_theirs(name: str, homes: Path, keys: dict[str, str]) -> None:
    """It stands in their own home, in either file: it is told, so that all other hosts refuse it too; a colleague's is not."""
    (homes / "kim/.ssh" / name).write_text(f"{keys['kim']} kim\n{keys['jo']} jo\n{keys['kim-before']} another laptop\n")

    assert kim(keys).unknown == [" ".join(keys["kim-before"].split()[:2])]


def test_jobs_of_the_system_that_run_as_them() -> None:
    """The sixth word of a line of /etc/crontab, the second after @reboot; never a comment, a setting or another's job."""
    for line in ("* * * * * kim /x", "@daily kim /x", "*/5\t0 * * 1-5\tkim /x"):
        assert runs_as(line, "kim"), line
    for line in ("# * * * * * kim /x", "* * * * * root kim", "PATH=/kim", "", "* * * * * kimono /x", "@daily root /home/kim/x"):
        assert not runs_as(line, "kim"), line
