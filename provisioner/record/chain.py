"""The records of an office on disk: three files each, each JSON with the hashes of its two others and of the former JSON.

A JSON is written last: a record killed half way is none, and the next one takes its place. Nothing is ever edited.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provisioner.laptop.disk import make, write
from provisioner.record.contents import digest

HASHES = ("contents_sha256", "html_sha256", "pdf_sha256")  # what a JSON has beside the record's contents
_NAME = re.compile(r"(\d{4})-[^/]+\.json")


def records(folder: Path) -> list[Path]:
    """The records' JSON files, in the order of their numbers."""
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name)) if folder.is_dir() else []


def next_number(folder: Path) -> int:
    """The number of the record to come."""
    former = records(folder)
    return int(former[-1].name[:4]) + 1 if former else 1


def sha256(path: Path) -> str:
    """The hash of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def former_sha256(folder: Path) -> str | None:
    """The hash of the newest record's JSON, to stand in the one to come."""
    former = records(folder)
    return sha256(former[-1]) if former else None


def written(body: Mapping[str, Any]) -> str:
    """A record's JSON as its file has it, to the byte."""
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def keep(folder: Path, said: Mapping[str, Any], html: str, pdf: bytes, *, mode: int) -> Path:
    """Add a record: HTML, PDF, then the JSON that makes them one; returns the JSON's path."""
    make(folder)
    path = folder / f"{said['number']:04d}-{said['verify']['run']}.json"
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
    number = f"{next_number(folder):04d}-"
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
    problems: list[str] = []
    expected, former, last, ours = 1, None, "", set()
    for path in records(folder):
        raw = path.read_bytes() if path.is_file() else b""
        ours |= {path.name, path.with_suffix(".html").name, path.with_suffix(".pdf").name}
        try:
            body = json.loads(raw)
            number, claimed, made, run = body["number"], body["former"], body["made"], body["verify"]["run"]
            problems += _altered(path, raw, body, audit)
        except (ValueError, KeyError, TypeError, RecursionError):
            problems.append(f"{path.name}: not a record any more")
            former, expected = hashlib.sha256(raw).hexdigest(), expected + 1
            continue
        if path.name != f"{number:04d}-{run}.json":
            problems.append(f"{path.name}: says it is number {number} of run {run}")
        if number > expected:
            problems.append(f"{path.name}: {number - expected} missing before it")
        elif number < expected:
            problems.append(f"{path.name}: two heads: number {number} stands twice")
        elif claimed != former:
            problems.append(f"{path.name}: the one before it was altered after it was written")
        if made < last:
            problems.append(f"{path.name}: made before the one it follows")
        expected, former, last = max(expected, number + 1), hashlib.sha256(raw).hexdigest(), max(last, made)
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name not in ours:
            problems.append(f"{path.name}: belongs to no record")
    for name, value in sorted((remembered or {}).items()):
        path = folder / name
        if not path.is_file():
            problems.append(f"{name}: deleted")
        elif sha256(path) != value:
            problems.append(f"{name}: altered since its commit")
    return problems


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
    proof = audit / body["verify"]["file"]
    if not proof.is_file() or sha256(proof) != body["verify"]["sha256"]:
        problems.append(f"{path.name}: the tests it was made from ({proof.name}) were altered or deleted")
    return problems
