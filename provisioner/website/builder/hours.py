"""Opening hours from the dossier's (`{"monday": ["08:30-12:30", …]}`), for people and for machines."""

from collections.abc import Mapping
from typing import Any

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def rows(hours: Mapping[str, list[str]], words: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Days and their hours in words, days in a row that are alike as one: (« mardi – samedi », [« 9 h – 12 h »])."""
    grouped: list[list[Any]] = []
    for day in DAYS:
        spans = list(hours.get(day, ()))
        if grouped and grouped[-1][2] == spans:
            grouped[-1][1] = day
        else:
            grouped.append([day, day, spans])
    names, form = words["days"], words["time"]
    told = []
    for first, last, spans in grouped:
        label = names[first] if first == last else form["range"].replace("{first}", names[first]).replace("{last}", names[last])
        shown = [
            form["range"].replace("{first}", _time(a, form)).replace("{last}", _time(b, form))
            for a, b in (span.split("-") for span in spans)
        ]
        told.append((label[:1].upper() + label[1:], shown or [words["words"]["closed"]]))
    return told


def _time(time: str, form: Mapping[str, str]) -> str:
    hour, minute = time.split(":")
    pattern = form["hour"] if minute == "00" else form["minute"]
    return pattern.replace("{h}", str(int(hour))).replace("{m}", minute)


def schema(hours: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """The same as schema.org's OpeningHoursSpecification."""
    alike: dict[str, list[str]] = {}
    for day in DAYS:
        for span in hours.get(day, ()):
            alike.setdefault(span, []).append(f"https://schema.org/{day.capitalize()}")
    return [
        {"@type": "OpeningHoursSpecification", "dayOfWeek": days, "opens": span.split("-")[0], "closes": span.split("-")[1]}
        for span, days in alike.items()
    ]
