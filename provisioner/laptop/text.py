"""Text of others, made fit to be shown."""

import unicodedata


def visible(text: str) -> str:
    """`text` fit for a terminal and for paper: control, bidirectional and other format characters become visible escapes."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else f"\\u{ord(c):04x}" for c in text
    )
