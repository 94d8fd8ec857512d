"""Secrets of 13 kinds in a server's office, looked for wherever they must not be: laptop, git, processes, machines."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from provisioner import lab
from provisioner.inventory.target import runtime_home
from provisioner.laptop.processes import as_root
from tests.apply.test_client_text import Sampler
from tests.lab.light import bring_up, kill, light, soon, state
from tests.secrets.hunting import contents, forms, hunt
from tests.stage import CommandResult, Stage

pytestmark = [pytest.mark.lab, pytest.mark.deep, pytest.mark.case("T3")]

# Every play is handed the whole vault; these roles use most of it. What directory and shares do with theirs: test_client_text.py.
ROLES = {"server": ["base", "mail_relay", "backup"], "router": ["base", "mail_relay"]}
PUBLIC = (
    *("tls.authority", "tls.certificate", "backup.ssh_key_public", "backup.keeper_key_public"),
    *("lab.names", "lab.provider_authority", "lab.provider_certificate", "lab.provider_host_key_public"),
)
# Where a machine keeps what it needs, root only or its service's: what a run left anywhere else is found. A former password of
# the backups is needed until each repository has the new one; this server has none that it reaches.
ITS_OWN = re.compile(r"/etc/(office-backup/(password|former-[0-9]+|ssh_key)|postfix/(provider(\.db)?|tls\.pem))$")
KEPT = ("vault.key", "technician")  # a lab's own two keys lie beside what they open


@dataclass
class Office:
    """The lab, its secrets of all times by name, and what was seen of processes while it was worked on."""

    stage: Stage
    secrets: dict[str, str] = field(default_factory=dict)
    seen: set[bytes] = field(default_factory=set)
    said: list[CommandResult] = field(default_factory=list)

    def know(self) -> None:
        """Every secret there is now."""
        sections = self.stage.json("secrets", "show", "demo", "--lab").data
        for section, entries in sections.items():
            for name, text in entries.items() if isinstance(entries, dict) else ():
                called = f"{section}.{name}"
                if isinstance(text, str) and called not in PUBLIC and text not in self.secrets.values():
                    self.secrets[f"{called} {len(self.secrets)}"] = text
        found = lab.find(self.stage.target)
        assert found
        self.secrets["the blank machines' password"] = found.login[1]
        for name in KEPT:
            self.secrets[name] = (state(self.stage) / name).read_text().strip()

    def selection(self, *words: str, **environment: str) -> CommandResult:
        """A verb, watched."""
        with Sampler() as sampler:
            said = self.stage.json(*words, timeout_s=1200, TMPDIR=str(self.stage.home / "tmp"), **environment)
        self.seen |= sampler.seen
        self.said.append(said)
        self.know()
        return said

    def found(self) -> list[str]:
        """Where a secret is that must not be there: files of the laptop, git, what was said, processes, the machines' disks."""
        folders = [self.stage.home, self.stage.inventory, runtime_home()]
        own = {str(state(self.stage) / name) for name in KEPT} | {str(lab.base.lab_home() / self.stage.target.id)}
        places = ((where, content) for where, content in contents(folders) if not any(where.startswith(kept) for kept in own))
        spoken = [("what a verb said", (said.out + said.err).encode()) for said in self.said]
        processes = [(f"a process: {blob[:80]!r}", blob) for blob in self.seen]
        logs = [(f"the log of {host}", log(self.stage, host)) for host in ("router", "server")]
        return [*hunt(self.secrets, iter([*places, *spoken, *processes, *logs])), *self.on_machines()]

    def on_machines(self) -> list[str]:
        """What the machines' disks have of them, the files apart that need them; seen from outside, deleted files not."""
        needles = {
            form: name for name, text in self.secrets.items() for form in forms(text) if b"\n" not in form and b"\0" not in form
        }
        found = []
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as patterns:
            patterns.write(b"\n".join(needles))
            patterns.flush()
            for host in ("router", "server"):
                root = lab.base.lab_home() / self.stage.target.id / "hosts" / host / "upper"
                words = as_root(["grep", "-raoFf", patterns.name, str(root)])
                done = subprocess.run(words, capture_output=True, check=False)
                assert done.returncode in (0, 1), done.stderr
                for line in set(done.stdout.splitlines()):
                    file, _, needle = line.partition(b":")
                    name = os.fsdecode(file).removeprefix(str(root))
                    if not ITS_OWN.search(name):
                        found.append(f"{needles.get(needle, 'a secret')} in {host}:{name}")
        return sorted(set(found))


def log(stage: Stage, host: str) -> bytes:
    """All that a machine's journal has."""
    return stage.on(host, "sudo journalctl -aqo export --no-pager").encode()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Adopted, planned and applied, under watch."""
    stage = light(tmp_path_factory.mktemp("canaries"), ROLES)
    office = Office(stage)
    (stage.home / "tmp").mkdir(parents=True)
    try:
        bring_up(stage, blank=True)
        office.said.append(stage.evidence["adopt"])  # `lab up` prints the blank machines' password: they are for sale so
        assert office.selection("plan", "demo", "--lab").code == 3
        said = office.selection("apply", "demo", "--lab", "--yes")
        assert said.code == 0, said
        yield office
    finally:
        stage.run("lab", "down", "demo")


def changed(office: Office) -> None:
    """New secrets, so that the next run has work to do with them; the old ones stay secrets."""
    for words in (("access", "rotate", "demo", "--lab", "--yes", "--backup-key"), ("person", "password", "demo", "zoe", "--lab")):
        said = office.stage.json(*words)
        assert said.code == 0, said
    office.know()


def test_a_good_run(office: Office) -> None:
    """Plan and apply of the whole server leave no secret where it does not belong."""
    kinds = {name.split()[0] for name in office.secrets}
    assert len(kinds) >= 12, kinds
    assert any(b"apt-get" in blob for blob in office.seen)
    assert not (found := office.found()), "\n".join(found)


def test_a_run_that_tells_all(office: Office) -> None:
    """With Ansible's own -vvvv and log asked for in the environment; what would undo a rule of ours there is not heard."""
    changed(office)
    undone = {"ANSIBLE_NO_TARGET_SYSLOG": "false", "ANSIBLE_NO_LOG": "false", "ANSIBLE_KEEP_REMOTE_FILES": "true"}
    told = {"ANSIBLE_VERBOSITY": "4", "ANSIBLE_LOG_PATH": str(office.stage.home / "log")}
    said = office.selection("apply", "demo", "--lab", "--yes", **told, **undone)
    assert said.code == 0, said
    assert said.data["status"] == "changed"
    assert "TASK [base" in (office.stage.home / "log").read_text()
    assert not (found := office.found()), "\n".join(found)


def test_a_failed_run(office: Office) -> None:
    """A task that has secrets in its hands and fails tells none of them."""
    changed(office)
    office.stage.on(
        "server", "sudo mv /etc/office-backup/password /etc/office-backup.off; sudo mkdir /etc/office-backup/password"
    )
    said = office.selection("apply", "demo", "--lab", "--yes")
    office.stage.on(
        "server", "sudo rmdir /etc/office-backup/password; sudo mv /etc/office-backup.off /etc/office-backup/password"
    )
    assert said.code == 4, said
    assert not (found := office.found()), "\n".join(found)


def test_a_killed_run(office: Office) -> None:
    """A run killed with all its children while secrets are on their way leaves none behind, before it is taken up and after."""
    changed(office)
    with Sampler() as sampler:
        running = office.stage.start("--json", "apply", "demo", "--lab", "--yes")
        children = soon(lambda: any(b"ansible-playbook" in blob for blob in sampler.seen), 300)
        assert children
        soon(lambda: running.poll() is not None, 6)  # into the tasks
        kill(running)
        soon(lambda: False, 1)
    office.seen |= sampler.seen
    assert not (found := office.found()), "\n".join(found)
    said = office.selection("apply", "demo", "--lab", "--yes")
    assert said.code == 0, said
    assert not (found := office.found()), "\n".join(found)
