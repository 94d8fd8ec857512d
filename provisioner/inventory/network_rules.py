"""What must fit together in an office's network: the line, the guests, the Wi-Fi, what may come in. Pure, as `rules`.

The rules take what they can use and skip the rest: what is no address at all is the model's to say.
"""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from provisioner.inventory.conflicts import (
    Conflict,
    between,
    mapping,
    outside,
    pool,
    read_address,
    read_interface,
    read_network,
    read_pool,
)
from provisioner.inventory.fields import mac_form
from provisioner.inventory.models import Kind
from provisioner.inventory.strict_yaml import Place, quoted


def judge(dossier: Mapping[str, Any]) -> Iterator[Conflict]:
    """Every conflict of the sections that are the router's."""
    lan = mapping(dossier.get("lan"))
    hosts = {name: host for name, host in mapping(dossier.get("hosts")).items() if isinstance(host, dict)}
    wan, guests, wifi = (mapping(dossier.get(word)) for word in ("wan", "guests", "wifi"))
    yield from _platforms(hosts)
    yield from _interfaces(hosts)
    yield from _without_a_router(dossier, hosts)
    yield from _wan(wan)
    yield from _guests(guests)
    yield from _wifi(wifi, guests)
    yield from _overlaps(dossier)
    yield from _reserved(mapping(dossier.get("reserved")), lan, hosts, mapping(dossier.get("printers")))
    reserved = mapping(dossier.get("reserved"))
    yield from _forwards(mapping(dossier.get("forwards")), hosts, reserved)
    yield from _routes(dossier, lan)
    yield from _time(mapping(dossier.get("time")), hosts)
    yield from _there(("syslog", "to"), mapping(dossier.get("syslog")).get("to"), hosts, reserved)


def _without_a_router(dossier: Mapping[str, Any], hosts: dict[str, dict[str, Any]]) -> Iterator[Conflict]:
    kinds = [host.get("kind") for host in hosts.values()]
    if not kinds or not all(kinds) or Kind.ROUTER in kinds:
        return
    for word in ("wan", "guests", "wifi", "forwards", "reserved", "routes", "time", "syslog", "tunnel"):
        if dossier.get(word):
            yield Conflict((word,), "nobody would do this: no host is a router", "a host of the kind router, or without it")


def _platforms(hosts: dict[str, dict[str, Any]]) -> Iterator[Conflict]:
    """Whose system is another than Debian: routers alone, and they alone have a login of their own."""
    for host, one in hosts.items():
        platform = one.get("platform", "debian")
        if platform != "debian" and one.get("kind") in (Kind.DESKTOP, Kind.SERVER):
            yield Conflict(("hosts", host, "platform"), f"a {one['kind']} is a Debian machine", "without 'platform:'")
        elif platform == "debian" and one.get("login"):
            what = "a Debian machine has an account for each technician"
            yield Conflict(("hosts", host, "login"), what, "without 'login:', or the router's 'platform:'")


LAN_PORTS = 8
LINK_NAME = 15  # characters of a Linux link's name (IFNAMSIZ)


def _interfaces(hosts: dict[str, dict[str, Any]]) -> Iterator[Conflict]:
    """A router's interfaces: each for one thing, and by names that its system can have."""
    for host, one in hosts.items():
        said = mapping(one.get("interfaces"))
        ports = said.get("lan")
        lan = [(("lan", n), port) for n, port in enumerate(ports)] if isinstance(ports, list) else []
        named = [*(((word,), said.get(word)) for word in ("wan", "guests", "radio")), *lan]
        seen: dict[str, str] = {}
        for where, name in named:
            place = ("hosts", host, "interfaces", *where)
            if not isinstance(name, str):
                continue
            if name in seen:
                yield Conflict(place, f"{quoted(name)} is its interface for {seen[name]} too", "an interface for each")
            seen.setdefault(name, str(where[0]))
            if one.get("platform", "debian") == "debian" and (len(name) > LINK_NAME or "/" in name):
                what = f"{quoted(name)} is no name of a Linux link"
                yield Conflict(place, what, f"at most {LINK_NAME} characters, without /, as `ip link` shows it")
        if len(lan) > LAN_PORTS:
            yield Conflict(("hosts", host, "interfaces", "lan"), f"{len(lan)} ports of the LAN", f"at most {LAN_PORTS}")


def _wan(wan: dict[str, Any]) -> Iterator[Conflict]:
    sort = wan.get("type", "dhcp")
    needs = {"static": ("address", "gateway"), "pppoe": ("user",)}
    for word in needs.get(sort, ()) if isinstance(sort, str) else ():
        if not wan.get(word):
            yield Conflict(("wan",), f"a line of the type {sort} needs '{word}:'", "the letter of the Internet provider")
    for kind, words in needs.items():
        for word in words:
            if sort != kind and wan.get(word):
                yield Conflict(("wan", word), f"is for a line of the type {kind}, this one is {quoted(sort)}", f"type: {kind}")
    own, gateway = read_interface(wan.get("address")), read_address(wan.get("gateway"))
    if own and own.network.prefixlen < 31 and outside(own.ip, own.network):
        yield Conflict(("wan", "address"), f"{own.ip} is not a host's address in {own.network}", between(own.network))
    if own and gateway and own.network.prefixlen < 31 and outside(gateway, own.network):
        yield Conflict(("wan", "gateway"), f"{gateway} is not a host's address in {own.network}", between(own.network))
    if own and own.ip == gateway:
        yield Conflict(("wan", "gateway"), f"{gateway} is the router's own address there", "the provider's")


def _guests(guests: dict[str, Any]) -> Iterator[Conflict]:
    yield from pool(guests, "guests")
    of, first, last = read_pool(guests)
    if of and first and last and first <= of[1] <= last:
        what = f"the pool holds {of[1]}, which is the router's own address there"
        yield Conflict(("guests", "dhcp_first"), what, f"a pool from {of[2]} on")


def _wifi(wifi: dict[str, Any], guests: dict[str, Any]) -> Iterator[Conflict]:
    names = {word: mapping(wifi.get(word)).get("ssid") for word in ("staff", "guests")}
    if wifi.get("guests") and not guests:
        yield Conflict(("wifi", "guests"), "there is no network for guests", "a section 'guests:' with their network")
    if names["staff"] is not None and names["staff"] == names["guests"]:
        what = f"{quoted(names['guests'])} is the name of the staff's Wi-Fi too"
        yield Conflict(("wifi", "guests", "ssid"), what, "another name")


def _networks(dossier: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str, IPv4Network]]:
    for word, called in (("lan", "the LAN"), ("guests", "the guests' network")):
        if found := read_network(mapping(dossier.get(word)).get("network")):
            yield (word, "network"), called, found
    if line := read_interface(mapping(dossier.get("wan")).get("address")):
        yield ("wan", "address"), "the line's network", line.network
    tunnel = mapping(dossier.get("tunnel"))
    if own := read_interface(tunnel.get("address")):
        yield ("tunnel", "address"), "the tunnel's network", own.network


def _shared(place: tuple[str | int, ...], one: str, two: str) -> Conflict:
    return Conflict(place, f"{one} overlaps {two}", "networks that share no address")


def _overlaps(dossier: Mapping[str, Any]) -> Iterator[Conflict]:
    """Two networks that share an address: nobody could tell which way a packet goes."""
    seen: list[tuple[str, IPv4Network]] = []
    for place, called, found in _networks(dossier):
        for other, beside in seen:
            if found.overlaps(beside):
                yield _shared(place, f"{called} {found}", f"{other} {beside}")
        seen.append((called, found))
    allowed = mapping(dossier.get("tunnel")).get("allowed")
    for n, value in enumerate(allowed if isinstance(allowed, list) else ()):
        beyond = read_interface(value)
        for other, beside in seen:
            if beyond and other != "the tunnel's network" and beyond.network.overlaps(beside):
                two = f"{other} {beside}"
                what = f"{beyond.network} at the tunnel's other end overlaps {two}"
                yield Conflict(("tunnel", "allowed", n), what, "networks that share no address")


def _routes(dossier: Mapping[str, Any], lan: dict[str, Any]) -> Iterator[Conflict]:
    """Networks behind another router: none of those that the router has itself, by somebody in the LAN."""
    seen = [(called, one) for _, called, one in _networks(dossier)]
    of = read_network(lan.get("network"))
    for name, route in mapping(dossier.get("routes")).items():
        found, one = read_network(mapping(route).get("network")), read_address(mapping(route).get("via"))
        called = f"the route {name}"
        for other, beside in seen:
            if found and found.overlaps(beside):
                yield _shared(("routes", name, "network"), str(found), f"{other} {beside}")
        seen += [(called, found)] if found else []
        if one and of and outside(one, of):
            yield Conflict(("routes", name, "via"), f"{one} is not a host's address in {of}", between(of))


def _reserved(
    reserved: dict[str, Any], lan: dict[str, Any], hosts: dict[str, dict[str, Any]], printers: dict[str, Any]
) -> Iterator[Conflict]:
    of, first, last = read_pool(lan)
    taken = {str(host.get("address")): name for name, host in hosts.items()}
    taken |= {str(mapping(printer).get("address")): name for name, printer in printers.items()}
    macs = {mac_form(str(host.get("mac"))): name for name, host in hosts.items()}
    for name, thing in reserved.items():
        place, said = ("reserved", name), mapping(thing)
        one = read_address(said.get("address"))
        if name in hosts or name in printers:
            what = (
                f"{quoted(name)} is a host of this office too"
                if name in hosts
                else f"{quoted(name)} is a printer of this office too"
            )
            yield Conflict(place, what, "another name")
        if one and of and outside(one, of):
            yield Conflict((*place, "address"), f"{one} is not a host's address in {of}", between(of))
        if one and first and last and first <= one <= last:
            what = f"{one} lies in the DHCP pool {first} to {last}"
            yield Conflict((*place, "address"), what, "an address outside the pool")
        if one and (other := taken.setdefault(str(one), name)) != name:
            yield Conflict((*place, "address"), f"{one} is also the address of {other}", "giving each its own address")
        mac = said.get("mac")
        if isinstance(mac, str) and (other := macs.setdefault(mac_form(mac), name)) != name:
            yield Conflict((*place, "mac"), f"{quoted(mac)} is also the mac of {other}", "giving each its own mac")


def _forwards(forwards: dict[str, Any], hosts: dict[str, dict[str, Any]], reserved: dict[str, Any]) -> Iterator[Conflict]:
    seen: dict[tuple[object, object], str] = {}
    for name, forward in forwards.items():
        said = mapping(forward)
        port = said.get("port")
        yield from _there(("forwards", name, "to"), said.get("to"), hosts, reserved)
        if isinstance(port, int) and (other := seen.setdefault((said.get("protocol", "tcp"), port), name)) != name:
            yield Conflict(("forwards", name, "port"), f"the port {port} goes to {other} already", "another port")


def _there(place: Place, to: object, hosts: dict[str, dict[str, Any]], reserved: dict[str, Any]) -> Iterator[Conflict]:
    """Something that the router leads to has to be in the office, and not the router."""
    known = [*(host for host, one in hosts.items() if one.get("kind") != Kind.ROUTER), *reserved]
    if isinstance(to, str) and to not in known:
        what = f"{quoted(to)} is neither another host of this office nor reserved an address"
        yield Conflict(place, what, f"one of {', '.join(known[:8])}" if known else "a host of 'hosts:'")


def _time(time: dict[str, Any], hosts: dict[str, dict[str, Any]]) -> Iterator[Conflict]:
    own = {str(one.get("address")): name for name, one in hosts.items() if one.get("kind") == Kind.ROUTER}
    servers = time.get("servers")
    seen: set[str] = set()
    for n, one in enumerate(servers if isinstance(servers, list) else ()):
        if not isinstance(one, str):
            continue
        if one in own:
            yield Conflict(("time", "servers", n), f"{one} is {own[one]} itself", "somebody else's clock, as 0.fr.pool.ntp.org")
        if one in seen:
            yield Conflict(("time", "servers", n), f"{quoted(one)} is there twice", "each server once")
        seen.add(one)
