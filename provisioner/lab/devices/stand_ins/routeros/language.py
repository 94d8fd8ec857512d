"""RouterOS' scripting language as far as routers are configured with it: text -> commands, or the error that it gives.

From help.mikrotik.com: "Scripting" (line structure, command line, constant escape sequences, operators, global commands),
"Command Line
Interface" (prefixes, paths, item names, where), and what its console answers to a wrong line ("bad command name", "expected
end of command", "syntax error", each with line and column).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast


class ScriptError(Exception):
    """What the console prints for a line that it does not take; stops a script."""


@dataclass(frozen=True)
class Term:
    """One part of a command. `kind`: word, string (its parts), var, sub (commands), block (text), expr."""

    kind: str
    value: object
    line: int = 1
    column: int = 1


@dataclass(frozen=True)
class Command:
    """`path` is empty where the words do not begin with `/`; `named` are name=value, a name alone with `!` has the value None."""

    words: tuple[Term, ...]
    absolute: bool
    builtin: bool
    named: tuple[tuple[str, "Term | None", Term], ...]
    where: "Term | None" = None
    line: int = 1
    column: int = 1


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "_": " ", "a": "\a", "b": "\b", "f": "\f", "v": "\v",
            '"': '"', "\\": "\\", "$": "$", "?": "?"}  # fmt: skip
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.-]*|\.[a-z][A-Za-z0-9.-]*")
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_WORD = re.compile(r"[^\s;\[\](){}\"=$]+")
_OPERATOR = re.compile(r"&&|\|\||!=|<=|>=|[=~<>.+]|-(?=\s)|\b(?:and|or|in)\b")


@dataclass
class Parser:
    """One text, read from the left."""

    text: str
    at: int = 0
    first_line: int = 1
    depth: int = field(default=0)

    def place(self) -> tuple[int, int]:
        """Line and column of what stands next."""
        before = self.text[: self.at]
        return self.first_line + before.count("\n"), self.at - (before.rfind("\n") + 1) + 1

    def wrong(self, what: str) -> ScriptError:
        """The console's own words, with the place."""
        line, column = self.place()
        return ScriptError(f"{what} (line {line} column {column})")

    def peek(self) -> str:
        """The next sign, empty at the end."""
        return self.text[self.at] if self.at < len(self.text) else ""

    def skip(self, *, lines: bool = False) -> None:
        """Over blanks, joined lines and (between commands) comments."""
        while self.at < len(self.text):
            if self.text.startswith(("\\\n", "\\\r\n"), self.at):
                self.at = self.text.index("\n", self.at) + 1
            elif self.text[self.at] in (" \t\r\n;" if lines else " \t\r"):
                self.at += 1
            elif lines and self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def commands(self, until: str = "") -> list[Command]:
        """All commands up to a closing sign."""
        found: list[Command] = []
        while True:
            self.skip(lines=True)
            if self.at >= len(self.text):
                if until:
                    raise self.wrong(f"expected closing {'bracket' if until == ']' else 'brace'}")
                return found
            if until and self.peek() == until:
                self.at += 1
                return found
            found.append(self.command(until))

    def command(self, until: str = "") -> Command:
        """One command line."""
        line, column = self.place()
        builtin = absolute = False
        if self.peek() == ":":
            builtin, self.at = True, self.at + 1
        elif self.peek() == "/":
            absolute, self.at = True, self.at + 1
        words: list[Term] = []
        named: list[tuple[str, Term | None, Term]] = []
        where = None
        while True:
            self.skip()
            sign = self.peek()
            if not sign or sign in ";\n" or (until and sign == until):
                break
            if sign in "])}":
                raise self.wrong("syntax error")
            here = self.at
            verb = next((str(term.value) for term in reversed(words) if term.kind == "word"), "")
            if words and words[-1].kind == "word" and (words[-1].value == "where" or (verb == "find" and not builtin)):
                if words[-1].value == "where":
                    words.pop()
                elif found := re.compile(r"where\b").match(self.text, self.at):
                    self.at = found.end()
                where = self.conditions(until)
                continue
            one = self.term(words)
            if one.kind == "named":
                named.append((*cast("tuple[str, Term | None]", one.value), one))
            else:
                words.append(one)
            if self.at == here:
                raise self.wrong("syntax error")
        return Command(tuple(words), absolute, builtin, tuple(named), where, line, column)

    def term(self, words: list[Term]) -> Term:
        """A word of a command, or name=value."""
        line, column = self.place()
        sign = self.peek()
        if sign == "!" and (found := _NAME.match(self.text, self.at + 1)):
            self.at = found.end()
            return Term("named", (found[0], None), line, column)
        if (found := _NAME.match(self.text, self.at)) and self.text.startswith("=", found.end()):
            self.at = found.end() + 1
            if self.peek() in ("", " ", "\n", ";", "\r"):
                return Term("named", (found[0], Term("string", ("",), line, column)), line, column)
            return Term("named", (found[0], self.value()), line, column)
        if not words and sign == "/":
            raise self.wrong("syntax error")
        return self.value(paths=True)

    def value(self, *, paths: bool = False) -> Term:
        """A value: a string, a variable, what a command gives, a block, an expression, or what stands up to the next blank."""
        line, column = self.place()
        sign = self.peek()
        if sign == '"':
            return Term("string", self.string(), line, column)
        if sign == "$":
            return Term("var", self.variable(), line, column)
        if sign == "[":
            self.at += 1
            return Term("sub", tuple(self.commands("]")), line, column)
        if sign == "{":
            start, start_line = self.at + 1, line
            inner = Parser(self.text, start, self.first_line)
            inner.commands("}")
            self.at = inner.at
            return Term("block", (self.text[start : self.at - 1], start_line), line, column)
        return self.inside() if sign == "(" else self.word(paths=paths)

    def inside(self) -> Term:
        """An expression in parentheses."""
        self.at += 1
        found = self.expression(")")
        self.skip(lines=True)
        if self.peek() != ")":
            raise self.wrong("expected closing parenthesis")
        self.at += 1
        return found

    def word(self, *, paths: bool) -> Term:
        """What stands up to the next blank."""
        line, column = self.place()
        if paths and self.text.startswith("..", self.at):
            self.at += 2
            return Term("word", "..", line, column)
        found_word = _WORD.match(self.text, self.at)
        if not found_word:
            raise self.wrong("syntax error")
        word = found_word[0]
        if not paths and self.text.startswith("=", found_word.end()):  # base64 ends so
            end = found_word.end()
            while self.text.startswith("=", end):
                end += 1
            word = self.text[found_word.start() : end]
            self.at = end
        else:
            self.at = found_word.end()
        return Term("word", word, line, column)

    def string(self) -> tuple[object, ...]:
        """A string's parts: text, and what is put in its place when it is used."""
        self.at += 1
        parts: list[object] = []
        raw = bytearray()
        while True:
            sign = self.peek()
            if not sign:
                raise self.wrong("expected closing quote")
            if sign == '"':
                self.at += 1
                return (*parts, raw.decode("utf-8", "surrogateescape"))
            if sign == "$":
                parts.append(raw.decode("utf-8", "surrogateescape"))
                raw.clear()
                parts.append(Term("var", self.variable()) if self.text[self.at + 1 : self.at + 2] != "[" else self.inner())
                continue
            if sign != "\\":
                raw += sign.encode("utf-8", "surrogateescape")
                self.at += 1
                continue
            rest = self.text[self.at + 1 : self.at + 3]
            if re.fullmatch(r"[0-9A-F]{2}", rest):
                raw.append(int(rest, 16))
                self.at += 3
            elif rest[:1] == "\n":
                self.at += 2
                while self.peek() in (" ", "\t"):
                    self.at += 1
            elif rest[:1] in _ESCAPES and rest:
                raw += _ESCAPES[rest[0]].encode()
                self.at += 2
            else:
                raise self.wrong("syntax error")

    def inner(self) -> Term:
        """`$[command]` inside a string."""
        self.at += 2
        return Term("sub", tuple(self.commands("]")))

    def variable(self) -> str:
        """The name behind a `$`."""
        found = _VARIABLE.match(self.text, self.at + 1)
        if not found:
            raise self.wrong("syntax error")
        self.at = found.end()
        return found[0]

    def conditions(self, until: str) -> Term:
        """What an item has to meet, one after the other: all of it."""
        found = self.expression(until)
        while True:
            self.skip()
            sign = self.peek()
            if not sign or sign in ";\n" or (until and sign == until):
                return found
            found = Term("expr", ("and", found, self.expression(until)))

    def expression(self, until: str, lowest: int = 0) -> Term:
        """`or` binds least, then `and`, comparisons, `.` and `+`."""
        left = self.operand(until)
        while True:
            self.skip()
            found = _OPERATOR.match(self.text, self.at)
            if not found:
                return left
            word = {"&&": "and", "||": "or"}.get(found[0], found[0])
            level = {"or": 1, "and": 2, "=": 3, "!=": 3, "~": 3, "<": 3, ">": 3, "<=": 3, ">=": 3, "in": 3}.get(word, 4)
            if level <= lowest:
                return left
            self.at = found.end()
            left = Term("expr", (word, left, self.expression(until, level)))

    def operand(self, until: str) -> Term:
        """One side of an operator."""
        self.skip(lines=until == ")")
        sign = self.peek()
        if sign == "!" or re.match(r"not\b", self.text[self.at :]):
            self.at += 1 if sign == "!" else 3
            return Term("expr", ("not", self.operand(until)))
        if sign in ('"', "$", "[", "("):
            return self.value()
        line, column = self.place()
        found = re.compile(r"[A-Za-z0-9*:/_,@%-](?:[A-Za-z0-9*:/_,@%-]|\.(?=\S))*").match(self.text, self.at)
        if not found:
            raise self.wrong("syntax error")
        self.at = found.end()
        return Term("word", found[0], line, column)


def parsed(text: str) -> list[Command]:
    """The commands of a text.

    Raises:
        ScriptError: it is none of the language.
    """
    return Parser(text).commands()


Runner = Callable[[list[Command]], object]
