"""Hosts that do not let us in: which one and why is said, nobody hammers, the others are finished, the exit code is true."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from provisioner import lab
from tests.lab.light import bring_up, inside, light, soon, state
from tests.stage import CommandResult, Stage

pytestmark = [pytest.mark.lab, pytest.mark.case("F8")]

ME = "c.lefevre"
KEYS = f"/home/{ME}/.ssh/authorized_keys"
VERBS = [("plan", "demo"), ("apply", "demo", "--yes"), ("ssh", "demo", "server")]
# In `make test` one verb, all in `make deep`.
EACH = [pytest.param(verb, id=verb[0], marks=[] if verb[0] == "apply" else [pytest.mark.deep]) for verb in VERBS]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Router and server, adopted, with a pack that asks little; the server is the one that will refuse."""
    stage = light(tmp_path_factory.mktemp("refusals"), {})
    try:
        bring_up(stage)
        assert stage.json("apply", "demo", "--lab", "--yes").code == 0
        yield stage
    finally:
        stage.run("lab", "down", "demo")


def logged(stage: Stage, words: str) -> int:
    """How many lines of the server's own log of logins hold these words."""
    log = "journalctl -q -o cat -t sshd -t sshd-session -t sudo"
    return int(inside(stage, "server", f"{log} | grep -cE {shlex.quote(words)} || true"))


@contextmanager
def changed(stage: Stage, there: str, back: str) -> Iterator[None]:
    """Do harm on the server as its root, and take it back."""
    inside(stage, "server", there)
    try:
        yield
    finally:
        inside(stage, "server", back)


def call(stage: Stage, verb: tuple[str, ...]) -> CommandResult:
    """One of the verbs; `ssh` with a command."""
    return stage.json(*verb, "--lab", *(("--", "hostname") if verb[0] == "ssh" else ()))


def refused(stage: Stage, verb: tuple[str, ...], why: str) -> None:
    """The verb ends with 5, names the server and why; the router is finished where the verb is for both."""
    said = call(stage, verb)
    assert said.code == 5, said
    told = said.data["error"] if verb[0] == "ssh" else said.data["problems"]["server"]["problem"]
    assert told.startswith("server (192.168.1.10) "), told
    assert why in told, told
    if verb[0] != "ssh":
        assert list(said.data["problems"]) == ["server"]
        assert said.data["hosts"]["router"]["ok"] > 0
        assert said.data["hosts"]["router"]["unreachable"] == said.data["hosts"]["router"]["failed"] == 0


@pytest.mark.parametrize("verb", EACH)
def test_a_key_that_is_refused(two: Stage, verb: tuple[str, ...]) -> None:
    """A host that forgot our key: named with the login it refuses, asked once or twice, not more."""
    before = logged(two, f"Connection (closed|reset) by authenticating user {ME}")
    with changed(two, f"mv {KEYS} {KEYS}.kept", f"mv {KEYS}.kept {KEYS}"):
        refused(two, verb, f"refuses {ME}'s key")
    tries = logged(two, f"Connection (closed|reset) by authenticating user {ME}") - before

    assert 1 <= tries <= 2, tries


@pytest.mark.parametrize("verb", EACH)
@pytest.mark.parametrize(
    ("shell", "says"),
    [("/usr/sbin/nologin", "This account is currently not available"), pytest.param("/bin/false", "", marks=pytest.mark.deep)],
)
@pytest.mark.deep
def test_an_account_without_a_shell(two: Stage, verb: tuple[str, ...], shell: str, says: str) -> None:
    """The key is taken and no command runs: that is what is said, and not that sudo refuses."""
    with changed(two, f"usermod --shell {shell} {ME}", f"usermod --shell /bin/bash {ME}"):
        before = logged(two, f"Accepted publickey for {ME}")
        refused(two, verb, f"lets {ME} in, but runs no command: {says}".rstrip(": "))
        tries = logged(two, f"Accepted publickey for {ME}") - before

    assert 1 <= tries <= 2, tries


@pytest.mark.deep
def test_an_account_that_is_closed(two: Stage) -> None:
    """An account past its end: said so, and asked once or twice; nothing is said of keys that are wrong."""
    with changed(two, f"usermod --expiredate 1 {ME}", f"usermod --expiredate '' {ME}"):
        refused(two, VERBS[1], f"ends the connection when {ME} logs in")
        assert 1 <= logged(two, f"{ME}.*account has expired|account {ME} has expired") <= 2


@pytest.mark.parametrize("verb", EACH[:2])
def test_sudo_that_asks_for_a_password(two: Stage, verb: tuple[str, ...]) -> None:
    """An account that must type a password now: named, with sudo's words; no password is tried."""
    line = f"echo '{ME} ALL=(ALL:ALL) PASSWD: ALL' > /etc/sudoers.d/zz; chmod 440 /etc/sudoers.d/zz"
    before = logged(two, "incorrect password|authentication failure|a password is required")
    with changed(two, line, "rm /etc/sudoers.d/zz"):
        refused(two, verb, f"refuses sudo to {ME}: sudo: a password is required")

    assert logged(two, "incorrect password|authentication failure|a password is required") - before <= 2


# ------------------------------------------------------------------------------------------- at adoption


@contextmanager
def forgotten(stage: Stage) -> Iterator[None]:
    """The server as one that was never adopted."""
    pins = state(stage) / "known_hosts"
    kept = pins.read_text()
    pins.write_text("".join(line for line in kept.splitlines(keepends=True) if not line.startswith("server.")))
    try:
        yield
    finally:
        pins.write_text(kept)


def test_a_wrong_sudo_password_is_tried_once(two: Stage) -> None:
    """Sudo wants another password than the login's: named, with what sudo said; one try in the host's own log; exit 4."""
    line = "echo 'Defaults rootpw' > /etc/sudoers.d/zz; chmod 440 /etc/sudoers.d/zz; echo root:another-one | chpasswd"
    with changed(two, line, "rm /etc/sudoers.d/zz; passwd -l root"), forgotten(two):
        said = two.json("adopt", "demo", "server", "--lab", "--yes")
        assert "server." not in (state(two) / "known_hosts").read_text()
    log = inside(two, "server", "journalctl -q -o cat -t sudo")

    assert said.code == 4, said
    assert re.match(r"server \(192\.168\.1\.\d+\) refuses sudo to installer: ", said.data["error"]), said.data
    # pam_unix tells of the first failure alone; sudo counts
    assert re.findall(r"installer : (\d+) incorrect password attempt", log) == ["1"], log


# --------------------------------------------------------------------------------- refused for a while


def hammer(stage: Stage) -> None:
    """Somebody at this laptop mistypes until the server hears it no more."""
    words = ["ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    argv = lab.plugged(stage.target, [*words, "nobody-known@192.168.1.10"])

    def heard() -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stderr

    assert soon(lambda: "Permission denied" in heard(), 180)  # of an earlier time it may still be angry
    assert soon(lambda: "Permission denied" not in heard(), 60)


def hears_again(stage: Stage) -> bool:
    """Whether it has forgotten."""
    return soon(lambda: call(stage, VERBS[2]).code == 0, 180)


@pytest.mark.deep
def test_an_sshd_that_refuses_us_for_a_while(two: Stage) -> None:
    """After several wrong logins Debian 13's sshd drops our connections: said so by each verb, and soon it is over."""
    for verb in (*VERBS, ("adopt", "demo", "server", "--yes")):
        hammer(two)
        said = call(two, verb)
        assert said.code == 5, said
        told = said.data["error"] if verb[0] in ("ssh", "adopt") else said.data["problems"]["server"]["problem"]
        assert re.match(r"server \(192\.168\.1\.\d+\) ", told), told
        assert "hangs up before the login" in told, told
        if verb[0] not in ("ssh", "adopt"):
            assert said.data["hosts"]["router"]["ok"] > 0
    assert hears_again(two)
    assert two.json("apply", "demo", "--lab", "--yes").code == 0
