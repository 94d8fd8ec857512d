"""Access: who may log in where; a technician leaves, and every host of every office of their reseller shuts them out.

The inventory first: who left stands in the reseller's file with every key they ever had, so that whatever comes later knows
what to refuse. Then all hosts at once, one connection each: `refuse.py` of role `base` runs there, shuts, names what it found,
and proves it. Nobody waits for a lease: what is taken away here is on no up-to-date copy's list, and a lease may last for hours;
a host where somebody works meanwhile stays on the list, because their run may have begun with an older one.

Where somebody is still to be shut out is nowhere written down: it is every adopted host for which no run in the audit says that
it was done (by `access revoke`, or by an `apply` that played role `base`). What a kill cuts short is therefore still to do.
"""

import contextlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner import plays, runs
from provisioner.errors import BadInput, Busy, HostKeyChanged, Missing, ProvisionerError, Unreachable
from provisioner.inventory import git, open_inventory, technicians, vault
from provisioner.inventory.ansible import refusal
from provisioner.inventory.target import Target
from provisioner.runs import Event, Run
from provisioner.ssh import neighbours, on_lan, pinned, public_key, shown_key
from provisioner.work import Recorder, Work, addresses, alone, begin, end, prepare, refuse_lockout, remember, technician

if TYPE_CHECKING:
    from provisioner.inventory.models import Reseller

AT_ONCE = 32
HOST_S = 90  # for one host's answer: killing somebody's processes may take it 8 s, a slow disk more
PATIENCE_S = 20  # for another verb of ours on this laptop to end, before the audit is written without it
PROGRAM = "roles/base/files/refuse.py"
BOOT = "import sys, json; exec(json.loads(sys.stdin.readline()))"  # the program goes by stdin: sudo logs what is in arguments


@dataclass(frozen=True)
class Told:
    """What became of one host; `state` is one of `STATES`."""

    host: str
    state: str
    problem: str = ""
    address: str = ""
    found: tuple[dict[str, Any], ...] = ()  # what was theirs there, each with `login`, `what`, `where`, `about`
    look_at: tuple[str, ...] = ()  # what only a person can judge
    unknown: Mapping[str, list[str]] = field(default_factory=dict)  # keys nobody had written down, by login
    who: Mapping[str, Any] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()
    took_s: float = 0.0


# state -> the exit code it asks for; `open` is a host that was only looked at
STATES = {"refused": 0, "open": 0, "looked": 0, "again": 6, "failed": 4, "unreachable": 5, "not_proven": 7, "host_key": 7}


@dataclass
class Office:
    """One office's part: what its hosts told, or why none was asked."""

    name: str
    told: list[Told] = field(default_factory=list)
    problem: str = ""
    run: str = ""
    not_adopted: list[str] = field(default_factory=list)
    unrecorded: str = ""


# ------------------------------------------------------------------------------------------- who, where


def reseller_of(root: Path, office: str = "") -> "Reseller":
    """The reseller whose technician works with this copy, or who serves an office.

    Raises:
        Missing: nobody said who they are.
    """
    inventory = open_inventory(root)
    if office:
        return inventory.reseller(inventory.office(office).reseller)
    me = inventory.whoami()
    if me is None:
        raise Missing("nobody said who works here", hint=f"provisioner init {root}")
    return inventory.reseller(me[1])


def offices(root: Path, reseller: "Reseller", only: Sequence[str]) -> list[str]:
    """The offices of a reseller, or those named.

    Raises:
        BadInput: another reseller serves one of them.
        Missing: there is no such office.
    """
    inventory = open_inventory(root)
    served = [line.name for line in inventory.lines() if line.reseller == reseller.name]
    for name in only:
        if name not in served:
            other = inventory.office(name).reseller
            raise BadInput(f"{name} is served by {other}, not by {reseller.name}", hint=f"provisioner reseller show {other}")
    return [name for name in served if not only or name in only]


def pending(target: Target, reseller: "Reseller") -> dict[str, list[str]]:
    """Where somebody who left is still to be shut out, as far as the audit tells: login -> adopted hosts."""
    done: dict[tuple[str, str], str] = {}
    for path in runs.summaries(target.summaries) if reseller.former else []:
        try:
            data = json.loads(path.read_bytes())
            for login, hosts in data.get("refuses", {}).items():
                for host in hosts:
                    counts = data["hosts"].get(host, {})
                    good = counts.get("ok") and not counts["failed"] and not counts["unreachable"]
                    done[login, host] = str(data["started"]) if good else ""
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # `runs check` says so; what it told is still to do
    adopted = sorted(pinned(target))
    left = {login: gone.left for login, gone in reseller.former.items()}
    found = {login: [host for host in adopted if done.get((login, host), "") < since] for login, since in left.items()}
    return {login: hosts for login, hosts in found.items() if hosts}


# ---------------------------------------------------------------------------------------------- asking


@dataclass
class Call:
    """One question to one host: which office's, where it may be, what it is asked."""

    work: Work
    host: str
    request: dict[str, Any]
    places: list[str] = field(default_factory=list)


def request(work: Work, logins: Mapping[str, Sequence[str]], **more: Any) -> dict[str, Any]:
    """What a host is asked about these people."""
    stay = {login: who.keys for login, who in work.reseller.technicians.items() if login not in logins}
    asked = refusal(work.reseller, stay, work.door.user, public_key(work.door.key), **more)
    return asked | {"logins": {login: list(keys) for login, keys in logins.items()}}


def ask(call: Call, program: str) -> Told:
    """One host, at the first of its addresses where its pinned key answers."""
    began, problem, state = time.monotonic(), f"{call.host} has no known address", "unreachable"
    stdin = f"{json.dumps(program)}\n{json.dumps(call.request)}"
    for address in call.places:
        try:
            done = call.work.door.run(
                call.host, address, ["sudo", "-n", "python3", "-c", BOOT], stdin=stdin, timeout_s=HOST_S
            )  # fmt: skip
        except HostKeyChanged as error:
            problem, state = str(error), "host_key"
            continue
        except Unreachable as error:
            problem = str(error) if state != "host_key" else problem
            continue
        return replace(understood(call, done.stdout, done.stderr), address=address, took_s=time.monotonic() - began)
    return Told(call.host, state, problem, took_s=time.monotonic() - began)


def understood(call: Call, stdout: str, stderr: str) -> Told:
    """What a host answered; pure."""
    try:
        return _read(call, json.loads(stdout))
    except (ValueError, KeyError, TypeError, AttributeError):
        said = (stderr.strip().splitlines() or ["it said nothing"])[-1]
        return Told(call.host, "failed", f"{call.host}: {said[:300]}")


def _read(call: Call, answer: Mapping[str, Any]) -> Told:
    logins = answer["logins"]
    if answer.get("wrong"):
        return Told(call.host, "failed", f"{call.host} changed nothing: {answer['wrong']}")
    left = [line for one in logins.values() for line in one["left"]]
    works = answer["works"]
    state, problem = "refused" if call.request["do"] == "refuse" else "looked", ""
    if left:
        state, problem = "not_proven", "; ".join(left)
    elif works and works["run"] != call.work.run_id:
        state = "again" if state == "refused" else state
        problem = f"{works['technician']} works here from {works['laptop']} since {works['since']} and may undo it"
    return Told(
        call.host,
        state,
        problem,
        found=tuple({"login": login, **thing} for login, one in sorted(logins.items()) for thing in one["found"]),
        look_at=(*answer["look_at"], *(line for one in logins.values() for line in one["look_at"])),
        unknown={login: one["unknown"] for login, one in logins.items() if one["unknown"]},
        who=answer["who"],
        strangers=tuple(answer["strangers"]),
    )


def everywhere(calls: Sequence[Call]) -> Iterator[tuple[Call, Told]]:
    """Ask all hosts at once; each as soon as it has answered."""
    program = (plays.playbooks() / PROGRAM).read_text(encoding="utf-8")
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        _place(calls, pool)
        lost: list[tuple[Call, Told]] = []
        for call, told in _asked(pool, calls, program):
            if told.address:
                yield call, told
            else:
                lost.append((call, told))
        moved = _moved([call for call, _ in lost])
        yield from ((call, told) for call, told in lost if (call.work.target, call.host) not in moved)
        again = [replace(call, places=places) for call, _ in lost if (places := moved.get((call.work.target, call.host)))]
        yield from _asked(pool, again, program)


def _asked(pool: ThreadPoolExecutor, calls: Sequence[Call], program: str) -> Iterator[tuple[Call, Told]]:
    running = {pool.submit(ask, call, program): call for call in calls}
    for done in as_completed(running):
        yield running[done], done.result()


def _place(calls: Sequence[Call], pool: ThreadPoolExecutor) -> None:
    """Where each host may be. An address that several offices have is looked at first, once: every office is 192.168.1.0/24.

    Else each of them would knock there with a pin that does not fit, and a Debian 13 host refuses who does so too often.
    """
    wanted: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        last = addresses(call.work.target).get(call.host, "")
        call.places = list(dict.fromkeys(filter(None, (last, str(call.work.office.hosts[call.host].address)))))
        for address in call.places:
            wanted[address].append(call)
    shared = {address: there for address, there in wanted.items() if len({call.work.target for call in there}) > 1}
    for (address, there), key in zip(shared.items(), pool.map(shown_key, shared), strict=True):
        for call in there:
            if key not in pinned(call.work.target).get(call.host, []):
                call.places.remove(address)


def _moved(lost: Sequence[Call]) -> dict[tuple[Target, str], list[str]]:
    """Where hosts are that no address knew: by their MAC on the LAN we are plugged into, once for each network."""
    networks = {str(call.work.office.lan.network) for call in lost}
    seen: dict[str, list[str]] = {}
    for network in networks:
        if on_lan(network):
            seen |= neighbours(network)
    found = {
        (c.work.target, c.host): [a for a in seen.get(c.work.office.hosts[c.host].mac, []) if a not in c.places] for c in lost
    }
    return {where: places for where, places in found.items() if places}


# --------------------------------------------------------------------------------------------- revoking


@dataclass
class Job:
    """One office's part of a revocation."""

    work: Work
    office: Office
    hosts: dict[str, list[str]]  # login -> where they are to be shut out
    recorder: Recorder | None = None

    @property
    def where(self) -> list[str]:
        """Every host that is asked."""
        return sorted({host for hosts in self.hosts.values() for host in hosts})


def jobs(root: Path, names: Sequence[str], logins: Sequence[str], *, lab: bool, late: bool) -> tuple[list[Job], list[Office]]:
    """What is to be done: every adopted host of these offices, or with `late` those the audit does not tell of.

    Raises:
        BadInput: the key in our hand is not on the list either: all these hosts would lock us out.
    """
    found: list[Job] = []
    out: list[Office] = []
    for name in names:
        target = Target(root, name, lab)
        if not pinned(target):
            out.append(Office(name))
            continue
        try:
            work = prepare(target)
        except ProvisionerError as error:
            out.append(Office(name, problem=str(error).splitlines()[0]))
            continue
        refuse_lockout(work)
        due = pending(target, work.reseller) if late else dict.fromkeys(logins, work.hosts)
        due = {login: [host for host in hosts if host in work.hosts] for login, hosts in due.items() if login in logins}
        due = {login: hosts for login, hosts in due.items() if hosts}
        if due:
            work.door = replace(work.door, shared=False)  # one question each: a socket to keep would cost more than it saves
            found.append(Job(work, Office(name, run=work.run_id, not_adopted=work.not_adopted), due))
        elif not late:
            out.append(Office(name, not_adopted=work.not_adopted))
    return found, out


def revoke(found: Sequence[Job], keys: Mapping[str, list[str]], *, tell: Callable[[str, Told], None], commit: bool) -> None:
    """Shut these people (login -> keys) out of every host of the jobs; each job's `office` is filled.

    A key of theirs that no file knew and one host had is refused by all others too, in a second round.
    """
    keys = {login: list(known) for login, known in keys.items()}
    for job in found:
        job.recorder = begin(job.work, "access revoke", lambda _: None, refuses=job.hosts)
    try:
        heard = _round(found, keys, tell, commit=commit)
        new = {login: sorted({k for told in heard for k in told.unknown.get(login, [])} - set(keys[login])) for login in keys}
        if any(new.values()):
            for login, more in new.items():
                keys[login] += more
                _learn(found, login, more)
            _round([job for job in found if any(told.address for told in job.office.told)], keys, tell, commit=commit)
    except BaseException as problem:
        for job in found:
            _end(job, "interrupted" if isinstance(problem, KeyboardInterrupt) else "stopped", str(problem))
        raise
    for job in found:
        _end(job, "")
    if commit and found and not found[0].work.target.lab:
        _commit(found, list(keys))


def _learn(found: Sequence[Job], login: str, keys: Sequence[str]) -> None:
    """Write down keys that only a host knew; a file that cannot take them keeps nobody in."""
    work = found[0].work
    inventory = open_inventory(work.target.inventory)
    try:
        if not work.target.lab and login in inventory.reseller(work.reseller.name).former:
            technicians.learn(inventory, work.reseller.name, login, keys)
    except ProvisionerError as error:
        for job in found:
            job.office.problem = f"keys of {login} that no file knew are not written down: {error}"


def _round(found: Sequence[Job], keys: Mapping[str, list[str]], tell: Callable[[str, Told], None], *, commit: bool) -> list[Told]:
    """Ask every host once; what they told, the second time beside what was told before."""
    calls, whose = [], {}
    for job in found:
        target, work = job.work.target, job.work
        before = {told.host: told for told in job.office.told}
        head = git.head(target.inventory) if commit and not target.lab else None
        stamp = {"commit": head, "technician": work.door.user, "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        for host in job.where:
            if before and not before[host].address:
                continue
            wanted = {login: keys[login] for login, hosts in job.hosts.items() if host in hosts}
            calls.append(Call(work, host, request(work, wanted, do="refuse", stamp=stamp if head else None)))
        whose[target] = job
    heard = []
    for call, now in everywhere(calls):
        job = whose[call.work.target]
        first = next((one for one in job.office.told if one.host == call.host), None)
        told = replace(now, found=first.found + now.found, took_s=first.took_s + now.took_s) if first else now
        job.office.told = [one for one in job.office.told if one is not first] + [told]
        heard.append(told)
        tell(job.office.name, told)
    return heard


def _end(job: Job, status: str, error: str = "") -> None:
    """Journal and audit of one office."""
    assert job.recorder
    if not any(told.address for told in job.office.told):  # another office's machines answer at its addresses: we are not there
        job.office.told = [replace(one, state="unreachable") if one.state == "host_key" else one for one in job.office.told]
    job.office.told.sort(key=lambda one: one.host)
    for told in job.office.told:
        for event in events(told):
            job.recorder(event)
    missing = set(job.where) - {told.host for told in job.office.told}
    run = end(job.recorder, status or runs.verdict(runs.fold(job.recorder.events).hosts), error)
    if missing == set(job.where):
        return  # nobody was asked
    remember(job.work.target, {told.host: told.address for told in job.office.told if told.address})
    job.office.unrecorded = _keep(job.work, run)


def events(told: Told) -> Iterator[Event]:
    """What became of a host, for the journal: each thing that was theirs is a change; pure."""
    if told.address:
        yield Event("host_reached", told.host, detail={"address": told.address})
    # the audit is for ever and for everybody: a line of a job may hold a secret, so it is shown to whoever asked, and not kept
    notes = [line.partition(": ")[0] for line in told.look_at]
    for thing in told.found:
        about = f" ({thing['about']})" if thing["about"] and thing["what"] not in ("cron", "at") else ""
        diff = f"-{thing['key']}\n" if thing.get("key") else ""
        yield Event("host_changed", told.host, f"{thing['login']}: {thing['what']} {thing['where']}{about}", {"diff": diff})
    if told.state in ("unreachable", "host_key"):
        yield Event("host_unreachable", told.host, detail={"problem": told.problem})
    elif told.state != "refused":
        yield Event("host_failed", told.host, "Shut out who left", {"problem": told.problem, "notes": notes})
    else:
        yield Event("host_ok", told.host, "Who left is shut out", {"notes": notes})


def _keep(work: Work, run: Run) -> str:
    """The summary in the audit; why not, when another verb of ours works on the office all along."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            with alone(work.target):
                runs.keep(work.target.summaries, runs.summary(run))
            return ""
        except Busy as error:
            if time.monotonic() > until:
                return str(error)
            time.sleep(0.5)


def _commit(found: Sequence[Job], logins: Sequence[str]) -> None:
    first = found[0].work
    _, name, email = technician(first.target)
    lines = [
        f"{job.office.name}: {', '.join(f'{told.host} {told.state}' for told in sorted(job.office.told, key=lambda t: t.host))}"
        for job in found
    ]
    paths = [first.target.inventory / "resellers" / f"{first.reseller.name}.yml"]
    paths += [job.work.target.summaries for job in found if job.work.target.summaries.exists()]
    said = f"{first.reseller.name}: {', '.join(logins)} shut out by {first.door.user}\n\n" + "\n".join(lines) + "\n"
    git.commit(first.target.inventory, paths, said, name=name, email=email)


def leave(root: Path, reseller: "Reseller", login: str, *, commit: bool) -> "Reseller":
    """Write down that somebody left, before any host is asked; one commit, so that the hosts can remember it.

    Raises:
        BadInput, Missing, Busy: nothing is changed.
    """
    inventory = open_inventory(root)
    after = technicians.leave(inventory, reseller.name, login, datetime.now(UTC))
    if commit:
        me = inventory.whoami()
        who = after.technicians.get(me[0]) if me else None
        path = inventory.root / "resellers" / f"{after.name}.yml"
        named = {"name": who.name, "email": who.email} if who else {}
        git.commit(inventory.root, [path], f"{after.name}: {login} has left", **named)
    return after


# ---------------------------------------------------------------------------------------------- looking


def look(root: Path, name: str, *, lab: bool) -> Office:
    """What stands on the hosts of one office: who gets in, whom nobody knows, what is left of those who left.

    Raises:
        BadInput, Missing: the office cannot be asked at all.
    """
    work = prepare(Target(root, name, lab))
    work.door = replace(work.door, shared=False)
    asked = request(work, {login: gone.keys for login, gone in work.reseller.former.items()}, do="look")
    asked["who"] = list(work.reseller.technicians)
    office = Office(name, not_adopted=work.not_adopted)
    for _, told in everywhere([Call(work, host, asked) for host in work.hosts]):
        office.told.append(told)
    with contextlib.suppress(OSError):
        remember(work.target, {told.host: told.address for told in office.told if told.address})
    office.told.sort(key=lambda one: one.host)
    return office


# --------------------------------------------------------------------------------------------- rotating


@dataclass(frozen=True)
class Secret:
    """A secret that whoever had the inventory could read; `how` is empty when `rotate` makes it new by itself."""

    name: str
    what: str
    how: str = ""


def known(target: Target, *, lab: bool) -> list[Secret]:
    """Every secret of an office by name, never its text: what `rotate` makes new, and what a person must.

    Raises:
        Locked, Missing, BadInput: as `vault.read`.
    """
    said = f"{target.office}{' --lab' if lab else ''}"
    found = vault.read(target).model_dump(mode="json")
    listed = [Secret("vault.key", "what opens the office's vault")]
    for section, entries in found.items():
        for name in entries:
            word = f"{section}.{name}"
            if section in vault.ROTATED or word in vault.ROTATED:
                listed.append(Secret(word, vault.ROTATED.get(word) or vault.ROTATED[section]))
            elif word == "backup.password":
                listed.append(Secret(word, "what opens the backups' repositories"))
            elif section == "backup" and vault.is_former(name):
                how = "nothing: no repository opens with it once an apply, or a backup after it, has reached both places"
                listed.append(Secret(word, "what opened the repositories before", how))
            elif section == "people":
                how = f"provisioner person password {said} {name}, unless they have chosen their own since"
                listed.append(Secret(word, "somebody's first password", how))
    by_hand = {
        "mail.password": f"a new one at the provider, then: provisioner secrets set {said} mail.password",
        "backup.ssh_key": f"provisioner access rotate {said} --backup-key: before the next apply the second place must know it",
    }
    for word, how in by_hand.items():
        section, _, name = word.partition(".")
        if name in found[section]:
            what = {"mail": "the mail provider's", "backup": "the backups'"}[section]
            listed.append(Secret(word, what, how))
    outside = [Secret("the login machines came with", "as their seller set it", "another password for it on each machine")]
    if not lab:
        outside.append(
            Secret("the inventory's passphrase", "opens vault.key of every office", "provisioner access rotate --passphrase")
        )
    if "authority" in found["tls"]:
        how = "devices that took the office's authority by hand (telephones, Windows) take the new one after the next apply"
        outside.append(Secret("tls.authority on other devices", "what they trust", how))
    return listed + outside


def backup_key(target: Target) -> Secret:
    """What a person does with a new key for the second place; its public half is no secret."""
    public = vault.read(target).backup["ssh_key_public"]
    how = f"before the next apply, at the second place beside the old one, which goes after it: {public}"
    return Secret("backup.ssh_key", "the backups'", how)


def rotate(target: Target, *, backup_key: bool = False, commit: bool) -> list[str]:
    """Make new what a later `apply` takes over, under a new key of the vault; the names of what is new.

    With `backup_key` the key for the second place too, which a person must take there before that apply.

    Raises:
        Locked, Missing, BadInput: nothing is changed.
    """
    office = open_inventory(target.inventory).office(target.office)
    names = vault.rotate(target, office, backup_key=backup_key)
    if commit and not target.lab:
        _, name, email = technician(target)
        said = f"{target.office}: secrets rotated\n\n{', '.join(names)}\n"
        git.commit(target.inventory, target.secret_files, said, name=name, email=email)
    return names
