"""An office on a terminal: the tables of `office show`. Client text is shown with its invisible characters visible."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from provisioner.cli.common import many, shown
from provisioner.inventory import identity
from provisioner.language import N_, translator
from provisioner.language.terminal import spoken, told, word

if TYPE_CHECKING:
    from rich.console import Console

    from provisioner.inventory.dossier import Host, Office, Printer

_SOON_DAYS = 90


def print_office(out: "Console", office: "Office", today: date) -> None:
    """Print one office; `today` judges the warranties."""
    client, at = office.organisation, office.address
    facts = Table.grid(padding=(0, 2))
    facts.add_row(word("client"), shown(", ".join([client.name, client.legal_form, *identity.told(client)])))
    facts.add_row(word("address"), shown(f"{at.street}, {at.postcode} {at.city}, {at.country}"))
    for contact in client.contacts:
        said = (contact.name, contact.role, contact.phone, contact.email)
        facts.add_row(word("contact"), shown(", ".join(part for part in said if part)))
    facts.add_row(word("served by"), f"{office.reseller}, pack {office.pack} ({office.variant})")
    facts.add_row(
        word("LAN"), f"{office.lan.network}, {office.lan.domain}, DHCP {office.lan.dhcp_first} to {office.lan.dhcp_last}"
    )
    facts.add_row(word("ULA"), str(office.ula))
    facts.add_row(word("language"), f"{office.language}, {office.timezone}")
    if office.mail:
        facts.add_row(word("mail through"), f"{office.mail.host}:{office.mail.port}, sent as {office.mail.sender}")
    if office.backup:
        facts.add_row(
            word("second backup"), f"{office.backup.user}@{office.backup.host}:{office.backup.port}, {office.backup.path}"
        )
    if office.website:
        site = office.website
        facts.add_row(word("website"), shown(f"https://{site.domain} {site.title}" + (f" ({site.motto})" if site.motto else "")))
    if office.maintenance:
        hours = "; ".join(f"{word(day)} {', '.join(spans)}" for day, spans in office.maintenance.items())
        facts.add_row(word("restarts"), hours)
    out.print(facts)

    kinds = {name: f"{word(h.kind.value)} ({h.platform})" if h.appliance else h.kind.value for name, h in office.hosts.items()}
    hosts = [(name, kinds[name], str(h.address), h.mac, h.person) for name, h in office.hosts.items()]
    out.print(table("Hosts", ("host", "kind", "address", "MAC", "person"), hosts, whole=("host", "address", "MAC")))
    hardware = [(name, h.model, h.serial, warranty(h, today)) for name, h in office.hosts.items()]
    hardware += [(name, p.model, p.serial, warranty(p, today)) for name, p in office.printers.items()]
    if noted := [row for row in hardware if any(row[1:])]:
        out.print(table("Hardware", ("host", "model", "serial", "warranty ends"), noted, whole=("host", "serial")))
    if office.printers:
        printers = [(name, str(p.address), p.location) for name, p in office.printers.items()]
        out.print(table("Printers", ("printer", "address", "location"), printers, whole=("printer", "address")))
    people = [(login, p.name, ", ".join(p.groups), p.phone, p.email) for login, p in office.people.items()]
    out.print(table("People", ("login", "name", "groups", "phone", "email"), people, whole=("login",)))
    if office.former:
        gone = [(login, p.name, str(p.left or ""), p.successor) for login, p in office.former.items()]
        out.print(table("Who left", ("login", "name", "left", "files go to"), gone, whole=("login",)))


def table(title: str, words: Sequence[str], rows: Sequence[Sequence[str]], whole: Sequence[str]) -> Group:
    """A table below its title, without the columns nobody filled; the `whole` ones are never folded: they get copied."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    filled = [n for n in range(len(words)) if any(row[n] for row in rows)]
    for n in filled:
        table.add_column(words[n], no_wrap=words[n] in whole)
    for row in rows:
        table.add_row(*(shown(row[n]) for n in filled))
    return Group("", Text(shown(word(title)), "bold"), table)  # a title of the table's own would be folded to its width


def warranty(host: "Host | Printer", today: date) -> str:
    """When the warranty of a host or printer ends, and whether that is over or near (90 days)."""
    if host.warranty_end is None:
        return ""
    left = (host.warranty_end - today).days
    return f"{host.warranty_end}{note(left)}" if left <= _SOON_DAYS else str(host.warranty_end)


def note(left: int) -> str:
    """Behind a day that is `left` days away: whether it is over, or near."""
    return f" ({word('over')})" if left < 0 else translator(spoken())(N_(" (in {left})"), left=told(many(left, "day")))
