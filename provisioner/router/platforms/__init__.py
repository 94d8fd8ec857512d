"""Routers of several systems, two files each.

`PLATFORM.py` turns the same description into the platform's own configuration (`Rendering`), pure; `PLATFORM_router.py` holds a
class `Device` that speaks to such a router (`Router`), as the guard needs it. Whoever speaks does so over `Way`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from provisioner.hosts.access import PORT, SshAccess
from provisioner.router import guard

if TYPE_CHECKING:
    from provisioner.router.description import Description
    from provisioner.router.reading import Reading


@dataclass(frozen=True, slots=True)
class File:
    """A file of a router's configuration. `secret`: what it says is never shown, only that it is another."""

    content: str  # bytes that are no UTF-8 stand in it as surrogates (PEP 383)
    mode: str = "0644"
    group: str = "root"
    secret: bool = field(default=False, compare=False)  # what is kept of a file says it of other ones

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return self.content.encode("utf-8", "surrogateescape")


Files = Mapping[str, File]


def holds_secret(path: str) -> bool:
    """Whether a file's text is never shown, whoever wrote it."""
    return path.endswith((".key", "-secret", ".rsc")) or "/hostapd/" in path


# What holds a secret whoever wrote the file: the key of a Wi-Fi, of a tunnel, of a line.
SECRET_WORDS = re.compile(
    r"^(\s*(?:wpa_passphrase|sae_password|wpa_psk|PrivateKey|PresharedKey|password"
    r"|(?:option|list) (?:key\d?|\w*password|\w*secret|private_key|preshared_key|wpa_psk|priv_key_pwd|wps_pin|pincode))"
    r"\s*[= ]\s*)(.+)$",
    re.M,
)
# The same where it is one word of many in a line, as RouterOS has it; in quotes it may hold blanks, and quotes with a backslash.
SECRET_INLINE = re.compile(r'((?:^|[\s.])(?:password|passphrase|private-key|preshared-key)=)("(?:[^"\\]|\\.)*"|\S+)', re.M)


def hidden(text: str) -> str:
    """A file's text without the secrets that its own words show."""
    return SECRET_WORDS.sub(r"\1********", SECRET_INLINE.sub(r"\1********", text))


@dataclass(frozen=True, slots=True)
class Way:
    """How a router is reached, and in whose name: the technician's pins and key, and on an appliance its own login.

    `login` is empty where the platform's usual one is meant; without a `password` the technician's key goes, never both.
    """

    access: SshAccess
    host: str
    address: str
    run: str
    login: str = ""
    password: str = ""
    port: int = PORT

    @property
    def technician(self) -> str:
        """Who works."""
        return self.access.user


class Rendering(Protocol):
    """What a platform's pure file gives."""

    def render(self, wanted: "Description") -> Files:
        """The configuration as files of whatever names the platform has; equal descriptions give equal bytes."""

    def cannot(self, wanted: "Description") -> list[str]:
        """What of a description it does not do, each as one sentence: said at plan, never left out in silence."""


class Router(guard.Device, Protocol):
    """A router, as the guard and the verbs need it; made of the way to it, what is wanted of it, and what must answer (`Probes`).

    Each call raises `Unreachable` (or a leaf of it) when no answer comes.
    """

    def __init__(self, way: Way, wanted: Files, probes: "Probes") -> None: ...

    def current(self) -> Files:
        """What of its configuration is ours, as it has it now."""

    def running(self) -> dict[str, Any]:
        """How it runs: version, up_s, links, route, leases, tunnel, last (as `router show` prints them)."""

    def reading(self) -> "Reading":
        """Its whole configuration, whoever wrote it, in the dossier's words; nothing is written on it."""

    def close(self) -> None:
        """End what connections are open."""


# `internet`: [(address, port)], one of which must answer; `server`, `name`: who must answer for what; `lan`: one of these must.
Probes = Mapping[str, Any]


def rendering(platform: str) -> Rendering:
    """The pure file of a platform that the dossier can name."""
    return cast(Rendering, import_module(f"{__name__}.{platform}"))


def statements(platform: str, files: Files) -> list[str]:
    """What a platform's configuration says, as texts of lines in the form in which `PLATFORM_reading` tells a router's own."""
    form = getattr(import_module(f"{__name__}.{platform}_reading"), "statements", None)
    return form(files) if form else [file.content for file in files.values()]


def router(platform: str) -> type[Router]:
    """The class that speaks to routers of a platform."""
    return cast(type[Router], import_module(f"{__name__}.{platform}_router").Device)


def without_routes(wanted: "Description") -> list[str]:
    """What is said of routes on a platform that gets none from a dossier yet."""
    if wanted.routes:
        return ["static routes are left out: of all platforms frr alone has those of 'routes:'"]
    return []


def without_radio(wanted: "Description") -> list[str]:
    """What is said of Wi-Fi that a router without a radio cannot give."""
    if wanted.wireless and not wanted.interfaces.radio:
        return ["Wi-Fi is left out: this router has no radio (interfaces: radio: in its section of the dossier)"]
    return []
