"""Plan and apply: what the dossier wants, what the hosts would change for it, and the change itself.

Both are the same play, `apply.yml`, in check mode or for real; both reach the hosts first (at the dossier's address, where
they were last met, or wherever their MAC answers on the LAN) and refuse an older copy. Only `apply` takes the lease, and
only it leaves something: the mark on the hosts, the summary in the office's `runs/`, one commit.
"""

from collections.abc import Callable, Mapping
from typing import Any

from provisioner import plays, router, runs
from provisioner.apply import plans, recent
from provisioner.apply.plans import Plan
from provisioner.errors import Unverified
from provisioner.hosts.pins import pinned
from provisioner.inventory import installed
from provisioner.inventory.placement import roles
from provisioner.operation import Listener, Operation, leave_marks, operation
from provisioner.operation.playing import play
from provisioner.operation.selection import Selection, refuse_lockout, refuse_returned, refuse_unfollowable
from provisioner.runs import Event, Run, fold, journal
from provisioner.secrets import vault

PLAYBOOK = "apply.yml"


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
        play(op, PLAYBOOK, op.recorder, check=True)
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
            play(op, PLAYBOOK, op.recorder, check=False)
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
    play(op, PLAYBOOK, events.append, check=True)
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
