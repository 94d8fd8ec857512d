"""A backup proven: the newest night of each place put back in a throw-away lab, compared with what restic holds, and used.

Nothing is written at the office: its repositories are read through its own server, by SFTP that may only read, or by the keeper's
rclone. What becomes of it is a certificate, good or bad (`runs/proofs.py`).
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner.backup.talk import backup_server
from provisioner.backup.throwaway import Throwaway, call, into, throwaway
from provisioner.errors import BadInput, HostFailed, Missing, ProvisionerError, Unreadable
from provisioner.inventory import open_inventory
from provisioner.inventory.placement import WEBSITE, common_share, services
from provisioner.inventory.target import Target
from provisioner.language import translator
from provisioner.laptop.text import visible
from provisioner.runs import proofs
from provisioner.secrets import vault

if TYPE_CHECKING:
    from provisioner.inventory.dossier import Office

Say = Callable[[str], None]
AGED_H, AHEAD_S = 72, 3600
DISK_MIB = 512  # beside what the night holds
REPOSITORY = "/srv/backup/restic"
SFTP = ["sudo", "-n", "/usr/lib/openssh/sftp-server", "-R"]  # it may only read
AWAY = ["sudo", "-n", "ssh", "-F", "/etc/office-backup/ssh_config", "office-backup"]
TRIED = ("session", "share", "others", "calendar")
# the drives below a folder, the keys this machine shows
DRIVES = """
for at in / /srv/share /srv/backup; do
  echo "$at" $(lsblk -snro NAME,TYPE "$(findmnt -no SOURCE --target $at)" 2>/dev/null | sed -n "s/ disk$//p")
done
cut -d" " -f1,2 /etc/ssh/ssh_host_*_key.pub
"""


@dataclass(frozen=True)
class Proof:
    """What became of a place: its newest night, what was compared, what was used; `cause` is why it is not proven."""

    place: str
    cause: str = ""
    snapshot: str = ""
    at: str = ""
    bytes: int = 0
    files: int = 0
    entries: int = 0
    person: str = ""
    folders: Mapping[str, int] = field(default_factory=dict)
    answered: tuple[str, ...] = ()
    seconds: float = 0.0

    def as_object(self) -> dict[str, Any]:
        """As the certificate has it."""
        return {
            "place": self.place, "cause": self.cause, "snapshot": self.snapshot, "at": self.at, "bytes": self.bytes,
            "files": self.files, "entries": self.entries, "person": self.person, "folders": dict(self.folders),
            "answered": list(self.answered), "seconds": round(self.seconds, 1),
        }  # fmt: skip


def longest_unproven(root: Path, count: int) -> list[Target]:
    """So many offices with backups of their own: first those without a proof, then by the age of the last."""
    targets = [Target(root, name) for name in open_inventory(root).office_names()]
    last = {target: min((made for made, _ in proofs.newest(target).values()), default="") for target in targets}
    found: list[Target] = []
    for target in sorted(targets, key=lambda one: (last[one], one.office)):
        with contextlib.suppress(Missing, BadInput):  # `inventory check` says what is wrong with a dossier
            backup_server(target)
            found.append(target)
        if len(found) == count:
            break
    return found


def prove(target: Target, say: Say, place: str = "") -> list[Proof]:
    """Prove every place of an office, or one of them; one that cannot be proven does not hide the other.

    Raises:
        Missing: the office has no backups. Locked: its vault is.
        Unreachable, HostFailed: its server does not answer, or the lab could not be made.
    """
    server = backup_server(target)
    password = vault.read(target).backup.get("password", "")
    seen = call(target, ["backup", "list"], *(["--place", place] if place else []))
    if "places" not in seen.data:
        raise HostFailed(f"{server}: {seen.why}", hint=f"provisioner backup list {target.words}")
    same = same_disk(target, server)
    found = [judged(one, time.time(), same.get(str(one.get("place")), "")) for one in seen.data["places"]]
    due = [one for one in found if not one.cause]
    if due:
        room = max(one.bytes for one in due)
        with throwaway(target, server, DISK_MIB + 2 * (room >> 20), say) as here:
            done = {one.place: _proven(target, here, one, password, say) for one in due}
        found = [done.get(one.place, one) for one in found]
    return found


def judged(said: Mapping[str, Any], now: float, same: str) -> Proof:
    """A place by what its list says: what speaks against it before anything is read. Pure; `now` in s since 1970."""
    try:
        place, snapshots = str(said["place"]), sorted(said["snapshots"], key=lambda one: datetime.fromisoformat(one["at"]))
        newest = snapshots[-1] if snapshots else None
        proof = Proof(place, snapshot=newest["id"], at=newest["at"], bytes=newest["bytes"]) if newest else Proof(place)
    except (KeyError, TypeError, ValueError) as problem:
        raise Unreadable(f"the list of backups cannot be read: {problem}") from None
    if said.get("problem"):
        return replace(proof, cause=visible(str(said["problem"])))
    if not newest:
        return replace(proof, cause="nothing was backed up there yet")
    if same:
        return replace(proof, cause=same)
    age = now - datetime.fromisoformat(proof.at).timestamp()
    if age > AGED_H * 3600:
        return replace(proof, cause=f"its newest night is {age / 86400:.0f} days old, of {proof.at[:16]}")
    if age < -AHEAD_S:
        return replace(proof, cause=f"its newest night is dated {proof.at[:16]}, in the future")
    return proof


def same_disk(target: Target, server: str) -> dict[str, str]:
    """Places that go when the server does: place -> the sentence. What cannot be told (a virtual disk) speaks against none."""
    done = call(target, ["ssh"], server, "--", f"sudo -n sh -c '{DRIVES}'")
    return together(str(done.data.get("stdout", ""))[:20_000], _away(target))


def _away(target: Target) -> str:
    backup = open_inventory(target.inventory).office(target.office).backup
    return backup.host_key if backup and not target.lab else ""


def together(said: str, away: str) -> dict[str, str]:
    """The same of what that machine says, line by line: a folder and the drives below it, or a key; `away`: the place's key."""
    found, keys = dict[str, set[str]](), set[str]()
    for line in said.splitlines():
        first, *rest = line.split()[:50] or [""]
        if first.startswith("/"):
            found[first] = set(rest)
        elif rest:
            keys.add(f"{first} {rest[0]}")
    bad = {}
    if both := found.get("/srv/backup", set()) & (found.get("/srv/share", set()) | found.get("/", set())):
        bad["disk"] = f"it lies on the very drive that it keeps a copy of ({', '.join(sorted(both))})"
    if away and " ".join(away.split()[:2]) in keys:
        bad["remote"] = "the second place is the server itself: it shows the same host key"
    return bad


def _proven(target: Target, here: Throwaway, proof: Proof, password: str, say: Say) -> Proof:
    began = time.monotonic()

    def ended(**found: Any) -> Proof:
        return replace(proof, seconds=time.monotonic() - began, **found)

    try:
        say(f"{proof.place}: fetching the night of {proof.at[:16]}")
        kind, repository, way = _way(target, proof.place)
        asked = {"password": password, "kind": kind, "repository": repository, "snapshot": proof.snapshot}
        held = here.ask("fetch", asked, into(target, here.server, way))
        say(f"{proof.place}: restoring and comparing")
        same = here.ask("compare", {"paths": held["paths"]})
        found = {"files": int(same["files"]), "entries": int(same["entries"]), "bytes": int(same["bytes"])}
        if same["count"]:
            told = "; ".join(visible(str(one)) for one in same["unlike"][:5])
            return ended(cause=f"{same['count']} entries came back other than restic holds them: {told}", **found)
        say(f"{proof.place}: putting it in place and using it")
        return ended(**found, **_used(target, here))
    except (ProvisionerError, KeyError, TypeError, ValueError) as problem:
        return ended(cause=visible(str(problem))[:1000])


def _way(target: Target, place: str) -> tuple[str, str, list[str]]:
    """How a place is read through the server: restic's kind, its repository, the command there."""
    if place == "disk":
        return "sftp", f"sftp:office:{REPOSITORY}", SFTP
    backup = open_inventory(target.inventory).office(target.office).backup
    assert backup
    if backup.append_only:
        return "rclone", f"rclone:{backup.path}", [*AWAY, "rclone"]
    return "sftp", f"sftp:office:{backup.path}", [*AWAY[:-1], "-s", AWAY[-1], "sftp"]


def _used(target: Target, here: Throwaway) -> dict[str, Any]:
    """The everyday restore, then a person of the office and the witness of `verify` at what came back."""
    here.do(["backup", "restore"], "--yes", "--place", "disk")
    inventory = open_inventory(here.target.inventory)
    office = inventory.office(target.office)
    pack = inventory.pack(office.pack)
    there = services(pack, office)
    found: dict[str, Any] = {}
    if {"directory", "file_share"} <= set(there) and office.people:
        shares = [common_share(pack, office), "{login}"]
        said = here.ask("person", {"people": list(office.people), "shares": shares})
        found = {"person": said["login"], "folders": {str(name): int(count) for name, count in said["folders"].items()}}
    done = call(here.target, ["verify"], *(word for name in TRIED for word in ("--only", name)))
    if "findings" not in done.data:
        raise HostFailed(f"verify in the throw-away lab: {done.why}")
    answered = dict.fromkeys(_answered(done.data["findings"]))  # a check may have several findings
    if (here.target.folder / "website").is_dir() and WEBSITE in there and serves_itself(office):
        _online(here)
        answered[WEBSITE] = None
    return found | {"answered": tuple(answered)}


def serves_itself(office: "Office") -> bool:
    """Whether the office's website is on its own server."""
    return office.website is not None and (office.website.served_by or office.name) == office.name


def _online(here: Throwaway) -> None:
    """The website is built of our pages and of what came back of the office's own, put online, and looked at on its server."""
    here.do(["website", "deploy"], "--keep", "folder")
    done = call(here.target, ["check"])
    offices = done.data.get("offices") or [{}]
    found = [one for one in offices[0].get("findings", ()) if one["check"] == WEBSITE]
    if not found:
        raise HostFailed(f"check in the throw-away lab says nothing of the website: {done.why}")
    for one in found:
        if one["level"] != "ok":
            raise HostFailed(_why(one))


def _answered(findings: list[dict[str, Any]]) -> Iterator[str]:
    for one in findings:
        if one["check"] in TRIED and one["level"] == "ok":
            yield str(one["check"])
        elif one["check"] in TRIED and one["level"] != "not_applicable":
            raise HostFailed(_why(one))


def _why(finding: dict[str, Any]) -> str:
    """A finding as a cause; two spaces before what was seen, so that either part is found in the catalog."""
    sentence = translator("en")(finding["sentence"], finding["values"])
    return f"{finding['check']}: {sentence}  {str(finding['evidence'])[:300]}"
