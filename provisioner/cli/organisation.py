"""What is asked about an organisation, a client or a member: who it is, its number where the law asks for one, where it is."""

import functools
from collections.abc import Iterable
from typing import Any

from provisioner.cli.conversation import Answers, Question, required
from provisioner.errors import BadInput
from provisioner.inventory import fields, identity
from provisioner.inventory.conflicts import Conflict


def is_a(kind: Any, text: str, _: Answers) -> None:
    """Let an answer of this kind of field through."""
    fields.validate(kind, text)


def refuse(conflicts: Iterable[Conflict]) -> None:
    """Refuse an answer of which a rule says something.

    Raises:
        BadInput: what the first says.
    """
    for one in conflicts:
        raise BadInput(one.what, hint=one.hint)


def questions(*, client: bool) -> list[Question]:
    """Those of an organisation: a client, or the operator's own co-op."""
    filled = functools.partial(is_a, fields.Filled)
    return [
        Question("organisation", "The client's name" if client else "Your co-op's full name", check=filled, default=required),
        Question("legal_form", "Its legal form", "SARL, Scop SARL, association, commune, …", filled, required),
        Question(
            "country",
            "Its country",
            "two capital letters: FR, BE, CH, …",
            functools.partial(is_a, fields.Country),
            lambda _: "FR",
        ),
        Question(
            "siren",
            "Its SIREN",
            "nine digits, with spaces or without; empty for who has none, as a small association",
            functools.partial(is_a, fields.Siren),
            functools.partial(_unless_asked, "siren"),
            _french,
        ),
        Question(
            "rna",
            "Its RNA number",
            "an association's, W and nine digits; empty for who has none",
            functools.partial(is_a, fields.Rna),
            when=lambda given: _french(given) and not _asked(given) and not given.get("siren"),
        ),
        Question(
            "registration",
            "Its number in its country's register",
            "as BE 0428.759.497 or CHE-100.155.212; empty for who has none",
            _registration,
            functools.partial(_unless_asked, "registration"),
            lambda given: not _french(given),
        ),
        Question("street", "Its street and number", check=filled, default=required),
        Question("postcode", "Its postcode", check=_postcode, default=required),
        Question("city", "Its city", check=filled, default=required),
    ]


def data(given: Answers) -> dict[str, Any]:
    """The organisation as its file has it, without contacts."""
    numbers = {word: given[word] for word in ("siren", "rna", "registration") if given.get(word)}
    if "siren" in numbers:
        numbers["siren"] = "".join(numbers["siren"].split())
    address = {word: given[word] for word in ("street", "postcode", "city", "country")}
    return {"name": given["organisation"], "legal_form": given["legal_form"], **numbers, "address": address}


def _country(given: Answers) -> str:
    return given.get("country") or "FR"


def _french(given: Answers) -> bool:
    return identity.french(_country(given))


def _asked(given: Answers) -> str:
    return identity.required(_country(given), given.get("legal_form") or "")


def _unless_asked(word: str, given: Answers) -> str | None:
    return None if _asked(given) == word else ""


def _registration(text: str, given: Answers) -> None:
    # of a form that needs no number, so that only this number is judged
    about = {"legal_form": "particulier", "registration": text, "address": {"country": _country(given)}}
    refuse(identity.judge(about, ()))


def _postcode(text: str, given: Answers) -> None:
    fields.validate(fields.Filled, text)
    refuse(identity.judge_address({"country": _country(given), "postcode": text}, ()))
