"""From the configuration that runs on a RouterOS router to the wanted one: what differs, and the commands for it. Pure."""

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Mapping

from provisioner.router.guard import Difference
from provisioner.router.platforms.routeros import MARK, OWNED, SECRETS, Menu
from provisioner.router.platforms.routeros_syntax import Item, parsed, quoted

HIDDEN, CHANGED = "********", "  # secret changed"


def ours(export: str) -> list[Item]:
    """What of an export stands in the menus that are ours, in one order however it was made.

    Raises:
        Unparsable: it is no export.
    """
    place = list(OWNED)
    found = [plain(item) for item in parsed(export) if item.menu in OWNED and _ours(item)]
    found = [item for item in found if item.verb == "add" or item.props]
    return sorted(found, key=lambda item: (place.index(item.menu), "" if OWNED[item.menu].ordered else item.text))


def _ours(item: Item) -> bool:
    only = OWNED[item.menu].only
    return only is None or item.props.get(only[0]) == only[1]


def text(items: Iterable[Item]) -> str:
    """The lines, as they are kept and given back."""
    return "".join(f"{item.text}\n" for item in items)


def plain(item: Item) -> Item:
    """An item without what goes without saying: older and newer systems say more or less of it."""
    menu = OWNED[item.menu]
    silent = {("disabled", "no"), *menu.defaults} - ({("disabled", "no")} if ("disabled", "yes") in menu.defaults else set())
    props = {name: value for name, value in item.props.items() if (name, value) not in silent}
    if "from-pool" in props:
        props["address"] = props.get("address", "").removesuffix("/64")
    return Item(item.menu, item.verb, props, item.where)


def differences(running: Iterable[Item], wanted: Iterable[Item], before: Mapping[str, str]) -> list[Difference]:
    """What a push would change, menu by menu. `before`: the digest of each menu right after the last push, if any."""
    found = []
    here, there = _by_menu(running), _by_menu(wanted)
    for menu in OWNED:
        if _same(here[menu], there[menu]):
            continue
        by_hand = menu in before and before[menu] != digest(here[menu])
        found.append(Difference(menu.removeprefix("/"), _diff(here[menu], there[menu]), by_hand))
    return found


def digest(items: Iterable[Item]) -> str:
    """One word for a menu's content; 12 hexadecimal signs, because a router's file of notes is small."""
    return hashlib.sha256(text(items).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def digests(items: Iterable[Item]) -> dict[str, str]:
    """The digest of every menu."""
    return {menu: digest(there) for menu, there in _by_menu(items).items()}


def _by_menu(items: Iterable[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {menu: [] for menu in OWNED}
    for item in map(plain, items):
        if item.verb == "add" or item.props:
            found[item.menu].append(item)
    return {menu: here if OWNED[menu].ordered else sorted(here, key=lambda item: item.text) for menu, here in found.items()}


def _same(here: list[Item], there: list[Item]) -> bool:
    return [item.text for item in here] == [item.text for item in there]


def key(item: Item) -> str:
    """What names an item in its menu."""
    return item.where or "all" if item.verb == "set" else item.props.get(OWNED[item.menu].key, "")


def hidden(item: Item) -> str:
    """An item's line without its secrets."""
    props = {name: HIDDEN if name in SECRETS else value for name, value in item.props.items()}
    return Item(item.menu, item.verb, props, item.where).text.replace(f'"{HIDDEN}"', HIDDEN)


def _diff(here: list[Item], there: list[Item]) -> str:
    """As `diff -u` has it; where nothing but a secret is another, that is said."""
    known = {(key(item), hidden(item)): item.text for item in here}
    lines = []
    for item in there:
        shown = hidden(item)
        former = known.get((key(item), shown))
        lines.append(shown + (CHANGED if former is not None and former != item.text else "") + "\n")
    before = [f"{hidden(item)}\n" for item in here]
    menu = (here or there)[0].menu.removeprefix("/")
    named = (menu if here else "/dev/null", menu if there else "/dev/null")
    return "".join(difflib.unified_diff(before, lines, *named)).encode("utf-8", "replace").decode()


def script(running: Iterable[Item], wanted: Iterable[Item]) -> list[str]:
    """The commands that bring the one to the other: first all that goes, the last menu first; then what comes.

    An item that others name (a link, a pool) is changed where it stands; another one goes and comes again, so that two can
    change their addresses with each other; a menu whose order counts is written anew.
    """
    here, there = _by_menu(running), _by_menu(wanted)
    goes, comes = [], []
    for name, menu in OWNED.items():
        if _same(here[name], there[name]):
            continue
        if menu.ordered:
            goes.append([f"{name} remove [ find where !dynamic ]"] if here[name] else [])
            comes += [item.text for item in there[name]]
            continue
        gone, new = _without(here[name], there[name]), _without(there[name], here[name])
        moves = {key(item) for item in gone} & {key(item) for item in new} - {""}
        named = menu.key == "name"
        goes.append(list(_removed(name, menu, [item for item in gone if not named or key(item) not in moves])))
        former = {key(item): item for item in gone}
        for item in new:
            comes.append(_set(item, former.get(key(item))) if item.verb == "set" or (named and key(item) in moves) else item.text)
        comes += [_set(Item(name, "set", {}, item.where), item) for item in gone if item.verb == "set" and key(item) not in moves]
    return [line for lines in reversed(goes) for line in lines] + comes


def _without(some: list[Item], others: list[Item]) -> list[Item]:
    known = {item.text for item in others}
    return [item for item in some if item.text not in known]


def _removed(name: str, menu: Menu, gone: list[Item]) -> Iterator[str]:
    """What takes items away: by the name others know them by, by our mark, or as all that do not bear it."""
    strange = False
    for item in gone:
        if item.verb == "set":
            continue
        if menu.key != "comment" and key(item):
            only = f" {menu.only[0]}={menu.only[1]}" if menu.only and menu.only[0] != menu.key else ""
            yield f"{name} remove [ find {menu.key}={quoted(key(item))}{only} ]"
        elif key(item).startswith(MARK):
            yield f"{name} remove [ find comment={quoted(key(item))} ]"
        else:
            strange = True
    if strange:
        also = f"{menu.removable} and " if menu.removable else ""
        yield f'{name} remove [ find where {also}!(comment~"^{MARK}") ]'


def _set(wanted: Item, former: Item | None) -> str:
    """The command that makes an item what is wanted, where it stands; what it has beyond that is what it would be unsaid."""
    menu = OWNED[wanted.menu]
    where = wanted.where if wanted.verb == "set" else f"[ find name={quoted(key(wanted))} ]"
    before = former.props if former else {}
    props = {name: value for name, value in wanted.props.items() if before.get(name) != value}
    default = {"disabled": "no", "comment": "", **dict(menu.defaults)}
    beyond = sorted(set(before) - set(wanted.props))
    props |= {name: default[name] for name in beyond if name in default}
    line = Item(wanted.menu, "set", props, where).text
    return " ".join([line, *(f"!{name}" for name in beyond if name not in default)])
