"""What OpenSSH itself makes of the words that we give it: asked of the program (`ssh -G`), not read off our own list."""

import os
import subprocess
from pathlib import Path

import pytest

from provisioner.hosts.access import SshAccess
from provisioner.inventory import target
from provisioner.inventory.target import Target

# What holds on every connection: nobody but the pinned machine, nothing but this key, nothing of ours lent to it.
HELD = {
    "stricthostkeychecking": "true",
    "updatehostkeys": "false",
    "checkhostip": "no",
    "verifyhostkeydns": "false",
    "forwardagent": "no",
    "forwardx11": "no",
    "identitiesonly": "yes",
    "passwordauthentication": "no",
    "preferredauthentications": "publickey",
    "globalknownhostsfile": "/dev/null",
    "hostkeyalias": "server.bakery",
    "permitlocalcommand": "no",
    "batchmode": "yes",
}


@pytest.fixture
def access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshAccess:
    """How a technician gets into an office's hosts."""
    memory = tmp_path / "run"
    memory.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(memory))
    return SshAccess(Target(tmp_path / "100 % à nous", "bakery"), "c.lefevre", tmp_path / "key %h")


def as_ssh_reads(access: SshAccess, home: Path) -> dict[str, str]:
    """Each setting's value for the host, as the program itself says."""
    words = access.command("server", "192.168.1.10", ["true"])
    env = {**os.environ, "HOME": str(home)}
    done = subprocess.run([words[0], "-G", *words[1:]], capture_output=True, text=True, check=True, env=env)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_no_connection_trusts_or_lends_more_than_it_must(access: SshAccess, tmp_path: Path) -> None:
    """Whatever the laptop's own configuration says: strict pins, one key, no agent, no password."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/config").write_text("Host *\n  StrictHostKeyChecking no\n  ForwardAgent yes\n  PasswordAuthentication yes\n")

    read = as_ssh_reads(access, home)

    assert {word: read.get(word) for word in HELD} == HELD
    assert read["userknownhostsfile"] == str(access.target.known_hosts)
    assert read["identityfile"].replace("%%", "%") == str(access.key)  # expanded when it is opened


def test_a_socket_has_room_for_the_longest_name_it_gets(access: SshAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A technician whose account is of a domain has a number of ten digits; OpenSSH adds 17 signs while it makes a socket."""
    monkeypatch.setattr(target, "runtime_home", lambda: Path("/run/user/4294967295/provisioner"))
    pid_max = 4 * 1024 * 1024  # proc_sys_kernel(5)

    assert len(str(access.target.control(pid_max))) + len("/") + 40 + len(".0123456789abcdef") <= 107


def test_ansible_is_given_the_same_words(access: SshAccess) -> None:
    """What a play connects with is what we connect with."""
    assert access.options("server") == access.command("server", "x", ["true"])[1 : 1 + len(access.options("server"))]
