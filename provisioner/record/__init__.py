"""The hand-over record ("procès-verbal de recette"): what was installed, tested and found, for both parties to sign.

Made from the newest verification in the office's audit, never from hopes: `judgement` decides what it amounts to,
`contents` says it, `chain` keeps it. `sheet` makes the first-steps sheet of each person.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner import documents
from provisioner.documents.ledger import content, sha256
from provisioner.errors import Missing, Unverified
from provisioner.inventory import open_inventory
from provisioner.language import N_, evidence, of_locale, translator
from provisioner.laptop import git
from provisioner.record import chain
from provisioner.record.contents import KINDS, SERVICES, contents, digest, lasting
from provisioner.record.judgement import WITHOUT, judge
from provisioner.runs import audit

if TYPE_CHECKING:
    from provisioner.inventory.target import Target

VERDICTS = {True: N_("Handed over without reserves"), False: N_("Handed over with reserves")}


@dataclass(frozen=True)
class Record:
    """One record on disk: its JSON's path and what it says."""

    path: Path
    body: Mapping[str, Any]

    @property
    def html(self) -> Path:
        """The document for screens."""
        return self.path.with_suffix(".html")

    @property
    def pdf(self) -> Path:
        """The document for paper, tagged."""
        return self.path.with_suffix(".pdf")


def folder(target: "Target") -> Path:
    """Where an office's records lie, or its lab's."""
    return target.kept / "records"


def new(
    target: "Target", *, by: tuple[str, str, str], language: str = "", commit: bool = True, now: datetime | None = None
) -> Record:
    """Make a record from the newest verification.

    Args:
        target: the office, or its lab.
        by: who makes it: login, name, e-mail.
        language: `fr` or `en`; the office's own unless given.
        commit: one commit for it (real offices in git only).
        now: its time; the clock's unless given.

    Raises:
        Missing: nothing was verified yet, or this laptop cannot make PDFs.
        Unverified: the audit the record would rest on, or an earlier record, was altered.
    """
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    problems = audit.check(target.summaries, {} if target.lab else git.remembered(target.inventory, target.summaries))
    if problems:
        raise Unverified(
            f"the record would rest on an audit that was altered: {problems[0]}", hint=f"provisioner runs check {_named(target)}"
        )
    where = folder(target)
    remembered = {} if target.lab else git.remembered(target.inventory, where)
    chain.sweep(where, remembered)
    if problems := chain.check(where, target.summaries, remembered):
        raise Unverified(f"an earlier record was altered: {problems[0]}", hint=f"provisioner record check {_named(target)}")
    verify, later = newest(target)
    moment = now or datetime.now(UTC)
    reseller = inventory.reseller(office.reseller)
    titles, expected = checks(reboot=bool(verify.get("reboot")))
    judgement = judge(
        verify,
        hosts=list(office.hosts),
        expected=expected,
        dossier_sha256=sha256(target.folder / "dossier.yml"),
        later=later,
        now=moment,
        called=any(one["phone"] for one in reseller.contacts()),
    )
    said = contents(
        office,
        inventory.pack(office.pack),
        reseller,
        verify,
        judgement,
        number=chain.ledger(where).next_number(),
        made=moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
        by={"login": by[0], "name": by[1]},
        titles=titles,
    ) | {"language": language or of_locale(office.language), "former": chain.ledger(where).newest_sha256()}
    said = json.loads(json.dumps(said, default=str))  # as a reader of the file will have it
    source = page(said, shown(target.summaries, said))
    path = chain.keep(where, said, source, documents.pdf(source), mode=0o600 if target.lab else 0o644)
    if commit and not target.lab:
        told = translator("en")(VERDICTS[said["verdict"] == WITHOUT]).lower()
        files = [path, path.with_suffix(".html"), path.with_suffix(".pdf")]
        message = f"{target.office}: record {said['number']}: {told}\n\nrun {said['verify']['run']}\n"
        git.commit(target.inventory, files, message, name=by[1], email=by[2])
    return Record(path, json.loads(path.read_bytes()))


def show(target: "Target") -> Record:
    """The newest record.

    Raises:
        Missing: there is none.
        Unverified: it cannot be read any more.
    """
    found = chain.records(folder(target))
    if not found:
        raise Missing(f"no record of {target.office} yet", hint=f"provisioner record new {_named(target)}")
    try:
        body = json.loads(found[-1].read_bytes())
        if {"number", "verdict", "made", "reserves"} <= set(body):
            return Record(found[-1], body)
    except (ValueError, TypeError):
        pass
    raise Unverified(f"{found[-1].name}: not a record any more", hint=f"provisioner record check {_named(target)}")


def check(target: "Target") -> list[str]:
    """What is wrong with the office's records, one sentence each; empty when every byte is as it was written."""
    where = folder(target)
    remembered = {} if target.lab else git.remembered(target.inventory, where)
    return chain.check(where, target.summaries, remembered)


def newest(target: "Target") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The summary of the newest verification, with its `file` and `sha256`, and the summaries that came after it.

    Raises:
        Missing: there is none.
    """
    later: list[dict[str, Any]] = []
    for path in reversed(audit.summaries(target.summaries)):
        raw = content(path)
        summary: dict[str, Any] = json.loads(raw)  # the audit was checked
        if (summary.get("verb"), summary.get("office"), bool(summary.get("lab"))) == ("verify", target.office, target.lab):
            return {**summary, "file": path.name, "sha256": hashlib.sha256(raw).hexdigest()}, later[::-1]
        later.append(summary)
    raise Missing(f"{target.office} was never verified: there is nothing to record", hint=f"provisioner verify {_named(target)}")


def checks(*, reboot: bool) -> tuple[dict[str, str], Sequence[str]]:
    """The title of every check, and the names of those a whole verification makes."""
    from provisioner.verify.table import RESTARTED, TITLES

    return dict(TITLES), [name for name in TITLES if reboot or name != RESTARTED]


def shown(folder: Path, said: Mapping[str, Any]) -> dict[str, str]:
    """The pictures that a record's tests name, in base64, from the audit that was checked."""
    names = {str(name) for test in said["tests"] for name in test.get("pictures", ())}
    return {name: base64.b64encode((audit.pictures(folder) / name).read_bytes()).decode() for name in sorted(names)}


def page(said: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The record as HTML, from nothing but its contents and the pictures they name: the same make the same page, to the byte."""
    say = translator(said["language"])
    name = say(N_("Hand-over record no. {number}"), number=str(said["number"]))
    return documents.html(
        "record.html",
        said["language"],
        {
            "r": said, "pictures": pictures, "kinds": KINDS, "services": SERVICES, "levels": LEVELS,
            "counted": lasting(said["tests"]), "seen": partial(evidence.told, say),
            "without": said["verdict"] == WITHOUT, "verdict": VERDICTS[said["verdict"] == WITHOUT],
            "seal": digest(said), "day": documents.day_of(said["made"], said["timezone"]), "author": said["reseller"]["name"],
        },
        title=f"{name} – {said['client']['name']}",
        running=f"{name} · {said['office']}",
        lab=said["lab"],
        made=said["made"],
    )  # fmt: skip


# level -> its word for the client, its sign, its class in the style
LEVELS = {
    "ok": (N_("Passed"), "✓", "ok"),
    "warning": (N_("To watch"), "!", "doubt"),
    "unknown": (N_("Not known"), "?", "doubt"),
    "critical": (N_("Failed"), "✗", "bad"),
    "not_applicable": (N_("Not applicable"), "–", "none"),
}


def _named(target: "Target") -> str:
    return f"{target.office}{' --lab' if target.lab else ''}"
