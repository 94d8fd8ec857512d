"""What an office is to Ansible: its hosts by kind, each with the variables `office` and `this_host`.

Read by our inventory plugin. The tool hands over what only it knows (where hosts were met, which lab, which proxy) in a
small file named by PROVISIONER_HANDOVER; without it, stock `ansible -i …/dossier.yml` gets the dossier as it stands, no
secrets, and the pinned keys.
"""

import hashlib
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any

from provisioner.errors import BadInput
from provisioner.inventory import way_in
from provisioner.inventory.dossier import Host, Office, serves_websites
from provisioner.inventory.models import Kind
from provisioner.inventory.network import Forward
from provisioner.inventory.packs import Pack, PackRole

# The lab's Internet: TEST-NET-2 (RFC 5737), in the lab's own namespaces only. One machine stands there for all providers, at
# this address too where labs share an Internet: each keeps its own.
LAB_INTERNET = IPv4Address("198.51.100.1")
LAB_PROXY_PORT = 3142
WEBSITE, WEB_SERVER = "website", "web_server"
EXPORTER, AGENT, MONITORING_HUB = "node_exporter", "metrics_agent", "monitoring_hub"
STORES = ("prometheus", "victoriametrics")  # what may keep a hub's numbers; without a word the first
WEB_PORTS = (80, 443)
PLACE = "backup_place"  # on a hub: the second place of offices' backups
SITES = ("calendar", WEBSITE, MONITORING_HUB)  # the roles that stand on the web server


def internet(*, lab: bool) -> list[tuple[str, int]]:
    """What must answer beyond the office's line: the packages' own mirror, which every machine of an office asks anyway."""
    return [(str(LAB_INTERNET), LAB_PROXY_PORT)] if lab else [("deb.debian.org", 443)]


def roles(pack: Pack, office: Office, host: Host) -> list[str]:
    """The roles a host gets, in the pack's order; `X_client` only where the office's server has `X`."""
    there = services(pack, office)
    return [name for name in _given(pack, office, host) if not name.endswith("_client") or name.removesuffix("_client") in there]


def _given(pack: Pack, office: Office, host: Host) -> dict[str, PackRole]:
    """The pack's roles for a host, but those that serve websites where the office's server has nothing to serve."""
    found = pack.roles(host.kind, office.variant)
    if not (office.remote or office.hub) or host != office.hosts.get(way_in.gate(office)):
        for name in (way_in.ROLE, AGENT, MONITORING_HUB):  # the machine that calls the hub speaks for the office
            found.pop(name, None)
    if not (office.remote or office.hub):  # nobody would read the numbers
        found.pop(EXPORTER, None)
    if not serves_websites(office):
        found.pop(WEBSITE, None)
    if not set(SITES) & set(found):
        found.pop(WEB_SERVER, None)
    return found


def dropped(before: tuple[Pack, Office], after: tuple[Pack, Office]) -> dict[str, list[str]]:
    """The roles that hosts lose by a move to another pack or variant: host -> roles, only where there are any."""
    lost = {name: [r for r in roles(*before, host) if r not in roles(*after, host)] for name, host in before[1].hosts.items()}
    return {name: gone for name, gone in lost.items() if gone}


def ports(pack: Pack, office: Office, host: Host) -> list[dict[str, Any]]:
    """What its roles declare: the ports the LAN may reach on a host, `public` ones from beyond too, `only` from one address."""
    return [
        {
            "role": name,
            "port": port.port,
            "last": port.last or port.port,
            "protocol": port.protocol,
            "public": port.public,
            "only": _holder(pack, office, port.only) if port.only else "",
        }
        for name, role in _given(pack, office, host).items()
        for port in role.ports
        if not port.only or not (host.appliance or port.only in _given(pack, office, host))
    ]


def _holder(pack: Pack, office: Office, role: str) -> str:
    """The address of the host that has a role; without one, nobody's."""
    return next((str(host.address) for host in office.hosts.values() if role in _given(pack, office, host)), "127.0.0.1")


def answered(pack: Pack, office: Office, host: Host) -> list[tuple[str, int, int]]:
    """What a host answers the LAN: protocol, first and last port; those of its roles, and of a router of ours the time too."""
    declared = [(str(one["protocol"]), int(one["port"]), int(one["last"])) for one in ports(pack, office, host)]
    return [*declared, *([("udp", 123, 123)] if "router" in roles(pack, office, host) else [])]


def services(pack: Pack, office: Office) -> dict[str, dict[str, str]]:
    """Where each role of the office's server is met: role -> host `name`, `address` and `fqdn`; none without a server."""
    return {
        role: {"name": name, "address": str(host.address), "fqdn": f"{name}.{office.lan.domain}"}
        for name, host in office.hosts.items()
        if host.kind is Kind.SERVER
        for role in _given(pack, office, host)
    }


def forwards(pack: Pack, office: Office) -> dict[str, Forward]:
    """What may come in from the Internet: the dossier's, the way to the websites of the office's server, and to a hub.

    A port that the dossier leads elsewhere stays there.
    """
    server = services(pack, office).get(WEBSITE)
    taken = {(one.protocol, one.port) for one in office.forwards.values()}
    own = {f"website-{port}": Forward(port=port, to=server["name"]) for port in WEB_PORTS} if server else {}
    if office.hub and (to := way_in.gate(office)) and office.hosts[to].kind is not Kind.ROUTER:
        own["hub"] = Forward(port=way_in.PORT, to=to, protocol="udp")
        given = pack.roles(office.hosts[to].kind, office.variant).get(PLACE)
        own |= {f"backups-{one.port}": Forward(port=one.port, to=to) for one in (given.ports if given else ()) if one.public}
        if MONITORING_HUB in services(pack, office):
            own["monitoring"] = Forward(port=443, to=to)
    return office.forwards | {name: one for name, one in own.items() if (one.protocol, one.port) not in taken}


def website_sites(office: Office, others: Mapping[str, Office]) -> list[dict[str, str]]:
    """The sites that the office's server has: its own, and those of `others` that its dossier names.

    Each as `office`, `domain`, `email`, `phone`, and `user`, the account its files belong to (useradd(8): at most 32 characters).
    """
    served = {office.name: office, **{name: others[name] for name in office.websites_of}}
    return [
        {"office": name, "domain": one.website.domain, "user": _account(name), **_written_to(one)}
        for name, one in served.items()
        if one.website and (one.website.served_by or name) == office.name
    ]


def _written_to(office: Office) -> dict[str, str]:
    """Where a site's contact form writes to, and the telephone for whom it cannot serve: as the site itself shows them."""
    first = office.organisation.contacts[0] if office.organisation.contacts else None
    assert office.website
    return {
        "email": office.website.email or (first.email if first else ""),
        "phone": office.website.phone or (first.phone if first else ""),
    }


def _account(office: str) -> str:
    called = f"web-{office}"
    return called if len(called) <= 32 else f"{called[:23]}-{hashlib.sha256(office.encode()).hexdigest()[:8]}"


def store(pack: Pack, office: Office) -> str:
    """What keeps the numbers at a hub: one of STORES.

    Raises:
        BadInput: the pack names another.
    """
    gate = way_in.gate(office)
    given = pack.roles(office.hosts[gate].kind, office.variant).get(MONITORING_HUB) if gate else None
    named = str(given.settings.get("store", STORES[0])) if given else STORES[0]
    if named not in STORES:
        raise BadInput(f"{pack.name}: {MONITORING_HUB}: store: {named!r} is none of {', '.join(STORES)}")
    return named


def common_share(pack: Pack, office: Office) -> str:
    """The name of the share for all, as role `file_share` makes it."""
    settings = [pack.roles(host.kind, office.variant).get("file_share") for host in office.hosts.values()]
    return next((str(role.settings["common"]) for role in settings if role and "common" in role.settings), "commun")


def website_folder(pack: Pack, office: Office) -> tuple[str, str]:
    """Where the office's people change its website: the share, and the folder in it; empty where the server has no such site."""
    there = services(pack, office)
    site = office.website
    if not site or (site.served_by or office.name) != office.name or not {WEBSITE, "file_share"} <= set(there):
        return "", ""
    folder = "Site web" if office.language.startswith("fr") else "Website"
    return site.editors or common_share(pack, office), folder
