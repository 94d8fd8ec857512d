"""What a verb needs before it touches an office's hosts: who works, on which of them, alone, and where they answer now."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from provisioner import __version__, clock, runs
from provisioner.errors import BadInput, Busy, HostKeyChanged, Missing, Unverified
from provisioner.inventory import git, open_inventory, vault
from provisioner.inventory.ansible import dropped as lost
from provisioner.inventory.disk import write
from provisioner.inventory.target import Target
from provisioner.runs import Event, Journal, Run, fold
from provisioner.ssh import Door, Found, locate, neighbours, pinned, public_key, technician_key

if TYPE_CHECKING:
    from provisioner.inventory.models import Office, Pack, Reseller

Listener = Callable[[Event], None]


@dataclass
class Work:
    """All that a plan or an apply needs to know about one office before it begins."""

    target: Target
    office: "Office"
    pack: "Pack"
    reseller: "Reseller"
    door: Door
    hosts: list[str]
    not_adopted: list[str]
    others: list[str]  # adopted hosts of the office that were not chosen
    # as if the dossier named another pack or variant: what the hosts would lose by it; None: as the dossier stands
    dropped: dict[str, list[str]] | None = None
    run_id: str = field(default_factory=runs.new_id)
    found: dict[str, Found] = field(default_factory=dict)

    @property
    def met(self) -> dict[str, str]:
        """Where each reachable host was met: host -> address."""
        return {host: found.address for host, found in self.found.items() if found.address}

    @cached_property
    def secrets(self) -> list[str]:
        """Every secret of the office, to be hidden from whatever is shown or kept."""
        return list(_leaves(vault.read(self.target).model_dump(mode="json")))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, str):
        yield value


def technician(target: Target) -> tuple[str, str, str]:
    """Who works: (login, name, e-mail), from the inventory's `git config`; in a lab, failing that, whoever may serve the office.

    Raises:
        Missing: nobody said who they are.
        BadInput: the office's reseller has no such technician.
    """
    inventory = open_inventory(target.inventory)
    reseller = inventory.reseller(inventory.office(target.office).reseller)
    me = inventory.whoami()
    if me is None and target.lab:
        me = (next(iter(reseller.technicians)), reseller.name)
    if me is None:
        raise Missing(
            "nobody said who works here",
            hint=f"git -C {target.inventory} config provisioner.technician LOGIN (one of {reseller.name}: "
            f"{', '.join(reseller.technicians)})",
        )
    login = me[0]
    if login not in reseller.technicians:
        raise BadInput(
            f"{login} is no technician of {reseller.name}, who serves {target.office}",
            hint=f"provisioner reseller show {reseller.name}",
        )
    person = reseller.technicians[login]
    return login, person.name, person.email


def door(target: Target) -> Door:
    """The way into the office's hosts for whoever works now."""
    return Door(target, technician(target)[0], technician_key(target))


def prepare(target: Target, only: Sequence[str] = (), *, pack: str = "", variant: str = "") -> Work:
    """Read the office and choose its hosts; nothing is contacted.

    With `pack` or `variant`, all is as if the dossier named that one, for a plan to show what the move would change.

    Raises:
        BadInput: a wrong dossier, a host that the office does not have, or a pack that does not fit it.
        Missing: no host of the selection is adopted.
    """
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    dropped = None
    if pack or variant:
        before, office = office, inventory.moved(office, pack, variant)
        dropped = lost((inventory.pack(before.pack), before), (inventory.pack(office.pack), office))
    for host in only:
        if host not in office.hosts:
            raise BadInput(f"{target.office} has no host {host!r}", hint=f"its hosts: {', '.join(office.hosts)}")
    chosen = [host for host in office.hosts if not only or host in only]
    pins = pinned(target)
    adopted = [host for host in chosen if host in pins]
    if not adopted:
        lab = " --lab" if target.lab else ""
        raise Missing(
            f"no host of {target.office} is adopted" if not only else f"{', '.join(only)} of {target.office}: not adopted",
            hint=f"provisioner adopt {target.office}{lab}",
        )
    return Work(
        target, office, inventory.pack(office.pack), inventory.reseller(office.reseller), door(target),
        adopted, [h for h in chosen if h not in pins], [h for h in office.hosts if h in pins and h not in chosen],
        dropped=dropped,
    )  # fmt: skip


def refuse_lockout(work: Work) -> None:
    """Stop before hosts are touched whose list of keys would not hold the key in our hand.

    Role base makes `/etc/ssh/technicians/LOGIN` exactly the keys of the reseller's file: whoever applies with another
    key is out from the next connection on. A lab hands its own key over beside them.

    Raises:
        BadInput: the key is not there; the hint says where to write it.
    """
    if work.target.lab:
        return
    known = {" ".join(key.split()[:2]) for key in work.reseller.technicians[work.door.user].keys}
    mine = public_key(work.door.key)
    if " ".join(mine.split()[:2]) not in known:
        raise BadInput(
            f"the key {work.door.key} is none of {work.door.user}'s in resellers/{work.reseller.name}.yml:"
            f" {work.target.office} would lock you out",
            hint=f"add it there, under technicians.{work.door.user}.keys: {mine}",
        )


@contextlib.contextmanager
def alone(target: Target) -> Iterator[None]:
    """Hold the office on this laptop: the kernel gives the lock back when we die, however we die.

    Raises:
        Busy: another process of ours works on it.
    """
    with (target.state / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise Busy(
                f"another provisioner on this laptop works on {target.office} ({lock.read().strip() or 'just started'})",
                hint="wait for it to end",
            ) from error
        lock.seek(0)
        lock.truncate()
        with contextlib.suppress(OSError):  # the words have no room; the lock needs none
            os.write(lock.fileno(), f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC".encode())
        try:
            yield
        finally:
            lock.seek(0)
            lock.truncate()


# ------------------------------------------------------------------------------------------ recording


@dataclass
class Recorder:
    """Passes each event to the journal, to the fold and to whoever watches."""

    journal: Journal
    watch: Listener
    events: list[Event] = field(default_factory=list)
    torn: bool = False  # the journal could not be written; it ends where that happened

    def __call__(self, event: Event) -> None:
        """One event; those a later command relies on are on disk before we go on.

        Raises:
            OSError: the journal has no room; once, from then on it is left alone.
        """
        try:
            if not self.torn:
                self.journal.write(event, durable=event.what in ("run_started", "run_finished", "lease_taken"))
        except OSError as problem:
            self.torn, problem.filename = True, str(self.journal.path)
            raise
        finally:
            self.events.append(event)
            self.watch(event)


def begin(work: Work, verb: str, watch: Listener, **detail: Any) -> Recorder:
    """Open the journal of a run and write down who does what, where, with which version."""
    recorder = Recorder(Journal(work.target.journals / f"{work.run_id}.jsonl"), watch)
    recorder(
        Event(
            "run_started",
            detail={
                "run": work.run_id, "office": work.target.office, "verb": verb, "technician": work.door.user,
                "lab": work.target.lab, "version": __version__,
                **({"not_adopted": work.not_adopted} if work.not_adopted else {}), **detail,
            },
        )
    )  # fmt: skip
    return recorder


def end(recorder: Recorder, status: str, error: str = "") -> Run:
    """Close it, and say what it all amounts to; where the journal has no room for its end the recorder knows (`torn`)."""
    with contextlib.suppress(OSError):
        recorder(Event("run_finished", detail={"status": status, **({"error": error} if error else {})}))
        if not recorder.torn:
            recorder.journal.close()
    return fold(recorder.events)


# ------------------------------------------------------------------------------------------- reaching


def addresses(target: Target) -> dict[str, str]:
    """Where hosts were last met; a file that only saves a search, so a damaged one is an empty one."""
    try:
        known = json.loads((target.state / "addresses.json").read_text())
        return {str(k): str(v) for k, v in known.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def remember(target: Target, met: Mapping[str, str]) -> None:
    """Keep where hosts were met."""
    write(target.state / "addresses.json", json.dumps({**addresses(target), **met}))


def forget(target: Target, host: str) -> None:
    """Where a machine was met is nothing to its successor."""
    write(target.state / "addresses.json", json.dumps({k: v for k, v in addresses(target).items() if k != host}))


def reach(work: Work, on: Listener) -> None:
    """Log in to every chosen host, as `find`, and compare the clocks.

    Raises:
        HostKeyChanged: as `find`.
        Unverified: every host that can be believed contradicts this laptop's clock: what is done would bear a wrong date.
    """
    find(work, on)
    ahead = {host: found.ahead_s for host, found in work.found.items() if found.ahead_s is not None}
    behind = git.behind_s(work.target.inventory)
    differing, wrong = clock.judge(ahead, -time.time() if behind is None else behind)
    for host in differing:
        on(Event("clock_differs", host, detail={"ahead_s": round(ahead[host])}))
    if wrong:
        said = ", ".join(f"{host}'s is {clock.span(ahead[host])} it" for host in differing)
        raise Unverified(
            f"this laptop's clock says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, and every host contradicts it: {said}",
            hint="set the one that is wrong; this laptop's: timedatectl set-ntp true",
        )


def find(work: Work, on: Listener) -> None:
    """Log in to every chosen host; fills `work.found`. A host that does not answer is an event, not an error.

    Raises:
        HostKeyChanged: a host shows another key than the pinned one: the whole run stops before anything is sent.
    """
    office, last = work.office, addresses(work.target)
    candidates = {
        host: list(dict.fromkeys(filter(None, (last.get(host, ""), str(office.hosts[host].address))))) for host in work.hosts
    }
    work.found = locate(work.door, candidates)
    lost = [host for host in work.hosts if not work.found[host].address]
    if lost:
        seen = neighbours(str(office.lan.network))
        again: dict[str, list[str]] = {}
        for host in lost:
            if more := [address for address in seen.get(office.hosts[host].mac, []) if address not in candidates[host]]:
                again[host] = more
        better = locate(work.door, again) if again else {}
        work.found |= {host: found for host, found in better.items() if found.address or found.key_changed}
    for host in work.hosts:
        found = work.found[host]
        if found.key_changed:
            raise HostKeyChanged(
                found.problem,
                hint=f"look at the machine itself; was it reinstalled? then: provisioner adopt {work.target.office} {host}"
                f"{' --lab' if work.target.lab else ''} --replace-key",
            )
        if found.address:
            on(Event("host_reached", host, detail={"address": found.address}))
        else:
            on(Event("host_unreachable", host, detail={"problem": found.problem}))
    remember(work.target, work.met)


def bystanders(work: Work) -> dict[str, str]:
    """Where the office's other adopted hosts answer: the lease is theirs too, though the run leaves them alone.

    Raises:
        HostKeyChanged: as `find`.
    """
    around = replace(work, hosts=work.others, found={})
    if work.others:
        find(around, lambda _: None)
    return around.met
