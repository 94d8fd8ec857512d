"""Who works on an office now.

The lease is a small file on every reachable host of the office, root only, taken in the order of names, all or none, and
on disk (fsync) before anything is done. It is live when it was renewed within `LEASE_S`; the host judges that by its time
since boot, so neither the laptop's clock nor a jump of the host's own decides who may work. One from before the host's start
lives as long from that start on: its holder renews it in that time, and no clock can tell how old it is. Beside it lies the
mark: what was last applied, from which commit; and from which commit a technician who left was shut out (access.py), until
the next mark: a copy that lacks it still has that technician on its list.
"""

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from provisioner.errors import Busy, HostFailed, HostKeyChanged, ProvisionerError, Unreachable, Unreadable
from provisioner.explain import cause
from provisioner.hosts import answers, programs
from provisioner.hosts.access import UNREADABLE, SshAccess
from provisioner.hosts.answers import Answer, Short
from provisioner.inventory.target import state_home
from provisioner.laptop.disk import write
from provisioner.laptop.processes import born

LEASE_S = 900


class Holder(Answer):
    """Who holds a lease, as the host keeps it."""

    technician: Short
    laptop: Short
    run: Short
    token: Short
    lease_s: float
    since: Short = "an unknown time"
    pid: int = 0
    born: Short = ""


class Mark(Answer):
    """What was last applied on a host, and from which commit; `refused` are those from which somebody was shut out since."""

    technician: Short | None = None
    at: Short | None = None
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")] | None = None  # git reads what begins with - as an option
    run: Short = ""
    summary: Short = ""
    summary_sha256: Short = ""
    dossier_sha256: Short = ""
    inputs_sha256: Short = ""  # of the dossier, its reseller's file and its pack as they were applied
    uncommitted: bool = False  # whoever did it left the summary to be committed by hand
    refused: tuple["Mark", ...] = Field(default=(), max_length=1000)


class LeaseAnswer(Answer):
    """What a host's lease keeper says; `torn` are files of its marks that are none any more."""

    ok: bool = True
    lease: Holder | None = None
    ago_s: float = 0.0
    restarted: bool = False
    applied: Mark | None = None
    newest: Mark | None = None
    busy: tuple[Short, ...] = Field(default=(), max_length=10)
    of: Short = ""
    torn: tuple[Short, ...] = Field(default=(), max_length=10)


def boottime() -> float:
    """Seconds since this laptop's start, those asleep included (clock_getres(2), CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def laptop() -> str:
    """A name of this laptop and account that no other has: the host name and eight random digits made once."""
    path = state_home() / "laptop"
    if not path.exists():
        write(path, f"{socket.gethostname()}-{secrets.token_hex(4)}\n")
    return path.read_text().strip()


def _dead(lease: Holder) -> bool:
    """Whether the holder was a process of this laptop that has ended."""
    return lease.laptop == laptop() and born(lease.pid) != lease.born


def ask(ssh: SshAccess, host: str, address: str, request: Mapping[str, Any], *, timeout_s: float = 30) -> LeaseAnswer:
    """One question to the lease keeper of a host; its answer.

    Raises:
        Unreachable, HostKeyChanged: as `SshAccess.run`.
        Unreadable: it answered, but not what was asked.
        HostFailed: the host could not keep a lease: a full or read-only disk.
    """
    done = programs.run(ssh, host, address, programs.source("lease"), request, timeout_s=timeout_s)
    try:
        return answers.read(done.stdout, LeaseAnswer)
    except ValueError as error:
        where = f"{ssh.target.office} {host}{' --lab' if ssh.target.lab else ''}"
        if done.returncode == 0:
            raise Unreadable(f"{host} keeps no lease that can be read: {error}", hint=UNREADABLE) from error
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1][:400]
        raise HostFailed(
            f"{host} cannot keep a lease: {cause(last) or last}",
            hint=f"provisioner ssh {where} -- df -h --output=target,avail,iavail",
        ) from error


@dataclass
class Lease:
    """The lease on some hosts, held while used as a context manager; renewed by a thread of its own.

    `failed` are hosts that could not keep one: the work leaves them alone, and the others go on. Time is the laptop's since its
    start, sleep included (CLOCK_BOOTTIME): a lid that was closed for an hour is an hour.
    """

    ssh: SshAccess
    met: Mapping[str, str]
    run: str
    technician: str
    lost: Callable[[str], None]
    applied: dict[str, Mark | None] = field(default_factory=dict)
    newest: dict[str, Mark | None] = field(default_factory=dict)
    torn: dict[str, tuple[str, ...]] = field(default_factory=dict)
    busy: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)  # of which run, which programs
    failed: dict[str, ProvisionerError] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    renewed: Callable[[float], None] = lambda _: None  # told until when the work may go on, in seconds since this laptop's start
    _token: str = field(default_factory=lambda: secrets.token_hex(16))
    _taken: list[str] = field(default_factory=list)
    _at: dict[str, str] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)
    _answered: dict[str, float] = field(default_factory=dict)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Lease":
        """Take it on every host, in the order of names; on the first refusal give back what was taken.

        Raises:
            Busy: somebody else holds one.
            HostKeyChanged: another machine answers in a host's place.
            HostFailed, Unreachable: no host at all could keep one.
        """
        who = {
            "technician": self.technician, "laptop": laptop(), "run": self.run, "lease_s": LEASE_S,
            "pid": os.getpid(), "born": born(os.getpid()), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        }  # fmt: skip
        try:
            for host in sorted(self.met):
                try:
                    self._take(host, who)
                except (HostFailed, Unreachable) as problem:
                    self.failed[host] = problem
            if self.failed and not self._taken:
                raise next(iter(self.failed.values()))
        except BaseException:
            self.release()
            raise
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()
        return self

    def _take(self, host: str, who: Mapping[str, Any]) -> None:
        request = {"do": "take", "token": self._token, "who": who, "over": ""}
        asked = boottime()
        answer = self._ask(host, request)
        if not answer.ok and answer.lease and _dead(answer.lease):  # a killed run of this very laptop: no need to wait
            answer = self._ask(host, {**request, "over": answer.lease.token})
        if not answer.ok:
            if answer.lease is None:
                raise Unreadable(f"{host} refuses the lease and does not say who holds it", hint=UNREADABLE)
            raise self._busy(host, answer, answer.lease)
        self._taken.append(host)
        self._answered[host] = asked
        self.applied[host], self.newest[host] = answer.applied, answer.newest
        if answer.torn:
            self.torn[host] = answer.torn
        if answer.busy:
            self.busy[host] = (answer.of, answer.busy)

    def _busy(self, host: str, answer: LeaseAnswer, other: Holder) -> Busy:
        ago = f"{answer.ago_s:.0f} s ago"
        life = f"no sign of life since the start of {host} {ago}" if answer.restarted else ""
        return Busy(
            f"{other.technician} works on {self.ssh.target.office} from {other.laptop} since {other.since}"
            f" (run {other.run}, {life or f'last sign of life {ago} on {host}'})",
            hint=f"wait for them, or until {other.lease_s / 60:.0f} minutes after "
            f"{f'that start of {host}' if life else 'their last sign of life'}",
        )

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread:
            self._thread.join(timeout=60)
        self.release()

    def _ask(self, host: str, request: Mapping[str, Any]) -> LeaseAnswer:
        """At the address where the host last answered, else at the one the play may have moved it to meanwhile."""
        known = self._at.setdefault(host, self.met[host])
        other = self.moved.get(host, known)
        try:
            return ask(self.ssh, host, known, request)
        except (Unreachable, HostKeyChanged):
            if other == known:
                raise
            answer = ask(self.ssh, host, other, request)
            self._at[host] = other
            return answer

    def settled(self, hosts: Iterable[str]) -> None:
        """Tell where hosts are for certain once the play has moved them: asking the old address costs a time-out."""
        self._at |= {host: self.moved[host] for host in hosts if host in self.moved}

    @property
    def good_until(self) -> float:
        """Until when the work may go on without another answer, in seconds since this laptop's start."""
        return min(self._answered.values()) + LEASE_S * 3 / 5

    def _renew(self) -> None:
        """Until it is given back; whatever ends this thread ends the work too."""
        try:
            self._renewing()
        except Exception as problem:  # no room for a process, a folder that vanished: nobody would know
            self.lost(f"the lease cannot be renewed: {problem}")

    def _renewing(self) -> None:
        """Every fifth of the lease; a host that could not be asked for three fifths of it, or says no, ends the run."""
        due = min(self._answered.values()) + LEASE_S / 5
        while not self._done.wait(min(1.0, LEASE_S / 20)):  # a wait does not count while the lid is closed: many short ones
            if boottime() < due:
                continue
            due = boottime() + LEASE_S / 5
            for host in list(self._taken):
                asked = boottime()
                try:
                    answer = self._ask(host, {"do": "renew", "token": self._token})
                except (Unreachable, HostKeyChanged, HostFailed) as error:
                    if boottime() - self._answered[host] > LEASE_S * 3 / 5:
                        self.lost(f"the lease on {host} cannot be renewed: {error}")
                        return
                    continue
                if not answer.ok:
                    other = answer.lease.technician if answer.lease else "somebody"
                    self.lost(f"the lease on {host} was taken over by {other}")
                    return
                self._answered[host] = asked
            self.renewed(self.good_until)

    def quiet(self, host: str) -> bool:
        """Whether nothing of the run before works on a host any more; asks it."""
        with contextlib.suppress(Unreachable, HostKeyChanged, HostFailed):
            return not self._ask(host, {"do": "renew", "token": self._token, "of": self.busy[host][0]}).busy
        return False

    def mark(self, applied: Mapping[str, Any], hosts: list[str]) -> list[str]:
        """Leave on the hosts what was applied; returns those that could not be told: unreachable, or somebody else's by now."""
        return self._tell({"do": "mark", "applied": dict(applied)}, sorted(set(hosts) & set(self._taken)))

    def note(self, newest: Mapping[str, Any]) -> None:
        """Leave on the hosts which run was the newest; one that cannot be told remembers an earlier one."""
        self._tell({"do": "note", "newest": dict(newest)}, self._taken)

    def release(self) -> None:
        """Give it back; a host that cannot be told will see it run out."""
        self._tell({"do": "release"}, self._taken)
        self._taken = []

    def _tell(self, request: Mapping[str, Any], hosts: Sequence[str]) -> list[str]:
        """Tell hosts something, all at once; those that could not be told. Only taking has an order: nobody waits for these."""

        def told(host: str) -> bool:
            try:
                return self._ask(host, {**request, "token": self._token}).ok
            except (Unreachable, HostKeyChanged, HostFailed):
                return False

        with ThreadPoolExecutor(max_workers=max(1, min(32, len(hosts)))) as pool:
            return [host for host, ok in zip(hosts, pool.map(told, list(hosts)), strict=True) if not ok]
