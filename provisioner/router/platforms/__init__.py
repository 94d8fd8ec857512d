"""Routers of several vendors: one file a platform, each turning the same description into its own configuration. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """A file of a router's configuration. `secret`: what it says is never shown, only that it is another."""

    content: str
    mode: str = "0644"
    group: str = "root"
    secret: bool = False


Files = Mapping[str, File]
