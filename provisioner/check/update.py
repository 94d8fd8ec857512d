"""`update`: the security updates of an office with a net: looked at before, checked before and after, restarted in its own time.

What would change is asked of each machine first (`hosts/programs/pending.py`); the play is `update.yml`. An office became worse
when a finding did: whoever updates many offices stops there. A machine that is off or fails is told; the others go on.
"""

import concurrent.futures
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from provisioner import plays, runs
from provisioner.check import Report, check
from provisioner.errors import HostKeyChanged, Unreachable, Unreadable
from provisioner.findings import Finding, Level
from provisioner.hosts import programs
from provisioner.hosts.answers import Answer, Line, Short, read
from provisioner.inventory import hours
from provisioner.inventory.models import Kind
from provisioner.language import N_
from provisioner.laptop.installed import playbooks
from provisioner.operation import Listener, Operation, operation
from provisioner.operation.playing import packages_from_here, play
from provisioner.operation.restarting import restart
from provisioner.operation.selection import Selection
from provisioner.runs import Event, HostRun, Run, fold

PLAYBOOK = "update.yml"
LOOK_S = 1100
AT_ONCE = 16
AGAIN_S, SETTLED_S = 15, 120  # what starts after a restart is asked again for so long before the office is called worse
LOOKING = N_("Looking for security updates")
RESTARTING = N_("Restarting the machines that have to be")
EXPECTED = ("restart",)  # what an update brings about by itself

Say = Callable[[str], None]


class Package(Answer):
    """One that apt would upgrade; `origin` as apt names it, `Debian-Security:13/stable-security`."""

    name: Short
    old: Short
    new: Short
    origin: Short


class Pending(Answer):
    """What a machine says of its updates (`hosts/programs/pending.py`)."""

    packages: list[Package] = Field(max_length=5000)
    held: list[Short] = Field(max_length=5000)
    kept_back: list[Package] = Field(max_length=5000)  # security updates of held packages
    audit: Line  # dpkg's words for what is half installed
    notes: list[Line] = Field(max_length=50)
    problem: Line
    machine: Line  # why it is to be restarted as a whole; empty when it is not
    services: list[Short] = Field(max_length=1000)
    busy: bool  # somebody works at its screen

    @property
    def waits(self) -> bool:
        """Whether an update would do anything but restart."""
        return bool(self.packages or self.audit)

    @property
    def restart(self) -> bool:
        """Whether something still runs what was replaced."""
        return bool(self.machine or self.services)


@dataclass(frozen=True)
class HostResult:
    """One machine: what waited (`before`) and what still does (`after`); None where it could not be asked."""

    before: Pending | None = None
    after: Pending | None = None
    problem: str = ""
    restarted: tuple[str, ...] = ()  # what was: `machine`, or services

    @property
    def installed(self) -> list[Package]:
        """What came: it waited, and does no more."""
        left = {(one.name, one.new) for one in self.after.packages} if self.after else set()
        return [one for one in self.before.packages if (one.name, one.new) not in left] if self.before and self.after else []

    def as_object(self) -> dict[str, Any]:
        """The result as the audit and `--json` have it."""
        now = self.after or self.before
        return {
            "installed": [one.model_dump() for one in self.installed],
            "waiting": [one.model_dump() for one in now.packages] if now else [],
            "held": list(now.held) if now else [],
            "kept_back": [one.model_dump() for one in now.kept_back] if now else [],
            "half_installed": self.before.audit if self.before else "",
            "restarted": list(self.restarted),
            "restart_due": ([now.machine] if now.machine else list(now.services)) if now else [],
            "problem": self.problem,
        }


@dataclass
class Result:
    """An office's update, or what one would do."""

    selection: Selection
    hosts: dict[str, HostResult] = field(default_factory=dict)
    run: Run | None = None
    window: bool = False  # it was the office's time for restarts
    following: str = ""  # the next one
    before: Report | None = None
    after: Report | None = None
    worse: list[Finding] = field(default_factory=list)

    @property
    def needed(self) -> bool:
        """Whether an update would do anything now."""
        known = [one.before for one in self.hosts.values() if one.before]
        return any(one.waits or (self.window and one.restart) for one in known)

    @property
    def stops(self) -> bool:
        """Whether the next office is better left alone: this one became worse, or a machine failed at its update."""
        return bool(self.worse) or (self.run is not None and self.run.status in ("failed", "interrupted"))


def preview(selection: Selection, *, watch: Listener, say: Say) -> Result:
    """What an update would change, machine by machine; nothing but package lists changes there.

    Raises:
        HostKeyChanged, Unverified: as `operation`.
    """
    result = Result(selection)
    with operation(selection, "plan", watch=watch, say=say, leased=False, detail={"of": "update"}) as op:
        found, run = _look(op, ready=True), fold(op.recorder.events)
        result.hosts = {host: _host(one, None, run.hosts.get(host)) for host, one in found.items()} | _others(op)
        op.status = runs.verdict(run.hosts)
    result.run = op.run
    _when(result, datetime.now(ZoneInfo(selection.office.timezone)))
    return result


def update(
    selection: Selection, *, watch: Listener, say: Say, show: Callable[[Result], None] = lambda _: None, commit: bool = True,
    now: datetime | None = None,
) -> Result:  # fmt: skip
    """Install what waits, restart what is due where it is the time for it, and say whether the office is as well as before.

    Args:
        selection: from `prepare`.
        watch: gets every event.
        say: gets one line for the person waiting, now and then.
        show: gets what is going to be changed, before it is.
        commit: one commit for the run (real offices in git only).
        now: instead of this laptop's clock, for whether it is the office's time for restarts.

    Raises:
        Busy, HostKeyChanged, Unverified, BadInput: nothing was changed.
    """
    result = Result(selection)
    _when(result, now or datetime.now(ZoneInfo(selection.office.timezone)))
    after: dict[str, Pending | str] = {}
    with operation(selection, "update", watch=watch, say=say, commit=commit, detail={"ansible": plays.ansible_version()}) as op:
        op.begun = True
        before = _look(op, ready=True)
        result.hosts = {host: _host(one, None, None) for host, one in before.items()} | _others(op)
        show(result)
        if op.met:
            say("checking the office as it is")
            (result.before,) = check([selection.target], close=False)
            if any(isinstance(one, Pending) and (one.waits or (result.window and one.restart)) for one in before.values()):
                play(op, PLAYBOOK, op.recorder, check=False, restart=result.window)
                selection.ssh.close()  # whoever was restarted is not at the other end any more
            after = _look(op, ready=False)
            if result.window:
                after |= _restart(op, after)
            result.after, result.worse = _compared(op, result.before)
        run = fold(op.recorder.events)
        result.hosts = {host: _host(one, after.get(host), run.hosts.get(host)) for host, one in before.items()} | _others(op)
        op.status = "failed" if result.worse else runs.verdict(run.hosts)
        op.more["update"] = {host: one.as_object() for host, one in result.hosts.items()}
        op.more["worse"] = [one.as_object() for one in result.worse]
    result.run = op.run
    return result


def _when(result: Result, at: datetime) -> None:
    wanted = result.selection.office.maintenance
    result.window, result.following = hours.within(wanted, at), hours.following(wanted, at)


def _look(op: Operation, *, ready: bool) -> dict[str, Pending | str]:
    """What each machine that was met says, or why it says nothing; with `ready` it makes its lists fresh first."""
    selection, text = op.selection, ""
    if ready:
        text = "\n".join((playbooks() / "files" / name).read_text(encoding="utf-8") for name in ("sources.sh", "ready.sh"))
    op.recorder(Event("task_started", task=LOOKING))
    met = dict(op.met)
    if not met:
        return {}
    with packages_from_here(selection, op.say) as environment, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:

        def ask(host: str) -> Pending | Exception | str:
            request = {"ready": text, "environment": environment}
            try:
                done = programs.run(selection.ssh, host, met[host], programs.source("pending"), request, timeout_s=LOOK_S)
                return read(done.stdout, Pending) if not done.returncode else f"{host}: {done.stderr.strip()[-300:]}"
            except (Unreachable, Unreadable, HostKeyChanged, ValueError) as problem:
                return problem

        answers = dict(zip(met, pool.map(ask, met), strict=True))
    found: dict[str, Pending | str] = {}
    for host, answer in answers.items():
        if isinstance(answer, HostKeyChanged):
            raise answer
        if isinstance(answer, Pending) and not answer.problem:
            found[host] = answer
            op.recorder(Event("host_ok", host, LOOKING, {"notes": answer.notes} if answer.notes and ready else {}))
            continue
        found[host] = answer.problem if isinstance(answer, Pending) else str(answer)
        op.leave_out(host, str(found[host]), silent=isinstance(answer, Unreachable) and not isinstance(answer, Unreadable))
    return found


def _restart(op: Operation, pending: dict[str, Pending | str]) -> dict[str, Pending | str]:
    """Restart the machines that have to be, where nobody works; a router last: the way to the others may lead through it."""
    due = [host for host, one in pending.items() if isinstance(one, Pending) and one.machine and not one.busy]
    for host, one in pending.items():
        if isinstance(one, Pending) and one.restart and one.busy:
            op.recorder(Event("host_ok", host, RESTARTING, {"notes": ["somebody works at its screen: nothing is restarted now"]}))
    kinds = op.selection.office.hosts
    for together in ([h for h in due if kinds[h].kind is not Kind.ROUTER], [h for h in due if kinds[h].kind is Kind.ROUTER]):
        if not together:
            continue
        op.check()
        op.recorder(Event("task_started", task=RESTARTING))
        for host, came in restart(op.selection, together).items():
            if came.good:
                op.recorder(Event("host_changed", host, RESTARTING))
            else:
                op.leave_out(host, f"{host} did not come back whole after a restart: {came.state or 'no answer'}")
    return _look(op, ready=False) if due else {}


def _host(before: Pending | str, after: Pending | str | None, run: HostRun | None) -> HostResult:
    """A machine's result, from what it said before and after and what the play did there."""
    said = [one for one in (before, after) if isinstance(one, str)]
    first, last = (one if isinstance(one, Pending) else None for one in (before, after))
    restarted: tuple[str, ...] = ()
    if first and last and run:
        was = {change.task for change in run.changes}
        restarted = ("machine",) if RESTARTING in was else tuple(one for one in first.services if one not in last.services)
    return HostResult(first, last, run.problem if run and run.problem else "".join(said[:1]), restarted)


def _others(op: Operation) -> dict[str, HostResult]:
    """The machines that nobody asked, each with why."""
    selection, found = op.selection, {}
    for host, described in selection.office.hosts.items():
        lookup = selection.found.get(host)
        if host in selection.not_adopted:
            found[host] = HostResult(problem="not adopted")
        elif described.appliance:
            found[host] = HostResult(problem="a router of a system of its own: nothing is updated there from here")
        elif host in selection.hosts and not (lookup and lookup.address):
            found[host] = HostResult(problem=lookup.problem if lookup else "no known address")
    return found


def _compared(op: Operation, before: Report) -> tuple[Report, list[Finding]]:
    """The office as it is now, and what became worse; asked again while what was restarted may still be starting."""
    until = time.monotonic() + SETTLED_S
    op.say("checking the office again")
    while True:
        (after,) = check([op.selection.target], close=False)
        found = worse(before, after)
        if not found or time.monotonic() > until:
            return after, found
        op.check()
        time.sleep(AGAIN_S)


def worse(before: Report, after: Report) -> list[Finding]:
    """The findings of the later report that are worse than the earlier one's of the same check and machine. Pure.

    What is borne counts in neither; what an update brings about by itself, a restart that is due, is not worse.
    """
    was = _grades(before)
    found = []
    for key, (level, count, names) in _grades(after).items():
        known = was.get(key, (Level.OK, 0, frozenset()))
        if level > Level.OK and key[0] not in EXPECTED and ((level, count) > known[:2] or names - known[2]):
            found += [one for one, counted in after.counted if counted and (one.check, one.about) == key and one.level is level]
    return found


def _grades(report: Report) -> dict[tuple[str, str], tuple[Level, int, frozenset[str]]]:
    """(check, machine) -> its worst level, how many findings have it, and the services that they name."""
    found: dict[tuple[str, str], tuple[Level, int, frozenset[str]]] = {}
    for one, counted in report.counted:
        if not counted:
            continue
        key, names = (one.check, one.about), frozenset(filter(None, str(one.values.get("units", "")).split(", ")))
        level, count, known = found.get(key, (one.level, 0, frozenset()))
        if one.level > level:
            level, count, known = one.level, 0, frozenset()
        found[key] = (level, count + (one.level is level), known | names)
    return found
