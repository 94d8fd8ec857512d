#!/usr/bin/python3
"""office-remote: the way in for maintenance, as the office has it: a WireGuard tunnel that the office opens and can close.

Set by the office's pack; changes here are overwritten. The tunnel ends in a network of its own inside this machine (a network
namespace, held by this process alone): nothing of the machine listens there but what is opened below, one address for each host
of the office, from where SSH and nothing else is led on to it. At the hub that network also leads technicians on to offices,
never an office to another.

  office-remote serve                      what systemd runs
  office-remote status | close | open      for whoever administers this machine; `note` reads why somebody came
  office-remote try                        status, and whether the hub answers now; up to 16 s
"""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import unicodedata

sys.path.insert(0, "/usr/local/lib/office-remote")

import tunnel

CONFIG = "/etc/office-remote/config.json"
CLOSED = "/var/lib/office-remote/closed"
LOG = "/var/log/office-remote.log"
SOCKET = "/run/office-remote/socket"
LINES = 2000  # of the log that are kept
PAUSE_S = 60  # without a connection: a visit has ended
LOOK_S = 5
ANSWER_S = 16  # WireGuard, its whitepaper 6.5: a sign is owed within KEEPALIVE_TIMEOUT, 10 s, then REKEY_TIMEOUT, 5 s

FRENCH = {
    "{who} is here ({host})": "{who} est là ({host})",
    "{who} says why: {because}": "{who} dit pourquoi : {because}",
    "{who} has left; was here {minutes} min": "{who} est parti(e) ; présence : {minutes} min",
    "somebody unknown was refused ({address})": "quelqu’un d’inconnu a été refusé ({address})",
    "closed by {who}": "fermé par {who}",
    "opened by {who}": "ouvert par {who}",
}


def plain(text, most=300):
    """A text on one line, without what steers a terminal or turns its direction."""
    kept = "".join(" " if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp") else sign for sign in str(text))
    return " ".join(kept.split())[:most]


# --- what runs ------------------------------------------------------------------------------------------------------------


def read():
    """The settings, and a digest of this program: another one is to run once nobody is in."""
    with open(CONFIG, encoding="utf-8") as file:
        return json.load(file)


def itself():
    """A digest of this program as it is on disk."""
    total = hashlib.sha256()
    for path in (__file__, tunnel.__file__):
        with open(path, "rb") as file:
            total.update(file.read())
    return total.hexdigest()


class Service:
    """The tunnel, the ways from it to the office's hosts, and the switch."""

    def __init__(self):
        self.config, self.version = read(), itself()
        self.tunnel, self.servers, self.open = None, {}, set()
        self.visits = {}  # who -> [since, last seen, how many connections]
        self.told = {}  # addresses that were refused, and when that was said
        self.problem = ""

    def log(self, text, **words):
        """Add a line to what the office's people can read."""
        if self.config["language"] == "fr":
            text = FRENCH[text]
        words = {name: plain(word) for name, word in words.items()}
        line = f"{time.strftime('%Y-%m-%d %H:%M')}  {text.format(**words)}"
        try:
            with open(LOG, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            lines = []
        with open(f"{LOG}.part", "w", encoding="utf-8") as file:
            file.write("\n".join([*lines[1 - LINES :], line]) + "\n")
        os.chmod(f"{LOG}.part", 0o644)
        os.rename(f"{LOG}.part", LOG)

    def lines(self, most=40):
        """The log's last lines."""
        try:
            with open(LOG, encoding="utf-8") as file:
                return file.read().splitlines()[-most:]
        except FileNotFoundError:
            return []

    async def look(self):
        """Have all as it is to be now: open or closed, the peers found, the visits ended that have."""
        if os.path.exists(CLOSED) or (self.tunnel and self.tunnel.broken):
            await self.down()
        if not os.path.exists(CLOSED) and not self.tunnel:
            try:
                self.tunnel = tunnel.Tunnel(self.config)
                self.problem = ""
            except (OSError, RuntimeError, subprocess.TimeoutExpired) as problem:
                self.problem = plain(problem)
        if self.tunnel:
            try:
                await self.relays()
                self.tunnel.refresh()
            except (OSError, RuntimeError, subprocess.TimeoutExpired) as problem:
                self.problem = plain(problem)
        for who, (since, seen, count) in list(self.visits.items()):
            if not count and time.time() - seen > PAUSE_S:
                del self.visits[who]
                self.log("{who} has left; was here {minutes} min", who=who, minutes=max(1, round((seen - since) / 60)))
        if not self.open and itself() != self.version:
            await self.down()
            os.execv(sys.executable, [sys.executable, "-I", __file__, "serve"])

    async def relays(self):
        """One listener for each host, at its address of the tunnel."""
        wanted = {relay["listen"]: relay for relay in self.config["relays"]}
        for address in [address for address in self.servers if self.servers[address][1] != wanted.get(address)]:
            self.servers.pop(address)[0].close()
        for address, relay in wanted.items():
            if address not in self.servers:

                def came(reader, writer, relay=relay):
                    return self.lead(reader, writer, relay)

                self.servers[address] = (await asyncio.start_server(came, sock=self.tunnel.listen(address)), relay)  # fmt: skip

    async def down(self):
        """Close all: who is in is out."""
        for server, _ in self.servers.values():
            server.close()
        self.servers = {}
        for task in list(self.open):
            task.cancel()
        if self.open:
            await asyncio.wait(self.open, timeout=3)
        if self.tunnel:
            self.tunnel.close()
        self.tunnel = None

    async def lead(self, reader, writer, relay):
        """Lead a technician's connection on to the host."""
        task, address = asyncio.current_task(), writer.get_extra_info("peername")[0]
        who = self.config["technicians"].get(address)
        if not who:
            if time.time() - self.told.get(address, 0) > 3600:
                self.told = {address: time.time(), **dict(list(self.told.items())[:99])}
                self.log("somebody unknown was refused ({address})", address=address)
            writer.close()
            return
        self.open.add(task)
        if who not in self.visits:
            self.visits[who] = [time.time(), time.time(), 0]
            self.log("{who} is here ({host})", who=who, host=relay["host"])
        self.visits[who][2] += 1
        onward = None
        try:
            there, onward = await asyncio.wait_for(asyncio.open_connection(relay["to"], 22), 10)
            both = [asyncio.ensure_future(carry(reader, onward)), asyncio.ensure_future(carry(there, writer))]
            try:
                await asyncio.gather(*both)
            finally:
                for one in both:
                    one.cancel()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self.open.discard(task)
            if who in self.visits:
                self.visits[who][1:] = [time.time(), self.visits[who][2] - 1]
            for one in (writer, onward):
                if one:
                    one.transport.abort()

    def state(self):
        """How it is now, for whoever asks."""
        heard = self.tunnel.heard() if self.tunnel else {}
        try:
            with open(CLOSED, encoding="utf-8") as file:
                closed = json.load(file)
        except FileNotFoundError:
            closed = None
        except ValueError:
            closed = {"by": "", "at": 0}
        peers = [
            {"name": peer["name"], "heard": heard.get(peer["key"], (0, ""))[0], "from": heard.get(peer["key"], (0, ""))[1]}
            for peer in self.config["peers"]
        ]
        here = [{"who": who, "since": round(since)} for who, (since, *_) in self.visits.items()]
        said = {"closed": closed, "up": self.tunnel is not None, "problem": self.problem, "peers": peers, "here": here}
        return {**said, "now": round(time.time()), "user_space": bool(self.tunnel and self.tunnel.program)}

    async def answered(self):
        """Whether the hub gives a sign of life now, by the key that is known here."""
        if not self.tunnel or not self.config["peers"]:
            return False
        before, until = self.tunnel.received(), time.monotonic() + ANSWER_S
        self.tunnel.ask(self.config["technicians_from"])
        while self.tunnel and time.monotonic() < until:
            await asyncio.sleep(0.2)
            if self.tunnel and self.tunnel.received() > before:
                return True
        return False

    async def switch(self, do, who):
        """Close or open, for good: also after a restart, also after an apply."""
        if do == "close" and not os.path.exists(CLOSED):
            with open(f"{CLOSED}.part", "w", encoding="utf-8") as file:
                json.dump({"by": who, "at": int(time.time())}, file)
                file.flush()
                os.fsync(file.fileno())
            os.rename(f"{CLOSED}.part", CLOSED)
            self.log("closed by {who}", who=who)
        elif do == "open" and os.path.exists(CLOSED):
            os.unlink(CLOSED)
            self.log("opened by {who}", who=who)
        await self.look()

    async def answer(self, reader, writer, *, inside):
        """One question, one answer, each a line of JSON; `inside` is this machine's root, else somebody on the LAN."""
        try:
            asked = json.loads(await asyncio.wait_for(reader.readline(), 5))
            do, who = asked.get("do"), plain(asked.get("who", ""), 60)
            if not inside:
                who = f"{who} ({writer.get_extra_info('peername')[0]})"
            if do in ("close", "open"):
                await self.switch(do, who)
            elif do == "note" and inside:
                self.log("{who} says why: {because}", who=who, because=asked.get("because", ""))
            more = {"answered": await self.answered()} if do == "try" and inside else {}
            said = {**self.state(), **more}
            if not inside:
                said = {word: said[word] for word in ("closed", "up", "here", "now")}
            writer.write(json.dumps({**said, "log": self.lines()}).encode() + b"\n")
            await asyncio.wait_for(writer.drain(), 5)
        except (ValueError, AttributeError, OSError, TimeoutError):
            pass
        finally:
            writer.close()

    def reload(self):
        """Read the settings again; who is in stays in, unless it is their way that has gone."""
        before, self.config = self.config, read()
        if self.tunnel and any(before[word] != self.config[word] for word in ("key", "port")):
            self.tunnel.filled = {}
        if self.tunnel:
            try:
                if not self.tunnel.filled:
                    tunnel.call(
                        "wg", "setconf", tunnel.LINK, "/dev/stdin", within=self.tunnel.inside, given=tunnel.settings(self.config)
                    )
                self.tunnel.fill(self.config)
            except (OSError, RuntimeError, subprocess.TimeoutExpired) as problem:
                self.problem = plain(problem)

    async def serve(self):
        """Until systemd says that it is enough."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET)
        await asyncio.start_unix_server(lambda r, w: self.answer(r, w, inside=True), SOCKET, limit=4096)
        os.chmod(SOCKET, 0o600)
        if self.config["switch"]:
            await asyncio.start_server(lambda r, w: self.answer(r, w, inside=False), port=self.config["switch"], limit=4096)
        while not ended.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(ended.wait(), LOOK_S)
        await self.down()


async def carry(reader, writer):
    """All that one end says, to the other."""
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def ask(do, **more):
    """Have the service do it."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect(SOCKET)
        line.sendall(json.dumps({"do": do, "who": os.environ.get("SUDO_USER", "root"), **more}).encode() + b"\n")
        with line.makefile() as said:
            return json.loads(said.readline())


def main():
    """By its word."""
    do = sys.argv[1] if len(sys.argv) == 2 else ""
    if do == "serve":
        asyncio.run(Service().serve())
    elif do in ("status", "close", "open", "note", "try"):
        given = json.loads(sys.stdin.readline()) if do == "note" else {}
        print(json.dumps(ask(do, **given), ensure_ascii=False, indent=None if do == "note" else 1))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
