"""What a scrape costs: ten thousand offices with twenty series each, to the same series as prometheus_client's Gauges."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests import network
from tests.deep.bench_lab import Place
from tests.deep.bench_tools import ROOT, Broken, Number, at_most_one_in, environment, in_turn, say

OFFICES, SERIES = 10_000, 20
SCRAPES = 4
MEMORY_MIB = 80

FILL = """
import sys
from pathlib import Path
from provisioner.check import store
from provisioner.findings import Finding, Level
from provisioner.inventory.target import Target
root, offices, series = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with store.store() as file:
    file.execute("PRAGMA synchronous=OFF")
    for n in range(offices):
        found = [
            Finding(f"check-{at // 5}", Level(at % 4), "{host} answers.", {"host": host}, host, "evidence " * 9)
            for at in range(series)
            for host in (f"host-{at % 5}",)
        ]
        store.keep(file, Target(root, f"office-{n:05d}"), found, 3, took_s=1.0, samples={})
"""
GAUGES = """
import sys, threading
from prometheus_client import CollectorRegistry, Gauge, make_wsgi_app
from wsgiref.simple_server import WSGIRequestHandler, make_server
port, offices, series = map(int, sys.argv[1:])
registry = CollectorRegistry()
level = Gauge("provisioner_check_level", "level", ("office", "host", "check", "ignored"), registry=registry)
for n in range(offices):
    for at in range(series):
        level.labels(f"office-{n:05d}", f"host-{at % 5}", f"check-{at // 5}", "no").set(at % 4)
class Silent(WSGIRequestHandler):
    def log_message(self, *_): pass
make_server("127.0.0.1", port, make_wsgi_app(registry), handler_class=Silent).serve_forever()
"""


def monitor(place: Place) -> list[Number]:
    """What Prometheus' scrape of everything costs, and what the server keeps in memory."""
    say(f"writing {OFFICES} offices and a report of {SERIES} findings for each")
    root = network.generate(place.folder / "watched", OFFICES)
    for name in ("state", "cache"):
        (place.folder / name).mkdir(exist_ok=True)
    env = environment(XDG_STATE_HOME=str(place.folder / "state"), XDG_CACHE_HOME=str(place.folder / "cache"))
    subprocess.run([sys.executable, "-c", FILL, root, str(OFFICES), str(SERIES)], env=env, cwd=ROOT, check=True)
    ports = [_free(), _free()]
    words = ["-m", "provisioner.cli", "--inventory", str(root), "monitor", "serve", "--port", str(ports[0])]
    ours = subprocess.Popen([sys.executable, *words], env=env, cwd=ROOT)
    theirs = subprocess.Popen([sys.executable, "-c", GAUGES, str(ports[1]), str(OFFICES), str(SERIES)], env=env, cwd=ROOT)
    try:
        for port in ports:
            size = _scrape(port, patience_s=300)
            say(f"  port {port}: {size:,} bytes")
        seen = in_turn(7, ours=_cost(ours, ports[0]), theirs=_cost(theirs, ports[1]))
        memory = _peak_mib(ours.pid)
        say(f"  memory: ours {memory:.0f} MiB at most, theirs {_peak_mib(theirs.pid):.0f} MiB")
    finally:
        for process in (ours, theirs):
            process.terminate()
            process.wait(30)
    what = f"monitor: /metrics of {OFFICES:,} offices x {SERIES} series"
    return [
        at_most_one_in(
            f"{what}, to the same as prometheus_client's Gauge objects (CPU of a scrape)", 10, seen["ours"], seen["theirs"]
        ),
        Number(f"{what}, memory at its peak", f"{MEMORY_MIB} MiB", f"{memory:.0f} MiB", memory <= MEMORY_MIB),
    ]


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _scrape(port: int, patience_s: float = 0.0) -> int:
    """One scrape; the bytes that came."""
    until = time.monotonic() + patience_s
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            size = len(answer.read())
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise Broken(f"nobody answers on port {port}") from None
            time.sleep(0.5)
            continue
        if answer.status != 200:
            raise Broken(f"port {port} answers {answer.status}")
        return size


def _cost(process: "subprocess.Popen[bytes]", port: int) -> Callable[[], float]:
    """The CPU seconds that a scrape takes of its server; several, because the kernel counts in hundredths."""

    def measure() -> float:
        before = _cpu_s(process.pid)
        for _ in range(SCRAPES):
            _scrape(port)
        return (_cpu_s(process.pid) - before) / SCRAPES

    return measure


def _cpu_s(pid: int) -> float:
    """User and system time of a process, of threads that ended too (proc(5))."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
