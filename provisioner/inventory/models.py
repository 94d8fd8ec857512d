"""The nouns of the network, as pydantic reads them from its files: strict, unknown keys are errors.

Only data: reading is `files.py`, what must fit together is `rules.py`. Every text of a client
is taken byte for byte; only names of offices, hosts, logins and resellers follow a pattern, because they become file
names, host names and accounts.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from provisioner.inventory.fields import (
    Country,
    Filled,
    Login,
    Mac,
    Name,
    Rna,
    Siren,
    SomebodysEmail,
    Text,
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
    email: SomebodysEmail = ""


class Organisation(Noun):
    """The client, or a member of the network.

    Which number it must have is its country's to say (`identity`): in France a SIREN, or an association's `rna`; elsewhere
    `registration`, its number in the country's register.
    """

    name: Filled
    legal_form: Filled
    siren: Siren = ""
    rna: Rna = ""
    registration: Text = ""
    trade_register: Text = ""  # where and under which number, as it stands on invoices: 000 613 984 RCS Lyon
    capital: Text = ""
    vat: Text = ""
    address: Address
    contacts: list[Contact] = []
