"""How an organisation is told from others: the number that its country gives it, and the form of its postcode. Pure, as `rules`.

A number is required only where the law asks for it on what an organisation signs: in France the SIREN of whoever is in the
national register of enterprises (Code de commerce, R123-237), in Belgium the enterprise number (Code de droit économique,
III.25). An association has an RNA number once it is declared, and a SIREN only when it employs somebody or is given public
money; a person, a collective and an association in fact have none.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from provisioner.inventory.conflicts import Conflict, mapping
from provisioner.inventory.strict_yaml import Place, quoted

if TYPE_CHECKING:
    from provisioner.inventory.models import Organisation

# Of France, its overseas departments and collectivities where INSEE numbers enterprises (ISO 3166).
_SIREN_COUNTRIES = frozenset({"FR", "GP", "MQ", "GF", "RE", "YT", "PM", "BL", "MF"})

# A country's register: python-stdnum's module, what its number is called (on documents too), an example.
_REGISTERS = {
    "BE": ("stdnum.be.vat", "Enterprise number", "0428.759.497"),
    "CH": ("stdnum.ch.uid", "UID", "CHE-100.155.212"),
}

# Universal Postal Union, "Postal addressing systems"; a country that is not here is taken as it is written.
_POSTCODES = {
    **dict.fromkeys(_SIREN_COUNTRIES | {"MC"}, (r"(0[1-9]|[1-9]\d)\d{3}", "five digits, as in 69001")),
    **dict.fromkeys(("BE", "CH", "LI", "AT"), (r"[1-9]\d{3}", "four digits, as in 1000")),
    "LU": (r"(L-)?\d{4}", "four digits, as in 1009"),
    **dict.fromkeys(("DE", "IT", "ES"), (r"\d{5}", "five digits, as in 10115")),
}

# How the legal forms begin that the law leaves without a number, in small letters without accents.
_FREE = ("asso", "loi 1901", "collectif", "particulier", "personne", "feitelijke", "person", "private")


def judge(organisation: Mapping[str, Any], place: Place) -> Iterator[Conflict]:
    """What an organisation's number and postcode lack, at its `place` in the file."""
    at = mapping(organisation.get("address"))
    country = at.get("country", "FR")
    yield from judge_address(at, (*place, "address"))
    form, number = organisation.get("legal_form"), organisation.get("registration")
    if not isinstance(country, str) or not isinstance(form, str):
        return  # the model says so
    if country in _REGISTERS and number and not _is_of(country, str(number)):
        example = _REGISTERS[country][2]
        written = quoted(number)
        said = f"{written} is not an enterprise number" if country == "BE" else f"{written} is not a UID"
        yield Conflict((*place, "registration"), said, f"reading it again, as in {example}")
    if word := required(country, form):
        other = "registration" if country in _SIREN_COUNTRIES else "siren"
        if not organisation.get(word):
            about = f"is missing: the law asks {quoted(form)} for {'a SIREN' if word == 'siren' else 'its number'}"
            hint = f"adding '{word}: …'"
            if organisation.get(other):
                hint = f"adding '{word}: …' (the country of its address is {country})"
            yield Conflict((*place, word), about, hint)


def judge_address(address: Mapping[str, Any], place: Place) -> Iterator[Conflict]:
    """A postcode that none of its country's looks like."""
    country, postcode = address.get("country", "FR"), address.get("postcode")
    form, hint = _POSTCODES.get(country, ("", "")) if isinstance(country, str) else ("", "")
    if form and isinstance(postcode, str | int) and str(postcode).strip() and not re.fullmatch(form, str(postcode)):
        yield Conflict((*place, "postcode"), f"{quoted(postcode)} is no postcode of {country}", hint)


def required(country: str, form: str) -> str:
    """Which number the law asks of this legal form: `siren`, `registration`, or none."""
    plain = unicodedata.normalize("NFKD", form.casefold()).encode("ascii", "ignore").decode()
    if plain.startswith(_FREE) and not (country == "BE" and plain.startswith("association sans but")):
        return ""
    return "siren" if country in _SIREN_COUNTRIES else "registration" if country == "BE" else ""


def french(country: str) -> bool:
    """Whether INSEE numbers the enterprises of this country."""
    return country in _SIREN_COUNTRIES


def numbers(organisation: "Organisation") -> list[tuple[str, str]]:
    """The numbers of an organisation for people: what each is called (an English word to translate), and it, in groups."""
    siren = organisation.siren
    found = [("SIREN", f"{siren[:3]} {siren[3:6]} {siren[6:]}")] if siren else []
    found += [("RNA", organisation.rna)] if organisation.rna else []
    country, number = organisation.address.country, organisation.registration
    if number:
        known = country in _REGISTERS
        found.append((_REGISTERS[country][1], _written(country, number)) if known else ("Registration number", number))
    return found


def told(organisation: "Organisation") -> list[str]:
    """The same for a terminal: `SIREN 000 613 984`."""
    return [f"{what} {number}" for what, number in numbers(organisation)]


def _is_of(country: str, number: str) -> bool:
    return bool(import_module(_REGISTERS[country][0]).is_valid(number))


def _written(country: str, number: str) -> str:
    """In the groups that its country writes; what is none of its numbers stays as it is."""
    if not _is_of(country, number):
        return number
    module = import_module(_REGISTERS[country][0])
    if country == "BE":
        digits = module.compact(number)
        return f"{digits[:4]}.{digits[4:7]}.{digits[7:]}"
    return str(module.format(number))
