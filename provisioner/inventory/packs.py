"""A pack: what each kind of host gets, the hardware, the training, the prices, the systems and the end of their support."""

from typing import Literal

from pydantic import Field

from provisioner.inventory.fields import (
    Day,
    Filled,
    Name,
    PackName,
    Role,
    Text,
)
from provisioner.inventory.models import AnyKind, Kind, Noun


class Port(Noun):
    """A port a role opens to the office's LAN, or a range of ports that ends with `last`.

    `public`: from beyond the LAN too, where the office's router forwards it. `only`: from the host that has this role alone.
    """

    port: int = Field(ge=1, le=65535)
    last: int | None = Field(default=None, ge=1, le=65535)
    protocol: Literal["tcp", "udp"] = "tcp"
    public: bool = False
    only: Role | None = None


class PackRole(Noun):
    """One role of a pack: the ports the LAN may reach because of it, and its settings (the role's own names).

    `variants` names those of the pack's variants that have it (none: all of them); `variant_settings` are laid over
    `settings` in the variant they are named by.
    """

    ports: list[Port] = []
    variants: list[Name] = []
    settings: dict[str, object] = {}
    variant_settings: dict[Name, dict[str, object]] = {}


class Hardware(Noun):
    """A model the pack offers for a kind of host; `price_eur` before tax, `warranty_years` from the purchase."""

    model: Filled
    price_eur: int = Field(ge=0)
    warranty_years: int = Field(ge=0, le=10)
    for_whom: Text = ""


class Module(Noun):
    """One training module: `hours` with the people of the office."""

    title: Filled
    hours: int = Field(ge=1, le=40)
    for_whom: Text = ""


class Prices(Noun):
    """What the pack costs before tax, in whole euros."""

    installation_per_host_eur: int = Field(ge=0)
    training_per_hour_eur: int = Field(ge=0)
    maintenance_per_host_month_eur: int = Field(ge=0)


class System(Noun):
    """An operating system the pack stands on, and the day its security updates end."""

    title: Filled
    support_end: Day


class Pack(Noun):
    """A versioned standard: which roles with which settings each kind of host gets. `name` is the file's.

    `variants` are its sizes, each with its title; `systems` by `<id>-<version>` of os-release(5), as in `debian-13`.
    """

    name: PackName
    version: Filled
    title: Filled
    variants: dict[Name, Text] = {"full": ""}
    systems: dict[Name, System] = {}
    kinds: dict[AnyKind, dict[Role, PackRole]]
    hardware: dict[AnyKind, list[Hardware]] = {}
    training: dict[Name, Module] = {}
    prices: Prices | None = None

    def roles(self, kind: Kind, variant: str) -> dict[str, PackRole]:
        """The roles of a kind of host in one variant, in their order, each with the settings it has there."""
        return {
            name: role.model_copy(update={"settings": role.settings | role.variant_settings.get(variant, {})})
            for name, role in self.kinds.get(kind, {}).items()
            if not role.variants or variant in role.variants
        }
