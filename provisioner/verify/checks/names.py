"""Names: the machines of the office find each other, and Windows finds the directory."""

from collections.abc import Iterable

from provisioner.findings import Finding
from provisioner.language import N_
from provisioner.verify.checks import Proof, Seat, judged


def run(seat: Seat) -> Iterable[Finding]:
    """Every host, printer and service by its name, asked of the server that the desktop asks."""
    known = {f"{name}.{seat.domain}": str(host.address) for name, host in seat.office.hosts.items()}
    if "directory" not in seat.services:
        said = seat.act("hosts", names=known)
    else:
        known |= {f"{name}.{seat.domain}": str(printer.address) for name, printer in seat.office.printers.items()}
        if "calendar" in seat.services:
            known[f"calendar.{seat.domain}"] = seat.services["calendar"]["address"]
        services = [f"_ldap._tcp.dc._msdcs.{seat.domain}", f"_kerberos._tcp.{seat.domain}"]
        said = seat.act("names", names=known, server=seat.services["directory"]["address"], services=services)
    yield judged(
        "names",
        said["ok"],
        N_("The {count} names of the office are known to its machines."),
        N_("Some names of the office are not known to its machines: {wrong}."),
        said["evidence"],
        seat.desktop,
        count=len(known),
        wrong=", ".join(said.get("wrong", [])) or "?",
    )


PROOF = Proof("names", N_("The office's names"), run, frozenset({"directory"}))
