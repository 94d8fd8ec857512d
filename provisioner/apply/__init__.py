"""Plan and apply: what the dossier wants, what the hosts would change for it, and the change itself.

Both are the same play, `apply.yml`, in check mode or for real; both reach the hosts first (at the dossier's address, where
they were last met, or wherever their MAC answers on the LAN) and refuse an older copy. Only `apply` takes the lease, and
only it leaves something: the mark on the hosts, the summary in the office's `runs/`, one commit.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from provisioner import package_cache, plays, router, runs
from provisioner.apply import plans, recent
from provisioner.apply.plans import Plan
from provisioner.errors import Missing, Stopped, Unverified, described
from provisioner.hosts.keys import public_key
from provisioner.hosts.pins import pinned
from provisioner.inventory import installed
from provisioner.inventory.placement import roles
from provisioner.inventory.target import runtime_home
from provisioner.operation import Interrupted, Listener, Operation, leave_marks, operation
from provisioner.operation.selection import Selection, refuse_lockout, refuse_returned, refuse_unfollowable
from provisioner.plays import orphans
from provisioner.plays.handover import Handover
from provisioner.runs import Event, Run, fold, journal
from provisioner.secrets import vault

PLAYBOOK = "apply.yml"


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
def _package_cache(selection: Selection, say: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """The environment that sends the hosts' apt through the laptop's package cache, for this play only."""
    if selection.target.lab:
        from provisioner import lab

        up = lab.find(selection.target)
        yield {"http_proxy": up.proxy} if up else {}
        return
    try:
        using = package_cache.in_use()
        cache = using.__enter__()
    except Missing:
        say("no package cache on this laptop: each host fetches its own packages (provisioner doctor)")
        yield {}
        return
    with contextlib.ExitStack() as held:
        held.push(using)
        here = _facing(next(iter(selection.met.values())))
        port = _free_port(here)
        record = runtime_home() / f"forward-{selection.target.id}-{selection.run_id}.pid"
        forward = package_cache.forward(
            None, here, port, cache.port, record=record, network=str(selection.office.lan.network),
            while_exists=Path(f"/proc/{os.getpid()}"),  # it must not outlive us, however we end
        )  # fmt: skip
        held.callback(package_cache.stop_forward, forward)
        yield {"http_proxy": f"http://{here}:{port}"}


def _stopping(op: Operation, *, again: bool) -> str:
    """What Ctrl-C does, the first time and the second."""
    if not again:
        return "stopping after this task; once more to stop at once"
    target = op.selection.target
    return (
        "stopping at once; the task at hand is cut off"
        f"\n  journal: {target.journals / (op.selection.run_id + '.jsonl')}"
        f"\n  then:    provisioner {op.verb} {target.office}{' --lab' if target.lab else ''}"
        "\n           (it mends what was cut off, and goes on)"
    )


def _play(op: Operation, on: Listener, *, check: bool) -> None:
    """Run `apply.yml` on the hosts that were met; every event goes to `on`.

    Raises:
        Interrupted: Ctrl-C was pressed; the current task ended before the play did.
        LeaseLost: the same, because the lease was lost.
    """
    selection, say = op.selection, op.say
    if not selection.met:
        return
    me = selection.ssh.user
    with _package_cache(selection, say) as environment:
        handover = Handover(
            inventory=str(selection.target.inventory),
            office=selection.target.office,
            lab=selection.target.lab,
            user=me,
            addresses=selection.met,
            options={host: selection.ssh.options(host) for host in selection.met},
            environment={
                **environment,
                orphans.RUN_VARIABLE: selection.run_id,
            },  # by which a task left alone is known on the host
            technicians={me: [public_key(selection.ssh.key)]} if selection.target.lab else {},
            **({} if selection.dropped is None else {"pack": selection.office.pack, "variant": selection.office.variant}),
        )
        play = plays.Play(
            selection.target,
            PLAYBOOK,
            handover,
            run_id=selection.run_id,
            check=check,
            limit=sorted(selection.met),
            control=selection.ssh.control,
            secrets=selection.secrets,
        )
        if op.lease:
            play.let_begin(op.lease.good_until)
            op.lease.renewed = play.let_begin
        asked: list[str] = []

        def stop(reason: str) -> None:
            if asked and reason == "interrupted":
                play.abort()
            else:
                play.stop()
            asked.append(reason)

        def interrupted() -> None:
            say(_stopping(op, again="interrupted" in asked))
            stop("interrupted")

        torn: list[OSError] = []

        def keep(event: Event) -> None:
            try:
                on(event)
            except OSError as problem:  # what happens from now on would not be known afterwards
                torn.append(problem)
                play.stop()

        counted = False
        with op.stopping(stop), _interrupts(interrupted):
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
                if event.what == "host_failed" and package_cache.forget(event.detail.get("corrupt", ())):
                    say("the package cache held it; taken out, so that the next run fetches it anew")
        if torn:
            raise Stopped(
                f"stopped after the task at hand, because the journal cannot be written: {described(torn[0])}",
                hint="make room on this laptop, then the same command again",
            ) from torn[0]
        op.check()
        if asked:
            raise Interrupted
        if not counted:
            raise Unverified(
                "Ansible's own count of the results did not come, so nobody knows whether all of them did",
                hint=f"df -h {runtime_home()} on this laptop; then the same command again",
            )


@contextlib.contextmanager
def _interrupts(on_interrupt: Callable[[], object]) -> Iterator[None]:
    """Ctrl-C (and a closing terminal) becomes a request while the play runs; outside the main thread nothing is caught."""
    try:
        previous = {s: signal.signal(s, lambda *_: on_interrupt()) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    except ValueError:
        previous = {}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _total_key(selection: Selection, verb: str) -> str:
    return f"{verb} {' '.join(sorted(selection.met))}"


def expected_tasks(selection: Selection, verb: str) -> int | None:
    """How many tasks the same work took last time, or its plan; None when all is new."""
    totals, key = journal.learnt(selection.target.state / "totals.json"), " ".join(sorted(selection.hosts))
    return totals.get(f"{verb} {key}") or totals.get(f"plan {key}")


def plan(selection: Selection, *, watch: Listener, say: Callable[[str], None], force: bool = False) -> Plan:
    """What `apply` would change, host by host; nothing on the hosts changes but their package lists.

    Raises:
        Busy, HostKeyChanged, Unverified, BadInput: before or while asking the hosts.
    """
    refuse_lockout(selection.ssh, selection.reseller)
    refuse_returned(selection)
    for lost in refuse_unfollowable(selection, force=force):
        say(f"! {lost}")
    asked, before = {"ansible": plays.ansible_version()}, recent.premises(selection)
    with operation(selection, "plan", watch=watch, say=say, leased=False, compared=True, force=force, detail=asked) as op:
        _play(op, op.recorder, check=True)
        router.plan(op, op.recorder)
        op.status = runs.verdict(fold(op.recorder.events).hosts)
    if op.status in ("changed", "unchanged") and selection.dropped is None:
        journal.learn(selection.target.state / "totals.json", _total_key(selection, "plan"), op.run.tasks)
    office, digest = selection.office, plans.digest(selection, op.run)
    found = Plan(op.run, digest, office.pack, office.variant, tuple(op.audit_differs), before, recent.runs_of(op.newest))
    if selection.dropped is None and not found.missing and not op.audit_differs:
        recent.keep(selection, found)
    return found


def apply(
    selection: Selection,
    *,
    watch: Listener,
    say: Callable[[str], None],
    saved: Mapping[str, Any] | None = None,
    planned: Plan | None = None,
    force: bool = False,
    commit: bool = True,
) -> Run:
    """Bring the hosts where the dossier wants them.

    Args:
        work: from `prepare`.
        watch: gets every event.
        say: gets one line for the person waiting, now and then.
        saved: a saved plan that must still hold.
        planned: the plan that somebody has just read and agreed to.
        force: go on though our copy is older; recorded.
        commit: one commit for the run (real offices in git only).

    Raises:
        Busy, HostKeyChanged, Unverified, BadInput: nothing was changed.
    """
    refuse_lockout(selection.ssh, selection.reseller)
    refuse_returned(selection)
    refuse_unfollowable(selection, force=force)
    moved = {h: str(selection.office.hosts[h].address) for h in selection.hosts if selection.office.hosts[h].kind != "router"}
    asked = {"ansible": plays.ansible_version(), **_asked(selection, saved, force)}
    with operation(
        selection, "apply", watch=watch, say=say, compared=True, force=force, commit=commit, moved=moved, finish=_finish,
        detail=asked,
    ) as op:  # fmt: skip
        if not selection.reached:
            op.begun, op.status = True, runs.verdict(fold(op.recorder.events).hosts)
        else:
            if planned is not None:
                recent.refuse_moved(op, planned)
            if saved is not None:
                say("comparing with the saved plan")
                _compare(op, saved)
            vault.complete(selection.target, selection.office)
            op.begun = True
            op.more[installed.KEY] = _installed(selection)
            _play(op, op.recorder, check=False)
            router.converge(op)
            op.status = runs.verdict(fold(op.recorder.events).hosts)
    return op.run


def _installed(selection: Selection) -> dict[str, Any]:
    """What the audit keeps of what the office is installed as, from the moment that hosts are touched."""
    target, office = selection.target, selection.office
    given = {name: roles(selection.pack, office, office.hosts[name]) for name in selection.met}
    return installed.note(installed.read(target.summaries), office, given, pinned(target)).as_object()


def _asked(selection: Selection, saved: Mapping[str, Any] | None, force: bool) -> dict[str, Any]:
    """What the audit keeps of how it was asked for."""
    asked: dict[str, Any] = {"forced": True} if force else {}
    if saved is not None:
        plans.refuse_incomplete(saved, selection)
        plans.refuse_other_pack(saved, selection)
        asked["plan"] = saved["digest"]
    # role base shuts them out: who is still to be shut out where is read off the audit (access.py)
    if selection.reseller.former:
        based = [
            host
            for host in selection.hosts
            if "base" in selection.pack.roles(selection.office.hosts[host].kind, selection.office.variant)
        ]
        asked["refuses"] = dict.fromkeys(selection.reseller.former, based)
        asked["revoked"] = {login: list(gone.keys) for login, gone in selection.reseller.former.items()}
    return asked


def _compare(op: Operation, saved: Mapping[str, Any]) -> None:
    selection = op.selection
    events = [Event("host_reached", host, detail={"address": address}) for host, address in selection.reached.items()]
    _play(op, events.append, check=True)
    router.plan(op, events.append)
    now = fold(events)
    now.status = runs.verdict(now.hosts)
    fresh = Plan(now, plans.digest(selection, now), selection.office.pack, selection.office.variant)
    if fresh.missing:
        said = "".join(f"\n  {host}: {why}" for host, why in fresh.missing.items())
        raise Unverified(
            f"not every host of the saved plan could be compared; nothing was changed:{said}",
            hint="mend that, then the same again",
        )
    if fresh.digest != saved["digest"]:
        raise Unverified(
            "the saved plan no longer holds; nothing was changed:\n  " + "\n  ".join(plans.differences(saved, fresh)[:20]),
            hint=f"provisioner plan {selection.target.words} --save FILE, and read it again",
        )


def _finish(op: Operation) -> None:
    """What an apply leaves beside its summary: how long it took, and the marks on the hosts."""
    if op.run.status in ("changed", "unchanged"):
        journal.learn(op.selection.target.state / "totals.json", _total_key(op.selection, "apply"), op.run.tasks)
    if op.lease and (untold := leave_marks(op)):
        op.say(f"{', '.join(untold)} could not be told what was applied: an older copy would not be refused there")
