"""The plan that was just made: an apply that shows one and asks need not play it again while nothing moved.

It holds for ten minutes, as long as no other run was begun on this laptop and every file that decides is as it was; what
colleagues did meanwhile the hosts themselves tell, under the lease (`refuse_moved`). `plan` always plays.
"""

import hashlib
import json
import time
from collections.abc import Mapping

from provisioner import __version__, plays
from provisioner.apply import plans
from provisioner.apply.plans import Plan
from provisioner.errors import Unverified
from provisioner.laptop.disk import write
from provisioner.operation import Operation
from provisioner.operation.lease import Mark
from provisioner.operation.selection import Selection
from provisioner.runs import fold
from provisioner.runs.journal import read_journal

FRESH_S = 600  # a lease outlives whoever took it by 15 minutes: what a colleague began meanwhile is still seen there


def premises(selection: Selection) -> str:
    """SHA-256 of all on this laptop that decides what an apply does: the office's files, pack, reseller, roles, tool, hosts."""
    total = hashlib.sha256()
    target = selection.target
    left = [target.folder / name for name in ("runs", "records", "proofs", "ignored.yml")]
    files = {path for path in target.folder.rglob("*") if path.is_file() and not any(path.is_relative_to(one) for one in left)}
    for path in sorted({*files, *(one for one in (target.vault, target.known_hosts) if one.is_file())}):
        total.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    said = [
        selection.office.model_dump_json(), selection.pack.model_dump_json(), selection.reseller.model_dump_json(),
        plays.tree_digest(), __version__, selection.ssh.user, *selection.hosts,
    ]  # fmt: skip
    total.update(json.dumps(said).encode())
    return total.hexdigest()


def runs_of(newest: Mapping[str, Mark | None]) -> dict[str, str]:
    """The newest run that each host remembers; empty where it remembers none."""
    return {host: mark.run if mark else "" for host, mark in newest.items()}


def keep(selection: Selection, plan: Plan) -> None:
    """Remember a complete plan; its changes are in its journal."""
    kept = {"run": plan.run.id, "premises": plan.premises, "newest": dict(plan.newest)}
    write(selection.target.state / "planned.json", json.dumps(kept))


def recall(selection: Selection) -> Plan | None:
    """The plan made just before for the same hosts and files, if nothing was begun here since."""
    target = selection.target
    try:
        kept = json.loads((target.state / "planned.json").read_text())
        newest = {str(host): str(run) for host, run in kept["newest"].items()}
        path = target.journals / f"{kept['run']}.jsonl"
        if path != max(target.journals.glob("*.jsonl")):
            return None
        run = fold(read_journal(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # it only saves a wait
    if not 0 <= time.time() - run.finished <= FRESH_S or kept["premises"] != premises(selection):
        return None
    office = selection.office
    plan = Plan(run, plans.digest(selection, run), office.pack, office.variant, premises=kept["premises"], newest=newest)
    return None if plan.missing else plan


def refuse_moved(op: Operation, plan: Plan) -> None:
    """Stop where somebody ran something on a host after the plan that was agreed to.

    Raises:
        Unverified: with the hosts and the run.
    """
    now = runs_of(op.newest)
    moved = [f"{host}: {now.get(host) or 'nothing'}" for host in sorted(op.met) if now.get(host) != plan.newest.get(host)]
    if moved:
        raise Unverified(
            f"something was run there since the plan was made; nothing was changed: {', '.join(moved)}",
            hint=f"provisioner apply {op.selection.target.words}, and read the plan again",
        )
