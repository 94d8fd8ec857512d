"""The nouns of the network, as pydantic reads them from its files: strict, unknown keys are errors.

Only data: reading is `files.py`, secrets are `vault.py`. Every text of a client is taken byte for byte; only names of
offices, hosts, logins and resellers follow a pattern, because they become file names, host names and accounts.
"""

from datetime import date
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$", max_length=32)]
Login = Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,30}$", max_length=32)]
Mac = Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]


class Noun(BaseModel):
    """What all nouns share: frozen, strict, closed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Kind(StrEnum):
    """What a host is for."""

    DESKTOP = "desktop"
    SERVER = "server"
    ROUTER = "router"


class Address(Noun):
    """A postal address."""

    street: str
    postcode: str
    city: str
    country: str = "FR"


class Contact(Noun):
    """Whom to call at a client or a reseller."""

    name: str
    role: str = ""
    phone: str = ""
    email: str = ""


class Organisation(Noun):
    """The client."""

    name: str
    legal_form: str
    siren: str
    address: Address
    contacts: list[Contact] = []


class Person(Noun):
    """Somebody who works in the office. `name` is shown, the login is the key in the dossier."""

    name: str
    groups: list[Name] = []
    email: str = ""
    phone: str = ""


class Host(Noun):
    """A machine or router of the office; its name is the key in the dossier."""

    kind: Kind
    platform: Literal["debian"] = "debian"
    address: IPv4Address
    mac: Mac
    person: str = ""
    model: str = ""
    serial: str = ""
    purchased: date | None = None
    warranty_end: date | None = None


class Lan(Noun):
    """The office's network. The router is one of the hosts; `dhcp_first` to `dhcp_last` is the router's pool."""

    network: IPv4Network
    dhcp_first: IPv4Address
    dhcp_last: IPv4Address
    domain: str = "office.internal"


class Website(Noun):
    """The office's public site."""

    domain: str
    title: str
    motto: str = ""


class Office(Noun):
    """One place of an organisation: what `dossier.yml` says. `name` is the folder's."""

    name: Name
    organisation: Organisation
    reseller: Name
    pack: str
    address: Address
    language: str = "fr_FR.UTF-8"
    timezone: str = "Europe/Paris"
    lan: Lan
    ula: IPv6Network
    hosts: dict[Name, Host]
    groups: dict[Name, str] = {}
    people: dict[Login, Person] = {}
    website: Website | None = None


class Technician(Noun):
    """Somebody who works for a reseller; has an account of their own on every host they may serve."""

    name: str
    email: str = ""
    phone: str = ""
    keys: list[str] = []


class Reseller(Noun):
    """A member of the network. `name` is the file's."""

    name: Name
    organisation: Organisation
    territory: list[str] = []
    skills: list[str] = []
    technicians: dict[Login, Technician]


class Port(Noun):
    """A port a role opens to the office's LAN."""

    port: int = Field(ge=1, le=65535)
    protocol: Literal["tcp", "udp"] = "tcp"


class PackRole(Noun):
    """One role of a pack: the ports the LAN may reach because of it, and its settings (the role's own names)."""

    ports: list[Port] = []
    settings: dict[str, object] = {}


class Pack(Noun):
    """A versioned standard: which roles with which settings each kind of host gets. `name` is the file's."""

    name: str
    title: str
    kinds: dict[Kind, dict[Name | str, PackRole]]
