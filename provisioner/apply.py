"""Plan and apply: what the dossier wants, what the hosts would change for it, and the change itself.

Both are the same play, `apply.yml`, in check mode or for real; both reach the hosts first (at the dossier's address, where
they were last met, or wherever their MAC answers on the LAN) and refuse an older copy. Only `apply` takes the lease, and
only it leaves something: the mark on the hosts, the summary in the office's `runs/`, one commit.
"""

import contextlib
import hashlib
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner import packages, plans, plays, runs
from provisioner.errors import BadInput, Busy, Missing, Stopped, Unverified, described
from provisioner.inventory import git, vault
from provisioner.inventory.ansible import Handover
from provisioner.inventory.target import runtime_home
from provisioner.lease import Lease, marks, refuse_older_copy
from provisioner.plans import Plan
from provisioner.runs import Event, Run, fold
from provisioner.ssh import public_key
from provisioner.work import Listener, Work, begin, bystanders, end, reach, refuse_lockout, remember, technician

PLAYBOOK = "apply.yml"


class Interrupted(Exception):
    """Somebody asked us to stop; the play ended in good order."""


# ------------------------------------------------------------------------------------------- playing


def _facing(address: str) -> str:
    """This laptop's own address on the way to `address`; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))
        return str(probe.getsockname()[0])


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _package_cache(work: Work, say: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """The environment that sends the hosts' apt through the laptop's package cache, for this play only."""
    if work.target.lab:
        from provisioner import lab

        up = lab.find(work.target)
        yield {"http_proxy": up.proxy} if up else {}
        return
    try:
        using = packages.in_use()
        cache = using.__enter__()
    except Missing:
        say("no package cache on this laptop: each host fetches its own packages (provisioner doctor)")
        yield {}
        return
    with contextlib.ExitStack() as held:
        held.push(using)
        here = _facing(next(iter(work.met.values())))
        port = _free_port(here)
        record = runtime_home() / f"forward-{work.target.id}.pid"
        forward = packages.forward(
            None, here, port, cache.port, record=record, network=str(work.office.lan.network),
            while_exists=Path(f"/proc/{os.getpid()}"),  # it must not outlive us, however we end
        )  # fmt: skip
        held.callback(packages.stop_forward, forward)
        yield {"http_proxy": f"http://{here}:{port}"}


def _play(work: Work, on: Listener, say: Callable[[str], None], *, check: bool, lease: Lease | None = None) -> None:
    """Run `apply.yml` on the hosts that were met; every event goes to `on`.

    Raises:
        Interrupted: Ctrl-C was pressed, or the lease was lost; the current task ended before the play did.
    """
    if not work.met:
        return
    me = work.door.user
    with _package_cache(work, say) as environment:
        handover = Handover(
            inventory=str(work.target.inventory),
            office=work.target.office,
            lab=work.target.lab,
            user=me,
            addresses=work.met,
            options={host: work.door.options(host) for host in work.met},
            environment=environment,
            technicians={me: [public_key(work.door.key)]} if work.target.lab else {},
            **({} if work.dropped is None else {"pack": work.office.pack, "variant": work.office.variant}),
        )
        play = plays.Play(
            work.target,
            PLAYBOOK,
            handover,
            run_id=work.run_id,
            check=check,
            limit=sorted(work.met),
            secrets=work.secrets,
        )
        asked: list[str] = []

        def stop(reason: str) -> None:
            if asked and reason == "interrupted":
                play.abort()
            else:
                play.stop()
            asked.append(reason)

        def interrupted() -> None:
            stop("interrupted")
            say("stopping after this task; once more to stop at once")

        torn: list[OSError] = []

        def keep(event: Event) -> None:
            try:
                on(event)
            except OSError as problem:  # what happens from now on would not be known afterwards
                torn.append(problem)
                play.stop()

        counted = False
        if lease:
            lease.lost = stop
        with _interrupts(interrupted):
            for event in play:
                counted = counted or event.what == "play_counted"
                if event.what == "play_ended" and not asked and event.detail["status"] not in ("successful", "failed"):
                    on(Event("play_broke", detail=event.detail))
                    raise Unverified(
                        f"Ansible ended without a result ({event.detail['status']}): {event.detail['said']}",
                        hint="the same command again; it goes on where this one stopped",
                    )
                if event.what == "play_ended" and event.detail["rc"] not in (0, 2, 4, 6) and not asked:
                    raise Unverified(f"Ansible could not play: {event.detail['said']}", hint="provisioner inventory check")
                keep(event)
                if event.what == "host_failed" and packages.forget(event.detail.get("spoiled", ())):
                    say("the package cache held it; taken out, so that the next run fetches it anew")
        if torn:
            raise Stopped(
                f"stopped after the task at hand, because the journal cannot be written: {described(torn[0])}",
                hint="make room on this laptop, then the same command again",
            ) from torn[0]
        if asked:
            raise Interrupted(asked[0])
        if not counted:
            raise Unverified(
                "Ansible's own count of the results did not come, so nobody knows whether all of them did",
                hint=f"df -h {runtime_home()} on this laptop; then the same command again",
            )


@contextlib.contextmanager
def _interrupts(on_interrupt: Callable[[], object]) -> Iterator[None]:
    """Ctrl-C (and a closing terminal) becomes a request while the play runs; outside the main thread nothing is caught."""
    try:
        former = {s: signal.signal(s, lambda *_: on_interrupt()) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    except ValueError:
        former = {}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _total_key(work: Work, verb: str) -> str:
    return f"{verb} {' '.join(sorted(work.met))}"


def expected_tasks(work: Work, verb: str) -> int | None:
    """How many tasks the same work took last time, or its plan; None when all is new."""
    totals, key = runs.learnt(work.target.state / "totals.json"), " ".join(sorted(work.hosts))
    return totals.get(f"{verb} {key}") or totals.get(f"plan {key}")


def plan(work: Work, *, watch: Listener, say: Callable[[str], None], force: bool = False) -> Plan:
    """What `apply` would change, host by host; nothing on the hosts changes but their package lists.

    Raises:
        Busy, HostKeyChanged, Unverified, BadInput: before or while asking the hosts.
    """
    refuse_lockout(work)
    recorder = begin(work, "plan", watch, ansible=plays.ansible_version())
    status, error = "interrupted", ""
    try:
        plays.sweep(work.target, say=say)
        reach(work, recorder)
        applied = marks(work.door, work.met)
        if not force:
            refuse_older_copy(work.target.inventory, applied)
        _play(work, recorder, say, check=True)
        status = runs.verdict(fold(recorder.events).hosts)
    except Interrupted:
        pass
    except BaseException as problem:
        status, error = "stopped", str(problem)
        raise
    finally:
        run = end(recorder, status, error)
    if status in ("changed", "unchanged") and work.dropped is None:
        runs.learn(work.target.state / "totals.json", _total_key(work, "plan"), run.tasks)
    return Plan(run, plans.digest(work, run), work.office.pack, work.office.variant)


def apply(
    work: Work,
    *,
    watch: Listener,
    say: Callable[[str], None],
    saved: Mapping[str, Any] | None = None,
    force: bool = False,
    commit: bool = True,
) -> Run:
    """Bring the hosts where the dossier wants them.

    Args:
        work: from `prepare`.
        watch: gets every event.
        say: gets one line for the person waiting, now and then.
        saved: a saved plan that must still hold.
        force: go on though our copy is older; recorded.
        commit: one commit for the run (real offices in git only).

    Raises:
        Busy, HostKeyChanged, Unverified, BadInput: nothing was changed.
    """
    refuse_lockout(work)
    recorder = begin(work, "apply", watch, ansible=plays.ansible_version(), **_asked(work, saved, force))
    status, error = "interrupted", ""
    lease: Lease | None = None
    begun = False
    try:
        plays.sweep(work.target, say=say)
        reach(work, recorder)
        if not work.met:
            status = "unreachable"
        else:
            moved = {h: str(work.office.hosts[h].address) for h in work.met if work.office.hosts[h].kind != "router"}
            held = work.met | bystanders(work)
            lease = Lease(work.door, held, work.run_id, work.door.user, lost=lambda _: None, moved=moved)
            lease.__enter__()
            recorder(Event("lease_taken", detail={"hosts": sorted(held)}))
            if not force:
                refuse_older_copy(work.target.inventory, lease.applied)
            if saved is not None:
                say("comparing with the saved plan")
                _compare(work, saved, say, lease)
            vault.complete(work.target, work.office)
            begun = True
            _play(work, recorder, say, check=False, lease=lease)
            status = runs.verdict(fold(recorder.events).hosts)
    except Interrupted as reason:
        error = "" if str(reason) == "interrupted" else str(reason)
    except BaseException as problem:
        status, error = "stopped", str(problem)
        raise
    finally:
        try:
            run = end(recorder, status, error)
            if begun or status == "unreachable":
                _leave(work, run, lease, say, commit=commit, torn=recorder.torn)
        finally:
            if lease:
                lease.__exit__()
            work.door.close()
    if recorder.torn:
        raise Unverified(
            f"the run ended ({run.status}), but its journal has no room for its end: {recorder.journal.path}",
            hint="make room on this laptop, then the same command again",
        )
    if error and status == "interrupted":
        raise Busy(error, hint=f"provisioner runs show {work.target.office} {run.id}")
    return run


def _asked(work: Work, saved: Mapping[str, Any] | None, force: bool) -> dict[str, Any]:
    """What the audit keeps of how it was asked for."""
    asked: dict[str, Any] = {"forced": True} if force else {}
    if saved is not None:
        plans.refuse_other_pack(saved, work)
        asked["plan"] = saved["digest"]
    if work.reseller.former:  # role base shuts them out: who is still to be shut out where is read off the audit (access.py)
        based = [host for host in work.hosts if "base" in work.pack.roles(work.office.hosts[host].kind, work.office.variant)]
        asked["refuses"] = dict.fromkeys(work.reseller.former, based)
    return asked


def _compare(work: Work, saved: Mapping[str, Any], say: Callable[[str], None], lease: Lease) -> None:
    events: list[Event] = []
    for host, address in work.met.items():
        events.append(Event("host_reached", host, detail={"address": address}))
    _play(work, events.append, say, check=True, lease=lease)
    now = fold(events)
    fresh = Plan(now, plans.digest(work, now), work.office.pack, work.office.variant)
    if fresh.digest != saved["digest"]:
        raise Unverified(
            "the saved plan no longer holds; nothing was changed:\n  " + "\n  ".join(plans.differences(saved, fresh)[:20]),
            hint=f"provisioner plan {work.target.office} --save FILE, and read it again",
        )


def _leave(work: Work, run: Run, lease: Lease | None, say: Callable[[str], None], *, commit: bool, torn: bool) -> None:
    """What a run leaves behind: totals, new addresses, the summary, the commit, the marks.

    Raises:
        Unverified: the run ended, but this laptop could not keep its summary; not said again where the journal was `torn`.
    """
    target = work.target
    try:
        if run.status in ("changed", "unchanged"):
            runs.learn(target.state / "totals.json", _total_key(work, "apply"), run.tasks)
        kept = runs.keep(target.summaries, runs.summary(run))
        made = _commit(work, run) if commit and not target.lab else None
        if lease and (untold := _mark(work, run, lease, kept, made)):
            say(f"{', '.join(untold)} could not be told what was applied: an older copy would not be refused there")
    except (OSError, BadInput) as problem:
        if not torn:
            why = described(problem) if isinstance(problem, OSError) else str(problem)
            raise Unverified(
                f"the run ended ({run.status}), but not all of what it leaves could be kept on this laptop: {why}",
                hint="make room, then the same command again",
            ) from problem


def _commit(work: Work, run: Run) -> str | None:
    target = work.target
    _, name, email = technician(target)
    return git.commit(
        target.inventory,
        [target.folder],
        f"{target.office}: applied by {run.technician}: {run.status}\n\n{_tally(run)}\nrun {run.id}\n",
        name=name,
        email=email,
    )


def _mark(work: Work, run: Run, lease: Lease, kept: Path, made: str | None) -> list[str]:
    """Tell the hosts what was applied; returns those that are done and could not be told."""
    target, office = work.target, work.office
    done = [h for h, v in run.hosts.items() if v.counts["ok"] and not v.counts["failed"] and not v.counts["unreachable"]]
    remember(target, {host: str(office.hosts[host].address) for host in done if office.hosts[host].kind != "router"})
    lease.settled(done)
    untold = lease.mark(
        {
            "office": target.office,
            "run": run.id,
            "technician": run.technician,
            "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "commit": made or git.head(target.inventory),
            "summary": kept.name,
            "summary_sha256": hashlib.sha256(kept.read_bytes()).hexdigest(),
            "dossier_sha256": hashlib.sha256((target.folder / "dossier.yml").read_bytes()).hexdigest(),
        },
        sorted(work.met),
    )
    return [host for host in untold if host in done]


def _tally(run: Run) -> str:
    return "".join(
        f"{name}: {', '.join(f'{n} {what}' for what, n in host.counts.items() if n)}\n"
        for name, host in sorted(run.hosts.items())
    )
