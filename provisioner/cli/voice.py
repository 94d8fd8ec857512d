"""Where words leave for the terminal: each way out tells them in the operator's language, and nothing before it does."""

from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from provisioner.language.terminal import spoken, told, word
from provisioner.laptop.text import folds, hanging

# A call of ours, to be copied: to the end of its line, or of its quotes or brackets.
_COMMAND = r"[^ ]*\bprovisioner (?:--|(?:[a-z]+ )+)[^»”)\"]*[»”)\"]?[^ ]*"


class Voice(Console):
    """A console that speaks the operator's language: lines, tables with their titles and headings."""

    def print(self, *objects: Any, **how: Any) -> None:
        """As rich prints, translated; on a terminal a line printed with `soft_wrap` is broken between words.

        A command in it is not broken, because it is copied, nor is a Text with `no_wrap`.
        """
        told = [_told(one) for one in objects]
        if how.get("soft_wrap") and self.is_terminal:
            told = [_folded(one, self.width) for one in told]
        super().print(*told, **how)


def _told(thing: Any) -> Any:
    if isinstance(thing, Table):
        for column in thing.columns:  # a word that is longer than its column goes on below; only what is never folded is cut
            column.overflow = "ellipsis" if column.no_wrap else "fold"
    if spoken() == "en" and not isinstance(thing, Group):
        return thing
    if isinstance(thing, str):
        return told(thing)
    if isinstance(thing, Text):
        return _text(thing)
    if isinstance(thing, Group):
        return Group(*map(_told, thing.renderables))
    if isinstance(thing, Table):
        thing.title = _told(thing.title)
        for column in thing.columns:
            column.header = word(column.header) if isinstance(column.header, str) else _told(column.header)
            column._cells = [_told(cell) if " " in str(cell) else cell for cell in column._cells]
    return thing


def _folded(thing: Any, columns: int) -> Any:
    if isinstance(thing, Group):
        return Group(*(_folded(one, columns) for one in thing.renderables))
    if not isinstance(thing, str | Text):
        return thing
    text = Text(thing) if isinstance(thing, str) else thing
    if text.no_wrap:
        return text
    lines = []
    for line in text.split("\n", allow_blank=True):
        plain = line.plain
        parts = folds(plain, columns, _COMMAND)
        lines.append(Text(f"\n{' ' * hanging(plain)}").join(line[start:end] for start, end in parts))
    whole = Text("\n").join(lines)
    whole.end = text.end
    return whole


def _text(text: Text) -> Text:
    """Each piece of one style is a sentence, or a part of one, by itself."""
    ends = sorted({end for span in text.spans for end in (span.start, span.end)} - {0, len(text)})
    pieces = []
    for piece in text.divide(ends):
        new = Text(told(piece.plain), style=piece.style, end="")
        for span in piece.spans:
            new.stylize(span.style)
        pieces.append(new)
    whole = Text("", style=text.style, justify=text.justify, overflow=text.overflow, no_wrap=text.no_wrap, end=text.end)
    for piece in pieces:
        whole.append_text(piece)
    return whole
