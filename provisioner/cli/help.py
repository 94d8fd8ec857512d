"""What `--help` prints, in the operator's language."""

from typing import Any

import click

from provisioner.language import LANGUAGES, translator
from provisioner.language.terminal import chosen, spoken, told, whole, word


def lang_option(function: Any) -> Any:
    """`--lang`, for this call alone."""
    return click.option(
        "--lang",
        type=click.Choice(list(LANGUAGES)),
        expose_value=False,
        is_eager=True,
        callback=lambda ctx, param, value: chosen.set(value) if value else None,  # noqa: ARG005 - click's signature
        help="The language of what is said here: fr or en (or PROVISIONER_LANG, LANG).",
    )(function)


class Formatter(click.HelpFormatter):
    """`--help` in the operator's language."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The usage line."""
        super().write_usage(prog, args, told("Usage:") + " " if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """A section's heading."""
        # the language's own space before a colon
        said = translator(spoken())("{name}: {value}", name=told(heading), value="")
        self.write(f"{'':>{self.current_indent}}{said.rstrip()}\n")

    def write_text(self, text: str) -> None:
        """A verb's own words, paragraph by paragraph; a marked one (`\\b`) that is no sentence of ours keeps its lines."""
        super().write_text("\n\n".join(map(_paragraph, text.split("\n\n"))))

    def write_dl(self, rows: Any, *args: Any, **kwargs: Any) -> None:
        """Options and verbs, with what each is for."""
        super().write_dl([(name, _help(line)) for name, line in rows], *args, **kwargs)


def _paragraph(part: str) -> str:
    plain = " ".join(part.replace("\b", "").split())
    said = told(plain)
    return part if "\b" in part and said == plain else said


def _help(line: str) -> str:
    words, bracket, extra = line.partition("  [")
    more = "; ".join(map(word, extra.removesuffix("]").split("; ")))
    return whole(words) + (f"{bracket}{more}]" if bracket else "")
