"""What words become before a command gets them (POSIX, XCU 2.6): variables, commands, sums, fields, names of files."""

import fnmatch
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from provisioner.lab.devices.stand_ins.openwrt.files import Failed
from provisioner.lab.devices.stand_ins.openwrt.processes import Left, Process, Streams
from provisioner.lab.devices.stand_ins.openwrt.syntax import Part, Script, Word


class Expansion:
    """The part of a shell that expands; the rest is `Shell`."""

    machine: Any
    process: Process
    arguments: list[str]
    variables: dict[str, str]
    cwd: str
    status: int
    substituted = 0  # of the last command that stood in a word
    last: int

    @abstractmethod
    def child(self) -> "Expansion":
        """A copy of it."""

    @abstractmethod
    def script(self, script: Script, streams: Streams) -> None:
        """Obey commands."""

    def _set(self, name: str, value: str) -> None:
        self.variables[name] = value

    def words(self, words: Any, streams: Streams, *, split: bool = True) -> list[str]:
        """Words as the command gets them."""
        found: list[str] = []
        for word in words:
            for text, pattern in self._fields(word, streams, split=split):
                names = self._names(pattern) if split and pattern is not None else []
                found += names or [text]
        return found

    def _names(self, pattern: str) -> list[str]:
        folder, _, last = pattern.rpartition("/")
        if any(sign in folder for sign in "*?["):
            return []
        try:
            names = self.machine.files.listing(folder or ("/" if pattern.startswith("/") else "."), self.cwd)
        except Failed:
            return []
        regex = re.compile(_translated(last))
        return [f"{folder}/{name}" if "/" in pattern else name for name in names
                if regex.fullmatch(name) and (last.startswith(".") or not name.startswith("."))]  # fmt: skip

    def _fields(self, word: Word, streams: Streams, *, split: bool) -> Iterator[tuple[str, str | None]]:
        """The fields of one word: the text of each, and the pattern that it is when it is one."""
        text, pattern, any_quoted, wild = "", "", False, False
        for part in word:
            if split and part.kind == "variable" and part.value == "@" and part.quoted:
                pieces = self.arguments[1:]
                if not pieces:
                    continue
                for piece in pieces[:-1]:
                    yield text + piece, None
                    text = pattern = ""
                text, any_quoted = text + pieces[-1], True
                continue
            value = part.value if part.kind == "text" else self._value(part, streams)
            if part.quoted or not split or part.kind == "text":
                any_quoted |= part.quoted
                wild |= not part.quoted and bool(set(value) & set("*?["))
                text, pattern = text + value, pattern + (re.sub(r"([*?\[\\])", r"\\\1", value) if part.quoted else value)
                continue
            pieces = re.split(r"[ \t\n]+", value)
            for piece in pieces[:-1]:
                if text + piece or any_quoted:
                    yield text + piece, None
                text, pattern, any_quoted = "", "", False
            text, pattern = text + pieces[-1], pattern + pieces[-1]
            wild |= bool(set(pieces[-1]) & set("*?["))
        if text or any_quoted or not split:
            yield text, pattern if wild else None

    def _value(self, part: Part, streams: Streams) -> str:
        if part.kind == "command":
            held = bytearray()
            shell = self.child()
            try:
                shell.script(part.value, Streams(streams.inp, held.extend, streams.err))
                self.substituted = shell.status
            except Left as left:
                self.substituted = left.value
            return held.decode("utf-8", "surrogateescape").rstrip("\n")
        if part.kind == "sum":
            return str(_sum("".join(self.words([part.value], streams, split=False)), self.variables))
        return self._variable(part, streams)

    def _variable(self, part: Part, streams: Streams) -> str:
        value = self._named(part.value)
        operator = part.operator
        if operator == "length":
            return str(len(value or ""))
        if operator in ("#", "##", "%", "%%"):
            return _trimmed(value or "", self._pattern(part.operand, streams), operator)
        if operator:
            missing = value is None or (operator.startswith(":") and not value)
            other = "".join(self.words([part.operand], streams, split=False)) if part.operand else ""
            if operator[-1] == "+":
                return "" if missing else other
            if missing and operator[-1] == "=":
                self._set(part.value, other)
            if missing and operator[-1] == "?":
                streams.err(f"{self.arguments[0]}: {part.value}: {other or 'parameter not set'}\n".encode())
                raise Left("exit", 2)
            return other if missing else value or ""
        return value or ""

    def _named(self, name: str) -> str | None:
        special = {"?": str(self.status), "#": str(len(self.arguments) - 1), "$": str(self.process.pid), "!": str(self.last),
                   "@": " ".join(self.arguments[1:]), "*": " ".join(self.arguments[1:])}  # fmt: skip
        if name in special:
            return special[name]
        if name.isdigit():
            return self.arguments[int(name)] if int(name) < len(self.arguments) else None
        return self.variables.get(name)

    def _pattern(self, word: Word, streams: Streams) -> str:
        """A regular expression for a pattern."""
        found = ""
        for part in word:
            value = part.value if part.kind == "text" else self._value(part, streams)
            found += re.escape(value) if part.quoted else _translated(value)
        return found


def _translated(pattern: str) -> str:
    """A pattern's regular expression; a sign after a backslash is itself."""
    pieces = re.split(r"\\(.)", pattern, flags=re.S)
    return "".join(
        re.escape(piece) if number % 2 else fnmatch.translate(piece)[len("(?s:") : -len(r")\Z")]
        for number, piece in enumerate(pieces)
    )


def _trimmed(value: str, pattern: str, operator: str) -> str:
    lengths = range(len(value) + 1) if len(operator) == 1 else range(len(value), -1, -1)
    for length in lengths:
        piece = value[:length] if operator[0] == "#" else value[len(value) - length :]
        if re.fullmatch(pattern, piece, re.S):
            return value[length:] if operator[0] == "#" else value[: len(value) - length]
    return value


_TOKENS = re.compile(r"\s*(\d+|[A-Za-z_]\w*|[-+*/%()]|<=|>=|==|!=|<|>)")


def _sum(text: str, variables: Mapping[str, str]) -> int:
    """Whole numbers: + - * / % and comparisons, as `$(( ))` has them."""
    tokens, at = [], 0
    while at < len(text.rstrip()):
        if not (found := _TOKENS.match(text, at)):
            raise Left("exit", 2)
        tokens.append(found[1])
        at = found.end()

    def atom() -> int:
        piece = tokens.pop(0) if tokens else "0"
        if piece == "(":
            value = level(0)
            tokens.pop(0)
            return value
        if piece in "+-":
            return -atom() if piece == "-" else atom()
        return int(piece) if piece.isdigit() else int(variables.get(piece) or "0")

    ranks = (("<", ">", "<=", ">=", "==", "!="), ("+", "-"), ("*", "/", "%"))

    def level(rank: int) -> int:
        if rank == len(ranks):
            return atom()
        value = level(rank + 1)
        while tokens and tokens[0] in ranks[rank]:
            value = _worked(tokens.pop(0), value, level(rank + 1))
        return value

    return level(0)


def _worked(operator: str, one: int, other: int) -> int:
    if operator in "/%":
        if not other:
            raise Left("exit", 2)
        whole = abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)
        return whole if operator == "/" else one - whole * other
    table: dict[str, int] = {"+": one + other, "-": one - other, "*": one * other, "<": one < other, ">": one > other,
                             "<=": one <= other, ">=": one >= other, "==": one == other, "!=": one != other}  # fmt: skip
    return int(table[operator])
