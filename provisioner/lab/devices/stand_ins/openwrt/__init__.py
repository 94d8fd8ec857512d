"""OpenWrt as a stand-in: its files, its shell, UCI, procd, fw4; what lies on permanent storage, and what a power cut takes.

Written from OpenWrt's documents and sources, each file's head says which: `files` (overlay, tmpfs), `syntax`, `expansion`,
`shell`, `builtins` (the shell's language, as POSIX has it), `applets` (BusyBox as OpenWrt builds it), `uci_files` and
`uci_command` (UCI), `firewall` (fw4), `machine` (procd, netifd, dnsmasq), `commands` (rc.common, ubus), `factory` (a new one).

Scripts are obeyed here and nowhere else: no command of a script is a program of this laptop's, and no file one of its files.
Its own faults: `crash`, the kernel panics and it starts anew without what was not synced; `helper`, what procd runs is killed.
Each command that may change something is a step at which a fault may come, not only each line that comes by SSH.
"""

from ipaddress import ip_address

from provisioner.lab.devices.stand_ins import Box, Gone, Terminal
from provisioner.lab.devices.stand_ins.openwrt import factory
from provisioner.lab.devices.stand_ins.openwrt.commands import COMMANDS
from provisioner.lab.devices.stand_ins.openwrt.machine import Machine
from provisioner.lab.devices.stand_ins.openwrt.processes import Input, Killed, Streams, Write
from provisioner.lab.devices.stand_ins.openwrt.shell import Shell

DEFAULT = "192.168.1.1"  # the address that it comes with


class System:
    """One router, from one start to the next."""

    banner = ""
    several = True

    def __init__(self, box: Box) -> None:
        self.box = box
        box.system = self
        address = DEFAULT if ip_address(box.address).is_loopback else box.address
        self.machine = Machine(box, address, COMMANDS)
        self.machine.boot()

    def admits(self, client: str) -> bool:
        """Whether its firewall lets a new SSH connection from the LAN in."""
        del client
        return self.machine.admits(22)

    def login(self, user: str, password: str) -> bool:
        """root, or whoever the box says."""
        return (user, password) == (self.box.login, self.box.password)

    def tick(self) -> None:
        """Nothing: what is due is procd's."""

    def fault(self, what: str) -> None:
        """One of its own."""
        if what == "crash":
            self.box.reboot()
        elif what == "helper":
            self.machine.kill_helpers()

    def execute(self, line: str, terminal: Terminal) -> int:
        """A line that came with the connection."""
        process = self.machine.new_process([line], terminal)

        def write(data: bytes) -> None:
            if terminal.drop_in >= 0:
                terminal.channel.send(data[: terminal.drop_in])
                raise Killed  # nobody reads any more
            terminal.channel.send(data)

        def complain(data: bytes) -> None:
            if terminal.drop_in < 0:
                terminal.channel.complain(data)

        shell = Shell(self.machine, process, ["ash"])
        try:
            status = shell.run(line, Streams(Input(more=lambda: _more(terminal)), write, complain))
        except Killed:
            status = 137
        finally:
            process.ended.set()
        if terminal.drop_in >= 0:
            raise Gone
        return status

    def shell(self, terminal: Terminal) -> None:
        """One session."""
        terminal.write(factory.BANNER.format(login=self.box.login))
        process = self.machine.new_process(["-ash"], terminal)
        shell = Shell(self.machine, process, ["-ash"])
        while True:
            line = terminal.line(f"{self.box.login}@{self.machine.hostname}:~# ").strip()
            if line in ("exit", "logout"):
                return
            try:
                shell.run(line, Streams(Input(), _shown(terminal), _shown(terminal)))
            except Killed:
                return


def _shown(terminal: Terminal) -> Write:
    return lambda data: terminal.write(data.decode("utf-8", "replace"))


def _more(terminal: Terminal) -> bytes:
    try:
        return terminal.channel.receive()
    except Gone:
        return b""
