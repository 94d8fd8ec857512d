"""Languages: sentences for people, told in French or English, with dates, durations and numbers as each writes them.

Code and templates hold the English sentence, marked by `N_`; `<language>.po` holds its translation, compiled in
memory when first used. What fills a sentence's `{names}` is data: braces in it mean nothing, and a name nobody filled
stays visible.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from provisioner.errors import BadInput

if TYPE_CHECKING:
    pass

CATALOGS = Path(__file__).parent
# Each with its CLDR locale: one for each catalog, and English, as Europe writes it (23 November, not November 23).
LANGUAGES = {**{path.stem: path.stem for path in sorted(CATALOGS.glob("*.po"))}, "en": "en_GB"}

PLACE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")  # not str.format: it would follow attributes and indexes
_FRENCH = (
    (re.compile(r"(?<=\S) (?=[;?!%€])"), "\u202f"),  # narrow: Lexique des règles typographiques de l'Imprimerie nationale
    (re.compile(r"(?<=\S) (?=[:»])|(?<=«) "), "\u00a0"),
)
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w|\{)")


def N_(text: str) -> str:  # gettext's own name for it
    """Mark a sentence for translation; it comes back as it is, to be told later by a `Translator`."""
    return text


def fill(sentence: str, values: Mapping[str, str]) -> str:
    """Put `values` in the places of a sentence; a place nobody fills stays as it is."""
    return PLACE.sub(lambda place: values.get(place[1], place[0]), sentence)


class Translator:
    """How one language tells a sentence; get one from `translator()`."""

    def __init__(self, language: str) -> None:
        from babel import Locale

        self.language = language
        self.locale: Locale = Locale.parse(LANGUAGES[language])
        self._sentences, self._plurals, self._form = _catalog(language)

    def __call__(self, sentence: str, values: Mapping[str, Any] | None = None, /, **named: Any) -> str:
        """Translate a sentence and fill its `{names}`; one without a translation is told in English.

        Numbers, days, moments and lists are written as the language does; a port or a version is a name: give it as text.
        """
        given = {**(values or {}), **named}
        return fill(self._told(sentence), {name: self.value(value) for name, value in given.items()})

    def ngettext(self, one: str, many: str, number: int, /, **named: Any) -> str:
        """The form of a sentence that the language takes for `number`, its `{number}`; without a translation, English's two."""
        forms = self._plurals.get((one, many))
        text = forms[self._form(number)] if forms else typeset(one if number == 1 else many, "en")
        return fill(text, {name: self.value(value) for name, value in {"number": number, **named}.items()})

    def sentence(self, sentence: str) -> str | None:
        """The translation of a sentence as it is, nothing filled in; None where the catalog has none."""
        return self._sentences.get(sentence)

    def sentences(self) -> Iterable[str]:
        """The English of every sentence that this language tells."""
        return self._sentences

    def _told(self, sentence: str) -> str:
        text = self._sentences.get(sentence)
        return text if text is not None else typeset(sentence, "en")

    def value(self, value: Any) -> str:  # noqa: PLR0911 - one line a kind
        """One value as text: plain data only; anything else is what `str` says of it."""
        if isinstance(value, str):
            return value
        if isinstance(value, datetime):
            return self.moment(value)
        if isinstance(value, date):
            return self.day(value)
        if isinstance(value, bool):
            return self(N_("yes") if value else N_("no"))
        if isinstance(value, int | float):
            return self.number(value)
        if isinstance(value, Mapping):
            return self.listed(self(N_("{name}: {value}"), name=str(name), value=one) for name, one in value.items())
        if isinstance(value, list | tuple | set | frozenset):
            return self.listed(map(self.value, sorted(value) if isinstance(value, set | frozenset) else value))
        return "" if value is None else str(value)

    def number(self, value: float) -> str:
        """A number, with at most two decimals."""
        from babel.numbers import format_decimal

        return format_decimal(round(value, 2), locale=self.locale)

    def listed(self, items: Iterable[str]) -> str:
        """Items in a row: « a, b et c »."""
        from babel.lists import format_list

        return format_list(list(items), locale=self.locale)

    def day(self, value: date | str) -> str:
        """A day in words, from a date or its ISO form: « 23 novembre 2026 »."""
        from babel.dates import format_date

        return format_date(date.fromisoformat(value) if isinstance(value, str) else value, "long", locale=self.locale)

    def month(self, value: str) -> str:
        """A month in words, from its ISO form `2026-11`: « novembre 2026 »."""
        from babel.dates import format_date

        return format_date(date.fromisoformat(f"{value}-01"), "LLLL y", locale=self.locale)

    def time(self, value: datetime | float | str, zone: str = "UTC") -> str:
        """The time of day, in the office's zone: « 09:05 »."""
        from babel.dates import format_time

        return format_time(_moment(value, zone), "short", locale=self.locale)

    def moment(self, value: datetime | float | str, zone: str = "UTC") -> str:
        """A day and a time, in the office's zone, from a datetime, seconds since 1970 or an ISO text."""
        from babel.dates import format_datetime

        return format_datetime(_moment(value, zone), "d MMMM y, HH:mm", locale=self.locale)

    def duration(self, seconds: float) -> str:
        """How long something took: « 0,4 s », « 12 s », « 3 min », « 1,5 h »; the symbols are those of every language."""
        figure, symbol = (
            (round(seconds, 1 if seconds < 9.95 else None), "s") if seconds < 99.5
            else (round(seconds / 60), "min") if seconds < 5400
            else (round(seconds / 3600, 1), "h")
        )  # fmt: skip
        return f"{self.number(figure)}\u00a0{symbol}"


@lru_cache(maxsize=len(LANGUAGES))
def translator(language: str) -> Translator:
    """The speech of `fr` or `en`.

    Raises:
        BadInput: we do not speak that one.
    """
    if language not in LANGUAGES:
        raise BadInput(f"no language {language!r}", hint=f"one of {', '.join(LANGUAGES)}")
    return Translator(language)


def of_locale(name: str) -> str:
    """The language for an office whose machines speak `name` (`fr_FR.UTF-8`): its own, else English."""
    language = name.partition("_")[0]
    return language if language in LANGUAGES else "en"


def typeset(text: str, language: str) -> str:
    """Give a sentence its language's spaces and apostrophes; done before client text fills it, which stays as it is."""
    if language == "fr":
        for space, sign in _FRENCH:
            text = space.sub(sign, text)
    return _APOSTROPHE.sub("’", text)


Plurals = dict[tuple[str, str], tuple[str, ...]]


def _catalog(language: str) -> tuple[dict[str, str], Plurals, Callable[[int], int]]:
    """Its sentences, those with a form for each number, and which form a number takes (gettext's Plural-Forms)."""
    path = CATALOGS / f"{language}.po"
    if not path.is_file():  # English is what the code says
        return {}, {}, lambda number: int(number != 1)
    from babel import Locale
    from babel.messages.pofile import read_po

    with path.open("rb") as file:
        entries = list(read_po(file, locale=language))
    sentences = {
        e.id: typeset(e.string, language)
        for e in entries
        if isinstance(e.id, str) and isinstance(e.string, str)
        if e.id and e.string
    }
    plurals: Plurals = {
        (e.id[0], e.id[1]): tuple(typeset(form, language) for form in e.string)
        for e in entries
        if isinstance(e.id, list | tuple) and isinstance(e.string, list | tuple) and all(e.string)
    }
    # read_po keeps one message a name: such a pair may have hidden a plain sentence
    sentences = {text: form for ids, forms in plurals.items() for text, form in zip(ids, forms, strict=False)} | sentences
    locale = Locale.parse(language)
    return sentences, plurals, lambda number: int(locale.plural_form(number) != "one")


def _moment(value: datetime | float | str, zone: str) -> datetime:
    where: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        value = datetime.fromtimestamp(value, UTC)
    return value.astimezone(where) if value.tzinfo else value.replace(tzinfo=UTC).astimezone(where)
