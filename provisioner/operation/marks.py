"""What the hosts remember of what was last done on them, held against our copy: an older one, a torn mark, an audit cut short."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from provisioner.errors import Busy, ProvisionerError, Unreachable
from provisioner.inventory import git
from provisioner.operation.lease import Mark, ask
from provisioner.ssh import Door


def marks(door: Door, met: Mapping[str, str]) -> tuple[dict[str, Mark | None], dict[str, ProvisionerError | str]]:
    """What was last applied on each host, as the host remembers it: host -> mark or None; and of which that cannot be known."""
    known: dict[str, Mark | None] = {}
    unknown: dict[str, ProvisionerError | str] = {}
    for host in sorted(met):
        try:
            answer = ask(door, host, met[host], {"do": "read"})
        except (ProvisionerError, Unreachable) as problem:
            unknown[host] = problem
            continue
        known[host] = answer.applied
        if "applied.json" in answer.torn or "refused.json" in answer.torn:
            unknown[host] = "torn"
    return known, unknown


def refuse_older_copy(root: Path, applied: Mapping[str, Mark | None]) -> None:
    """Stop when what was last applied on a host came from a commit that our copy does not hold.

    Raises:
        Busy: our copy is the older one.
    """
    known: dict[str, bool] = {}
    for host, one in [(host, one) for host, mark in sorted(applied.items()) if mark for one in (mark, *mark.refused)]:
        if one.commit and one.commit not in known:
            known[one.commit] = git.contains(root, one.commit)
        if one.commit and not known[one.commit]:
            raise Busy(
                f"your copy is older: {host} was last set by {one.technician} on {one.at}"
                f" from commit {one.commit[:10]}, which you do not have",
                hint="git pull, then plan again (--force applies your copy all the same, and the audit says so)",
            )


def unlike_the_audit(summaries: Path, applied: Mapping[str, Mark | None]) -> dict[str, str]:
    """Where a host remembers a run that our audit does not have as it was: host -> what it remembers."""
    found = {}
    for host, mark in sorted(applied.items()):
        if not mark or not mark.summary or "/" in mark.summary:
            continue
        path = summaries / mark.summary
        whole = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == mark.summary_sha256
        if not whole:
            what = "is another in this copy" if path.is_file() else "is not in this copy"
            whose = f"the run {mark.run} by {mark.technician} on {mark.at}"
            found[host] = f"{host} remembers {whose}, whose summary {mark.summary} {what}"
    return found


def remembered(applied: Mapping[str, Mark | None]) -> dict[str, str]:
    """The newest summary that each host knows, as `runs.check` takes it: file name -> SHA-256."""
    return {m.summary: m.summary_sha256 for m in applied.values() if m and m.summary and "/" not in m.summary}
