"""RouterOS' global commands (`:put`, `:if`, `:do` …), after help.mikrotik.com, "Scripting", "Global commands"."""

from typing import Any

from provisioner.lab.devices.stand_ins.routeros import network, shell, words
from provisioner.lab.devices.stand_ins.routeros.language import Command, ScriptError, Term, parsed
from provisioner.lab.devices.stand_ins.routeros.shell import Shell


def run(here: Shell, word: str, command: Command, rest: list[Term]) -> Any:
    """Run one."""
    named = {name: value for name, value, _ in command.named if value is not None}
    if word in ("if", "foreach", "do", "onerror", "while"):
        return _flow(here, word, rest, named)
    values = [here.value(term) for term in rest]
    if word == "put":
        here.out(words.text(values[0] if values else here.value(named["message"])).replace("\n", "\r\n") + "\r\n")
    elif word in ("global", "local", "set"):
        _variable(here, word, command, rest, values)
    elif word == "delay":
        shell.wait(here, words.text(values[0]) if values else "1s")
    elif word == "error":
        raise ScriptError(words.text(values[0]))
    elif word == "execute":
        text = values[0] if values else here.value(named["script"])
        return shell.execute(
            here.system, words.text(text), here.user, words.text(here.value(named["file"])) if "file" in named else ""
        )
    elif word == "log":
        level = words.text(values[0])
        if level not in ("info", "warning", "error", "debug"):
            raise here.wrong(f"bad command name {level}", command, rest[0])
        here.system.log.append(f"script,{level} {words.text(here.value(named['message']) if 'message' in named else values[1])}")
    else:
        return _worked_out(here, word, values, named)
    return None


def _variable(here: Shell, word: str, command: Command, rest: list[Term], values: list[Any]) -> None:
    if not rest or rest[0].kind != "word":
        raise here.wrong("syntax error", command)
    name = str(rest[0].value)
    if word == "global":
        here.local.pop(name, None)
        here.system.globals.setdefault(name, None)
        if len(values) > 1:
            here.system.globals[name] = values[1]
    elif word == "local" or name in here.local:
        here.local[name] = values[1] if len(values) > 1 else None
    elif name in here.system.globals:
        here.system.globals[name] = values[1] if len(values) > 1 else None
    else:
        raise here.wrong("syntax error", command, rest[0])


def _flow(here: Shell, word: str, rest: list[Term], named: dict[str, Term]) -> Any:
    def block(name: str) -> Any:
        return here.commands(parsed(str(here.value(named[name])))) if name in named else None

    if word == "if":
        return block("do" if words.true(here.value(rest[0])) else "else")
    if word == "while":
        while words.true(here.value(rest[0])):
            block("do")
    elif word == "foreach":
        over = here.value(named["in"])
        for one in over if isinstance(over, list) else [over]:
            here.local[str(rest[0].value)] = one
            block("do")
    elif word == "do":
        try:
            return here.commands(parsed(str(here.value(rest[0]))))
        except ScriptError:
            if "on-error" not in named:
                raise
            return block("on-error")
    else:
        try:
            block("in")
        except ScriptError as error:
            here.local[str(rest[0].value)] = str(error)
            block("do")
    return None


def _worked_out(here: Shell, word: str, values: list[Any], named: dict[str, Term]) -> Any:
    one = values[0] if values else None
    if word == "resolve":
        server = words.text(here.value(named["server"])) if "server" in named else ""
        found = network.resolved(here.system, words.text(one), server)
        if found is None:
            out = network.way_out(here.system)
            raise ScriptError("failure: dns name does not exist" if out else "failure: dns server failure")
        return found
    if word == "pick":
        first = int(words.number(values[1]))
        return values[0][first : int(words.number(values[2])) if len(values) > 2 else first + 1]
    return {
        "len": len(one) if isinstance(one, list) else len(words.text(one)),
        "typeof": {type(None): "nothing", bool: "bool", int: "num", list: "array"}.get(type(one), "str"),
        "tostr": words.text(one),
        "tonum": int(words.text(one)) if words.text(one).isdigit() else None,
    }.get(word)


shell.GLOBAL.update(dict.fromkeys(shell.BUILTINS, run))
