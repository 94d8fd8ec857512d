"""A co-op's hub and an office of one server behind a router, monitored by the real parts; the receivers of its alerts."""

from pathlib import Path

import yaml

from tests.remote import network as remote
from tests.stage import Stage

HUB, OFFICE = remote.HUB, "demo"
ROLES = ("base", "node_exporter", "metrics_agent", "remote")


def network(folder: Path, webhook: str = "", watchdog: str = "") -> dict[str, Stage]:
    """The hub with its whole pack but for mail, and the office, without the roles that monitoring does not need."""
    found = remote.network(folder, ROLES)
    hub = found[HUB]
    dossier = yaml.safe_load(hub.dossier.read_text())
    dossier["hub"] |= (
        {"offices": [OFFICE]} | ({"webhook": webhook} if webhook else {}) | ({"watchdog": watchdog} if watchdog else {})
    )
    hub.dossier.write_text(yaml.safe_dump(dossier, allow_unicode=True, sort_keys=False))
    hub.git("commit", "-q", "-a", "-m", "who hears of the office")
    return {HUB: hub, OFFICE: found[OFFICE]}
