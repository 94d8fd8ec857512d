"""An office as its dossier has it: each section a noun of its own. Only data; what must fit together is `rules.py`."""

from typing import Literal

from pydantic import Field

from provisioner.inventory.fields import (
    Account,
    Address4,
    BackupPath,
    Day,
    Domain,
    Email,
    Filled,
    Group,
    HostKey,
    Locale,
    Login,
    Mac,
    MailUser,
    Name,
    Network4,
    PackName,
    PortName,
    ResourcePath,
    SomebodysEmail,
    Text,
    Timezone,
    Ula,
)
from provisioner.inventory.hours import Hours
from provisioner.inventory.models import Address, AnyKind, Kind, Noun, Organisation
from provisioner.inventory.network import Forward, Guests, Hub, Remote, Reserved, Route, Syslog, Time, Tunnel, Wan, Wifi
from provisioner.inventory.website import Website

ACME_HOST = "acme-v02.api.letsencrypt.org"  # who gives a website its certificate (RFC 8555)


class Person(Noun):
    """Somebody who works in the office. `name` is shown, the login is the key in the dossier."""

    name: Filled
    groups: list[Group] = []
    email: SomebodysEmail = ""
    phone: Text = ""
    accessibility: list[Literal["large_text", "screen_reader"]] = []  # what their session has at every desktop


class Interfaces(Noun):
    """How a router's own system calls its interfaces: to the line, to the LAN, the radio; unsaid, the platform's usual ones."""

    wan: PortName | None = None
    lan: list[PortName] = []
    guests: PortName | None = None  # a port of their own; without it a VLAN on the LAN's
    radio: PortName | None = None


Platform = Literal["debian", "openwrt", "routeros", "cisco_ios", "frr"]


class Host(Noun):
    """A machine or router of the office; its name is the key in the dossier.

    `login` is an appliance's own account, by which it is configured (its password is `routers.HOST` in the vault).
    """

    kind: AnyKind
    platform: Platform = "debian"
    login: Account | None = None
    interfaces: Interfaces | None = None
    address: Address4
    mac: Mac
    person: Text = ""
    model: Text = ""
    serial: Text = ""
    purchased: Day | None = None
    warranty_end: Day | None = None

    @property
    def appliance(self) -> bool:
        """Whether it is a router of a system of its own: neither Ansible nor a program of ours runs there."""
        return self.platform != "debian"

    @property
    def account(self) -> str:
        """An appliance's login: the dossier's, else the one that its platform comes with."""
        return self.login or ("root" if self.platform == "openwrt" else "admin")


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
    user: Account
    path: BackupPath = "office"
    host_key: HostKey
    append_only: bool = False


class Training(Noun):
    """The client's training room: accounts formation1 to formationN on every desktop, with the files of `courses`.

    `session` counts how often they began anew; `trainees` 0: the next apply takes all of it away.
    """

    trainees: int = Field(ge=0, le=12)
    courses: list[Name] = []
    session: int = Field(default=1, ge=1)


class Office(Noun):
    """One place of an organisation: what `dossier.yml` says. `name` is the folder's.

    `maintenance`: when machines may be restarted to run what was updated, in the office's own time.
    """

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
    wan: Wan = Wan()
    guests: Guests | None = None
    wifi: Wifi | None = None
    forwards: dict[Name, Forward] = {}
    reserved: dict[Name, Reserved] = {}
    routes: dict[Name, Route] = {}
    time: Time | None = None
    syslog: Syslog | None = None
    tunnel: Tunnel | None = None
    remote: Remote | None = None
    hub: Hub | None = None
    hosts: dict[Name, Host]
    groups: dict[Group, Text] = {}
    people: dict[Login, Person] = {}
    former: dict[Login, Former] = {}
    printers: dict[Name, Printer] = {}
    mail: Mail | None = None
    backup: Backup | None = None
    website: Website | None = None
    maintenance: Hours = {}
    training: Training | None = None
    websites_of: list[Name] = []  # offices whose sites this office's server has


def outside(office: Office) -> list[str]:
    """The names of the providers the office's machines speak to; in a lab one machine answers to all of them."""
    acme = [ACME_HOST] if serves_websites(office) else []
    return [*sorted({provider.host for provider in (office.mail, office.backup) if provider}), *acme]


def serves_websites(office: Office) -> bool:
    """Whether the office's own server has a website to serve, its own or another office's."""
    own = office.website and (office.website.served_by or office.name) == office.name
    return bool(office.websites_of or own) and any(host.kind is Kind.SERVER for host in office.hosts.values())
