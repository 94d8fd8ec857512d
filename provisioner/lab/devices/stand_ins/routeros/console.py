"""RouterOS' terminal: prompt, echo, safe mode, paging, what a login's name says of it.

From help.mikrotik.com: "Command Line Interface" (the prompt with identity and menu, Ctrl-C, Ctrl-D, Ctrl-X, the login's `+`
parameters:
c no colours, t no detection, e dumb, Nw and Nh the terminal's size), "Configuration Management" (safe mode: taken, released,
hijacked), "Note" (shown at login).
"""

import re

from provisioner.lab.devices.stand_ins import Gone, Terminal
from provisioner.lab.devices.stand_ins.routeros.language import ScriptError
from provisioner.lab.devices.stand_ins.routeros.shell import Killed, Shell
from provisioner.lab.devices.stand_ins.routeros.system import VERSION, Rebooting, Router

PAGE = "-- [Q quit|D dump|down]"
BANNER = f"\r\n  MikroTik RouterOS {VERSION} (c) 1999-2024       https://www.mikrotik.com/\r\n\r\nPress F1 for help\r\n\r\n"
HIJACK = "Hijacking Safe Mode from someone - unroll/release/don't take it [u/r/d]: "
BOLD, PLAIN = "\x1b[1m", "\x1b[m"


def login(name: str) -> tuple[str, str, int]:
    """An account, its letters and its terminal's height from a login's name: `admin+ct511w4098h`."""
    account, _, options = name.partition("+")
    height = re.search(r"(\d+)h", options)
    return account, re.sub(r"\d+[wh]", "", options), int(height[1]) if height else 24


class Console:
    """One session, at a terminal."""

    def __init__(self, system: Router, name: str, terminal: Terminal) -> None:
        self.system, self.terminal = system, terminal
        self.user, self.options, self.height = login(name)
        self.after_return = False
        self.said: list[str] = []
        self.shell = Shell(system, self.user, self.said.append, self.ask)

    def run(self) -> None:
        """Until it ends; an end that nobody asked for undoes what safe mode holds."""
        self.send(BANNER)
        note = self.system.single("/system note").get("note", "")
        if note:
            self.send(f"{note}\n\n")
        try:
            while True:
                self.send(self.prompt())
                self.carry_out(self.line(self.prompt()))
        except EOFError:
            if self.system.safe is not None and self.system.safe["owner"] is self:
                self.system.safe = None
        except (Gone, OSError):
            self.system.unroll(self)
        except Rebooting:
            pass

    def once(self, line: str) -> int:
        """A line that came with the connection; its exit code."""
        self.shell.ask, self.shell.paging = None, False
        try:
            self.shell.run(line)
        except ScriptError as error:
            self.said.append(f"{error}\n")
            return 1
        except (EOFError, Rebooting, Killed):
            pass
        finally:
            self.flush()
        return 0

    def send(self, text: str) -> None:
        """Write to the terminal."""
        self.terminal.write(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))

    def prompt(self) -> str:
        """As it stands before a line."""
        place = self.shell.menu.replace(" ", "/")
        mine = self.system.safe is not None and self.system.safe["owner"] is self
        text = (
            f"[{self.user}@{self.system.single('/system identity').get('name', 'MikroTik')}] {place}{'<SAFE>' if mine else '>'} "
        )
        return text if "c" in self.options else f"{BOLD}{text}{PLAIN}"

    def key(self) -> str:
        """The next byte, as a sign; `\\r\\n` is one return."""
        while True:
            sign = self.terminal.key()
            if sign == "\n" and self.after_return:
                self.after_return = False
                continue
            self.after_return = sign == "\r"
            return "\r" if sign == "\n" else sign

    def line(self, prompt: str, *, safe: bool = True) -> str:
        """One line as it is typed."""
        text = ""
        while (sign := self.key()) != "\r":
            if sign in ("\x7f", "\b"):
                self.send("\b \b" if text else "")
                text = text[:-1]
            elif sign == "\x03":
                text = ""
                break
            elif sign == "\x04" and not text:
                raise Gone
            elif sign == "\x18" and safe:
                self.safe_mode()
                prompt = self.prompt()
                self.send(prompt)
                self.terminal.channel.send(text.encode("latin-1"))
            elif sign >= " ":
                text += sign
                self.terminal.channel.send(sign.encode("latin-1"))
            elif sign == "\x15":
                text = ""
                self.send(f"\r{prompt}\x1b[K")
        self.send("\n")
        self.terminal.box.obeyed(self.terminal)
        return text.encode("latin-1").decode("utf-8", "surrogateescape")

    def safe_mode(self) -> None:
        """Ctrl-X: take it, or leave it and keep what was changed."""
        held = self.system.safe
        if held is not None and held["owner"] is self:
            self.system.safe = None
            self.send("\r\n[Safe Mode released]\r\n")
            return
        if held is not None:
            self.send(f"\r\n{HIJACK}")
            choice = self.key().lower()
            if choice not in ("u", "r"):
                self.send("\r\n")
                return
            if choice == "u":
                self.system.unroll(held["owner"])
        self.system.take_safe(self)
        self.send("\r\n[Safe Mode taken]\r\n")

    def ask(self, question: str) -> str:
        """Ask the person at the terminal."""
        self.flush()
        self.send(question)
        return self.line(question, safe=False)

    def carry_out(self, line: str) -> None:
        """Do what a line says; what it gives is shown page by page."""
        self.shell.paging = True
        try:
            self.shell.run(line)
        except ScriptError as error:
            self.said.append(f"{error}\r\n")
        except Killed:
            pass
        except Rebooting:
            self.flush()
            raise
        self.flush(pages=self.shell.paging)

    def flush(self, *, pages: bool = False) -> None:
        """Show what was said."""
        text = "".join(self.said)
        self.said.clear()
        lines = text.splitlines(keepends=True)
        while pages and len(lines) > self.height - 1:
            self.send("".join(lines[: self.height - 1]) + PAGE)
            lines = lines[self.height - 1 :]
            key = self.key().lower()
            self.send("\r\x1b[K")
            if key == "q":
                return
            pages = key != "d"
        self.send("".join(lines))
