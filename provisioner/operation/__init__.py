"""One piece of work on an office, from its first look at the hosts to what it leaves: the same life for every verb.

The lock on this laptop, what killed runs left, where the hosts answer, the clocks, the lease, whose copy is newer and whether
the audit is whole; then the work itself; then the journal's end, the summary, the commit, the marks on the hosts, and the
lease given back. A workflow does its work inside `operation(...)` and keeps no copy of any of this.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from provisioner.documents.ledger import sha256
from provisioner.errors import BadInput, Busy, Unreachable, Unreadable, Unverified, described
from provisioner.laptop import git
from provisioner.operation.lease import Lease, Mark, boottime
from provisioner.operation.lock import alone, held
from provisioner.operation.marks import inputs_sha256, marks, refuse_older_copy, unlike_the_audit
from provisioner.operation.reaching import bystanders, reach, remember
from provisioner.operation.recording import Listener, Recorder, begin, end
from provisioner.operation.selection import Selection, technician
from provisioner.plays import orphans
from provisioner.runs import Event, Run, audit

__all__ = ["Interrupted", "Listener", "Operation", "operation"]

Say = Callable[[str], None]
BUSY_S = 900  # as long as a task of a dead run may take before the next run goes on beside it


class Interrupted(Exception):
    """Somebody asked us to stop; what was at work ended in good order."""


class LeaseLost(Busy):
    """Somebody else may work on the office now: nothing more is begun."""


@dataclass
class Operation:
    """What a workflow is given inside `operation(...)`, and what it says of its end."""

    selection: Selection
    verb: str
    recorder: Recorder
    say: Say
    lease: Lease | None = None
    begun: bool = False  # from here on the run is kept in the audit, however it ends
    status: str = "interrupted"
    applied: dict[str, Mark | None] = field(default_factory=dict)  # what the hosts remember of the last apply
    newest: dict[str, Mark | None] = field(default_factory=dict)  # and of the last run of any verb
    summary: Mapping[str, Any] | None = None  # what the audit keeps, where it is not the run as it was counted
    more: dict[str, Any] = field(default_factory=dict)  # what the audit keeps beside
    run: Run = field(default_factory=Run)
    kept: Path | None = None
    commit: str | None = None
    audit_differs: list[str] = field(default_factory=list)
    _lost: str = ""
    _stop: Callable[[str], None] = lambda _: None

    @property
    def met(self) -> dict[str, str]:
        """Where each host that is worked on answers."""
        return self.selection.met

    def check(self) -> None:
        """Before each step of the work; waits where the lease is to be asked for first, as after the laptop's sleep.

        Raises:
            LeaseLost: the lease is gone.
        """
        while self.lease and not self._lost and boottime() > self.lease.good_until:
            time.sleep(0.2)  # its own thread asks within a second
        if self._lost:
            raise LeaseLost(self._lost, hint=f"provisioner runs show {self.selection.target.words} {self.selection.run_id}")

    @contextlib.contextmanager
    def stopping(self, stop: Callable[[str], None]) -> Iterator[None]:
        """Have `stop` called, in another thread, should the lease be lost while the block runs."""
        self._stop = stop
        if self._lost:
            stop(self._lost)
        try:
            yield
        finally:
            self._stop = lambda _: None

    def lose(self, reason: str) -> None:
        """Nothing more is begun."""
        self._lost = reason
        self._stop(reason)

    def leave_out(self, host: str, problem: str, *, silent: bool = False) -> None:
        """Name a host that is left alone from here on; the others go on."""
        self.recorder(Event("host_unreachable" if silent else "host_failed", host, detail={"problem": problem}))
        found = self.selection.found.pop(host, None)
        if found:
            self.selection.found[host] = replace(found, address="", problem=problem)


@contextlib.contextmanager
def operation(
    selection: Selection,
    verb: str,
    *,
    watch: Listener,
    say: Say,
    leased: bool = True,
    reaching: bool = True,
    compared: bool = False,
    force: bool = False,
    commit: bool = True,
    moved: Mapping[str, str] = MappingProxyType({}),
    needs: Sequence[str] = (),
    finish: Callable[[Operation], None] = lambda _: None,
    detail: Mapping[str, Any] | None = None,
) -> Iterator[Operation]:
    """The life of one run; the work is the block.

    Args:
        work: which hosts, for whom.
        verb: what it is called in the journal and the audit.
        watch: gets every event.
        say: gets one line for the person waiting, now and then.
        leased: it changes something: alone on this laptop, under the lease. Without, it only reads, beside whoever works.
        reaching: the hosts are met here; a workflow with a way of its own says no.
        compared: it brings hosts where our copy wants them: an older copy, or a torn mark, stops it; else that is only said.
        force: go on though our copy is older, a mark is torn or the audit was cut; recorded.
        commit: one commit of what is kept (real offices in git only).
        moved: where the work may move a host to.
        needs: hosts without which nothing is begun.
        finish: called after summary and commit, before the lease is given back.
        detail: what the journal's first line says beside.

    Raises:
        Busy, HostKeyChanged, Unverified, BadInput: nothing was begun.
        LeaseLost: it was stopped because somebody else may work there now.
    """
    with contextlib.ExitStack() as holding:
        if leased:
            holding.enter_context(alone(selection.target))
        elif reaching and (who := held(selection.target)):
            say(f"another provisioner on this laptop works on {selection.target.office} ({who}): what is seen here may change")
        recorder = begin(selection, verb, watch, **(detail or {}))
        op = Operation(selection, verb, recorder, say)
        error = ""
        try:
            if reaching:
                _arrive(op, needs, moved if leased else None, compared=compared, force=force)
            yield op
            op.check()
        except (Interrupted, LeaseLost) as reason:
            error, op.status = str(reason), "interrupted"
            if isinstance(reason, LeaseLost):
                raise
        except BaseException as problem:
            error, op.status = str(problem), "interrupted" if isinstance(problem, KeyboardInterrupt) else "stopped"
            if isinstance(problem, KeyboardInterrupt):
                say(f"interrupted; the same command again goes on from here\n  journal: {recorder.journal.path}")
            raise
        finally:
            try:
                op.run = end(recorder, op.status, error)
                if op.begun:
                    _leave(op, commit=commit, finish=finish)
            finally:
                if op.lease:
                    op.lease.__exit__()
                selection.ssh.close()
    if recorder.torn:
        raise Unverified(
            f"the run ended ({op.run.status}), but its journal has no room for its end: {recorder.journal.path}",
            hint="make room on this laptop, then the same command again",
        )


def _arrive(op: Operation, needs: Sequence[str], moved: Mapping[str, str] | None, *, compared: bool, force: bool) -> None:
    """Whatever killed runs left, where the hosts answer, the lease (with `moved`), and our copy against what they remember."""
    selection = op.selection
    orphans.sweep(selection.target, say=op.say)
    reach(selection, op.recorder)
    _needed(selection, needs)
    if selection.reached and moved is not None:
        _take(op, moved, compared=compared, force=force)
    elif selection.met:
        op.applied, op.newest, unknown = marks(selection.ssh, selection.met)
        for host, problem in unknown.items():
            if compared or problem != "torn":
                _leave_out(op, host, problem, force=force)
    _compare_copies(op, compared=compared, force=force, changing=moved is not None)


def _needed(selection: Selection, needs: Sequence[str]) -> None:
    for host in needs:
        if host not in selection.met:
            found = selection.found.get(host)
            raise Unreachable(
                found.problem if found else f"{host} is not adopted",
                hint=(found.hint if found else "") or f"is {host} switched on and plugged in?",
            )


def _take(op: Operation, moved: Mapping[str, str], *, compared: bool, force: bool) -> None:
    """The lease on every host of the office that answers; a host that cannot keep one is left alone."""
    selection = op.selection
    everywhere = selection.met | bystanders(selection)
    if not everywhere:
        return  # a router alone that keeps no file of ours: its guard lets in one push at a time
    lease = Lease(selection.ssh, everywhere, selection.run_id, selection.ssh.user, lost=op.lose, moved=dict(moved))
    lease.__enter__()
    op.lease, op.applied, op.newest = lease, dict(lease.applied), dict(lease.newest)
    op.recorder(Event("lease_taken", detail={"hosts": sorted(set(everywhere) - set(lease.failed))}))
    for host, problem in lease.failed.items():
        if host in selection.met:
            op.leave_out(host, _said(problem), silent=_silent(problem))
        else:
            op.say(_said(problem))
    _wait_for_others(op, lease)
    for host, torn in lease.torn.items():
        if {"applied.json", "refused.json"} & set(torn):
            _leave_out(op, host, "torn", force=force) if compared else op.say(
                f"{host}: its mark of what was last applied is torn"
            )
        elif host in selection.met:
            op.say(f"{host}: a torn mark of who works there was made new")


def _wait_for_others(op: Operation, lease: Lease) -> None:
    """Let what an earlier run left at work on the hosts come to its end: that run is dead, its task on the host is not."""
    until = time.monotonic() + BUSY_S
    for host, (run, programs) in lease.busy.items():
        op.say(f"{host}: {', '.join(programs)} of the killed run {run} still works there; waiting for its end")
        while not lease.quiet(host) and time.monotonic() < until:
            op.check()
            time.sleep(0.5)


def _leave_out(op: Operation, host: str, problem: Exception | str, *, force: bool) -> None:
    """A host whose marks cannot be known: nobody can tell whether our copy is older than what was last applied there."""
    if problem == "torn" and force:
        op.say(f"{host}: its mark of what was last applied is torn; this run makes a new one")
    elif problem == "torn":
        said = (
            f"{host}'s mark of what was last applied is torn, so nobody can tell whether this copy is older;"
            f" if it is not, this makes a new one: provisioner apply {op.selection.target.words} --host {host} --force"
        )
        op.leave_out(host, said) if host in op.selection.met else op.say(said)
    elif host in op.selection.met:
        op.leave_out(host, _said(problem), silent=_silent(problem))


def _said(problem: Exception | str) -> str:
    """What is wrong, and what to try, where that is known."""
    hint = getattr(problem, "hint", "")
    return f"{problem}; try: {hint}" if hint else str(problem)


def _silent(problem: Exception | str) -> bool:
    """Whether a host gave no answer at all; one that cannot be read is an answer."""
    return isinstance(problem, Unreachable) and not isinstance(problem, Unreadable)


def _compare_copies(op: Operation, *, compared: bool, force: bool, changing: bool) -> None:
    """Our copy against what the hosts remember.

    Raises:
        Busy: it is the older one.
        Unverified: the audit lacks a run that a host remembers, and this run would take the memory's place.
    """
    target = op.selection.target
    try:
        if not force:
            refuse_older_copy(target, op.applied)
    except Busy as older:
        if compared:
            raise
        op.say(f"! {older}")
    differs = unlike_the_audit(target.summaries, op.applied) | unlike_the_audit(target.summaries, op.newest)
    op.audit_differs = list(differs.values())
    for host, said in differs.items():
        op.recorder(Event("audit_differs", host, detail={"problem": said}))
        op.say(f"! {said}")
    if differs and changing and compared and not force:
        raise Unverified(
            f"the audit of {target.office} was cut or altered: {next(iter(differs.values()))}",
            hint=f"git pull; provisioner runs check {target.words}; --force goes on, and the audit says so",
        )


def _leave(op: Operation, *, commit: bool, finish: Callable[[Operation], None]) -> None:
    """What a run leaves behind: the summary in the audit, one commit, and what the workflow adds.

    Raises:
        Unverified: the run ended, but this laptop could not keep its summary; not said again where the journal was torn.
    """
    target = op.selection.target
    try:
        summary = {**(op.summary if op.summary is not None else audit.summary(op.run)), **op.more}
        if op.audit_differs:
            summary = {**summary, "audit_differs": op.audit_differs}
        op.kept = audit.keep(target.summaries, summary)
        if commit and not target.lab:
            op.commit = _commit(op, str(summary["status"]))
        finish(op)
        if op.lease:
            op.lease.note(_newest(op))
    except (OSError, BadInput) as problem:
        if not op.recorder.torn:
            why = described(problem) if isinstance(problem, OSError) else str(problem)
            raise Unverified(
                f"the run ended ({op.run.status}), but not all of what it leaves could be kept on this laptop: {why}",
                hint="make room, then the same command again",
            ) from problem


def _newest(op: Operation) -> dict[str, Any]:
    """What the hosts remember of this run: whoever cuts it off the audit's end is found by asking them."""
    assert op.kept
    return {
        "run": op.run.id,
        "technician": op.run.technician,
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "summary": op.kept.name,
        "summary_sha256": sha256(op.kept),
        "uncommitted": not op.selection.target.lab and op.commit is None,
    }


_PAST = {"apply": "applied", "verify": "verified", "update": "updated"}


def _commit(op: Operation, status: str) -> str | None:
    target, run = op.selection.target, op.run
    _, name, email = technician(target)
    done = f"{target.office}: {_PAST.get(op.verb, op.verb)} by {run.technician}: {status}"
    tally = "".join(
        f"{host}: {', '.join(f'{n} {what}' for what, n in one.counts.items() if n)}\n"
        for host, one in sorted(run.hosts.items())
        if any(one.counts.values())
    )
    return git.commit(target.inventory, [target.folder], f"{done}\n\n{tally}run {run.id}\n", name=name, email=email)


def leave_marks(op: Operation) -> list[str]:
    """Tell the hosts what was applied; returns those that are done and could not be told."""
    assert op.lease
    assert op.kept
    target, office, run = op.selection.target, op.selection.office, op.run
    done = [h for h, v in run.hosts.items() if v.counts["ok"] and not v.counts["failed"] and not v.counts["unreachable"]]
    remember(target, {host: str(office.hosts[host].address) for host in done if office.hosts[host].kind != "router"})
    op.lease.settled(done)
    mark = {
        **_newest(op),
        "office": target.office,
        "commit": op.commit or git.head(target.inventory),
        "dossier_sha256": sha256(target.folder / "dossier.yml"),
        "inputs_sha256": inputs_sha256(target),
    }
    return [host for host in op.lease.mark(mark, sorted(op.selection.met)) if host in done]
