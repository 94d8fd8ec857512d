"""RouterOS 7 as a stand-in: a system that keeps what it is set to, runs scripts and a scheduler, and restores its backups.

Written from MikroTik's documentation (help.mikrotik.com, pages by title; each file's head says which of them it follows) and
not from what
is sent to it: `language` (Scripting), `menus` (each menu's page), `system` (Configuration Management, Backup, File, Scheduler),
`network`
(Filter, Bridging and Switching, DHCP, IP Routing), `shell`, `builtins` and `commands` (Scripting, Command Line Interface),
`words` (print,
export), `console` (Command Line Interface, safe mode). What it does not have it refuses as RouterOS does: `bad command name …`.

Its own fault: `job` ends every script that runs (Scripting, jobs).
"""

from ipaddress import ip_address

from provisioner.lab.devices.stand_ins import Box, Terminal
from provisioner.lab.devices.stand_ins.routeros import builtins, commands, factory
from provisioner.lab.devices.stand_ins.routeros.console import Console
from provisioner.lab.devices.stand_ins.routeros.network import Cables, accepts, reachable
from provisioner.lab.devices.stand_ins.routeros.shell import execute
from provisioner.lab.devices.stand_ins.routeros.system import Router

PORTS, RADIOS = 5, 1
DEFAULT = "192.168.88.1"  # the address that it comes with


class System:
    """One router, from one start to the next."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.banner = ""
        own = f"{DEFAULT if ip_address(box.address).is_loopback else box.address}/24"
        self.router = Router(
            box.folder, factory.fresh(PORTS, RADIOS), cables=Cables(answers=box.answers), startup_s=box.minute_s / 20
        )
        if self.router.new:
            factory.default_configuration(self.router, own, PORTS)
        self.router.on_reboot = box.reboot
        self.files = self.router

    def admits(self, client: str) -> bool:
        """Whether its firewall lets a new SSH connection from the LAN in."""
        del client
        if ip_address(self.box.address).is_loopback:
            return reachable(self.router)
        return accepts(self.router, 22, self.box.address)

    def login(self, user: str, password: str) -> bool:
        """An account of its own; what stands behind a `+` in the name says how its terminal is."""
        return user.partition("+")[0] == self.box.login and password == self.box.password

    def shell(self, terminal: Terminal) -> None:
        """One session."""
        Console(self.router, terminal.user or self.box.login, terminal).run()

    def execute(self, line: str, terminal: Terminal) -> int:
        """A line that came with the connection: no prompt, and whatever it says."""
        return Console(self.router, self.box.login, terminal).once(line)

    def tick(self) -> None:
        """Run what the scheduler has to run now."""
        if self.router.up:
            for item in list(self.router.due()):
                execute(self.router, self.router.script_of(item), self.box.login)

    def fault(self, what: str) -> None:
        """A fault of its own happens."""
        if what == "job":
            for job in list(self.router.jobs.values()):
                job["event"].set()


__all__ = ["System", "builtins", "commands"]  # the last two put their commands in place
