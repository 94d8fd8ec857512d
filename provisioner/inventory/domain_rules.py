"""Which domain an office's network may bear. Pure, as `rules`.

The office answers for its domain alone: whatever public name is that domain, or lies below it, is not there for the office.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from provisioner.inventory.conflicts import Conflict, mapping
from provisioner.inventory.strict_yaml import quoted

RIGHT = "office.internal (ICANN keeps .internal for this), or home.arpa (RFC 8375)"
# Special-use names (IANA's registry): what a resolver makes of them is fixed, whoever else answers.
_NEVER = {
    "local": ".local is for names that machines give themselves (mDNS, RFC 6762): "
    "no Mac, printer or Linux desktop asks the server",
    "localhost": ".localhost means each machine itself (RFC 6761)",
    "invalid": ".invalid is answered by no one (RFC 6761)",
    "onion": ".onion is for Tor alone (RFC 7686)",
    "alt": ".alt is not for DNS (RFC 9476)",
}
# Used by habit, and nobody's: never given out, or kept back because so many networks ask the world for them.
_HABITS = frozenset(
    {"lan", "home", "corp", "mail", "private", "intranet", "localdomain", "domain", "workgroup", "prive", "local-net"}
)
_OURS = frozenset({"internal", "test", "example"})  # the last two: RFC 6761, for trials and examples


def judge(dossier: Mapping[str, Any]) -> Iterator[Conflict]:
    """What is wrong or doubtful about `lan.domain`."""
    domain = mapping(dossier.get("lan")).get("domain")
    if not isinstance(domain, str) or "." not in domain.strip("."):
        return
    last, place = domain.rpartition(".")[2], ("lan", "domain")
    if last in _NEVER:
        yield Conflict(place, f"{quoted(domain)}: {_NEVER[last]}", RIGHT)
        return
    hidden = list(_hidden(dossier, domain))
    for word, name in hidden:
        what = f"the office answers for {quoted(domain)} alone, so {name} ({word}) is not found from there"
        yield Conflict(
            place,
            what,
            f"a name of its own for the network, before the first apply: office.{domain}, or office.internal",
            warning=True,
        )
    if hidden or last in _OURS or domain == "home.arpa" or domain.endswith(".home.arpa"):
        return
    if last in _HABITS:
        what = f"{quoted(domain)}: .{last} is nobody's, and may be somebody's one day; what asks elsewhere for it tells the world"
        yield Conflict(place, what, RIGHT, warning=True)
    elif not any(domain == own or domain.endswith(f".{own}") for own in _own(dossier)):
        what = f"{quoted(domain)} is a public name, and nothing in this dossier is at it: is it the client's?"
        yield Conflict(place, what, f"{RIGHT}, or a name below their website's", warning=True)


def _hidden(dossier: Mapping[str, Any], domain: str) -> Iterator[tuple[str, str]]:
    """The names of the world that the dossier needs and its network's domain takes: (where it says so, name)."""
    for section, word in (
        ("website", "domain"),
        ("mail", "host"),
        ("mail", "imap"),
        ("backup", "host"),
        ("tunnel", "endpoint"),
        ("hub", "endpoint"),
    ):
        name = mapping(dossier.get(section)).get(word)
        if isinstance(name, str) and (name == domain or name.endswith(f".{domain}")):
            yield f"{section}.{word}", name


def _own(dossier: Mapping[str, Any]) -> Iterator[str]:
    """The public names that are the client's: their website's, and those they write from."""
    website = mapping(dossier.get("website")).get("domain")
    if isinstance(website, str):
        yield website.removeprefix("www.")
    sender = mapping(dossier.get("mail")).get("sender")
    if isinstance(sender, str) and "@" in sender:
        yield sender.rpartition("@")[2]
