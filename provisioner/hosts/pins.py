"""Pinned host keys: which key each host of an office showed at its adoption."""

import re
from collections.abc import Iterable

from provisioner.inventory.installed import pins
from provisioner.inventory.target import Target
from provisioner.laptop.disk import write


def pinned(target: Target) -> dict[str, list[str]]:
    """The pinned keys of the office: host -> `type base64` lines."""
    return pins(target.known_hosts, target.office)


def pin(target: Target, host: str, keys: Iterable[str] = ()) -> None:
    """Make `keys` the host's pinned keys, in place of any other (none: forget the host)."""
    known = {**pinned(target), host: list(keys)}
    lines = [f"{target.alias(name)} {key}\n" for name in sorted(known) for key in known[name]]
    write(target.known_hosts, "".join(lines))


_BASE64 = re.compile(r"^[A-Za-z0-9+/=]+$")


def fingerprint(key: str) -> str:
    """`SHA256:…` of a `type base64` line, as `ssh-keygen -l` shows it."""
    import base64
    import hashlib

    blob = key.split()[1]
    if not _BASE64.match(blob):
        raise ValueError(f"not a public key: {key[:40]}")
    return "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode().rstrip("=")
