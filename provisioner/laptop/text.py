"""Text of others, made fit to be shown."""

import re
import unicodedata


def visible(text: str) -> str:
    """`text` fit for a terminal and for paper: control, bidirectional and other format characters become visible escapes."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else f"\\u{ord(c):04x}" for c in text
    )


def hanging(line: str) -> int:
    """How far in the text of a line begins: behind its spaces, and its mark where it has one."""
    return re.match(r" *(?:[✓✗!?~•–-] )?", line).end()  # type: ignore[union-attr]  # it always matches


def folds(line: str, columns: int, whole: str = "") -> list[tuple[int, int]]:
    """Where a line is broken between words so that no part is longer than `columns`, where its words allow it: (from, to) each.

    What matches `whole` (a pattern) is never broken, and stands on a line of its own where it is too long for one with others.
    What follows the first part is to stand as far in as `hanging` says: its room for that is taken off.
    """
    indent = hanging(line)
    room = max(columns, indent + 20)
    parts: list[tuple[int, int]] = []
    for word in re.finditer(rf" *(?:{whole}|[^ ]+)" if whole else r" *[^ ]+", line):
        end = word.end()
        if parts and end - parts[-1][0] + (indent if len(parts) > 1 else 0) <= room:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((end - len(word[0].lstrip(" ")) if parts else 0, end))
    return parts or [(0, len(line))]


def folded(text: str, columns: int) -> str:
    """`text` broken between words where its lines are longer than `columns`; what follows stands under where its text began."""
    lines = []
    for line in text.split("\n"):
        lines.append(f"\n{' ' * hanging(line)}".join(line[start:end] for start, end in folds(line, columns)))
    return "\n".join(lines)
