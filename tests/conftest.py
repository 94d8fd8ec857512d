"""Stages that many tests share: built once, because a real office takes a minute."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from provisioner.cli.__main__ import main
from tests import applied
from tests.stage import Stage, make
from tests.verbs import BAKERY, ME, PASSPHRASE, CommandResult, Run, key

# The same examples every time: a change is judged by what it changed. HYPOTHESIS_SEEDED=no looks for new ones.
settings.register_profile("repeatable", derandomize=os.environ.get("HYPOTHESIS_SEEDED") != "no", deadline=None)
settings.load_profile("repeatable")


# A shell's background job ignores Ctrl-C, and so would all that the tests start: some of them are sent one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# What the tests read is English, whatever language their caller's terminal speaks.
os.environ["PROVISIONER_LANG"] = "en"

pytest_plugins = ["tests.lab.small", "tests.minutes"]


@pytest.fixture(autouse=True)
def _no_inventory_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inventory, run, lab and language of whoever runs the tests must not leak into them."""
    for name in list(os.environ):
        if name.startswith(("PROVISIONER_", "KNOB_")) and name not in ("PROVISIONER_LAB_DIR", "PROVISIONER_LANG"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def applied_name(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The snapshot of the applied demo office, from blank machines to installed ones, made where it is not there yet."""
    return applied.ensure(tmp_path_factory.mktemp("applied"))


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory, applied_name: str) -> Iterator[Stage]:
    """The applied demo office, for tests that leave it as it was; what each verb said on its way there is `evidence`."""
    with applied.office(tmp_path_factory.mktemp("office"), applied_name) as stage:
        yield stage


@pytest.fixture
def own_office(tmp_path: Path, applied_name: str) -> Iterator[Stage]:
    """The applied demo office for one test, which may break what it likes."""
    with applied.office(tmp_path, applied_name) as stage:
        yield stage


@pytest.fixture
def blank(tmp_path: Path) -> Iterator[Stage]:
    """A lab of two blank machines, router and server, for one test."""
    stage = make(tmp_path, hosts=("router", "server"))
    try:
        said = stage.run("lab", "up", "demo")
        assert said.code == 0, said
        yield stage
    finally:
        stage.run("lab", "down", "demo")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run one command line without a terminal, standing in a temporary folder, with folders of our own."""
    memory = tempfile.mkdtemp(dir="/dev/shm", prefix="provisioner-test-")
    for name, folder in (("STATE_HOME", tmp_path / "state"), ("CACHE_HOME", tmp_path / "cache"), ("RUNTIME_DIR", memory)):
        monkeypatch.setenv(f"XDG_{name}", str(folder))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # no key of whoever runs the tests
    for name in ("PROVISIONER_INVENTORY", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def command(*words: str | Path, stdin: str = "") -> CommandResult:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = capfd.readouterr()
        return CommandResult(int(str(ended.value.code)), out, err)

    yield command
    shutil.rmtree(memory)


@pytest.fixture
def net(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new inventory of one's own, unlocked; we stand in it."""
    assert run("init", "net", *ME, "--passphrase-stdin", stdin=PASSPHRASE + "\n").code == 0
    monkeypatch.chdir(tmp_path / "net")
    yield tmp_path / "net"
    run("lock", "--inventory", tmp_path / "net")


GIT = {"PATH": "/usr/bin:/bin", "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@x.example", "GIT_COMMITTER_NAME": "t",
       "GIT_COMMITTER_EMAIL": "t@x.example", "GIT_CONFIG_GLOBAL": "/dev/null"}  # fmt: skip


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """A key each."""
    return {name: key(tmp_path, name) for name in ("jo", "kim", "kim-before", "lou")}


@pytest.fixture
def scop(run: Run, net: Path, keys: dict[str, str], tmp_path: Path) -> Path:
    """An inventory of three technicians: jo, who works here, kim, who had another key before, and lou; one office."""
    path = net / "resellers/ma-scop.yml"
    text = path.read_text()
    assert "technicians:\n  jo:" in text
    head = text[: text.index("technicians:")]

    def write(kim: str) -> None:
        people = {"jo": ("Jo L'Hôte", keys["jo"]), "kim": ("Kim {{ 7*7 }}", kim), "lou": ("Lou", keys["lou"])}
        path.write_text(
            head
            + "technicians:  # who comes\n"
            + "".join(
                f"  {login}:\n    name: {json.dumps(name)}\n    phone: '04 00'\n    keys: ['{one}']\n"
                for login, (name, one) in people.items()
            )
        )
        subprocess.run(["git", "-C", str(net), "commit", "-q", "-a", "-m", "technicians"], check=True, env=GIT)

    write(keys["kim-before"])
    write(keys["kim"])
    subprocess.run(["git", "-C", str(net), "config", "provisioner.key", str(tmp_path / "jo")], check=True)
    assert run("office", "new", "bakery", *BAKERY, "--person", "zoe=Zoé N'Diaye").code == 0
    return net
