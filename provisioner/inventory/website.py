"""An office's public website in its dossier: where, how it looks, what visitors and the law ask for. Only data, and its rules."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from provisioner.inventory import hours
from provisioner.inventory.conflicts import Conflict, mapping
from provisioner.inventory.fields import Day, Domain, Filled, Group, Name, Shape, SomebodysEmail, Text
from provisioner.inventory.hours import Hours
from provisioner.inventory.models import Noun
from provisioner.inventory.strict_yaml import quoted

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
    hours: Hours = {}
    hours_note: Text = ""
    accessibility: Accessibility | None = None


def judge(website: Mapping[str, Any]) -> Iterator[Conflict]:
    """What does not fit together: hours that overlap, a state of accessibility without the audit that found it."""
    yield from hours.judge(website.get("hours"), ("website", "hours"))
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
