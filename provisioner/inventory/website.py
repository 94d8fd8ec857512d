"""An office's public website in its dossier: where, how it looks, what visitors and the law ask for. Only data, and its rules."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from provisioner.inventory.conflicts import Conflict, mapping
from provisioner.inventory.fields import Day, Domain, Filled, Group, Name, Shape, SomebodysEmail, Text
from provisioner.inventory.models import Noun
from provisioner.inventory.strict_yaml import quoted

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_SPAN = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)")


def _wrong(what: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("worded", "{what}", {"what": what, "hint": hint})


def _span(value: str) -> str:
    first, _, last = value.partition("-")
    if not _SPAN.fullmatch(value):
        raise _wrong(f"{quoted(value)} is not a time of opening", "a form as in 08:30-12:30")
    if last <= first:
        raise _wrong(f"{quoted(value)} ends before it begins", "until 24:00, and the next day from 00:00")
    return value


Span = Annotated[Text, AfterValidator(_span)]
Activity = Annotated[
    Text, Shape("[A-Z][A-Za-z]{2,40}", "a kind of business", "a name of schema.org below LocalBusiness, as in GroceryStore")
]
WebAddress = Annotated[Text, Shape(r"https://[^\s\"<>]{4,300}", "a web address", "a form as in https://cafe.example/plan.pdf")]


class Accessibility(Noun):
    """What an audit by the country's standard found; without one a site that the law binds says that none was made."""

    status: Literal["none", "partial", "full"] = "none"
    audited: Day | None = None
    auditor: Text = ""
    rate: int | None = Field(default=None, ge=0, le=100)  # of the standard's criteria, in percent
    gaps: list[Filled] = []
    plan: WebAddress | None = None


class Website(Noun):
    """The office's public site; `provisioner.website` says what the law of its country asks for beside.

    `phone`, `email` and `director` (of publication) are the first contact's unless given; `activity` is schema.org's word.
    """

    domain: Domain
    title: Filled
    motto: Text = ""
    served_by: Name | None = None  # the office whose server has it; unsaid, its own
    editors: Group | None = None  # the group whose people change it; unsaid, everybody of the office
    colour: Literal["blue", "green", "red", "orange", "violet", "teal"] = "blue"
    activity: Activity = "LocalBusiness"
    phone: Text = ""
    email: SomebodysEmail = ""
    director: Text = ""
    dpo: Text = ""
    mediator: Text = ""
    hours: dict[Weekday, list[Span]] = {}
    hours_note: Text = ""
    accessibility: Accessibility | None = None


def judge(website: Mapping[str, Any]) -> Iterator[Conflict]:
    """What does not fit together: hours that overlap, a state of accessibility without the audit that found it."""
    for day, spans in mapping(website.get("hours")).items():
        last = ""
        for number, span in enumerate(spans if isinstance(spans, list) else ()):
            if not isinstance(span, str) or not _SPAN.fullmatch(span):
                continue
            if last and span.partition("-")[0] < last:
                what = f"{quoted(span)} begins before the one before it ends"
                yield Conflict(("website", "hours", day, number), what, "the spans of a day in their order")
            last = span.partition("-")[2]
    stated = mapping(website.get("accessibility"))
    status = stated.get("status", "none")
    if status in ("partial", "full"):
        for word in ("audited", "rate"):
            if stated.get(word) is None:
                what = f"is missing: only an audit can find a site {'partially' if status == 'partial' else 'fully'} compliant"
                yield Conflict(("website", "accessibility", word), what, f"adding '{word}: …', or status: none")
        rate = stated.get("rate")
        low = 100 if status == "full" else 50  # decree 2019-768: every criterion, or at least half of them
        if isinstance(rate, int) and rate < low:
            what = f"{quoted(rate)} is too small for status: {status}"
            yield Conflict(("website", "accessibility", "rate"), what, f"at least {low}, or another status")
