"""RouterOS' commands: what each of its words does to a system, on a console's line and in a script alike.

From help.mikrotik.com: "Scripting" (global commands, variables, :do on-error, :onerror, :execute in the background and its
file), "Command Line
Interface" (general commands add, set, remove, find, get, print, export; item names), "Configuration Management" (export,
import),
"Backup", "Scripting" (jobs), "File".
"""

import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from provisioner.lab.devices.stand_ins.routeros import network, words
from provisioner.lab.devices.stand_ins.routeros.language import Command, ScriptError, Term, parsed
from provisioner.lab.devices.stand_ins.routeros.menus import MENUS, TOLD, Item, seconds
from provisioner.lab.devices.stand_ins.routeros.system import Rebooting, Router

BUILTINS = {"put", "global", "local", "set", "if", "foreach", "do", "onerror", "delay", "error", "execute", "len", "log",
            "resolve", "typeof", "tostr", "tonum", "pick", "nothing", "time", "while"}  # fmt: skip
# What items say of themselves beside what they are set to.
READ = {"/ip route": ("active", "immediate-gw"), "/ip dhcp-server lease": ("status", "host-name"),
        "/interface wireguard peers": ("last-handshake",)}  # fmt: skip
VERBS = {"add", "set", "remove", "find", "get", "print", "export", "enable", "disable"}


SWITCHES = {"detail", "terse", "brief", "without-paging", "count-only", "as-value", "verbose", "compact", "show-sensitive",
            "hide-sensitive", "show-ids"}  # fmt: skip
# Commands that are none on items, and the global ones: whoever has them puts them here.
SPECIAL: dict[tuple[str, str], Callable[..., Any]] = {}
GLOBAL: dict[str, Callable[..., Any]] = {}


class Killed(BaseException):
    """The job that ran this was removed."""


@dataclass
class Shell:
    """Somebody who gives commands: a console's user, a script, a job."""

    system: Router
    user: str = "admin"
    out: Callable[[str], None] = lambda _: None
    ask: Callable[[str], str] | None = None  # a person who can be asked
    menu: str = ""
    local: dict[str, Any] = field(default_factory=dict)
    job: threading.Event | None = None
    paging: bool = True

    def run(self, text: str) -> Any:
        """Run a text, command by command.

        Raises:
            ScriptError: as the console prints it; what was done before it stays.
        """
        return self.commands(parsed(text))

    def commands(self, found: list[Command]) -> Any:
        """Run commands; what the last one gives."""
        result: Any = None
        for command in found:
            if self.job is not None and self.job.is_set():
                raise Killed
            if not self.system.up:
                raise Rebooting
            result = self.command(command)
        return result

    # ---------------------------------------------------------------------------------------- values

    def value(self, term: Term, item: tuple[str, Item] | None = None) -> Any:
        """What a term is; in a condition a bare word is a property of the item."""
        if term.kind == "word":
            return term.value
        if term.kind == "string":
            parts = cast("tuple[str | Term, ...]", term.value)
            return "".join(part if isinstance(part, str) else words.text(self.value(part)) for part in parts)
        if term.kind == "var":
            name = str(term.value)
            return self.local.get(name, self.system.globals.get(name))
        if term.kind == "sub":
            return self.commands(list(cast("tuple[Command, ...]", term.value)))
        if term.kind == "block":
            return cast("tuple[str, int]", term.value)[0]
        return self.expression(term, item)

    def expression(self, term: Term, item: tuple[str, Item] | None) -> Any:
        """The value of an expression."""
        kind, *sides = cast("tuple[str, *tuple[Term, ...]]", term.value)
        if kind == "not":
            return not words.true(self.side(sides[0], item))
        if kind in ("and", "or"):
            left = words.true(self.side(sides[0], item))
            return left if left is (kind == "or") else words.true(self.side(sides[1], item))
        return _worked_out(kind, self.side(sides[0], item), self.value(sides[1], None))

    def side(self, term: Term, item: tuple[str, Item] | None) -> Any:
        """A side of an operator: in a condition the left one names a property."""
        if term.kind == "word" and item is not None:
            menu, one = item
            name = str(term.value)
            return self.system.runs.get(one[".id"], 0) if name == "run-count" else self.system.value(menu, one, name)
        return self.value(term, item)

    # ---------------------------------------------------------------------------------------- commands

    def command(self, command: Command) -> Any:
        """Run one."""
        path, rest = self._path(command)
        if not rest:
            if command.named or command.where:
                raise self.wrong("expected command name", command)
            self.menu = path
            return None
        outer, self.menu = self.menu, path if path or command.absolute else self.menu
        try:
            return self._called(path, command, rest)
        finally:
            self.menu = outer

    def _called(self, path: str, command: Command, rest: tuple[Term, ...]) -> Any:
        """Run a command; what stands in brackets in it begins at its menu."""
        first = rest[0]
        if first.kind != "word":
            raise self.wrong("expected command name", command, first)
        word = str(first.value)
        if command.builtin or (not path and word in BUILTINS and word != "set"):
            if word not in BUILTINS:
                raise self.wrong(f"bad command name {word}", command, first)
            return GLOBAL[word](self, word, command, list(rest[1:]))
        special = SPECIAL.get((path, word))
        if special:
            return special(self, command, list(rest[1:]))
        if path in MENUS and word in VERBS and not (word in ("add", "remove") and (MENUS[path].single or MENUS[path].fixed)):
            return self._item_command(path, word, command, list(rest[1:]))
        raise self.wrong(f"bad command name {word}", command, first)

    def _path(self, command: Command) -> tuple[str, tuple[Term, ...]]:
        """The menu of a command, and the words from its own name on."""
        if command.builtin:
            return "", command.words
        path, terms = "" if command.absolute else self.menu, list(command.words)
        while terms and terms[0].kind == "word":
            term = terms[0]
            parts = str(term.value).split("/")
            column = term.column
            for number, part in enumerate(parts):
                longer = f"{path} {part}" if path else f"/{part}"
                if part == "..":
                    path = path.rpartition(" ")[0]
                elif part == "" and number == 0:
                    path = ""
                elif longer in MENUS or longer in TOLD or any(menu.startswith(f"{longer} ") for menu in (*MENUS, *TOLD)):
                    path = longer
                else:
                    left = [Term("word", part, term.line, column), *(Term("word", more) for more in parts[number + 1 :])]
                    return path, (*left, *terms[1:])
                column += len(part) + 1
            terms.pop(0)
        return path, tuple(terms)

    @staticmethod
    def wrong(what: str, command: Command, term: Term | None = None) -> ScriptError:
        """The console's words, with the place."""
        line, column = (term.line, term.column) if term else (command.line, command.column)
        return ScriptError(f"{what} (line {line} column {column})")

    def _item_command(self, path: str, word: str, command: Command, rest: list[Term]) -> Any:
        menu, system = MENUS[path], self.system
        if word == "find":
            return [item[".id"] for item in self.matching(path, command.where)]
        if word in ("print", "export"):
            return shown(self, path, word, command, rest)
        if word == "get":
            return self._get(path, command, rest)
        props: dict[str, str | None] = {}
        for name, value, term in command.named:
            if name == "numbers" and value is not None:
                rest = [value]
                continue
            if name not in menu.props or menu.props[name] == "ro":
                raise self.wrong("expected end of command", command, term)
            props[name] = None if value is None else words.text(self.value(value))
        if word == "add":
            if rest or None in props.values():
                raise self.wrong("expected end of command", command, rest[0] if rest else None)
            return system.add(path, {name: value for name, value in props.items() if value is not None}, self.user)
        if word in ("enable", "disable"):
            props = {"disabled": "yes" if word == "disable" else "no"}
        items = [system.single(path)] if menu.single else self.chosen(path, command, rest)
        for item in items:
            if word == "remove":
                system.remove(path, item, self.user)
            else:
                system.set(path, item, props, self.user)
        return None

    def _get(self, path: str, command: Command, rest: list[Term]) -> Any:
        menu = MENUS[path]
        item = self.system.single(path) if menu.single else self.chosen(path, command, rest[:1])[0]
        names = rest if menu.single else rest[1:]
        given = next((value for name, value, _ in command.named if name == "value-name" and value), names[0] if names else None)
        if given is None:
            return dict(item)
        name = words.text(self.value(given))
        if name not in menu.props and name not in ("dynamic", ".id", "run-count", *READ.get(path, ())):
            raise self.wrong("input does not match any value of value-name", command, given)
        return self.system.runs.get(item[".id"], 0) if name == "run-count" else self.system.value(path, item, name)

    def matching(self, path: str, where: Term | None) -> list[Item]:
        """The items that meet a condition."""
        found = []
        for item in self.system.items(path):
            if where is None or words.true(
                self.side(where, (path, item)) if where.kind == "word" else self.value(where, (path, item))
            ):
                found.append(item)
        return found

    def chosen(self, path: str, command: Command, rest: list[Term]) -> list[Item]:
        """The items that a command names: by number, by name, or as `find` gives them."""
        if not rest:
            raise ScriptError("missing value(s) of argument(s) numbers")
        if len(rest) > 1:
            raise self.wrong("expected end of command", command, rest[1])
        asked = self.value(rest[0])
        there = self.system.items(path)
        found = []
        for one in asked if isinstance(asked, list) else words.text(asked).split(","):
            hit = next((item for item in there if one in (item[".id"], item.get("name"))), None)
            if hit is None and str(one).isdigit() and int(one) < len(there):
                hit = there[int(one)]
            if hit is None:
                raise ScriptError("no such item")
            found.append(hit)
        if not found and not isinstance(asked, list):
            raise ScriptError("no such item")
        return found


def switches(here: Shell, command: Command, rest: list[Term]) -> set[str]:
    """The bare words of a print or export; another word is none of it."""
    found: set[str] = set()
    for term in rest:
        if term.kind != "word" or str(term.value) not in SWITCHES:
            raise here.wrong("expected end of command", command, term)
        found.add(str(term.value))
    if "without-paging" in found:
        here.paging = False
    return found


def shown(here: Shell, path: str, word: str, command: Command, rest: list[Term]) -> Any:
    """`print` or `export` of a menu."""
    said = switches(here, command, rest)
    named = {name: words.text(here.value(value)) for name, value, _ in command.named if value is not None}
    if set(named) - {"file", "proplist", "interval"}:
        raise here.wrong("expected end of command", command)
    if word == "export":
        out = words.export(
            here.system, path, terse="terse" in said, sensitive="show-sensitive" in said, verbose="verbose" in said
        )
    elif MENUS[path].single:
        item, about = here.system.single(path), MENUS[path]
        names = [name for name in about.props if name in item or name in about.defaults]
        out = "".join(f"{name:>28}: {here.system.value(path, item, name)}\n" for name in names)
    else:
        found = here.matching(path, command.where)
        if "count-only" in said:
            here.out(f"{len(found)}\r\n")
            return len(found)
        out = words.table(here.system, path, found, terse="terse" in said, detail="detail" in said)
    if "file" in named:
        here.system.place(f"{named['file']}.{'rsc' if word == 'export' else 'txt'}".replace(".rsc.rsc", ".rsc")).write_text(out)
        return None
    here.out(out.replace("\n", "\r\n"))
    return None


def _worked_out(kind: str, left: Any, right: Any) -> Any:
    """What an operator makes of its sides."""
    if kind in ("+", "-"):
        return int(words.number(left) + words.number(right) * (1 if kind == "+" else -1))
    if kind in ("<", ">", "<=", ">="):
        first, second = words.number(left), words.number(right)
        return {"<": first < second, ">": first > second, "<=": first <= second, ">=": first >= second}[kind]
    if kind == "~":
        return re.search(words.text(right), words.text(left)) is not None
    if kind == "in":
        return words.text(left) in (right if isinstance(right, list) else [right])
    return words.text(left) + words.text(right) if kind == "." else words.same(left, right) is (kind == "=")


def execute(system: Router, text: str, user: str, file: str = "") -> str:
    """A job in the background; its number."""
    number = f"*{uuid.uuid4().hex[:6].upper()}"
    ended = threading.Event()
    said: list[str] = []
    shell = Shell(system, user, said.append, job=ended)

    def work() -> None:
        try:
            shell.run(text)
        except ScriptError as error:
            said.append(f"{error}\r\n")
            system.log.append(f"script,error {error}")
        except (Rebooting, Killed):
            pass
        finally:
            system.jobs.pop(number, None)
            if file and system.up:
                system.place(file if file.endswith(".txt") else f"{file}.txt").write_text("".join(said))

    thread = threading.Thread(target=work, daemon=True)
    system.jobs[number] = {"owner": user, "event": ended, "started": time.strftime("%Y-%m-%d %H:%M:%S"), "thread": thread}
    thread.start()
    return number


def wait(shell: Shell, text: str) -> None:
    """`:delay`: nothing happens, and whoever removes the job ends it."""
    until = time.monotonic() + seconds(text)
    while time.monotonic() < until:
        if (shell.job is not None and shell.job.is_set()) or not shell.system.up:
            raise Killed
        time.sleep(min(0.05, max(0.0, until - time.monotonic())))


def ping(shell: Shell, address: str, count: int) -> int:
    """How many echoes came back; each is shown."""
    shell.out("  SEQ HOST                                     SIZE TTL TIME       STATUS\r\n")
    got = 0
    for number in range(count):
        there = network.reaches(shell.system, address)
        got += there
        state = "  56  64 412us     " if there else "                   timeout"
        shell.out(f"{number:5} {address:<40} {state}\r\n")
    lost = 100 * (count - got) // count if count else 0
    shell.out(f"    sent={count} received={got} packet-loss={lost}%\r\n")
    return got
