"""`fleet` on a real PostgreSQL: what is added, taken back, scheduled; what comes of offices that do not answer."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provisioner.check import store
from provisioner.fleet import execution, worker
from provisioner.fleet.database import Database, Scheduled, judged
from provisioner.fleet.jobs import Execution, Job, Outcome
from tests.fleet.conftest import ALONE, work
from tests.fleet.postgresql import PostgreSQL
from tests.verbs import Run

pytestmark = pytest.mark.lab


def states(run: Run) -> dict[str, str]:
    """Each office's newest job."""
    return {one["office"]: one["state"] for one in run("fleet", "list", "--json").data["jobs"]}


def test_unreachable_offices_wait_and_failed_ones_do_not(run: Run, offices: Path, conninfo: str) -> None:
    """A worker without waiting does all that is due; whoever does not answer is asked again in a quarter of an hour."""
    assert run("fleet", "add", "check", "--all").out == "4 jobs added\n"
    assert run("fleet", "add", "update", "office-00003").code == 0
    assert states(run) == dict.fromkeys(states(run), "waiting")

    done = work("--at-once", "4")

    assert done.returncode == 0, done
    found = run("fleet", "list", "--json").data
    told = {(one["office"], one["verb"]): one for one in found["jobs"]}
    for n in range(3):
        one = told[f"office-0000{n}", "check"]
        assert one["state"] == "again"
        assert [each["outcome"] for each in one["executions"]] == ["unreachable"]
        assert one["due"] == pytest.approx(one["executions"][0]["ended"] + 900, abs=2)
    for verb in ("check", "update"):
        one = told["office-00003", verb]
        assert one["state"] == "failed"
        assert one["executions"][0]["said"] == "no host of office-00003 is adopted"
    with store.store() as file:
        assert len(store.moments(file, offices)) == 3, "the rounds are those that everybody sees"
    assert found["workers"] == []
    shown = run("fleet", "list")
    assert "tried again 3" in shown.out and "failed 1" in shown.out and "no worker is at work" in shown.out
    del conninfo


def test_what_waits_is_not_added_twice(run: Run, offices: Path, conninfo: str) -> None:
    """It is due now instead; what is taken back is not done."""
    assert run("fleet", "add", "check", "office-00000", "office-00001", "--json").data["jobs"] == [1, 2]
    assert run("fleet", "add", "check", "office-00001", "--json").data["jobs"] == []
    assert work().returncode == 0
    again = Database(judged(conninfo)).lines(["office-00001"])[0].due
    assert again and again > time.time() + 600

    assert run("fleet", "add", "check", "office-00001", "--json").data["jobs"] == []
    due = Database(judged(conninfo)).lines(["office-00001"])[0].due
    assert due and due <= time.time()
    assert run("fleet", "cancel", "office-00001", "--json").data["cancelled"] == [2]
    assert run("fleet", "cancel", "--all", "--verb", "update", "--json").data["cancelled"] == []
    assert run("fleet", "cancel", "--all", "--json").data["cancelled"] == [1]
    assert states(run) == {"office-00000": "cancelled", "office-00001": "cancelled"}
    assert run("fleet", "add", "check", "office-00001", "--json").data["jobs"] == [3]
    del offices


def test_the_canary_goes_first_and_an_office_that_became_worse_ends_the_round(run: Run, offices: Path, conninfo: str) -> None:
    """The others are added when it ended well, once; they are taken back when one was left worse."""
    assert run("fleet", "add", "update", "--all", "--canary", "office-00001", "--json").data["jobs"] == [1]
    database = Database(judged(conninfo))
    canary = database.job(1)
    assert canary.then == ("office-00000", "office-00002", "office-00003")
    one = worker.Worker(database, offices, 1, print)
    one._conclude(canary, False, False)
    assert len(database.lines()) == 1, "not after a bad end"

    for _ in range(2):  # a worker that is killed here does it again
        one._conclude(canary, True, False)
    added = {line.job.office: line for line in database.lines()}
    assert len(database.lines()) == 4 and {line.job.round for line in added.values()} == {canary.round}
    one._conclude(added["office-00000"].job, False, True)
    assert {line.status for line in database.lines() if line.job.id > 1} == {"cancelled"}


def test_an_execution_that_ended_is_never_repeated(run: Run, offices: Path, conninfo: str) -> None:
    """Whoever calls it again, with a job that a dead worker left, finds its end and calls nothing."""
    assert run("fleet", "add", "check", "office-00003").code == 0
    database = Database(judged(conninfo))
    assert execution.execute(database, offices, 1) == 0
    assert execution.execute(database, offices, 1) == 0
    assert [one.outcome for one in database.executions(1)] == [Outcome.FAILED]
    with database.holding("office-00003") as held:
        assert held is not None
        assert execution.execute(database, offices, 1) == execution.HELD, "another machine is at it"


def test_what_is_asked_for_again_is_tried_now(run: Run, offices: Path, conninfo: str) -> None:
    """Not when it would have been by itself."""
    assert run("fleet", "add", "check", "office-00000").code == 0
    assert work().returncode == 0
    assert run("fleet", "add", "check", "office-00000").code == 0
    assert work().returncode == 0
    executions = Database(judged(conninfo)).executions(1)
    assert [one.outcome for one in executions] == [Outcome.UNREACHABLE] * 2
    del offices


def test_what_is_due_is_said_by_the_database(
    run: Run, offices: Path, conninfo: str, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose clock is an hour late does what it is given, and does not ask for it again and again."""
    import psycopg

    assert run("fleet", "add", "check", "office-00003").code == 0
    database = Database(judged(conninfo))
    database.end(database.begin(1), Outcome.UNREACHABLE, 5)
    with psycopg.connect(conninfo) as connection:
        connection.execute("UPDATE provisioner_execution SET ended = now() - interval '20 minutes'")
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() - 3600)
    assert execution.execute(database, offices, 1) == 0
    assert [one.outcome for one in database.executions(1)] == [Outcome.UNREACHABLE, Outcome.FAILED]
    del postgresql


def test_an_office_may_be_called_prove(run: Run, offices: Path, conninfo: str) -> None:
    """Its own lock is not that of all proofs."""
    (offices / "offices/office-00003").rename(offices / "offices/prove")
    assert run("fleet", "add", "prove", "prove").code == 0
    words = execution.command(judged(conninfo), offices, 1)
    assert subprocess.run(words, timeout=60, check=False).returncode == 0


def test_what_is_no_job_of_ours_calls_nothing(run: Run, offices: Path, conninfo: str) -> None:
    """Whoever writes to the database names an office and one of the verbs; no options, no files, no other words."""
    assert run("fleet", "list").code == 0
    database = Database(judged(conninfo))
    database.add([Job(0, "--all", "check"), Job(0, "../../evil", "check"), Job(0, "office-00000", "teapot")])
    for number in (1, 2, 3):
        assert execution.execute(database, offices, number) == 0
        one = database.executions(number)[-1]
        assert (one.outcome, one.code) == (Outcome.FAILED, 2)
        assert "is no job of ours" in one.told
    assert not list(execution.folder().glob("**/*.lock")) and not list(execution.folder().parent.glob("*.lock"))


def test_the_list_carries_words_not_all_that_was_printed(run: Run, offices: Path, conninfo: str) -> None:
    """A network's rounds of two months are gigabytes; a database made before keeps working."""
    import psycopg

    assert run("fleet", "list").code == 0
    with psycopg.connect(conninfo) as connection:
        connection.execute("ALTER TABLE provisioner_execution DROP COLUMN told")
    database = Database(judged(conninfo))
    database.prepare()
    database.add([Job(0, "office-00000", "check")])
    database.end(database.begin(1), Outcome.DONE, 0, json.dumps({"offices": [{"worst": "ok"}], "more": "x" * 100_000}))
    (line,) = database.lines()
    assert line.executions[0].told == "ok"
    assert len(repr(line)) < 1000
    assert run("fleet", "list", "--json").data["jobs"][0]["executions"][0]["said"] == "ok"
    del offices


def test_logs_of_executions_go_with_their_jobs(run: Run, offices: Path) -> None:
    """After the same 60 days."""
    old, new, part = execution.log(1), execution.log(2), execution.folder() / "3.out"
    for path in (old, new, part):
        path.touch()
    for path in (old, part):
        os.utime(path, (0, time.time() - 61 * 86400))
    execution.forget(60)
    assert [path.name for path in execution.folder().iterdir()] == ["2.log"]
    del run, offices


def test_a_schedule_that_cannot_be_read_stops_no_other(run: Run, offices: Path, conninfo: str, tmp_path: Path) -> None:
    """As where another version wrote it: the worker says so, and goes on looking after dead workers and rounds."""
    import psycopg

    assert run("fleet", "schedule", "check", "* * * * *").code == 0
    database = Database(judged(conninfo))
    database.schedule("prove", "0 0 30 2 *", None)
    database.schedule("update", "0 0 30 2 *", None)
    with psycopg.connect(conninfo) as connection:
        connection.execute("UPDATE provisioner_schedule SET since = now() - interval '1 day'")
    with (tmp_path / "said").open("w+") as said:
        words = [*ALONE, sys.executable, "-m", "provisioner.cli", "fleet", "work"]
        process = subprocess.Popen(words, stdout=said, stderr=said)
        try:
            until = time.monotonic() + 40
            while (tmp_path / "said").read_text().count("failed to find prev date") < 2:
                assert time.monotonic() < until, (tmp_path / "said").read_text()
                time.sleep(0.2)
        finally:
            process.kill()
            process.wait()
    assert database.lines(), "the round of check came"
    del offices


def test_rounds_come_by_themselves_once(run: Run, offices: Path, conninfo: str) -> None:
    """Whichever worker sees first that one is due makes it; one that nobody was there for is made up for."""
    assert run("fleet", "schedule", "check", "* * * * *").code == 0
    assert run("fleet", "schedule", "prove", "30 20 * * *", "--oldest", "3").code == 0
    database = Database(judged(conninfo))
    check, prove = database.schedules()
    assert (check.verb, check.cron, prove.count) == ("check", "* * * * *", 3)
    now = time.time()
    assert worker.last_due(check, now) == 0, "it was not asked for before"
    assert worker.last_due(check, now + 3600) > now + 3500
    assert database.claim(check, 60) and not database.claim(check, 60)

    assert work().returncode == 0
    assert set(states(run)) == {f"office-0000{n}" for n in range(4)}
    found = run("fleet", "list", "--json").data["jobs"]
    assert {one["round"] for one in found} == {"@check 60"}
    one = worker.Worker(database, offices, 1, print)
    one._round("check", None, 60)
    assert len(run("fleet", "list", "--json").data["jobs"]) == 4, "the same round again adds nothing"
    assert "30 20 * * *" in run("fleet", "list").out
    assert run("fleet", "schedule", "check", "--off").code == 0
    assert [each.verb for each in database.schedules()] == ["prove"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "check"), "name offices, or --all"),
        (("add", "check", "nowhere"), "no office 'nowhere'"),
        (("add", "update", "office-00000", "--canary", "office-00001"), "the canary 'office-00001' is none"),
        (("add", "teapot", "--all"), "teapot"),
        (("cancel",), "name offices, or --all"),
        (("schedule", "check"), "a moment or --off"),
        (("schedule", "check", "30 6 * * *", "--oldest", "3"), "--oldest goes with prove"),
        (("schedule", "check", "every morning"), "no moment of crontab(5)"),
        (("schedule", "check", "* * * * * *"), "no moment of crontab(5)"),
        (("schedule", "check", "0 0 30 2 *"), "no moment of crontab(5)"),
        (("schedule", "check", "R * * * *"), "no moment of crontab(5)"),
        (("schedule", "check", "30 6 * * fri#2"), "no moment of crontab(5)"),
        (("list", "--database", "dbname=x sslpassword=s3cret"), "a password does not belong on a command line"),
        (("list", "--database", "dbname=x hostaddr=203.0.113.5"), "without knowing that it is it"),
        (("list", "--database", "service=fleet"), "what a service file says is not known here"),
        (("list", "--database", "dbname=x password=s3cret"), "a password does not belong on a command line"),
        (("list", "--database", "postgresql://me:s3cret@/x"), "a password does not belong on a command line"),
        (("list", "--database", "host=db.example dbname=x"), "without knowing that it is it"),
        (("list", "--database", "host=db.example dbname=x sslmode=require"), "without knowing that it is it"),
        (("list", "--database", "teapot"), "no connection string"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, offices: Path, conninfo: str, words: tuple[str, ...], said: str) -> None:
    """Exit 2; a password is not said again."""
    done = run("fleet", *words)
    assert done.code == 2, done
    assert said in done.err
    assert "s3cret" not in done.err
    del offices, conninfo


def test_variables_of_libpq_lead_nowhere_unknown(run: Run, offices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the environment count as if they were written out."""
    monkeypatch.setenv("PGHOST", "db.example")
    done = run("fleet", "list", "--database", "dbname=x")
    assert done.code == 2 and "db.example is asked over a network" in done.err
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert judged("dbname=x")
    del offices


def test_a_database_that_does_not_answer_is_unreachable(run: Run, offices: Path, tmp_path: Path) -> None:
    """Exit 5, whatever is asked of it, and one sentence."""
    where = f"host={tmp_path} dbname=x"
    for words in (("list",), ("add", "check", "--all"), ("work", "--no-wait")):
        done = run("fleet", *words, "--database", where)
        assert done.code == 5, done
        assert "PostgreSQL: " in done.err and "Traceback" not in done.err
    del offices


def test_a_worker_whose_database_goes_away_ends_and_says_so(run: Run, offices: Path, tmp_path: Path) -> None:
    """Exit 5, so that systemd starts it again."""
    from tests.fleet.postgresql import server

    with server() as own:
        where = own.create("fleet")
        words = [sys.executable, "-m", "provisioner.cli", "--inventory", str(offices), "fleet", "work", "--database", where]
        with (tmp_path / "said").open("w+") as said:
            process = subprocess.Popen(words, stdout=said, stderr=said)
            database = Database(judged(where))
            until = time.monotonic() + 30
            while not _workers(database) and time.monotonic() < until:
                time.sleep(0.2)
            own.stop()
            assert process.wait(90) == 5, (tmp_path / "said").read_text()
            assert "PostgreSQL: " in (tmp_path / "said").read_text()
    del run


def _workers(database: Database) -> list[tuple[int, float]]:
    from provisioner.errors import ProvisionerError

    try:
        return database.workers()
    except (ProvisionerError, Exception):  # its tables are being made
        return []


def test_what_ended_long_ago_is_forgotten(run: Run, offices: Path, conninfo: str, postgresql: PostgreSQL) -> None:
    """With its executions; what waits is not."""
    import psycopg

    database = Database(judged(conninfo))
    database.prepare()
    database.add([Job(0, "a", "check"), Job(0, "b", "check")])
    database.end(database.begin(1), Outcome.DONE, 0)
    with psycopg.connect(conninfo) as connection:
        connection.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = 1")
        connection.execute("UPDATE procrastinate_events SET at = now() - interval '70 days'")
    database.forget(60)
    assert [line.job.office for line in database.lines()] == ["b"]
    assert database.executions(1) == []
    del run, offices, postgresql


def test_moments_are_by_the_workers_clock() -> None:
    """The newest that passed, none before it was asked for."""
    now = 1_790_000_000.0
    daily = Scheduled("check", "30 6 * * *", None, now - 3 * 86400)
    moment = worker.last_due(daily, now)
    assert now - 86400 < moment <= now
    assert time.localtime(moment)[3:5] == (6, 30)
    assert worker.last_due(Scheduled("check", "30 6 * * *", None, moment + 1), now) == 0
    assert Execution(1, 0.0, "m").ended is None
