"""A real PostgreSQL for tests: Debian's programs, unpacked (`make tools`), on a socket in a temporary folder, as no root."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNPACKED = ROOT / ".venv/postgresql"


@dataclass
class PostgreSQL:
    """One server: its socket's folder; `start` and `stop` it as often as wanted."""

    programs: Path
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def socket(self) -> Path:
        """The folder of its socket."""
        return self.folder / "socket"

    def conninfo(self, database: str = "postgres") -> str:
        """How one of its databases is connected to."""
        return f"host={self.socket} user=postgres dbname={database}"

    def call(self, program: str, *words: str | Path) -> list[str]:
        """A program of it, as a user who is not root: PostgreSQL refuses that one."""
        other = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.geteuid() == 0 else []
        return [*other, str(self.programs / program), *map(str, words)]

    @property
    def environment(self) -> dict[str, str]:
        """Where its programs find their libraries."""
        found = [str(path) for path in UNPACKED.glob("**/lib/*-linux-gnu*") if path.is_dir()]
        return {**os.environ, "LC_ALL": "C", **({"LD_LIBRARY_PATH": ":".join(found)} if found else {})}

    def make(self) -> None:
        """An empty one."""
        self.socket.mkdir(mode=0o700)
        words = self.call("initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Until it answers."""
        settings = ("listen_addresses=", f"unix_socket_directories={self.socket}", "fsync=off", "jit=off", "max_connections=200")
        words = self.call("postgres", "-D", self.folder / "data", *(word for one in settings for word in ("-c", one)))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 30
        ready = self.call("pg_isready", "-q", "-h", self.socket)
        while subprocess.run(ready, env=self.environment, check=False).returncode:
            assert time.monotonic() < until and self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """At once, as a machine that is switched off in good order: connections are cut."""
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
            self.process = None

    def create(self, database: str) -> str:
        """A new empty database; how it is connected to."""
        import psycopg

        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}".encode())
        return self.conninfo(database)


def programs() -> Path | None:
    """The folder of a PostgreSQL's programs: the unpacked one, else one that is installed."""
    found = [*UNPACKED.glob("usr/lib/postgresql/*/bin/postgres"), *Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return found[0].parent if found else None


@contextlib.contextmanager
def server() -> Iterator[PostgreSQL]:
    """One for a while."""
    where = programs()
    assert where
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has 107 bytes
    found = PostgreSQL(where, folder)
    try:
        found.make()
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)
