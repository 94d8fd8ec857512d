"""Ports: what the firewall lets in is what the pack declares, and that firewall is loaded."""

from collections.abc import Iterable

from provisioner.check.subjects import Machine, Subject
from provisioner.findings import Finding, Level
from provisioner.inventory.placement import answered
from provisioner.language import N_

ASKING = {"udp 67", "udp 546"}  # as verify's: who asks for an address, and what a line's provider answers a router


def declared(machine: Machine) -> set[str]:
    """As the kernel's list of rules has it: `tcp 22`, `tcp 49152-49171`."""
    return {
        f"{protocol} {first}" if first == last else f"{protocol} {first}-{last}"
        for protocol, first, last in answered(machine.pack, machine.office, machine.host)
    }


def judge(machine: Machine, rules: list[str] | None) -> Iterable[Finding]:
    """Undeclared ones are critical; declared ones that are shut are a warning."""
    if rules is None:
        yield machine.judged("ports", Level.CRITICAL, N_("The firewall of {host} is not loaded."))
        return
    open_, wanted = set(rules) - ASKING, declared(machine) - ASKING
    extra, shut = sorted(open_ - wanted), sorted(wanted - open_)
    seen = f"undeclared: {', '.join(extra) or '-'}; shut: {', '.join(shut) or '-'}"
    if extra:
        told = N_("{host} lets in more than was agreed: {ports}.")
        yield machine.judged("ports", Level.CRITICAL, told, seen, ports=", ".join(extra[:8]))
    elif shut:
        told = N_("{host} shuts out what was agreed: {ports}.")
        yield machine.judged("ports", Level.WARNING, told, seen, ports=", ".join(shut[:8]))
    else:
        yield machine.judged("ports", Level.OK, N_("{host} lets in what was agreed and nothing else."), seen)


SUBJECT = Subject(
    "ports", N_("Open ports"), "firewall",
    N_("critical when the firewall is not loaded or lets in what the pack does not declare, warning when it shuts more out"),
    judge,
)  # fmt: skip
