"""Who obeys scripts: each command that one names is the stand-in's own (`commands`), never a program of this laptop's.

There is no way from here to another process: what is not among `Kernel.commands` is `not found`. From the documents: expansion,
redirection, exit codes (POSIX, Shell Command Language, XCU 2); BusyBox' ash for `local` and its words at an error.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from provisioner.lab.devices.stand_ins.openwrt.expansion import Expansion
from provisioner.lab.devices.stand_ins.openwrt.files import Failed, Files
from provisioner.lab.devices.stand_ins.openwrt.processes import Input, Killed, Left, Process, Streams, Write
from provisioner.lab.devices.stand_ins.openwrt.syntax import BadSyntax, Pipeline, Script, Simple, parse

WRITES = {"set", "add", "add_list", "del_list", "delete", "rename", "commit", "revert", "import", "batch"}  # of uci's
PATHS = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/")
# What only looks is no step: nothing that goes wrong there leaves anything else behind than before.
LOOKS = {
    "[", "test", "read", ":", "true", "false", "local", "return", "break", "continue", "shift", "set", "export",
    "unset", "exit", "eval", "cd", "sleep", "wait", "kill", "cat", "echo", "printf", "readlink", "basename", "wc",
    "ls", "grep", "head", "sha256sum", "cmp", "uci", "ping", "nslookup", "procd_open_instance", "procd_set_param",
    "procd_close_instance",
}  # fmt: skip


class Kernel(Protocol):
    """What a shell runs on."""

    files: Files
    commands: Mapping[str, Callable[["Shell", list[str], Streams], int]]

    def step(self, process: Process, words: list[str]) -> None:
        """A command that may change something is about to run."""

    def spawn(self, words: list[str], work: Callable[[Process], int], terminal: Any = None) -> Process:
        """A process of its own."""

    def new_process(self, words: list[str], terminal: Any = None) -> Process:
        """One that its parent waits for."""


class Shell(Expansion):
    """One shell: its variables, functions, folder."""

    def __init__(self, machine: Kernel, process: Process, arguments: list[str], variables: dict[str, str] | None = None) -> None:
        self.machine, self.process, self.arguments = machine, process, arguments
        self.variables = {"PATH": ":".join(PATHS), "HOME": "/root"} | (variables or {})
        self.functions: dict[str, Any] = {}
        self.cwd, self.status, self.last = "/root", 0, 0
        self.own_commands: dict[str, Any] = {}  # what rc.common gives a script beside the system's
        self._locals: list[dict[str, str | None]] = []

    def run(self, text: str, streams: Streams) -> int:
        """A script, to its end or its `exit`."""
        try:
            self.script(parse(text), streams)
        except BadSyntax as wrong:
            streams.err(f"{self.arguments[0]}: {wrong}\n".encode())
            self.status = 2
        except Left as left:
            self.status = left.value
        return self.status

    def child(self) -> "Shell":
        """A copy: what it sets stays its own."""
        one = Shell(self.machine, self.process, list(self.arguments), dict(self.variables))
        one.functions, one.cwd, one.status, one.last = dict(self.functions), self.cwd, self.status, self.last
        one.own_commands = self.own_commands
        return one

    # --------------------------------------------------------------------------------------- running

    def script(self, script: Script, streams: Streams) -> None:
        """Its commands in turn."""
        for one in script:
            if one.background:
                self._background(one, streams)
                continue
            for operator, pipeline in one.parts:
                if (operator == "&&" and self.status) or (operator == "||" and not self.status):
                    continue
                self.status = self._pipeline(pipeline, streams)

    def _background(self, one: Any, streams: Streams) -> None:
        shell = self.child()
        streams = Streams(Input(), streams.out, streams.err)

        def work(process: Process) -> int:
            shell.process = process
            try:
                shell.script((type(one)(one.parts, background=False),), streams)
            except Left as left:
                return left.value
            return shell.status

        self.last = self.machine.spawn(list(self.process.words), work).pid
        self.status = 0

    def _pipeline(self, pipeline: Pipeline, streams: Streams) -> int:
        inp, status = streams.inp, 0
        for number, command in enumerate(pipeline.commands):
            if number == len(pipeline.commands) - 1:
                shell = self if number == 0 else self.child()
                status = shell.command(command, Streams(inp, streams.out, streams.err))
            else:
                held = bytearray()
                shell = self.child()
                shell.command(command, Streams(inp, held.extend, streams.err))
                inp = Input(bytes(held))
        return int(not status) if pipeline.negated else status

    def command(self, command: Any, streams: Streams) -> int:
        """One command; its exit code."""
        try:
            streams = self._redirected(command.redirections, streams)
        except Failed as failed:
            streams.err(f"{self.arguments[0]}: {failed}\n".encode())
            return 1
        if isinstance(command, Simple):
            return self._simple(command, streams)
        return int(getattr(self, f"_do_{command.kind}")(command.value, streams))

    def _redirected(self, redirections: Any, streams: Streams) -> Streams:
        out = {0: streams.inp, 1: streams.out, 2: streams.err}
        for one in redirections:
            target = "".join(self.words([one.target], streams))
            if one.operator == ">&":
                out[one.fd] = out[int(target)]
            elif target == "/dev/null":
                out[one.fd] = Input() if one.operator == "<" else lambda _data: None
            else:
                try:
                    if one.operator == "<":
                        out[0] = Input(self.machine.files.read(target, self.cwd))
                        continue
                    self.machine.step(self.process, [one.operator, target])
                    self.machine.files.write(target, b"", self.cwd, append=one.operator == ">>")
                except Failed as failed:
                    how = "open" if one.operator == "<" else "create"
                    raise Failed(f"can't {how} {target}: {failed}") from None
                out[one.fd] = self._appending(target)
        return Streams(out[0], out[1], out[2])  # type: ignore[arg-type]

    def _appending(self, target: str) -> Write:
        full, files = self.machine.files.resolve(target, self.cwd), self.machine.files

        def write(data: bytes) -> None:
            files.write(full, data, append=True)

        return write

    def _simple(self, command: Simple, streams: Streams) -> int:
        self.process.check()
        words = self.words(command.words, streams)
        given = {name: "".join(self.words([word], streams, split=False)) for name, word in command.assignments}
        if not words:
            self.variables |= given
            return self.substituted if any(part.kind == "command" for _, word in command.assignments for part in word) else 0
        former = {name: self.variables.get(name) for name in given}
        self.variables |= given
        try:
            return self.call(words, streams)
        finally:
            for name, value in former.items():
                self.variables.pop(name, None) if value is None else self.variables.update({name: value})

    def call(self, words: list[str], streams: Streams) -> int:
        """A function, one of the machine's commands, or a script that lies in its files."""
        name = words[0]
        if name in self.functions:
            return self._function(words, streams)
        plain = next((name.removeprefix(path) for path in PATHS if name.startswith(path)), name)
        command = (
            self.own_commands.get(name)
            or self.machine.commands.get(name)
            or (self.machine.commands.get(plain) if "/" not in plain else None)
        )
        if plain not in LOOKS or (plain == "uci" and WRITES & set(words)):
            self.machine.step(self.process, words)
        if command is not None:
            try:
                return int(command(self, words, streams))
            except Failed as failed:
                streams.err(f"{plain}: {failed}\n".encode())
                return 1
        if "/" in name:
            return self._file(name, words, streams)
        streams.err(f"{self.arguments[0]}: {name}: not found\n".encode())
        return 127

    def _file(self, name: str, words: list[str], streams: Streams) -> int:
        node = self.machine.files.look(name, self.cwd)
        if node is None or node.kind != "f" or not node.mode & 0o100:
            said = "not found" if node is None else "Permission denied"
            streams.err(f"{self.arguments[0]}: {name}: {said}\n".encode())
            return 127 if node is None else 126
        text = node.data.decode("utf-8", "surrogateescape")
        if text.startswith("#!/bin/sh /etc/rc.common"):
            return self.call(["rc.common", name, *words[1:]], streams)
        return self.nested(text, words, streams)

    def nested(self, text: str, words: list[str], streams: Streams) -> int:
        """A script as a process of its own, which this one waits for."""
        process = self.machine.new_process(words, self.process.terminal)
        shell = Shell(self.machine, process, words)
        shell.cwd = self.cwd
        try:
            process.status = shell.run(text, streams)
        except Killed:
            process.status = 137
        finally:
            process.ended.set()
        self.process.check()
        return int(process.status)

    def _function(self, words: list[str], streams: Streams) -> int:
        former, self.arguments = self.arguments, [self.arguments[0], *words[1:]]
        self._locals.append({})
        try:
            return self.command(self.functions[words[0]], streams)
        except Left as left:
            if left.kind != "return":
                raise
            return left.value
        finally:
            self.arguments = former
            for name, value in self._locals.pop().items():
                self.variables.pop(name, None) if value is None else self.variables.update({name: value})

    def own(self, name: str) -> None:
        """`local`."""
        if self._locals:
            self._locals[-1].setdefault(name, self.variables.get(name))

    # ------------------------------------------------------------------------------------ constructs

    def _do_function(self, value: Any, _streams: Streams) -> int:
        self.functions[value[0]] = value[1]
        return 0

    def _do_group(self, body: Script, streams: Streams) -> int:
        self.status = 0
        self.script(body, streams)
        return self.status

    def _do_subshell(self, body: Script, streams: Streams) -> int:
        shell = self.child()
        try:
            shell.script(body, streams)
        except Left as left:
            return left.value
        return shell.status

    def _do_if(self, value: Any, streams: Streams) -> int:
        branches, otherwise = value
        for condition, body in branches:
            self.script(condition, streams)
            if not self.status:
                return self._do_group(body, streams)
        return self._do_group(otherwise, streams)

    def _do_while(self, value: Any, streams: Streams, *, until: bool = False) -> int:
        condition, body = value
        status = 0
        while True:
            self.script(condition, streams)
            if bool(self.status) != until:
                return status
            if self._loop(body, streams):
                return 0
            status = self.status

    def _do_until(self, value: Any, streams: Streams) -> int:
        return self._do_while(value, streams, until=True)

    def _do_for(self, value: Any, streams: Streams) -> int:
        name, words, body = value
        self.status = 0
        for word in self.arguments[1:] if words is None else self.words(words, streams):
            self._set(name, word)
            if self._loop(body, streams):
                return 0
        return self.status

    def _loop(self, body: Script, streams: Streams) -> bool:
        """One turn; whether it was the last."""
        self.process.check()
        try:
            self.script(body, streams)
        except Left as left:
            if left.kind not in ("break", "continue"):
                raise
            self.status = 0
            return left.kind == "break"
        return False

    def _do_case(self, value: Any, streams: Streams) -> int:
        subject, branches = value
        text = "".join(self.words([subject], streams, split=False))
        for patterns, body in branches:
            if any(re.fullmatch(self._pattern(pattern, streams), text, re.S) for pattern in patterns):
                return self._do_group(body, streams)
        return 0


__all__ = ["Input", "Kernel", "Killed", "Left", "Process", "Shell", "Streams"]
