"""Where a verb speaks to: a reader that has seen enough ends no verb, and a terminal of few signs gets the nearest ones."""

import codecs
import io
import os
import stat
import sys
import unicodedata
from typing import TextIO, cast

# What a decomposition (NFKD) does not know.
_NEAREST = {
    "œ": "oe",
    "Œ": "OE",
    "æ": "ae",
    "Æ": "AE",
    "ß": "ss",
    "€": "EUR",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "—": "-",
    "–": "-",
    "×": "x",
}


class _Pipe(io.FileIO):
    """A pipe; once its reader is gone (`| head -1`) what is written goes nowhere, and the verb ends with its own exit code."""

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def prepare() -> None:
    """Make both streams of this process so; once, at its start."""
    codecs.register_error("nearest", _nearest)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream: TextIO | None = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if not unicode(stream):
            stream.reconfigure(errors="nearest")
        try:
            pipe = stream.fileno() == number and (stat.S_ISFIFO(mode := os.fstat(number).st_mode) or stat.S_ISSOCK(mode))
        except (OSError, ValueError):
            continue
        if pipe:
            stream.flush()
            raw = io.BufferedWriter(cast("io.RawIOBase", _Pipe(number, "wb", closefd=False)))
            setattr(sys, name, io.TextIOWrapper(raw, encoding=stream.encoding, errors=stream.errors, line_buffering=number == 2))


def unicode(stream: TextIO) -> bool:
    """Whether a stream can show every sign."""
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_shown(sign) for sign in lacking), error.end


def _shown(sign: str) -> str:
    plain = "".join(one for one in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(one))
    return _NEAREST.get(sign) or (plain if plain and plain.isascii() else "?")
