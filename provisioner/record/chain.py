"""The records of an office on disk: three files each, each JSON with the hashes of its two others and of the JSON before it.

A JSON is written last: a record killed half way is none, and the next one takes its place. Nothing is ever edited.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner.documents.ledger import Entry, Ledger, sha256, unlike
from provisioner.laptop.disk import make, write
from provisioner.record.contents import digest

HASHES = ("contents_sha256", "html_sha256", "pdf_sha256")  # what a JSON has beside the record's contents


def ledger(folder: Path) -> Ledger:
    """The records of an office as a chain."""
    return Ledger(folder, 4, "record")


def records(folder: Path) -> list[Path]:
    """The records' JSON files, in the order of their numbers."""
    return ledger(folder).files()


def written(body: Mapping[str, Any]) -> str:
    """A record's JSON as its file has it, to the byte."""
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def keep(folder: Path, said: Mapping[str, Any], html: str, pdf: bytes, *, mode: int) -> Path:
    """Add a record: HTML, PDF, then the JSON that makes them one; returns the JSON's path."""
    make(folder)
    path = folder / ledger(folder).name(said["number"], said["verify"]["run"])
    write(path.with_suffix(".html"), html, mode=mode)
    write(path.with_suffix(".pdf"), pdf, mode=mode)
    hashes = {
        "contents_sha256": digest(said),
        "html_sha256": hashlib.sha256(html.encode()).hexdigest(),
        "pdf_sha256": hashlib.sha256(pdf).hexdigest(),
    }
    write(path, written({**said, **hashes}), mode=mode)
    return path


def sweep(folder: Path, remembered: Mapping[str, str]) -> None:
    """Remove what a record that was killed before it had its JSON left behind; what others remember stays, to be told of."""
    number = f"{ledger(folder).next_number():04d}-"
    for left in [*folder.glob(f"{number}*"), *folder.glob(f".{number}*")]:
        if left.name not in remembered:
            left.unlink()


def check(folder: Path, audit: Path, remembered: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with the records of an office, one sentence each; empty when every byte is as it was written.

    Args:
        folder: the office's `records/`.
        audit: its `runs/`: the summaries the records were made from.
        remembered: file name -> sha256 of the first version that others remember (git).
    """
    ours: set[str] = set()

    def entry(path: Path, raw: bytes) -> Entry:
        ours.update(path.with_suffix(suffix).name for suffix in (".json", ".html", ".pdf"))
        try:
            body = json.loads(raw)
            problems = _altered(path, raw, body, audit)
            at = datetime.fromisoformat(body["made"]).astimezone(UTC)
            return Entry(body["number"], body["former"], body["verify"]["run"], at, problems)
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(str(error)) from error

    problems = list(ledger(folder).check(entry))
    strangers = [path.name for path in sorted(folder.iterdir()) if path.name not in ours] if folder.is_dir() else []
    problems += [f"{name}: belongs to no record" for name in strangers]
    return [*problems, *unlike(folder, remembered or {}, "altered since its commit")]


def _altered(path: Path, raw: bytes, body: dict[str, Any], audit: Path) -> list[str]:
    """What one record's own hashes say of its three files and of the summary it was made from.

    Raises:
        ValueError, KeyError, TypeError: it is no record.
    """
    if [type(value) for value in (body["number"], body["made"], body["verify"]["run"])] != [int, str, str]:
        raise ValueError("an entry of another kind")
    problems = []
    said = {key: value for key, value in body.items() if key not in HASHES}
    if raw != written(body).encode() or digest(said) != body["contents_sha256"]:
        problems.append(f"{path.name}: altered")
    for kind in ("html", "pdf"):
        other = path.with_suffix(f".{kind}")
        if not other.is_file():
            problems.append(f"{other.name}: deleted")
        elif sha256(other) != body[f"{kind}_sha256"]:
            problems.append(f"{other.name}: altered")
    verification = audit / body["verify"]["file"]
    if not verification.is_file() or sha256(verification) != body["verify"]["sha256"]:
        problems.append(f"{path.name}: the tests it was made from ({verification.name}) were altered or deleted")
    return problems
