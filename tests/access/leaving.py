"""Two technicians of one reseller and an office both serve; one of them will leave.

The lab stands in for a real office, as in test_two_technicians: the verbs run plugged into its LAN, without --lab.
"""

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner import lab
from provisioner.hosts import programs
from provisioner.secrets import passphrase
from tests.lab.light import Technician, light
from tests.stage import CommandResult

PASSPHRASE = "une phrase assez longue"
STAYS, LEAVES = "c.lefevre", "n.petit"
HOSTS = ("router", "server")


@dataclass
class Network:
    """Two technicians of one reseller, an office both serve, and what the one who leaves has."""

    stays: Technician
    leaves: Technician
    second: Path  # a key of theirs that no file knows
    begun: str  # the commit in which both work here

    def revoke(self, *words: str, **rest: Any) -> CommandResult:
        """Shut the one who leaves out."""
        return self.stays.run("access", "revoke", LEAVES, "--yes", *words, **rest)

    def gets_in(self, host: str, login: str, key: Path) -> bool:
        """Whether sshd lets this login in with this key, asked of the real host by a plain ssh."""
        address = json.loads((next((self.stays.home / "provisioner/offices").iterdir()) / "addresses.json").read_text())[host]
        words = [
            "ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", f"IdentityFile={key}",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5",
            "-l", login, "--", address, "true",
        ]  # fmt: skip
        argv = lab.plugged(self.stays.stage.target, words)
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=self.stays.environment)
        assert done.returncode in (0, 255), done
        assert done.returncode == 0 or "Permission denied" in done.stderr or "Connection closed" in done.stderr, done
        return done.returncode == 0

    def program(self, boot: str, *words: str) -> list[str]:
        """What `refuse.py`, begun by `boot`, says on the router as root, by line; the last one is `ended` and its exit code."""
        asked = {
            "do": "refuse", "logins": {LEAVES: [public(self.leaves.key)]}, "stay": {STAYS: [public(self.stays.key)]},
            "me": {"login": STAYS, "key": public(self.stays.key)}, "keep_lease": True,
        }  # fmt: skip
        given = programs.given(programs.source("refuse"), asked)
        called = shlex.join(["sudo", "-n", "python3", "-c", boot, *words])
        said = self.stays.on("router", f"printf %s {shlex.quote(given)} | sh -c {shlex.quote(f'{called} 2>&1; echo ended $?')}")
        return said.strip().splitlines()

    def found(self, said: CommandResult, host: str) -> list[str]:
        """What was named on a host, one line each."""
        things = said.data["offices"]["demo"]["hosts"][host]["found"]
        return [f"{thing['what']} {thing['where']} {thing['about']}" for thing in things]


@contextmanager
def two_work_here(folder: Path) -> Iterator[Network]:
    """Both have adopted the office's two machines, one of them with the base role's files, one as it was adopted."""
    stage = light(folder, {})
    reseller = stage.inventory / "resellers/scop-lumiere.yml"
    people = []
    for login in (STAYS, LEAVES):
        path = folder / login
        keygen(path)
        people.append(Technician(login, stage, folder / f"copy-{login}", folder / f"state-{login}", path))
        text = reseller.read_text()
        at = text.index("keys:", text.index(f"  {login}:"))
        line = text[at : text.index("\n", at)]
        reseller.write_text(text.replace(line, f"keys: ['{public(path)}']"))
    stage.git("commit", "-q", "-a", "-m", "our keys")
    passphrase.create(stage.inventory, PASSPHRASE)
    second = folder / "second"
    keygen(second)
    try:
        up = stage.json("lab", "up", "demo")
        assert up.code == 0, up
        for who in people:
            subprocess.run(["git", "clone", "-q", str(stage.inventory), str(who.clone)], check=True)
            who.git("config", "provisioner.technician", who.login)
            who.git("config", "provisioner.reseller", "scop-lumiere")
            who.git("config", "provisioner.key", str(who.key))
            (who.clone / "network.key").write_text((stage.inventory / "network.key").read_text())
            who.home.mkdir()
            assert who.run("unlock", "--passphrase-stdin", stdin=PASSPHRASE + "\n").code == 0
            login = up.data["login"]
            adopted = who.run(
                "adopt", "demo", "--yes", "--user", login["user"], "--password-stdin", stdin=login["password"] + "\n"
            )
            assert adopted.code == 0, adopted
            who.git("add", "-A")
            who.git("commit", "-q", "-m", "adopted")
        for host in HOSTS:  # these tests knock with refused keys: a Debian 13 sshd would soon let nobody in from here
            exempt = "echo PerSourcePenaltyExemptList 192.168.1.0/24 > /etc/ssh/sshd_config.d/test.conf; systemctl reload ssh"
            as_root(people[0], host, exempt)
        yield Network(people[0], people[1], second, people[0].git("rev-parse", "HEAD"))
    finally:
        for who in people:
            if who.clone.exists():
                who.run("lock")
        stage.run("lab", "down", "demo")


def keygen(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)


def public(path: Path) -> str:
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def as_root(who: Technician, host: str, script: str) -> str:
    """What a shell script printed as root on a host; each of its lines must succeed."""
    return who.on(host, f"sudo sh -ec {shlex.quote(script)}")
