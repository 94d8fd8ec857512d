"""The operator's language: what the tool says on a terminal, found again in the catalog as it is printed.

Code, journals, the audit and `--json` hold the English sentence with its values in it; only what a person sees is
translated, so a sentence that lay in a journal for a year is told as well as one made now. Its fixed words find it.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache

from provisioner.language import LANGUAGES, PLACE, Translator, translator

SETTINGS = ("PROVISIONER_LANG", "LC_ALL", "LC_MESSAGES", "LANG")  # POSIX.1-2017 §8.2, ours first
HEAD = re.compile(r"[^\n:]{1,80}?: (?=\S)")
# A file's problem, as `strict_yaml.Problem` writes it: its file and line, its field, whether it is a warning, what, what to try.
PROBLEM = re.compile(r"((?:[^\s:]+(?::\d+)?: ){0,2})(warning: )?(.+?)(?:(; try )(?!\{)(.+))?")
COUNTS = re.compile(r"[\d,]+ [a-z ]+(, [\d,]+ [a-z ]+)*")
COLUMNS = re.compile(r"(\n+|  +|\t)")


# `--lang` of this call.
chosen: ContextVar[str] = ContextVar("chosen", default="")


def spoken(environment: Mapping[str, str] | None = None) -> str:
    """The operator's language, `fr` or `en`: the first of `SETTINGS` that says anything; English where we have no other."""
    if chosen.get():
        return chosen.get()
    given = os.environ if environment is None else environment
    name = next((given[key] for key in SETTINGS if given.get(key)), "")
    language = re.split(r"[_.@]", name)[0].lower()
    return language if language in LANGUAGES else "en"


def told(text: str, language: str | None = None) -> str:
    """One text of ours in the operator's language; what is not ours stays as it is, byte for byte."""
    language = language or spoken()
    if language == "en" or not re.search(r"[A-Za-z]{2}", text):
        return text
    return _told(text, language)


def word(text: str) -> str:
    """A word of ours that stands alone, a column's head or a state: a name may be the same word, so nothing else finds it."""
    return translator(spoken()).sentence(f"word: {text}") or told(text)


def agreed(text: str) -> bool | None:
    """Whether an answer is a yes or a no, the word or its first letter, in any language of ours; None where it is neither."""
    for say in map(translator, LANGUAGES):
        for meant, said in ((True, say("yes")), (False, say("no"))):
            if text.strip().lower() in (said, said[0]):
                return meant
    return None


def whole(line: str) -> str:
    """A verb's one line of help, which click cuts at its width or after a sentence: the whole that it was cut from, if known."""
    language = spoken()
    if language == "en" or (known := told(line)) != line:
        return line if language == "en" else known
    begun = (one for one in translator(language).sentences() if one.startswith(line.removesuffix("...")))
    text = told(next(begun, line))
    return text if line.endswith("...") else re.sub(r"(?<=\.) .*", "", text, flags=re.DOTALL)


@lru_cache(maxsize=4096)
def _told(text: str, language: str) -> str:
    inside = text.strip()
    found = _problems(inside, language) if "; try " in text or ": warning: " in text else None
    found = found or _sentence(inside, language)
    if found is not None:
        return text.replace(inside, found, 1)
    parts = COLUMNS.split(text)
    if len(parts) > 1:
        return "".join(_told(part, language) if part.strip() else part for part in parts)
    if COUNTS.fullmatch(text):
        return ", ".join(_counted(part, language) for part in text.split(", "))
    head = HEAD.match(text)
    return _head(head[0], language) + _told(text[head.end() :], language) if head else text


def _head(head: str, language: str) -> str:
    """What stands before a colon; a name, or one word, is never translated."""
    words = head.strip().removesuffix(":")
    found = translator(language).sentence(words) if " " in words else None
    return head.replace(f"{words}: ", f"{found}\u00a0: ") if found else head


def _problems(text: str, language: str) -> str | None:
    """A file's problems, one a line; None where one of the lines is none."""
    lines = [PROBLEM.fullmatch(line) for line in text.split("\n")]
    say = translator(language)
    told = []
    for line in lines:
        if line is None:
            return None
        place, warning, what, _, hint = line.groups()
        doubt = f"{say('warning')}\u00a0: " if warning else ""
        told.append(place + doubt + _told(what, language) + (say("; try {hint}", hint=_told(hint, language)) if hint else ""))
    return "\n".join(told)


def _counted(text: str, language: str) -> str:
    """`3 hosts`: by the form that the language takes for the number, found by either of English's two."""
    number, _, words = text.partition(" ")
    form = translator(language).sentence(f"{{number}} {words}")
    return form.replace("{number}", number.replace(",", "\u202f")) if form else text


def _sentence(text: str, language: str) -> str | None:
    """The translation of the sentence of the catalog that has the most of its fixed words in `text`."""
    say = translator(language)
    if (whole := say.sentence(text)) is not None:
        return whole
    for pattern, fixed, sentence in _patterns(language):
        if all(piece in text for piece in fixed) and (match := re.fullmatch(pattern, text, re.DOTALL)):
            values = match.groupdict()
            # A name is never translated, even where it is a word of ours: only what has several words may be a sentence.
            return say(sentence, {name: _told(value, language) if " " in value else value for name, value in values.items()})
    return None


@lru_cache(maxsize=len(LANGUAGES))
def _patterns(language: str) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    """Each sentence with places as a pattern, its fixed pieces and itself; the longest first."""
    return tuple(sorted(_made(translator(language)), key=lambda one: -sum(map(len, one[1]))))


def _made(say: Translator) -> Iterator[tuple[str, tuple[str, ...], str]]:
    for sentence in say.sentences():
        places = PLACE.split(sentence)  # text, name, text, name, …
        letters = re.findall(r"[A-Za-z]", "".join(places[::2]))
        if (len(letters) > 3 or places[0].endswith(": ")) and 0 < len(places) // 2 == len(set(places[1::2])):
            any_of = {"number": r"[\d,]+"}
            pattern = "".join(
                f"(?P<{part}>{any_of.get(part, '.*?')})" if n % 2 else re.escape(part) for n, part in enumerate(places)
            )
            yield pattern, tuple(filter(None, places[::2])), sentence
