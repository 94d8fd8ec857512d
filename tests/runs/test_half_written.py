"""What the tool keeps is the old file or the new one: a kill, or a full disk, at every call by which a verb changes a file.

The verbs run as a person calls them; strace strikes one call of theirs. `half` is a disk, or a life, that ends in the middle of
a file: the kernel takes no byte beyond a size (RLIMIT_FSIZE).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import BadInput
from provisioner.laptop import git
from provisioner.record import chain
from provisioner.runs import audit, journal
from provisioner.secrets import ansible_vault
from tests.bakery import Bakery, bakery
from tests.record import handover
from tests.runs.traced import Trace, traced
from tests.verbs import BAKERY, PASSPHRASE

PERSON = ("bakery", "luc", "--name", "Luc L'Hôte")
PIN = (
    "import sys; from pathlib import Path; from provisioner.hosts import pins; from provisioner.inventory.target import Target;"
    "pins.pin(Target(Path(sys.argv[1]), 'bakery'), 'server', ['ssh-ed25519 AAAA', 'ssh-rsa BBBB'])"
)
# a verb: its words after `provisioner`, or a program; what it reads; how it may end when it is called again
VERBS: dict[str, tuple[tuple[str, ...], str, tuple[int, ...]]] = {
    "office new": (("office", "new", "cafe", *BAKERY), "", (0, 2)),
    "person add": (("person", "add", *PERSON), "", (0, 2)),
    "person password": (("person", "password", "bakery", "zoe"), "", (0,)),
    "secrets set": (("secrets", "set", "bakery", "mail.password", "--stdin"), "chez le fournisseur\n", (0,)),
    "access rotate": (("access", "rotate", "bakery", "--yes"), "", (0,)),
    "passphrase": (("access", "rotate", "--passphrase", "--passphrase-stdin"), "une autre phrase assez longue\n", (0, 2)),
    "revoke": (("access", "revoke", "li", "--yes"), "", (0, 2, 5)),
    "pin": (("-c", PIN), "", (0,)),
    "apply": (("apply", "bakery", "--yes"), "", (5,)),  # nobody answers where there is no network
    "record new": (("record", "new", "bakery"), "", (0,)),
}
# how many calls of each verb change a file, those of them that a full disk refuses, and those that write: each is a case
COUNTED: dict[str, tuple[int, int, int]] = {
    "office new": (25, 25, 4),
    "person add": (11, 11, 2),
    "person password": (7, 7, 1),
    "secrets set": (8, 8, 1),
    "access rotate": (13, 13, 2),
    "passphrase": (10, 10, 2),
    "revoke": (30, 28, 9),
    "pin": (5, 5, 1),
    "apply": (20, 18, 7),
    "record new": (21, 19, 4),
}
FAULTS = ("kill", "full", "half kill", "half full")
# what `make test` runs of them
SPREAD = {
    *(("office new", "kill", 19), ("person add", "full", 6), ("secrets set", "half full", 0), ("access rotate", "kill", 12)),
    *(("pin", "kill", 3), ("apply", "full", 7), ("apply", "half kill", 2)),
}


def cases() -> list[Any]:
    """Every call of every verb, struck in every way."""
    return [
        pytest.param(
            *(verb, fault, at),
            id=f"{verb}-{fault}-{at:02}".replace(" ", "_"),
            marks=() if (verb, fault, at) in SPREAD else pytest.mark.deep,
        )
        for verb, (changing, full, writes) in COUNTED.items()
        for fault, count in zip(FAULTS, (changing, full, writes, writes), strict=True)
        for at in range(count)
    ]


def verbs() -> list[Any]:
    """The verbs, those that `make test` strikes first of all."""
    often = {verb for verb, _, _ in SPREAD}
    return [pytest.param(verb, marks=() if verb in often else pytest.mark.deep) for verb in COUNTED]


@dataclass
class Place(Bakery):
    """Put back as it was before each verb."""

    known: dict[str, Trace] = field(default_factory=dict)
    made: dict[str, dict[str, str]] = field(default_factory=dict)  # what each verb makes of what people read

    def put_back(self) -> None:
        """The files as they were before any verb."""
        shutil.rmtree(self.home / "now", ignore_errors=True)
        shutil.copytree(self.home / "old", self.home / "now", symlinks=True)
        assert self.call("unlock", "--passphrase-stdin", stdin=f"{PASSPHRASE}\n").returncode == 0

    def run(self, verb: str, strike: str = "", limit: tuple[int, bool] | None = None) -> Trace:
        """A verb under strace, without any network."""
        words, stdin, _ = VERBS[verb]
        program = [sys.executable, *words[:2], str(self.root)] if words[0] == "-c" else [sys.executable, *LIMITED, *words]
        if limit:
            program[2] = HALF.format(size=limit[0], kill=limit[1]) + program[2]
        alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
        watched = {"net": self.root, "state": self.state / "provisioner"}
        return traced([*alone, *program], watched, self.home / "log", env=self.environment, stdin=stdin, strike=strike)

    def reference(self, verb: str) -> Trace:
        """What a verb does when nothing strikes it."""
        if verb not in self.known:
            self.put_back()
            self.known[verb] = self.run(verb)
            assert self.known[verb].code in VERBS[verb][2], self.known[verb].said
            self.made[verb] = {name: plain(path.read_text()) for name, path in self.files() if readable(path)}
        return self.known[verb]

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every file that is kept, by its place."""
        for top in (self.root, self.state):
            for path in sorted(top.rglob("*")):
                if path.is_file() and ".git" not in path.parts:
                    yield str(path.relative_to(self.home / "now")), path


LIMITED = ("-c", "import sys; from provisioner.cli.__main__ import main; main()")
HALF = (
    "import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
    "{kill} and signal.signal(signal.SIGXFSZ, signal.SIG_DFL); "
)


def readable(path: Path) -> bool:
    """Whether people read it as it is: a dossier, a reseller's file, pins."""
    return path.name == "known_hosts" or (path.suffix == ".yml" and path.name != "vault.yml")


def plain(text: str) -> str:
    """A file without what is drawn anew each time: an office's prefix, invented MACs, moments."""
    text = re.sub(r"fd[0-9a-f]{2}:[0-9a-f]{1,4}:[0-9a-f]{1,4}::/48", "PREFIX", text)
    return re.sub(r'"?\d{4}-\d\d-\d\dT[^\s"]+"?', "MOMENT", re.sub(r"02:00:5e(:[0-9a-f]{2}){3}", "MAC", text))


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """The bakery, kept as it is before any verb."""
    with bakery() as made:
        shutil.copytree(made.home / "now", made.home / "old", symlinks=True)
        yield Place(made.home)


def opened(path: Path) -> str:
    """What is in an encrypted file, if one of the keys that are there opens it."""
    keys = [PASSPHRASE, VERBS["passphrase"][1].strip()]
    if path.name == "vault.yml":
        keys = [opened(key).strip() for key in (path.with_name("vault.key"), path.with_name("vault.key.next")) if key.exists()]
    for key in keys:
        try:
            return ansible_vault.decrypt(path.read_text(), key)
        except ansible_vault.WrongPassword:
            continue
    raise ValueError(f"nothing opens {path.name}")


def torn(place: Place, verb: str, fault: str) -> list[str]:
    """Every file that is neither what it was nor what the verb makes of it."""
    found = []
    for name, path in place.files():
        old = place.home / "old" / name
        if old.is_file() and old.read_bytes() == path.read_bytes():
            continue
        if _BESIDE.search(name):
            if "kill" not in fault:
                found.append(f"{name} was left behind")
            continue
        try:
            whole(place, verb, name, path, half=fault.startswith("half"))
        except (ValueError, KeyError, AssertionError) as error:
            found.append(f"{name}: {error!r}")
    return found


_BESIDE = re.compile(r"/\.[^/]+\.\d+\.[0-9a-f]{8}(/|$)")


def whole(place: Place, verb: str, name: str, path: Path, *, half: bool) -> None:
    """Let a file through that is all of what the verb makes; ValueError, KeyError, AssertionError: it is not."""
    if readable(path):
        assert plain(path.read_text()) == place.made[verb][name]
    elif path.name in ("vault.yml", "vault.key", "vault.key.next", "network.key"):
        opened(path)
    elif path.suffix == ".jsonl":
        lines = path.read_bytes().split(b"\n")
        assert [json.loads(line)["seq"] for line in lines[:-1]] == list(range(1, len(lines)))
        assert not lines[-1] or half, "a line is written in one go"
        assert len(list(journal.read_journal(path))) >= len(lines) - 1
    elif path.suffix == ".pub":
        text = path.read_text()
        assert text.endswith("\n")
        assert all(re.fullmatch(r"ssh-ed25519 AAAA\S{60,}( .*)?", line) for line in text.splitlines()), text
    elif path.parent.name == "runs":
        audit.read(path.read_bytes())
    elif path.suffix == ".json" and path.parent.name != "records":
        json.loads(path.read_bytes())
    else:
        assert path.parent.name == "records" or path.name in ("lock", "vault.lock") or name.startswith("cache/"), "what is it?"


@pytest.mark.case("F11")
@pytest.mark.parametrize("verb", verbs())
def test_every_call_is_a_case(place: Place, verb: str) -> None:
    """The cases below are all the calls by which these verbs change files; each new file is on disk before its name is."""
    calls = place.reference(verb).calls
    assert COUNTED[verb] == (len(calls), sum(call.full for call in calls), sum(call.writes for call in calls)), calls
    for number, call in enumerate(calls):
        if call.name.startswith("rename"):
            following = [later.path for later in calls[number:] if later.name == "fsync"]
            assert call.path.rpartition("/")[0] in following, "its name is on disk before the verb ends"
    written = {call.path for call in calls if call.writes and not call.path.endswith("lock")}
    assert written <= {call.path for call in calls if call.name == "fsync"}


@pytest.mark.case("F11")
@pytest.mark.parametrize(("verb", "fault", "at"), cases())
def test_a_struck_file_is_the_old_or_the_new_one(place: Place, verb: str, fault: str, at: int) -> None:
    """No file is torn, a full disk is no success, and the same command goes on from there."""
    calls = place.reference(verb).calls
    if fault.startswith("half"):
        call = [call for call in calls if call.writes][at]
        before = sum(earlier.size for earlier in calls[: calls.index(call)] if earlier.writes and earlier.path == call.path)
        place.put_back()
        struck = place.run(verb, limit=(before + call.size // 2, fault == "half kill"))
    else:
        call = calls[at] if fault == "kill" else [call for call in calls if call.full][at]
        how = "signal=KILL" if fault == "kill" else "error=ENOSPC"
        off = 0
        # some runs look into /proc on the way: one process more on this machine is one file more that is opened
        for more in (0, 0, 0, -1, 1, -2, 2, -3, 3, 0, -4, 4):
            place.put_back()
            struck = place.run(verb, strike=f"{call.name}:{how}:when={max(1, call.nth + off + more)}")
            if struck.struck and struck.struck.path == call.path:
                break
            met = list(zip(struck.calls, calls, strict=False))[: calls.index(call) + 1]
            apart = [a.nth - b.nth for a, b in met if (a.name, a.path) == (b.name, b.path) and b.name == call.name]
            off = apart[-1] if apart else 0
        if struck.struck is None or struck.struck.path != call.path:
            pytest.skip("too much comes and goes on this machine to meet the call: once more, later")
        assert (struck.struck.name, struck.struck.path) == (call.name, call.path)
    if "kill" in fault:
        assert struck.code < 0, struck.said
    elif fault == "full" and call.name == "write" and call.path.endswith("/lock"):
        # the words of who works here have no room; the lock itself needs none
        assert struck.code in VERBS[verb][2], struck.said
    else:
        assert struck.code > 0, struck.said
    assert torn(place, verb, fault) == []
    assert audit.check(place.target.summaries) == []
    if (records := place.target.folder / "records").is_dir():
        assert [said for said in chain.check(records, place.target.summaries) if "belongs to no record" not in said] == []

    again = place.run(verb)
    assert again.code in VERBS[verb][2], again.said
    assert torn(place, verb, fault) == []
    for words in (("inventory", "check"), ("runs", "check", "bakery"), ("record", "check", "bakery")):
        said = place.call(*words)
        assert said.returncode == 0, said
    assert place.call("person", "password", "bakery", "zoe").returncode == 0
    kept = subprocess.run(["git", "ls-files"], cwd=place.root, capture_output=True, text=True, check=True).stdout
    assert not [name for name in [*kept.split("\n"), *(name for name, _ in place.files())] if _BESIDE.search(f"/{name}")]


@pytest.mark.case("F11")
@pytest.mark.parametrize("name", ["index", "HEAD", "refs/heads/main"])
def test_the_lock_of_a_git_that_was_killed_is_named_and_how_to_be_rid_of_it(tmp_path: Path, name: str) -> None:
    """A laptop that died while git committed leaves git's lock: no program takes it away by itself, git's own neither."""
    target = handover.office(tmp_path / "net", history=True)
    lock = target.inventory / ".git" / f"{name}.lock"
    lock.touch()
    (target.folder / "dossier.yml").write_text("changed")

    with pytest.raises(BadInput, match="a git that was killed left its lock") as said:
        git.commit(target.inventory, [target.folder], "a change")
    assert said.value.hint.endswith(f"rm {lock}")
    assert lock.exists()

    lock.unlink()
    assert git.commit(target.inventory, [target.folder], "a change")


@pytest.mark.case("F11")
def test_the_lock_of_a_git_at_work_stays(tmp_path: Path) -> None:
    """Somebody who commits in an editor just now keeps their lock; ours is refused, and says which process holds it."""
    target = handover.office(tmp_path / "net", history=True)
    (target.folder / "dossier.yml").write_text("changed")
    waits = tmp_path / "editor"
    waits.write_text(f"#!/bin/sh\ntouch {tmp_path}/open\nwhile [ ! -e {tmp_path}/close ]; do sleep 0.1; done\n")
    waits.chmod(0o755)
    words = ["git", "-C", str(target.inventory), "commit", "-q", "-a"]
    with subprocess.Popen(words, env={**os.environ, "GIT_EDITOR": str(waits)}, stderr=subprocess.DEVNULL) as other:
        while not (tmp_path / "open").exists():
            assert other.poll() is None
            time.sleep(0.05)
        try:
            with pytest.raises(BadInput, match=rf"git \(process {other.pid}\) works there"):
                git.commit(target.inventory, [target.folder], "a change")
            assert (target.inventory / ".git/index.lock").exists()
        finally:
            (tmp_path / "close").touch()
