"""The certificates of an office's proven backups on disk, a hash chain of their own: three files each, the JSON last.

A certificate tells what became of every place, good or bad. `check` reads the newest from here, and the audit's own look (`runs
check`) looks along this chain too.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner.documents.ledger import Entry, Ledger, sha256, unlike
from provisioner.inventory.target import Target
from provisioner.laptop.disk import make, write

FILES = ("html", "pdf")


def folder(target: Target) -> Path:
    """Where they lie."""
    return target.kept / "proofs"


def ledger(target: Target) -> Ledger:
    """The certificates of an office as a chain."""
    return Ledger(folder(target), 4, "certificate")


def _written(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def keep(target: Target, said: Mapping[str, Any], html: str, pdf: bytes) -> list[Path]:
    """Add a certificate whose contents, `number`, `run` and `former` among them, are these; the paths, its JSON first."""
    make(folder(target))
    mode = 0o600 if target.lab else 0o644
    path = folder(target) / ledger(target).name(said["number"], said["run"])
    write(path.with_suffix(".html"), html, mode=mode)
    write(path.with_suffix(".pdf"), pdf, mode=mode)
    hashes = {"html_sha256": hashlib.sha256(html.encode()).hexdigest(), "pdf_sha256": hashlib.sha256(pdf).hexdigest()}
    write(path, _written({**said, **hashes}), mode=mode)
    return [path, *(path.with_suffix(f".{kind}") for kind in FILES)]


def check(target: Target, remembered: Mapping[str, str] | None = None) -> Iterator[str]:
    """What is wrong with them, one sentence each; nothing when every byte is as it was written.

    Args:
        target: the office, or its lab.
        remembered: file name -> sha256 of the first version that others remember (git).
    """

    def entry(path: Path, raw: bytes) -> Entry:
        try:
            body = json.loads(raw)
            problems = [] if raw == _written(body).encode() else [f"{path.name}: altered"]
            for kind in FILES:
                other = path.with_suffix(f".{kind}")
                if not other.is_file() or sha256(other) != body[f"{kind}_sha256"]:
                    problems.append(f"{other.name}: altered or deleted")
            at = datetime.fromisoformat(body["made"]).astimezone(UTC)
            return Entry(int(body["number"]), body["former"], str(body["run"]), at, problems)
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(str(error)) from error

    yield from ledger(target).check(entry)
    yield from unlike(folder(target), remembered or {}, "altered since its commit")


def newest(target: Target) -> dict[str, tuple[str, str]]:
    """The last word on each place: when (ISO 8601) its newest night was proven, or last tried, and why that failed (or empty)."""
    found: dict[str, tuple[str, str]] = {}
    for path in reversed(ledger(target).files()):
        try:
            body = json.loads(path.read_bytes())
            for one in body["places"]:
                found.setdefault(str(one["place"]), (str(body["made"]), str(one["cause"])))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # `runs check` says so
    return found
