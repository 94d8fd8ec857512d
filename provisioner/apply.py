"""Plan and apply: what the dossier wants, what the hosts would change for it, and the change itself.

Both are the same play, `apply.yml`, in check mode or for real; both reach the hosts first (at the dossier's address, where
they were last met, or wherever their MAC answers on the LAN) and refuse an older copy. Only `apply` takes the lease, and
only it leaves something: the mark on the hosts, the summary in the office's `runs/`, one commit.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner import __version__, packages, plays, runs
from provisioner.errors import BadInput, Busy, HostKeyChanged, Missing, Unverified
from provisioner.inventory import git, open_inventory, vault
from provisioner.inventory.ansible import Handover
from provisioner.inventory.disk import write
from provisioner.inventory.target import Target, runtime_home
from provisioner.lease import Lease, marks, refuse_older_copy
from provisioner.runs import Event, Journal, Run, fold
from provisioner.ssh import Door, Found, locate, neighbours, pinned, public_key, technician_key

if TYPE_CHECKING:
    from provisioner.inventory.models import Office, Pack, Reseller

PLAYBOOK = "apply.yml"
Listener = Callable[[Event], None]


class Interrupted(Exception):
    """Somebody asked us to stop; the play ended in good order."""


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


def prepare(target: Target, only: Sequence[str] = ()) -> Work:
    """Read the office and choose its hosts; nothing is contacted.

    Raises:
        BadInput: a wrong dossier, or a host that the office does not have.
        Missing: no host of the selection is adopted.
    """
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
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
        adopted, [host for host in chosen if host not in pins],
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
        lock.write(f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        lock.flush()
        try:
            yield
        finally:
            lock.seek(0)
            lock.truncate()


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


def reach(work: Work, on: Listener) -> None:
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
        again = {
            host: [address for address in seen.get(office.hosts[host].mac, []) if address not in candidates[host]] for host in lost
        }
        again = {host: more for host, more in again.items() if more}
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
        forward = packages.forward(None, here, port, cache.port, record=record, network=str(work.office.lan.network))
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

        if lease:
            lease.lost = stop
        with _interrupts(interrupted):
            for event in play:
                if event.what == "play_ended" and not asked and event.detail["status"] not in ("successful", "failed"):
                    on(Event("play_broke", detail=event.detail))
                    raise Unverified(
                        f"Ansible ended without a result ({event.detail['status']}): {event.detail['said']}",
                        hint="the same command again; it goes on where this one stopped",
                    )
                if event.what == "play_ended" and event.detail["rc"] not in (0, 2, 4, 6) and not asked:
                    raise Unverified(f"Ansible could not play: {event.detail['said']}", hint="provisioner inventory check")
                on(event)
        if asked:
            raise Interrupted(asked[0])


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


@dataclass
class Recorder:
    """Passes each event to the journal, to the fold and to whoever watches."""

    journal: Journal
    watch: Listener
    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """One event; those a later command relies on are on disk before we go on."""
        self.journal.write(event, durable=event.what in ("run_started", "run_finished", "lease_taken"))
        self.events.append(event)
        self.watch(event)


def _begin(work: Work, verb: str, watch: Listener, **detail: Any) -> Recorder:
    recorder = Recorder(Journal(work.target.journals / f"{work.run_id}.jsonl"), watch)
    recorder(
        Event(
            "run_started",
            detail={
                "run": work.run_id, "office": work.target.office, "verb": verb, "technician": work.door.user,
                "lab": work.target.lab, "version": __version__, "ansible": plays.ansible_version(),
                **({"not_adopted": work.not_adopted} if work.not_adopted else {}), **detail,
            },
        )
    )  # fmt: skip
    return recorder


def _end(recorder: Recorder, status: str, error: str = "") -> Run:
    recorder(Event("run_finished", detail={"status": status, **({"error": error} if error else {})}))
    recorder.journal.close()
    return fold(recorder.events)


def _total_key(work: Work, verb: str) -> str:
    return f"{verb} {' '.join(sorted(work.met))}"


def expected_tasks(work: Work, verb: str) -> int | None:
    """How many tasks the same work took last time, or its plan; None when all is new."""
    totals, key = runs.learnt(work.target.state / "totals.json"), " ".join(sorted(work.hosts))
    return totals.get(f"{verb} {key}") or totals.get(f"plan {key}")


def plan(work: Work, *, watch: Listener, say: Callable[[str], None], force: bool = False) -> "Plan":
    """What `apply` would change, host by host; nothing on the hosts changes but their package lists.

    Raises:
        Busy, HostKeyChanged, Unverified, BadInput: before or while asking the hosts.
    """
    refuse_lockout(work)
    recorder = _begin(work, "plan", watch)
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
        run = _end(recorder, status, error)
    if status in ("changed", "unchanged"):
        runs.learn(work.target.state / "totals.json", _total_key(work, "plan"), run.tasks)
    return Plan(run, _digest(work, run))


@dataclass(frozen=True)
class Plan:
    """What a check-mode run found, and the digest that names exactly that."""

    run: Run
    digest: str

    def save(self, path: Path, target: Target) -> None:
        """Keep it for `apply --plan`."""
        body = {
            "office": target.office,
            "lab": target.lab,
            "digest": self.digest,
            "made": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "technician": self.run.technician,
            "hosts": {
                name: {"counts": host.counts, "changes": [{"task": c.task, "diff": c.diff} for c in host.changes]}
                for name, host in sorted(self.run.hosts.items())
            },
        }
        write(path, json.dumps(body, ensure_ascii=False, indent=1) + "\n")


def _digest(work: Work, run: Run) -> str:
    """SHA-256 of all that decides: dossier and pack as read, roles, version, and what each host would change."""
    parts = {
        "dossier": work.office.model_dump_json(),
        "pack": work.pack.model_dump_json(),
        "roles": plays.tree_digest(),
        "version": __version__,
        "hosts": {
            name: [[c.task, c.diff] for c in host.changes] for name, host in sorted(run.hosts.items())
        },
    }  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def load_plan(path: Path, target: Target) -> dict[str, Any]:
    """Read a saved plan.

    Raises:
        BadInput: not a plan, or one of another office.
    """
    try:
        if path.stat().st_size > 50_000_000:
            raise ValueError("too large")
        saved = json.loads(path.read_text())
        office, lab, digest, hosts = saved["office"], saved["lab"], saved["digest"], saved["hosts"]
        if not isinstance(digest, str) or not isinstance(hosts, dict):
            raise TypeError("digest")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is not a saved plan: {error}", hint=f"provisioner plan {target.office} --save {path}") from error
    if (office, lab) != (target.office, target.lab):
        where = f"{office}{' (lab)' if lab else ''}"
        raise BadInput(f"{path} is a plan of {where}, not of {target.office}{' (lab)' if target.lab else ''}")
    return dict(saved)


def differences(saved: Mapping[str, Any], now: Plan) -> list[str]:
    """Where a saved plan and the present one part, one line each."""
    lines = []
    was = {h: [(c["task"], c["diff"]) for c in v["changes"]] for h, v in saved["hosts"].items()}
    new = {h: [(c.task, c.diff) for c in v.changes] for h, v in now.run.hosts.items()}
    for host in sorted(was.keys() | new.keys()):
        for task, diff in was.get(host, []):
            if (task, diff) not in new.get(host, []):
                lines.append(f"{host}: no longer the same: {task}")
        lines += [f"{host}: new: {task}" for task, diff in new.get(host, []) if (task, diff) not in was.get(host, [])]
    return lines or ["the dossier, the pack, the roles or the tool changed"]


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
    extra: dict[str, Any] = {"forced": True} if force else {}
    if saved is not None:
        extra["plan"] = saved["digest"]
    recorder = _begin(work, "apply", watch, **extra)
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
            lease = Lease(work.door, work.met, work.run_id, work.door.user, lost=lambda _: None, moved=moved)
            lease.__enter__()
            recorder(Event("lease_taken", detail={"hosts": sorted(work.met)}))
            if not force:
                refuse_older_copy(work.target.inventory, lease.applied)
            if saved is not None:
                say("comparing with the saved plan")
                _compare(work, saved, say)
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
        run = _end(recorder, status, error)
        try:
            if begun or status == "unreachable":
                _leave(work, run, lease, commit=commit)
        finally:
            if lease:
                lease.__exit__()
            work.door.close()
    if error and status == "interrupted":
        raise Busy(error, hint=f"provisioner runs show {work.target.office} {run.id}")
    return run


def _compare(work: Work, saved: Mapping[str, Any], say: Callable[[str], None]) -> None:
    events: list[Event] = []
    for host, address in work.met.items():
        events.append(Event("host_reached", host, detail={"address": address}))
    _play(work, events.append, say, check=True)
    now = fold(events)
    fresh = Plan(now, _digest(work, now))
    if fresh.digest != saved["digest"]:
        raise Unverified(
            "the saved plan no longer holds; nothing was changed:\n  " + "\n  ".join(differences(saved, fresh)[:20]),
            hint=f"provisioner plan {work.target.office} --save FILE, and read it again",
        )


def _leave(work: Work, run: Run, lease: Lease | None, *, commit: bool) -> None:
    """What a run leaves behind: totals, new addresses, the summary, the commit, the marks."""
    target, office = work.target, work.office
    if run.status in ("changed", "unchanged"):
        runs.learn(target.state / "totals.json", _total_key(work, "apply"), run.tasks)
    kept = runs.keep(target.summaries, runs.summary(run))
    made = None
    if commit and not target.lab:
        _, name, email = technician(target)
        made = git.commit(
            target.inventory,
            [target.folder],
            f"{target.office}: applied by {run.technician}: {run.status}\n\n{_tally(run)}\nrun {run.id}\n",
            name=name,
            email=email,
        )
    if not lease:
        return
    done = [h for h, v in run.hosts.items() if v.counts["ok"] and not v.counts["failed"] and not v.counts["unreachable"]]
    remember(target, {host: str(office.hosts[host].address) for host in done if office.hosts[host].kind != "router"})
    lease.settled(done)
    lease.mark(
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


def _tally(run: Run) -> str:
    return "".join(
        f"{name}: {', '.join(f'{n} {what}' for what, n in host.counts.items() if n)}\n"
        for name, host in sorted(run.hosts.items())
    )
