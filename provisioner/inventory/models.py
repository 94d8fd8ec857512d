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
    BackupPath,
    Country,
    Day,
    Domain,
    Email,
    Filled,
    Group,
    Locale,
    Login,
    Mac,
    MailUser,
    Moment,
    Name,
    Network4,
    PackName,
    PublicKey,
    ResourcePath,
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
    accessibility: list[Literal["large_text", "screen_reader"]] = []  # what their session has at every desktop


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


class Former(Noun):
    """Somebody who left: the account is closed, never deleted; `successor` has the files from then on."""

    name: Filled
    successor: Text = ""
    left: Day | None = None


class Printer(Noun):
    """A printer on the LAN that speaks IPP Everywhere; its name is the key in the dossier and that of its queue."""

    address: Address4
    port: int = Field(default=631, ge=1, le=65535)
    path: ResourcePath = "/ipp/print"
    model: Text = ""
    serial: Text = ""
    location: Text = ""
    purchased: Day | None = None
    warranty_end: Day | None = None


class Mail(Noun):
    """The provider that takes the machines' outgoing mail (submission over TLS); its password is `mail.password` in the vault.

    `imap` is where people's own mailboxes are (over TLS), when they are at this provider: their programs are set up for it.
    """

    host: Domain
    port: int = Field(default=587, ge=1, le=65535)
    imap: Domain | None = None
    imap_port: int = Field(default=993, ge=1, le=65535)
    user: MailUser
    sender: Email


class Backup(Noun):
    """The backup's second place, away from the office: an account there, its folder, and the key it must show.

    `append_only`: the office can only add there (`provisioner backup place` says how that is set up). Without it the account
    speaks SFTP, and whoever has the office's server can delete what it kept.
    """

    host: Domain
    port: int = Field(default=22, ge=1, le=65535)
    user: Login
    path: BackupPath = "office"
    host_key: PublicKey
    append_only: bool = False


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
    variant: Name = "full"
    address: Address
    language: Locale = "fr_FR.UTF-8"
    timezone: Timezone = "Europe/Paris"
    lan: Lan
    ula: Ula
    hosts: dict[Name, Host]
    groups: dict[Group, Text] = {}
    people: dict[Login, Person] = {}
    former: dict[Login, Former] = {}
    printers: dict[Name, Printer] = {}
    mail: Mail | None = None
    backup: Backup | None = None
    website: Website | None = None


def outside(office: Office) -> list[str]:
    """The names of the providers the office's machines speak to; in a lab one machine answers to all of them."""
    return sorted({provider.host for provider in (office.mail, office.backup) if provider})


class Technician(Noun):
    """Somebody who works for a reseller; has an account of their own on every host they may serve.

    `readmitted`: when somebody who had left was let in again, by name (`access admit`).
    """

    name: Filled
    email: Text = ""
    phone: Text = ""
    keys: list[PublicKey] = []
    readmitted: Moment | None = None


class FormerTechnician(Noun):
    """A technician who left: no host of an office of the reseller's lets this login or one of these keys in again.

    `left` to the second, because who comes back and leaves again the same day is to be shut out again.
    """

    name: Filled
    left: Moment
    keys: list[PublicKey] = []


class Reseller(Noun):
    """A member of the network. `name` is the file's."""

    name: Name
    organisation: Organisation
    territory: list[Text] = []
    skills: list[Text] = []
    technicians: dict[Login, Technician]
    former: dict[Login, FormerTechnician] = {}


class Port(Noun):
    """A port a role opens to the office's LAN, or a range of ports that ends with `last`."""

    port: int = Field(ge=1, le=65535)
    last: int | None = Field(default=None, ge=1, le=65535)
    protocol: Literal["tcp", "udp"] = "tcp"


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
