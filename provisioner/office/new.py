"""A new office: its addresses, its dossier with comments for the technician who edits it next, its vault; all or nothing."""

import contextlib
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner.errors import BadInput
from provisioner.inventory.strict_yaml import Place, Problem, escaped, parse
from provisioner.inventory.target import Target
from provisioner.laptop import disk

if TYPE_CHECKING:
    from provisioner.inventory import Inventory
    from provisioner.inventory.dossier import Office
from provisioner.inventory.rendering import DOSSIER_COMMENTS, SCHEMA, render

# What a new dossier does not say yet and could: its comments are taken away when it is known.
_PLACES = """\
# Who left: the account is closed, the files are in their successor's folder (provisioner person remove {office} LOGIN).
# former:
#   j.petit: {{name: Jean Petit, successor: m.durand, left: 2026-09-30}}
# Printers that speak IPP Everywhere, by the name of their queue, each at an address of its own outside the pool.
# printers:
#   accueil: {{address: {address}, model: "", serial: "", location: ""}}
# The provider that takes the machines' mail. Its password: provisioner secrets set {office} mail.password
# mail: {{host: smtp.provider.example, user: machines@client.example, sender: machines@client.example}}
# The second copy of each night's backup, away from the office, by SFTP. Its key: ssh-keyscan -t ed25519 HOST
# backup: {{host: backup.reseller.example, user: {office}, path: {office}, host_key: ssh-ed25519 AAAA…}}
# Another size of the pack, if it has several: provisioner pack show {pack}
# variant: light
"""


def new_ula() -> str:
    """A random /48 of fd00::/8: 40 random bits, so that no two offices meet (RFC 4193 §3.2.2)."""
    bits = secrets.token_hex(5)
    return f"fd{bits[:2]}:{int(bits[2:6], 16):x}:{int(bits[6:], 16):x}::/48"


def new_mac() -> str:
    """A random address nobody's network card has: locally administered, unicast (IEEE 802, the bit 0x02)."""
    return "02:00:5e:" + ":".join(secrets.token_hex(3)[at : at + 2] for at in (0, 2, 4))


def new_lan(network: str, domain: str) -> dict[str, Any]:
    """The LAN of a new office with its DHCP pool: .100 to .199 of a /24, the upper half of a smaller network.

    Raises:
        BadInput: not a network an office can have.
    """
    from provisioner.inventory.fields import network_of

    lan = network_of(network)
    first, last = (100, 199) if lan.num_addresses >= 256 else (lan.num_addresses // 2, lan.num_addresses - 2)
    return {"network": str(lan), "dhcp_first": str(lan[first]), "dhcp_last": str(lan[last]), "domain": domain}


def new_addresses(network: str, kinds: list[str]) -> list[str]:
    """An address per host: routers from .1, servers from .10, desktops from .20; closer together in a small network.

    Raises:
        BadInput: they do not fit below the DHCP pool.
    """
    lan = IPv4Network(network)
    end = 100 if lan.num_addresses >= 256 else lan.num_addresses // 2
    step = 10 if end == 100 else 1
    following = {"router": 1, "server": max(step, 2), "desktop": max(2 * step, 3)}
    taken: set[int] = set()
    given = []
    for kind in kinds:
        at = following.get(kind, 1)
        while at in taken:
            at += 1
        if at >= end:
            raise BadInput(f"{len(kinds)} hosts do not fit into {network}", hint="a larger --network")
        taken.add(at)
        given.append(str(lan[at]))
    return given


def _places(office: "Office") -> str:
    """The commented places at the end of a new dossier, with its own names and an address that is free."""
    taken = {host.address for host in office.hosts.values()}
    pool = office.lan.dhcp_first, office.lan.dhcp_last
    free = (a for a in office.lan.network.hosts() if a > max(taken) and not pool[0] <= a <= pool[1])
    address = next(free, office.lan.network[-2])
    return _PLACES.format(office=office.name, pack=office.pack, address=address)


def judge(inventory: "Inventory", name: str, data: Mapping[str, Any], comments: Mapping[Place, str]) -> "tuple[Office, str]":
    """A new office and the text of its dossier; nothing is written.

    Raises:
        BadInput: what is wrong with `data`, all at once, by field.
    """
    from provisioner.inventory.dossier import Office
    from provisioner.inventory.files import build

    heading = [SCHEMA.format("../../schema/dossier.json")]
    text = render(data, DOSSIER_COMMENTS | dict(comments), heading)
    office, document = build(Office, parse(text.encode("utf-8", "backslashreplace")), name)
    elsewhere = inventory.conflicts(document)
    said = [str(Problem("", 0, p.field, p.what, p.hint)) for p in document.problems]  # there is no file yet
    if office is None or said or elsewhere:
        raise BadInput("\n".join([*dict.fromkeys(said), *map(str, elsewhere)]))
    if document.value != dict(data):
        raise AssertionError("the dossier does not read back as it was written")
    return office, text


def create_office(inventory: "Inventory", name: str, data: Mapping[str, Any], comments: Mapping[Place, str]) -> "Office":
    """Write the dossier and the vault of a new office; all or nothing.

    Raises:
        BadInput: as `judge`; or the office exists.
        Locked: nobody has unlocked the inventory.
    """
    from provisioner.inventory.fields import NAME
    from provisioner.secrets import vault

    folder = inventory.root / "offices" / name
    office, text = judge(inventory, name, data, comments)
    if not re.fullmatch(NAME.pattern, name) or folder.exists():
        raise BadInput(f"there is an office {escaped(name)} already", hint=f"provisioner office show {escaped(name)}")
    places = _places(office)
    if office.printers:  # said already
        places = re.sub(r"# Printers that.*?\n(# printers:\n)(#   .*\n)", "", places)
    draft = disk.beside(folder)
    draft.mkdir()
    try:
        disk.write(draft / "dossier.yml", text + places, mode=0o644)
        vault.create(_Draft(inventory.root, name, at=draft), office)
        disk.move(draft, folder)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(draft)
        raise
    return office


@dataclass(frozen=True)
class _Draft(Target):
    """An office whose folder does not bear its name yet: a kill leaves no half of an office."""

    at: Path = Path()

    @property
    def folder(self) -> Path:
        """Where it is written."""
        return self.at
