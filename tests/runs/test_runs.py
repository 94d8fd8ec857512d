"""What a run amounts to, its journal and its audit: never better than what happened, never altered unseen."""

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner import runs
from provisioner.cli.apply import exit_code
from provisioner.inventory.target import Target
from provisioner.runs import Event, HostRun, Run, audit, fold, journal
from tests.record import handover
from tests.verbs import Run as Verb


def began(verb: str = "apply") -> Event:
    """The first event of every run."""
    detail = {
        "run": "20260101T000000Z-0001",
        "office": "demo",
        "verb": verb,
        "technician": "c.lefevre",
        "lab": False,
        "forced": True,
    }
    return Event("run_started", detail=detail, at=1000.0)


def ended(status: str, error: str = "") -> Event:
    """The last event of a run that was not killed."""
    return Event("run_finished", detail={"status": status, "error": error}, at=1010.0)


def host(**counts: int) -> HostRun:
    """One host's part with these counts."""
    return HostRun(counts={**dict.fromkeys(runs.COUNTS, 0), **counts})


# ---------------------------------------------------------------------------------------------- fold


def test_a_run_without_its_end_was_interrupted() -> None:
    """A killed run never says that it worked, however well its hosts did until then."""
    run = fold([began(), Event("host_ok", "server"), Event("host_changed", "server", "a task", {"diff": "+x"})])

    assert (run.status, run.finished) == ("interrupted", 0.0)
    assert (run.hosts["server"].counts["ok"], run.changed) == (2, 1)
    assert exit_code(run, planning=False) == 130


def test_counts_are_added_up_where_the_play_could_not() -> None:
    """Every outcome of a task is counted once; the last problem of a host is the one told."""
    run = fold(
        [
            began(),
            Event("task_started", task="one"),
            Event("host_ok", "a", "one"),
            Event("host_skipped", "a", "one"),
            Event("host_ignored", "a", "one", {"problem": "no matter"}),
            Event("host_failed", "a", "two", {"problem": "disk full"}),
            Event("host_unreachable", "b", "", {"problem": "no answer"}),
            ended("failed"),
        ]
    )

    assert run.hosts["a"].counts == {**dict.fromkeys(runs.COUNTS, 0), "ok": 2, "skipped": 1, "ignored": 1, "failed": 1}
    assert (run.hosts["a"].problem_task, run.hosts["a"].problem) == ("two", "disk full")
    assert run.hosts["b"].counts["unreachable"] == 1
    assert (run.tasks, run.status, run.detail) == (1, "failed", {"forced": True})


def test_ansibles_own_count_wins_and_forgets_no_unreachable_host() -> None:
    """The play's count replaces ours for its hosts; a host that never got into the play stays unreachable."""
    counted = {"a": {"ok": 9, "changed": 1, "failed": 0, "unreachable": 0, "skipped": 2, "rescued": 0, "ignored": 0}}
    run = fold(
        [
            began(),
            Event("host_unreachable", "b", detail={"problem": "no answer"}),
            Event("host_ok", "a"),
            Event("play_counted", detail={"hosts": counted}),
        ]
    )

    assert run.hosts["a"].counts["ok"] == 9
    assert runs.verdict(run.hosts) == "unreachable"


@pytest.mark.parametrize(
    ("hosts", "verdict"),
    [
        ({}, "unreachable"),
        ({"a": host()}, "unreachable"),
        ({"a": host(skipped=9)}, "unreachable"),
        ({"a": host(unreachable=1)}, "unreachable"),
        ({"a": host(ok=9, changed=3), "b": host(unreachable=1)}, "unreachable"),
        ({"a": host(unreachable=1), "b": host(failed=1)}, "failed"),
        ({"a": host(ok=9, changed=3), "b": host(ok=1, failed=1)}, "failed"),
        ({"a": host(ok=9), "b": host(ok=9, changed=1)}, "changed"),
        ({"a": host(ok=9)}, "unchanged"),
    ],
)
def test_the_verdict_is_that_of_the_worst_host(hosts: dict[str, HostRun], verdict: str) -> None:
    """Nobody reached is never a success, and one bad host spoils the verdict of all."""
    assert runs.verdict(hosts) == verdict


@pytest.mark.parametrize(
    ("run", "planning", "code"),
    [
        (Run(status="interrupted", hosts={"a": host(failed=1), "b": host(unreachable=1)}), False, 130),
        (Run(status="failed", hosts={"a": host(failed=1), "b": host(unreachable=1)}), False, 4),
        (Run(status="failed"), False, 4),
        (Run(status="unreachable", hosts={"a": host(ok=3, changed=3), "b": host(unreachable=1)}), True, 5),
        (Run(status="unreachable"), False, 5),
        (Run(status="changed", hosts={"a": host(ok=3, changed=3)}), True, 3),
        (Run(status="changed", hosts={"a": host(ok=3, changed=3)}), False, 0),
        (Run(status="unchanged", hosts={"a": host(ok=3)}), True, 0),
    ],
)
def test_of_several_exit_codes_the_worst_is_given(run: Run, planning: bool, code: int) -> None:
    """130 before 4 before 5 before 3; a change is an exit code of its own only for a plan."""
    assert exit_code(run, planning=planning) == code


# ------------------------------------------------------------------------------------------- journal


def test_a_journal_torn_by_a_kill_is_read_up_to_the_tear(tmp_path: Path) -> None:
    """Cut at any byte, a journal gives the events that were whole, and an interrupted run."""
    written = journal.Journal(tmp_path / "run.jsonl")
    for event in (began(), Event("host_ok", "server", "é"), ended("unchanged")):
        written.write(event)
    written.close()
    whole = (tmp_path / "run.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)

    for cut in range(len(whole)):
        (tmp_path / "torn").write_bytes(whole[:cut])
        events = list(journal.read_journal(tmp_path / "torn"))
        # a line that lacks nothing but its end of line is whole
        assert len(events) == sum(cut >= len(b"".join(lines[: n + 1])) - 1 for n in range(3))
        assert len(events) == 3 or fold(events).status == "interrupted"


def test_a_journal_is_private_numbered_and_never_overwritten(tmp_path: Path) -> None:
    """Mode 0600, numbers from 1 without a hole, and a second journal of the same name is refused."""
    written = journal.Journal(tmp_path / "run.jsonl")
    for _ in range(5):
        written.write(Event("host_ok", "server"))
    written.close()

    assert (tmp_path / "run.jsonl").stat().st_mode & 0o777 == 0o600
    assert [json.loads(line)["seq"] for line in (tmp_path / "run.jsonl").read_text().splitlines()] == [1, 2, 3, 4, 5]
    with pytest.raises(FileExistsError):
        journal.Journal(tmp_path / "run.jsonl")


# --------------------------------------------------------------------------------------------- audit


def entry(number: int) -> dict[str, Any]:
    """A summary as `keep` takes it."""
    return {"run": f"20260101T00{number:02d}00Z-{number:04x}", "started": f"2026-01-01T00:{number:02d}:00Z", "status": "changed"}


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
@pytest.mark.parametrize("seed", range(1000))
def test_no_alteration_of_the_audit_goes_unseen(chain: Path, seed: int) -> None:
    """Edited, deleted, swapped, torn, cut short, back-dated, doubled or forged with fitting hashes: it shows."""
    remembered = digests(chain)
    done, alone = spoil(chain, random.Random(seed))

    assert audit.check(chain, remembered), done
    if alone:
        assert audit.check(chain), done


@pytest.fixture
def office(run: Verb, tmp_path: Path) -> Target:
    """An office in git whose audit has three runs, each in a commit."""
    target = handover.office(tmp_path / "net", history=True)
    for number in range(1, 4):
        audit.keep(target.summaries, {**entry(number), "verb": "apply", "hosts": {"server": host(ok=9, changed=1).counts}})
        handover.save(target.inventory, f"run {number}")
    assert run("runs", "check", "demo", "--inventory", target.inventory).code == 0
    return target


@pytest.mark.case("T1")
@pytest.mark.parametrize("seed", range(60))
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


def test_a_run_that_goes_on_says_running_by_whom_since_when(
    office: Target, run: Verb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`runs show` and `runs list` beside an apply; once its process is gone without an end it was interrupted."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    name = "20270101T000000Z-0009"
    began_at = Event(
        "run_started", detail={"run": name, "office": "demo", "verb": "apply", "technician": "c.lefevre"}, at=1798761600
    )
    log = journal.Journal(office.journals / f"{name}.jsonl")
    log.write(began_at)

    shown = run("runs", "show", "demo", "--inventory", office.inventory)
    listed = run("--json", "runs", "list", "demo", "--inventory", office.inventory).data["runs"]
    assert "apply demo: running since 2027-01-01 00:00 UTC, for " in shown.out
    assert "by c.lefevre on this laptop" in shown.out
    assert [(one["run"], one["status"]) for one in listed[-1:]] == [(name, "running")]

    log.close()
    assert run("--json", "runs", "show", "demo", "--inventory", office.inventory).data["status"] == "interrupted"
    assert len(run("--json", "runs", "list", "demo", "--inventory", office.inventory).data["runs"]) == 3


def test_a_run_of_another_laptop_is_told_from_the_audit(office: Target, run: Verb) -> None:
    """Its counts and tasks as a person reads them, no JSON; the diffs are said to be elsewhere."""
    audit.keep(office.summaries, {**entry(9), "verb": "apply", "status": "changed", "technician": "n.petit", "office": "demo",
        "hosts": {"server": host(ok=9, changed=1).counts}, "changes": {"server": ["base: Hosts"]}})  # fmt: skip

    said = run("runs", "show", "demo", "--inventory", office.inventory).out
    assert "  ~ base: Hosts" in said
    assert "apply demo: done" in said
    assert "its diffs are in the journal on n.petit's laptop" in said
    assert "{" not in said
