"""What the hosts remember of what was last done on them, held against our copy: an older one, a torn mark, an audit cut short."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from provisioner.documents.ledger import content, sha256
from provisioner.errors import Busy, ProvisionerError, Unreachable
from provisioner.hosts.access import SshAccess
from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.laptop import git
from provisioner.operation.lease import Mark, ask
from provisioner.operation.reaching import find
from provisioner.operation.selection import prepare

Marks = dict[str, Mark | None]


def marks(ssh: SshAccess, met: Mapping[str, str]) -> tuple[Marks, Marks, dict[str, ProvisionerError | str]]:
    """What was last applied on each host, its newest run, as it remembers them; and why a host's cannot be known."""
    known: Marks = {}
    newest: Marks = {}
    unknown: dict[str, ProvisionerError | str] = {}
    for host in sorted(met):
        try:
            answer = ask(ssh, host, met[host], {"do": "read"})
        except (ProvisionerError, Unreachable) as problem:
            unknown[host] = problem
            continue
        known[host], newest[host] = answer.applied, answer.newest
        if "applied.json" in answer.torn or "refused.json" in answer.torn:
            unknown[host] = "torn"
    return known, newest, unknown


def inputs_sha256(target: Target) -> str:
    """One hash of the files an apply reads from the inventory: the dossier, its reseller's file, its pack."""
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    names = (f"resellers/{office.reseller}.yml", f"packs/{office.pack}.yml")
    files = (target.folder / "dossier.yml", *(inventory.root / name for name in names))
    return hashlib.sha256(b"\0".join(map(content, files))).hexdigest()


def refuse_older_copy(target: Target, applied: Mapping[str, Mark | None]) -> None:
    """Stop when our copy does not hold what was last applied on a host.

    It holds it where the commit is in our history; and where that history was written anew meanwhile (a rebase, an amended or
    squashed commit, a shallow clone), where
    the run's summary is in our audit as it was, or the files it read are the ones we have.

    Raises:
        Busy: our copy is the older one, and what differs.
    """
    known: dict[str, bool] = {}
    for host, one in [(host, one) for host, mark in sorted(applied.items()) if mark for one in (mark, *mark.refused)]:
        if not one.commit:
            continue
        if one.commit not in known:
            known[one.commit] = git.contains(target.inventory, one.commit)
        if known[one.commit] or _holds(target, one):
            continue
        path = target.summaries / one.summary
        audit = f"; its run's summary {one.summary} is not in this copy" if _named(one) and not path.is_file() else ""
        changed = one.dossier_sha256 and one.dossier_sha256 != sha256(target.folder / "dossier.yml")
        dossier = "" if not one.dossier_sha256 else "; the dossier is another too" if changed else "; the dossier is the same"
        raise Busy(
            f"your copy is older: {host} was last set by {one.technician} on {one.at}"
            f" from commit {one.commit[:10]}, which you do not have{audit}{dossier}",
            hint="git pull, then plan again; where that brings nothing, that run's commit was taken out of the history: ask"
            f" {one.technician} (--force applies your copy all the same, and the audit says so)",
        )


def _named(mark: Mark) -> bool:
    return bool(mark.summary) and "/" not in mark.summary and not mark.uncommitted


def _holds(target: Target, mark: Mark) -> bool:
    path = target.summaries / mark.summary
    if _named(mark) and path.is_file() and sha256(path) == mark.summary_sha256:
        return True
    return bool(mark.inputs_sha256) and mark.inputs_sha256 == inputs_sha256(target)


def unlike_the_audit(summaries: Path, applied: Mapping[str, Mark | None]) -> dict[str, str]:
    """Where a host remembers a run that our audit does not have as it was: host -> what it remembers."""
    found = {}
    for host, mark in sorted(applied.items()):
        if not mark or not mark.summary or "/" in mark.summary or mark.uncommitted:
            continue
        path = summaries / mark.summary
        whole = path.is_file() and sha256(path) == mark.summary_sha256
        if not whole:
            what = "is another in this copy" if path.is_file() else "is not in this copy"
            whose = f"the run {mark.run} by {mark.technician} on {mark.at}"
            found[host] = f"{host} remembers {whose}, whose summary {mark.summary} {what}"
    return found


def ask_all(target: Target) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """What each adopted host that answers remembers of the newest run: host -> summary and what is wrong with ours; the others.

    Raises:
        Missing, BadInput: the office has no adopted host, or its dossier cannot be read.
    """
    selection = prepare(target)
    try:
        find(selection, lambda _: None)
        known, newest, unknown = marks(selection.ssh, selection.met)
    finally:
        selection.ssh.close()
    differs = unlike_the_audit(target.summaries, known) | unlike_the_audit(target.summaries, newest)
    last = {host: newest[host] or mark for host, mark in known.items()}
    told = {host: (mark.summary if mark else "no run", differs.get(host, "")) for host, mark in last.items()}
    unasked = {host: selection.found[host].problem for host in selection.hosts if host not in selection.reached}
    unasked |= {
        host: f"{host}: {problem}" if problem != "torn" else f"{host}: its mark is torn" for host, problem in unknown.items()
    }
    return told, unasked
