"""The package cache: apt-cacher-ng as a private process of the tool, and the forwarders that hand it to an office.

Each Debian package crosses the client's line once, or never when the laptop has it already. The cache listens on
127.0.0.1 only; hosts reach it through a forwarder whose socket is opened where they are (a lab's namespace, or the
laptop's LAN address for peers of that LAN). No service of the laptop is used, started or changed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from provisioner.errors import HostFailed, Missing
from provisioner.laptop.processes import Process, last_lines, recorded, start

PROGRAM = "/usr/sbin/apt-cacher-ng"
MIRROR = "http://deb.debian.org"
SLOW_S = "120"  # how long next to nothing may come (forwarder.py)

# No Remap: Debian's list of mirrors may be empty. PipelineDepth 1: without it 165 of 541 requests of a desktop's
# installation ended with "503 Connection closed" (FACTS, Lab). Without VerboseLog the log grows by two lines a package.
_CONFIGURATION = """\
CacheDir: {folder}/files
LogDir: {folder}/log
SupportDir: /usr/lib/apt-cacher-ng
BindAddress: 127.0.0.1
Port: {port}
ForeGround: 1
PipelineDepth: 1
ExThreshold: 30
NetworkTimeout: 20
FastTimeout: 4
Offlinemode: {offline}
VerboseLog: 0
{proxy}
"""


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """The running cache: `http://127.0.0.1:{port}` is a proxy for apt."""

    port: int
    pid: int
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Forward:
    """A running forwarder and where its record lies."""

    record: Path
    argv: tuple[str, ...]

    @property
    def process(self) -> Process | None:
        """The forwarder, None when it has ended."""
        process = recorded(self.record, self.argv)
        return process if process and process.alive else None


def folder() -> Path:
    """Where the packages stay, for all labs and offices of this user."""
    from provisioner.inventory.target import cache_home

    path = cache_home() / "packages"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _runtime(what: str) -> Path:
    """A file of this cache in memory; named after the cache's folder, so that two caches of one user do not mix."""
    from provisioner.inventory.target import runtime_home

    return runtime_home() / f"packages-{hashlib.sha256(str(folder()).encode()).hexdigest()[:8]}{what}"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _argv() -> list[str]:
    return [PROGRAM, "-c", str(_runtime("-conf"))]


def cache() -> CacheInfo | None:
    """The running cache, None when there is none."""
    process = recorded(_runtime(".pid"), _argv())
    if process is None or not process.alive:
        return None
    try:
        return CacheInfo(**json.loads(_runtime(".json").read_text(encoding="utf-8")) | {"pid": process.pid})
    except (OSError, ValueError, TypeError):
        return None


def ensure_cache() -> CacheInfo:
    """The package cache, started if it is not running; one per user.

    When Debian's mirror cannot be reached it serves what it has (apt-cacher-ng's Offlinemode) instead of failing, and
    is started anew, on the same port, when that changes: forwarders do not notice.

    Raises:
        Missing: apt-cacher-ng is not on this laptop.
        HostFailed: it does not answer.
    """
    with _locked(_runtime(".lock")):
        found = cache()
        if found and not _same_network(found.pid):
            return found  # we are plugged into a lab: what we can reach says nothing
        offline = not _reachable()
        if found and found.offline == offline:
            return found
        if found:
            _stop()
        return _start(found.port if found else _free_port(), offline)


def _same_network(pid: int) -> bool:
    return Path("/proc/self/ns/net").readlink() == Path(f"/proc/{pid}/ns/net").readlink()


def _start(port: int, offline: bool) -> CacheInfo:
    if not Path(PROGRAM).exists():
        raise Missing("apt-cacher-ng is not on this laptop", hint="provisioner doctor")
    via = os.environ.get("http_proxy", "")  # how this laptop itself gets out
    conf = _runtime("-conf")
    conf.mkdir(mode=0o700, exist_ok=True)
    text = _CONFIGURATION.format(folder=folder(), port=port, offline=int(offline), proxy=f"Proxy: {via}" if via else "")
    # Its control socket and pid file would else lie in /run, which only root may write.
    (conf / "acng.conf").write_text(f"{text}SocketPath: {conf}/socket\nPidFile: {conf}/pid\n", encoding="utf-8")
    process = start(_argv(), _runtime(".pid"), _runtime(".log"), root=False)
    info = CacheInfo(port, process.pid, offline)
    _runtime(".json").write_text(json.dumps(asdict(info)), encoding="utf-8")
    until = time.monotonic() + 10
    while process.alive and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return info
        time.sleep(0.02)
    process.end()
    raise HostFailed(f"apt-cacher-ng does not answer: {' / '.join(last_lines(_runtime('.log'), 3))}", hint="")


def _free_port() -> int:
    """A free port below 32768: apt-cacher-ng 3.7.4 reads a higher one as negative ("Error resolving address") [M]."""
    for _ in range(200):
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port
    raise HostFailed("no free port on 127.0.0.1 between 20000 and 32000", hint="ss -ltn")


def _reachable() -> bool:
    way = urlsplit(os.environ.get("http_proxy") or MIRROR)
    try:
        with socket.create_connection((way.hostname or "", way.port or 80), timeout=3):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def in_use() -> Iterator[CacheInfo]:
    """The cache, which nobody stops before the end of this block."""
    with _runtime(".use").open("a") as use:
        fcntl.flock(use, fcntl.LOCK_SH)
        yield ensure_cache()


def _stop_unused() -> bool:
    with _runtime(".use").open("a") as use:
        try:
            fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        _stop()
        return True


def _stop() -> None:
    process = recorded(_runtime(".pid"), _argv())
    if process:
        process.end(signal.SIGTERM)
        if not process.gone(3):
            process.end()
            process.gone(2)
    for left in (".pid", ".json", ".log"):
        _runtime(left).unlink(missing_ok=True)


def stop_cache() -> bool:
    """End the cache process unless a forwarder or a build still uses it; the files stay. True when none runs now."""
    with _locked(_runtime(".lock")):
        return cache() is None or _stop_unused()


def forget(corrupt: Iterable[str]) -> list[Path]:
    """Take out of the cache what hosts found to be other than Debian signed, by name; returns what was there.

    The cache does not look into packages: one that was damaged on the way, or a portal's page in its place, it would serve
    for ever.
    """
    names = {name for word in corrupt for name in (word, unquote(word))}
    files = [path for path in (folder() / "files").rglob("*.deb") if path.name in names]
    for path in files:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.head").unlink(missing_ok=True)
    return files


def plan_forward(
    namespace: str | None,
    bind: str,
    port: int,
    to_port: int,
    *,
    record: Path,
    network: str = "",
    while_exists: Path | None = None,
) -> Forward:
    """What `forward` with the same arguments will run; pure. For those who write it down before they start it."""
    # By its own path: root has neither this user's PYTHONPATH nor his site packages, and needs no more than that file.
    argv = [sys.executable, "-I", str(Path(__file__).with_name("forwarder.py")), bind, str(port), str(to_port)]
    argv += ["--use", str(_runtime(".use")), "--network", network, "--slow-s", SLOW_S]
    argv += ["--namespace", namespace] if namespace else []
    argv += ["--while-exists", str(while_exists)] if while_exists else []
    return Forward(record, tuple(argv))


def start_forward(planned: Forward) -> None:
    """Leave a planned forwarder running.

    Raises:
        HostFailed: the address cannot be listened on.
    """
    log = planned.record.with_suffix(".log")
    process = start(planned.argv, planned.record, log, root="--namespace" in planned.argv)
    until = time.monotonic() + 10
    while process.alive and time.monotonic() < until:
        if last_lines(log, 1) == ["listening"]:
            return
        time.sleep(0.01)
    process.end()
    raise HostFailed(f"no package cache for the office: {' / '.join(last_lines(log, 2)) or 'no answer'}")


def forward(
    namespace: str | None,
    bind: str,
    port: int,
    to_port: int,
    *,
    record: Path,
    network: str = "",
    while_exists: Path | None = None,
) -> Forward:
    """Leave a forwarder running from `bind`:`port` inside the network namespace to 127.0.0.1:`to_port` outside it.

    Args:
        namespace: its path (`/run/netns/…`); None for the laptop's own network.
        bind: address to listen on, of the namespace or of the laptop's LAN.
        port: TCP port to listen on.
        to_port: the cache's port.
        record: file that will recognise the process; its log lies beside it.
        network: only peers inside it (`192.168.1.0/24`) are served; empty for all.
        while_exists: it ends by itself within a second when this file is gone.

    Raises:
        HostFailed: the address cannot be listened on.
    """
    planned = plan_forward(namespace, bind, port, to_port, record=record, network=network, while_exists=while_exists)
    start_forward(planned)
    return planned


def stop_forward(running: Forward) -> None:
    """End a forwarder and remove its record."""
    process = running.process
    if process:
        process.end()
        process.gone(2)
    running.record.unlink(missing_ok=True)
    running.record.with_suffix(".log").unlink(missing_ok=True)
