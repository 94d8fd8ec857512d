"""Whoever finds a laptop, switched off or locked, reads no secret of any office from its disk."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.secrets import ansible_vault
from tests.bakery import Bakery, bakery
from tests.secrets.hunting import contents, forms, hunt
from tests.verbs import PASSPHRASE

pytestmark = pytest.mark.lab

PUBLIC = ("tls.certificate", "tls.authority", "backup.ssh_key_public", "backup.keeper_key_public")
MAIL = "chez le fournisseur: é{{ 7*7 }}'\"%\\"


@dataclass
class Lost:
    """A laptop that worked for an office, and what lies on its disk, copied by whoever found it."""

    laptop: Bakery
    secrets: dict[str, str]  # by name
    disk: Path

    def call(self, *words: str | Path, stdin: str = "", memory: Path) -> subprocess.CompletedProcess[str]:
        """A verb on the copy, on another machine: nothing in memory but what lies in `memory`."""
        env = {
            **{
                name: text.replace(str(self.laptop.home / "now"), str(self.disk))
                for name, text in self.laptop.environment.items()
            },
            "XDG_RUNTIME_DIR": str(memory),
        }
        command = [sys.executable, "-m", "provisioner.cli", *map(str, words)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env=env, cwd="/")


def used(laptop: Bakery) -> dict[str, str]:
    """Every verb that has to do with secrets, called with the inventory open; all secrets of all times."""
    found: dict[str, str] = {}

    def know() -> None:
        said = laptop.call("--json", "secrets", "show", "bakery", "--complete")
        assert said.returncode == 0, said
        sections = {name: section for name, section in json.loads(said.stdout).items() if isinstance(section, dict)}
        texts = {f"{section}.{name}": text for section, entries in sections.items() for name, text in entries.items()}
        texts["vault.key"] = ansible_vault.decrypt((laptop.target.folder / "vault.key").read_text(), PASSPHRASE).strip()
        for name, text in texts.items():
            if isinstance(text, str) and name not in PUBLIC and text not in found.values():
                found[f"{name} {len(found)}"] = text

    alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    know()
    for words, stdin, code in (
        (("secrets", "set", "bakery", "mail.password", "--stdin"), f"{MAIL}\n", 0),
        (("person", "add", "bakery", "luc", "--name", "Luc"), "", 0),
        (("person", "password", "bakery", "zoe", "--show"), "", 0),
        (("access", "rotate", "bakery", "--yes", "--backup-key"), "", 0),
        (("person", "remove", "bakery", "luc", "--yes"), "", 0),
        (("plan", "bakery"), "", 5),
        (("apply", "bakery", "--yes"), "", 5),
        (("record", "new", "bakery"), "", 0),
        (("record", "sheet", "bakery", "zoe"), "", 0),
        (("runs", "list", "bakery"), "", 0),
        (("office", "list"), "", 0),
    ):
        done = subprocess.run(
            [*alone, sys.executable, "-m", "provisioner.cli", *words],
            input=stdin, capture_output=True, text=True, check=False, env=laptop.environment, cwd="/",
        )  # fmt: skip
        assert done.returncode == code, (words, done)
        know()
    return {**found, "the passphrase": PASSPHRASE}


@pytest.fixture(scope="module")
def lost() -> Iterator[Lost]:
    """Found with its lid closed after `lock`; its disk is copied."""
    disk = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="provisioner-test-"))
    with bakery() as laptop:
        secrets = used(laptop)
        assert laptop.call("lock").returncode == 0
        for part in ("net", "state", "cache"):
            shutil.copytree(laptop.home / "now" / part, disk / part, symlinks=True)
        yield Lost(laptop, secrets, disk)
    shutil.rmtree(disk)


REFUSED = (
    ("secrets", "show", "bakery", "--all"),
    ("secrets", "show", "bakery", "zoe"),
    ("person", "password", "bakery", "zoe", "--show"),
    ("record", "sheet", "bakery", "zoe", "--sealed"),
    ("access", "rotate", "bakery", "--yes"),
    ("access", "rotate", "--passphrase", "--passphrase-stdin"),
)


@pytest.mark.case("T4")
def test_no_secret_is_on_its_disk(lost: Lost) -> None:
    """In no file, in no object of git, in no document, in no file's name, in no form; those of before a rotation neither."""
    kinds = {name.partition(".")[0] for name in lost.secrets}
    assert kinds >= {"people", "console", "machines", "directory", "tls", "backup", "mail", "vault", "the passphrase"}
    assert len(set(lost.secrets.values())) > 20

    assert hunt(lost.secrets, contents([lost.disk])) == []


@pytest.mark.case("T4")
@pytest.mark.parametrize("form", ["raw", "base64", "hex", "json", "object"])
def test_the_hunt_finds_what_is_there(lost: Lost, form: str) -> None:
    """This test can fail: a secret anywhere on the disk is found."""
    name, secret = next((name, text) for name, text in lost.secrets.items() if text == MAIL)
    written = {"raw": secret.encode(), "base64": base64.b64encode(b"x" + secret.encode()), "hex": secret.encode().hex().encode(),
               "json": json.dumps(secret).encode(), "object": secret.encode()}[form]  # fmt: skip
    if form == "object":
        words = ["git", "-C", str(lost.disk / "net"), "hash-object", "-w", "--stdin"]
        made = subprocess.run(words, input=written, capture_output=True, check=True).stdout.decode().strip()
        left = lost.disk / "net/.git/objects" / made[:2] / made[2:]
    else:
        left = lost.disk / "state/forgotten"
        left.write_bytes(written)
    try:
        assert any(line.startswith(name) for line in hunt(lost.secrets, contents([lost.disk])))
    finally:
        left.unlink()
    assert forms(secret)


@pytest.mark.case("T4")
@pytest.mark.parametrize("memory", ["after a restart", "after lock"])
def test_without_the_passphrase_it_tells_nothing(lost: Lost, memory: str, tmp_path: Path) -> None:
    """Every verb that needs a secret refuses, says how to unlock, and changes nothing; a wrong passphrase opens nothing."""
    there = lost.laptop.home / "run" if memory == "after lock" else tmp_path
    assert hunt(lost.secrets, contents([there])) == []
    before = {path: path.read_bytes() for path in (lost.disk / "net").rglob("*") if path.is_file()}
    for words in REFUSED:
        said = lost.call(*words, stdin="une autre phrase assez longue\n", memory=there)
        assert said.returncode == 2, (words, said)
        assert "provisioner unlock" in said.stderr, said
        assert hunt(lost.secrets, iter([("what it said", (said.stdout + said.stderr).encode())])) == []
    said = lost.call("unlock", "--passphrase-stdin", stdin=PASSPHRASE[:-1] + "\n", memory=there)
    assert (said.returncode, "not the passphrase" in said.stderr) == (2, True), said
    assert {path: path.read_bytes() for path in (lost.disk / "net").rglob("*") if path.is_file()} == before


@pytest.mark.case("T4")
def test_a_labs_secrets_are_no_offices(lost: Lost) -> None:
    """A lab's vault opens without a passphrase and holds other secrets: those of made-up accounts."""
    said = lost.laptop.call("--json", "secrets", "show", "bakery", "--lab")
    assert said.returncode == 0, said
    texts = {text for section in json.loads(said.stdout).values() if isinstance(section, dict) for text in section.values()}
    assert texts
    assert not texts & {*lost.secrets.values()}
