"""Playing a playbook inside an operation: packages by the laptop's cache, Ctrl-C as a request, the lease's end as the play's."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from provisioner import package_cache, plays
from provisioner.errors import Missing, Stopped, Unverified, described
from provisioner.hosts.keys import public_key
from provisioner.inventory import way_in
from provisioner.inventory.target import runtime_home
from provisioner.operation import Interrupted, Listener, Operation, from_afar
from provisioner.operation.selection import Selection
from provisioner.plays import orphans
from provisioner.plays.handover import Handover
from provisioner.runs import Event


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
def packages_from_here(selection: Selection, say: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """The environment that sends the hosts' apt through the laptop's package cache, for this play only."""
    if selection.target.lab:
        from provisioner import lab

        up = lab.find(selection.target)
        yield {"http_proxy": up.proxy} if up else {}
        return
    if way_in.opened(selection.target):  # no way leads from the office to this laptop
        yield {}
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


def play(op: Operation, playbook: str, on: Listener, *, check: bool, restart: bool = False) -> None:
    """Run a playbook on the hosts that were met; every event goes to `on`.

    Args:
        op: the work under way.
        playbook: its file.
        on: gets the events.
        check: Ansible's check mode.
        restart: hosts may be restarted now, if the playbook does that.

    Raises:
        Interrupted: Ctrl-C was pressed; the current task ended before the play did.
        LeaseLost: the same, because the lease was lost.
    """
    selection, say = op.selection, op.say
    if not selection.met:
        return
    me = selection.ssh.user
    with packages_from_here(selection, say) as environment:
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
            restart=restart,
            laptops=from_afar.laptops(selection.target),
            hub_at=from_afar.hub_at(selection.target),
            **({} if selection.dropped is None else {"pack": selection.office.pack, "variant": selection.office.variant}),
        )
        playing = plays.Play(
            selection.target,
            playbook,
            handover,
            run_id=selection.run_id,
            check=check,
            limit=sorted(selection.met),
            control=selection.ssh.control,
            secrets=selection.secrets,
        )
        if op.lease:
            playing.let_begin(op.lease.good_until)
            op.lease.renewed = playing.let_begin
        asked: list[str] = []

        def stop(reason: str) -> None:
            if asked and reason == "interrupted":
                playing.abort()
            else:
                playing.stop()
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
                playing.stop()

        counted = False
        with op.stopping(stop), _interrupts(interrupted):
            for event in playing:
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
