"""A co-op's hub and an office of one server behind a router, monitored by the real parts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from provisioner.training.network import keep_hosts
from tests.remote import network as remote
from tests.stage import Stage

HUB, OFFICE = remote.HUB, "demo"
ROLES: Mapping[str, Sequence[str]] = {"server": ("base", "node_exporter", "metrics_agent", "remote"), "router": ("base",)}


def network(folder: Path, **told: str) -> dict[str, Stage]:
    """The hub with its whole pack, and the office with what monitoring needs alone; `told` goes into the hub's section."""
    found = remote.network(folder, ROLES)
    hub = found[HUB]
    keep_hosts(found[OFFICE].dossier, ("router", "server"))
    dossier = yaml.safe_load(hub.dossier.read_text())
    dossier["hub"] |= {"offices": [OFFICE], **told}
    hub.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False))
    hub.git("commit", "-q", "-a", "-m", "who hears of the office")
    return {HUB: hub, OFFICE: found[OFFICE]}
