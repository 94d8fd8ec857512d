"""Which hosts of an office, and for whom: read from the inventory, before anything is contacted."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner import runs
from provisioner.errors import BadInput, Missing
from provisioner.hosts.access import SshAccess
from provisioner.hosts.keys import public_key, technician_key
from provisioner.hosts.lookup import HostLookup
from provisioner.hosts.pins import pinned
from provisioner.inventory import open_inventory, revocations
from provisioner.inventory.placement import dropped as lost
from provisioner.inventory.rules import bare
from provisioner.inventory.target import Target
from provisioner.secrets import vault

if TYPE_CHECKING:
    from provisioner.inventory import Inventory
    from provisioner.inventory.dossier import Office
    from provisioner.inventory.packs import Pack
    from provisioner.inventory.resellers import Reseller


@dataclass
class Selection:
    """All that a plan or an apply needs to know about one office before it begins."""

    target: Target
    office: "Office"
    pack: "Pack"
    reseller: "Reseller"
    ssh: SshAccess
    hosts: list[str]
    not_adopted: list[str]
    others: list[str]  # adopted hosts of the office that were not chosen
    # as if the dossier named another pack or variant: what the hosts would lose by it; None: as the dossier stands
    dropped: dict[str, list[str]] | None = None
    run_id: str = field(default_factory=runs.new_id)
    found: dict[str, HostLookup] = field(default_factory=dict)

    @property
    def managed(self) -> list[str]:
        """The chosen hosts on which our programs and Ansible work."""
        return [host for host in self.hosts if not self.office.hosts[host].appliance]

    @property
    def met(self) -> dict[str, str]:
        """Where each reachable host was met on which our programs and Ansible work: host -> address."""
        return {host: at for host, at in self.reached.items() if not self.office.hosts[host].appliance}

    @property
    def reached(self) -> dict[str, str]:
        """Where each reachable host was met, whatever its system is: host -> address."""
        return {host: found.address for host, found in self.found.items() if found.address}

    @cached_property
    def secrets(self) -> list[str]:
        """Every secret of the office, to be hidden from whatever is shown or kept."""
        return list(_leaves(vault.read(self.target).model_dump(mode="json")))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, str):
        yield value


@dataclass(frozen=True)
class Sweep:
    """What the offices of one inventory have in common, read once for a round over many: members, packs, who works, their key."""

    inventory: "Inventory"
    me: tuple[str, str] | None
    key: Path | None  # a lab has its own

    @classmethod
    def over(cls, root: Path) -> "Sweep":
        """Begin one.

        Raises:
            Missing, BadInput: there is no inventory.
        """
        inventory = open_inventory(root).sweep()
        key = None
        with contextlib.suppress(Missing, BadInput):  # who needs it is told then
            key = technician_key(Target(root, ""))
        return cls(inventory, inventory.whoami(), key)


def technician(target: Target) -> tuple[str, str, str]:
    """Who works: (login, name, e-mail), from the inventory's `git config`; in a lab, failing that, whoever may serve the office.

    Raises:
        Missing: nobody said who they are.
        BadInput: the office's reseller has no such technician.
    """
    inventory = open_inventory(target.inventory)
    return _who(target, inventory.reseller(inventory.office(target.office).reseller), inventory.whoami())


def _who(target: Target, reseller: "Reseller", me: tuple[str, str] | None) -> tuple[str, str, str]:
    if me is None and target.lab:
        me = (next(iter(reseller.technicians)), reseller.name)
    if me is None:
        raise Missing(
            "nobody said who works here",
            hint=f"git -C {target.inventory} config provisioner.technician LOGIN (one of {reseller.name}: "
            f"{', '.join(reseller.technicians)})",
        )
    login = me[0]
    if login not in reseller.technicians:
        raise BadInput(
            f"{login} is no technician of {reseller.name}, who serves {target.office}",
            hint=f"provisioner reseller show {reseller.name}",
        )
    person = reseller.technicians[login]
    return login, person.name, person.email


def ssh(target: Target) -> SshAccess:
    """The way into the office's hosts for whoever works now."""
    return SshAccess(target, technician(target)[0], technician_key(target))


def prepare(
    target: Target, only: Sequence[str] = (), *, pack: str = "", variant: str = "", sweep: Sweep | None = None
) -> Selection:  # fmt: skip
    """Read the office and choose its hosts; nothing is contacted.

    With `pack` or `variant`, all is as if the dossier named that one, for a plan to show what the move would change. In a
    `sweep` what offices have in common is not read again.

    Raises:
        BadInput: a wrong dossier, a host that the office does not have, or a pack that does not fit it.
        Missing: no host of the selection is adopted.
    """
    sweep = sweep or Sweep.over(target.inventory)
    inventory = sweep.inventory
    office = inventory.office(target.office)
    dropped = None
    if pack or variant:
        before, office = office, inventory.moved(office, pack, variant)
        dropped = lost((inventory.pack(before.pack), before), (inventory.pack(office.pack), office))
    for host in only:
        if host not in office.hosts:
            raise BadInput(f"{target.office} has no host {host!r}", hint=f"its hosts: {', '.join(office.hosts)}")
    chosen = [host for host in office.hosts if not only or host in only]
    pins = pinned(target)
    adopted = [host for host in chosen if host in pins]
    if not adopted:
        lab = " --lab" if target.lab else ""
        raise Missing(
            f"no host of {target.office} is adopted" if not only else f"{', '.join(only)} of {target.office}: not adopted",
            hint=f"provisioner adopt {target.office}{lab}",
        )
    reseller = inventory.reseller(office.reseller)
    key = None if target.lab else sweep.key
    return Selection(
        target, office, inventory.pack(office.pack), reseller,
        SshAccess(target, _who(target, reseller, sweep.me)[0], key or technician_key(target)),
        adopted, [h for h in chosen if h not in pins], [h for h in office.hosts if h in pins and h not in chosen],
        dropped=dropped,
    )  # fmt: skip


def refuse_lockout(access: SshAccess, reseller: "Reseller") -> None:
    """Stop before hosts are touched whose list of keys would not hold the key in our hand.

    Role base makes `/etc/ssh/technicians/LOGIN` exactly the keys of the reseller's file: whoever applies with another
    key is out from the next connection on. A lab hands its own key over beside them.

    Raises:
        BadInput: the key is not there; the hint says where to write it.
    """
    if access.target.lab:
        return
    mine = public_key(access.key)
    if bare(mine) not in {bare(key) for key in reseller.technicians[access.user].keys}:
        raise BadInput(
            f"the key {access.key} is none of {access.user}'s in resellers/{reseller.name}.yml:"
            f" {access.target.office} would lock you out",
            hint=f"add it there, under technicians.{access.user}.keys: {mine}",
        )


def refuse_returned(selection: Selection) -> None:
    """Stop before hosts let in somebody whom the office's own audit says was shut out: a merge can lose a `former:` part.

    Raises:
        BadInput: somebody stands among the technicians again, or their key does; the hint says how to mean it.
    """
    if not selection.target.lab:  # what is shut out of a lab is a rehearsal
        revocations.check(open_inventory(selection.target.inventory), selection.target.office, selection.reseller)


def refuse_unfollowable(selection: Selection, *, force: bool) -> list[str]:
    """Stop before an installed office is half brought to where no apply can bring it; what is only lost from sight is returned.

    A pack that gives a machine less than it has is let through by `force`, or for a plan as if the dossier named that pack.

    Raises:
        BadInput: every such change of the dossier, by line.
    """
    target = selection.target
    let = force or selection.dropped is not None
    return [str(one) for one in open_inventory(target.inventory).refuse_unfollowable(target.office, target.kept, force=let)]
