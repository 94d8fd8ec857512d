"""The audit of an office: one chain, never altered unseen."""

import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.inventory.target import Target
from provisioner.runs import audit
from tests.record import handover
from tests.runs.summaries import entry
from tests.verbs import Run as Verb


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Path]:
    """Eight runs."""
    folder = tmp_path / "runs"
    for number in range(1, 9):
        audit.keep(folder, entry(number))
    yield folder


def test_no_word_of_a_run_takes_the_chain_s_place(chain: Path) -> None:
    """What a workflow keeps beside may be called as the chain's own words are: the audit stays whole."""
    audit.keep(chain, {**entry(9), "former": "another release", "number": 1})
    audit.keep(chain, entry(10))
    last = [json.loads(path.read_text()) for path in audit.summaries(chain)][-2:]

    assert [one["number"] for one in last] == [9, 10]
    assert last[0]["former"] == digests(chain)[audit.summaries(chain)[7].name]


def digests(folder: Path) -> dict[str, str]:
    """What git remembers of an audit."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in audit.summaries(folder)}


def chained_again(paths: list[Path]) -> None:
    """What a careful forger does: every hash after the altered summary is made to fit."""
    former = None
    for path in paths:
        data = json.loads(path.read_text())
        data["former"] = former
        path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n")
        former = hashlib.sha256(path.read_bytes()).hexdigest()


def retyped(text: str, chance: random.Random) -> str:
    """The JSON object with one entry that is another kind of thing."""
    data = json.loads(text)
    name = chance.choice([*data, "hosts", "findings"])
    others = [None, True, 7, -1, 1.5, "x", [], {}, [1], {"x": 1}, [{"pictures": [1]}], {"h": {"changed": "many"}}]
    data[name] = chance.choice([other for other in others if other != data.get(name)])
    return json.dumps(data)


def spoil(folder: Path, chance: random.Random) -> tuple[str, bool]:
    """Alter the audit in one way; what was done, and whether the chain alone must show it, without git's memory."""
    paths = audit.summaries(folder)
    way = chance.choice(("edit", "retype", "byte", "delete", "swap", "truncate", "cut", "back-date", "heads", "forge"))
    at = chance.randrange(len(paths))
    path = paths[at]
    said, shows = f"{way} {path.name}", path != paths[-1]
    if way == "edit":
        path.write_text(path.read_text().replace('"changed"', '"unchanged"'))
    elif way == "retype":
        path.write_text(retyped(path.read_text(), chance))
    elif way == "byte":
        raw = bytearray(path.read_bytes())
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(7)
        path.write_bytes(raw)
    elif way == "delete":
        path.unlink()
    elif way == "swap":
        one, two = path.read_bytes(), paths[at - 1].read_bytes()
        path.write_bytes(two)
        paths[at - 1].write_bytes(one)
        shows = True
    elif way == "truncate":
        path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size - 1)])
        shows = True
    elif way == "cut":
        for gone in paths[at:]:
            gone.unlink()
        shows = False
    elif way == "back-date":
        audit.keep(folder, {**entry(9), "started": "2025-12-31T23:00:00Z"})
        shows = True
    elif way == "heads":
        data = json.loads(path.read_text()) | {"run": "20260101T235900Z-ffff"}
        (folder / f"{at + 1:05d}-{data['run']}.json").write_text(json.dumps(data))
        shows = True
    else:
        path.write_text(path.read_text().replace('"changed"', '"unchanged"'))
        chained_again(paths)
        shows = False
    return said, shows


def test_an_untouched_audit_is_whole(chain: Path) -> None:
    """Eight runs in a row have no problem, with and without git's memory."""
    assert audit.check(chain) == []
    assert audit.check(chain, digests(chain)) == []


@pytest.mark.case("T1")
@pytest.mark.parametrize("first", range(0, 1000, 50))
def test_no_alteration_of_the_audit_goes_unseen(chain: Path, first: int) -> None:
    """Edited, deleted, swapped, torn, cut short, back-dated, doubled or forged with fitting hashes: it shows, 50 times."""
    remembered = digests(chain)
    for seed in range(first, first + 50):
        altered = chain.with_name(f"altered-{seed}")
        shutil.copytree(chain, altered)
        done, alone = spoil(altered, random.Random(seed))

        assert audit.check(altered, remembered), (seed, done)
        if alone:
            assert audit.check(altered), (seed, done)


@pytest.mark.case("T1")
@pytest.mark.parametrize("seed", [seed if seed < 10 else pytest.param(seed, marks=pytest.mark.deep) for seed in range(60)])
def test_the_verbs_say_what_was_altered_and_never_crash(office: Target, run: Verb, seed: int) -> None:
    """`runs check` ends with 7 and names the file; `runs list` and `runs show` say what can be said."""
    chance = random.Random(seed)
    path = chance.choice(audit.summaries(office.summaries))
    way = chance.choice(("retype", "deep", "bytes", "folder", "committed"))
    if way in ("retype", "committed"):
        path.write_text(retyped(path.read_text(), chance))
    elif way == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(b"[" * 100_000 if way == "deep" else chance.randbytes(300))
    if way == "committed":
        handover.save(office.inventory, "nothing to see here")

    said = run("--json", "runs", "check", "demo", "--inventory", office.inventory)
    assert (said.code, any(problem.startswith(path.name) for problem in said.data["problems"])) == (7, True), (way, said)
    assert run("runs", "list", "demo", "--inventory", office.inventory).code == 0
    name = path.stem.partition("-")[2]
    for words in ((), (name,), (path.stem,)):
        assert run("runs", "show", "demo", *words, "--inventory", office.inventory).code in (0, 2, 7)


@pytest.mark.case("T1")
def test_two_runs_at_once_are_two_heads(office: Target, run: Verb, tmp_path: Path) -> None:
    """What two laptops did apart and git merged without a conflict is told, by the number that stands twice."""
    clone = Target(tmp_path / "clone", "demo")
    subprocess.run(["git", "clone", "-q", str(office.inventory), str(clone.inventory)], check=True)
    handover.git(clone.inventory, "config", "user.name", "other")
    handover.git(clone.inventory, "config", "user.email", "other@example.org")
    for target, number in ((office, 4), (clone, 5)):
        audit.keep(target.summaries, entry(number))
        handover.save(target.inventory, "a run")
    handover.git(office.inventory, "pull", "-q", "--no-rebase", "--no-edit", str(clone.inventory), "main")

    said = run("--json", "runs", "check", "demo", "--inventory", office.inventory)
    assert said.code == 7
    assert said.data["problems"] == ["00004-20260101T000500Z-0005.json: two heads: number 4 stands twice"]

    for word, value in (("technician", "c.lefevre"), ("reseller", "scop-lumiere")):
        handover.git(office.inventory, "config", f"provisioner.{word}", value)
    first = next(iter(audit.summaries(office.summaries)))
    whole = first.read_bytes()
    first.write_bytes(whole + b" ")
    assert run("runs", "join", "demo", "--inventory", office.inventory).code == 7, "an altered audit is not joined"
    first.write_bytes(whole)
    joined = run("--json", "runs", "join", "demo", "--inventory", office.inventory)
    assert joined.code == 0, joined
    assert joined.data["commit"]
    assert joined.data["joined"] == ["00004-20260101T000400Z-0004.json", "00004-20260101T000500Z-0005.json"]
    said = run("--json", "runs", "check", "demo", "--inventory", office.inventory)
    assert (said.code, said.data["problems"]) == (0, []), said
    audit.keep(
        office.summaries, {**entry(7), "started": json.loads(audit.summaries(office.summaries)[-1].read_bytes())["started"]}
    )
    assert audit.check(office.summaries) == []
    assert run("runs", "join", "demo", "--inventory", office.inventory).code == 2, "nothing is left to join"
    for path in audit.summaries(office.summaries):
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b'"run"', b'"run" ', 1))
        assert audit.check(office.summaries) or path == audit.summaries(office.summaries)[-1]
        path.write_bytes(whole)


ONE = {"server": {"ok": 3, "unreachable": 0}}
NOBODY = {"server": {"ok": 0, "unreachable": 1}}


@pytest.mark.case("F7")
@pytest.mark.parametrize(
    "started", ["1970-01-01T00:10:00Z", "2025-12-31T00:00:00Z", "2026-01-02T00:00:00Z", "2036-01-01T00:00:00Z"]
)
def test_a_run_that_reached_nobody_dates_nothing(chain: Path, started: str) -> None:
    """Where no host contradicted the laptop its clock may be anything: neither it nor those after it are called back-dated."""
    audit.keep(chain, {**entry(9), "started": started, "status": "unreachable", "hosts": NOBODY})
    audit.keep(chain, {**entry(10), "hosts": ONE})

    assert audit.check(chain) == []


@pytest.mark.case("F7")
@pytest.mark.parametrize(("started", "whole"), [("2025-12-31T23:09:00Z", True), ("2025-12-31T23:07:00Z", False)])
def test_an_hour_between_two_laptops_is_borne(chain: Path, started: str, whole: bool) -> None:
    """A run dated before the one it follows shows from an hour on: further off, the hosts would have contradicted."""
    audit.keep(chain, {**entry(9), "started": started, "hosts": ONE})

    assert (audit.check(chain) == []) is whole


def test_two_processes_keep_their_summaries_one_after_the_other(tmp_path: Path) -> None:
    """Numbers are given one process at a time: a revocation beside an apply makes no two heads."""
    code = "import sys; from pathlib import Path; from provisioner.runs import audit\n"
    code += "[audit.keep(Path(sys.argv[1]), {'run': f'{sys.argv[2]}-{n}', 'started': '2026-01-01T00:00:00Z'}) for n in range(40)]"
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "runs"), name]) for name in "abc"]
    assert [process.wait(60) for process in running] == [0, 0, 0]

    assert len(audit.summaries(tmp_path / "runs")) == 120
    assert audit.check(tmp_path / "runs") == []
