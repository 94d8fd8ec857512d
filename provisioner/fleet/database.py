"""What PostgreSQL keeps for us beside Procrastinate's jobs: executions, schedules. The only importer of psycopg."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from provisioner.errors import BadInput, Missing, Unreachable
from provisioner.fleet.jobs import Execution, Job, Outcome, told

if TYPE_CHECKING:
    import psycopg

Found = TypeVar("Found")

DEFAULT = "dbname=provisioner"
SAID_LIMIT = 2_000_000  # signs of what a verb printed
LOCKS = 0x70726F76  # our class of advisory locks, "prov"; the next is that of offices, by the hash of their names
_PREPARING, _ADDING = 1, 2
# a machine that lost its power is missed within a minute, and what it held is free (PostgreSQL, "Connection Settings")
_ALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
_TABLES = """
CREATE TABLE IF NOT EXISTS provisioner_execution (
  id bigserial PRIMARY KEY, job bigint NOT NULL REFERENCES procrastinate_jobs ON DELETE CASCADE, machine text NOT NULL,
  began timestamptz NOT NULL DEFAULT now(), ended timestamptz, outcome text, code integer, said text NOT NULL DEFAULT '',
  told text NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS provisioner_execution_job ON provisioner_execution (job, id);
CREATE TABLE IF NOT EXISTS provisioner_schedule (
  verb text PRIMARY KEY, cron text NOT NULL, count integer, since timestamptz NOT NULL DEFAULT now());
"""
_ASKED = """
UPDATE procrastinate_jobs SET scheduled_at = now(), args = args || jsonb_build_object('asked', extract(epoch FROM now())::float)
 WHERE id = ANY(%s)
"""
_EXECUTIONS = """
SELECT job, id, extract(epoch FROM began)::float, machine, extract(epoch FROM ended)::float, outcome, code, told
  FROM provisioner_execution WHERE job = ANY(%s) ORDER BY id
"""


def judged(text: str) -> str:
    """A connection string as libpq has it, fit to be shown and handed on.

    Raises:
        BadInput: it holds a password, or leads over a network (by libpq's own variables too) without TLS that knows the
            server. Missing: no psycopg here.
    """
    try:
        from psycopg import ProgrammingError, pq
        from psycopg.conninfo import conninfo_to_dict, make_conninfo
    except ImportError:
        raise Missing("the extra `fleet` is not installed", hint="pip install 'provisioner[fleet]'") from None
    try:
        parts = conninfo_to_dict(text)
    except ProgrammingError as problem:
        what = f"no connection string: {' '.join(str(problem).split())[:200]}"
        raise BadInput(what, hint="as dbname=provisioner, or postgresql://db.example/provisioner?sslmode=verify-full") from None
    if parts.get("password") or parts.get("sslpassword"):
        raise BadInput("a password does not belong on a command line", hint="write it to ~/.pgpass (chmod 600)")
    if parts.get("service"):
        raise BadInput("what a service file says is not known here", hint="write out host, dbname and sslmode")
    whole = {one.keyword.decode(): one.val.decode() for one in pq.Conninfo.get_defaults() if one.val} | parts
    places = f"{whole.get('host') or ''},{whole.get('hostaddr') or ''}".split(",")
    hosts = [one for one in places if one and not one.startswith("/")]
    if any(one not in ("localhost", "127.0.0.1", "::1") for one in hosts) and whole.get("sslmode") != "verify-full":
        raise BadInput(f"{hosts[0]} is asked over a network without knowing that it is it", hint="add sslmode=verify-full")
    options = f"{parts.get('options') or ''} {_ALIVE}".strip()
    return make_conninfo("", **{"application_name": "provisioner", "connect_timeout": "10", **parts, "options": options})


def silent(problem: Exception) -> Unreachable:
    """That PostgreSQL does not answer, in its own words."""
    return Unreachable(
        f"PostgreSQL: {' '.join(str(problem).split())[:300]}", hint="systemctl status postgresql; --database says which"
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A job as it stands: its state in Procrastinate's words, its executions, the newest last; `due` in s since 1970."""

    job: Job
    status: str
    added: float
    due: float | None
    executions: tuple[Execution, ...]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A round that comes by itself: of which verb, when as crontab(5) writes it, how many offices of it (None: all)."""

    verb: str
    cron: str
    count: int | None
    since: float


class Database:
    """The fleet's database; each call is one transaction.

    Raises, each of them:
        Unreachable: it does not answer.
    """

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo

    @contextlib.contextmanager
    def _open(self, *, autocommit: bool = False) -> "Iterator[psycopg.Connection[Any]]":
        import psycopg

        try:
            with psycopg.connect(self.conninfo, autocommit=autocommit) as connection:
                yield connection
        except psycopg.OperationalError as problem:
            raise silent(problem) from None
        except psycopg.errors.InsufficientPrivilege as problem:
            raise BadInput(f"PostgreSQL: {problem.diag.message_primary}", hint="ALTER DATABASE … OWNER TO …") from None

    def prepare(self) -> None:
        """Make the tables, where they are not there yet; two at once do it one after the other."""
        from procrastinate.schema import SchemaManager

        with self._open() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, _PREPARING))
            found = connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone()
            if found is None or found[0] is None:
                connection.execute(SchemaManager.get_schema().encode())
            connection.execute(_TABLES.encode())
            of_old = "SELECT 1 FROM pg_attribute WHERE attrelid = 'provisioner_execution'::regclass AND attname = 'told'"
            if not connection.execute(of_old).fetchone():
                connection.execute("ALTER TABLE provisioner_execution ADD COLUMN told text NOT NULL DEFAULT ''")

    # -------------------------------------------------------------------------------------- jobs

    def add(self, jobs: Sequence[Job]) -> list[int]:
        """Add them, but those whose office has one of that verb waiting (which is then due now), and those of a round that
        were added before; the numbers of the new ones."""
        from psycopg.types.json import Jsonb

        added = []
        with self._open() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, _ADDING))
            for job in jobs:
                known = connection.execute(
                    "SELECT id, status::text FROM procrastinate_jobs WHERE task_name = 'office' AND args->>'office' = %s"
                    " AND args->>'verb' = %s AND (status = 'todo' OR (%s <> '' AND args->>'round' = %s))",
                    (job.office, job.verb, job.round, job.round),
                ).fetchall()
                if known:
                    waiting = [number for number, status in known if status == "todo"]
                    if not job.round.startswith("@"):  # a person asks: what waits for a later try is tried now
                        connection.execute(_ASKED, (waiting,))
                    continue
                args = {"office": job.office, "verb": job.verb, "round": job.round, "then": list(job.then)}
                row = connection.execute(
                    "SELECT unnest(procrastinate_defer_jobs_v1(ARRAY[ROW('offices', 'office', 0, %s::text, NULL, %s, NULL)"
                    "::procrastinate_job_to_defer_v1]))",
                    (job.office, Jsonb(args)),
                ).fetchone()
                added.append(int(row[0]) if row else 0)
        return added

    def cancel(self, offices: Sequence[str] = (), *, verb: str = "", round_: str = "") -> list[int]:
        """Take back what waits, of these offices (none named: of all), this verb, this round; the numbers."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT procrastinate_cancel_job_v1(id, false, false) FROM procrastinate_jobs WHERE status = 'todo'"
                " AND task_name = 'office' AND (%s OR args->>'office' = ANY(%s)) AND %s IN ('', args->>'verb')"
                " AND %s IN ('', args->>'round') ORDER BY id",
                (not offices, list(offices), verb, round_),
            ).fetchall()
        return [int(row[0]) for row in rows if row[0]]

    def rescue(self, stalled_s: float) -> list[int]:
        """Have the jobs of workers that gave no sign of life for so long taken by others; the numbers."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT job.id FROM procrastinate_jobs job LEFT JOIN procrastinate_workers w ON w.id = job.worker_id"
                " WHERE job.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => %s))"
                " FOR UPDATE OF job SKIP LOCKED",
                (stalled_s,),
            ).fetchall()
            for row in rows:
                connection.execute("SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", row)
        return [int(row[0]) for row in rows]

    def job(self, number: int) -> Job:
        """A job by its number.

        Raises:
            Missing: there is none, or another kind of job.
        """
        with self._open() as connection:
            row = connection.execute(
                "SELECT id, args FROM procrastinate_jobs WHERE id = %s AND task_name = 'office'", (number,)
            ).fetchone()
        if not row:
            raise Missing(f"there is no job {number}", hint="provisioner fleet list")
        return _job(*row)

    def lines(self, offices: Sequence[str] = ()) -> list[Line]:
        """The jobs of these offices, or all, in the order they were added."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT j.id, j.args, j.status::text, extract(epoch FROM j.scheduled_at)::float,"
                " (SELECT extract(epoch FROM min(at))::float FROM procrastinate_events e WHERE e.job_id = j.id)"
                " FROM procrastinate_jobs j WHERE j.task_name = 'office' AND (%s OR j.args->>'office' = ANY(%s)) ORDER BY j.id",
                (not offices, list(offices)),
            ).fetchall()
            found: dict[int, list[Execution]] = {row[0]: [] for row in rows}
            for row in connection.execute(_EXECUTIONS, (list(found),)):
                found[row[0]].append(_execution(*row[1:]))
        return [Line(_job(row[0], row[1]), row[2], row[4], row[3], tuple(found[row[0]])) for row in rows]

    def workers(self) -> list[tuple[int, float]]:
        """Each worker, and how long ago it gave a sign of life (s)."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT id, extract(epoch FROM now() - last_heartbeat)::float FROM procrastinate_workers ORDER BY id"
            ).fetchall()
        return [(int(one), float(ago)) for one, ago in rows]

    def forget(self, days: int) -> None:
        """Remove what ended so long ago, and the workers that died before."""
        with self._open() as connection:
            connection.execute(
                "DELETE FROM procrastinate_jobs j WHERE status IN ('succeeded', 'failed', 'cancelled', 'aborted') AND NOT EXISTS"
                " (SELECT 1 FROM procrastinate_periodic_defers d WHERE d.job_id = j.id) AND"
                " (SELECT max(at) FROM procrastinate_events e WHERE e.job_id = j.id) < now() - make_interval(days => %s)",
                (days,),
            )

    # -------------------------------------------------------------------------------- executions

    def executions(self, job: int) -> list[Execution]:
        """A job's, the newest last."""
        with self._open() as connection:
            rows = connection.execute(_EXECUTIONS, ([job],)).fetchall()
        return [_execution(*row[1:]) for row in rows]

    def now(self) -> float:
        """The database's own time (s since 1970): executions end, and jobs are due, by no other."""
        with self._open() as connection:
            row = connection.execute("SELECT extract(epoch FROM now())::float").fetchone()
        return float(row[0]) if row else 0.0

    def begin(self, job: int) -> int:
        """Write down that a job's verb is called now; the execution's number."""
        with self._open() as connection:
            row = connection.execute(
                "INSERT INTO provisioner_execution (job, machine) VALUES (%s, %s) RETURNING id", (job, socket.gethostname())
            ).fetchone()
        return int(row[0]) if row else 0

    def end(self, execution: int, outcome: Outcome, code: int, said: str = "") -> None:
        """Write down how it ended; a second time changes nothing."""
        with self._open() as connection:
            connection.execute(
                "UPDATE provisioner_execution SET ended = now(), outcome = %s, code = %s, said = %s, told = %s"
                " WHERE id = %s AND ended IS NULL",
                (outcome.value, code, said[:SAID_LIMIT].replace("\0", ""), told(said).replace("\0", ""), execution),
            )

    # --------------------------------------------------------------------------------- schedules

    def schedules(self) -> list[Scheduled]:
        """The rounds that come by themselves."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT verb, cron, count, extract(epoch FROM since)::float FROM provisioner_schedule ORDER BY verb"
            ).fetchall()
        return [Scheduled(*row) for row in rows]

    def schedule(self, verb: str, cron: str, count: int | None) -> None:
        """Have a round of a verb come by itself from now on, in the place of its former schedule; an empty cron: no more."""
        with self._open() as connection:
            connection.execute("DELETE FROM provisioner_schedule WHERE verb = %s", (verb,))
            if cron:
                connection.execute("INSERT INTO provisioner_schedule VALUES (%s, %s, %s)", (verb, cron, count))

    def claim(self, one: Scheduled, moment: int) -> bool:
        """Make the round of that moment (s since 1970) a job, unless somebody did; whether it is ours."""
        from psycopg.types.json import Jsonb

        with self._open() as connection:
            row = connection.execute(
                "SELECT procrastinate_defer_periodic_job_v2('offices', %s, NULL, 'round', 10, %s, %s, %s)",
                (f"round {one.verb}", one.verb, moment, Jsonb({"verb": one.verb, "count": one.count, "moment": moment})),
            ).fetchone()
        return bool(row and row[0])

    @contextlib.contextmanager
    def holding(self, office: str) -> "Iterator[Holding | None]":
        """Hold an office in the database while the block lasts; None: somebody holds it."""
        held = Holding(self, office)
        try:
            yield held if held.take() else None
        finally:
            held.drop()


class Holding:
    """An office's lock in the database: the server gives it back when our connection ends, however we end."""

    def __init__(self, database: Database, office: str) -> None:
        self._database, self._office = database, office
        self._connection: psycopg.Connection[Any] | None = None
        self._session: tuple[int, str] = (0, "")  # of the server that held it for us last

    def take(self) -> bool:
        """Take it, over a connection of its own; False: somebody holds it."""
        import psycopg

        try:
            self._connection = psycopg.connect(self._database.conninfo, autocommit=True)
            # of a connection that broke, the server may not know that it did: what it holds for us is not another machine's
            ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE (pid, backend_start::text) = (%s, %s)"
            self._connection.execute(ended, self._session)
            row = self._connection.execute(
                "SELECT pg_try_advisory_lock(%s, hashtext(%s)), pid, backend_start::text FROM pg_stat_activity"
                " WHERE pid = pg_backend_pid()",
                (LOCKS + 1, self._office),
            ).fetchone()
        except psycopg.OperationalError as problem:
            raise silent(problem) from None
        if not (row and row[0]):
            self.drop()
            return False
        self._session = (row[1], row[2])
        return True

    def renew(self) -> bool:
        """Whether it is ours, as far as this machine can know; False: somebody else has it.

        Where PostgreSQL was away it is taken again as soon as that answers.
        """
        import psycopg

        try:
            if self._connection is not None and not self._connection.closed:
                self._connection.execute("SELECT 1")
                return True
        except psycopg.OperationalError:
            self.drop()
        try:
            return self.take()
        except Unreachable:
            return True

    def drop(self) -> None:
        """Give it back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _execution(
    number: int, began: float, machine: str, ended: float | None, outcome: str | None, code: int | None, told: str
) -> Execution:
    return Execution(number, began, machine, ended, Outcome(outcome) if outcome else None, code, told)


def _job(number: int, args: dict[str, Any]) -> Job:
    asked = float(args.get("asked", 0))
    return Job(number, args["office"], args["verb"], args.get("round", ""), tuple(args.get("then", ())), asked)


def patiently(ask: Callable[[], Found], patience_s: float) -> Found:
    """What is asked of the database, again and again while it does not answer.

    Raises:
        Unreachable: not once within that time.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            return ask()
        except Unreachable:
            if time.monotonic() > until:
                raise
            time.sleep(1)
