"""Where an office's hosts answer now: at the dossier's address, where they were last met, or wherever their MAC is on the LAN."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provisioner.errors import HostKeyChanged, Unverified
from provisioner.hosts.discovery import neighbours
from provisioner.hosts.lookup import look_up
from provisioner.inventory import way_in
from provisioner.inventory.target import Target
from provisioner.laptop import clock, git
from provisioner.laptop.disk import write
from provisioner.operation.recording import Listener
from provisioner.operation.selection import Selection
from provisioner.runs import Event

if TYPE_CHECKING:
    from provisioner.inventory.dossier import Office


def addresses(target: Target) -> dict[str, str]:
    """Where hosts were last met; a file that only saves a search, so a damaged one is an empty one."""
    try:
        known = json.loads((target.state / "addresses.json").read_text())
        return {str(k): str(v) for k, v in known.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def remember(target: Target, met: Mapping[str, str], known: Mapping[str, str] | None = None) -> None:
    """Keep where hosts were met on their LAN; by the way in there is one place for each, while it is open.

    What is `known`, as `addresses` said, is not written again: a file that is flushed to disk costs more than asking a host.
    """
    on_lan = {host: address for host, address in met.items() if ":" not in address}
    if on_lan.items() - (addresses(target) if known is None else known).items():
        write(target.state / "addresses.json", json.dumps({**addresses(target), **on_lan}))


def places(target: Target, office: "Office", host: str, last: Mapping[str, str]) -> list[str]:
    """Where a host may answer, the likeliest first: by the way in while that is open here, else on the LAN."""
    described = office.hosts[host].address
    if way_in.opened(target):
        return [str(way_in.address(office, described))]
    return list(dict.fromkeys(filter(None, (last.get(host, ""), str(described)))))


def forget(target: Target, host: str) -> None:
    """Where a machine was met is nothing to its successor."""
    write(target.state / "addresses.json", json.dumps({k: v for k, v in addresses(target).items() if k != host}))


def reach(selection: Selection, on: Listener) -> None:
    """Log in to every chosen host, as `find`, and compare the clocks.

    Raises:
        HostKeyChanged: as `find`.
        Unverified: every host that can be believed contradicts this laptop's clock: what is done would bear a wrong date.
    """
    find(selection, on)
    ahead = {host: found.ahead_s for host, found in selection.found.items() if found.ahead_s is not None}
    behind = git.behind_s(selection.target.inventory)
    differing, wrong = clock.judge(ahead, -time.time() if behind is None else behind)
    for host in differing:
        on(Event("clock_differs", host, detail={"ahead_s": round(ahead[host])}))
    if wrong:
        said = ", ".join(f"{host}'s is {clock.span(ahead[host])} it" for host in differing)
        raise Unverified(
            f"this laptop's clock says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, and every host contradicts it: {said}",
            hint="set the one that is wrong; this laptop's: timedatectl set-ntp true",
        )


def find(selection: Selection, on: Listener) -> None:
    """Log in to every chosen host; fills `selection.found`. A host that does not answer is an event, not an error.

    Raises:
        HostKeyChanged: a host shows another key than the pinned one: the whole run stops before anything is sent.
    """
    office, last = selection.office, addresses(selection.target)
    by_tunnel = way_in.opened(selection.target) is not None
    candidates = {host: places(selection.target, office, host, last) for host in selection.hosts}
    appliances = {host for host in selection.hosts if office.hosts[host].appliance}
    selection.found = look_up(selection.ssh, candidates, appliances)
    lost = [host for host in selection.hosts if not selection.found[host].address]
    if lost and not by_tunnel:
        seen = neighbours(str(office.lan.network))
        again: dict[str, list[str]] = {}
        for host in lost:
            if more := [address for address in seen.get(office.hosts[host].mac, []) if address not in candidates[host]]:
                again[host] = more
        better = look_up(selection.ssh, again, appliances) if again else {}
        selection.found |= {host: found for host, found in better.items() if found.address or found.key_changed}
    for host in selection.hosts:
        found = selection.found[host]
        if found.key_changed:
            raise HostKeyChanged(
                found.problem,
                hint=f"look at the machine itself; was it reinstalled? then: provisioner adopt {selection.target.words} {host}"
                f"{' --lab' if selection.target.lab else ''} --replace-key",
            )
        if found.address:
            on(Event("host_reached", host, detail={"address": found.address}))
        else:
            on(Event("host_unreachable", host, detail={"problem": found.problem}))
    remember(selection.target, selection.reached)


def bystanders(selection: Selection) -> dict[str, str]:
    """Where the office's other adopted hosts answer: the lease is theirs too, though the run leaves them alone.

    Raises:
        HostKeyChanged: as `find`.
    """
    around = replace(selection, hosts=selection.others, found={})
    if selection.others:
        find(around, lambda _: None)
    return around.met
