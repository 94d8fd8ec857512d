"""One question to many hosts at once: `hosts/programs/refuse.py` runs there, one connection each; its answer is understood."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from provisioner.errors import HostKeyChanged, Unreachable, Unreadable
from provisioner.hosts import answers, programs
from provisioner.hosts.answers import Answer, Line, Short
from provisioner.hosts.discovery import neighbours, on_lan
from provisioner.hosts.first_contact import shown_key
from provisioner.hosts.keys import public_key
from provisioner.hosts.pins import pinned
from provisioner.inventory.target import Target
from provisioner.operation.reaching import addresses, places
from provisioner.operation.selection import Selection
from provisioner.plays.handover import refusal

AT_ONCE = 32
HOST_S = 90  # for one host's answer: killing somebody's processes may take it 8 s, a slow disk more


@dataclass(frozen=True)
class HostAnswer:
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
class Call:
    """One question to one host: which office's, where it may be, what it is asked."""

    selection: Selection
    host: str
    request: dict[str, Any]
    places: list[str] = field(default_factory=list)


def request(selection: Selection, logins: Mapping[str, Sequence[str]], **more: Any) -> dict[str, Any]:
    """What a host is asked about these people."""
    stay = {login: who.keys for login, who in selection.reseller.technicians.items() if login not in logins}
    asked = refusal(selection.reseller, stay, selection.ssh.user, public_key(selection.ssh.key), **more)
    return asked | {"logins": {login: list(keys) for login, keys in logins.items()}}


def ask(call: Call, program: str) -> HostAnswer:
    """One host, at the first of its addresses where its pinned key answers."""
    began, problem, state = time.monotonic(), f"{call.host} has no known address", "unreachable"
    for address in call.places:
        try:
            done = programs.run(call.selection.ssh, call.host, address, program, call.request, timeout_s=HOST_S)
        except HostKeyChanged as error:
            problem, state = str(error), "host_key"
            continue
        except Unreadable as error:  # it is there, with its pinned key: no other address says more
            return HostAnswer(call.host, "failed", str(error), address=address, took_s=time.monotonic() - began)
        except Unreachable as error:
            problem = str(error) if state != "host_key" else problem
            continue
        return replace(understood(call, done.stdout, done.stderr), address=address, took_s=time.monotonic() - began)
    return HostAnswer(call.host, state, problem, took_s=time.monotonic() - began)


def understood(call: Call, stdout: str, stderr: str) -> HostAnswer:
    """What a host answered; pure."""
    try:
        return _read(call, answers.read(stdout, Refusal))
    except ValueError as error:
        said = (stderr.strip().splitlines() or [str(error)])[-1]
        return HostAnswer(call.host, "failed", f"{call.host}: {said[:300]}")


class Thing(Answer):
    """Something of theirs."""

    what: Short
    where: Line
    about: Line = ""
    key: Line = ""


class Leaver(Answer):
    """One person who left, on one host."""

    found: tuple[Thing, ...] = Field(max_length=10_000)
    left: tuple[Line, ...] = Field(max_length=10_000)
    look_at: tuple[Line, ...] = Field(max_length=10_000)
    unknown: tuple[Line, ...] = Field(max_length=1000)


class Works(Answer):
    """Whose work on the host goes on now."""

    technician: Short
    laptop: Short
    run: Short
    since: Short


class Who(Answer):
    """What somebody is to the host."""

    account: bool
    open: bool
    keys: tuple[Short, ...] = Field(max_length=1000)
    sudo: bool


class Refusal(Answer):
    """What `refuse.py` says."""

    logins: dict[Short, Leaver] = Field(max_length=1000)
    wrong: Line = ""
    look_at: tuple[Line, ...] = Field(default=(), max_length=10_000)
    works: Works | None = None
    who: dict[Short, Who] = Field(default={}, max_length=1000)
    strangers: tuple[Short, ...] = Field(default=(), max_length=1000)


def _read(call: Call, answer: Refusal) -> HostAnswer:
    logins = answer.logins
    if answer.wrong:
        return HostAnswer(call.host, "failed", f"{call.host} changed nothing: {answer.wrong}")
    if set(logins) != set(call.request["logins"]):
        return HostAnswer(call.host, "failed", f"{call.host} does not speak of those it was asked about")
    left = [line for one in logins.values() for line in one.left]
    works = answer.works
    state, problem = "refused" if call.request["do"] == "refuse" else "looked", ""
    if left:
        state, problem = "not_proven", "; ".join(left)
    elif works and works.run != call.selection.run_id:
        state = "again" if state == "refused" else state
        problem = f"{works.technician} works here from {works.laptop} since {works.since} and may undo it"
    return HostAnswer(
        call.host,
        state,
        problem,
        found=tuple(
            {"login": login, **thing.model_dump(exclude_defaults=True), "about": thing.about}
            for login, one in sorted(logins.items())
            for thing in one.found
        ),
        look_at=(*answer.look_at, *(line for one in logins.values() for line in one.look_at)),
        unknown={login: list(one.unknown) for login, one in logins.items() if one.unknown},
        who={login: who.model_dump(mode="json") for login, who in answer.who.items()},
        strangers=answer.strangers,
    )


def everywhere(calls: Sequence[Call]) -> Iterator[tuple[Call, HostAnswer]]:
    """Ask all hosts at once; each as soon as it has answered."""
    program = programs.source("refuse")
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        _place(calls, pool)
        lost: list[tuple[Call, HostAnswer]] = []
        for call, told in _asked(pool, calls, program):
            if told.address:
                yield call, told
            else:
                lost.append((call, told))
        moved = _moved([call for call, _ in lost])
        yield from ((call, told) for call, told in lost if (call.selection.target, call.host) not in moved)
        again = [replace(call, places=places) for call, _ in lost if (places := moved.get((call.selection.target, call.host)))]
        yield from _asked(pool, again, program)


def _asked(pool: ThreadPoolExecutor, calls: Sequence[Call], program: str) -> Iterator[tuple[Call, HostAnswer]]:
    running = {pool.submit(ask, call, program): call for call in calls}
    for done in as_completed(running):
        yield running[done], done.result()


def _place(calls: Sequence[Call], pool: ThreadPoolExecutor) -> None:
    """Where each host may be. An address that several offices have is looked at first, once: every office is 192.168.1.0/24.

    Else each of them would try there with a pin that does not fit, and a Debian 13 host refuses who does so too often.
    """
    wanted: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        target, office = call.selection.target, call.selection.office
        call.places = places(target, office, call.host, addresses(target))
        for address in call.places:
            wanted[address].append(call)
    shared = {address: there for address, there in wanted.items() if len({call.selection.target for call in there}) > 1}
    for (address, there), key in zip(shared.items(), pool.map(shown_key, shared), strict=True):
        for call in there:
            if key not in pinned(call.selection.target).get(call.host, []):
                call.places.remove(address)


def _moved(lost: Sequence[Call]) -> dict[tuple[Target, str], list[str]]:
    """Where hosts are that no address knew: by their MAC on the LAN we are plugged into, once for each network."""
    networks = {str(call.selection.office.lan.network) for call in lost}
    seen: dict[str, list[str]] = {}
    for network in networks:
        if on_lan(network):
            seen |= neighbours(network)
    found = {
        (c.selection.target, c.host): [a for a in seen.get(c.selection.office.hosts[c.host].mac, []) if a not in c.places]
        for c in lost
    }
    return {where: places for where, places in found.items() if places}
