"""A plan: what a check-mode run found, the digest that names exactly that, and the file it is kept in."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner import __version__, plays
from provisioner.errors import BadInput, Unverified
from provisioner.inventory.target import Target
from provisioner.laptop.disk import write
from provisioner.operation.selection import Selection
from provisioner.runs import HostRun, Run


@dataclass(frozen=True)
class Plan:
    """What a check-mode run found, and the digest that names exactly that."""

    run: Run
    digest: str
    pack: str
    variant: str
    audit_differs: tuple[str, ...] = ()  # what hosts remember of runs that our audit does not have
    premises: str = ""  # what it rests on, from `recent.premises`
    newest: Mapping[str, str] = field(default_factory=dict)  # host -> the newest run it remembered

    @property
    def missing(self) -> dict[str, str]:
        """What keeps it from being whole, in words: host -> problem; under the empty name what befell the run itself."""
        missing = {name: _why(host) for name, host in sorted(self.run.hosts.items()) if not _asked(host)}
        if not missing and self.run.status not in ("changed", "unchanged"):
            missing[""] = self.run.error or f"it was {self.run.status}"
        return missing

    def save(self, path: Path, target: Target) -> None:
        """Keep it for `apply --plan`."""
        body = {
            "office": target.office,
            "lab": target.lab,
            "digest": self.digest,
            "pack": self.pack,
            "variant": self.variant,
            "made": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "technician": self.run.technician,
            "missing": self.missing,
            "hosts": {
                name: {"counts": host.counts, "changes": [{"task": c.task, "diff": c.diff} for c in host.changes]}
                for name, host in sorted(self.run.hosts.items())
            },
        }
        write(path, json.dumps(body, ensure_ascii=False, indent=1) + "\n")


def _asked(host: HostRun) -> bool:
    return bool(host.counts["ok"]) and not host.counts["failed"] and not host.counts["unreachable"]


def _why(host: HostRun) -> str:
    said = next(iter(host.problem.strip().splitlines()), "it said nothing")
    return f"{host.problem_task}: {said}" if host.problem_task else said


def digest(selection: Selection, run: Run) -> str:
    """SHA-256 of all that decides: dossier and pack as read, roles, version, and what each host would change."""
    parts = {
        "dossier": selection.office.model_dump_json(),
        "pack": selection.pack.model_dump_json(),
        "roles": plays.tree_digest(),
        "version": __version__,
        "hosts": {
            name: [[c.task, c.diff] for c in host.changes] for name, host in sorted(run.hosts.items())
        },
    }  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def load(path: Path, target: Target) -> dict[str, Any]:
    """Read a saved plan.

    Raises:
        BadInput: not a plan, or one of another office.
    """
    try:
        if path.stat().st_size > 50_000_000:
            raise ValueError("too large")
        saved = json.loads(path.read_text())
        office, lab, digest, hosts = saved["office"], saved["lab"], saved["digest"], saved["hosts"]
        if not isinstance(digest, str) or not isinstance(hosts, dict) or not isinstance(saved["missing"], dict):
            raise TypeError("digest")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is not a saved plan: {error}", hint=f"provisioner plan {target.words} --save {path}") from error
    if (office, lab) != (target.office, target.lab):
        where = f"{office}{' (lab)' if lab else ''}"
        raise BadInput(f"{path} is a plan of {where}, not of {target.office}{' (lab)' if target.lab else ''}")
    return dict(saved)


def refuse_incomplete(saved: Mapping[str, Any], selection: Selection) -> None:
    """Stop where a plan could not ask all of its hosts: nobody has seen what it would change there.

    Raises:
        Unverified: with each host and its problem.
    """
    if saved["missing"]:
        said = "".join(f"\n  {host}: {why}" if host else f"\n  {why}" for host, why in saved["missing"].items())
        lab = " --lab" if selection.target.lab else ""
        raise Unverified(
            f"the saved plan is not complete; nothing was changed:{said}",
            hint=f"provisioner plan {selection.target.office}{lab} --save FILE when that is mended (--host: the others alone)",
        )


def refuse_other_pack(saved: Mapping[str, Any], selection: Selection) -> None:
    """Stop where a plan was made as if the dossier named another pack or variant than it does.

    Raises:
        Unverified: with the lines that would make it so.
    """
    says = {"pack": selection.office.pack, "variant": selection.office.variant}
    other = [f"{word}: {saved[word]}" for word, name in says.items() if saved.get(word, name) != name]
    if other:
        raise Unverified(
            f"the saved plan is one for {', '.join(other)}, which the dossier of {selection.target.office} does not say",
            hint=f"writing it there, then: provisioner plan {selection.target.words} --save FILE",
        )


def differences(saved: Mapping[str, Any], now: Plan) -> list[str]:
    """Where a saved plan and the present one part, one line each."""
    lines = []
    was = {h: [(c["task"], c["diff"]) for c in v["changes"]] for h, v in saved["hosts"].items()}
    new = {h: [(c.task, c.diff) for c in v.changes] for h, v in now.run.hosts.items()}
    for host in sorted(was.keys() | new.keys()):
        for task, diff in was.get(host, []):
            if (task, diff) not in new.get(host, []):
                lines.append(f"{host}: no longer the same: {task}")
        lines += [f"{host}: new: {task}" for task, diff in new.get(host, []) if (task, diff) not in was.get(host, [])]
    return lines or ["the dossier, the pack, the roles or the tool changed"]
