"""Shares: a person keeps a document on the server and reads it again; other people's folders stay closed."""

from collections.abc import Iterable

from provisioner.findings import Finding
from provisioner.inventory.placement import common_share
from provisioner.language import N_
from provisioner.verify.checks import NO_SERVER, NOT_IN_PACK, Proof, Seat, judged, not_applicable


def share(seat: Seat) -> Iterable[Finding]:
    """Write, read back byte for byte, remove; name and text have accents."""
    if "file_share" not in seat.services:
        yield not_applicable("share", NOT_IN_PACK if seat.server else NO_SERVER)
        return
    name = f"Été à l'épicerie {seat.token}.txt"
    server, common = seat.services["file_share"]["fqdn"], common_share(seat.pack, seat.office)
    said = seat.act("share", server=server, share=common, file=name)
    yield judged(
        "share",
        said["ok"],
        N_("A document is written to the common folder and read back, identical to the byte, accents included."),
        N_("A document could not be written to the common folder and read back."),
        said["evidence"],
        seat.desktop,
    )


def others(seat: Seat) -> Iterable[Finding]:
    """The folder of a real person, and of a group the witness is not in."""
    if "file_share" not in seat.services:
        yield not_applicable("others", NOT_IN_PACK if seat.server else NO_SERVER)
        return
    closed = [*list(seat.office.people)[:1], *list(seat.office.groups)[:1]]
    if not closed:
        yield not_applicable("others", N_("Nobody works here yet, so there is no folder to be refused."))
    for name in closed:
        said = seat.act("others", server=seat.services["file_share"]["fqdn"], share=name)
        yield judged(
            "others",
            said["ok"],
            N_("The folder of {name} stays closed to others."),
            N_("The folder of {name} was not refused to somebody else."),
            said["evidence"],
            name,
            name=name,
        )


SHARE = Proof("share", N_("The common folder"), share, frozenset({"directory"}))
OTHERS = Proof("others", N_("Other people's folders"), others, frozenset({"directory"}))
