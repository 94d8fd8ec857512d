"""Ports: what the office's machines answer to is exactly what the pack declares, from the LAN and from beyond the gateway."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence

from provisioner.findings import Finding
from provisioner.hosts import programs
from provisioner.inventory.placement import answered, forwards
from provisioner.language import N_
from provisioner.verify.checks import Check, VerifySession, judged, not_applicable

WAKING_S = 12
ASKING = {"udp 67", "udp 546"}  # who asks for an address has none yet; what the line's provider answers a router about its prefix

Declared = Sequence[tuple[str, int, int]]  # protocol, first, last


def declared(session: VerifySession, host: str) -> list[tuple[str, int, int]]:
    """What a host answers the LAN."""
    return answered(session.pack, session.office, session.office.hosts[host])


def differing(open_ports: Iterable[int], wanted: Declared) -> tuple[list[int], list[str]]:
    """TCP ports that answer and are not declared; and those declared that do not (of a range, one must). Pure."""
    found = set(open_ports)
    ranges = [(first, last) for protocol, first, last in wanted if protocol == "tcp"]
    extra = sorted(port for port in found if not any(first <= port <= last for first, last in ranges))
    closed = [
        str(first) if first == last else f"{first}-{last}"
        for first, last in ranges
        if not any(first <= port <= last for port in found)
    ]
    return extra, closed


def _listed(ports: Iterable[object]) -> str:
    return " ".join(map(str, ports)) or "none"


def allowed(wanted: Declared) -> list[str]:
    """The same as the kernel's list of rules must have it: `tcp 22`, `tcp 49152-49171`."""
    return sorted({f"{protocol} {first}" if first == last else f"{protocol} {first}-{last}" for protocol, first, last in wanted})


def from_lan(session: VerifySession) -> Iterable[Finding]:
    """Every TCP port of every host from the desktop; of the desktop itself, from the server. UDP by the kernel's own rules."""
    met = session.selection.met
    scans = {session.desktop: [host for host in met if host != session.desktop]}
    other = session.server if session.server != session.desktop else ""
    if other:
        scans[other] = [session.desktop]
    for scanner, hosts in scans.items():
        found = _scan(session, scanner, hosts)
        waking = [host for host in hosts if _waking(session, host, found.get(host))]
        if waking:  # after a restart a service opens its ports one by one
            time.sleep(WAKING_S)
            found |= _scan(session, scanner, waking)
        for host in hosts:
            yield _judge(session, host, found.get(host))
    if not other:
        yield not_applicable(
            "ports", N_("The machine that this is tried from can only be looked at from another one."), session.desktop
        )


def _scan(session: VerifySession, scanner: str, hosts: Sequence[str]) -> dict[str, list[int]]:
    """The open ports of each host as one of the others sees them; a host that could not be scanned is not in it."""
    at = {host: session.on_lan(host) for host in hosts}
    found = session.ask(scanner, "scan", targets=list(at.values()), timeout_s=30 + 6 * len(hosts))
    return {host: found[at[host]] for host in hosts if at[host] in found}


def _waking(session: VerifySession, host: str, open_ports: list[int] | None) -> bool:
    """Whether nothing is wrong but that a declared port is still silent."""
    extra, closed = differing(open_ports or [], declared(session, host))
    return bool(open_ports and closed and not extra)


def _judge(session: VerifySession, host: str, open_ports: list[int] | None) -> Finding:
    wanted = declared(session, host)
    extra, closed = differing(open_ports or [], wanted)
    rules = session.facts.get(host, {}).get("firewall")
    same = rules is not None and set(rules) - ASKING == set(allowed(wanted)) - ASKING
    evidence = f"TCP answers: {_listed(open_ports or ())}; undeclared: {_listed(extra)}; silent: {_listed(closed)}"
    evidence += f"; firewall: {' '.join(rules) if rules is not None else 'not loaded'}"
    return judged(
        "ports",
        open_ports is not None and not extra and not closed and same,
        N_("From the office's network, {host} answers to what was agreed and to nothing else."),
        N_("From the office's network, {host} does not answer to exactly what was agreed."),
        evidence,
        host,
        host=host,
    )


def from_beyond(session: VerifySession) -> Iterable[Finding]:
    """From the Internet's side of the gateway, in a lab; a technician's laptop at the client's has no eyes out there."""
    if not session.lab:
        yield not_applicable("beyond", N_("Seen from inside the office, this cannot be tried; it needs a machine outside."))
        return
    from provisioner.lab import beyond

    words, targets = beyond(session.selection.target, [session.on_lan(host) for host in session.selection.met])
    wanted = [("tcp", one.port, one.port) for one in forwards(session.pack, session.office).values() if one.protocol == "tcp"]
    ask = json.dumps({"targets": targets})
    done = subprocess.run(
        [*words, sys.executable, "-c", programs.source("scan")],
        input=ask,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = json.loads(done.stdout) if done.returncode == 0 else None
    evidence = (
        "; ".join(f"{target}: {' '.join(map(str, open_)) or 'silent'}" for target, open_ in found.items())
        if found
        else done.stderr
    )
    yield judged(
        "beyond",
        found is not None
        and len(found) == len(targets)
        and not any(found[target] for target in targets[1:])
        and differing(found[targets[0]], wanted) == ([], []),
        N_("From the Internet, the office answers at the ports that its router lets in, and at nothing else.")
        if wanted
        else N_("From the Internet, nothing of the office answers."),
        N_("From the Internet, the office does not answer at exactly the ports that its router lets in.")
        if wanted
        else N_("From the Internet, something of the office answers."),
        evidence,
    )


FROM_LAN = Check(
    "ports",
    N_("Ports open to the office's network"),
    from_lan,
    frozenset({"directory", "file_share", "printing", "mail_relay", "web", "firewall", "gateway"}),
)
FROM_BEYOND = Check("beyond", N_("Ports open to the Internet"), from_beyond, frozenset({"gateway"}))
