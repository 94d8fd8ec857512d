"""The network of its own in which the way in ends: a namespace that this process alone holds, the link in it, its rules.

Set by the office's pack; changes here are overwritten.
"""

import contextlib
import ctypes
import os
import random
import socket
import subprocess
import time

LINK = "office-remote"
STALE_S = 150  # WireGuard speaks every two minutes at least where it is kept alive (its protocol, REKEY_AFTER_TIME)
MOVE_S = 40  # a handshake is tried every 5 s
CLONE_NEWNET = 0x40000000


def enter(namespace):
    """Have this thread in another network; setns(2), which Python knows from 3.12 on."""
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def call(*words, within=None, given="", check=True):
    """What a program says, run in this machine's network or `within` another."""
    done = subprocess.run(
        words, input=given, capture_output=True, text=True, timeout=20, check=False,
        preexec_fn=None if within is None else lambda: enter(within),
    )  # fmt: skip
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout if done.returncode == 0 else ""


def resolved(endpoint):
    """`name:port` as `address:port`, where the name can be found now; else empty."""
    name, _, port = endpoint.rpartition(":")
    try:
        found = socket.getaddrinfo(name, int(port), type=socket.SOCK_DGRAM)
    except OSError:
        return ""
    family, *_, address = found[0]
    return f"[{address[0]}]:{port}" if family == socket.AF_INET6 else f"{address[0]}:{port}"


def settings(config):
    """What wg(8) is to read."""
    lines = ["[Interface]", f"PrivateKey = {config['key']}"]
    lines += [f"ListenPort = {config['port']}"] if config["port"] else []
    for peer in config["peers"]:
        lines += ["[Peer]", f"PublicKey = {peer['key']}", f"AllowedIPs = {', '.join(peer['allowed'])}"]
        if peer.get("endpoint"):
            at = resolved(peer["endpoint"])
            lines += ["PersistentKeepalive = 25", *([f"Endpoint = {at}"] if at else [])]
    return "\n".join(lines) + "\n"


def rules(config):
    """What may pass: technicians to SSH here, at the hub on to offices; nobody else, and no office to another."""
    beyond = ", ".join(config["offices"])
    onward = f"ip6 saddr {config['technicians_from']} ip6 daddr {{ {beyond} }} tcp dport 22 accept" if beyond else ""
    return f"""table inet remote
delete table inet remote
table inet remote {{
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    meta l4proto ipv6-icmp accept
    ip6 saddr {config["technicians_from"]} tcp dport 22 accept
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    {onward}
  }}
}}
"""


class Tunnel:
    """The network of its own while it is there, and the link in it."""

    def __init__(self, config):
        self.program, self.moved = None, time.monotonic()
        self.outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        self.inside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        enter(self.outside)
        try:
            self._link()
            call("wg", "setconf", LINK, "/dev/stdin", given=settings(config))
            call("ip", "link", "set", LINK, "netns", f"/proc/{os.getpid()}/fd/{self.inside}")
            call("ip", "link", "set", "lo", "up", within=self.inside)
            call("ip", "link", "set", LINK, "up", within=self.inside)
            self.filled = {}
            self.fill(config)
        except BaseException:
            self.close()
            raise

    def _link(self):
        call("ip", "link", "delete", LINK, check=False)  # of one that was killed before it had moved
        try:
            call("ip", "link", "add", LINK, "type", "wireguard")
        except RuntimeError:  # this kernel has none
            self.program = subprocess.Popen(["wireguard-go", "-f", LINK], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until = time.monotonic() + 10
            while not call("wg", "show", LINK, check=False):
                if self.program.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("neither this kernel nor wireguard-go makes a WireGuard link") from None
                time.sleep(0.1)

    def fill(self, config):
        """Have its peers, addresses, routes and rules as they are set; what goes through stays."""
        if self.filled:
            call("wg", "syncconf", LINK, "/dev/stdin", within=self.inside, given=settings(config))
        with contextlib.suppress(OSError):
            enter(self.inside)
            try:
                with open("/proc/sys/net/ipv6/conf/all/forwarding", "w") as file:
                    file.write("1" if config["offices"] else "0")
            finally:
                enter(self.outside)
        call("nft", "-f", "-", within=self.inside, given=rules(config))
        for relay in config["relays"]:
            call("ip", "address", "replace", f"{relay['listen']}/128", "dev", LINK, "nodad", within=self.inside)
        for network in [network for peer in config["peers"] for network in peer["allowed"]]:
            call("ip", "-6", "route", "replace", network, "dev", LINK, within=self.inside)
        self.filled = config

    def listen(self, address):
        """A socket for SSH there."""
        enter(self.inside)
        try:
            made = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, 22))
            made.listen(64)
            return made
        finally:
            enter(self.outside)

    def heard(self):
        """When each peer was last heard, by its key (s, epoch; 0 never), and from where."""
        rows = [line.split("\t") for line in call("wg", "show", LINK, "dump", within=self.inside, check=False).splitlines()[1:]]
        return {row[0]: (int(row[4]), row[2]) for row in rows if len(row) > 4}

    def received(self):
        """How many bytes came from all peers together."""
        rows = [line.split("\t") for line in call("wg", "show", LINK, "dump", within=self.inside, check=False).splitlines()[1:]]
        return sum(int(row[5]) for row in rows if len(row) > 5)

    def ask(self, network):
        """Send something that nobody takes: whoever has the other end owes it a sign within 10 s (WireGuard, passive keepalive).

        A keepalive of ours owes us none, so that an end whose key has changed would go on looking heard for three minutes.
        """
        enter(self.inside)
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as made:
                made.sendto(b"?", (network.partition("/")[0], 9))  # discard, RFC 863
        finally:
            enter(self.outside)

    def refresh(self):
        """Look up again where a silent peer is: its address may be another now.

        And call from another port: a router on the way that took the first call for something else goes on doing so as long as
        the same two ports speak (conntrack decides NAT once a flow), for ever where the other end's port was led on only later.
        """
        heard = self.heard()
        calls = {peer["key"] for peer in self.filled["peers"] if peer.get("endpoint")}
        silent = calls and all(time.time() - heard.get(key, (0, ""))[0] > STALE_S for key in calls)
        if silent and time.monotonic() - self.moved > MOVE_S:
            self.moved = time.monotonic()
            call("wg", "set", LINK, "listen-port", str(random.randrange(32768, 61000)), within=self.inside, check=False)
        for peer in self.filled["peers"]:
            if peer.get("endpoint") and time.time() - heard.get(peer["key"], (0, ""))[0] > STALE_S:
                at = resolved(peer["endpoint"])
                if at and at != heard.get(peer["key"], (0, ""))[1]:
                    words = ("peer", peer["key"], "endpoint", at, "persistent-keepalive", "25")
                    call("wg", "set", LINK, *words, within=self.inside, check=False)

    @property
    def broken(self):
        """Whether the program that makes the link has ended."""
        return self.program is not None and self.program.poll() is not None

    def close(self):
        """Take it all away."""
        call("ip", "link", "delete", LINK, within=self.inside, check=False)
        if self.program:
            self.program.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.program.wait(5)
        os.close(self.inside)
        os.close(self.outside)
