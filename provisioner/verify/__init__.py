"""Verify: a witness tries at a desktop what the office's people will do, and every line of what they find is kept.

The witness is an account made for it and removed after; one that a killed verification left is removed by the next. It
changes nothing of a real person. The result is one summary in the audit, with all findings and their evidence: the
hand-over record is made from it.
"""

import concurrent.futures
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from provisioner import plays, runs
from provisioner.documents.ledger import sha256
from provisioner.errors import BadInput, HostFailed, HostKeyChanged, Missing, Unreachable, one_of
from provisioner.findings import Finding, Level, verdict
from provisioner.hosts.answers import Answer, Short
from provisioner.hosts.facts import System, Updates
from provisioner.inventory.models import Kind
from provisioner.inventory.placement import services
from provisioner.language import N_
from provisioner.operation import Listener, Operation, operation, restarting
from provisioner.operation.recording import Recorder
from provisioner.operation.selection import Selection
from provisioner.runs import Event, audit
from provisioner.secrets import models
from provisioner.verify.checks import Check, VerifySession, judged, try_check
from provisioner.verify.table import CHECKS, FIRST, LAST, PACKAGES, REACHED, RESTARTED

AT_ONCE = 4


class Facts(Answer):
    """What a host says of itself; times in seconds."""

    system: System
    packages: dict[Short, Short] = Field(max_length=5000)
    updates: Updates
    firewall: list[Short] | None = Field(max_length=1000)
    up_s: float
    time: Short
    synchronised: bool
    now: float


JUST_STARTED_S = 60
FINDING_THE_SERVER_S = 90  # a desktop that was up before the server asks again within a minute (sssd.conf, offline_timeout)


@dataclass(frozen=True)
class Report:
    """What a verification found; `kept` is its summary in the audit."""

    run_id: str
    status: str
    findings: list[Finding]
    unreachable: list[str]
    kept: Path
    took_s: float
    audit_differs: tuple[str, ...] = ()  # what hosts remember of runs that our audit does not have


def desk(selection: Selection, host: str) -> str:
    """Where the witness sits down: the named desktop, else the first adopted one; where an office has none, its server.

    Raises:
        BadInput: the named host is no such place.
        Missing: nothing of the office is adopted to try anything from.
    """
    kinds = [host.kind for host in selection.office.hosts.values()]
    kind = next((one for one in (Kind.DESKTOP, Kind.SERVER) if one in kinds), Kind.ROUTER)
    desktops = [name for name in selection.hosts if selection.office.hosts[name].kind is kind]
    if host and host not in desktops:
        raise BadInput(
            f"{host!r} is no adopted {kind.value} of {selection.target.office}",
            hint=one_of(desktops, f"provisioner adopt {selection.target.words}"),
        )
    if not desktops:
        raise Missing(
            f"{selection.target.office} has no adopted {kind.value} to verify from",
            hint=f"provisioner adopt {selection.target.words}",
        )
    return host or desktops[0]


def verify(
    selection: Selection, *, host: str = "", reboot: bool = False, only: Sequence[str] = (), watch: Listener,
    say: Callable[[str], None], commit: bool = True,
) -> Report:  # fmt: skip
    """Try everything once; with `reboot`, restart every host and try everything again.

    With `only` these checks alone are tried, as after a repair: the result is `partial` then, never `passed`.

    Raises:
        BadInput, Missing: nothing was tried.
        Busy: somebody works on the office.
        HostKeyChanged: a host shows another key; nothing was tried.
        Unreachable: the desktop or the server gives no answer.
    """
    desktop = desk(selection, host)
    began = time.time()
    findings: list[Finding] = []
    needs = list(dict.fromkeys(name for name in (desktop, _server(selection)) if name))
    with operation(selection, "verify", watch=watch, say=say, needs=needs, commit=commit, detail={"reboot": reboot}) as op:
        for name in needs:
            if name not in selection.met:
                raise HostFailed(selection.found[name].problem, hint=selection.found[name].hint)
        session = VerifySession(
            op, desktop, _server(selection), services(selection.pack, selection.office), models.password(), os.urandom(6).hex(),
            only=frozenset(only),
        )  # fmt: skip
        proven = _pass(session, op.recorder)
        if reboot:
            restarted = restart(session, op.recorder)
            if verdict(restarted) is Level.OK:
                proven = worst(proven, _pass(session, op.recorder))
            proven += restarted
        findings += [*reached(selection), *proven]
        op.check()
        op.status = "failed" if verdict(findings) > Level.WARNING else "partial" if only else "passed"
        audit.keep_pictures(selection.target.summaries, _named(session, findings))  # first: the summary names them
        op.begun, op.summary = True, _summary(op, session, findings, began, reboot=reboot)
    assert op.kept
    missing = [name for name in selection.hosts if name not in selection.reached]
    return Report(selection.run_id, op.status, findings, missing, op.kept, time.time() - began, tuple(op.audit_differs))


def _server(selection: Selection) -> str:
    return next((name for name in selection.hosts if selection.office.hosts[name].kind is Kind.SERVER), "")


def reached(selection: Selection) -> list[Finding]:
    """Whether every machine of the office is there: a verdict about some of them is none about the office."""
    found = []
    for name in selection.office.hosts:
        met = selection.reached.get(name)
        seen = (
            f"SSH, {met}, the pinned key" if met else selection.found[name].problem if name in selection.found else "not adopted"
        )
        found.append(
            judged(
                REACHED, name in selection.reached, N_("{host} answers."), N_("{host} does not answer."), seen, name, host=name
            )
        )
    return [replace(one, at=time.time()) for one in found]


def _pass(session: VerifySession, recorder: Recorder) -> list[Finding]:
    """All checks once, with a witness of their own."""
    found: list[Finding] = []
    session.facts = _facts(session)
    if min(facts["up_s"] for facts in session.facts.values()) < JUST_STARTED_S:
        session.patience_s = FINDING_THE_SERVER_S
    session.password = models.password()
    _witness(session, make=True)
    try:
        for check in session.chosen(FIRST):
            found += _one(check, session, recorder)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            waiting = [pool.submit(_one, check, session, recorder) for check in session.chosen(CHECKS)]
            for done in waiting:  # in the order of the table, not of their ends
                found += done.result()
        for check in session.chosen(LAST):
            found += _one(check, session, recorder)
    finally:
        with contextlib.suppress(Unreachable, HostKeyChanged, HostFailed):
            _witness(session, make=False)
            session.ask(session.desktop, "user_session", do="forget", login=session.login)
    return found


def _one(check: Check, session: VerifySession, recorder: Recorder) -> list[Finding]:
    session.op.check()
    recorder(Event("task_started", task=check.title))
    found = try_check(check, session)
    for finding in found:
        recorder(Event("check_finished", task=check.title, detail=finding.as_object()))
    return found


def _facts(session: VerifySession) -> dict[str, dict[str, Any]]:
    """What every host that was reached says of itself, and how far its clock is from ours."""

    def ask(host: str) -> dict[str, Any] | str:
        try:
            said = session.ask(host, "facts", packages=PACKAGES, timeout_s=60)
            facts = Facts.model_validate(said).model_dump()
        except Unreachable as problem:
            return str(problem)
        except ValidationError:
            return f"{host} does not say what it is: {said.get('evidence') or 'its answer has another shape'}"
        return {**facts, "offset": facts["now"] - time.time()}  # its clock is the last thing it says

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        every = dict(zip(session.selection.met, pool.map(ask, session.selection.met), strict=True))
    found = {}
    for host, facts in every.items():
        if not isinstance(facts, str):
            found[host] = facts
        elif host in (session.desktop, session.server):
            raise HostFailed(facts, hint="provisioner apply, then verify")
        else:
            session.op.leave_out(host, facts)
    return found


def _witness(session: VerifySession, *, make: bool) -> None:
    """Make the witness, or remove it with all it left.

    Raises:
        HostFailed: the account could not be made.
    """
    if "directory" in session.services:
        said = session.ask(session.server, "witness", login=session.login, make=make, password=session.password, group="office")
    elif session.at_desktop:
        said = session.act("local", make=make)
    else:  # nobody logs in where no desktop is
        return
    if make and not said["ok"]:
        words = session.selection.target.words
        raise HostFailed(f"the witness's account could not be made: {said['evidence']}", hint=f"provisioner apply {words}")


# ------------------------------------------------------------------------------------------ restarting


def restart(session: VerifySession, recorder: Recorder) -> list[Finding]:
    """Restart every host at once, as after a power cut, and wait until each answers in a new boot and has settled."""
    session.op.check()
    recorder(Event("task_started", task=N_("Restarting every machine")))
    began = time.time()
    yes, no = N_("{host} came back after a restart."), N_("{host} did not come back whole after a restart.")
    return [
        replace(
            judged(RESTARTED, one.good, yes, no, f"{one.took_s:.0f} s; {one.state}", host, host=host), at=began, took_s=one.took_s
        )
        for host, one in restarting.restart(session.selection, session.selection.met).items()
    ]


def worst(first: Sequence[Finding], second: Sequence[Finding]) -> list[Finding]:
    """Of everything that was tried twice the worse result, of two alike the later one. Pure."""
    kept: list[Finding] = []
    for key in dict.fromkeys((finding.check, finding.about) for finding in (*first, *second)):
        before, after = ([f for f in found if (f.check, f.about) == key] for found in (first, second))
        kept += before if not after or (before and verdict(before) > verdict(after)) else after
    return kept


# -------------------------------------------------------------------------------------------- keeping


def _named(session: VerifySession, findings: Sequence[Finding]) -> dict[str, bytes]:
    """The pictures that findings name."""
    return {name: session.pictures[name] for finding in findings for name in finding.pictures}


def _summary(op: Operation, session: VerifySession, findings: Sequence[Finding], began: float, *, reboot: bool) -> dict[str, Any]:
    """What the audit keeps of a verification: the hand-over record is made from it."""
    selection, target = op.selection, op.selection.target
    return {
        "run": selection.run_id,
        "office": target.office,
        "verb": "verify",
        "technician": selection.ssh.user,
        "lab": target.lab,
        "started": runs.iso(began),
        "finished": runs.iso(time.time()),
        "status": op.status,
        "reboot": reboot,
        "from": session.desktop,
        "hosts_wanted": list(selection.office.hosts),
        "findings": [finding.as_object() for finding in findings],
        "systems": {host: {**facts["system"], "packages": facts["packages"]} for host, facts in session.facts.items()},
        "applied": {host: mark.run if mark else "" for host, mark in op.applied.items()},
        "dossier_sha256": sha256(target.folder / "dossier.yml"),
        "pack": selection.office.pack,
        "roles_sha256": plays.tree_digest(),
    }
