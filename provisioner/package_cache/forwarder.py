"""What `package_cache.forward` leaves running: it carries connections from where an office's hosts are to the package cache.

apt waits as long as a byte comes now and then: a mirror that gives 1 kB/s would hold a run up for days. So where next to
nothing comes for two minutes while hosts wait, they are told so, in words that apt repeats and explain.py knows. Needs
Python's standard library alone: root, who runs it for a lab, has no other. It has one thread, so that its files and its
lock are gone with it: a process is seen as ended when its first thread has (proc_pid_stat(5)), whatever the others hold.
"""

import argparse
import asyncio
import contextlib
import ctypes
import fcntl
import os
import socket
import sys
import time
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path

CLONE_NEWNET = 0x40000000  # sched.h; os.setns is there from Python 3.12
LEAST = 4  # kB/s: slower than that, a desktop's packages take two days


def _enter(namespace: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(namespace).open("rb") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"{namespace}: {os.strerror(ctypes.get_errno())}")


def _listener(namespace: str | None, bind: str, port: int) -> socket.socket:
    """A listening socket that belongs to the namespace for ever, while this process comes back out of it."""
    if namespace:
        outside = Path("/proc/self/ns/net").open("rb")  # noqa: SIM115 - the way back, needed after setns
        _enter(namespace)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((bind, port))
    except OSError as error:
        sys.exit(f"cannot listen on {bind}:{port}: {error.strerror}")
    listener.listen(64)
    listener.setblocking(False)
    if namespace:
        _enter(f"/proc/self/fd/{outside.fileno()}")
        outside.close()
    return listener


@dataclass
class Flow:
    """What comes for all hosts together while any of them waits."""

    slow_s: float
    waiting: dict[socket.socket, socket.socket] = field(default_factory=dict)  # host -> cache
    since: float = 0.0
    came: int = 0
    refused_until: float = 0.0
    speed: float = 0.0  # kB/s, when it was last too slow

    def look(self) -> None:
        """End every connection when next to nothing came for so long; for as long again new ones are refused."""
        now = time.monotonic()
        if not self.waiting or not self.since:
            self.since, self.came = now if self.waiting else 0.0, 0
        elif now - self.since >= self.slow_s:
            speed = self.came / 1000 / (now - self.since)
            self.since, self.came = now, 0
            if speed < LEAST:
                self.speed, self.refused_until = speed, now + self.slow_s
                for end in [end for both in list(self.waiting.items()) for end in both]:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                self.waiting.clear()

    async def refuse(self, client: socket.socket) -> None:
        """Tell why, where apt shows it: in the status line (RFC 9112 §4)."""
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(loop.sock_recv(client, 1 << 16), timeout=5)
        why = f"HTTP/1.1 503 too slow: {self.speed:.1f} kB/s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        await asyncio.wait_for(loop.sock_sendall(client, why.encode()), timeout=5)


async def _pump(source: socket.socket, sink: socket.socket, flow: Flow | None = None) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while data := await loop.sock_recv(source, 1 << 18):
            await loop.sock_sendall(sink, data)
            if flow:
                flow.came += len(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


async def _serve(client: socket.socket, to_port: int, flow: Flow) -> None:
    with client, socket.socket() as cache_end, contextlib.suppress(OSError):
        if time.monotonic() < flow.refused_until:
            await flow.refuse(client)
            return
        cache_end.setblocking(False)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(cache_end, ("127.0.0.1", to_port)), timeout=10)
        flow.waiting[client] = cache_end
        try:
            await asyncio.gather(_pump(client, cache_end), _pump(cache_end, client, flow))
        finally:
            flow.waiting.pop(client, None)


async def _accept(listener: socket.socket, options: argparse.Namespace, flow: Flow) -> None:
    serving = set()
    while True:
        try:
            client, (peer, _) = await asyncio.get_running_loop().sock_accept(listener)
        except OSError:  # gone again already, or no file left for it: those served now will end
            await asyncio.sleep(0.1)
            continue
        if options.network and ip_address(peer) not in ip_network(options.network):
            client.close()
            continue
        task = asyncio.create_task(_serve(client, options.to_port, flow))
        serving.add(task)
        task.add_done_callback(serving.discard)


async def _forward(options: argparse.Namespace) -> None:
    use = Path(options.use).open("a")  # noqa: SIM115 - held until this process ends, so that nobody stops the cache
    fcntl.flock(use, fcntl.LOCK_SH)
    listener = _listener(options.namespace, options.bind, options.port)
    flow = Flow(options.slow_s)
    accepting = asyncio.create_task(_accept(listener, options, flow))
    print("listening", flush=True)
    while not accepting.done() and (options.while_exists is None or Path(options.while_exists).exists()):
        flow.look()
        await asyncio.sleep(1)
    accepting.cancel()


def main() -> None:
    """What `package_cache.forward()` leaves running."""
    command = argparse.ArgumentParser(prog="forwarder")
    command.add_argument("bind")
    command.add_argument("port", type=int)
    command.add_argument("to_port", type=int)
    command.add_argument("--use", required=True)
    command.add_argument("--network", default="")
    command.add_argument("--namespace")
    command.add_argument("--while-exists")
    command.add_argument("--slow-s", type=float, required=True)
    asyncio.run(_forward(command.parse_args()))


if __name__ == "__main__":
    main()
