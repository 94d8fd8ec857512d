"""A co-op's hub and two offices that call it: their dossiers, and their labs on one Internet."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tests.stage import Stage, make

HUB, OTHER = "lumiere", "annexe"
OFFICES = ("demo", OTHER)

_HUB = """\
organisation:
  name: "L'Atelier Lumière"
  legal_form: Scop SARL
  siren: "000953893"
  address: {street: "12 bis, rue de l'Échiquier", postcode: "69001", city: Lyon, country: FR}
reseller: scop-lumiere
pack: hub-2026.1
address: {street: "12 bis, rue de l'Échiquier", postcode: "69001", city: Lyon, country: FR}
# the LAN that its offices have too
lan: {network: 192.168.1.0/24, dhcp_first: 192.168.1.100, dhcp_last: 192.168.1.199, domain: lumiere.internal}
ula: fd0b:7a11:90c3::/48
hub: {endpoint: hub.lumiere.example, offices: [demo, annexe]}
hosts:
  router: {kind: router, address: 192.168.1.1, mac: "02:00:5e:20:00:01", interfaces: {wan: wan0, lan: [lan0]}}
  server: {kind: server, address: 192.168.1.10, mac: "02:00:5e:20:00:0a"}
"""


ROLES = {"server": ("base", "remote", "backup"), "desktop": ("base", "remote_client"), "router": ("base", "router")}


def network(folder: Path, kinds: Mapping[str, Sequence[str]] = ROLES) -> dict[str, Stage]:
    """The hub, the example's office and another without a desktop, each with these roles of the standard pack alone."""
    first = make(folder)
    pack = first.inventory / "packs/standard-2026.1.yml"
    found = yaml.safe_load(pack.read_text())
    found["kinds"] = {kind: {role: found["kinds"][kind][role] for role in roles} for kind, roles in kinds.items()}
    pack.write_text(yaml.safe_dump(found, allow_unicode=True, sort_keys=False))
    office = yaml.safe_load(first.dossier.read_text())
    for section in ("mail", "website", "printers", "guests"):
        office.pop(section, None)
    for host in office["hosts"].values():
        host["interfaces"] = (host.get("interfaces", {}) and {"wan": "wan0", "lan": ["lan0"]}) or None
    office["hosts"] = {name: {k: v for k, v in host.items() if v} for name, host in office["hosts"].items()}
    office["remote"] = {"hub": HUB}
    office["backup"] |= {"host": "hub.lumiere.example", "port": 2222, "append_only": True}  # in a lab its key is the pinned one
    texts = {"demo": yaml.safe_dump(office, allow_unicode=True, sort_keys=False), HUB: _HUB}
    other = {name: section for name, section in office.items() if name != "backup"} | {"ula": "fd5c:81e7:2b95::/48"}
    other["hosts"] = {
        name: {**host, "mac": host["mac"].replace("5e:10", "5e:30")}
        for name, host in office["hosts"].items()
        if name != "desktop"
    }
    texts[OTHER] = yaml.safe_dump(other, allow_unicode=True, sort_keys=False)
    for name, text in texts.items():
        path = first.inventory / "offices" / name / "dossier.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    first.git("add", "-A")
    first.git("commit", "-q", "-m", "a hub and its offices")
    return {name: Stage(first.inventory, first.home, name) for name in texts}
