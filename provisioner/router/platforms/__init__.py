"""Routers of several vendors: one file a platform, each turning the same description into its own configuration. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provisioner.router.description import Description


@dataclass(frozen=True, slots=True)
class File:
    """A file of a router's configuration. `secret`: what it says is never shown, only that it is another."""

    content: str  # bytes that are no UTF-8 stand in it as surrogates (PEP 383)
    mode: str = "0644"
    group: str = "root"
    secret: bool = False

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return self.content.encode("utf-8", "surrogateescape")


Files = Mapping[str, File]


def holds_secret(path: str) -> bool:
    """Whether a file's text is never shown, whoever wrote it."""
    return path.endswith((".key", "-secret")) or "/hostapd/" in path


# What holds a secret whoever wrote the file: the key of a Wi-Fi, of a tunnel, of a line.
SECRET_WORDS = re.compile(r"^(\s*(?:wpa_passphrase|sae_password|wpa_psk|PrivateKey|PresharedKey|password)\s*[= ]\s*)(.+)$", re.M)


def hidden(text: str) -> str:
    """A file's text without the secrets that its own words show."""
    return SECRET_WORDS.sub(r"\1********", text)


def cannot(wanted: "Description") -> list[str]:
    """What of a description the router's platform does not do, each as one sentence: said, never left out in silence."""
    said = []
    if wanted.wireless and not wanted.interfaces.radio:
        said.append("Wi-Fi is left out: this router has no radio (interfaces: radio: in its section of the dossier)")
    if wanted.wan.type == "pppoe" and wanted.wan.ipv6:
        said.append("the line's IPv6 is left out: not over PPPoE (wan: ipv6: false says the same in the dossier)")
    return said
