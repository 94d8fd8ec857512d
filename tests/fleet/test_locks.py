"""An office's lock in the database, and what becomes of a verb whose lock another machine has."""

import sys
import threading
import time
from pathlib import Path

import pytest

from provisioner.fleet import execution
from provisioner.fleet.database import LOCKS, Database, Holding, judged
from provisioner.fleet.jobs import Outcome
from tests.verbs import Run

VERB = """
import signal, sys, time
try:
    time.sleep(60)
except KeyboardInterrupt:
    print('{"error": "interrupted"}')
    sys.exit(130)
"""


def test_an_execution_that_lost_its_lock_stops_its_verb(
    run: Run, offices: Path, conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In order, as by Ctrl-C, and says so: where PostgreSQL was away, another machine may have taken the office meanwhile."""
    assert run("fleet", "add", "check", "office-00000").code == 0
    database, other = Database(judged(conninfo)), Database(judged(conninfo))
    program = tmp_path / "slow"
    program.write_text(f"#!{sys.executable}\n{VERB}", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(execution, "RENEW_S", 0.3)
    theirs: list[Holding] = []

    def cut() -> None:
        """PostgreSQL ends our connection, and another machine is there first."""
        import psycopg

        time.sleep(1)
        with psycopg.connect(conninfo) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s", (LOCKS + 1,)
            )
        held = Holding(other, "office-00000")
        while not held.take():
            pass
        theirs.append(held)

    monkeypatch.setattr(Holding, "renew", lambda held, renew=Holding.renew: theirs == [] or renew(held))
    thread = threading.Thread(target=cut)
    thread.start()
    began = time.monotonic()
    assert execution.execute(database, offices, 1) == 0
    thread.join()
    assert time.monotonic() - began < 20, "its verb was not let to its end"
    one = database.executions(1)[-1]
    assert (one.outcome, one.code) == (Outcome.INTERRUPTED, 130)
    assert one.told == execution.LOST
    assert execution.LOST in capfd.readouterr().err
    assert execution.execute(database, offices, 1) == execution.HELD, "nothing is begun beside the other"
    theirs[0].drop()


def test_a_lock_that_the_server_keeps_for_a_broken_connection_is_ours(run: Run, offices: Path, conninfo: str) -> None:
    """A cut that only this end knows of costs no work: the server would miss us after a minute."""
    assert run("fleet", "list").code == 0
    held = Holding(Database(judged(conninfo)), "office-00000")
    assert held.take()
    old, held._connection = held._connection, None
    assert old and held.renew(), "our own former connection had it"
    with Database(judged(conninfo)).holding("office-00000") as other:
        assert other is None
    held.drop()
    del offices
