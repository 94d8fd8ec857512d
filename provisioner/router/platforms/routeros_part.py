"""A line of a RouterOS router's export, and which of its properties are understood. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from provisioner.router.platforms.routeros import MARK, OWNED
from provisioner.router.platforms.routeros_syntax import Item
from provisioner.router.reading import Line, staying

WHERE = "export"
_ON = ("/interface pppoe-client", "/interface wifi")  # which are off unless they are switched on
_PROGRAMS = ("source", "on-event", "on-up", "on-down")  # in which secrets may stand anywhere
HIDDEN = "********"
_ALONE = {"/ip dhcp-server network": "address"}  # menus whose items are compared property by property


@dataclass
class Part:
    """A line of the export, and which of its properties are understood."""

    item: Item
    used: set[str] = field(default_factory=set)

    @property
    def menu(self) -> str:
        """Where it stands."""
        return self.item.menu

    @property
    def off(self) -> bool:
        """Whether it is there and does nothing."""
        said = self.item.props.get("disabled")
        return said != "no" if self.menu in _ON else said == "yes"

    @property
    def ours(self) -> bool:
        """Whether a push would take it away, or make it another."""
        menu = OWNED.get(self.menu)
        return menu is not None and (menu.only is None or self.get(menu.only[0]) == menu.only[1])

    @property
    def called(self) -> str:
        """What its comment says, without our mark."""
        return self.get("comment").removeprefix(MARK)

    def get(self, key: str, default: str = "") -> str:
        """A property."""
        return self.item.props.get(key, default)

    def words(self, key: str) -> list[str]:
        """The entries of a property."""
        return [word for word in self.get(key).split(",") if word]

    def take(self, *keys: str) -> None:
        """Some of its properties are understood."""
        self.used |= {"comment", "disabled", *keys}

    def take_if(self, key: str, *values: str) -> None:
        """A property is understood where it says one of these."""
        self.used |= {key} if self.get(key) in values else set()

    def line(self, *, why: str = "") -> Line:
        """All of it; nothing more of it is told."""
        self.used |= self.item.props.keys()
        return Line(WHERE, self.item.text, **({"why": why} if why else {}))

    def left(self) -> Iterator[Line]:
        """What is not understood; what stands in another menu than ours stays on the router."""
        item = self.item
        rest = {key: value for key, value in item.props.items() if key not in self.used}
        if not rest or not (rest.keys() - {"comment"}):
            return
        if not self.ours:
            shown = {key: HIDDEN if key in _PROGRAMS else value for key, value in item.props.items()}
            yield staying(WHERE, Item(item.menu, item.verb, shown, item.where).text)
        elif item.verb == "set" or item.menu in _ALONE or self.used:
            known = [key for key in ("name", "interface", "address", "dst-address") if key in item.props and key not in rest]
            named = {key: item.props[key] for key in known[:1]}
            for key, value in rest.items():
                text = Item(item.menu, item.verb, {**named, key: value}, item.where).text
                yield Line(WHERE, text, like=alone(item, key, value))
        else:
            yield Line(WHERE, item.text, like=without_comment(item))


def without_comment(item: Item) -> str:
    """An item's line without what a person calls it."""
    return Item(item.menu, item.verb, {key: value for key, value in item.props.items() if key != "comment"}, item.where).text


def alone(item: Item, key: str, value: str) -> str:
    """One property, by whatever name the item goes here and there."""
    if key.endswith("country"):
        return f"country={value}"
    return f"{item.menu} {item.where} {item.props.get(_ALONE.get(item.menu, ''), '')} {Item('', '', {key: value}).text}"


def addresses(values: list[str]) -> list[str] | None:
    """Addresses of IPv4 alone, or None."""
    try:
        return [str(IPv4Address(value)) for value in values]
    except ValueError:
        return None


def interface(text: str) -> IPv4Interface | None:
    """An address with its network, or None."""
    try:
        return IPv4Interface(text)
    except ValueError:
        return None


class Profile:
    """A group of properties of a Wi-Fi: those of a profile that is named, and before them those said in place (`group.name=`)."""

    def __init__(self, profiles: Iterable[Part], of: "Part | Profile", group: str) -> None:
        self.group = group
        self.first: Part = of if isinstance(of, Part) else of.first
        named = of.get(group) or self.first.get(group)
        self.profile = next((part for part in profiles if part.get("name") == named and named), None)

    def get(self, key: str) -> str:
        """A property."""
        return self.first.get(f"{self.group}.{key}") or (self.profile.get(key) if self.profile else "")

    def take(self, *keys: str) -> None:
        """Some of it is understood."""
        self.first.take(*(f"{self.group}.{key}" for key in keys))
        if self.profile:
            self.profile.take(*keys)

    def take_if(self, key: str, *values: str) -> None:
        """A property is understood where it says one of these."""
        self.first.take_if(f"{self.group}.{key}", *values)
        if self.profile:
            self.profile.take_if(key, *values)
