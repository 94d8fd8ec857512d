"""Who was shut out, as the offices' audits and a file for each revocation tell: what a merge loses from a reseller's file stands
there all the same.

Whom they say was revoked stays revoked until somebody re-admits that person by name (`access admit`, which writes `readmitted:`
beside them); the same key at another login or another reseller is theirs too. The files are one each, named by whom and when:
an older copy of a file can win a merge, but it takes no other file away. One office is served without reading the audits of all.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import BadInput
from provisioner.inventory.rules import bare
from provisioner.laptop.disk import make
from provisioner.laptop.disk import write as disk_write
from provisioner.laptop.strays import refused, stray

if TYPE_CHECKING:
    from provisioner.inventory import Inventory
    from provisioner.inventory.resellers import Reseller


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


def folder(inventory: "Inventory") -> Path:
    """Where the files of revocations lie."""
    return inventory.root / "resellers" / "revoked"


def write(inventory: "Inventory", reseller: str, login: str, at: str, keys: Iterable[str]) -> Path:
    """Add the file of one revocation; its path."""
    path = folder(inventory) / f"{reseller}.{login}.{at.replace(':', '')}.json"
    make(path.parent)
    body = {"reseller": reseller, "login": login, "at": at, "keys": sorted(set(filter(None, map(bare, keys))))}
    disk_write(path, json.dumps(body, indent=1) + "\n")
    return path


def written(inventory: "Inventory") -> list[Revocation]:
    """Those of all files.

    Raises:
        BadInput: one is none any more.
    """
    found = []
    for path in sorted(path for path in folder(inventory).glob("*.json") if not stray(path.name)):
        try:
            if why := refused(inventory.root, path):
                raise ValueError(why)
            data = json.loads(path.read_bytes())
            keys = frozenset(str(key) for key in data["keys"])
            found.append(Revocation(str(data["login"]), str(data["reseller"]), str(data["at"]), "", path.name, keys))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"resellers/revoked/{path.name} is no revocation any more", hint=f"git checkout -- resellers/revoked/{path.name}"
            ) from error
    return found


def returned(reseller: "Reseller", revoked: Iterable[Revocation]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Who stands in a reseller's file though the audit says they were shut out: place, what, what to try. Pure."""
    for one in sorted(set(revoked), key=lambda one: (one.login, one.at, one.run)):
        where = f"run {one.run} of {one.office}" if one.office else one.run or f"resellers/{one.reseller}.yml"
        who = reseller.technicians.get(one.login)
        again = bool(who and who.readmitted and _when(who.readmitted) >= _when(one.at))
        if who and one.reseller == reseller.name and not again:
            what = f"{one.login} was shut out on {one.at} ({where}) and stands among the technicians again"
            yield ("technicians", one.login), what, _hint(one.login)
        for login, other in {} if again else reseller.technicians.items():
            if login == one.login and one.reseller == reseller.name:
                continue
            for n, key in enumerate(other.keys):
                if bare(key) in one.keys:
                    what = f"this is a key of {one.login}, who was shut out on {one.at} ({where})"
                    yield ("technicians", login, "keys", n), what, "a key of their own: ssh-keygen -t ed25519"


def _hint(login: str) -> str:
    return f"provisioner access revoke {login} writes them down again; provisioner access admit {login} lets them in again"


def _when(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return datetime.fromisoformat("9999-12-31T00:00:00+00:00")
    return at if at.tzinfo else at.replace(tzinfo=datetime.fromisoformat("2000-01-01T00:00:00+00:00").tzinfo)


def check(inventory: "Inventory", office: str, reseller: "Reseller") -> None:
    """Stop where an apply to this office would let in somebody whom its audit, or a file of revocations, says was shut out.

    Raises:
        BadInput: it would; the hint says how it is meant.
    """
    for _, what, hint in returned(reseller, [*told(inventory, [(office, reseller.name)]), *written(inventory)]):
        raise BadInput(f"resellers/{reseller.name}.yml: {what}", hint=hint)


def everywhere(inventory: "Inventory", served: Mapping[str, str]) -> list[Revocation]:
    """Those of all offices (name -> reseller), and those that the resellers' own files name."""
    found = [*told(inventory, served.items()), *written(inventory)]
    for reseller in inventory.resellers():
        for login, gone in reseller.former.items():
            keys = frozenset(bare(key) for key in gone.keys)
            found.append(Revocation(login, reseller.name, gone.left, "", "", keys))
    return found
