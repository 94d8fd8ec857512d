"""What an office was installed as, kept in the summaries of its applies, and which changes of its dossier no apply can follow.

A directory keeps its name and its accounts, a machine its name and what a pack put on it, a LAN its network: a dossier that says
otherwise is refused before anything is contacted, for an apply would stop half-way. It holds for machines that are still those of
then, by their pinned keys: one installed anew, or replaced, remembers nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner.inventory.conflicts import Conflict

if TYPE_CHECKING:
    from provisioner.inventory.dossier import Office

KEY = "installed"  # under which a summary has it
_MARK = f'"{KEY}"'.encode()
ANEW = "machines installed anew (provisioner adopt OFFICE HOST --replace-key)"


@dataclass(frozen=True, slots=True)
class Machine:
    """A host as it was installed; `keys` are the pinned ones of then, `type base64`."""

    kind: str
    mac: str
    address: str
    keys: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Installed:
    """An office as it was installed; `once` are names that people and groups had at any time: each is taken for good."""

    network: str
    domain: str
    pack: str
    variant: str
    machines: Mapping[str, Machine] = field(default_factory=dict)
    people: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    once_people: tuple[str, ...] = ()
    once_groups: tuple[str, ...] = ()

    def as_object(self) -> dict[str, Any]:
        """As a summary has it."""
        return asdict(self)


def pins(known_hosts: Path, office: str) -> dict[str, list[str]]:
    """The keys pinned in a file: host -> `type base64` lines."""
    found: dict[str, list[str]] = {}
    if known_hosts.exists():
        for line in known_hosts.read_text().splitlines():
            alias, _, key = line.strip().partition(" ")
            host, _, whose = alias.partition(".")
            if whose == office and key:
                found.setdefault(host, []).append(key)
    return found


def _texts(said: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON has as texts and lists of texts, a section as it is."""
    return {
        w: one if isinstance(one, dict) else tuple(map(str, one)) if isinstance(one, list) else str(one)
        for w, one in said.items()
    }


def read(summaries: Path) -> Installed | None:
    """What the newest apply noted; None before the first, or where an earlier version made all of them."""
    for path in sorted(summaries.glob("*-*.json"), reverse=True):
        raw = path.read_bytes()
        if _MARK not in raw:
            continue
        try:
            data = _texts(json.loads(raw)[KEY])
            machines = {str(name): Machine(**_texts(one)) for name, one in data.pop("machines").items()}
            return Installed(machines=machines, **data)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # `runs check` says so
    return None


def note(
    before: Installed | None, office: "Office", roles: Mapping[str, Sequence[str]], known: Mapping[str, Sequence[str]]
) -> Installed:
    """What an apply to the hosts of `roles` notes: those as they are now, the others as they were."""
    machines = dict(before.machines) if before else {}
    for name, of in roles.items():
        host = office.hosts[name]
        machines[name] = Machine(host.kind.value, host.mac, str(host.address), tuple(known.get(name, ())), tuple(of))
    if before and all(office.hosts[name].kind == "router" for name in roles):  # it has neither accounts nor shares
        return replace(before, machines=machines)
    once_people = {*(before.once_people if before else ()), *office.people, *office.former}
    once_groups = {*(before.once_groups if before else ()), *office.groups}
    return Installed(
        str(office.lan.network), office.lan.domain, office.pack, office.variant, machines,
        tuple(office.people), tuple(office.groups), tuple(sorted(once_people)), tuple(sorted(once_groups)),
    )  # fmt: skip


def judge(
    was: Installed,
    office: "Office",
    roles: Mapping[str, Sequence[str]],
    known: Mapping[str, Sequence[str]],
    *,
    force: bool = False,
) -> Iterator[Conflict]:
    """Every change of a dossier that no apply can follow, and what is only lost from sight. Pure.

    Args:
        was: what the newest apply noted.
        office: the office as its dossier has it now.
        roles: what each of its hosts gets now.
        known: the pinned keys of now.
        force: let a pack through that gives a machine less than it has.
    """
    standing = {name: one for name, one in was.machines.items() if set(one.keys) & set(known.get(name, ()))}
    if not standing:
        return
    if str(office.lan.network) != was.network:
        what = f"the office is installed on {was.network}: its machines would lose each other half-way to {office.lan.network}"
        yield Conflict(("lan", "network"), what, f"{was.network}; another network is for {ANEW}")
    directory = any("directory" in one.roles for one in standing.values())
    if directory and office.lan.domain != was.domain:
        what = f"the office's directory is {was.domain}, and so are its machines and accounts for good"
        yield Conflict(("lan", "domain"), what, was.domain)
    yield from _machines(standing, office, known)
    if not force:
        yield from _lost(was, standing, office, roles)
    yield from _names(was, office)
    if any("file_share" in one.roles for one in standing.values()):
        for group in was.groups:
            if group not in office.groups and group not in office.people:
                what = f"the group {group} is gone: the files of its share stay on the server, where nobody sees them any more"
                yield Conflict(("groups",), what, "moving them to another share before the next apply", warning=True)


def _machines(standing: Mapping[str, Machine], office: "Office", known: Mapping[str, Sequence[str]]) -> Iterator[Conflict]:
    """A machine keeps its name and its kind, and no two swap addresses in one go."""
    macs = {one.mac: name for name, one in standing.items() if name not in office.hosts}
    addresses = {one.address: name for name, one in standing.items() if name in office.hosts}
    renamed = set()
    for name, host in office.hosts.items():
        old = macs.get(host.mac)
        if old and not set(known.get(name, ())) - set(standing[old].keys):
            renamed.add(old)
            what = f"this machine is installed as {old}, and keeps that name"
            yield Conflict(("hosts", name), what, f"{old}; another name is for {ANEW}")
        if name in standing and host.kind.value != standing[name].kind:
            what = f"this machine is installed as a {standing[name].kind}: what that put on it would stay"
            yield Conflict(("hosts", name, "kind"), what, f"{standing[name].kind}; another kind is for {ANEW}")
        holder = addresses.get(str(host.address), name)
        if name in standing and holder != name:
            what = f"{host.address} is what {holder} has until it is applied: both would have it for a while"
            yield Conflict(
                ("hosts", name, "address"), what, f"one apply after the other: first {holder} to an address that is free"
            )
    for name, one in standing.items():
        if one.kind == "server" and name not in office.hosts and name not in renamed:
            what = f"the server {name} is gone, which holds the office's accounts and files"
            yield Conflict(("hosts",), what, f"{name}; an office without a server is for {ANEW}")


def _lost(
    was: Installed, standing: Mapping[str, Machine], office: "Office", roles: Mapping[str, Sequence[str]]
) -> Iterator[Conflict]:
    """No apply takes a role off a machine: its programs would go on, unseen, behind closed ports."""
    for name, one in standing.items():
        lost = [role for role in one.roles if role not in roles.get(name, one.roles)]
        if lost and office.hosts[name].kind.value == one.kind:
            what = f"{name} would lose {', '.join(lost)}, which no apply takes off it: it stays there, its ports are closed"
            word = "variant" if office.pack == was.pack and office.variant != was.variant else "pack"
            hint = f"{was.variant if word == 'variant' else was.pack}, or: provisioner apply {office.name} --force"
            yield Conflict((word,), what, hint)


def _names(was: Installed, office: "Office") -> Iterator[Conflict]:
    """An account and a share keep their name for good; who leaves is written down as having left."""
    for login in was.people:
        if login not in office.people and login not in office.former:
            what = f"{login} has an account and files here, and stands nowhere any more; a login cannot be renamed"
            hint = f"{login} again; who leaves: provisioner person remove {office.name} {login} --successor LOGIN"
            yield Conflict(("people",), what, hint)
    for section, names in (("people", office.people), ("former", office.former)):
        for login in names:
            if login in was.once_groups and login not in was.once_people:
                what = "was the name of a group here, whose folder stays"
                yield Conflict((section, login), what, "another login")
    for group in office.groups:
        if group in was.once_people and group not in was.once_groups:
            yield Conflict(("groups", group), "was somebody's login here, whose account stays", "another name")
