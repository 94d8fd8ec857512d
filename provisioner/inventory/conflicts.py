"""What the rules of a dossier find, and how they read what may be wrong or missing."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, NamedTuple

from provisioner.errors import BadInput
from provisioner.inventory.fields import network_of
from provisioner.inventory.strict_yaml import Place


class Conflict(NamedTuple):
    """Two things that do not fit together, said at the place of the second; `refers` to a name that is not there.

    With `warning` it is said and stops nothing.
    """

    place: Place
    what: str
    hint: str
    refers: bool = False
    warning: bool = False


def mapping(value: object) -> dict[str, Any]:
    """The section, or an empty one where something else stands."""
    return value if isinstance(value, dict) else {}


def read_address(value: object) -> IPv4Address | None:
    """The address, if it is one."""
    try:
        return IPv4Address(value) if isinstance(value, str) else None
    except ValueError:
        return None


def read_network(value: object) -> IPv4Network | None:
    """The network, if it is one an office can have; otherwise the model says so and nothing is measured against it."""
    try:
        return network_of(value) if isinstance(value, str) else None
    except BadInput:
        return None


def read_interface(value: object) -> IPv4Interface | None:
    """The address with its prefix, if it is one."""
    try:
        return IPv4Interface(value) if isinstance(value, str) and "/" in value else None
    except ValueError:
        return None


def read_pool(section: dict[str, Any]) -> tuple[IPv4Network | None, IPv4Address | None, IPv4Address | None]:
    """Its network, and the first and the last address of its DHCP pool; None for what is none."""
    return read_network(section.get("network")), read_address(section.get("dhcp_first")), read_address(section.get("dhcp_last"))


def outside(one: IPv4Address, of: IPv4Network) -> bool:
    """Whether no host of the network can have this address."""
    return one not in of or one in (of.network_address, of.broadcast_address)


def between(of: IPv4Network) -> str:
    """The addresses its hosts may have, as a hint."""
    return f"one from {of[1]} to {of[-2]}"


def pool(section: dict[str, Any], name: str) -> Iterator[Conflict]:
    """A DHCP pool that is not in its network, or ends before it begins."""
    of, first, last = read_pool(section)
    for word, end in (("dhcp_first", first), ("dhcp_last", last)):
        if of and end and outside(end, of):
            yield Conflict((name, word), f"{end} is not a host's address in {of}", between(of))
    if first and last and first > last:
        what = f"the pool ends at {last}, before its start at {first}"
        yield Conflict((name, "dhcp_last"), what, "the two the other way round")
