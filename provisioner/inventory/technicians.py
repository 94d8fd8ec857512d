"""Who works for a reseller, changed: a technician leaves, and what they could get in with is written down to be refused."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from provisioner.errors import BadInput, Missing
from provisioner.inventory.editing import Roster
from provisioner.inventory.fields import PublicKey, validate
from provisioner.inventory.rules import bare
from provisioner.inventory.strict_yaml import parse
from provisioner.laptop import git

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provisioner.inventory import Inventory
    from provisioner.inventory.resellers import Reseller


def leaver(reseller: "Reseller", login: str, me: str) -> bool:
    """Let the login of somebody through who may be shut out; whether they have left already.

    Raises:
        Missing: the reseller never had such a technician.
        BadInput: it is whoever asks, or nobody who could get in would be left.
    """
    if login == me:
        raise BadInput(f"{login} is you: nobody shuts themselves out", hint="a colleague does it")
    if login in reseller.former:
        return True
    if login not in reseller.technicians:
        others = [other for other in (*reseller.technicians, *reseller.former) if other != me]
        raise Missing(
            f"{reseller.name} has no technician {login[:40]!r}",
            hint=f"one of {', '.join(others)}" if others else f"provisioner reseller show {reseller.name}",
        )
    if not any(who.keys for other, who in reseller.technicians.items() if other != login):
        raise BadInput(
            f"{login} is the last technician of {reseller.name} with a key: nobody could get in any more",
            hint=f"a successor and their key in resellers/{reseller.name}.yml first",
        )
    return False


def keys_ever(inventory: "Inventory", reseller: "Reseller", login: str) -> list[str]:
    """Every key that somebody has or ever had in the reseller's file, as the history tells; never one of those who stay."""
    known: list[Any] = [*(reseller.former[login].keys if login in reseller.former else [])]
    known += reseller.technicians[login].keys if login in reseller.technicians else []
    for text in git.versions(inventory.root, inventory.root / "resellers" / f"{reseller.name}.yml"):
        data = parse(text.encode("utf-8", "backslashreplace")).value
        section = data.get("technicians") if isinstance(data, dict) else None
        entry = section.get(login) if isinstance(section, dict) else None
        keys = entry.get("keys") if isinstance(entry, dict) else None
        known += keys if isinstance(keys, list) else []
    stay = {bare(key) for other, who in reseller.technicians.items() if other != login for key in who.keys}
    ever = dict.fromkeys(bare(key) for key in known if _key(key))
    # one that stands there now in two names is no key of theirs alone: `Roster.save` says so
    now = {bare(key) for key in reseller.technicians[login].keys} if login in reseller.technicians else set()
    return [key for key in ever if key not in stay or key in now]


def _key(text: object) -> bool:
    """Whether our files can hold this key: machines and the past have seen more kinds."""
    try:
        validate(PublicKey, text if isinstance(text, str) else "")
    except BadInput:
        return False
    return True


def leave(inventory: "Inventory", name: str, login: str, now: datetime) -> "Reseller":
    """Move somebody from those who work here to those who left, with the moment and every key they ever had.

    Raises:
        BadInput: every problem of the result; nothing is changed.
        Busy: somebody wrote the file meanwhile.
    """
    roster = Roster(inventory, name)
    who = roster.before.technicians[login]
    keys = keys_ever(inventory, roster.before, login)
    roster.drop(("technicians",), login)
    roster.put(("former",), login, {"name": who.name, "left": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", "keys": keys})
    return roster.save()


def admit(inventory: "Inventory", name: str, login: str, keys: "Iterable[str]", now: datetime) -> "Reseller":
    """Move somebody back from those who left, or confirm who stands among the technicians though an audit shut them out.

    Raises:
        Missing: the reseller never had such a technician.
        BadInput: no key is given, or the result is wrong; nothing is changed.
        Busy: somebody wrote the file meanwhile.
    """
    roster = Roster(inventory, name)
    gone, here = roster.before.former.get(login), roster.before.technicians.get(login)
    if not gone and not here:
        hint = f"one of {', '.join(roster.before.former)}" if roster.before.former else f"provisioner reseller show {name}"
        raise Missing(f"{name} never had a technician {login[:40]!r}", hint=hint)
    given = [*keys] or (list(here.keys) if here else [])
    if not given:
        raise BadInput(f"with which key does {login} come back?", hint="--key FILE.pub: one made since, ssh-keygen -t ed25519")
    at = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    who = {"name": here.name if here else gone.name if gone else login, "keys": given, "readmitted": at}
    if here:
        who |= {word: text for word, text in (("email", here.email), ("phone", here.phone)) if text}
        roster.drop(("technicians",), login)
    if gone:
        roster.drop(("former",), login)
    roster.put(("technicians",), login, who)
    return roster.save()


def add_key(inventory: "Inventory", name: str, login: str, key: str) -> "Reseller":
    """Write one more key of a technician's into the reseller's file, unless it is there.

    Raises:
        BadInput, Busy: as `leave`.
    """
    roster = Roster(inventory, name)
    known = roster.before.technicians[login].keys
    if bare(key) in map(bare, known):
        return roster.before
    if known:
        roster.drop(("technicians", login), "keys")
    roster.put(("technicians", login), "keys", [*known, key])
    return roster.save()


def set_tunnel_key(inventory: "Inventory", name: str, login: str, key: str) -> "Reseller":
    """Write the one key by which hubs know a technician's laptop into the reseller's file; empty: none is known any more.

    Raises:
        Missing: the reseller has no such technician.
        BadInput, Busy: as `leave`.
    """
    roster = Roster(inventory, name)
    if login not in roster.before.technicians:
        hint = f"one of {', '.join(roster.before.technicians)}"
        raise Missing(f"{name} has no technician {login[:40]!r}", hint=hint)
    known = roster.before.technicians[login].tunnel_key or ""
    if known == key:
        return roster.before
    if known:
        roster.drop(("technicians", login), "tunnel_key")
    if key:
        roster.put(("technicians", login), "tunnel_key", key)
    return roster.save()


def learn(inventory: "Inventory", name: str, login: str, keys: "Iterable[str]") -> "Reseller":
    """Write down keys of somebody who left that machines had and nobody knew.

    Raises:
        BadInput, Busy: as `leave`.
    """
    roster = Roster(inventory, name)
    gone = roster.before.former[login]
    more = [key for key in dict.fromkeys(map(bare, keys)) if _key(key) and key not in set(map(bare, gone.keys))]
    if not more:
        return roster.before
    roster.drop(("former", login), "keys")
    roster.put(("former", login), "keys", [*gone.keys, *more])
    return roster.save()
