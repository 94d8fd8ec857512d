"""What an office is to Ansible: its hosts by kind, each with the variables `office` and `this_host`.

Read by our inventory plugin. The tool hands over what only it knows (where hosts were met, which lab, which proxy) in a
small file named by PROVISIONER_HANDOVER; without it, stock `ansible -i …/dossier.yml` gets the dossier as it stands, no
secrets, and the pinned keys.
"""

import contextlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from provisioner import alerting, repository_server
from provisioner.hosts import programs
from provisioner.hosts.pins import pinned
from provisioner.inventory import Inventory, open_inventory, way_in
from provisioner.inventory.dossier import ACME_HOST, Office, outside
from provisioner.inventory.models import Kind
from provisioner.inventory.packs import Pack
from provisioner.inventory.placement import (
    EXPORTER,
    LAB_INTERNET,
    PLACE,
    common_share,
    ports,
    roles,
    services,
    website_folder,
    website_sites,
)
from provisioner.inventory.resellers import Reseller
from provisioner.inventory.target import Target
from provisioner.laptop import disk

ENVIRONMENT = "PROVISIONER_HANDOVER"


@dataclass(frozen=True)
class Handover:
    """What the tool tells the plugin about one run. No secret is in it: the plugin reads the vault itself."""

    inventory: str
    office: str
    lab: bool
    user: str
    addresses: dict[str, str]
    options: dict[str, list[str]]
    environment: dict[str, str] = field(default_factory=dict)
    technicians: dict[str, list[str]] = field(default_factory=dict)
    pack: str = ""  # as if the dossier named this one; empty: as it stands
    variant: str = ""
    restart: bool = False  # now is a moment at which the office's machines may be restarted
    laptops: dict[str, str] = field(default_factory=dict)  # a lab's own: login -> public key in the tunnel
    hub_at: str = ""  # where a lab's hub is met

    def write(self, path: Path) -> None:
        """Put it where the plugin will look."""
        disk.write(path, json.dumps(asdict(self)))

    @classmethod
    def read(cls) -> "Handover | None":
        """The one this process was started with, if any."""
        named = os.environ.get(ENVIRONMENT)
        return cls(**json.loads(Path(named).read_text())) if named else None


def _office(office: Office, pack: Pack) -> dict[str, Any]:
    """The dossier as roles see it: mappings by name become lists with `name` or `login`, so that a loop reads well."""
    data: dict[str, Any] = office.model_dump(mode="json")
    data["hosts"] = [{"name": name, **host} for name, host in data["hosts"].items()]
    data["printers"] = [{"name": name, **printer} for name, printer in data["printers"].items()]
    data["people"] = [{"login": login, **person} for login, person in data["people"].items()]
    data["former"] = [{"login": login, **person} for login, person in data["former"].items()]
    lan = office.lan.network
    data["lan"] |= {"prefix": lan.prefixlen, "netmask": str(lan.netmask)}
    gateways = [host["address"] for host in data["hosts"] if host["kind"] == "router"]
    data["lan"]["gateway"] = gateways[0] if gateways else data["lan"]["gateway"] or ""
    data["services"] = services(pack, office)
    share, folder = website_folder(pack, office)
    data["shares"] = {"common": common_share(pack, office), "website": {"share": share, "folder": folder}}
    data["realm"] = office.lan.domain.upper()
    data["workgroup"] = office.lan.domain.partition(".")[0].upper()
    return data


def refusal(reseller: Reseller, stay: Mapping[str, Sequence[str]], me: str, key: str = "", **more: Any) -> dict[str, Any]:
    """What `hosts/programs/refuse.py` is asked: who left with their keys, who stays with theirs, who asks, by which key."""
    return {
        "logins": {login: list(gone.keys) for login, gone in reseller.former.items()},
        "stay": {login: list(keys) for login, keys in stay.items()},
        "me": {"login": me, "key": key},
        **more,
    }


def remote_plan(
    inventory: Inventory, office: Office, reseller: Reseller, target: Target, handover: Handover | None
) -> dict[str, Any]:  # fmt: skip
    """What the office's end of its way in is set to; empty where it has none."""
    if not (office.remote or office.hub):
        return {}
    hub = way_in.hub_of(office, inventory.office)
    offices = {name: inventory.office(name) for name in office.hub.offices} if office.hub else {}
    keys = {name: way_in.public_key(Target(inventory.root, name, target.lab)) for name in (hub.name, *offices)}
    laptops = handover.laptops if handover else {}
    return way_in.plan(office, hub, offices, reseller, {name: key for name, key in keys.items() if key}, laptops)


def remote_data(
    inventory: Inventory, office: Office, reseller: Reseller, target: Target, handover: Handover | None
) -> dict[str, Any]:  # fmt: skip
    """What roles are told of the way in: `remote_plan`, and the port of its switch, `remote_switch` (0: none)."""
    given = inventory.pack(office.pack).roles(Kind.SERVER, office.variant).get(way_in.ROLE)
    switch = given.settings.get("switch", 0) if given else 0
    return {"remote_plan": remote_plan(inventory, office, reseller, target, handover), "remote_switch": switch}


def _with_hub(outside: list[dict[str, str]], hub: list[dict[str, str]]) -> list[dict[str, str]]:
    """A lab's names beyond its line: a hub's is its own, whatever else is met by that name."""
    return [*(one for one in outside if one["name"] not in [there["name"] for there in hub]), *hub]


def backup_places(inventory: Inventory, office: Office, pack: Pack, target: Target) -> dict[str, Any]:
    """The second places of offices' backups that a hub keeps, as `backup_places`; of any other office none."""
    given = next((found[PLACE] for kind in Kind if PLACE in (found := pack.roles(kind, office.variant))), None)
    if not (office.hub and given):
        return {"backup_places": []}
    offices = {name: inventory.office(name) for name in office.hub.offices}
    keys = {}
    for name in offices:
        with contextlib.suppress(OSError):
            keys[name] = Target(inventory.root, name, target.lab).backup_public.read_text(encoding="ascii")
    return {"backup_places": repository_server.kept(office, offices, keys, int(str(given.settings["port"])))}


def _lab_keeper(inventory: Inventory, office: Office, target: Target) -> str:
    """The host key of a lab's hub, where that one keeps the office's second copies; empty where the lab's provider does."""
    hub = repository_server.keeper(office, inventory.office)
    if not hub:
        return ""
    there = pinned(Target(inventory.root, hub.name, target.lab)).get(way_in.gate(hub), [])
    return next((key for key in there if key.startswith("ssh-ed25519 ")), "")


def monitoring(inventory: Inventory, office: Office, target: Target) -> dict[str, Any]:
    """What roles are told of monitoring: a hub, what its parts read and who may send; an office, whom it sends to as what."""
    if office.hub:
        known = {name: published(Target(inventory.root, name, target.lab)) for name in office.hub.offices}
        return {
            "endpoint": office.hub.endpoint,
            "files": alerting.of_hub(inventory, office),
            "offices": {name: text for name, text in known.items() if text},
        }
    if not office.remote:
        return {}
    hub = way_in.hub_of(office, inventory.office)
    assert hub.hub
    authority = published(Target(inventory.root, hub.name, target.lab))
    exporters = [
        {"name": name, "address": str(host.address), "kind": host.kind.value}
        for name, host in office.hosts.items()
        if not host.appliance and EXPORTER in roles(inventory.pack(office.pack), office, host)
    ]
    return {
        "endpoint": hub.hub.endpoint, "authority": authority, "agent": way_in.gate(office), "exporters": exporters,
    }  # fmt: skip


def monitoring_data(inventory: Inventory, office: Office, target: Target) -> dict[str, Any]:
    """`monitoring`, and the program that looks at our own facts, where somebody reads them."""
    told = monitoring(inventory, office, target)
    return {"monitoring": told, "facts_program": programs.source("monitor_facts") if told else ""}


def published(target: Target) -> str:
    """What the other end of an office's monitoring may know; empty where it was not made yet."""
    try:
        return target.monitor_public.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _lab_hub(inventory: Inventory, office: Office, handover: Handover | None) -> list[dict[str, str]]:
    """The name of a lab's hub, which no DNS knows, and where it is met."""
    if not (handover and handover.hub_at and office.remote and (hub := inventory.office(office.remote.hub).hub)):
        return []
    return [{"name": hub.endpoint, "address": handover.hub_at}]


def _training(office: Office, target: Target) -> dict[str, Any] | None:
    """The client's training room, with where its files lie."""
    return {**office.training.model_dump(mode="json"), "folder": str(target.folder / "training")} if office.training else None


def hosts(dossier: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every host of the office whose dossier this is: name -> (kind, variables).

    Raises:
        ProvisionerError: the dossier, its pack or its reseller cannot be read.
    """
    handover = Handover.read()
    name = dossier.absolute().parent.name
    inventory = open_inventory(dossier.absolute().parents[2])
    target = Target(inventory.root, name, handover.lab if handover else False)
    office = inventory.office(name)
    if handover:
        office = inventory.moved(office, handover.pack, handover.variant)
    pack = inventory.pack(office.pack)
    data = _office(office, pack)
    reseller = inventory.reseller(office.reseller)
    data["technicians"] = [
        {"login": login, "name": technician.name, "keys": technician.keys} for login, technician in reseller.technicians.items()
    ]
    # whom to call, as the office's people see it
    data["help"] = {"name": reseller.organisation.name, "contacts": reseller.contacts()}
    data["lab"] = target.lab
    data["outside"] = [{"name": name, "address": str(LAB_INTERNET)} for name in outside(office)] if target.lab else []
    data["websites"] = website_sites(office, {name: inventory.office(name) for name in office.websites_of})
    data["website_program"] = programs.source("website_release") if data["websites"] else ""
    data["acme"] = f"https://{ACME_HOST}/dir" if target.lab else ""  # Debian's certbot knows the real one's
    data |= remote_data(inventory, office, reseller, target, handover) | backup_places(inventory, office, pack, target)
    data |= monitoring_data(inventory, office, target) | {"training": _training(office, target)}
    data["secrets"] = {}
    if handover:
        from provisioner.secrets import vault

        data["secrets"] = vault.read(target).model_dump(mode="json")
        data["secrets"]["backup"].pop("keeper_key", None)  # no machine of the office may ever hold it
        for section in ("wan", "wifi", "tunnel", "router"):  # the router's, which no role sets
            data["secrets"].pop(section)
        for technician in data["technicians"]:
            technician["keys"] = [*technician["keys"], *handover.technicians.get(technician["login"], [])]
        if target.lab and data["outside"]:
            provider = data["secrets"]["lab"]
            data["outside_authority"] = provider["provider_authority"]
            if data["backup"]:
                data["backup"]["host_key"] = _lab_keeper(inventory, office, target) or provider["provider_host_key_public"]
    if handover and handover.restart:
        data["restart_program"] = programs.source("stale")
    data["outside"] = _with_hub(data["outside"], _lab_hub(inventory, office, handover))
    stay = {technician["login"]: technician["keys"] for technician in data["technicians"]}
    data["refusal"] = refusal(reseller, stay, handover.user if handover else "", keep_lease=True)
    if reseller.former:
        data["refusal_program"] = programs.source("refuse")
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for host_name, host in office.hosts.items():
        met_at = (handover.addresses.get(host_name, "") if handover else "") or str(host.address)
        here = {
            "name": host_name,
            **host.model_dump(mode="json"),
            "roles": roles(pack, office, host),
            "settings": {key: role.settings for key, role in pack.roles(host.kind, office.variant).items()},
            "ports": ports(pack, office, host),
            "environment": handover.environment if handover else {},
            # by the way in it stays where it was met: the dossier's own address leads nowhere from there
            "then_at": met_at if ":" in met_at else str(host.address),
            "met_at": met_at,
        }
        variables: dict[str, Any] = {"office": data, "this_host": here, "ansible_host": here["met_at"]}
        if handover:
            variables["ansible_user"] = handover.user
            if host_name in handover.options:
                variables["ansible_ssh_common_args"] = shlex.join(handover.options[host_name])
        else:
            variables["ansible_ssh_common_args"] = shlex.join(
                ["-o", f"HostKeyAlias={target.alias(host_name)}", "-o", f'UserKnownHostsFile="{target.known_hosts}"']
            )
        found[host_name] = (host.kind.value, variables)
    return found
