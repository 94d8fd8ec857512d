"""The nouns of the network, as pydantic reads them from its files: strict, unknown keys are errors.

Only data: reading is `files.py`, what must fit together is `rules.py`, secrets are `vault.py`. Every text of a client
is taken byte for byte; only names of offices, hosts, logins and resellers follow a pattern, because they become file
names, host names and accounts.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from provisioner.inventory.fields import (
    Address4,
    Country,
    Day,
    Domain,
    Filled,
    Group,
    Locale,
    Login,
    Mac,
    Name,
    Network4,
    PackName,
    PublicKey,
    Role,
    Siren,
    Text,
    Timezone,
    Ula,
)

__all__ = ["Login", "Mac", "Name"]  # the field types others name too


class Noun(BaseModel):
    """What all nouns share: frozen, strict, closed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Kind(StrEnum):
    """What a host is for."""

    DESKTOP = "desktop"
    SERVER = "server"
    ROUTER = "router"


AnyKind = Annotated[Kind, Field(strict=False)]


class Address(Noun):
    """A postal address."""

    street: Filled
    postcode: Filled
    city: Filled
    country: Country = "FR"


class Contact(Noun):
    """Whom to call at a client or a reseller."""

    name: Filled
    role: Text = ""
    phone: Text = ""
    email: Text = ""


class Organisation(Noun):
    """The client."""

    name: Filled
    legal_form: Filled
    siren: Siren
    address: Address
    contacts: list[Contact] = []


class Person(Noun):
    """Somebody who works in the office. `name` is shown, the login is the key in the dossier."""

    name: Filled
    groups: list[Group] = []
    email: Text = ""
    phone: Text = ""


class Host(Noun):
    """A machine or router of the office; its name is the key in the dossier."""

    kind: AnyKind
    platform: Literal["debian"] = "debian"
    address: Address4
    mac: Mac
    person: Text = ""
    model: Text = ""
    serial: Text = ""
    purchased: Day | None = None
    warranty_end: Day | None = None


class Lan(Noun):
    """The office's network. `dhcp_first` to `dhcp_last` is the router's pool; `gateway` only where no host is the router."""

    network: Network4
    dhcp_first: Address4
    dhcp_last: Address4
    gateway: Address4 | None = None
    domain: Domain = "office.internal"


class Website(Noun):
    """The office's public site."""

    domain: Domain
    title: Filled
    motto: Text = ""


class Office(Noun):
    """One place of an organisation: what `dossier.yml` says. `name` is the folder's."""

    name: Name
    organisation: Organisation
    reseller: Name
    pack: PackName
    address: Address
    language: Locale = "fr_FR.UTF-8"
    timezone: Timezone = "Europe/Paris"
    lan: Lan
    ula: Ula
    hosts: dict[Name, Host]
    groups: dict[Group, Text] = {}
    people: dict[Login, Person] = {}
    website: Website | None = None


class Technician(Noun):
    """Somebody who works for a reseller; has an account of their own on every host they may serve."""

    name: Filled
    email: Text = ""
    phone: Text = ""
    keys: list[PublicKey] = []


class Reseller(Noun):
    """A member of the network. `name` is the file's."""

    name: Name
    organisation: Organisation
    territory: list[Text] = []
    skills: list[Text] = []
    technicians: dict[Login, Technician]


class Port(Noun):
    """A port a role opens to the office's LAN."""

    port: int = Field(ge=1, le=65535)
    protocol: Literal["tcp", "udp"] = "tcp"


class PackRole(Noun):
    """One role of a pack: the ports the LAN may reach because of it, and its settings (the role's own names)."""

    ports: list[Port] = []
    settings: dict[str, object] = {}


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


class Pack(Noun):
    """A versioned standard: which roles with which settings each kind of host gets. `name` is the file's."""

    name: PackName
    version: Filled
    title: Filled
    kinds: dict[AnyKind, dict[Role, PackRole]]
    hardware: dict[AnyKind, list[Hardware]] = {}
    training: dict[Name, Module] = {}
    prices: Prices | None = None
