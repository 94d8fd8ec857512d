"""What `office new` asks, and the dossier that the answers make."""

import functools
import re
from typing import TYPE_CHECKING, Any, get_args

from provisioner.cli import organisation
from provisioner.cli.conversation import Answers, Question, required
from provisioner.cli.organisation import is_a
from provisioner.errors import BadInput, Missing
from provisioner.inventory import fields
from provisioner.inventory.dossier import Platform
from provisioner.inventory.fields import mac_form
from provisioner.language import N_
from provisioner.language.terminal import agreed, word
from provisioner.office import new as fresh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provisioner.inventory import Inventory
    from provisioner.inventory.packs import Pack

NETWORK = "192.168.1.0/24"
Place = tuple[str | int, ...]
PLATFORMS: tuple[str, ...] = get_args(Platform)


def questions(inventory: "Inventory") -> list[Question]:
    """All of them, in the order of a first talk with a client."""
    return [
        *organisation.questions(client=True),
        Question("reseller", "Who serves it", "a reseller of the network", lambda text, _: inventory.reseller(text), required),
        Question("contact", "Whom to call there", "a name; empty: nobody yet"),
        Question("phone", "That person's phone", when=_has_contact),
        Question("email", "That person's e-mail", check=functools.partial(is_a, fields.SomebodysEmail), when=_has_contact),
        Question(
            "people",
            "Who works there? login=Name",
            "a login of small letters, digits, dot and hyphen, as in m.durand=Maëlle Durand",
            person,
            many=True,
            option="--person",
        ),
        Question("router", "A router to install", "yes, no, or its MAC from the label", _machine, _yes, _unnamed, again=_none),
        Question(
            "platform",
            "What it runs",
            ", ".join(PLATFORMS),
            _platform,
            lambda _: PLATFORMS[0],
            lambda given: _unnamed(given) and given.get("router") != "no",
        ),
        Question(
            "gateway",
            "Address of the box that leads to the Internet",
            f"on the LAN, as in {NETWORK.replace('0/24', '254')}",
            functools.partial(is_a, fields.Address4),
            required,
            lambda given: _unnamed(given) and agreed(given.get("router") or "") is False,
        ),
        Question("server", "A server to install", "yes, no, or its MAC from the label", _machine, _yes, _unnamed, again=_none),
        Question(
            "desktops",
            "How many desktops",
            "machines, not people: two who share one count once",
            _number,
            lambda given: str(0 if given.get("hosts") else max(len(given.get("people") or ()), 1)),
            option="--desktop",
            again=_hosts_again,
        ),
        Question(
            "macs",
            "The desktops' MACs, in their order, with commas between",
            "as the labels print them; empty: invented ones, to be replaced before `adopt`",
            _macs,
            when=lambda given: _unnamed(given) and given.get("desktops") not in (None, "", "0"),
            option="--host NAME=KIND@MAC",
            again=_none,
        ),
        Question("network", "Its LAN", f"a private network, as in {NETWORK} or 10.1.2.0/26", _network, lambda _: NETWORK),
        Question(
            "printers",
            "Its printers? name=address",
            _outside_pool,
            printer,
            many=True,
            option="--printer",
        ),
    ]


def data(inventory: "Inventory", given: Answers, pack: str | None, domain: str) -> tuple[dict[str, Any], dict[Place, str]]:
    """The dossier of these answers, and a comment at each MAC that is invented.

    Raises:
        BadInput: they do not go together.
    """
    if (given["phone"] or given["email"]) and not given["contact"]:
        raise BadInput("a phone or e-mail without whose it is", hint="give --contact NAME")
    about = organisation.data(given)
    contact = {word: given[asked] for word, asked in _CONTACT if given[asked]}
    people = dict(pair(text, N_("login=Name")) for text in given["people"])
    machines = _machines(given)
    lan = fresh.new_lan(given["network"], domain)
    addresses = fresh.new_addresses(lan["network"], [kind for _, kind, _ in machines])
    printers = {name: {"address": address} for name, address in (pair(text, N_("name=address")) for text in given["printers"])}
    said = {
        "organisation": {**about, "contacts": [contact] if contact else []},
        "reseller": given["reseller"],
        "pack": pack or _newest(_for_clients(inventory.packs())),
        "address": about["address"],
        "lan": lan | ({"gateway": given["gateway"]} if given.get("gateway") else {}),
        "ula": fresh.new_ula(),
        "hosts": _hosts(machines, addresses, list(people), given.get("platform") or PLATFORMS[0]),
        "groups": {"team": given["organisation"]},
        "people": {login: {"name": who, "groups": ["team"]} for login, who in people.items()},
        **({"printers": printers} if printers else {}),
    }
    note = "Its MAC is invented: put the machine's own here."
    return said, {("hosts", name): note for name, _, mac in machines if not mac}


_CONTACT = (("name", "contact"), ("phone", "phone"), ("email", "email"))


def pair(text: str, form: str) -> tuple[str, str]:
    """The two sides of `left=right`.

    Raises:
        BadInput: one is missing.
    """
    left, equals, right = (part.strip() for part in text.partition("="))
    if not equals or not left or not right:
        raise BadInput(f"{text!r} is not of the form asked for", hint=form)
    return left, right


def person(text: str, given: Answers) -> None:
    """Let `login=Name` through, once for each login."""
    login, _ = pair(text, N_("login=Name"))
    fields.validate(fields.Login, login)
    refuse_twice(login, given.get("people") or ())


def printer(text: str, given: Answers) -> None:
    """Let `name=address` through, once for each name."""
    name, address = pair(text, N_("name=address"))
    fields.validate(fields.Name, name)
    fields.validate(fields.Address4, address)
    refuse_twice(name, given.get("printers") or ())


def refuse_twice(name: str, before: Any) -> None:
    """Let a name through that none of the `name=…` before it bears.

    Raises:
        BadInput: one does.
    """
    for other in before:
        if other.partition("=")[0].strip() == name:
            raise BadInput(f"{name!r} is said twice: {other}", hint="another one")


def _yes(_: Answers) -> str:
    return word("yes")


def _outside_pool(given: Answers) -> str:
    lan = fresh.new_lan(given.get("network") or NETWORK, "")
    return f"those that speak IPP Everywhere, at an address outside the DHCP pool ({lan['dhcp_first']} to {lan['dhcp_last']})"


def _none(_: Answers) -> list[str]:
    return []


def _hosts_again(given: Answers) -> list[str]:
    """The machines of several answers, as `--host` gives them, once all of them are there."""
    if given.get("hosts"):
        return ["--desktop", given["desktops"]]
    if given["desktops"] != "0" and given.get("macs") is None:
        return []
    named = [f"{name}={kind}{mac and f'@{mac}'}" for name, kind, mac in _machines(given)]
    return [part for text in named for part in ("--host", text)] + ["--desktop", "0"]


def _has_contact(given: Answers) -> bool:
    return bool(given.get("contact"))


def _unnamed(given: Answers) -> bool:
    """Whether no option named the machines."""
    return not given.get("hosts")


def _machine(text: str, _: Answers) -> None:
    if agreed(text) is None:
        fields.validate(fields.Mac, text)


def _platform(text: str, _: Answers) -> None:
    known = PLATFORMS
    if text not in known:
        raise BadInput(f"{text!r} is no system of a router that is known here", hint=f"one of {', '.join(known)}")


def _number(text: str, _: Answers) -> None:
    if not (text.isascii() and text.isdigit() and int(text) <= 60):
        raise BadInput(f"{text!r} is no number of desktops", hint="a number from 0 to 60")


def _macs(text: str, given: Answers) -> None:
    macs = [one.strip() for one in text.split(",")]
    for mac in macs:
        fields.validate(fields.Mac, mac)
    if len(macs) > int(given.get("desktops") or 0):
        raise BadInput(f"{len(macs)} MACs for {given['desktops']} desktops", hint="one for each, or fewer")


def _network(text: str, _: Answers) -> None:
    fields.network_of(text)


def _machines(given: Answers) -> list[tuple[str, str, str]]:
    """Each machine's name, kind and MAC (empty: not known yet)."""
    named = [_named(text) for text in given["hosts"]]
    if not named:
        named = [
            (kind, kind, "" if agreed(said) else mac_form(said))
            for kind in ("router", "server")
            if agreed(said := given[kind]) is not False
        ]
    count = int(given["desktops"])
    macs = [mac_form(one.strip()) for one in (given.get("macs") or "").split(",") if one.strip()]
    macs += [""] * (count - len(macs))
    return named + [(f"desktop-{n}" if count > 1 else "desktop", "desktop", macs[n - 1]) for n in range(1, count + 1)]


def _named(text: str) -> tuple[str, str, str]:
    name, rest = pair(text, "--host NAME=KIND[@MAC]")
    kind, _, mac = rest.partition("@")
    return name, kind, mac_form(mac)


def _hosts(
    machines: list[tuple[str, str, str]], addresses: list[str], logins: list[str], platform: str
) -> dict[str, dict[str, Any]]:
    """The hosts of a new dossier; each desktop goes to the next person."""
    names = [name for name, _, _ in machines]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadInput(f"two hosts are called {twice[0]!r}", hint="giving each --host its own name")
    free = iter(logins)
    found = {}
    for (name, kind, mac), address in zip(machines, addresses, strict=True):
        host = {
            "kind": kind,
            "platform": platform if kind == "router" else PLATFORMS[0],
            "address": address,
            "mac": mac or fresh.new_mac(),
        }
        if kind == "desktop" and (login := next(free, "")):
            host["person"] = login
        found[name] = host
    return found


def _for_clients(packs: "Sequence[Pack]") -> list[str]:
    """Those that have something for a desktop, where people work; a hub's has not. All, where none has."""
    return [one.name for one in packs if "desktop" in one.kinds] or [one.name for one in packs]


def _newest(packs: list[str]) -> str:
    """The pack with the highest version: figures in its name count as figures."""
    if not packs:
        raise Missing("this inventory has no pack", hint="a file in packs/")
    return max(packs, key=lambda name: [int(part) if part.isdigit() else 0 for part in re.split("[^0-9]+", name)])
