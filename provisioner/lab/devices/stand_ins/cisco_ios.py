"""A stand-in for a Cisco IOS router: its modes, its running and its startup configuration, its scheduled start, its answers.

From the documents: prompts, modes, `--More--`, `% Invalid input detected at '^' marker.` (Using the Cisco IOS Command-Line
Interface); `reload in` with its questions and reason, `reload cancel`, `show reload`, `write memory`, `copy running-config
startup-config`, `alias` (Configuration Fundamentals Command Reference); `configure replace … force` (Configuration Replace and
Configuration Rollback); what is in use is not taken away (Zone-Based Policy Firewall Configuration Guide); a list's entries are
tried in order and end in a refusal (Security Command Reference, `ip access-list`); 8 vtys' worth of sessions.
A start reads NVRAM alone; what runs is in memory. Of its forwarding it does only what a push can notice: whether a new session of
SSH gets in, and whether a ping finds a way.
"""

import re
import threading
import time
from ipaddress import ip_address

from provisioner.lab.devices.stand_ins import Box, Terminal
from provisioner.lab.devices.stand_ins.cisco_ios_configuration import INVALID, Configuration, Wrong

NVRAM = "startup-config"
VERSION = "15.9(3)M7"
_FACTORY = """\
version 15.9
service timestamps debug datetime msec
service timestamps log datetime msec
hostname Router
enable secret 9 $9$3JjZ8m0mVgbE2P$Xc1b8Yk1n9kQm
username {login} privilege 15 secret 9 $9$nhEmQVczB7dqsO$X.HsgL6x1il0
interface GigabitEthernet0/0
 no ip address
interface GigabitEthernet0/1
 ip address {address} 255.255.255.0
interface GigabitEthernet0/2
 no ip address
 shutdown
banner login ^C
### {login}: for those who work here # nobody else ###
^C
line con 0
line vty 0 4
 login local
 transport input ssh
"""
_SESSIONS = 8


class System:
    """From one start to the next."""

    banner = ""

    def __init__(self, box: Box) -> None:
        self.box = box
        if box.load(NVRAM) is None:
            box.save(NVRAM, _FACTORY.format(login=box.login, address=box.address if box.port == 22 else "192.168.1.1"))
        self.running = Configuration(box.load(NVRAM) or "")
        self.changed = False
        self.due: float | None = None
        self.reason, self.by = "", ""
        self.lock = threading.RLock()
        self.sessions = 0

    def admits(self, client: str) -> bool:
        """By the list on the port that the client is on."""
        with self.lock:
            own = self.box.address if self.box.port == 22 else "192.168.1.1"
            port = self.running.port_of(own)
            lists = [line.split()[2] for line in port if line.startswith("ip access-group ")]
            return ip_address(client).version == 4 and all(self.running.passes(name, 22) for name in lists)

    def login(self, user: str, password: str) -> bool:
        """The one local account."""
        return (user, password) == (self.box.login, self.box.password)

    def execute(self, line: str, terminal: Terminal) -> int:
        """As a session of one line."""
        terminal.write(self.do(line, terminal))
        return 0

    def fault(self, what: str) -> None:
        """`crash`: a software-forced reload."""
        if what == "crash":
            self.box.reboot()

    def tick(self) -> None:
        """The scheduled start."""
        if self.due is not None and time.monotonic() >= self.due:
            self.box.reboot()

    def shell(self, terminal: Terminal) -> None:
        """One vty."""
        if self.sessions >= _SESSIONS:
            return
        self.sessions += 1
        try:
            terminal.write("\n" + "\n".join(self.running.lines.get("banner login ^C", [])[:-1]) + "\n")
            self._exec(terminal)
        finally:
            self.sessions -= 1

    def _exec(self, terminal: Terminal) -> None:
        while True:
            line = terminal.line(f"\n{self.running.hostname}#").strip()
            if line in ("exit", "logout", "quit"):
                return
            if line in ("configure terminal", "conf t", "config term"):
                terminal.write("Enter configuration commands, one per line.  End with CNTL/Z.\n")
                self._configure(terminal)
            elif line:
                terminal.page(self.do(line, terminal))

    def _configure(self, terminal: Terminal) -> None:
        mode = ""
        while True:
            word = "config" if not mode else f"config-{ {'i': 'if', 'z': 'sec-zone-pair'}.get(mode[0], 'sub') }"
            line = terminal.line(f"{self.running.hostname[:20]}({word})#").rstrip()
            said = line.strip()
            if said in ("end", "\x1a"):
                return
            if said == "exit":
                if not mode:
                    return
                mode = ""
            elif said and not said.startswith("!"):
                with self.lock:
                    try:
                        mode = self.running.enter(mode, line if line.startswith(" ") else said)
                        self.changed = True
                    except Wrong as wrong:
                        terminal.write(f"{' ' * 12}^\n{wrong}\n\n" if str(wrong) == INVALID else f"{wrong}\n")

    # ------------------------------------------------------------------------------------- EXEC

    def do(self, line: str, terminal: Terminal) -> str:  # noqa: PLR0911, PLR0912 - a command each
        """A command of EXEC's; what it answers."""
        if found := re.fullmatch(r"terminal (length|width) (\d+)", line):
            if found[1] == "length":
                terminal.height = int(found[2])
            return ""
        if line == "show running-config":
            body = f"version 15.9\n{self.running.text().removeprefix('version 15.9' + chr(10))}"
            head = f"Building configuration...\n\nCurrent configuration : {len(body)} bytes\n!\n"
            return f"{head}! Last configuration change at {time.strftime('%H:%M:%S')} UTC by {self.box.login}\n!\n{body}!\nend\n"
        if line == "show startup-config":
            body = self.box.load(NVRAM) or ""
            return f"Using {len(body)} out of 262144 bytes\n!\n{body}!\nend\n"
        if line == "show version":
            minutes = int(self.box.up_s // 60)
            return (f"Cisco IOS Software, C2900 Software (C2900-UNIVERSALK9-M), Version {VERSION}, RELEASE SOFTWARE (fc1)\n"
                    f"ROM: System Bootstrap, Version 15.0(1r)M16, RELEASE SOFTWARE (fc1)\n\n"
                    f"{self.running.hostname} uptime is {minutes} minutes\nSystem returned to ROM by reload\n"
                    'System image file is "flash0:c2900-universalk9-mz.SPA.bin"\n\n'
                    "Cisco CISCO2901/K9 (revision 1.0) with 483328K/40960K bytes of memory.\nProcessor board ID FCZ000000AA\n"
                    f"Configuration register is {self.box.model or '0x2102'}\n")  # fmt: skip
        if line == "show reload":
            return self._show_reload()
        if line in ("show ip interface brief",):
            return self._interfaces()
        if line.startswith("show ip route"):
            way = next((head.split()[4] for head in self.running.lines if head.startswith("ip route 0.0.0.0")), "")
            found_way = f"Routing entry for 0.0.0.0/0, supernet\n  Routing Descriptor Blocks:\n  * {way}\n"
            return found_way if way else "% Network not in table\n"
        if line == "show ip dhcp binding":
            return (
                "Bindings from all pools not associated with VRF:\nIP address      Client-ID/      Lease expiration       Type\n"
            )
        if line in ("write memory", "copy running-config startup-config"):
            if line.startswith("copy"):
                terminal.line("Destination filename [startup-config]? ")
            self._save()
            return "Building configuration...\n[OK]\n"
        if line == "configure replace nvram:startup-config force":
            return self._replace()
        if line == "reload cancel":
            self.due = None
            return "\n\n***\n*** --- SHUTDOWN ABORTED ---\n***\n"
        if found := re.fullmatch(r"reload(?: in (\d+)(?: (.+))?)?", line):
            return self._reload(found[1], found[2] or "", terminal)
        if found := re.fullmatch(r"ping (\S+)(?: repeat (\d+))?(?: timeout (\d+))?", line):
            good = self.running.reaches(found[1], self.box.answers)
            return f"Sending 2, 100-byte ICMP Echos to {found[1]}, timeout is 1 seconds:\n{'!!' if good else '..'}\n" + (
                "Success rate is 100 percent (2/2), round-trip min/avg/max = 1/1/2 ms\n"
                if good
                else "Success rate is 0 percent (0/2)\n"
            )
        return f"{' ' * 8}^\n{INVALID}\n"

    def _save(self) -> None:
        with self.lock:
            self.box.save(NVRAM, self.running.text())
            self.changed = False

    def _replace(self) -> str:
        """All of it is made as NVRAM has it; who used to be let in by a list is asked anew, sessions live on."""
        with self.lock:
            self.running = Configuration(self.box.load(NVRAM) or "")
            self.changed = False
        return "\nTotal number of passes: 1\nRollback Done\n\n"

    def _reload(self, minutes: str | None, reason: str, terminal: Terminal) -> str:
        if self.changed:
            answer = terminal.line("\nSystem configuration has been modified. Save? [yes/no]: ")
            if answer.strip().lower() in ("y", "yes"):
                self._save()
        if minutes:
            terminal.write(f"Reload scheduled in {minutes} minutes by {self.box.login} on vty0 (192.168.1.5)\n")
            if reason:
                terminal.write(f"Reload reason: {reason}\n")
        terminal.write("Proceed with reload? [confirm]")
        if terminal.key() not in "\r\ny":
            return "\n"
        self.box.obeyed(terminal)
        terminal.write("\n")
        if not minutes:
            self.box.reboot()
        self.due, self.reason = time.monotonic() + int(minutes or 0) * self.box.minute_s, reason
        return ""

    def _show_reload(self) -> str:
        if self.due is None:
            return "No reload is scheduled.\n"
        left = int((self.due - time.monotonic()) / self.box.minute_s * 60)
        said = f"Reload scheduled for 12:00:00 UTC Sat Nov 28 2026 (in {left // 60} minutes) by {self.box.login}\n"
        return said + (f"Reload reason: {self.reason}\n" if self.reason else "")

    def _interfaces(self) -> str:
        rows = [f"{'Interface':<27}{'IP-Address':<16}OK? Method Status                Protocol"]
        for head, below in self.running.lines.items():
            if head.startswith("interface "):
                address = next((line.split()[2] for line in below if line.startswith("ip address ")), "unassigned")
                up = "up" if "shutdown" not in below else "administratively down"
                shown = "198.51.100.2" if address == "dhcp" else address
                rows.append(f"{head.split()[1]:<27}{shown:<16}YES NVRAM  {up:<22}{'up' if up == 'up' else 'down'}")
        return "\n".join(rows) + "\n"
