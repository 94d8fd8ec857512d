"""An office's network as its dossier has it: the line, guests, Wi-Fi, what may come in; the same words for every router."""

from ipaddress import IPv4Address, IPv4Interface
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from provisioner.inventory.fields import (
    Address4,
    Country,
    Domain,
    Filled,
    Mac,
    Name,
    Network4,
    Shape,
    Text,
    TunnelKey,
    interface_of,
    plain,
    server,
    ssid,
)
from provisioner.inventory.models import Noun

Vlan = Annotated[int, Field(ge=1, le=4094)]  # IEEE 802.1Q: 0 and 4095 are kept for itself
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Interface4 = Annotated[IPv4Interface, BeforeValidator(interface_of)]
Ssid = Annotated[Text, AfterValidator(ssid)]
Server = Annotated[Text, AfterValidator(server)]
LineUser = Annotated[Filled, AfterValidator(plain)]
WebAddress = Annotated[Text, Shape(r"https?://[^\s\"'<>]+", "an address of the web", "as https://alerts.example/hook")]


class Wan(Noun):
    """The office's line to the Internet, as its provider says. PPPoE's password is `wan.password` in the vault.

    `address` (with its prefix) and `gateway` for a static line; `vlan` where the provider's signal is tagged; `ipv6` asks the
    provider for a prefix (RFC 8415, prefix delegation).
    """

    type: Literal["dhcp", "static", "pppoe"] = "dhcp"
    address: Interface4 | None = None
    gateway: Address4 | None = None
    dns: list[Address4] = []
    user: LineUser | None = None
    vlan: Vlan | None = None
    ipv6: bool = True


class Guests(Noun):
    """The guests' network: they see the Internet and nothing of the office. `vlan` on the LAN's cables, for access points."""

    network: Network4
    dhcp_first: Address4
    dhcp_last: Address4
    vlan: Vlan = 20

    @property
    def gateway(self) -> IPv4Address:
        """The router's address there: the first one."""
        return self.network.network_address + 1


class Radio(Noun):
    """One Wi-Fi network; its key is `wifi.staff` or `wifi.guests` in the vault."""

    ssid: Ssid
    security: Literal["wpa3", "wpa3-wpa2", "wpa2"] = "wpa3-wpa2"


class Wifi(Noun):
    """The office's Wi-Fi; `country` is that of the office's address unless it is said: it decides which channels are lawful."""

    staff: Radio | None = None
    guests: Radio | None = None
    country: Country | None = None


class Forward(Noun):
    """What may come in from the Internet: one port, to one host of the office (or one of `reserved`)."""

    port: PortNumber
    to: Name
    to_port: PortNumber | None = None
    protocol: Literal["tcp", "udp"] = "tcp"


class Reserved(Noun):
    """A thing on the LAN that is not a machine of ours and always gets the same address: a telephone, a camera."""

    address: Address4
    mac: Mac
    description: Text = ""


class Route(Noun):
    """A network that is behind another router of the office's own: `via` is that one's address in the LAN."""

    network: Network4
    via: Address4


class Time(Noun):
    """Whom the router asks for the time, by name or address; it tells the office and its guests (RFC 5905)."""

    servers: Annotated[list[Server], Field(min_length=1, max_length=8)]


class Syslog(Noun):
    """Where the router's own messages are kept too: one host of the office (or one of `reserved`) that takes them (RFC 5426)."""

    to: Name
    port: PortNumber = 514
    protocol: Literal["tcp", "udp"] = "udp"


class Hub(Noun):
    """What makes an office of the reseller's the hub: where the ways in of `offices` and the technicians' meet.

    `endpoint` is its public name, at UDP port 51820 and TCP port 443; which offices may call is said here, and whom they call in
    theirs. Alerts go to `webhook` beside the mails; `watchdog`, outside, hears every minute that the hub lives; `page` is where
    people reach the status page.
    """

    endpoint: Domain
    offices: list[Name] = []
    webhook: WebAddress | None = None
    watchdog: WebAddress | None = None
    page: WebAddress | None = None


class Remote(Noun):
    """The office's way in for maintenance: the `hub`, an office of the reseller's, that it calls and sends its numbers to."""

    hub: Name


class Tunnel(Noun):
    """The router's WireGuard way to the reseller, for maintenance: it calls out, so no port of the office is open for it.

    `address` is the router's own in the tunnel; `allowed` are the addresses at the other end that may come in by it.
    """

    address: Interface4
    peer_key: TunnelKey
    endpoint: Domain
    port: PortNumber = 51820
    allowed: Annotated[list[Interface4], Field(min_length=1)]
