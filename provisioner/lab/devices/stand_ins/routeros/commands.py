"""Commands of RouterOS that are none on items: files, import and export, backups, jobs, what the system says of itself.

From help.mikrotik.com: "Configuration Management" (import stops at the first line that fails; what it did before stays),
"Backup",
"File" (contents of at most 4095 bytes by the command line, 60 KiB from 7.13 on), "Resource", "Scripting" (jobs), "Log".
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.lab.devices.stand_ins.routeros import network, shell, words
from provisioner.lab.devices.stand_ins.routeros.language import Command, ScriptError, Term, parsed
from provisioner.lab.devices.stand_ins.routeros.menus import Item
from provisioner.lab.devices.stand_ins.routeros.shell import Shell
from provisioner.lab.devices.stand_ins.routeros.system import Router

CONTENTS_BYTES = 60 * 1024
KINDS = {"/interface ethernet": "ether", "/interface pppoe-client": "pppoe-out", "/interface wireguard": "wg"}


@dataclass(frozen=True)
class Call:
    """One command, by whom, and the words behind its name."""

    shell: Shell
    command: Command
    rest: list[Term]

    @property
    def without_words(self) -> "Call":
        """The same, its words left out."""
        return Call(self.shell, self.command, [])

    def switches(self) -> set[str]:
        """Its bare words."""
        return shell.switches(self.shell, self.command, self.rest)

    def wrong(self, term: Term) -> ScriptError:
        """What is said of a word that it does not have."""
        return self.shell.wrong("expected end of command", self.command, term)

    def meets(self, menu: str, item: Item) -> bool:
        """Whether an item meets the command's condition."""
        return self.command.where is None or words.true(self.shell.value(self.command.where, (menu, item)))


def _named(call: Call, *allowed: str, first: str = "") -> dict[str, str]:
    """The arguments of a command; one without a name is `first`."""
    found = {}
    for name, value, term in call.command.named:
        if name not in allowed or value is None:
            raise call.wrong(term)
        found[name] = words.text(call.shell.value(value))
    for term in call.rest:
        if not first or first in found:
            raise call.wrong(term)
        found[first] = words.text(call.shell.value(term))
    return found


def export(call: Call) -> None:
    """`/export`, of everything."""
    said = call.switches()
    named = _named(call.without_words, "file")
    out = words.export(
        call.shell.system, call.shell.menu, terse="terse" in said, sensitive="show-sensitive" in said, verbose="verbose" in said
    )
    if "file" in named:
        name = named["file"] if named["file"].endswith(".rsc") else f"{named['file']}.rsc"
        call.shell.system.place(name).write_text(out)
    else:
        call.shell.out(out.replace("\n", "\r\n"))


def import_(call: Call) -> None:
    """`/import`: the file's commands one after the other, up to the first that fails."""
    named = _named(call, "file-name", "verbose", "from-line", first="file-name")
    if "file-name" not in named:
        raise ScriptError("missing value(s) of argument(s) file-name")
    path = call.shell.system.place(named["file-name"])
    if not path.is_file():
        raise ScriptError("input does not match any value of file-name")
    inner = Shell(call.shell.system, call.shell.user, call.shell.out, job=call.shell.job)
    inner.commands(parsed(path.read_bytes().decode("utf-8", "surrogateescape")))
    call.shell.out("\r\nScript file loaded and executed successfully\r\n")


def backup_save(call: Call) -> None:
    """`/system backup save`; one with a password is not had call.shell."""
    named = _named(call, "name", "dont-encrypt", "password", "encryption")
    if named.get("password"):
        raise ScriptError("failure: encrypted backups are not supported by this stand-in")
    call.shell.out("Saving system configuration\r\n")
    call.shell.system.save_backup(
        named.get("name") or f"{call.shell.system.single('/system identity')['name']}-{time.strftime('%Y%m%d-%H%M')}"
    )
    call.shell.out("Configuration backup saved\r\n")


def backup_load(call: Call) -> None:
    """`/system backup load`: a person is asked, a script is not."""
    named = _named(call, "name", "password")
    if "name" not in named:
        raise ScriptError("missing value(s) of argument(s) name")
    if "password" not in named:
        if call.shell.ask is None:
            raise ScriptError("missing value(s) of argument(s) password")
        call.shell.ask("password: ")
    if call.shell.ask is not None and call.shell.ask("Restore and reboot? [y/N]: ").strip().lower() != "y":
        raise ScriptError("action cancelled")
    call.shell.out("Restoring system configuration\r\nSystem configuration restored, rebooting now\r\n")
    call.shell.system.load_backup(named["name"])


def reboot(call: Call) -> None:
    """`/system reboot`."""
    _named(call)
    if call.shell.ask is not None and call.shell.ask("Reboot, yes? [y/N]: ").strip().lower() != "y":
        raise ScriptError("action cancelled")
    call.shell.out("system will reboot shortly\r\n")
    call.shell.system.reboot()


def ping(call: Call) -> int:
    """`/ping`: how many came back."""
    named = _named(call, "address", "count", "interval", "timeout", "src-address", "interface", first="address")
    if "address" not in named:
        raise ScriptError("missing value(s) of argument(s) address")
    return shell.ping(call.shell, named["address"], int(named.get("count", "4")))


def resource_print(call: Call) -> None:
    """`/system resource print`."""
    call.switches()
    said = words.resource(time.monotonic() - call.shell.system.started)
    call.shell.out("".join(f"{name:>22}: {value}\r\n" for name, value in said.items()))


def resource_get(call: Call) -> str:
    """`/system resource get`."""
    named = _named(call, "value-name", first="value-name")
    said = words.resource(time.monotonic() - call.shell.system.started, clock=True)
    if named.get("value-name") not in said:
        raise ScriptError("input does not match any value of value-name")
    return said[named["value-name"]]


def _interface(router: Router, name: str) -> Item:
    """An interface, whatever its kind."""
    menu = router.links()[name]
    item = next(one for one in router.config[menu] if one.get("name") == name)
    off = router.value(menu, item, "disabled") == "yes"
    plugged = menu != "/interface ethernet" or name in (router.cables.line_port, router.cables.lan_port)
    return {
        ".id": name, "name": name, "type": KINDS.get(menu, menu.split()[-1]), "disabled": "yes" if off else "no",
        "running": "true" if plugged and not off else "false", "slave": "yes" if network.above(router, name) != name else "no",
    }  # fmt: skip


def interface_print(call: Call) -> None:
    """`/interface print`: all of them."""
    terse = "terse" in call.switches()
    lines = [] if terse else ["Flags: R - RUNNING; X - DISABLED; S - SLAVE"]
    for place, name in enumerate(call.shell.system.links()):
        one = _interface(call.shell.system, name)
        letters = "X" if one["disabled"] == "yes" else "R" if one["running"] == "true" else ""
        letters += "S" if one["slave"] == "yes" else ""
        lines.append(f"{place:2} {letters:3} name={name} type={one['type']} mtu=1500")
    call.shell.out("".join(f"{line}\r\n" for line in lines))


def interface_find(call: Call) -> list[str]:
    """`/interface find`: names stand for their numbers."""
    router = call.shell.system
    return [name for name in router.links() if not call.rest and call.meets("/interface", _interface(router, name))]


def interface_get(call: Call) -> str:
    """`/interface get NAME name|running|type`."""
    name, wanted = ([*(words.text(call.shell.value(term)) for term in call.rest), "", ""])[:2]
    if name not in call.shell.system.links():
        raise ScriptError("no such item")
    one = _interface(call.shell.system, name)
    if wanted not in one:
        raise ScriptError("input does not match any value of value-name")
    return one[wanted]


def arp_find(call: Call) -> list[str]:
    """`/ip arp find`: the machines that answer on the LAN."""
    return [
        address for address in call.shell.system.cables.answers
        if not call.rest and network.near(call.shell.system, address)
        and call.meets("/ip arp", {".id": address, "address": address, "complete": "yes", "dynamic": "yes"})
    ]  # fmt: skip


def history_print(call: Call) -> None:
    """`/system history print`, the newest first; F is what safe mode would undo."""
    call.switches()
    safe = call.shell.system.safe["count"] if call.shell.system.safe else 0
    call.shell.out("Flags: U - UNDOABLE, F - FLOATING-UNDO\r\nColumns: ACTION, BY, POLICY\r\n")
    for place, one in enumerate(reversed(call.shell.system.history)):
        call.shell.out(f"{'F' if place < safe else 'U'} {one['action']:40} {one['by']:10} write\r\n")


def jobs_find(call: Call) -> list[str]:
    """`/system script job find`."""
    return [number for number in call.shell.system.jobs if call.meets("/system script job", {".id": number})]


def jobs_print(call: Call) -> None:
    """`/system script job print`."""
    call.switches()
    call.shell.out("Columns: OWNER, STARTED\r\n")
    for place, job in enumerate(call.shell.system.jobs.values()):
        call.shell.out(f"{place:2} {job['owner']} {job['started']}\r\n")


def jobs_remove(call: Call) -> None:
    """`/system script job remove`: it ends before its next command."""
    if call.command.named or len(call.rest) != 1:
        raise ScriptError("missing value(s) of argument(s) numbers")
    asked = call.shell.value(call.rest[0])
    for number in asked if isinstance(asked, list) else [asked]:
        if number not in call.shell.system.jobs:
            raise ScriptError("no such item")
        call.shell.system.jobs[number]["event"].set()


def script_run(call: Call) -> None:
    """`/system script run`."""
    for item in call.shell.chosen("/system script", call.command, call.rest):
        Shell(call.shell.system, call.shell.user, call.shell.out, job=call.shell.job).run(item.get("source", ""))


def log_print(call: Call) -> None:
    """`/log print`."""
    call.switches()
    call.shell.out("".join(f"{line}\r\n" for line in call.shell.system.log))


# ------------------------------------------------------------------------------------------------ files


def _file(name: str, path: Path) -> Item:
    kind = "directory" if path.is_dir() else _kind(name)
    return {".id": name, "name": name, "type": kind, "size": str(path.stat().st_size)}


def files_find(call: Call) -> list[str]:
    """`/file find`: names stand for their numbers."""
    return [name for name, path in call.shell.system.files().items() if call.meets("/file", _file(name, path))]


def _kind(name: str) -> str:
    return {"backup": "backup", "rsc": "script"}.get(name.rpartition(".")[2], f".{name.rpartition('.')[2]} file")


def files_print(call: Call) -> None:
    """`/file print`."""
    call.switches()
    for place, name in enumerate(files_find(call)):
        one = _file(name, call.shell.system.files()[name])
        call.shell.out(f'{place:2} name="{name}" type="{one["type"]}" size={one["size"]}\r\n')


def _files(call: Call) -> list[str]:
    if not call.rest:
        raise ScriptError("missing value(s) of argument(s) numbers")
    asked = call.shell.value(call.rest[0])
    there = call.shell.system.files()
    for name in (names := asked if isinstance(asked, list) else [words.text(asked)]):
        if name not in there:
            raise ScriptError("no such item")
    return names


def files_get(call: Call) -> str:
    """`/file get NAME contents|size|name`."""
    (name,) = _files(call)
    path = call.shell.system.files()[name]
    wanted = words.text(call.shell.value(call.rest[1])) if len(call.rest) > 1 else ""
    if call.command.named or len(call.rest) > 2:
        raise call.wrong(call.rest[-1])
    if wanted == "contents":
        held = path.read_bytes()
        return held.decode("utf-8", "surrogateescape") if len(held) <= CONTENTS_BYTES else ""
    if wanted in ("size", "name"):
        return str(path.stat().st_size) if wanted == "size" else name
    raise ScriptError("input does not match any value of value-name")


def files_set(call: Call) -> None:
    """`/file set NAME contents=…`."""
    named = _named(call.without_words, "contents", "name")
    for name in _files(call):
        if len(named["contents"].encode("utf-8", "surrogateescape")) > CONTENTS_BYTES:
            raise ScriptError("failure: contents too long")
        call.shell.system.files()[name].write_bytes(named["contents"].encode("utf-8", "surrogateescape"))


def files_add(call: Call) -> None:
    """`/file add name=… [contents=…]`."""
    named = _named(call, "name", "contents", "type")
    path = call.shell.system.place(named["name"])
    if path.exists():
        raise ScriptError("failure: file already exists")
    path.write_bytes(named.get("contents", "").encode("utf-8", "surrogateescape"))


def files_remove(call: Call) -> None:
    """`/file remove`."""
    _named(call.without_words)
    for name in _files(call):
        call.shell.system.files()[name].unlink()


def quit_(call: Call) -> None:
    """`/quit`: the console ends; what safe mode holds stays."""
    _named(call)
    raise EOFError


def nothing(call: Call) -> int:
    """A list that is empty call.shell."""
    said = call.switches()
    if "count-only" in said:
        call.shell.out("0\r\n")
    return 0


_OWN: dict[tuple[str, str], Callable[[Call], Any]] = {
    ("", "export"): export,
    ("", "import"): import_,
    ("", "ping"): ping,
    ("", "quit"): quit_,
    ("/system", "reboot"): reboot,
    ("/system backup", "save"): backup_save,
    ("/system backup", "load"): backup_load,
    ("/system resource", "print"): resource_print,
    ("/system resource", "get"): resource_get,
    ("/interface", "print"): interface_print,
    ("/interface", "find"): interface_find,
    ("/interface", "get"): interface_get,
    ("/ip arp", "find"): arp_find,
    ("/ip arp", "print"): nothing,
    ("/system history", "print"): history_print,
    ("/system script job", "find"): jobs_find,
    ("/system script job", "print"): jobs_print,
    ("/system script job", "remove"): jobs_remove,
    ("/system script", "run"): script_run,
    ("/log", "print"): log_print,
    ("/file", "find"): files_find,
    ("/file", "print"): files_print,
    ("/file", "get"): files_get,
    ("/file", "set"): files_set,
    ("/file", "add"): files_add,
    ("/file", "remove"): files_remove,
    ("/certificate", "print"): nothing,
    ("/interface wifi registration-table", "print"): nothing,
}


def _called(own: Callable[[Call], Any]) -> Callable[[Shell, Command, list[Term]], Any]:
    return lambda here, command, rest: own(Call(here, command, rest))


shell.SPECIAL.update({place: _called(own) for place, own in _OWN.items()})
