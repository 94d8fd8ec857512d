"""Hours of a week as a dossier has them (`{monday: ["08:30-12:30"]}`): of opening, of maintenance; in the office's own time."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from provisioner.inventory.conflicts import Conflict, mapping
from provisioner.inventory.fields import Text
from provisioner.inventory.strict_yaml import quoted

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: tuple[Weekday, ...] = get_args(Weekday)
_SPAN = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)")


def _wrong(what: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("worded", "{what}", {"what": what, "hint": hint})


def _span(value: str) -> str:
    first, _, last = value.partition("-")
    if not _SPAN.fullmatch(value):
        raise _wrong(f"{quoted(value)} is not a span of hours", "a form as in 08:30-12:30")
    if last <= first:
        raise _wrong(f"{quoted(value)} ends before it begins", "until 24:00, and the next day from 00:00")
    return value


Span = Annotated[Text, AfterValidator(_span)]
Hours = dict[Weekday, list[Span]]


def judge(hours: object, place: tuple[str, ...]) -> Iterator[Conflict]:
    """Hours of one day that overlap or stand in no order."""
    for day, spans in mapping(hours).items():
        last = ""
        for number, span in enumerate(spans if isinstance(spans, list) else ()):
            if not isinstance(span, str) or not _SPAN.fullmatch(span):
                continue
            if last and span.partition("-")[0] < last:
                what = f"{quoted(span)} begins before the one before it ends"
                yield Conflict((*place, day, number), what, "the spans of a day in their order")
            last = span.partition("-")[2]


def within(hours: Mapping[Any, list[str]], at: datetime) -> bool:
    """Whether a moment, in the office's own time, is one of them."""
    now = f"{at:%H:%M}"
    return any(span.partition("-")[0] <= now < span.partition("-")[2] for span in hours.get(DAYS[at.weekday()], ()))


def following(hours: Mapping[Any, list[str]], at: datetime) -> str:
    """The next of them after a moment, as `2026-11-29 02:00-05:00`; empty where there is none."""
    for ahead in range(8):
        day = at + timedelta(days=ahead)
        for span in hours.get(DAYS[day.weekday()], ()):
            if ahead or span.partition("-")[0] > f"{at:%H:%M}":
                return f"{day:%Y-%m-%d} {span}"
    return ""
