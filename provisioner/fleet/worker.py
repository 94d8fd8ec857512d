"""A worker: takes jobs from Procrastinate, has each executed, draws the consequence; and sees to what dead workers left.

Its death at any moment costs nothing: what it began goes on by itself (`execution`), and its jobs are taken by another worker
once it gave no sign of life for `STALLED_S`.
"""

import asyncio
import logging
import re
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from provisioner.errors import BadInput, ProvisionerError, Unreachable
from provisioner.fleet import execution, jobs
from provisioner.fleet.database import Database, Scheduled, patiently, silent
from provisioner.fleet.jobs import Job, Outcome
from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.plays import orphans

if TYPE_CHECKING:
    from procrastinate import App, JobContext

HEARTBEAT_S, STALLED_S = 3.0, 15.0
TICK_S = 5.0
FORGET_S = 3600.0
HELD_S = 10.0  # at most, between two looks whether an office is free: each is a process of half a second
PATIENCE_S = 60.0  # for a database that is started anew
KEPT_DAYS = 60
TRIES = 5  # to start an execution that dies before it has begun
Say = Callable[[str], None]
Found = TypeVar("Found")


class Later(Exception):
    """The job's verb is to be called again, at that moment (s since 1970)."""

    def __init__(self, at: float) -> None:
        super().__init__(f"again at {at:.0f}")
        self.at = at


class Ended(Exception):
    """The job's verb did not end well and is not called again."""


async def _ask(ask: Callable[[], Found]) -> Found:
    return await asyncio.to_thread(patiently, ask, PATIENCE_S)


@dataclass
class Worker:
    """One worker over one inventory."""

    database: Database
    inventory: Path
    at_once: int
    say: Say

    def run(self, *, wait: bool) -> None:
        """Work until told to stop (SIGTERM, SIGINT: what is under way is waited for), or without `wait` until nothing is due.

        Raises:
            Unreachable: PostgreSQL does not answer any more.
        """
        from procrastinate.exceptions import ConnectorException

        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # we tell it ourselves
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
        self.database.prepare()
        try:
            asyncio.run(self._run(wait))
        except ConnectorException as problem:
            raise silent(problem.__cause__ if isinstance(problem.__cause__, Exception) else problem) from None
        self.database.workers()  # it also ends, and says nothing, when the database went away

    async def _run(self, wait: bool) -> None:
        app = self.app()
        beside: list[tuple[Callable[[], Awaitable[None]], float]] = [
            (self._rescue, TICK_S), (self._keep_schedules, TICK_S), (self._forget, FORGET_S),
        ]  # fmt: skip
        swept = asyncio.create_task(asyncio.to_thread(self._sweep))
        async with app.open_async():
            tasks = [asyncio.create_task(self._again_and_again(look, every_s)) for look, every_s in beside]
            try:
                await app.run_worker_async(
                    queues=["offices"], name="", concurrency=self.at_once, wait=wait, fetch_job_polling_interval=2.0,
                    update_heartbeat_interval=HEARTBEAT_S, stalled_worker_timeout=STALLED_S,
                )  # fmt: skip
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await swept

    def app(self) -> "App":
        """Procrastinate with our two tasks."""
        import procrastinate
        from procrastinate.retry import BaseRetryStrategy, RetryDecision

        class Again(BaseRetryStrategy):
            """`Later` says when; every other end is final."""

            def get_retry_decision(self, *, exception: BaseException, job: Any) -> RetryDecision | None:  # noqa: ARG002
                """When, or None."""
                if not isinstance(exception, Later):
                    return None
                return RetryDecision(retry_at=datetime.fromtimestamp(exception.at).astimezone())

        app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(conninfo=self.database.conninfo, min_size=1, max_size=4, timeout=5)
        )

        @app.task(name="office", queue="offices", pass_context=True, retry=Again())
        async def office(context: "JobContext", /, **_: Any) -> None:
            await self._office(context.job.id or 0)

        @app.task(name="round", queue="offices", retry=Again())
        async def round_(verb: str, count: int | None, moment: int) -> None:
            await _ask(lambda: self._round(verb, count, moment))

        return app

    # -------------------------------------------------------------------------------------- jobs

    async def _office(self, number: int) -> None:
        """Have a job executed, unless it was, and draw the consequence; whoever does that twice does the same.

        Raises:
            Later, Ended: what Procrastinate has to know of its end.
        """
        job = await _ask(lambda: self.database.job(number))
        failures, held = 0, 0.0
        while True:
            executions = await _ask(lambda: self.database.executions(number))
            under_way = bool(executions) and executions[-1].ended is None
            due = None if under_way else jobs.due(executions, job.asked)
            if not under_way and (due is None or due > await _ask(self.database.now) + 1):
                break
            code = await self._execute(number)
            if code == execution.HELD:
                held = min(HELD_S, held + 1)
                await asyncio.sleep(held)
            elif code:
                failures += 1
                if failures == TRIES:
                    raise Ended(f"{execution.log(number)} says why")
                await asyncio.sleep(failures)
        last = executions[-1]
        self.say(f"{job.office}: {job.verb}: {last.outcome} {last.told}".rstrip())
        if due is not None:
            raise Later(due)
        await _ask(lambda: self._conclude(job, last.outcome is Outcome.DONE, jobs.worse(job, executions)))
        if last.outcome is not Outcome.DONE:
            raise Ended(str(last.outcome))

    async def _execute(self, number: int) -> int:
        words = execution.command(self.database.conninfo, self.inventory, number)
        with execution.log(number).open("ab") as log:
            # a session of its own: neither our death nor a Ctrl-C reaches it
            process = await asyncio.create_subprocess_exec(
                *words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            return await process.wait()

    def _conclude(self, job: Job, done: bool, worse: bool) -> None:
        """After a canary that ended well the others are added; after an office that became worse they are taken back."""
        if done and job.then:
            self.database.add([replace(job, office=office, then=()) for office in job.then])
        if worse and job.round:
            self.database.cancel(verb=job.verb, round_=job.round)

    # -------------------------------------------------------------------------------------- beside

    async def _again_and_again(self, look: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            try:
                await look()
            except Unreachable:  # the worker itself ends of that
                pass
            except ProvisionerError as problem:
                self.say(f"{problem}")
            except Exception as problem:  # else it would no longer look after rounds and dead workers, unsaid
                self.say(f"{type(problem).__name__}: {problem}")
            await asyncio.sleep(every_s)

    async def _rescue(self) -> None:
        for number in await asyncio.to_thread(self.database.rescue, STALLED_S):
            self.say(f"job {number} of a worker that died goes on")

    async def _keep_schedules(self) -> None:
        for one in await asyncio.to_thread(self.database.schedules):
            moment = last_due(one, time.time())
            if moment and await asyncio.to_thread(self.database.claim, one, moment):
                self.say(f"a round of {one.verb} is due")

    async def _forget(self) -> None:
        await asyncio.to_thread(self.database.forget, KEPT_DAYS)
        await asyncio.to_thread(execution.forget, KEPT_DAYS)

    def _round(self, verb: str, count: int | None, moment: int) -> None:
        names = offices(self.inventory, verb, count)
        self.database.add([Job(0, name, verb, f"@{verb} {moment}") for name in names])

    def _sweep(self) -> None:
        """What dead executions of this machine left at work on offices, whoever goes on with those."""
        if not (left := orphans.targets()):
            return
        for name in open_inventory(self.inventory).office_names():
            target = Target(self.inventory, name)
            if target.id in left:
                orphans.sweep(target, say=self.say)


def last_due(one: Scheduled, now: float) -> int:
    """The newest moment at which a round was due since it was scheduled (s since 1970), by this machine's time; 0: none yet."""
    from croniter import croniter

    moment = int(croniter(one.cron, datetime.fromtimestamp(now).astimezone()).get_prev(float))
    return moment if moment >= one.since else 0


def offices(inventory: Path, verb: str, count: int | None = None, reseller: str = "") -> list[str]:
    """The offices of a round: all, those of one member, or so many whose last proof is the oldest."""
    opened = open_inventory(inventory)
    if verb == "prove" and count:
        from provisioner.backup.proof import longest_unproven

        return [target.office for target in longest_unproven(inventory, count)]
    if not reseller:
        return opened.office_names()
    opened.reseller(reseller)
    return [one.name for one in opened.lines() if one.reseller == reseller]


def judged_cron(text: str) -> str:
    """A moment of a schedule.

    Raises:
        BadInput: it is none that crontab(5) knows.
    """
    from croniter import CroniterError, croniter

    # croniter knows more: a sixth field, of seconds; R, another moment each time it is asked; # and L
    fields = text.split()
    known = len(fields) == 5 and all(re.fullmatch(r"([0-9*,/-]|[A-Za-z]{3})+", one) for one in fields)
    try:
        if known and croniter.is_valid(text):
            croniter(text).get_prev(float)  # the 30th of February is a moment that never comes
            return " ".join(fields)
    except CroniterError:
        pass
    raise BadInput(f"{text[:60]!r} is no moment of crontab(5)", hint='as "30 6 * * *": each morning at half past six')
