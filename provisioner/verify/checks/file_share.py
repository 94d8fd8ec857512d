"""Shares: a person keeps a document on the server and reads it again; other people's folders stay closed."""

from collections.abc import Iterable

from provisioner.findings import Finding
from provisioner.inventory.placement import common_share
from provisioner.language import N_
from provisioner.verify.checks import NO_SERVER, NOT_IN_PACK, Check, VerifySession, judged, not_applicable


def share(session: VerifySession) -> Iterable[Finding]:
    """Write, read back byte for byte, remove; name and text have accents."""
    if "file_share" not in session.services:
        yield not_applicable("share", NOT_IN_PACK if session.server else NO_SERVER)
        return
    name = f"Été à l'épicerie {session.token}.txt"
    server, common = session.services["file_share"]["fqdn"], common_share(session.pack, session.office)
    said = session.act("share", server=server, share=common, file=name)
    yield judged(
        "share",
        said["ok"],
        N_("A document is written to the common folder and read back, identical to the byte, accents included."),
        N_("A document could not be written to the common folder and read back."),
        said["evidence"],
        session.desktop,
    )


def others(session: VerifySession) -> Iterable[Finding]:
    """The folder of a real person, and of a group the witness is not in."""
    if "file_share" not in session.services:
        yield not_applicable("others", NOT_IN_PACK if session.server else NO_SERVER)
        return
    closed = [*list(session.office.people)[:1], *list(session.office.groups)[:1]]
    if not closed:
        yield not_applicable("others", N_("Nobody works here yet, so there is no folder to be refused."))
    for name in closed:
        said = session.act("others", server=session.services["file_share"]["fqdn"], share=name)
        yield judged(
            "others",
            said["ok"],
            N_("The folder of {name} stays closed to others."),
            N_("The folder of {name} was not refused to somebody else."),
            said["evidence"],
            name,
            name=name,
        )


SHARE = Check("share", N_("The common folder"), share, frozenset({"directory"}))
OTHERS = Check("others", N_("Other people's folders"), others, frozenset({"directory"}))
