"""Who was shut out, as the offices' audits tell: what a merge loses from a reseller's file stands there all the same.

Whom the audit says was revoked stays revoked until somebody re-admits that person by name (`access admit`, which writes
`readmitted:` beside them); the same key at another login or another reseller is theirs too.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import BadInput
from provisioner.inventory.rules import bare

if TYPE_CHECKING:
    from provisioner.inventory import Inventory
    from provisioner.inventory.models import Reseller


@dataclass(frozen=True, slots=True)
class Revocation:
    """Somebody was shut out of an office's hosts: when (ISO 8601, UTC), in which run, and the keys they had."""

    login: str
    reseller: str
    at: str
    office: str
    run: str
    keys: frozenset[str]


def told(inventory: "Inventory", offices: Iterable[tuple[str, str]]) -> list[Revocation]:
    """The newest revocation of everybody, with every key of any of them; `offices` are (name, reseller)."""
    found: dict[tuple[str, str], Revocation] = {}
    for name, reseller in offices:
        for one in _audit(inventory.root / "offices" / name / "runs", name, reseller):
            before = found.get((reseller, one.login))
            keys = one.keys | (before.keys if before else frozenset())
            newest = one if before is None or one.at >= before.at else before
            found[reseller, one.login] = Revocation(one.login, reseller, newest.at, newest.office, newest.run, keys)
    return list(found.values())


def _audit(folder: Path, office: str, reseller: str) -> Iterator[Revocation]:
    for path in sorted(folder.glob("*-*.json")):
        raw = path.read_bytes()
        if b'"refuses"' not in raw:  # most are not about it
            continue
        try:
            data = json.loads(raw)
            named, revoked = data["refuses"], data.get("revoked", {})
            for login in named:
                keys = frozenset(bare(key) for key in revoked.get(login, ()) if bare(key))
                yield Revocation(str(login), reseller, str(data["started"]), office, str(data["run"]), keys)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # `runs check` says so


def returned(reseller: "Reseller", revoked: Iterable[Revocation]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Who stands in a reseller's file though the audit says they were shut out: place, what, what to try. Pure."""
    for one in revoked:
        who = reseller.technicians.get(one.login)
        again = bool(who and who.readmitted and _when(who.readmitted) > _when(one.at))
        if who and one.reseller == reseller.name and not again:
            what = f"{one.login} was shut out on {one.at} (run {one.run} of {one.office}) and stands among the technicians again"
            yield ("technicians", one.login), what, _hint(one.login)
        for login, other in {} if again else reseller.technicians.items():
            if login == one.login and one.reseller == reseller.name:
                continue
            for n, key in enumerate(other.keys):
                if bare(key) in one.keys:
                    what = f"this is a key of {one.login}, who was shut out on {one.at} (run {one.run} of {one.office})"
                    yield ("technicians", login, "keys", n), what, "a key of their own: ssh-keygen -t ed25519"


def _hint(login: str) -> str:
    return f"provisioner access revoke {login} writes them down again; provisioner access admit {login} lets them in again"


def _when(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return datetime.fromisoformat("9999-12-31T00:00:00+00:00")
    return at if at.tzinfo else at.replace(tzinfo=datetime.fromisoformat("2000-01-01T00:00:00+00:00").tzinfo)


def refuse(inventory: "Inventory", office: str, reseller: "Reseller") -> None:
    """Stop where an apply to this office would let in somebody whom its own audit says was shut out.

    Raises:
        BadInput: it would; the hint says how it is meant.
    """
    for _, what, hint in returned(reseller, told(inventory, [(office, reseller.name)])):
        raise BadInput(f"resellers/{reseller.name}.yml: {what}", hint=hint)


def everywhere(inventory: "Inventory", served: Mapping[str, str]) -> list[Revocation]:
    """Those of all offices (name -> reseller), and those that the resellers' own files name."""
    found = told(inventory, served.items())
    for reseller in inventory.resellers():
        for login, gone in reseller.former.items():
            keys = frozenset(bare(key) for key in gone.keys)
            found.append(Revocation(login, reseller.name, gone.left, "", "", keys))
    return found
