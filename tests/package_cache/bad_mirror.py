"""A package mirror that goes wrong when told to: between the package cache, or the hosts, and the real one."""

import contextlib
import http.client
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from provisioner.package_cache import _free_port

PORTAL = b"<!DOCTYPE html><html><head><title>Bienvenue</title></head><body><form>Votre chambre ?</form></body></html>\n"
OWN = "packages.example"  # a mirror of the test's own, signed by the test


class Mirror(ThreadingHTTPServer):
    """A proxy on 127.0.0.1 to the real mirrors; `way` is how it answers, one of the methods below by its name."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, through: int, own: Path) -> None:
        super().__init__(("127.0.0.1", _free_port()), Answer)  # as the cache takes it (package_cache)
        self.through, self.own, self.way = through, own, "good"
        self.asked: list[str] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class Answer(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Mirror

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer as the mirror was told to."""
        self.server.asked.append(self.path)
        with contextlib.suppress(OSError):
            getattr(self, self.server.way)()

    do_HEAD = do_GET

    def good(self, change: Callable[[bytes], bytes] | None = None) -> None:
        """What the real mirror says, its body changed if wanted."""
        if urlsplit(self.path).hostname == OWN:
            self.mine(change)
            return
        real = http.client.HTTPConnection("127.0.0.1", self.server.through, timeout=120)
        wanted = {name: value for name, value in self.headers.items() if name.lower() not in ("connection", "proxy-connection")}
        if change:  # the whole of it
            wanted = {name: value for name, value in wanted.items() if not name.lower().startswith(("if-", "range"))}
        real.request(self.command, self.path, headers=wanted)
        said = real.getresponse()
        body = said.read()
        if change and said.status == 200:
            body = change(body)
        self.send_response_only(said.status, said.reason)
        for name, value in said.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "keep-alive"):
                self.send_header(name, value)
        self.body(body)
        real.close()

    def mine(self, change: Callable[[bytes], bytes] | None) -> None:
        """A file of the test's own mirror."""
        path = self.server.own / urlsplit(self.path).path.lstrip("/")
        if not path.is_file():
            self.missing()
            return
        self.send_response_only(200)
        self.send_header("Last-Modified", formatdate(path.stat().st_mtime, usegmt=True))
        self.body(change(path.read_bytes()) if change else path.read_bytes())

    def body(self, content: bytes) -> None:
        """Headers end, and the content."""
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.server.way == "slow":
            for at in range(0, len(content), 500):
                self.wfile.write(content[at : at + 500])
                time.sleep(0.5 if self.server.way == "slow" else 0)  # a line that recovers does so for all that runs on it
        else:
            self.wfile.write(content[: len(content) // 2] if self.server.way == "cut" else content)

    def missing(self) -> None:
        """It has nothing of what it is asked for."""
        self.send_response_only(404, "Not HostLookup")
        self.body(b"")

    def portal(self) -> None:
        """Whatever is asked for, the page of a hotel's or café's log-in comes, and all is said to be well."""
        self.send_response_only(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.body(PORTAL)

    def down(self) -> None:
        """It hangs up."""
        self.close_connection = True

    def silent(self) -> None:
        """It takes the question and never answers."""
        time.sleep(3600)

    def cut(self) -> None:
        """Half of each answer, then the connection ends."""
        self.good(bytes)
        self.close_connection = True

    def slow(self) -> None:
        """1 kB/s."""
        self.good(bytes)

    def altered(self) -> None:
        """One byte of each file is another one; its size is the same."""
        self.good(lambda body: body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :])

    def unsigned(self) -> None:
        """Its lists bear no signature: the signed ones are not there, the plain one is what the signed one says."""
        name = self.path.rpartition("/")[2]
        if name == "InRelease" or name.endswith(".gpg"):
            self.missing()
        elif name == "Release":
            self.path = self.path.replace("Release", "InRelease")
            self.good(lambda body: body.partition(b"\n\n")[2].partition(b"-----BEGIN PGP SIGNATURE")[0])
        else:
            self.good()


@contextmanager
def mirror(through: int, own: Path) -> Iterator[Mirror]:
    """Let it answer; `through` is the port of a proxy to the real mirrors."""
    server = Mirror(through, own)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def publish(own: Path, home: Path, who: str, valid_until: str = "") -> str:
    """Make the test's own mirror: one signed, empty suite; returns the public key of who signed it."""
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--yes"]
    home.mkdir(mode=0o700, exist_ok=True)
    if not subprocess.run([*gpg, "--list-keys", who], capture_output=True, check=False).stdout:
        subprocess.run([*gpg, "--passphrase", "", "--quick-gen-key", who, "ed25519", "sign", "never"], check=True)
    suite = own / "debian/dists/stable"
    (suite / "main/binary-amd64").mkdir(parents=True, exist_ok=True)
    (suite / "main/binary-amd64/Packages").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    text = (
        f"Origin: Test\nSuite: stable\nCodename: stable\nDate: {formatdate(time.time() - 86400 * 30, usegmt=True)}\n{valid_until}"
        f"Architectures: amd64\nComponents: main\nSHA256:\n {empty} 0 main/binary-amd64/Packages\n"
    )
    signed = subprocess.run([*gpg, "--local-user", who, "--clearsign"], input=text.encode(), capture_output=True, check=True)
    (suite / "InRelease").write_bytes(signed.stdout)
    return subprocess.run([*gpg, "--armor", "--export", who], capture_output=True, text=True, check=True).stdout
