"""An office's routers: what they would change, and the push that makes it so; within an apply, or alone by `router push`.

Ansible owns the machine; addresses, firewall, DHCP and names are pushed here, guarded (`push`). A router takes part where its
office's pack gives it the role `router`.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from provisioner import runs
from provisioner.errors import Missing, ProvisionerError, Unreachable, Unreadable
from provisioner.inventory.models import Kind
from provisioner.inventory.placement import internet
from provisioner.inventory.target import Target
from provisioner.laptop import git
from provisioner.operation import LeaseLost, Listener, Operation, operation
from provisioner.operation.selection import Selection, refuse_lockout, refuse_returned
from provisioner.router import backups, platforms
from provisioner.router.description import Description, describe
from provisioner.router.guard import TIMEOUT_S, Outcome, push
from provisioner.router.platforms import Files, Router, Way
from provisioner.runs import Event, Run, fold
from provisioner.secrets import vault

ROLE = "router"
TASK = "router: {}"
KEPT = "router: What it has is kept"
PUSHED = "router: The new configuration is confirmed over a fresh connection"
NEIGHBOURS = 4  # hosts of the LAN that are tried, one of which must answer


def routers(selection: Selection) -> list[str]:
    """The routers of the selection that are ours to configure."""
    return [
        name
        for name in selection.hosts
        if (host := selection.office.hosts[name]).kind is Kind.ROUTER
        and ROLE in selection.pack.roles(host.kind, selection.office.variant)
    ]


def wanted(selection: Selection, host: str) -> Description:
    """What the dossier wants of a router."""
    return describe(selection.office, selection.pack, vault.read(selection.target), host)


@contextlib.contextmanager
def device(selection: Selection, host: str, files: Files | None = None) -> Iterator[Router]:
    """A router that was met, for as long as the block runs; `files` instead of what the dossier wants."""
    description = wanted(selection, host)
    near = [str(one.address) for name, one in selection.office.hosts.items() if name != host][:NEIGHBOURS]
    probes: dict[str, Any] = {
        "internet": internet(lab=selection.target.lab),
        "server": str(description.lan.address.ip),
        "name": f"{host}.{description.domain}",
        "lan": near,
    }
    own = selection.office.hosts[host]
    password = vault.read(selection.target).routers.get(host, "") if own.appliance else ""
    way = Way(selection.ssh, host, selection.reached[host], selection.run_id, own.account if own.appliance else "", password)
    wanted_files = platforms.rendering(own.platform).render(description) if files is None else files
    router = platforms.router(own.platform)(way, wanted_files, probes)
    try:
        yield router
    finally:
        router.close()


def plan(op: Operation, listen: Callable[[Event], None]) -> None:
    """What a push would change on each router that was met: one event a part."""
    for host in routers(op.selection):
        if host in op.selection.reached and _sound(op, host):
            _planned(op, host, listen)


def _sound(op: Operation, host: str) -> bool:
    """Whether nothing failed there before in this run."""
    here = fold(op.recorder.events).hosts.get(host)
    return not here or not (here.counts["failed"] or here.counts["unreachable"])


def _planned(op: Operation, host: str, listen: Callable[[Event], None]) -> None:
    try:
        with device(op.selection, host) as router:
            found = router.differences()
    except (Unreachable, Unreadable) as problem:
        listen(_failure(host, problem))
        return
    platform = platforms.rendering(op.selection.office.hosts[host].platform)
    if not found and op.selection.office.hosts[host].appliance:
        listen(Event("host_ok", host, PUSHED))  # nobody else says that it was met
    for said in platform.cannot(wanted(op.selection, host)):
        listen(Event("host_ok", host, TASK.format("what it cannot do"), {"notes": [said]}))
    for one in found:
        notes = [f"{one.part} was changed on the router itself since its last push"] if one.by_hand else []
        listen(Event("host_changed", host, TASK.format(one.part), {"diff": one.diff, "notes": notes}))


def converge(op: Operation, *, timeout_s: float = TIMEOUT_S, on_site: bool = False) -> None:
    """Push to each router that was met and on which nothing failed before; to one without a timer only `on_site`."""
    for host in routers(op.selection):
        if host in op.selection.reached and _sound(op, host):
            op.recorder(Event("task_started", task=PUSHED))
            _pushed(op, host, timeout_s, on_site=on_site)


def _pushed(op: Operation, host: str, timeout_s: float, files: Files | None = None, *, on_site: bool = False) -> None:
    op.check()
    try:
        with device(op.selection, host, files) as router:
            outcome = push(
                router, timeout_s=timeout_s, say=lambda line: op.say(f"{host}: {line}"), check=op.check, on_site=on_site
            )
            for event in _events(host, outcome, timeout_s):
                op.recorder(event)
            if outcome.how == "applied":  # what it has now is what is given back one day
                _kept(op, host, router)
    except LeaseLost:
        raise
    except ProvisionerError as problem:
        op.recorder(_failure(host, problem))


def _kept(op: Operation, host: str, router: Router) -> bool | None:
    """Keep what a router has; whether it was another, None when that could not be known."""
    try:
        return backups.keep(op.selection.target, host, router.current())
    except (ProvisionerError, OSError) as problem:
        op.say(f"{host}: its configuration could not be kept: {problem}; later: provisioner router backup")
        return None


def _events(host: str, outcome: Outcome, timeout_s: float) -> list[Event]:
    """What a push came to, as a run counts it."""
    if outcome.how == "unchanged":
        return [Event("host_ok", host, PUSHED)]
    if outcome.how == "applied":
        return [Event("host_changed", host, TASK.format(one.part), {"diff": one.diff}) for one in outcome.differences]
    if outcome.how == "reverted":
        said = f"the new configuration did not prove good, and the router has its former one back: {outcome.why}"
        return [Event("host_failed", host, PUSHED, {"problem": said})]
    if outcome.timed:
        said = (
            f"not seen again since the push ({outcome.why}); unless it was confirmed it goes back by itself"
            f" {timeout_s:.0f} s after it began"
        )
    else:
        said = f"not seen again since the push ({outcome.why}), and it does not go back by itself: go in from beside it"
    return [Event("host_unreachable", host, PUSHED, {"problem": said})]


def _failure(host: str, problem: ProvisionerError) -> Event:
    silent = isinstance(problem, Unreachable) and not isinstance(problem, Unreadable)
    said = f"{problem}; try: {problem.hint}" if problem.hint else str(problem)
    return Event("host_unreachable" if silent else "host_failed", host, PUSHED, {"problem": said})


# ------------------------------------------------------------------------------------------------ verbs


def refuse_none(selection: Selection) -> None:
    """Stop where there is no router to speak to.

    Raises:
        Missing: the office has none, or its pack leaves it alone.
    """
    if not routers(selection):
        raise Missing(
            f"no router of {selection.target.office} is ours to configure: none is adopted, or its pack has no role router",
            hint=f"provisioner office show {selection.target.office}",
        )


def run_push(
    selection: Selection,
    *,
    watch: Listener,
    say: Callable[[str], None],
    timeout_s: float,
    force: bool,
    commit: bool,
    on_site: bool = False,
) -> Run:
    """`router push`: the routers of an office alone.

    Raises:
        Busy, HostKeyChanged, Unverified, BadInput, Missing: nothing was changed.
    """
    refuse_lockout(selection.ssh, selection.reseller)
    refuse_returned(selection)
    refuse_none(selection)
    with operation(
        selection, "router push", watch=watch, say=say, compared=True, force=force, commit=commit,
        detail={word: True for word, said in (("forced", force), ("on_site", on_site)) if said},
    ) as op:  # fmt: skip
        vault.complete(selection.target, selection.office)
        op.begun = True
        converge(op, timeout_s=timeout_s, on_site=on_site)
        op.status = runs.verdict(fold(op.recorder.events).hosts)
    return op.run


def run_backup(selection: Selection, *, watch: Listener, say: Callable[[str], None], commit: bool) -> Run:
    """`router backup`: what the routers have now is kept in the office's folder; one commit when it is another.

    Raises:
        HostKeyChanged, Unverified, BadInput, Missing, Locked: nobody could be asked, or nothing kept.
    """
    refuse_none(selection)
    vault.complete(selection.target, selection.office)
    with operation(selection, "router backup", watch=watch, say=say, leased=False) as op:
        for host in selection.reached:
            op.recorder(Event("task_started", task=KEPT))
            try:
                with device(selection, host) as router:
                    another = backups.keep(selection.target, host, router.current())
            except Unreachable as problem:
                op.recorder(_failure(host, problem))
            else:
                op.recorder(Event("host_changed" if another else "host_ok", host, KEPT))
        op.status = runs.verdict(fold(op.recorder.events).hosts)
    target = selection.target
    if commit and not target.lab and op.run.changed:
        git.commit(target.inventory, [target.folder / backups.FOLDER], f"{target.office}: the routers' configuration")
    return op.run


def run_restore(
    selection: Selection,
    host: str,
    at: str,
    *,
    watch: Listener,
    say: Callable[[str], None],
    timeout_s: float,
    commit: bool,
    on_site: bool = False,
) -> Run:
    """`router restore`: a router gets the configuration back that was kept, `at` a day or moment, by a guarded push.

    Raises:
        Missing: none is kept, or none of that time.
        Busy, HostKeyChanged, Unverified, BadInput, Locked: nothing was changed.
    """
    refuse_lockout(selection.ssh, selection.reseller)
    refuse_returned(selection)
    target = selection.target
    files = backups.kept(target, host) if not at else backups.opened(target, host, _of_then(target, host, at))
    with operation(
        selection, "router restore", watch=watch, say=say, commit=commit,
        detail={word: said for word, said in (("at", at), ("on_site", on_site)) if said},
    ) as op:  # fmt: skip
        op.begun = True
        if host in selection.reached:
            op.recorder(Event("task_started", task=PUSHED))
            _pushed(op, host, timeout_s, files, on_site=on_site)
        op.status = runs.verdict(fold(op.recorder.events).hosts)
    return op.run


def _of_then(target: Target, host: str, at: str) -> str:
    """The encrypted copy as it was at a day or moment.

    Raises:
        Missing: git has none from before that.
    """
    text = None if target.lab else git.version_at(target.inventory, backups.vault_of(target, host), at)
    if text is None:
        raise Missing(
            f"no configuration of {host} is kept from {at}" if not target.lab else "a lab keeps the newest configuration alone",
            hint=f"git -C {target.inventory} log -- {backups.vault_of(target, host)}" if not target.lab else "without --at",
        )
    return text


def run_show(selection: Selection, *, watch: Listener, say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """`router show`: how each router that answers runs now: host -> platform, version, up_s, links, route, leases, tunnel, last.

    Raises:
        HostKeyChanged, Unverified, BadInput, Missing: nobody could be asked.
        Unreachable: no router answers.
    """
    refuse_none(selection)
    found: dict[str, dict[str, Any]] = {}
    with operation(selection, "router show", watch=watch, say=say, leased=False) as op:
        for host in selection.reached:
            try:
                with device(selection, host) as router:
                    found[host] = {"platform": selection.office.hosts[host].platform, **router.running()}
            except Unreachable as problem:
                op.recorder(_failure(host, problem))
            else:
                op.recorder(Event("host_ok", host, PUSHED))
        op.status = runs.verdict(fold(op.recorder.events).hosts)
    if not found:
        here = op.run.hosts.values()
        raise Unreachable(next((host.problem for host in here if host.problem), "no router answers"))
    return found


def run_diff(selection: Selection, *, watch: Listener, say: Callable[[str], None]) -> Run:
    """`router diff`: the routers as they run against the dossier; nothing is changed.

    Raises:
        HostKeyChanged, Unverified, BadInput, Missing: nobody could be asked.
    """
    refuse_none(selection)
    with operation(selection, "router diff", watch=watch, say=say, leased=False) as op:
        for host in selection.reached:
            op.recorder(Event("host_ok", host, PUSHED))  # reached: that none of it differs is an answer too
        plan(op, op.recorder)
        op.status = runs.verdict(fold(op.recorder.events).hosts)
    return op.run
