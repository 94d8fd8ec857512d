"""Services: none of systemd's units failed, and what the pack's roles stand on runs."""

from collections.abc import Iterable

from provisioner.check.subjects import Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.inventory.placement import MONITORING_HUB, roles, store
from provisioner.language import N_

UNITS = {
    "base": ("ssh.service", "nftables.service"), "directory": ("samba-ad-dc.service",), "printing": ("cups.service",),
    "mail_relay": ("postfix.service",), "calendar": ("radicale.service", "nginx.service"), "backup": ("office-backup.timer",),
    "web_server": ("nginx.service",), "website": ("certbot.timer", "website-metrics.timer"),
    "backup_place": ("office-place.service",),
    "directory_client": ("sssd.service",), "desktop": ("lightdm.service",), "router": ("systemd-networkd.service",),
    "remote": ("office-remote.service",), "node_exporter": ("prometheus-node-exporter.service", "office-facts.timer"),
    "metrics_agent": ("office-metrics.service",),
    "monitoring_hub": ("prometheus-alertmanager.service", "prometheus-blackbox-exporter.service", "office-receiver.service"),
}  # fmt: skip
STORES = {"prometheus": ("prometheus.service",), "victoriametrics": ("victoria-metrics.service", "office-vmalert.service")}
NOT_THERE = {("router", "nftables.service")}  # a router's firewall is the push's own unit


def needed(machine: Machine) -> list[str]:
    """The units that the machine's roles stand on."""
    here = roles(machine.pack, machine.office, machine.host)
    found = [unit for role in here for unit in UNITS.get(role, ())]
    if MONITORING_HUB in here:
        found += STORES[store(machine.pack, machine.office)]
    return [unit for unit in dict.fromkeys(found) if not any(role in here and unit == other for role, other in NOT_THERE)]


def failed(machine: Machine, units: list[str]) -> Iterable[Finding]:
    """The failed ones by name."""
    told = N_("On {host} these services failed: {units}.") if units else N_("No service of {host} failed.")
    level = Level.CRITICAL if units else Level.OK
    yield machine.judged("units", level, told, " ".join(units), units=", ".join(units[:8]))


def running(machine: Machine, active: dict[str, str]) -> Iterable[Finding]:
    """Whether each that is needed is active."""
    silent = {unit: active.get(unit, "not found") for unit in needed(machine) if active.get(unit) != "active"}
    told = N_("On {host} these services do not run: {units}.") if silent else N_("The services that {host} is there for run.")
    seen = "; ".join(f"{unit}: {state}" for unit, state in (silent or active).items())
    yield machine.judged("services", Level.CRITICAL if silent else Level.OK, told, seen, units=", ".join(silent))


SUBJECTS = (
    Subject("units", N_("Failed services"), "units", N_("critical when one failed"), failed),
    Subject(
        "services", N_("Running services"), "active", N_("critical when one that a role of the pack needs does not run"), running
    ),
)
