"""The way to the Internet: what somebody meets who plugs a machine in, tried from a desktop; and what a guest meets.

One visit (`hosts/programs/network.py`): an address is asked for and not taken; guests' is, from a card of their own VLAN.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Any

from provisioner.findings import Finding, Level
from provisioner.hosts import programs
from provisioner.inventory.models import Kind
from provisioner.inventory.placement import internet
from provisioner.language import N_
from provisioner.verify.checks import NO_DESKTOP, Check, Part, VerifySession, judged, not_applicable

VISIT_S = 60
ROLE = "router"
NO_GUESTS = N_("This office has no network for guests.")
NOT_HERE = N_("From {desktop} the guests' network is not seen: its cable does not carry it.")


def run(session: VerifySession) -> Iterable[Finding]:
    """All three on one way."""
    office = session.office
    gateway = next((host.address for host in office.hosts.values() if host.kind is Kind.ROUTER), office.lan.gateway)
    ours = any(ROLE in session.pack.roles(host.kind, office.variant) for host in office.hosts.values())
    server = str(office.hosts[session.server].address) if session.server else str(gateway)
    asked: dict[str, Any] = {
        "gateway": str(gateway),
        "internet": internet(lab=session.lab),
    }
    guests: dict[str, Any] = {}
    own_port = any(host.interfaces and host.interfaces.guests for host in office.hosts.values())
    if office.guests and ours:
        closed = [(server, 445), (server, 22), (str(gateway), 22), (str(office.guests.gateway), 22)]
        guests = {"closed": closed, "internet": asked["internet"]}
    if guests and not own_port:
        assert office.guests
        asked["guests"] = guests | {"vlan": office.guests.vlan, "program": programs.source("network")}
    said = session.ask(session.desktop, "network", timeout_s=VISIT_S, **asked)
    if session.wants("internet"):
        yield _internet(session, said)
    if session.wants("lease"):
        itself = office.hosts[session.desktop].address == gateway  # which gives no address to itself
        yield not_applicable("lease", NO_DESKTOP) if itself else _lease(session, said, str(gateway), ours=ours)
    if session.wants("guests"):
        seen = said.get("guests")
        yield _guests(session, _sits_there(session, guests) if guests and own_port else seen)


def _sits_there(session: VerifySession, guests: dict[str, Any]) -> dict[str, Any]:
    """A lab has a place for a guest; elsewhere a port of their own is not seen from any desktop."""
    from provisioner import lab

    words = lab.guest(session.selection.target) if session.lab else []
    if not words:
        return {"problem": "the guests' network has a port of its own"}
    told = json.dumps({"do": "within", "card": "eth0", **guests})
    done = subprocess.run(
        [*words, sys.executable, "-c", programs.source("network")],
        input=told, capture_output=True, text=True, timeout=VISIT_S, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout) if done.returncode == 0 else {"problem": done.stderr.strip()[-300:]}
    return found if isinstance(found, dict) else {}


def _internet(session: VerifySession, said: dict[str, Any]) -> Finding:
    wrong = str(said["internet"])
    return judged(
        "internet",
        not wrong,
        N_("From {desktop} the Internet is reached."),
        N_("From {desktop} the Internet is not reached."),
        wrong or "a connection was taken",
        session.desktop,
        desktop=session.desktop,
    )


def _lease(session: VerifySession, said: dict[str, Any], gateway: str, *, ours: bool) -> Finding:
    """An address of the pool, the way out, and whom to ask for names: the office's own, where the router is ours."""
    lan, offered = session.office.lan, said["lease"]
    good, evidence = False, "no offer came"
    if isinstance(offered, dict):
        directory = session.services.get("directory")
        wanted = [directory["address"] if directory else gateway]
        address = IPv4Address(str(offered["address"]))
        pooled = lan.dhcp_first <= address <= lan.dhcp_last if ours else address in lan.network
        good = pooled and offered["router"] == gateway and (offered["names"] == wanted or not ours)
        evidence = f"offered {address}, router {offered['router']}, names {' '.join(map(str, offered['names'])) or 'none'}"
    return judged(
        "lease",
        good,
        N_("A machine that is plugged in is given an address, the way out and the office's names."),
        N_("A machine that is plugged in is not given an address, the way out and the office's names."),
        evidence,
        session.desktop,
    )


def _guests(session: VerifySession, said: object) -> Finding:
    if not isinstance(said, dict):
        return not_applicable("guests", NO_GUESTS)
    if said.get("problem") or not said.get("lease"):
        # a switch of the office may leave that VLAN to its access points; a lab's carries all
        level = Level.CRITICAL if session.lab else Level.NOT_APPLICABLE
        evidence, about = str(said.get("problem") or "no offer came in the guests' VLAN"), session.desktop
        return Finding("guests", level, NOT_HERE, {"desktop": about}, about, evidence)
    inside, wrong = said.get("inside") or [], str(said.get("internet", ""))
    evidence = f"a guest has {said['lease']['address']}; inside: {', '.join(map(str, inside)) or 'nothing answers'}"
    return judged(
        "guests",
        not inside and not wrong,
        N_("A guest reaches the Internet and nothing of the office."),
        N_("A guest does not reach the Internet, or reaches something of the office."),
        f"{evidence}; Internet: {wrong or 'reached'}",
        session.desktop,
    )


CHECK = Check(
    "internet",
    N_("The way to the Internet"),
    run,
    frozenset({"gateway"}),
    parts=(
        Part("lease", N_("A machine that is plugged in")),
        Part("guests", N_("The guests' network"), frozenset({"gateway"})),
    ),
)
