"""Whom we trust: impostors get nothing, a changed key stops a run, two labs with the same addresses never touch."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from provisioner import lab
from tests.lab.light import bring_up, impostor, light, soon, state
from tests.stage import CommandResult, Stage, make

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Router and server, adopted, with a pack that asks little."""
    stage = light(tmp_path_factory.mktemp("plain"), {})
    try:
        yield bring_up(stage, blank=True)
    finally:
        stage.run("lab", "down", "demo")


def pins(stage: Stage) -> Path:
    """The pinned keys."""
    return state(stage) / "known_hosts"


def forget(stage: Stage, host: str) -> None:
    """Make one machine one that was never adopted."""
    kept = [line for line in pins(stage).read_text().splitlines(keepends=True) if not line.startswith(f"{host}.")]
    pins(stage).write_text("".join(kept))


def refused(said: CommandResult) -> bool:
    """Whether a verb ended as it must before a wrong key, and named the host."""
    message = said.data["error"] if said.out.startswith("{") else said.err
    return said.code == 7 and "host key" in message and re.search(r"(router|server) \(192\.168\.1\.", message) is not None


# ------------------------------------------------------------------------------------------ impostors


@pytest.mark.case("T5")
def test_an_impostor_at_adoption_gets_nothing(plain: Stage) -> None:
    """With the fingerprint from the machine's screen, another machine at its address is refused before any password goes."""
    real = plain.evidence["adopt"].data["hosts"]["router"]["fingerprint"]
    kept = pins(plain).read_text()
    forget(plain, "router")
    try:
        with impostor(plain, "192.168.1.1") as stranger:
            said = plain.json("adopt", "demo", "router", "--lab", "--at", "192.168.1.1", "--fingerprint", real)
            assert refused(said), said
            assert "nothing was sent" in said.data["error"]
            assert stranger.heard
            assert stranger.secrets == []
        assert "router" not in pins(plain).read_text()
    finally:
        pins(plain).write_text(kept)


@pytest.mark.case("T5")
def test_the_impostor_of_these_tests_would_take_a_password(plain: Stage) -> None:
    """These tests can fail: who accepts any key gives this impostor the password, and it is written down."""
    kept = pins(plain).read_text()
    forget(plain, "router")
    try:
        with impostor(plain, "192.168.1.1") as stranger:
            plain.json("adopt", "demo", "router", "--lab", "--at", "192.168.1.1", "--yes", timeout_s=300)
            found = lab.find(plain.target)
            assert found
            assert found.login[1] in [entry.get("password") for entry in stranger.secrets]
    finally:
        pins(plain).write_text(kept)


@pytest.mark.case("T5")
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_an_impostor_after_adoption_gets_nothing_from_any_verb(plain: Stage, kind: str) -> None:
    """Another key, or a key of another type only: every verb stops with 7 and says "host key"; no login is even begun."""
    before = pins(plain).read_text()
    with impostor(plain, "192.168.1.1", kind) as stranger:
        for words in (
            ("adopt", "demo", "router", "--at", "192.168.1.1", "--yes"),
            ("plan", "demo"),
            ("apply", "demo", "--yes"),
            ("ssh", "demo", "router"),
        ):
            command = ("--", "hostname") if words[0] == "ssh" else ()
            heard = len(stranger.heard)
            assert refused(plain.json(*words, "--lab", *command)), words
            assert len(stranger.heard) > heard, words
        assert refused(plain.run("ssh", "demo", "router", "--lab", "--", "hostname"))
        assert stranger.secrets == []
    assert pins(plain).read_text() == before


@pytest.mark.case("F8")
def test_a_reinstalled_machine_is_taken_in_with_replace_key(plain: Stage) -> None:
    """New host keys on the real machine: refused until --replace-key says that it was reinstalled; then all is well."""
    plain.on("server", "sudo sh -c 'rm /etc/ssh/ssh_host_*; ssh-keygen -qA; systemctl restart ssh'")
    for words in (("adopt", "demo", "server", "--lab", "--yes"), ("ssh", "demo", "server", "--lab", "--", "hostname")):
        said = plain.json(*words)
        assert refused(said), said
        assert "--replace-key" in said.data["hint"]

    said = plain.json("adopt", "demo", "server", "--lab", "--yes", "--replace-key")
    assert said.code == 0, said
    assert plain.on("server", "id -un").strip() == "c.lefevre"
    assert sum(line.startswith("server.") for line in pins(plain).read_text().splitlines()) == 1


@pytest.mark.case("T5")
def test_the_wrong_machine_is_refused_before_anything_changes_on_it(plain: Stage) -> None:
    """`--at` the address of a machine with another MAC: refused with both MACs; nothing is pinned, no file changes there."""
    hosts = yaml.safe_load(plain.dossier.read_text())["hosts"]
    known = json.loads((state(plain) / "addresses.json").read_text())
    plain.on("server", "sudo touch /run/marker; sleep 1.1")
    kept = pins(plain).read_text()
    forget(plain, "router")
    try:
        said = plain.json("adopt", "demo", "router", "--lab", "--at", known["server"], "--yes")
        assert "router." not in pins(plain).read_text()
    finally:
        pins(plain).write_text(kept)

    assert said.code == 2, said
    assert "is not router" in said.data["error"]
    assert hosts["server"]["mac"] in said.data["error"]
    assert hosts["router"]["mac"] in said.data["error"]
    assert plain.on("server", "sudo find /etc /home /root /usr/local -newer /run/marker ! -type d") == ""


# -------------------------------------------------------------------------------------------- offices apart


@pytest.mark.case("T5")
def test_two_labs_with_the_same_addresses_never_touch(plain: Stage, tmp_path: Path) -> None:
    """The same office twice, at the same addresses: each verb reaches its own; no socket is shared, none is left."""
    other = light(tmp_path, {})
    try:
        bring_up(other)
        assert other.target.control(1) != plain.target.control(1)
        machine = {stage.target.id: stage.on("router", "cat /etc/machine-id") for stage in (plain, other, plain, other)}
        for stage in (plain, other):
            assert (lab.base.lab_home() / stage.target.id / "hosts/router/root/etc/machine-id").read_text() == machine[
                stage.target.id
            ]

        running = other.start("--json", "apply", "demo", "--lab", "--yes")
        shared: list[set[str]] = []
        while running.poll() is None:
            shared.append({path.name for folder in plain.target.controls().values() for path in folder.iterdir()})
            soon(lambda: running.poll() is not None, 0.1)
        assert running.returncode == 0, running.communicate()
        assert not any(shared)
        assert "applied.json" in other.on("router", "sudo ls /var/lib/provisioner")
        assert "applied.json" not in plain.on("router", "sudo ls -a /var/lib/provisioner 2>/dev/null; true")
        assert [stage.target.controls() for stage in (plain, other)] == [{}, {}]
    finally:
        other.run("lab", "down", "demo")


def test_stock_ansible_reads_the_dossier(tmp_path: Path) -> None:
    """`ansible -i …/dossier.yml all --list-hosts` lists the three hosts, without our tool."""
    stage = make(tmp_path)
    cfg = Path(__file__).parents[2] / "playbooks/ansible.cfg"
    done = subprocess.run(
        ["ansible", "-i", str(stage.dossier), "all", "--list-hosts"],
        capture_output=True, text=True, check=False, env={**stage.environment, "ANSIBLE_CONFIG": str(cfg)},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert sorted(line.strip() for line in done.stdout.splitlines()[1:]) == ["desktop", "router", "server"]
