"""RouterOS' terminal and files, over one SSH connection: short commands by the terminal, everything long by SFTP."""

import re
from typing import Any

from provisioner.errors import Unreadable
from provisioner.router.platforms import Way, hidden
from provisioner.router.platforms.connection import Connection, Refused

ANSWER_S = 120.0
FILE_BYTES = 1 << 20
# What its console says of a line that it does not take (Scripting; Command Line Interface).
ERROR = (
    r"(?i)^(?:bad command name|expected |syntax error|no such item|failure: |input does not match|invalid value|missing value|"
    r"value of .* out of range|ambiguous value|action (?:cancelled|timed out|failed)|can ?not |script error|not enough perm)"
)


class Terminal:
    """One connection."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.connection = Connection(way, "mikrotik_routeros", error=ERROR, usual="admin")
        self._prompt = rf"{re.escape(self.connection.session.base_prompt.rstrip('> '))} *>[ \t]*$"
        # netmiko presses Return until it knows the prompt: what still comes of that is over once this word is back
        self.connection.ask(":put settled", timeout_s=ANSWER_S, expect=rf"\nsettled\s+{self._prompt}")
        self.connection.prompt = self._prompt
        self._sftp: Any = None  # paramiko's SFTPClient
        self._folder: str | None = None

    @property
    def alive(self) -> bool:
        """Whether the connection is still there."""
        return bool(self.connection.session.is_alive())

    def close(self) -> None:
        """End it."""
        self.connection.close()

    def run(self, line: str) -> str:
        """What one command says.

        Raises:
            Unreachable: no answer comes.
            Unreadable: the router does not take the line.
        """
        try:
            said = self.connection.ask(line, timeout_s=ANSWER_S, hidden=hidden(line)[:80])
        except Refused as refused:
            raise Unreadable(str(refused), hint="look at the router itself") from refused
        return said.replace("\r", "").strip("\n")

    # ---------------------------------------------------------------------------------------- files

    @property
    def files(self) -> Any:
        """Its files."""
        if self._sftp is None:
            client = self.connection.session.remote_conn_pre
            assert client is not None
            self._sftp = client.open_sftp()
            self._sftp.get_channel().settimeout(ANSWER_S)
        return self._sftp

    def place(self, name: str) -> str:
        """Where a file outlives a power cut: on systems with a folder `flash` all beside it is in memory (File)."""
        if self._folder is None:
            with self.connection.speaking("its files"):
                self._folder = "flash/" if "flash" in self.files.listdir("/") else ""
        return self._folder + name

    def names(self) -> list[str]:
        """The files where ours lie, by their whole names."""
        folder = self.place("")
        with self.connection.speaking("its files"):
            return [folder + name for name in self.files.listdir(f"/{folder}")]

    def put(self, name: str, text: str) -> None:
        """Write a file."""
        with self.connection.speaking(name), self.files.open(f"/{name}", "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))

    def get(self, name: str) -> bytes | None:
        """A file; None where there is none."""
        with self.connection.speaking(name):
            try:
                with self.files.open(f"/{name}", "rb") as file:
                    return bytes(file.read(FILE_BYTES))
            except FileNotFoundError:
                return None

    def remove(self, names: list[str]) -> None:
        """Remove files."""
        with self.connection.speaking("its files"):
            for name in names:
                self.files.remove(f"/{name}")
