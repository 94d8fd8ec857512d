"""What a shell does itself (POSIX, Special Built-In Utilities; ash for `local`, `test`, `read`, `printf`)."""

import re
from collections.abc import Callable

from provisioner.lab.devices.stand_ins.openwrt.files import Failed
from provisioner.lab.devices.stand_ins.openwrt.shell import Left, Shell, Streams

Command = Callable[[Shell, list[str], Streams], int]
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "r": "\r", "0": "\0", '"': '"'}


def _number(words: list[str], at: int = 1, otherwise: int = 0) -> int:
    return int(words[at]) if len(words) > at and words[at].lstrip("-").isdigit() else otherwise


def _leave(shell: Shell, words: list[str], _streams: Streams) -> int:
    kind = words[0]
    raise Left(kind, _number(words, otherwise=shell.status if kind in ("exit", "return") else 0))


def _echo(_shell: Shell, words: list[str], streams: Streams) -> int:
    end, rest = "\n", words[1:]
    if rest[:1] == ["-n"]:
        end, rest = "", rest[1:]
    streams.out((" ".join(rest) + end).encode("utf-8", "surrogateescape"))
    return 0


def _printf(_shell: Shell, words: list[str], streams: Streams) -> int:
    form = re.sub(r"\\(.)", lambda sign: _ESCAPES.get(sign[1], sign[0]), words[1], flags=re.S)
    rest, pieces = words[2:], re.split(r"(%[sd%])", form)
    while True:
        text = ""
        for piece in pieces:
            if piece in ("%s", "%d"):
                text += rest.pop(0) if rest else "" if piece == "%s" else "0"
            else:
                text += "%" if piece == "%%" else piece
        streams.out(text.encode("utf-8", "surrogateescape"))
        if not rest or "%" not in form:
            return 0


def _read(shell: Shell, words: list[str], streams: Streams) -> int:
    names = [word for word in words[1:] if not word.startswith("-")]
    raw = streams.inp.line().decode("utf-8", "surrogateescape")
    line = raw.rstrip("\n")
    pieces = line.strip(" \t").split(None, max(0, len(names) - 1)) if shell.variables.get("IFS") != "" else [line]
    for number, name in enumerate(names):
        shell.variables[name] = pieces[number] if number < len(pieces) else ""
    return 0 if raw.endswith("\n") else 1


def _local(shell: Shell, words: list[str], _streams: Streams) -> int:
    for word in words[1:]:
        name, equals, value = word.partition("=")
        shell.own(name)
        shell.variables[name] = value if equals else ""
    return 0


def _export(shell: Shell, words: list[str], _streams: Streams) -> int:
    shell.variables |= {name: value for name, equals, value in (word.partition("=") for word in words[1:]) if equals}
    return 0


def _unset(shell: Shell, words: list[str], _streams: Streams) -> int:
    for name in words[1:]:
        shell.variables.pop(name, None)
    return 0


def _shift(shell: Shell, words: list[str], _streams: Streams) -> int:
    del shell.arguments[1 : 1 + _number(words, otherwise=1)]
    return 0


def _set(shell: Shell, words: list[str], _streams: Streams) -> int:
    if words[1:2] == ["--"]:
        shell.arguments[1:] = words[2:]
        return 0
    raise Failed(f"{' '.join(words[1:])}: not had in this stand-in")


def _cd(shell: Shell, words: list[str], streams: Streams) -> int:
    target = shell.machine.files.resolve(words[1] if len(words) > 1 else "/root", shell.cwd)
    node = shell.machine.files.look(target)
    if node is None or node.kind != "d":
        streams.err(f"{shell.arguments[0]}: cd: can't cd to {words[1]}: No such file or directory\n".encode())
        return 2
    shell.cwd = target
    return 0


def _eval(shell: Shell, words: list[str], streams: Streams) -> int:
    from provisioner.lab.devices.stand_ins.openwrt.syntax import parse

    shell.status = 0
    shell.script(parse(" ".join(words[1:])), streams)
    return shell.status


def _source(shell: Shell, words: list[str], streams: Streams) -> int:
    from provisioner.lab.devices.stand_ins.openwrt.syntax import parse

    shell.script(parse(shell.machine.files.read(words[1], shell.cwd).decode("utf-8", "surrogateescape")), streams)
    return shell.status


# ------------------------------------------------------------------------------------------------ test


def _test(shell: Shell, words: list[str], streams: Streams) -> int:
    given = words[1:]
    if words[0] == "[":
        if given[-1:] != ["]"]:
            streams.err(b"sh: [: missing ]\n")
            return 2
        given = given[:-1]
    try:
        return int(not _either(shell, given))
    except (ValueError, IndexError):
        streams.err(f"sh: {' '.join(given)}: unknown operand\n".encode())
        return 2


def _either(shell: Shell, given: list[str]) -> bool:
    for operator, joined in (("-o", any), ("-a", all)):
        if operator in given and len(given) > 3:
            at = given.index(operator)
            return joined([_either(shell, given[:at]), _either(shell, given[at + 1 :])])
    return _one(shell, given)


def _one(shell: Shell, given: list[str]) -> bool:
    if not given:
        return False
    if given[0] == "!" and len(given) > 1:
        return not _one(shell, given[1:])
    if len(given) == 1:
        return bool(given[0])
    if len(given) == 2:
        return _about(shell, *given)
    one, operator, other = given
    if operator in ("=", "==", "!="):
        return (one == other) == (operator != "!=")
    numbers = {"-eq": int.__eq__, "-ne": int.__ne__, "-lt": int.__lt__, "-le": int.__le__, "-gt": int.__gt__, "-ge": int.__ge__}
    if operator not in numbers:
        raise ValueError
    return bool(numbers[operator](int(one), int(other)))


def _about(shell: Shell, operator: str, word: str) -> bool:
    if operator in ("-n", "-z"):
        return bool(word) == (operator == "-n")
    node = shell.machine.files.look(word, shell.cwd, last=operator not in ("-L", "-h"))
    kinds = {"-f": "f", "-d": "d", "-L": "l", "-h": "l"}
    if operator in kinds:
        return node is not None and node.kind == kinds[operator]
    if operator == "-s":
        return node is not None and bool(node.data)
    if operator == "-x":
        return node is not None and bool(node.mode & 0o100)
    if operator in ("-e", "-r", "-w"):
        return node is not None
    raise ValueError


BUILTINS: dict[str, Command] = {
    ":": lambda *_: 0, "true": lambda *_: 0, "false": lambda *_: 1, "exit": _leave, "return": _leave, "break": _leave,
    "continue": _leave, "echo": _echo, "printf": _printf, "read": _read, "local": _local, "export": _export, "unset": _unset,
    "shift": _shift, "set": _set, "cd": _cd, "eval": _eval, ".": _source, "[": _test, "test": _test,
}  # fmt: skip
