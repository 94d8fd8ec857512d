"""What an office is to Ansible: its hosts by kind, each with the variables `office` and `this_host`.

Read by our inventory plugin. The tool hands over what only it knows (where hosts were met, which lab, which proxy) in a
small file named by PROVISIONER_HANDOVER; without it, stock `ansible -i …/dossier.yml` gets the dossier as it stands, no
secrets, and the pinned keys.
"""

import json
import os
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from provisioner.inventory import open_inventory
from provisioner.inventory.models import Host, Office, Pack
from provisioner.inventory.target import Target

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

    def write(self, path: Path) -> None:
        """Put it where the plugin will look."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls) -> "Handover | None":
        """The one this process was started with, if any."""
        named = os.environ.get(ENVIRONMENT)
        return cls(**json.loads(Path(named).read_text())) if named else None


def roles(pack: Pack, host: Host) -> list[str]:
    """The roles a host gets, in the pack's order."""
    return list(pack.kinds.get(host.kind, {}))


def ports(pack: Pack, host: Host) -> list[dict[str, Any]]:
    """The ports the LAN may reach on a host: exactly those its roles declare."""
    return [
        {"role": name, **port.model_dump(mode="json")}
        for name, role in pack.kinds.get(host.kind, {}).items()
        for port in role.ports
    ]


def _office(office: Office) -> dict[str, Any]:
    """The dossier as roles see it: mappings by name become lists with `name` or `login`, so that a loop reads well."""
    data: dict[str, Any] = office.model_dump(mode="json")
    data["hosts"] = [{"name": name, **host} for name, host in data["hosts"].items()]
    data["people"] = [{"login": login, **person} for login, person in data["people"].items()]
    lan = office.lan.network
    data["lan"] |= {"prefix": lan.prefixlen, "netmask": str(lan.netmask)}
    gateways = [host["address"] for host in data["hosts"] if host["kind"] == "router"]
    data["lan"]["gateway"] = gateways[0] if gateways else data["lan"]["gateway"] or ""
    return data


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
    pack = inventory.pack(office.pack)
    data = _office(office)
    reseller = inventory.reseller(office.reseller)
    data["technicians"] = [
        {"login": login, "name": technician.name, "keys": technician.keys} for login, technician in reseller.technicians.items()
    ]
    data["lab"] = target.lab
    data["secrets"] = {}
    if handover:
        from provisioner.inventory import vault

        data["secrets"] = vault.read(target).model_dump(mode="json")
        for technician in data["technicians"]:
            technician["keys"] = [*technician["keys"], *handover.technicians.get(technician["login"], [])]
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for host_name, host in office.hosts.items():
        here = {
            "name": host_name,
            **host.model_dump(mode="json"),
            "roles": roles(pack, host),
            "settings": {key: role.settings for key, role in pack.kinds.get(host.kind, {}).items()},
            "ports": ports(pack, host),
            "environment": handover.environment if handover else {},
            "met_at": (handover.addresses.get(host_name, "") if handover else "") or str(host.address),
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
