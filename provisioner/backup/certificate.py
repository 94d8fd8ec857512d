"""The certificate of a proof: what was put back, compared and used of each place, and how long it took; or why not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner import documents
from provisioner.backup.proof import Proof
from provisioner.errors import Unverified
from provisioner.inventory import open_inventory
from provisioner.inventory.target import Target
from provisioner.language import N_, of_locale, translator
from provisioner.language.terminal import told
from provisioner.laptop import git
from provisioner.runs import proofs

PLACES = {"disk": N_("The second disk"), "remote": N_("The place away from the office")}
TRIED = {
    "session": N_("an account logs in"),
    "share": N_("a document is written to the common folder and read back"),
    "others": N_("other people's folders stay closed"),
    "calendar": N_("the calendar answers"),
    "website": N_("the website answers"),
}


@dataclass(frozen=True)
class Certificate:
    """One on disk: its JSON's path, and what it says."""

    path: Path
    body: dict[str, Any]

    @property
    def good(self) -> bool:
        """Whether every place is proven."""
        return all(not one["cause"] for one in self.body["places"])


def sound(target: Target) -> None:
    """Let an office through whose certificates are as they were written.

    Raises:
        Unverified: one was altered: no other is put behind it.
    """
    remembered = {} if target.lab else git.remembered(target.inventory, proofs.folder(target))
    if problem := next(proofs.check(target, remembered), ""):
        raise Unverified(f"an earlier certificate was altered: {problem}", hint=f"provisioner runs check {target.words}")


def certify(
    target: Target, found: Sequence[Proof], *, run: str, began: datetime, by: tuple[str, str, str], language: str = "",
    commit: bool = True, now: datetime | None = None,
) -> Certificate:  # fmt: skip
    """Write it down behind the former ones.

    Args:
        target: the office, or its lab.
        found: what became of each place.
        run: its name in the chain.
        began: when the proof began.
        by: who made it: login, name, e-mail.
        language: `fr` or `en`; the office's own unless given.
        commit: one commit for it (real offices in git only).
        now: its end; the clock's unless given.

    Raises:
        Missing: this laptop cannot make PDFs.
    """
    inventory = open_inventory(target.inventory)
    office = inventory.office(target.office)
    ended = now or datetime.now(UTC)
    chain = proofs.ledger(target)
    said: dict[str, Any] = {
        "number": chain.next_number(), "run": run, "office": target.office, "lab": target.lab,
        "language": language or of_locale(office.language), "timezone": office.timezone,
        "client": office.organisation.name, "provider": inventory.reseller(office.reseller).organisation.name,
        "made": ended.isoformat(timespec="seconds").replace("+00:00", "Z"), "seconds": round((ended - began).total_seconds()),
        "by": {"login": by[0], "name": by[1]}, "places": [one.as_object() for one in found], "former": chain.newest_sha256(),
    }  # fmt: skip
    said = json.loads(json.dumps(said))  # as a reader of the file will have it
    source = page(said)
    files = proofs.keep(target, said, source, documents.pdf(source))
    made = Certificate(files[0], said)
    if commit and not target.lab:
        told = "backups are proven" if made.good else "backups are not proven"
        git.commit(target.inventory, files, f"{target.office}: {told}\n\nrun {run}\n", name=by[1], email=by[2])
    return made


def page(said: dict[str, Any]) -> str:
    """The certificate as HTML, from nothing but its contents."""
    say = translator(said["language"])
    name = say(N_("Proof of backups no. {number}"), number=str(said["number"]))
    good = all(not one["cause"] for one in said["places"])
    days = {one["at"]: documents.day_of(one["at"], said["timezone"]) for one in said["places"] if one["at"]}
    return documents.html(
        "proof.html",
        said["language"],
        {"r": said, "good": good, "titles": PLACES, "tried": TRIED, "days": days, "author": said["provider"],
         "causes": [told(one["cause"], said["language"]) for one in said["places"]],
         "day": documents.day_of(said["made"], said["timezone"])},
        title=f"{name} – {said['client']}",
        running=f"{name} · {said['office']}",
        lab=said["lab"],
        made=said["made"],
    )  # fmt: skip
