"""A maintenance window: an office's alerts reach nobody for a while, and its audit keeps who wanted that, how long and why."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from provisioner.errors import BadInput, Unverified
from provisioner.inventory.target import Target
from provisioner.laptop import git
from provisioner.monitor import alertmanager
from provisioner.operation.selection import technician
from provisioner.runs import Run, audit, iso, new_id

VERB = "monitor silence"
REASON = 200  # characters


@dataclass(frozen=True, slots=True)
class Silence:
    """One that holds: its id at Alertmanager, its summary in the audit, the commit of that (None: left to the operator)."""

    id: str
    summary: Path
    commit: str | None


def silence(target: Target, url: str, lasting: timedelta, because: str, *, commit: bool = True) -> Silence:
    """Ask Alertmanager for it, and keep it in the office's audit once it holds.

    Raises:
        BadInput: no reason that can be read as one line.
        Unreachable, Unreadable: Alertmanager does not answer, or not as it should; nothing is kept.
        Unverified: it holds, but this laptop could not keep it.
    """
    because = " ".join(because.split())
    if not because:
        raise BadInput("a silence has a reason", hint="--because WHY")
    if len(because) > REASON or not because.isprintable():
        raise BadInput(f"the reason is one line of at most {REASON} characters", hint='--because "updates of May"')
    login, name, email = technician(target)
    began = time.time()
    made = alertmanager.silence(url, target.office, lasting, because, login)
    until = datetime.fromtimestamp(began, UTC) + lasting
    detail = {"because": because, "seconds": int(lasting.total_seconds()), "until": iso(until.timestamp()), "silence": made}
    run = Run(new_id(), target.office, VERB, login, False, began, time.time(), "changed", detail=detail)
    try:
        path = audit.keep(target.summaries, audit.summary(run))
        message = f"{target.office}: alerts silenced until {iso(until.timestamp())} by {login}: {because}"
        done = git.commit(target.inventory, [target.summaries], message, name=name, email=email) if commit else None
    except (OSError, BadInput) as problem:
        raise Unverified(
            f"the silence {made} holds, but the audit of {target.office} could not keep it: {problem}",
            hint=f"provisioner runs check {target.office}; sooner: amtool silence expire {made}",
        ) from problem
    return Silence(made, path, done)
