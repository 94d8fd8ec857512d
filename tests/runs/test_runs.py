"""What a run amounts to, its journal and its audit: never better than what happened, never altered unseen."""

import json
from pathlib import Path

import pytest

from provisioner import runs
from provisioner.cli.apply import exit_code
from provisioner.inventory.target import Target
from provisioner.runs import Event, HostRun, Run, audit, fold, journal
from tests.runs.summaries import entry, host
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
