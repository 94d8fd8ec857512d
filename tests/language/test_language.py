"""Sentences for people: every one is in French too, and nothing a client wrote is evaluated on the way."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import provisioner
from provisioner.errors import BadInput
from provisioner.language import CATALOGS, N_, PLACE, translator, typeset
from tests.language.terminal_texts import WHOLE, spoken

PACKAGE = Path(provisioner.__file__).parent
METHODS = [("**/templates/**.html", "jinja2.ext:babel_extract"), ("**.html.j2", "jinja2.ext:babel_extract"), ("**.py", "python")]
BOLDLY = "L'Épicerie {{ 7*7 }} {0.__class__} {sentence} %s \u202e<b>"


def marked() -> dict[str, str]:
    """Every sentence the package marks, with where it stands first."""
    found: dict[str, str] = {}
    everything = extract_from_dir(
        PACKAGE,
        method_map=METHODS,
        keywords={"N_": None, "_": None, "ngettext": (1, 2)},
        directory_filter=lambda path: "playbooks" not in path,
    )
    for file, line, message, _, _ in everything:
        for sentence in (message,) if isinstance(message, str) else message:
            found.setdefault(sentence, f"provisioner/{file}:{line}")
    return found


def every() -> dict[str, str]:
    """What documents and the terminal tell: all that has a place in the catalog."""
    return {**spoken(), **marked()}


def catalog() -> Iterator[tuple[str, str]]:
    with (CATALOGS / "fr.po").open("rb") as file:
        for entry in read_po(file, locale="fr", abort_invalid=True):
            if entry.id:
                assert not entry.fuzzy, f"{entry.id!r} is marked as a guess"
                if isinstance(entry.id, str):
                    assert isinstance(entry.string, str)
                    yield entry.id, entry.string
                else:
                    assert not isinstance(entry.string, str | None)
                    assert len(entry.id) == len(entry.string) == 2
                    yield from zip(entry.id, entry.string, strict=True)


def test_every_sentence_is_told_in_french() -> None:
    """A French client reads no English sentence; what lacks is said ready to paste into fr.po."""
    known = dict(catalog())
    quoted = {sentence: sentence.replace("\\", "\\\\").replace('"', '\\"') for sentence in marked()}
    lacking = [f'#: {marked()[s]}\nmsgid "{q}"\nmsgstr ""\n' for s, q in quoted.items() if not known.get(s)]

    rooms = tuple(f"provisioner/{room}" for room in WHOLE)
    quoted = {
        s: s.replace("\\", "\\\\").replace('"', '\\"') for s, where in spoken().items() if where.startswith((*rooms, "playbooks"))
    }
    lacking += [f'#: {spoken()[s]}\nmsgid "{q}"\nmsgstr ""\n' for s, q in quoted.items() if not known.get(s)]
    assert not lacking, "provisioner/language/fr.po lacks:\n\n" + "\n".join(lacking)


def test_no_translation_is_left_over() -> None:
    """A sentence nobody tells any more leaves the catalog too."""
    assert sorted(set(dict(catalog())) - set(every())) == []


def test_a_translation_has_the_places_of_its_sentence() -> None:
    """What a sentence tells, its translation tells: the same {names}, none misspelt."""
    wrong = [sentence for sentence, told in catalog() if set(PLACE.findall(sentence)) != set(PLACE.findall(told))]

    assert wrong == []


def test_braces_of_a_sentence_are_places() -> None:
    """A brace that is no place would be shown to the client."""
    wrong = [sentence for sentence in marked() if re.search(r"[{}]", PLACE.sub("", sentence))]

    assert wrong == []


@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_a_client_wrote_is_data(language: str) -> None:
    """Braces, percent signs and marks in a name come out as they went in."""
    said = translator(language)("{sentence} and {other}", sentence=BOLDLY, other="{sentence}")

    assert said == f"{BOLDLY} and {{sentence}}"


def test_a_place_nobody_filled_stays_visible() -> None:
    """A missing value is seen, and stops nothing."""
    assert translator("fr")("{host} {0} {host.name}", other="x") == "{host} {0} {host.name}"


@pytest.mark.parametrize(
    ("language", "value", "told"),
    [
        ("fr", date(2026, 11, 23), "23 novembre 2026"),
        ("en", date(2026, 11, 23), "23 November 2026"),
        ("fr", datetime(2026, 11, 23, 8, 5, tzinfo=UTC), "23 novembre 2026, 08:05"),
        ("fr", 1234567, "1\u202f234\u202f567"),
        ("en", 1234567, "1,234,567"),
        ("fr", 0.5, "0,5"),
        ("fr", ["Zoé", "Côme", "Aïcha"], "Zoé, Côme et Aïcha"),
        ("en", ["Zoé", "Côme"], "Zoé and Côme"),
        ("fr", True, "oui"),
        ("en", False, "no"),
        ("fr", {"bureau": True, "étage": 2}, "bureau\u00a0: oui et étage\u00a0: 2"),
        ("fr", None, ""),
        ("fr", "49152", "49152"),
    ],
)
def test_values_are_written_as_the_language_does(language: str, value: object, told: str) -> None:
    """Days, numbers and lists read as in a letter; a text stays as it is."""
    assert translator(language)("{value}", value=value) == told


def test_times_are_those_of_the_office() -> None:
    """What happened at eight in Greenwich happened at nine in Lyon."""
    assert translator("fr").time("2026-11-23T08:05:00Z", "Europe/Paris") == "09:05"
    assert translator("en").moment(0, "Europe/Paris") == "1 January 1970, 01:00"
    assert translator("fr").day("2026-01-01") == "1 janvier 2026"


def test_durations_are_short() -> None:
    """Seconds as long as they matter, then minutes, then hours."""
    told = [translator("fr").duration(seconds).replace("\u00a0", " ") for seconds in (0.44, 12.3, 180, 5400)]

    assert told == ["0,4 s", "12 s", "3 min", "1,5 h"]


def test_french_has_its_spaces() -> None:
    """No sign of a French sentence begins a line alone."""
    assert typeset("« Oui » : l'imprimante répond ; bien !", "fr") == (
        "«\u00a0Oui\u00a0»\u00a0: l’imprimante répond\u202f; bien\u202f!"
    )


def test_one_and_many() -> None:
    """Nought is one in French and many in English."""
    one, many = (
        "{number} point remains to be settled; it is listed below.",
        "{number} points remain to be settled; they are listed below.",
    )
    for language, number, told in (("fr", 0, "0 point "), ("en", 0, "0 points"), ("en", 1, "1 point "), ("fr", 2, "2 points")):
        assert translator(language).ngettext(one, many, number).startswith(told), (language, number)
    assert translator("fr").ngettext(one, many, 1) != one


def test_an_unknown_language_is_said() -> None:
    """A language we do not speak is bad input with the ones we do."""
    with pytest.raises(BadInput, match="no language 'de'") as refused:
        translator("de")
    assert refused.value.hint == "one of fr, en"
    assert N_("x") == "x"
