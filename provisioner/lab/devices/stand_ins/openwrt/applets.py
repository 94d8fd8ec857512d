"""BusyBox' small programs, as OpenWrt builds them (package/utils/busybox/Config-defaults.in): their options there and no others.

`sync` knows no files, `stat`, `timeout`, `nohup` and `base64` are not there, `nc` has no options and is left out. All of them
work on the stand-in's own tree (`files`), none on this laptop's.
"""

import hashlib
import re
import time

from provisioner.lab.devices.stand_ins.openwrt.builtins import Command
from provisioner.lab.devices.stand_ins.openwrt.files import Failed, Node
from provisioner.lab.devices.stand_ins.openwrt.shell import Input, Shell, Streams
from provisioner.lab.devices.stand_ins.openwrt.syntax import BadSyntax, parse


def _split(words: list[str], known: str) -> tuple[set[str], list[str]]:
    """Options of one letter, and the rest."""
    options, rest = set[str](), list[str]()
    for number, word in enumerate(words[1:], start=1):
        if word == "--":
            return options, rest + words[number + 1 :]
        if word.startswith("-") and len(word) > 1:
            if unknown := set(word[1:]) - set(known):
                raise Failed(f"unrecognized option: {sorted(unknown)[0]}")
            options |= set(word[1:])
        else:
            rest.append(word)
    return options, rest


def _each(shell: Shell, words: list[str], streams: Streams) -> "list[tuple[str, bytes]]":
    """What the named files hold, else what comes in."""
    names = [word for word in words[1:] if not word.startswith("-") or word == "-"]
    if not names:
        return [("-", streams.inp.read())]
    return [(name, streams.inp.read() if name == "-" else _read(shell, name)) for name in names]


def _read(shell: Shell, name: str) -> bytes:
    try:
        return bytes(shell.machine.files.read(name, shell.cwd))
    except Failed as failed:
        raise Failed(f"can't open '{name}': {failed}") from None


def _cat(shell: Shell, words: list[str], streams: Streams) -> int:
    for _, data in _each(shell, words, streams):
        streams.out(data)
    return 0


def _into(shell: Shell, source: str, target: str) -> str:
    """Where something of that name goes: into a folder under its own name."""
    node = shell.machine.files.look(target, shell.cwd)
    return f"{target}/{source.rstrip('/').rpartition('/')[2]}" if node and node.kind == "d" else target


def _cp(shell: Shell, words: list[str], _streams: Streams) -> int:
    options, rest = _split(words, "afprR")
    files, *sources = shell.machine.files, *rest[:-1]
    for source in sources:
        node = files.look(source, shell.cwd)
        if node is None:
            raise Failed(f"can't stat '{source}': No such file or directory")
        if node.kind == "d":
            if not options & set("arR"):
                raise Failed(f"omitting directory '{source}'")
            _copy_tree(shell, source, _into(shell, source, rest[-1]))
            continue
        target = _into(shell, source, rest[-1])
        kept = options & set("ap") or files.look(target, shell.cwd) is None
        files.write(target, node.data, shell.cwd, mode=node.mode if kept else None)
    return 0


def _copy_tree(shell: Shell, source: str, target: str) -> None:
    files = shell.machine.files
    files.mkdir(target, shell.cwd)
    for name in files.listing(source, shell.cwd):
        node = files.look(f"{source}/{name}", shell.cwd, last=False)
        assert node
        if node.kind == "d":
            _copy_tree(shell, f"{source}/{name}", f"{target}/{name}")
        elif node.kind == "l":
            files.symlink(node.data.decode(), f"{target}/{name}", shell.cwd)
        else:
            files.write(f"{target}/{name}", node.data, shell.cwd, mode=node.mode)


def _mv(shell: Shell, words: list[str], _streams: Streams) -> int:
    _, rest = _split(words, "fn")
    for source in rest[:-1]:
        if shell.machine.files.look(source, shell.cwd, last=False) is None:
            raise Failed(f"can't rename '{source}': No such file or directory")
        shell.machine.files.rename(source, _into(shell, source, rest[-1]), shell.cwd)
    return 0


def _rm(shell: Shell, words: list[str], _streams: Streams) -> int:
    options, rest = _split(words, "rRf")
    files = shell.machine.files
    for name in rest:
        node = files.look(name, shell.cwd, last=False)
        if node is None:
            if "f" not in options:
                raise Failed(f"can't remove '{name}': No such file or directory")
        elif node.kind == "d":
            if not options & set("rR"):
                raise Failed(f"'{name}' is a directory")
            _remove_tree(shell, name)
        else:
            files.unlink(name, shell.cwd)
    return 0


def _remove_tree(shell: Shell, name: str) -> None:
    files = shell.machine.files
    for inner in files.listing(name, shell.cwd):
        node = files.look(f"{name}/{inner}", shell.cwd, last=False)
        if node and node.kind == "d":
            _remove_tree(shell, f"{name}/{inner}")
        else:
            files.unlink(f"{name}/{inner}", shell.cwd)
    if files.resolve(name, shell.cwd) != "/":
        files.rmdir(name, shell.cwd)


def _ln(shell: Shell, words: list[str], _streams: Streams) -> int:
    options, rest = _split(words, "sfn")
    if "s" not in options:
        raise Failed("hard links are not had in this stand-in")
    target, name = rest
    files = shell.machine.files
    node = files.look(name, shell.cwd, last="n" not in options)
    if node and node.kind == "d":
        name = f"{name}/{target.rpartition('/')[2]}"
    if "f" in options and files.look(name, shell.cwd, last=False):
        files.unlink(name, shell.cwd)
    try:
        files.symlink(target, name, shell.cwd)
    except Failed as failed:
        raise Failed(f"{name}: {failed}") from None
    return 0


def _mkdir(shell: Shell, words: list[str], _streams: Streams) -> int:
    options, rest = _split(words, "p")
    for name in rest:
        pieces = name.split("/")
        for number in range(1, len(pieces) + 1) if "p" in options else [len(pieces)]:
            part = "/".join(pieces[:number])
            there = shell.machine.files.look(part or "/", shell.cwd)
            if "p" in options and there and there.kind == "d":
                continue
            try:
                shell.machine.files.mkdir(part, shell.cwd)
            except Failed as failed:
                raise Failed(f"can't create directory '{name}': {failed}") from None
    return 0


def _rmdir(shell: Shell, words: list[str], _streams: Streams) -> int:
    for name in words[1:]:
        shell.machine.files.rmdir(name, shell.cwd)
    return 0


def _touch(shell: Shell, words: list[str], _streams: Streams) -> int:
    for name in words[1:]:
        shell.machine.files.write(name, b"", shell.cwd, append=True)
    return 0


def _chmod(shell: Shell, words: list[str], _streams: Streams) -> int:
    for name in words[2:]:
        node = shell.machine.files.look(name, shell.cwd) or Node("f")
        mode = node.mode | 0o111 if words[1] == "+x" else int(words[1], 8)
        shell.machine.files.chmod(name, mode, shell.cwd)
    return 0


def _readlink(shell: Shell, words: list[str], streams: Streams) -> int:
    options, (name,) = _split(words, "f")
    if "f" in options:
        streams.out(shell.machine.files.resolve(name, shell.cwd).encode() + b"\n")
        return 0
    node = shell.machine.files.look(name, shell.cwd, last=False)
    if node is None or node.kind != "l":
        return 1
    streams.out(node.data + b"\n")
    return 0


def _ls(shell: Shell, words: list[str], streams: Streams) -> int:
    options, rest = _split(words, "1aAl")
    for name in rest or ["."]:
        try:
            names = shell.machine.files.listing(name, shell.cwd)
        except Failed as failed:
            raise Failed(f"{name}: {failed}") from None
        shown = [one for one in names if options & set("aA") or not one.startswith(".")]
        streams.out("".join(f"{one}\n" for one in shown).encode("utf-8", "surrogateescape"))
    return 0


def _wc(shell: Shell, words: list[str], streams: Streams) -> int:
    for name, data in _each(shell, words, streams):
        count = len(data) if "-c" in words else data.count(b"\n")
        streams.out(f"{count}{'' if name == '-' else ' ' + name}\n".encode())
    return 0


def _head(shell: Shell, words: list[str], streams: Streams) -> int:
    byte, count = "-c" in words, next((int(word) for word in words if word.isdigit()), 10)
    rest = [word for word in words if not word.isdigit()]
    for _, data in _each(shell, rest, streams):
        streams.out(data[:count] if byte else b"".join(data.splitlines(keepends=True)[:count]))
    return 0


def _cmp(shell: Shell, words: list[str], streams: Streams) -> int:
    one, other = (_read(shell, name) for name in words[-2:])
    if one != other and "-s" not in words:
        streams.out(f"{words[-2]} {words[-1]} differ\n".encode())
    return int(one != other)


def _digest(shell: Shell, words: list[str], streams: Streams) -> int:
    kind = words[0].rpartition("/")[2].removesuffix("sum")
    for name, data in _each(shell, words, streams):
        streams.out(f"{hashlib.new(kind, data, usedforsecurity=False).hexdigest()}  {name}\n".encode())
    return 0


def _grep(shell: Shell, words: list[str], streams: Streams) -> int:
    options = "".join(word[1:] for word in words[1:] if word.startswith("-"))
    pattern, *names = [word for word in words[1:] if not word.startswith("-")]
    found = False
    for _, data in _each(shell, ["grep", *names], streams):
        for line in data.decode("utf-8", "surrogateescape").splitlines():
            hit = pattern in line if "F" in options else re.search(pattern, line) is not None
            if hit != ("v" in options):
                found = True
                if "q" not in options:
                    streams.out(f"{line}\n".encode("utf-8", "surrogateescape"))
    return int(not found)


def _sleep(shell: Shell, words: list[str], _streams: Streams) -> int:
    if not words[1].isdigit():  # BUSYBOX_DEFAULT_FLOAT_DURATION is off
        raise Failed(f"invalid number '{words[1]}'")
    until = time.monotonic() + int(words[1])
    while (left := until - time.monotonic()) > 0:
        shell.process.killed.wait(min(left, 0.1))
        shell.process.check()
    return 0


def _sync(shell: Shell, _words: list[str], _streams: Streams) -> int:
    shell.machine.files.sync()
    return 0


def _sh(shell: Shell, words: list[str], streams: Streams) -> int:
    if words[1:2] == ["-c"]:
        return shell.nested(words[2], words[3:] or ["sh"], streams)
    if words[1:2] == ["-n"]:
        try:
            parse(_read(shell, words[2]).decode("utf-8", "surrogateescape"))
        except BadSyntax as wrong:
            streams.err(f"{words[2]}: {wrong}\n".encode())
            return 2
        return 0
    text = _read(shell, words[1]) if len(words) > 1 else streams.inp.read()
    return shell.nested(text.decode("utf-8", "surrogateescape"), words[1:] or ["sh"], Streams(Input(), streams.out, streams.err))


def _basename(_shell: Shell, words: list[str], streams: Streams) -> int:
    streams.out(words[1].rstrip("/").rpartition("/")[2].encode() + b"\n")
    return 0


APPLETS: dict[str, Command] = {
    "cat": _cat, "cp": _cp, "mv": _mv, "rm": _rm, "ln": _ln, "mkdir": _mkdir, "rmdir": _rmdir, "touch": _touch, "chmod": _chmod,
    "readlink": _readlink, "ls": _ls, "wc": _wc, "head": _head, "cmp": _cmp, "sha256sum": _digest, "md5sum": _digest,
    "grep": _grep, "sleep": _sleep, "sync": _sync, "sh": _sh, "ash": _sh, "basename": _basename,
}  # fmt: skip
