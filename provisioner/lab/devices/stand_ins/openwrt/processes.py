"""What runs on the stand-in: processes, what they read and write, and how they end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Write = Callable[[bytes], None]


class Killed(BaseException):
    """The process gets a signal that it does not survive."""


class Left(Exception):
    """`exit`, or a jump: `kind` is exit, return, break or continue."""

    def __init__(self, kind: str, value: int) -> None:
        self.kind, self.value = kind, value


class Input:
    """What a command reads."""

    def __init__(self, data: bytes = b"", more: Callable[[], bytes] | None = None) -> None:
        self._data, self._more = bytearray(data), more

    def read(self) -> bytes:
        """All of it, to its end."""
        while self._more and (piece := self._more()):
            self._data += piece
        self._more = None
        found = bytes(self._data)
        self._data.clear()
        return found

    def line(self) -> bytes:
        """A line with its end; empty at the end of all."""
        while b"\n" not in self._data and self._more:
            piece = self._more()
            if not piece:
                self._more = None
            self._data += piece
        end = self._data.find(b"\n") + 1 or len(self._data)
        found = bytes(self._data[:end])
        del self._data[:end]
        return found


@dataclass
class Process:
    """One process; `_dropped` is what a fault of the box does to the terminal that it belongs to."""

    pid: int
    words: list[str]
    terminal: Any = None
    ended: threading.Event = field(default_factory=threading.Event)
    killed: threading.Event = field(default_factory=threading.Event)
    status: int = 0

    @property
    def drop_in(self) -> int:
        """A fault ends it, as one ends a session."""
        return -1

    @drop_in.setter
    def drop_in(self, _bytes: int) -> None:
        self.killed.set()
        if self.terminal is not None:
            self.terminal.drop_in = 0

    def check(self) -> None:
        """It goes on only while nobody killed it."""
        if self.killed.is_set():
            raise Killed


@dataclass
class Streams:
    """0, 1 and 2."""

    inp: Input
    out: Write
    err: Write
