"""OpenWrt's own commands: rc.common and procd's words in it, ubus, fw4, wifi, ping, nslookup, kill, reboot.

From base-files' rc.common (what `start`, `stop`, `enable`, `boot` do, and that a script's own functions stand in their place),
package/system/procd's procd.sh, openwrt.org "ubus"; BusyBox' ping and nslookup for what they print.
"""

from typing import Any

from provisioner.lab.devices.stand_ins.openwrt import factory
from provisioner.lab.devices.stand_ins.openwrt.applets import APPLETS
from provisioner.lab.devices.stand_ins.openwrt.builtins import BUILTINS, Command
from provisioner.lab.devices.stand_ins.openwrt.machine import Failed, Machine, shown, silent
from provisioner.lab.devices.stand_ins.openwrt.shell import Killed, Left, Shell, Streams
from provisioner.lab.devices.stand_ins.openwrt.syntax import BadSyntax, parse
from provisioner.lab.devices.stand_ins.openwrt.uci_command import uci

ACTIONS = ("start", "stop", "restart", "reload", "boot", "enable", "disable", "enabled", "running")


def _machine(shell: Shell) -> Machine:
    machine = shell.machine
    assert isinstance(machine, Machine)
    return machine


class InitScript:
    """One call of an init script."""

    def __init__(self, parent: Shell, path: str, streams: Streams) -> None:
        self.machine, self.streams = _machine(parent), streams
        full = self.machine.files.resolve(path, parent.cwd)
        self.name = full.rpartition("/")[2]
        self.process = self.machine.new_process(["rc.common", path], parent.process.terminal)
        self.shell = Shell(self.machine, self.process, [path])
        self.text = self.machine.files.read(full).decode("utf-8", "surrogateescape")
        self.opened: dict[str, Any] = {}
        self.shell.own_commands = {
            "procd_open_instance": self._open, "procd_set_param": self._set, "procd_close_instance": lambda *_: 0,
            "start": lambda _shell, words, _streams: self.act("start", words[1:]),
            "stop": lambda _shell, words, _streams: self.act("stop", words[1:]),
        }  # fmt: skip

    def run(self, action: str, rest: list[str]) -> int:
        """Its functions are read, then one of them is called."""
        try:
            self.shell.script(parse(self.text), self.streams)
            return self.act(action, rest)
        except BadSyntax as wrong:
            self.streams.err(f"{self.name}: {wrong}\n".encode())
            return 2
        except Left as left:
            return left.value
        except Killed:
            return 137
        finally:
            self.process.ended.set()

    def act(self, action: str, rest: list[str]) -> int:
        """One action."""
        own = self.shell.functions
        if action not in ACTIONS:
            self.streams.out(f"Syntax: /etc/init.d/{self.name} [command]\n".encode())
            return 1
        if action in own and action not in ("start", "stop"):
            return self.shell.call([action, *rest], self.streams)
        if action in ("enable", "disable", "enabled", "running"):
            return int(getattr(self, f"_{action}")())
        if action == "restart":
            self.act("stop", rest)
        if action in ("boot", "reload", "restart"):
            action = "start"
        if self.shell.variables.get("USE_PROCD") != "1":
            return self.shell.call([action, *rest], self.streams) if action in own else 0
        return self._procd(action, rest)

    def _procd(self, action: str, rest: list[str]) -> int:
        function = f"{action}_service"
        self.opened = {}
        status = self.shell.call([function, *rest], self.streams) if function in self.shell.functions else 0
        if action == "stop":
            self.machine.service_delete(self.name)
        elif words := self.opened.get("command"):
            respawn = self.opened.get("respawn")
            numbers = tuple(int(one) for one in [*respawn, 3600, 5, 5][:3]) if respawn is not None else None
            self.machine.service_set(self.name, words, numbers)  # type: ignore[arg-type]
        else:
            self.machine.service_delete(self.name)
        return status

    def _open(self, _shell: Shell, _words: list[str], _streams: Streams) -> int:
        self.opened = {"opened": True}
        return 0

    def _set(self, _shell: Shell, words: list[str], _streams: Streams) -> int:
        self.opened[words[1]] = words[2:]
        return 0

    def _enable(self) -> int:
        start = self.shell.variables.get("START", "")
        if not start:
            return 1
        link = f"/etc/rc.d/S{start}{self.name}"
        if self.machine.files.look(link, last=False):
            self.machine.files.unlink(link)
        self.machine.files.symlink(f"../init.d/{self.name}", link)
        return 0

    def _disable(self) -> int:
        for name in self.machine.files.listing("/etc/rc.d"):
            if name[3:] == self.name:
                self.machine.files.unlink(f"/etc/rc.d/{name}")
        return 0

    def _enabled(self) -> int:
        return int(not self.machine.files.look(f"/etc/rc.d/S{self.shell.variables.get('START', '')}{self.name}"))

    def _running(self) -> int:
        instance = self.machine.services.get(self.name)
        return int(not (instance and instance.process and not instance.process.ended.is_set()))


def _rc_common(shell: Shell, words: list[str], streams: Streams) -> int:
    path, action, rest = words[1], (words[2:] or ["help"])[0], words[3:]
    machine = _machine(shell)
    name = machine.files.resolve(path, shell.cwd).rpartition("/")[2]
    if name in factory.SERVICES:
        return machine.service(name, action, streams)
    return InitScript(shell, path, streams).run(action, rest)


def _ubus(shell: Shell, words: list[str], streams: Streams) -> int:
    machine, asked = _machine(shell), " ".join(words[1:4])
    if asked == "call network.interface dump":
        streams.out(shown(machine.dump()))
        return 0
    if asked == "call system board":
        streams.out(shown(machine.board()))
        return 0
    if asked == "call network reload":
        return machine.service("network", "reload", streams)
    streams.err(b"Command failed: Not found\n")
    return 4


def _fw4(shell: Shell, words: list[str], streams: Streams) -> int:
    given = [word for word in words[1:] if word not in ("-q", "-v")]
    if not given or given[0] not in ("check", "start", "reload", "restart", "stop"):
        streams.out(b"Usage:\n\n  /sbin/fw4 [-v] [-q] start|stop|flush|restart|reload\n")
        return 0
    return _machine(shell).fw4(given[0], silent() if "-q" in words else streams)


def _ping(shell: Shell, words: list[str], streams: Streams) -> int:
    address = words[-1]
    came = _machine(shell).reaches(address)
    streams.out(f"PING {address} ({address}): 56 data bytes\n".encode())
    shell.process.killed.wait(0.02 if came else 0.3)
    streams.out(f"1 packets transmitted, {int(came)} packets received, {0 if came else 100}% packet loss\n".encode())
    return int(not came)


def _nslookup(shell: Shell, words: list[str], streams: Streams) -> int:
    address = _machine(shell).resolves(words[1])
    server = words[2] if len(words) > 2 else "127.0.0.1"
    streams.out(f"Server:\t\t{server}\nAddress:\t{server}:53\n\n".encode())
    if address is None:
        streams.out(f"** server can't find {words[1]}: NXDOMAIN\n\n".encode())
        return 1
    streams.out(f"Name:\t{words[1]}\nAddress: {address}\n\n".encode())
    return 0


def _kill(shell: Shell, words: list[str], _streams: Streams) -> int:
    machine, found = _machine(shell), True
    signal = words[1].lstrip("-").removeprefix("SIG") if words[1].startswith("-") else "TERM"
    for word in words[1:]:
        if word.startswith("-"):
            continue
        process = machine.processes.get(int(word)) if word.isdigit() else None
        if process is None or process.ended.is_set():
            found = False
        elif signal != "0":
            process.killed.set()
    return int(not found)


def _wait(shell: Shell, words: list[str], _streams: Streams) -> int:
    process = _machine(shell).processes.get(int(words[1])) if len(words) > 1 else None
    if process is None:
        return 127
    while not process.ended.wait(0.05):
        shell.process.check()
    return process.status


def _reboot(shell: Shell, _words: list[str], _streams: Streams) -> int:
    _machine(shell).reboot()
    raise Killed


def _wifi(_shell: Shell, _words: list[str], _streams: Streams) -> int:
    return 0


def _uname(_shell: Shell, _words: list[str], streams: Streams) -> int:
    streams.out(b"Linux\n")
    return 0


def _logger(shell: Shell, words: list[str], _streams: Streams) -> int:
    _machine(shell).box.note("log " + " ".join(words[1:]))
    return 0


COMMANDS: dict[str, Command] = {
    **BUILTINS, **APPLETS, "uci": uci, "rc.common": _rc_common, "ubus": _ubus, "fw4": _fw4, "wifi": _wifi, "ping": _ping,
    "nslookup": _nslookup, "kill": _kill, "wait": _wait, "reboot": _reboot, "uname": _uname, "logger": _logger,
}  # fmt: skip

__all__ = ["COMMANDS", "Failed"]
