"""What must fit together in one dossier: pure, and fed with the dossier as read, valid or not.

The rules take what they can use and skip the rest, so that a wrong MAC does not hide two hosts with one address.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from provisioner.inventory import domain_rules, hours, identity, network_rules, website
from provisioner.inventory.conflicts import Conflict, between, mapping, outside, pool, read_address, read_pool
from provisioner.inventory.fields import RESERVED_LOGINS, mac_form
from provisioner.inventory.models import Kind
from provisioner.inventory.packs import Pack
from provisioner.inventory.placement import SITES, WEB_SERVER
from provisioner.inventory.resellers import Reseller
from provisioner.inventory.strict_yaml import Document, Place, quoted

NETBIOS = 15  # characters of a computer's or domain's short name (MS-NBTE 2.2.1)


def judge(dossier: Mapping[str, Any], reseller: Reseller | None, pack: Pack | None) -> Iterator[Conflict]:
    """Every misfit of a dossier; `reseller` and `pack` are None when they cannot be read (said elsewhere)."""
    hosts = {name: host for name, host in mapping(dossier.get("hosts")).items() if isinstance(host, dict)}
    people = {login: person for login, person in mapping(dossier.get("people")).items() if isinstance(person, dict)}
    groups = mapping(dossier.get("groups"))
    yield from _lan(mapping(dossier.get("lan")), hosts)
    yield from _way_out(mapping(dossier.get("lan")), mapping(dossier.get("hosts")))
    yield from _twins(hosts, "mac")
    yield from _twins(hosts, "address")
    yield from _hosts(hosts, people, pack)
    yield from _people(people, groups, reseller)
    yield from _server(mapping(dossier.get("lan")), hosts)
    yield from _former(mapping(dossier.get("former")), people, groups, reseller)
    yield from _printers(mapping(dossier.get("lan")), mapping(dossier.get("printers")), hosts)
    yield from _language(dossier.get("language"), hosts, pack)
    yield from domain_rules.judge(dossier)
    yield from network_rules.judge(dossier)
    yield from website.judge(mapping(dossier.get("website")))
    yield from hours.judge(dossier.get("maintenance"), ("maintenance",))
    yield from identity.judge(mapping(dossier.get("organisation")), ("organisation",))
    yield from identity.judge_address(mapping(dossier.get("address")), ("address",))
    yield from _backup(mapping(dossier.get("backup")))
    yield from _shares(people, groups, hosts, pack)
    yield from _unserved(dossier, hosts)
    group = mapping(dossier.get("website")).get("editors")
    if isinstance(group, str) and group not in groups:
        what = f"{quoted(group)} is not a group of this office"
        yield Conflict(("website", "editors"), what, _one_of(groups, "groups"), refers=True)
    variant = dossier.get("variant")
    if pack and isinstance(variant, str) and variant not in pack.variants:
        what = f"the pack {pack.name} has no variant {quoted(variant)}"
        yield Conflict(("variant",), what, f"one of {', '.join(pack.variants)}")


def _backup(backup: dict[str, Any]) -> Iterator[Conflict]:
    """Somebody else's account may be called anything; one that `backup place` sets up on a Debian must not be Debian's own."""
    user = backup.get("user")
    if backup.get("append_only") is True and user in RESERVED_LOGINS:
        what = f"{quoted(user)} is an account that a Debian has itself: nothing can only add there"
        yield Conflict(("backup", "user"), what, "an account of its own, as in office-cafe")


def _shares(
    people: dict[str, Any], groups: dict[str, Any], hosts: dict[str, dict[str, Any]], pack: Pack | None
) -> Iterator[Conflict]:
    """The share for all has a name too, which the pack chooses."""
    served = any(host.get("kind") == Kind.SERVER for host in hosts.values())
    role = pack.kinds.get(Kind.SERVER, {}).get("file_share") if pack and served else None
    common = role.settings.get("common") if role else None
    for section, names in (("groups", groups), ("people", people)):
        if common in names:
            yield Conflict((section, str(common)), "is the name of the share for all too", "another name")


def _unserved(dossier: Mapping[str, Any], hosts: dict[str, dict[str, Any]]) -> Iterator[Conflict]:
    """What only a server does, in an office that has none."""
    if not hosts or any(host.get("kind") == "server" for host in hosts.values()):
        return
    for section, what in (("printers", "nobody prints on them through the office"), ("backup", "nothing is backed up")):
        if dossier.get(section):
            yield Conflict(
                (section,), f"the office has no server, so {what}", f"a host of kind: server, or no {section}:", warning=True
            )


def _language(language: object, hosts: dict[str, dict[str, Any]], pack: Pack | None) -> Iterator[Conflict]:
    """A desktop whose programs the pack has in no such language would greet people in another."""
    role = pack.kinds.get(Kind.DESKTOP, {}).get("desktop") if pack else None
    known = mapping(role.settings.get("languages")) if role else {}
    desktops = any(host.get("kind") == Kind.DESKTOP for host in hosts.values())
    if pack and known and desktops and isinstance(language, str) and language[:2] not in known:
        what = f"the pack {pack.name} has no desktop in the language {quoted(language)}"
        yield Conflict(("language",), what, f"one of {', '.join(known)}, as in fr_FR.UTF-8, or a pack that has it")


def judge_pack(pack: Mapping[str, Any]) -> Iterator[Conflict]:
    """Every misfit of a pack: a range of ports that ends before it begins, a variant that the pack does not have."""
    variants = mapping(pack.get("variants", {"full": ""}))
    for kind, roles in mapping(pack.get("kinds")).items():
        for name, role in mapping(roles).items():
            place, said = ("kinds", kind, name), mapping(role)
            if name in SITES and WEB_SERVER not in mapping(roles):
                what = f"role {name} stands on role {WEB_SERVER}, which a {kind} does not have"
                yield Conflict(place, what, f"{WEB_SERVER}: {{}} before it")
            ports, chosen = said.get("ports"), said.get("variants")
            for n, port in enumerate(ports if isinstance(ports, list) else ()):
                first, last = mapping(port).get("port"), mapping(port).get("last")
                if isinstance(first, int) and isinstance(last, int) and last < first:
                    what = f"the range ends at {last}, before its start at {first}"
                    yield Conflict((*place, "ports", n, "last"), what, "the two the other way round")
            wanted: list[tuple[Place, Any]] = [
                (("variant_settings", word), word) for word in mapping(said.get("variant_settings"))
            ]
            wanted += [(("variants", n), word) for n, word in enumerate(chosen if isinstance(chosen, list) else ())]
            for where, word in wanted:
                if isinstance(word, str) and word not in variants:
                    what = f"{quoted(word)} is not a variant of this pack"
                    yield Conflict((*place, *where), what, _one_of(variants, "variants"), refers=True)


def bare(key: object) -> str:
    """A public key without its comment: what makes it one key and not another."""
    return " ".join(key.split()[:2]) if isinstance(key, str) else ""


def check_reseller(document: Document) -> None:
    """Note every misfit of a reseller's file: who left works there no more, and nobody takes over one of their keys."""
    technicians = mapping(mapping(document.value).get("technicians"))
    for misfit in identity.judge(mapping(mapping(document.value).get("organisation")), ("organisation",)):
        document.add_problem(misfit.place, misfit.what, misfit.hint)
    if not _called(mapping(document.value)):
        what = "nobody can be called: neither the co-op nor a technician has a phone; records and first-steps sheets name none"
        document.add_warning(("technicians",), what, "adding 'phone: …' to a technician")
    gone = {}
    for login, who in mapping(mapping(document.value).get("former")).items():
        if login in technicians:
            document.add_problem(("former", login), f"{quoted(login)} is a technician here too", "one of the two sections")
        keys = mapping(who).get("keys")
        gone.update({bare(key): login for key in (keys if isinstance(keys, list) else ()) if bare(key)})
    for login, who in technicians.items():
        keys = mapping(who).get("keys")
        for n, key in enumerate(keys if isinstance(keys, list) else ()):
            if (former := gone.get(bare(key))) and former != login:
                what = f"this is a key of {former}, who left"
                document.add_problem(("technicians", login, "keys", n), what, "a key of their own: ssh-keygen -t ed25519")


def _called(reseller: dict[str, Any]) -> bool:
    """Whether somebody of a reseller can be called."""
    contacts = mapping(reseller.get("organisation")).get("contacts")
    people = [*(contacts if isinstance(contacts, list) else ()), *mapping(reseller.get("technicians")).values()]
    return any(mapping(one).get("phone") for one in people)


def _server(lan: dict[str, Any], hosts: dict[str, dict[str, Any]]) -> Iterator[Conflict]:
    """Names that the server's directory can bear; a second server would make a second directory of the same name."""
    servers = [name for name, host in hosts.items() if host.get("kind") == Kind.SERVER]
    if len(servers) > 1:
        yield Conflict(("hosts", servers[1], "kind"), f"a second server beside {servers[0]}", "one server per office")
    if not servers:
        return
    domain = lan.get("domain")
    short = domain.partition(".")[0] if isinstance(domain, str) else ""
    if len(short) > NETBIOS:
        what = f"{quoted(short)} is too long for the name of the office's directory"
        yield Conflict(("lan", "domain"), what, f"at most {NETBIOS} characters before the first dot")
    for name in hosts:
        if len(name) > NETBIOS:
            what = f"{quoted(name)} is too long for a host of an office with a server"
            yield Conflict(("hosts", name), what, f"at most {NETBIOS} characters")
        if name == short:
            yield Conflict(("hosts", name), f"{quoted(name)} is the first word of the office's domain too", "another name")


def _former(
    former: dict[str, Any], people: dict[str, Any], groups: dict[str, Any], reseller: Reseller | None
) -> Iterator[Conflict]:
    """A closed account keeps its name: nothing else of the directory may bear it."""
    for login, gone in former.items():
        if login in groups:
            yield Conflict(("former", login), "is the name of a group too", "another name for the group")
        if reseller and login in reseller.technicians:
            yield Conflict(("former", login), f"is the login of a technician of {reseller.name}", "another login")
        if reseller and login in reseller.former:
            yield Conflict(("former", login), f"is the login of a technician who left {reseller.name}", "another login")
        if login in people:
            yield Conflict(("former", login), f"{quoted(login)} works here too", "one of the two sections")
        successor = mapping(gone).get("successor")
        if isinstance(successor, str) and successor and successor not in people:
            what = f"{quoted(successor)} is not a person of this office"
            yield Conflict(("former", login, "successor"), what, _one_of(people, "people"))


def _printers(lan: dict[str, Any], printers: dict[str, Any], hosts: dict[str, dict[str, Any]]) -> Iterator[Conflict]:
    network, first, last = read_pool(lan)
    taken = {host.get("address"): name for name, host in hosts.items() if isinstance(host.get("address"), str)}
    for name, printer in printers.items():
        place, value = ("printers", name, "address"), mapping(printer).get("address")
        address = read_address(value)
        if not address or not isinstance(value, str):
            continue
        if network and outside(address, network):
            yield Conflict(place, f"{address} is not a host's address in {network}", between(network))
        if first and last and first <= address <= last:
            yield Conflict(place, f"{address} lies in the DHCP pool {first} to {last}", "an address outside the pool")
        if (other := taken.setdefault(value, name)) != name:
            yield Conflict(place, f"{address} is also the address of {other}", "giving each its own address")


def _way_out(lan: dict[str, Any], hosts: dict[str, Any]) -> Iterator[Conflict]:
    """A host's default route: the office's router, or the box named as gateway; silent while a host is unreadable."""
    kinds = [mapping(host).get("kind") for host in hosts.values()]
    if kinds and all(kinds) and "router" not in kinds and not lan.get("gateway"):
        yield Conflict(("lan",), "nothing leads out: no host is a router", "'gateway:' with the address of the box that does")


def _lan(lan: dict[str, Any], hosts: dict[str, dict[str, Any]]) -> Iterator[Conflict]:
    network, first, last = read_pool(lan)
    yield from pool(lan, "lan")
    gateway = read_address(lan.get("gateway"))
    if gateway and network and outside(gateway, network):
        yield Conflict(("lan", "gateway"), f"{gateway} is not a host's address in {network}", between(network))
    for name, host in hosts.items():
        address = read_address(host.get("address"))
        if not address:
            continue
        place = ("hosts", name, "address")
        if network and outside(address, network):
            yield Conflict(place, f"{address} is not a host's address in {network}", between(network))
        if first and last and first <= address <= last:
            yield Conflict(place, f"{address} lies in the DHCP pool {first} to {last}", "an address outside the pool")


def _twins(hosts: dict[str, dict[str, Any]], word: str) -> Iterator[Conflict]:
    seen: dict[str, str] = {}
    for name, host in hosts.items():
        value = host.get(word)
        if isinstance(value, str) and (other := seen.setdefault(mac_form(value), name)) != name:
            yield Conflict(
                ("hosts", name, word),
                f"{quoted(value)} is also the {word} of {other}",
                f"giving each host its own {word}",
            )


def _hosts(hosts: dict[str, dict[str, Any]], people: dict[str, Any], pack: Pack | None) -> Iterator[Conflict]:
    router = ""
    for name, host in hosts.items():
        person, kind = host.get("person"), host.get("kind")
        if isinstance(person, str) and person and person not in people:
            yield Conflict(
                ("hosts", name, "person"), f"{quoted(person)} is not a person of this office", _one_of(people, "people")
            )
        purchased, warranty_end = host.get("purchased"), host.get("warranty_end")
        if isinstance(purchased, date) and isinstance(warranty_end, date) and warranty_end < purchased:
            what = f"the warranty ends on {warranty_end}, before the purchase on {purchased}"
            yield Conflict(("hosts", name, "warranty_end"), what, "reading the invoice again")
        if pack and kind in list(Kind) and Kind(kind) not in pack.kinds:  # a list: what is no text may stand there too
            yield Conflict(("hosts", name, "kind"), f"the pack {pack.name} has nothing for a {kind}", "another pack")
        if kind == Kind.ROUTER:
            if router:
                yield Conflict(("hosts", name, "kind"), f"a second router beside {router}", "one router per office")
            router = router or name


def _people(people: dict[str, Any], groups: dict[str, Any], reseller: Reseller | None) -> Iterator[Conflict]:
    for login, person in people.items():
        wanted = person.get("groups")
        for n, group in enumerate(wanted if isinstance(wanted, list) else ()):
            if isinstance(group, str) and group not in groups:
                what = f"{quoted(group)} is not a group of this office"
                yield Conflict(("people", login, "groups", n), what, _one_of(groups, "groups"), refers=True)
        if login in groups:
            yield Conflict(("people", login), "is the name of a group too", "another login")
        if reseller and login in reseller.technicians:
            yield Conflict(("people", login), f"is the login of a technician of {reseller.name}", "another login")
        if reseller and login in reseller.former:  # its account is closed on every machine
            yield Conflict(("people", login), f"is the login of a technician who left {reseller.name}", "another login")


def _one_of(known: Mapping[str, Any], section: str) -> str:
    names = ", ".join(list(known)[:8])
    return f"one of {names}, or adding it to '{section}:'" if names else f"adding it to '{section}:'"
