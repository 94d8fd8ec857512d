"""Attendance and certificates: what a trainee did in a course, as HTML and tagged PDF, each JSON with the hash of the one before.

They lie in the state folder of whoever holds the course, in one chain for all courses; a trainee's end removes none.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner import documents
from provisioner.documents.ledger import Entry, Ledger, sha256
from provisioner.errors import Unverified
from provisioner.inventory.courses import Course, text
from provisioner.language import N_, translator
from provisioner.laptop import disk
from provisioner.training.grader import Verdict
from provisioner.training.trainee import Trainee, home

HASHES = ("contents_sha256", "html_sha256", "pdf_sha256")  # what a JSON has beside what it says
TITLES = {True: N_("Certificate"), False: N_("Attendance")}


@dataclass(frozen=True)
class Certificate:
    """One certificate on disk: its JSON's path and what it says."""

    path: Path
    body: Mapping[str, Any]


def ledger() -> Ledger:
    """All of them as a chain."""
    return Ledger(home() / "certificates", 4, "certificate")


def check() -> list[str]:
    """What is wrong with the chain, one sentence each; nothing when every byte is as it was written."""

    def entry(path: Path, raw: bytes) -> Entry:
        try:
            body = json.loads(raw)
            problems = [
                f"{other.name}: altered or deleted"
                for kind in ("html", "pdf")
                if not (other := path.with_suffix(f".{kind}")).is_file() or sha256(other) != body[f"{kind}_sha256"]
            ]
            if raw != _written(body).encode() or _digest(body) != body["contents_sha256"]:
                problems.append(f"{path.name}: altered")
            at = datetime.fromisoformat(body["made"])
            return Entry(body["number"], body["former"], f"{body['course']}-{body['trainee']}", at, problems)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(str(error)) from error

    return list(ledger().check(entry))


def keep(trainee: Trainee, course: Course, verdict: Verdict, *, by: str, now: datetime | None = None) -> Certificate:
    """Add one: a certificate where the course was passed, else that it was attended; one process at a time.

    Args:
        by: whose course it is, as people read it.
        now: its time; the clock's unless given.

    Raises:
        Unverified: an earlier one was altered; nothing is added.
        Missing: this laptop cannot make PDFs.
    """
    disk.make(ledger().folder)
    with contextlib.ExitStack() as held:
        descriptor = os.open(ledger().folder, os.O_RDONLY | os.O_DIRECTORY)
        held.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # of a class that ends together each has a number of its own
        return _add(trainee, course, verdict, by, now or datetime.now(UTC))


def _add(trainee: Trainee, course: Course, verdict: Verdict, by: str, now: datetime) -> Certificate:
    if problems := check():
        raise Unverified(f"an earlier certificate was altered: {problems[0]}", hint=str(ledger().folder))
    chain, made = ledger(), now.isoformat(timespec="seconds").replace("+00:00", "Z")
    titles = text(Path(trainee.root), course.name, trainee.language).steps
    body: dict[str, Any] = {
        "number": chain.next_number(), "former": chain.newest_sha256(), "course": course.name, "trainee": trainee.name,
        "title": getattr(course.title, trainee.language), "language": trainee.language, "began": trainee.began, "made": made,
        "by": by, "minutes": course.minutes, "passed": verdict.passed, "points": verdict.points, "of": verdict.of,
        "learnt": [getattr(one, trainee.language) for one in course.learnt],
        "steps": [
            {"step": one.step, "title": titles[one.step][0], "holds": one.holds, "points": one.points, "of": one.of}
            for one in verdict.steps
        ],
        "faults": [
            {"told": getattr(course.faults[name].told, trainee.language), "mended": name in verdict.mended}
            for name in verdict.planted
        ],
        "broken": [{"sentence": sentence, "values": values} for sentence, values in verdict.broken],
    }  # fmt: skip
    source = page(body)
    pdf = documents.pdf(source)
    path = chain.folder / chain.name(body["number"], f"{course.name}-{trainee.name}")
    disk.write(path.with_suffix(".html"), source)
    disk.write(path.with_suffix(".pdf"), pdf)
    body |= {
        "contents_sha256": _digest(body),
        "html_sha256": hashlib.sha256(source.encode()).hexdigest(),
        "pdf_sha256": hashlib.sha256(pdf).hexdigest(),
    }
    disk.write(path, _written(body))
    return Certificate(path, body)


def page(body: Mapping[str, Any]) -> str:
    """One of them as HTML; pure."""
    say = translator(str(body["language"]))
    name = say(TITLES[bool(body["passed"])])
    return documents.html(
        "certificate.html",
        str(body["language"]),
        {"c": body, "kind": TITLES[bool(body["passed"])], "day": str(body["made"])[:10], "author": body["by"]},
        title=f"{name} – {body['trainee']} – {body['title']}",
        running=f"{name} · {body['course']}",
        lab=False,  # the office was a virtual one, what was learnt is not
        made=str(body["made"]),
    )


def _written(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def _digest(body: Mapping[str, Any]) -> str:
    said = {name: value for name, value in body.items() if name not in HASHES}
    return hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
