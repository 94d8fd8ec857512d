"""`check`: one truthful round over offices, from afar: facts of each machine in one SSH round trip, then judged.

A machine that is down is one finding, not twenty; what could not be measured is `unknown`. Nothing is written on a machine, no
lease is taken: a round may look while somebody works. Machines are asked up to 64 at a time over all offices, so one that hangs
holds up nobody.
"""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from provisioner.check import condition, ignored, store
from provisioner.check.subjects import Machine, Samples
from provisioner.check.subjects.answering import served
from provisioner.check.subjects.certificates import FILES
from provisioner.check.subjects.units import needed
from provisioner.check.table import REACHED, SILENT, SUBJECTS, TITLES
from provisioner.errors import HostKeyChanged, Missing, ProvisionerError, Unreachable, Unreadable
from provisioner.findings import Finding, Level, verdict
from provisioner.hosts import programs
from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.language import N_
from provisioner.operation.reaching import addresses, places, remember
from provisioner.operation.selection import Selection, Sweep, prepare
from provisioner.runs import proofs

AT_ONCE = 64
ANSWER_S = 60.0
LIMIT_BYTES = 2 << 20

Say = Callable[[str], None]


@dataclass
class Report:
    """What was found in an office, the worst first.

    `borne`: by its place in `findings`, why it is not counted; `well`: how many more were found that are not named there.
    """

    target: Target
    findings: list[Finding] = field(default_factory=list)
    borne: dict[int, ignored.Ignored] = field(default_factory=dict)
    took_s: float = 0.0
    problem: str = ""
    at: float = field(default_factory=time.time)
    well: int = 0

    @property
    def office(self) -> str:
        """Its name."""
        return self.target.office

    @property
    def counted(self) -> list[tuple[Finding, bool]]:
        """Each finding, and whether it is counted."""
        return [(one, at not in self.borne) for at, one in enumerate(self.findings)]

    @property
    def worst(self) -> Level:
        """The verdict, what is borne left out; an office that could not be looked at is unknown."""
        if self.problem:
            return Level.UNKNOWN
        counted = verdict(one for at, one in enumerate(self.findings) if at not in self.borne)
        return Level.OK if self.well and not self.findings else counted


@dataclass
class _Office:
    """An office under way: what is still to come of it."""

    selection: Selection
    samples: dict[str, Samples]
    known: dict[str, str]
    proofs: Mapping[str, tuple[str, str]]
    began: float = field(default_factory=time.monotonic)
    findings: list[Finding] = field(default_factory=list)
    measured: dict[tuple[str, str], float] = field(default_factory=dict)
    met: dict[str, str] = field(default_factory=dict)
    waiting: int = 0


def check(
    targets: Sequence[Target], *, today: date | None = None, done: Callable[[Report], None] = lambda _: None, close: bool = True
) -> list[Report]:
    """Look at every machine of these offices; each office's report goes to `done` when it is whole.

    Without `close` the connections stay open: somebody else of this process uses them.

    Raises:
        BadInput: the file of what was found before is damaged.
    """
    day = today or datetime.now(UTC).date()
    reports: list[Report] = []
    with store.store() as file, ThreadPoolExecutor(AT_ONCE) as pool:
        asked: dict[Future[_Seen], tuple[_Office, str]] = {}
        offices: list[_Office] = []
        sweeps: dict[Path, Sweep] = {}

        def ended(report: Report) -> None:
            reports.append(report)
            done(report)

        try:
            for target in targets:
                try:
                    if target.inventory not in sweeps:
                        sweeps[target.inventory] = Sweep.over(target.inventory)
                    selection = prepare(target, sweep=sweeps[target.inventory])
                    if close:  # each machine is asked once: a socket kept for it would cost more than it saves
                        selection.ssh = replace(selection.ssh, shared=False)
                    office = _Office(selection, dict(store.samples(file, target)), addresses(target), proofs.newest(target))
                except ProvisionerError as problem:
                    ended(Report(target, problem=str(problem)))
                    continue
                offices.append(office)
                office.findings += _not_adopted(office.selection)
                office.waiting = len(office.selection.hosts)
                for host in office.selection.hosts:
                    asked[pool.submit(_look, office, host)] = (office, host)
            for answer in as_completed(asked):
                office, host = asked[answer]
                seen = answer.result()
                office.findings += seen.findings
                office.measured |= {(host, what): value for what, value in seen.measured.items()}
                office.met |= {host: seen.address} if seen.address else {}
                office.waiting -= 1
                if not office.waiting:
                    report = _report(office, day)
                    store.keep(
                        file, report.target, report.findings, report.worst, took_s=report.took_s, samples=office.measured
                    )  # fmt: skip
                    remember(report.target, office.met, office.known)
                    ended(report)
        finally:
            for office in offices if close else ():
                with contextlib.suppress(OSError):
                    office.selection.ssh.close()
    return sorted(reports, key=lambda one: (-one.worst, one.target.office))


def _report(office: _Office, today: date) -> Report:
    order = {name: at for at, name in enumerate(office.selection.office.hosts)}
    findings = sorted(office.findings, key=lambda one: (-one.level, one.check, order.get(one.about, 0)))
    target = office.selection.target
    report = Report(target, findings, took_s=time.monotonic() - office.began)
    try:
        report.borne = dict(ignored.borne(findings, ignored.read(target), today))
    except ProvisionerError as problem:  # nothing is borne then: red rather than silent
        report.problem = str(problem)
    return report


def _not_adopted(selection: Selection) -> Iterator[Finding]:
    for host in selection.not_adopted:
        told = N_("{host} is in the dossier and was never adopted.")
        yield Finding(REACHED, Level.UNKNOWN, told, {"host": host}, host, at=time.time())


@dataclass(frozen=True)
class _Seen:
    findings: list[Finding]
    address: str = ""
    measured: dict[str, float] = field(default_factory=dict)


def _look(office: _Office, host: str) -> _Seen:
    """All about one machine: it never raises, for the others go on."""
    selection = office.selection
    described = selection.office.hosts[host]
    problems: list[str] = []
    for address in places(selection.target, selection.office, host, office.known):
        try:
            if described.appliance:
                return _appliance(selection, host, address)
            machine = Machine(
                host, described, selection.office, selection.pack, selection.reseller, _ask(office, host, address),
                office.samples.get(host, {}), selection.target.lab, office.proofs,
            )  # fmt: skip
        except HostKeyChanged as problem:
            told = N_("{host} shows another host key than the pinned one: nothing was sent to it.")
            return _Seen([Finding(REACHED, Level.CRITICAL, told, {"host": host}, host, str(problem), at=time.time())])
        except (Unreachable, Unreadable) as problem:
            problems.append(str(problem))
            continue
        except (OSError, subprocess.SubprocessError, ValueError) as problem:
            problems.append(f"{host} ({address}) answers with what cannot be read: {str(problem)[:200]}")
            continue
        answered = machine.judged(REACHED, Level.OK, N_("{host} answers."), f"SSH, {address}, the pinned key")
        found = [answered, *(one for subject in SUBJECTS for one in subject.findings(machine))]
        return _Seen(found, address, measured(machine))
    evidence = "; ".join(problems) or "no known address"
    return _Seen([Finding(REACHED, Level.CRITICAL, SILENT, {"host": host}, host, evidence[:1500], at=time.time())])


def _appliance(selection: Selection, host: str, address: str) -> _Seen:
    """A router of a system of its own: that it shows the pinned key is what is known from here."""
    from provisioner.hosts.lookup import look_up

    found = look_up(selection.ssh, {host: [address]}, [host])[host]
    if found.key_changed:
        raise HostKeyChanged(found.problem)
    if not found.address:
        raise Unreachable(found.problem)
    told = N_("{host} answers.")
    return _Seen(
        [Finding(REACHED, Level.OK, told, {"host": host}, host, f"SSH, {address}, the pinned key", at=time.time())], address
    )


def _ask(office: _Office, host: str, address: str) -> condition.Condition:
    selection = office.selection
    blank = Machine(
        host, selection.office.hosts[host], selection.office, selection.pack, selection.reseller, condition.Condition({}, 0.0)
    )
    request = {"certificates": list(FILES), "units": needed(blank), "services": served(blank)}
    done = programs.run(
        selection.ssh, host, address, programs.source("condition"), request, timeout_s=ANSWER_S, limit_bytes=LIMIT_BYTES
    )
    if done.returncode:
        said = " ".join((done.stderr.strip() or done.stdout.strip())[-200:].split())
        raise Unreadable(f"{host} ({address}) lets us in, but the look at it failed: {said}")
    return condition.read(done.stdout, time.time())


def measured(machine: Machine) -> dict[str, float]:
    """The numbers whose trend is judged by the next rounds."""
    disks = machine.condition["disks"].value or ()
    return {f"free:{disk.where}": float(disk.free) for disk in disks}


def refuse_unknown(target: Target, name: str, host: str) -> None:
    """Let what there is through.

    Raises:
        Missing: no check is called so, or the office has no such host.
    """
    if name not in TITLES:
        raise Missing(f"no check is called {name[:40]!r}", hint="provisioner check --list")
    if host and host not in open_inventory(target.inventory).office(target.office).hosts:
        raise Missing(f"{target.office} has no host {host[:40]!r}", hint=f"provisioner office show {target.office}")
