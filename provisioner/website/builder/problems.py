"""What is wrong with a website's folder, said once a file and line in the words of `languages/<language>.yml`."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

LANGUAGES = Path(__file__).parent / "languages"


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong: `file` below the pages' folder (or the dossier's name), `line` from 1 (0: the file as a whole).

    `code` names its sentence, whose `{places}` the values fill. A `warning` is said and stops nothing.
    """

    file: str
    line: int
    code: str
    values: tuple[tuple[str, str], ...] = ()
    warning: bool = field(default=False)

    def sentence(self, language: str) -> str:
        """Where and what, for a person: `horaires.md:3: …`."""
        text: str = texts(language)["problems"][self.code]
        for name, value in self.values:
            text = text.replace(f"{{{name}}}", visible(value))
        where = f"{visible(self.file)}:{self.line}" if self.line else visible(self.file)
        return f"{where}: {text}"


def problem(file: str, line: int, code: str, /, *, warning: bool = False, **values: object) -> Problem:
    """A problem from its parts."""
    return Problem(file, line, code, tuple(sorted((name, str(value)) for name, value in values.items())), warning)


class Refused(Exception):
    """The site cannot be built: every problem at once; nothing was written."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(self.sentences("en")))

    def sentences(self, language: str) -> list[str]:
        """One line a problem."""
        return [one.sentence(language) for one in self.problems]


def visible(text: str, length: int = 120) -> str:
    """`text` on one line and cut, with the characters that a screen hides or obeys as their numbers."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in cut)


def languages() -> list[str]:
    """The languages a site can be in: one file each."""
    return sorted(path.stem for path in LANGUAGES.glob("*.yml"))


@lru_cache
def texts(language: str) -> Any:
    """All the words of one language; English where there is no such file."""
    import yaml

    path = LANGUAGES / f"{language}.yml"
    with (path if path.is_file() else LANGUAGES / "en.yml").open(encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are the safe one
