"""Names: the machines of the office find each other, and Windows finds the directory."""

from collections.abc import Iterable

from provisioner.findings import Finding
from provisioner.language import N_
from provisioner.verify.checks import Check, VerifySession, judged


def run(session: VerifySession) -> Iterable[Finding]:
    """Every host, printer and service by its name, asked of the server that the desktop asks."""
    known = {f"{name}.{session.domain}": str(host.address) for name, host in session.office.hosts.items()}
    if "directory" not in session.services:
        said = session.act("hosts", names=known)
    else:
        known |= {f"{name}.{session.domain}": str(printer.address) for name, printer in session.office.printers.items()}
        if "calendar" in session.services:
            known[f"calendar.{session.domain}"] = session.services["calendar"]["address"]
        services = [f"_ldap._tcp.dc._msdcs.{session.domain}", f"_kerberos._tcp.{session.domain}"]
        own = session.desktop == session.server  # which asks itself
        said = session.act("names", names=known, server=session.services["directory"]["address"], services=services, own=own)
    yield judged(
        "names",
        said["ok"],
        N_("The {count} names of the office are known to its machines."),
        N_("Some names of the office are not known to its machines: {wrong}."),
        said["evidence"],
        session.desktop,
        count=len(known),
        wrong=", ".join(said.get("wrong", [])) or "?",
    )


CHECK = Check("names", N_("The office's names"), run, frozenset({"directory"}))
