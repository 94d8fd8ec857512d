"""The package cache is one process of ours, survives what it should, and serves only whom it should."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner import package_cache
from provisioner.errors import HostFailed
from provisioner.explain import corrupt
from provisioner.laptop.processes import Process, recorded, start


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[package_cache.CacheInfo]:
    """A cache of the test's own, which believes that the mirror is there."""
    runtime = tempfile.mkdtemp(dir="/dev/shm", prefix="provisioner-test-")  # its socket's path may have 107 bytes (unix(7))
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(package_cache, "_reachable", lambda: True)
    yield package_cache.ensure_cache()
    package_cache.stop_cache()
    assert package_cache.cache() is None
    shutil.rmtree(runtime)


def echo() -> int:
    """A server that answers `heard` once to each connection; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            client, _ = server.accept()
            with client:
                client.sendall(b"heard " + client.recv(100))

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def ask(port: int) -> bytes:
    """What a connection to `port` answers to one word."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        try:
            client.sendall(b"word")
            return client.recv(100)
        except ConnectionError:
            return b""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_one_cache_for_all(cache: package_cache.CacheInfo) -> None:
    """Whoever asks for the cache gets the one that runs."""
    assert package_cache.ensure_cache() == cache
    assert package_cache.cache() == cache


def test_cache_listens_to_this_laptop_only(cache: package_cache.CacheInfo) -> None:
    """The cache is no service: it listens on 127.0.0.1 and nowhere else."""
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    bound = [line.split()[1] for line in listening.splitlines() if line.split()[3] == "0A"]

    assert [b for b in bound if b.endswith(f":{cache.port:04X}")] == [f"0100007F:{cache.port:04X}"]


def test_killed_cache_is_started_again(cache: package_cache.CacheInfo) -> None:
    """A cache that died is no longer the cache; the next who asks gets a new one."""
    os.kill(cache.pid, 9)
    process = recorded(package_cache._runtime(".pid"), package_cache._argv())
    assert process is not None and process.gone(5)

    assert package_cache.cache() is None
    assert package_cache.ensure_cache().pid != cache.pid


@pytest.mark.usefixtures("cache")
def test_cache_in_use_is_not_stopped() -> None:
    """Nobody ends the cache while somebody installs from it."""
    with package_cache.in_use() as used:
        assert not package_cache.stop_cache()
        assert used == package_cache.cache()
    assert package_cache.stop_cache()
    assert package_cache.folder().is_dir()


def test_cache_notices_that_the_mirror_is_gone(cache: package_cache.CacheInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the Internet the cache serves what it has, on the same port, and notices when the mirror is back."""
    monkeypatch.setattr(package_cache, "_reachable", lambda: False)
    offline = package_cache.ensure_cache()
    assert (offline.port, offline.offline) == (cache.port, True)

    monkeypatch.setattr(package_cache, "_reachable", lambda: True)
    assert package_cache.ensure_cache().offline is False


@pytest.mark.usefixtures("cache")
def test_forwarder_carries_both_ways(tmp_path: Path) -> None:
    """What is asked at the forwarder is answered by what lies behind it; while it runs, the cache stays."""
    port = free_port()
    forward = package_cache.forward(None, "127.0.0.1", port, echo(), record=tmp_path / "forward")
    assert ask(port) == b"heard word"
    assert not package_cache.stop_cache()

    package_cache.stop_forward(forward)
    assert forward.process is None
    assert package_cache.stop_cache()
    with pytest.raises(ConnectionRefusedError):
        ask(port)


@pytest.mark.usefixtures("cache")
def test_a_forwarder_ended_at_work_holds_the_cache_no_longer(tmp_path: Path) -> None:
    """A lab taken down while its hosts install: once its forwarder has ended nothing of it keeps the cache."""
    for _ in range(8):
        package_cache.ensure_cache()
        port = free_port()
        forward = package_cache.forward(None, "127.0.0.1", port, trickle(), record=tmp_path / "forward")
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            assert client.recv(10) == b"x"
            package_cache.stop_forward(forward)
            assert package_cache.stop_cache()


def trickle() -> int:
    """A server that answers ten bytes a second, for ever; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while True:
                client.sendall(b"x")
                time.sleep(0.1)

    def accept() -> None:
        while True:
            threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(server.getsockname()[1])


@pytest.mark.case("F6")
@pytest.mark.usefixtures("cache")
def test_a_file_that_is_not_what_debian_signed_leaves_the_cache() -> None:
    """A damaged package is fetched anew by the next run; nothing but the named files goes, whatever a host says."""
    pool = package_cache.folder() / "files/deb.debian.org/debian/pool"
    pool.mkdir(parents=True)
    names = ("bad_1+2_all.deb", "bad_1+2_all.deb.head", "good_1_all.deb", "other_1_all.deb")
    for name in names:
        (pool / name).touch()
    outside = package_cache.folder().parent / "other_1_all.deb"
    outside.touch()
    said = (
        "E: Failed to fetch http://deb.debian.org/debian/pool/main/b/bad/bad_1%2b2_all.deb  Hash Sum mismatch\n"
        "E: Failed to fetch http://deb.debian.org/debian/pool/main/g/good/good_1_all.deb  404  Not Found\n"
        "E: Failed to fetch http://x/../../../other_1_all.deb/  Hash Sum mismatch\n"
    )

    assert package_cache.forget(corrupt(said)) == [pool / "bad_1+2_all.deb"]
    assert sorted(path.name for path in pool.iterdir()) == ["good_1_all.deb", "other_1_all.deb"]
    assert outside.exists()


@pytest.mark.case("F6")
@pytest.mark.usefixtures("cache")
def test_forwarder_says_that_next_to_nothing_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trickle does not hold a run up for days: the host's connection ends, and the next one is told why, for a while."""
    monkeypatch.setattr(package_cache, "SLOW_S", "2")
    port = free_port()
    forward = package_cache.forward(None, "127.0.0.1", port, trickle(), record=tmp_path / "forward")
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            heard = [client.recv(1000) for _ in range(300)]
            assert heard[-1] == b""
        assert ask(port).startswith(b"HTTP/1.1 503 too slow: 0.0 kB/s\r\n")
    finally:
        package_cache.stop_forward(forward)


@pytest.mark.usefixtures("cache")
def test_forwarder_serves_only_its_network(tmp_path: Path) -> None:
    """A peer from outside the office's network gets nothing."""
    port = free_port()
    forward = package_cache.forward(None, "127.0.0.1", port, echo(), record=tmp_path / "forward", network="192.168.1.0/24")
    assert ask(port) == b""
    package_cache.stop_forward(forward)


@pytest.mark.usefixtures("cache")
def test_forwarder_ends_with_its_lab(tmp_path: Path) -> None:
    """A forwarder whose lab is gone ends by itself."""
    lab = tmp_path / "lab.json"
    lab.touch()
    forward = package_cache.forward(None, "127.0.0.1", free_port(), 9, record=tmp_path / "forward", while_exists=lab)
    process = forward.process
    lab.unlink()

    assert process is not None and process.gone(5)


@pytest.mark.usefixtures("cache")
def test_taken_address_is_said(tmp_path: Path) -> None:
    """A port somebody else listens on is a clear message, and no process stays."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HostFailed, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*Address already in use"):
            package_cache.forward(None, "127.0.0.1", port, 9, record=tmp_path / "forward")


def test_another_process_under_a_recorded_pid_is_never_ended(tmp_path: Path) -> None:
    """Pids come round: a record whose start time or command line does not match ends nobody."""
    innocent = subprocess.Popen(["sleep", "60"])
    try:
        ours = start(["/bin/sleep", "61"], tmp_path / "record", tmp_path / "log")
        assert ours.alive
        for forged in (
            Process(innocent.pid, ours.start, ours.argv),
            Process(innocent.pid, ours.start - 100, ("sleep", "60")),
            Process(ours.pid, ours.start + 1, ours.argv),
            Process(ours.pid, ours.start, ("/bin/sleep", "62")),
        ):
            assert not forged.alive
            forged.end()
        assert innocent.poll() is None
        assert ours.alive
        ours.end()
        assert ours.gone(5)
    finally:
        innocent.kill()
        innocent.wait()


def test_program_that_cannot_start_is_said(tmp_path: Path) -> None:
    """A program that cannot be run is reported with its last words."""
    with pytest.raises(HostFailed, match=r"/no/such did not start: .*not found"):
        start(["/no/such", "word"], tmp_path / "record", tmp_path / "log")
