"""Access: who may log in where; a technician leaves, and every host of every office of their reseller shuts them out.

The inventory first: who left stands in the reseller's file with every key they ever had, so that whatever comes later knows
what to refuse. Then all hosts at once, one connection each: `hosts/programs/refuse.py` runs there, shuts, names what it found,
and proves it. Nobody waits for a lease: what is taken away here is on no up-to-date copy's list, and a lease may last for hours;
a host where somebody works meanwhile stays on the list, because their run may have begun with an older one.

Where somebody is still to be shut out is nowhere written down: it is every adopted host for which no run in the audit says that
it was done (by `access revoke`, or by an `apply` that played role `base`). What a kill cuts short is therefore still to do.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner import runs
from provisioner.access.hosts import Call, HostAnswer, everywhere, request
from provisioner.errors import BadInput, Missing, ProvisionerError
from provisioner.hosts.pins import pinned
from provisioner.inventory import open_inventory, revocations, technicians
from provisioner.inventory.target import Target
from provisioner.laptop import git
from provisioner.operation import Operation, operation
from provisioner.operation.reaching import remember
from provisioner.operation.selection import Selection, prepare, refuse_lockout, technician
from provisioner.runs import Event, audit

if TYPE_CHECKING:
    from provisioner.inventory.resellers import Reseller


SHUTS = "base: Technicians who left are shut out, with all that was theirs"  # what an apply proves it by


@dataclass
class Office:
    """One office's part: what its hosts told, or why none was asked."""

    name: str
    told: list[HostAnswer] = field(default_factory=list)
    problem: str = ""
    run: str = ""
    not_adopted: list[str] = field(default_factory=list)


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
    for path in audit.summaries(target.summaries) if reseller.former else []:
        try:
            data = json.loads(path.read_bytes())
            for login, hosts in data.get("refuses", {}).items():
                for host in hosts:
                    counts = data["hosts"].get(host, {})
                    good = counts.get("ok") and not counts["failed"] and not counts["unreachable"]
                    failed = data.get("problems", {}).get(host, {}).get("task", "")
                    # the last proof counts: a later apply that failed for a reason of its own takes nothing back
                    if good or data["verb"] == "access revoke" or failed == SHUTS:
                        done[login, host] = str(data["started"]) if good else ""
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # `runs check` says so; what it told is still to do
    adopted = sorted(pinned(target))
    left = {login: gone.left for login, gone in reseller.former.items()}
    found = {login: [host for host in adopted if done.get((login, host), "") < since] for login, since in left.items()}
    return {login: hosts for login, hosts in found.items() if hosts}


# --------------------------------------------------------------------------------------------- revoking


@dataclass
class Job:
    """One office's part of a revocation."""

    selection: Selection
    office: Office
    hosts: dict[str, list[str]]  # login -> where they are to be shut out
    operation: Operation | None = None

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
            selection = prepare(target)
        except ProvisionerError as error:
            out.append(Office(name, problem=str(error).splitlines()[0]))
            continue
        refuse_lockout(selection.ssh, selection.reseller)
        due = pending(target, selection.reseller) if late else dict.fromkeys(logins, selection.managed)
        due = {login: [host for host in hosts if host in selection.managed] for login, hosts in due.items() if login in logins}
        due = {login: hosts for login, hosts in due.items() if hosts}
        if due:
            selection.ssh = replace(
                selection.ssh, shared=False
            )  # one question each: a socket to keep would cost more than it saves
            found.append(Job(selection, Office(name, run=selection.run_id, not_adopted=selection.not_adopted), due))
        elif not late:
            out.append(Office(name, not_adopted=selection.not_adopted))
    return found, out


def revoke(found: Sequence[Job], keys: Mapping[str, list[str]], *, tell: Callable[[str, HostAnswer], None], commit: bool) -> None:
    """Shut these people (login -> keys) out of every host of the jobs; each job's `office` is filled.

    A key of theirs that no file knew and one host had is refused by all others too, in a second round.
    """
    keys = {login: list(known) for login, known in keys.items()}
    with contextlib.ExitStack() as going:
        for job in found:
            job.operation = going.enter_context(
                operation(
                    job.selection,
                    "access revoke",
                    watch=lambda _: None,
                    say=lambda _: None,
                    leased=False,
                    reaching=False,
                    commit=False,
                    detail={"refuses": job.hosts},
                )
            )
        try:
            heard = _round(found, keys, tell, commit=commit)
            new = {one: sorted({k for told in heard for k in told.unknown.get(one, [])} - set(keys[one])) for one in keys}
            if any(new.values()):
                for login, more in new.items():
                    keys[login] += more
                    _learn(found, login, more)
                again = [job for job in found if any(told.address for told in job.office.told)]
                _round(again, keys, tell, commit=commit)
        finally:
            for job in found:
                assert job.operation
                job.operation.more["revoked"] = {login: sorted(known) for login, known in keys.items() if login in job.hosts}
                _conclude(job)
    if commit and found and not found[0].selection.target.lab:
        _commit(found, list(keys))


def _learn(found: Sequence[Job], login: str, keys: Sequence[str]) -> None:
    """Write down keys that only a host knew; a file that cannot take them keeps nobody in."""
    selection = found[0].selection
    inventory = open_inventory(selection.target.inventory)
    try:
        if not selection.target.lab and login in inventory.reseller(selection.reseller.name).former:
            after = technicians.learn(inventory, selection.reseller.name, login, keys)
            revocations.write(inventory, after.name, login, after.former[login].left, after.former[login].keys)
    except ProvisionerError as error:
        for job in found:
            job.office.problem = f"keys of {login} that no file knew are not written down: {error}"


def _round(
    found: Sequence[Job], keys: Mapping[str, list[str]], tell: Callable[[str, HostAnswer], None], *, commit: bool
) -> list[HostAnswer]:
    """Ask every host once; what they told, the second time beside what was told before."""
    calls, whose = [], {}
    for job in found:
        target, selection = job.selection.target, job.selection
        before = {told.host: told for told in job.office.told}
        head = git.head(target.inventory) if commit and not target.lab else None
        stamp = {"commit": head, "technician": selection.ssh.user, "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        for host in job.where:
            if before and not before[host].address:
                continue
            wanted = {login: keys[login] for login, hosts in job.hosts.items() if host in hosts}
            calls.append(Call(selection, host, request(selection, wanted, do="refuse", stamp=stamp if head else None)))
        whose[target] = job
    heard = []
    for call, now in everywhere(calls):
        job = whose[call.selection.target]
        first = next((one for one in job.office.told if one.host == call.host), None)
        told = replace(now, found=first.found + now.found, took_s=first.took_s + now.took_s) if first else now
        job.office.told = [one for one in job.office.told if one is not first] + [told]
        heard.append(told)
        tell(job.office.name, told)
    return heard


def _conclude(job: Job) -> None:
    """What the hosts of one office told, for its journal and its audit; where nobody was asked, the audit keeps nothing."""
    assert job.operation
    if not any(told.address for told in job.office.told):  # another office's machines answer at its addresses: we are not there
        job.office.told = [replace(one, state="unreachable") if one.state == "host_key" else one for one in job.office.told]
    job.office.told.sort(key=lambda one: one.host)
    for told in job.office.told:
        for event in events(told):
            job.operation.recorder(event)
    job.operation.begun = bool(job.office.told)
    job.operation.status = runs.verdict(runs.fold(job.operation.recorder.events).hosts)
    remember(job.selection.target, {told.host: told.address for told in job.office.told if told.address})


def events(told: HostAnswer) -> Iterator[Event]:
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


def _commit(found: Sequence[Job], logins: Sequence[str]) -> None:
    first = found[0].selection
    _, name, email = technician(first.target)
    lines = [
        f"{job.office.name}: {', '.join(f'{told.host} {told.state}' for told in sorted(job.office.told, key=lambda t: t.host))}"
        for job in found
    ]
    paths = [first.target.inventory / "resellers"]
    paths += [job.selection.target.summaries for job in found if job.selection.target.summaries.exists()]
    said = f"{first.reseller.name}: {', '.join(logins)} shut out by {first.ssh.user}\n\n" + "\n".join(lines) + "\n"
    git.commit(first.target.inventory, paths, said, name=name, email=email)


def leave(root: Path, reseller: "Reseller", login: str, *, commit: bool) -> "Reseller":
    """Write down that somebody left, before any host is asked; one commit, so that the hosts can remember it.

    Raises:
        BadInput, Missing, Busy: nothing is changed.
    """
    inventory = open_inventory(root)
    after = technicians.leave(inventory, reseller.name, login, datetime.now(UTC))
    gone = after.former[login]
    revocations.write(inventory, after.name, login, gone.left, gone.keys)
    if commit:
        me = inventory.whoami()
        who = after.technicians.get(me[0]) if me else None
        paths = [inventory.root / "resellers" / f"{after.name}.yml", revocations.folder(inventory)]
        named = {"name": who.name, "email": who.email} if who else {}
        git.commit(inventory.root, paths, f"{after.name}: {login} has left", **named)
    return after


# ---------------------------------------------------------------------------------------------- looking


def look(root: Path, name: str, *, lab: bool) -> Office:
    """What stands on the hosts of one office: who gets in, whom nobody knows, what is left of those who left.

    Raises:
        BadInput, Missing: the office cannot be asked at all.
    """
    selection = prepare(Target(root, name, lab))
    selection.ssh = replace(selection.ssh, shared=False)
    asked = request(selection, {login: gone.keys for login, gone in selection.reseller.former.items()}, do="look")
    asked["who"] = list(selection.reseller.technicians)
    office = Office(name, not_adopted=selection.not_adopted)
    for _, told in everywhere([Call(selection, host, asked) for host in selection.managed]):
        office.told.append(told)
    with contextlib.suppress(OSError):
        remember(selection.target, {told.host: told.address for told in office.told if told.address})
    office.told.sort(key=lambda one: one.host)
    return office


def admit(root: Path, reseller: "Reseller", login: str, keys: Sequence[str], *, commit: bool) -> "Reseller":
    """Let somebody in again who had left, by name and with a key of now; the next apply makes their account anew.

    Raises:
        BadInput, Missing, Busy: nothing is changed.
    """
    inventory = open_inventory(root)
    after = technicians.admit(inventory, reseller.name, login, keys, datetime.now(UTC))
    if commit:
        me = inventory.whoami()
        who = after.technicians.get(me[0]) if me else None
        path = inventory.root / "resellers" / f"{after.name}.yml"
        named = {"name": who.name, "email": who.email} if who else {}
        git.commit(inventory.root, [path], f"{after.name}: {login} is admitted again", **named)
    return after
