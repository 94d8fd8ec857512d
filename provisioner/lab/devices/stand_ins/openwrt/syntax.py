"""The shell's language, as far as BusyBox' ash and POSIX (Shell Command Language, XCU 2) agree on it: text in, a tree out.

Not taken: here-documents, `local` beyond plain names, job control, file descriptors above 2. What is not taken is a syntax error.
"""

import re
from dataclasses import dataclass
from typing import Any

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = {"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "for", "in", "case", "esac", "{", "}", "!"}
_END = "end of file"


class BadSyntax(Exception):
    """It is no script."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a word. `kind`: text, variable, command, sum; `quoted`: it is neither split nor a pattern."""

    kind: str
    value: Any
    quoted: bool
    operator: str = ""
    operand: "tuple[Part, ...]" = ()


Word = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Redirection:
    """`fd` and what it leads to; `operator` is `<`, `>`, `>>` or `>&`."""

    fd: int
    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """A command with its words."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Compound:
    """`kind`: if, while, until, for, case, group, subshell, function."""

    kind: str
    value: Any
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands whose answers lead into each other."""

    commands: tuple[Any, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class AndOr:
    """Pipelines with what stands before each: nothing, `&&` or `||`."""

    parts: tuple[tuple[str, Pipeline], ...]
    background: bool


Script = tuple[AndOr, ...]


def parse(text: str) -> Script:
    """The tree of a script.

    Raises:
        BadSyntax: with its line.
    """
    parser = _Parser(text)
    script = parser.script(())
    if parser.at < len(text):
        parser.fail(text[parser.at])
    return script


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def fail(self, what: str) -> Any:
        raise BadSyntax(f"line {self.line}: syntax error: unexpected {what!r}")

    @property
    def line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def blank(self, *, lines: bool = False) -> None:
        """Go past blanks, remarks and, where a line may end, line ends."""
        while self.at < len(self.text):
            sign = self.text[self.at]
            if self.text.startswith("\\\n", self.at):
                self.at += 2
            elif sign in " \t" or (lines and sign == "\n"):
                self.at += 1
            elif sign == "#":
                self.at = end if (end := self.text.find("\n", self.at)) >= 0 else len(self.text)
            else:
                return

    def peek(self, *words: str) -> str:
        """Which of these stands here; a word of letters ends where it ends."""
        for word in words:
            if self.text.startswith(word, self.at):
                after = self.text[self.at + len(word) : self.at + len(word) + 1]
                if word in RESERVED and after and after not in " \t\n;&|()<>":
                    continue
                return word
        return ""

    def take(self, *words: str) -> str:
        if found := self.peek(*words):
            self.at += len(found)
        return found

    def need(self, word: str) -> None:
        self.blank(lines=True)
        if not self.take(word):
            self.fail(self.text[self.at : self.at + 10] or _END)

    # ------------------------------------------------------------------------------------------- commands

    def script(self, ends: tuple[str, ...]) -> Script:
        """Commands until one of the words that may end them here."""
        found: list[AndOr] = []
        while True:
            self.blank(lines=True)
            if self.at >= len(self.text) or self.peek(")", ";;", *ends):
                return tuple(found)
            found.append(self.and_or())
            self.blank()
            ended = self.at >= len(self.text) or self.peek(";;") or self.take("\n", ";") or self.peek(")", *ends)
            if not ended and not found[-1].background:
                self.fail(self.text[self.at : self.at + 10])

    def and_or(self) -> AndOr:
        parts = [("", self.pipeline())]
        while True:
            self.blank()
            if operator := self.take("&&", "||"):
                self.blank(lines=True)
                parts.append((operator, self.pipeline()))
            else:
                return AndOr(tuple(parts), background=bool(self.take("&")))

    def pipeline(self) -> Pipeline:
        self.blank()
        negated = bool(self.take("!"))
        commands = [self.command()]
        while True:
            self.blank()
            if self.peek("||") or not self.take("|"):
                return Pipeline(tuple(commands), negated)
            self.blank(lines=True)
            commands.append(self.command())

    def command(self) -> Any:
        self.blank()
        word = self.peek("if", "while", "until", "for", "case", "{", "(")
        if not word:
            if found := re.compile(r"([A-Za-z_][\w-]*)[ \t]*\([ \t]*\)").match(self.text, self.at):
                self.at = found.end()
                self.blank(lines=True)
                return Compound("function", (found[1], self.command()))
            return self.simple()
        self.at += len(word)
        value = getattr(self, {"{": "_group", "(": "_subshell"}.get(word, f"_{word}"))()
        kind = {"{": "group", "(": "subshell"}.get(word, word)
        return Compound(kind, value, tuple(self.redirections()))

    def _group(self) -> Script:
        body = self.script(("}",))
        self.need("}")
        return body

    def _subshell(self) -> Script:
        body = self.script(())
        self.need(")")
        return body

    def _if(self) -> Any:
        branches = []
        while True:
            condition = self.script(("then",))
            self.need("then")
            branches.append((condition, self.script(("elif", "else", "fi"))))
            self.blank(lines=True)
            if self.take("elif"):
                continue
            otherwise = self.script(("fi",)) if self.take("else") else ()
            self.need("fi")
            return tuple(branches), otherwise

    def _while(self) -> Any:
        condition = self.script(("do",))
        self.need("do")
        body = self.script(("done",))
        self.need("done")
        return condition, body

    _until = _while

    def _for(self) -> Any:
        self.blank()
        name = self._name()
        self.blank(lines=True)
        words: list[Word] | None = None
        if self.take("in"):
            words = []
            while True:
                self.blank()
                if self.take(";", "\n"):
                    break
                words.append(self.word())
        else:
            self.take(";")
        self.need("do")
        body = self.script(("done",))
        self.need("done")
        return name, None if words is None else tuple(words), body

    def _case(self) -> Any:
        self.blank()
        subject, branches = self.word(), list[tuple[tuple[Word, ...], Script]]()
        self.need("in")
        while True:
            self.blank(lines=True)
            if self.take("esac"):
                return subject, tuple(branches)
            self.take("(")
            patterns = [self.word()]
            self.blank()
            while self.take("|"):
                self.blank()
                patterns.append(self.word())
                self.blank()
            self.need(")")
            branches.append((tuple(patterns), self.script(("esac",))))
            self.blank(lines=True)
            self.take(";;")

    def _name(self) -> str:
        found = NAME.match(self.text, self.at)
        if not found:
            return str(self.fail(self.text[self.at : self.at + 10]))
        self.at = found.end()
        return found[0]

    def simple(self) -> Simple:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        line = self.line
        while True:
            self.blank()
            if (redirection := self.redirection()) is not None:
                redirections.append(redirection)
            elif self.at >= len(self.text) or self.text[self.at] in "\n;&|()":
                break
            elif not words and (found := re.compile(r"([A-Za-z_]\w*)=").match(self.text, self.at)):
                self.at = found.end()
                assignments.append((found[1], self.word(empty=True)))
            else:
                words.append(self.word())
        if not (assignments or words or redirections):
            self.fail(self.text[self.at : self.at + 10] or _END)
        first = words[0][0] if words and len(words[0]) == 1 else None
        if first and first.kind == "text" and not first.quoted and first.value in RESERVED:
            self.fail(first.value)
        return Simple(tuple(assignments), tuple(words), tuple(redirections), line)

    def redirections(self) -> list[Redirection]:
        found: list[Redirection] = []
        while True:
            self.blank()
            if (one := self.redirection()) is None:
                return found
            found.append(one)

    def redirection(self) -> Redirection | None:
        found = re.compile(r"([0-9]?)(>>|>&|<|>)").match(self.text, self.at)
        if not found:
            return None
        if self.text.startswith("<<", self.at):
            self.fail("<<")
        self.at = found.end()
        self.blank()
        fd = int(found[1]) if found[1] else 0 if found[2] == "<" else 1
        return Redirection(fd, found[2], self.word())

    # ---------------------------------------------------------------------------------------------- words

    def word(self, *, empty: bool = False) -> Word:
        """One word, in pieces."""
        parts = self._parts(" \t\n;&|()<>", quoted=False)
        if not parts and not empty:
            self.fail(self.text[self.at : self.at + 10] or _END)
        return parts

    def _parts(self, ends: str, *, quoted: bool) -> Word:
        parts: list[Part] = []
        while self.at < len(self.text) and (sign := self.text[self.at]) not in ends:
            if sign == "\\":
                parts += self._escaped(quoted=quoted)
            elif sign == "'" and not quoted:
                end = self.text.find("'", self.at + 1)
                if end < 0:
                    self.fail(_END)
                parts.append(Part("text", self.text[self.at + 1 : end], True))
                self.at = end + 1
            elif sign == '"' and not quoted:
                self.at += 1
                parts += [Part("text", "", True), *self._parts('"', quoted=True)]
                if not self.take('"'):
                    self.fail(_END)
            elif sign == "$":
                parts.append(self._dollar(quoted=quoted))
            elif sign == "`":
                self.fail("`")
            else:
                parts.append(Part("text", sign, quoted))
                self.at += 1
        return tuple(_joined(parts))

    def _escaped(self, *, quoted: bool) -> list[Part]:
        sign = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        if sign == "\n":
            return []
        if quoted and sign not in '$`"\\':
            return [Part("text", "\\" + sign, True)]
        return [Part("text", sign, True)]

    def _dollar(self, *, quoted: bool) -> Part:
        if self.text.startswith("$((", self.at):
            self.at += 3
            inner = self._sum()
            return Part("sum", inner, quoted)
        if self.text.startswith("$(", self.at):
            self.at += 2
            body = self.script(())
            self.need(")")
            return Part("command", body, quoted)
        if self.text.startswith("${", self.at):
            return self._braced(quoted=quoted)
        if found := re.compile(r"\$([A-Za-z_]\w*|[0-9?#$!@*])").match(self.text, self.at):
            self.at = found.end()
            return Part("variable", found[1], quoted)
        self.at += 1
        return Part("text", "$", quoted)

    def _sum(self) -> Word:
        depth, start = 0, self.at
        while self.at < len(self.text):
            if self.text[self.at] == "(":
                depth += 1
            elif self.text[self.at] == ")":
                if not depth and self.text.startswith("))", self.at):
                    inner = self.text[start : self.at]
                    self.at += 2
                    return _Parser(inner)._parts("", quoted=True)
                depth -= 1
            self.at += 1
        return tuple(self.fail(_END))

    def _braced(self, *, quoted: bool) -> Part:
        found = re.compile(r"\$\{(#?)([A-Za-z_]\w*|[0-9?#$!@*])(:?[-=+?]|##?|%%?)?").match(self.text, self.at)
        if not found:
            return Part("text", str(self.fail("${")), quoted)
        self.at = found.end()
        operand = self._parts("}", quoted=False) if found[3] else ()
        if self.text[self.at : self.at + 1] != "}":
            self.fail("${")
        self.at += 1
        return Part("variable", found[2], quoted, "length" if found[1] else found[3] or "", operand)


def _joined(parts: list[Part]) -> list[Part]:
    """Letters that stand beside each other are one text."""
    found: list[Part] = []
    for part in parts:
        last = found.pop() if found and part.kind == found[-1].kind == "text" and part.quoted == found[-1].quoted else None
        found.append(Part("text", last.value + part.value, part.quoted) if last else part)
    return found
