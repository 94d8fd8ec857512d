"""`monitor serve`: a server as it is started, asked over the network as Prometheus and a browser do."""

import base64
import contextlib
import os
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from provisioner.findings import Level
from provisioner.monitor import curves
from tests.monitor.test_exporter import HOSTILE, finding, keep
from tests.verbs import Run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Answer(NamedTuple):
    """What came back."""

    code: int
    text: str
    headers: dict[str, str]


class Server:
    """One that runs; `get` asks it."""

    def __init__(self, base: str) -> None:
        self.base = base

    def get(self, path: str, **headers: str) -> Answer:
        """One request; an error is an answer too."""
        request = urllib.request.Request(
            self.base + path, headers={name.replace("_", "-"): said for name, said in headers.items()}
        )
        context = ssl._create_unverified_context() if self.base.startswith("https") else None
        try:
            with urllib.request.urlopen(request, timeout=20, context=context) as said:
                return Answer(said.status, said.read().decode(), dict(said.headers))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), dict(error.headers))


Start = Callable[..., Server]


@pytest.fixture
def start(run: Run, example: Path) -> Iterator[Start]:
    """Start one over the example network, with these words; ended with the test."""
    del run  # its folders are set
    running = []

    def started(*words: str | Path) -> Server:
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "provisioner.cli",
            "--inventory",
            example,
            "monitor",
            "serve",
            "--port",
            str(port),
            *words,
        ]
        mine = subprocess.Popen(list(map(str, command)), env=os.environ.copy())
        running.append(mine)
        server = Server(f"{'https' if '--certificate' in words else 'http'}://127.0.0.1:{port}")
        for _ in range(150):
            if mine.poll() is not None:  # another worker's test took the port meanwhile, and would answer for this one
                return started(*words)
            with contextlib.suppress(urllib.error.URLError):
                server.get("/-/healthy")
                time.sleep(0.3)
                if mine.poll() is None:
                    return server
            time.sleep(0.2)
        raise AssertionError("it does not answer")

    yield started
    for one in running:
        one.terminate()
        one.wait(20)


def test_prometheus_and_people_read_what_the_rounds_found(start: Start, example: Path) -> None:
    """Metrics, one office's, health; the page with the worst first, in the browser's language, and nothing that runs in it."""
    keep(example, "demo", finding("disks", Level.OK))
    keep(example, "mairie-saint-aubin", finding("units", Level.CRITICAL, HOSTILE + "<script>alert(1)</script>"))
    server = start()

    metrics = server.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "process_cpu_seconds_total" in metrics.text
    assert server.get("/probe?target=demo").text.count('office="mairie') == 0
    assert 'check="disks"' in server.get("/probe?target=demo").text
    assert server.get("/probe?target=nowhere").code == 404
    assert server.get("/-/healthy").text == "healthy\n"

    page = server.get("/", Accept_Language="fr-FR,fr;q=0.9")
    assert re.findall(r'href="/office/([a-z-]+)"', page.text) == ["mairie-saint-aubin", "association-les-hirondelles", "demo"]
    assert "critique" in page.text
    assert '<html lang="fr">' in page.text
    assert "<script" not in page.text
    assert 'http-equiv="refresh"' in page.text
    assert 'http-equiv="refresh"' not in server.get("/?still=yes").text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert 'href="/office/demo"' not in server.get("/?q=aubin").text

    keep(example, "demo", finding("disks", Level.CRITICAL))
    assert 'check="disks",ignored="no"} 3' in server.get("/probe?target=demo").text
    office = server.get("/office/demo").text
    assert "Room on the disks" in office
    assert "evidence" in office
    assert "<polyline" in office  # two rounds
    assert 'id="officesilent"' in server.get("/runbooks/offices").text
    assert server.get("/runbooks/../development").code == 404


def test_a_page_of_the_internet_cannot_have_a_browser_read_it(start: Start) -> None:
    """A name that was turned to 127.0.0.1 is not answered (DNS rebinding)."""
    answer = start().get("/metrics", Host="evil.example")
    assert answer.code == 400
    assert "provisioner_office" not in answer.text


def test_a_client_sees_their_own_office_by_a_key_and_no_more(start: Start, example: Path) -> None:
    """A wrong key, or another office's, is no page; what machines said is not on it."""
    keep(example, "demo", finding("disks", Level.WARNING))
    server = start()
    link = re.findall(r'href="(/client/demo/[0-9a-f]{32})"', server.get("/office/demo").text)[0]
    page = server.get(link).text
    assert "your co-op has something to look at" in page
    assert "evidence" not in page
    assert "/office/" not in page
    assert server.get(link[:-1] + ("0" if link[-1] != "0" else "1")).code == 404
    assert server.get(link.replace("demo", "mairie-saint-aubin")).code == 404
    assert server.get("/client/demo/%C3%A9").code == 404


def test_a_damaged_file_of_findings_is_said_and_healthy_is_not(start: Start, tmp_path: Path) -> None:
    """503 with what to do, as ExporterDown's runbook says; it goes on when the file is moved away."""
    from provisioner.inventory.target import state_home

    server = start()
    bad = state_home() / "check.sqlite"
    assert server.get("/-/healthy").code == 200
    for name in ("check.sqlite-wal", "check.sqlite-shm"):
        (state_home() / name).unlink(missing_ok=True)
    bad.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    answer = server.get("/metrics")
    assert (answer.code, server.get("/-/healthy").code) == (503, 503)
    assert "only the history of checks is lost: mv" in answer.text
    bad.rename(tmp_path / "bad")
    assert server.get("/-/healthy").code == 200


def test_elsewhere_there_is_tls_and_a_password(start: Start, tmp_path: Path, example: Path) -> None:
    """All but the health and the clients' pages ask for it; any name goes with it."""
    keep(example, "demo", finding("disks", Level.OK))
    certificate, key, password = tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "password"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*words, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    password.write_text("une phrase assez longue é\n")
    password.chmod(0o600)
    server = start("--certificate", certificate, "--key", key, "--password-file", password)

    def basic(said: str) -> str:
        return "Basic " + base64.b64encode(f"anyone:{said}".encode()).decode()

    assert server.get("/-/healthy").code == 200
    asked = server.get("/")
    assert (asked.code, asked.headers["www-authenticate"][:5]) == (401, "Basic")
    assert server.get("/metrics", Authorization=basic("une phrase assez longue")).code == 401
    assert server.get("/metrics", Authorization="Basic !!").code == 401
    page = server.get("/office/demo", Authorization=basic("une phrase assez longue é"))
    assert page.code == 200
    assert server.get(re.findall(r'href="(/client/[^"]*)"', page.text)[0]).code == 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--listen", "0.0.0.0"), "only over TLS and with a password"),
        (("--listen", "::", "--password-file", "/dev/null"), "only over TLS and with a password"),
        (("--listen", "here"), "is no address of this machine"),
        (("--certificate", "c.pem"), "a certificate and its key go together"),
        (("--certificate", "c.pem", "--key", "k.pem"), "cannot be read"),
        (("--password-file", "missing"), "cannot be read"),
        (
            ("--listen", "192.0.2.1", "--certificate", "empty", "--key", "empty", "--password-file", "long"),
            "nothing can be served",
        ),
        (("--password-file", "short"), "is shorter than 12 signs"),
        (("--password-file", "public"), "anybody on this machine can read"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, example: Path, words: tuple[str, ...], said: str) -> None:
    """Exit 2, nothing is served."""
    for name, text, mode in (
        ("short", "abc\n", 0o600),
        ("public", "a long password\n", 0o644),
        ("empty", "", 0o600),
        ("long", "a long password", 0o600),
    ):
        Path(name).write_text(text)
        Path(name).chmod(mode)
    done = run("monitor", "serve", "--inventory", example, *words)
    assert done.code == 2
    assert said in done.err


def test_a_taken_port_is_said(run: Run, example: Path) -> None:
    """With another one to try."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("monitor", "serve", "--inventory", example, "--port", str(taken.getsockname()[1]))
    assert done.code == 2
    assert "nothing can be served on 127.0.0.1" in done.err


def test_a_curve_keeps_within_its_picture() -> None:
    """One point, equal points, thousands of points, a value beyond the edge."""
    for points in ([], [(1.0, 5.0)], [(1.0, 5.0), (1.0, 5.0)], [(float(at), float(at % 7)) for at in range(5000)]):
        placed = [tuple(map(float, one.split(","))) for one in curves.curve(points, low=0.0, high=3.0).split()]
        assert len(placed) == min(len(points), curves.SHOWN)
        assert all(0 <= across <= curves.WIDTH and 0 <= down <= curves.HEIGHT for across, down in placed)
