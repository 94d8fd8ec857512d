"""Text of others, made fit to be shown."""

import textwrap
import unicodedata


def visible(text: str) -> str:
    """`text` fit for a terminal and for paper: control, bidirectional and other format characters become visible escapes."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else f"\\u{ord(c):04x}" for c in text
    )


def folded(text: str, columns: int) -> str:
    """`text` broken between words where its lines are longer than `columns`; what follows stands under where the line began."""
    lines = []
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip(" ")))
        lines += textwrap.wrap(
            line, max(columns, len(indent) + 20), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        ) or [line]
    return "\n".join(lines)
