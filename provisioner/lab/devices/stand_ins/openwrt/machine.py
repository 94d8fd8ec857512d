"""OpenWrt's own parts: procd with its services, netifd, dnsmasq, fw4 in force, the kernel's files, a start and a restart.

From the documents: openwrt.org, "Procd service scripts" (`procd_open_instance`, `procd_set_param command|respawn`, a service
that ends is started again; threshold, timeout, retry, 0 of those for ever; the same instance set again is left running),
"Init scripts" (`enable` makes `/etc/rc.d/S<START>name`, which run in their order at a start); base-files' rc.common;
/proc (proc(5)).
A staged change that was not committed is already seen by whatever reads its package (libuci, uci_load).
"""

import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from typing import Any

from provisioner.lab.devices.stand_ins import Box
from provisioner.lab.devices.stand_ins.openwrt import factory, firewall, uci_files
from provisioner.lab.devices.stand_ins.openwrt.files import Failed, Files
from provisioner.lab.devices.stand_ins.openwrt.shell import Input, Killed, Process, Shell, Streams
from provisioner.lab.devices.stand_ins.openwrt.uci_files import Package, Wrong, load

Nets = dict[str, dict[str, Any]]


@dataclass
class Instance:
    """One instance of a service of procd's."""

    words: list[str]
    respawn: tuple[int, int, int] | None
    process: Process | None = None
    stopped: threading.Event = field(default_factory=threading.Event)


def silent() -> Streams:
    """Nothing comes in, and nobody reads."""
    return Streams(Input(), lambda _data: None, lambda _data: None)


class Machine:
    """From one start to the next."""

    def __init__(self, box: Box, address: str, commands: Mapping[str, Any]) -> None:
        self.box, self.address, self.commands = box, address, commands
        self.files = Files(box)
        self.lock = threading.RLock()
        self.started, self.boot_id = time.monotonic(), str(uuid.uuid4())
        self.processes: dict[int, Process] = {}
        self.services: dict[str, Instance] = {}
        self.pids = itertools.count(1200)
        self.networks: Nets = {}
        self.ruleset: firewall.Ruleset | None = None
        self.names: Package | None = None
        self.hostname = "OpenWrt"
        upper = "overlayfs:/tmp/root" if box.model == "without flash" else "overlayfs:/overlay"
        self.files.made |= {
            "/proc/uptime": self._uptime,
            "/proc/sys/kernel/random/boot_id": f"{self.boot_id}\n".encode,
            "/proc/mounts": f"/dev/root /rom squashfs ro 0 0\n{upper} / overlay rw,noatime 0 0\n".encode,
        }
        if self.files.new:
            self._factory()

    def _uptime(self) -> bytes:
        return f"{self.up_s:.2f} {self.up_s:.2f}\n".encode()

    @property
    def up_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def _factory(self) -> None:
        for folder in ("/etc", "/root", "/etc/config", "/etc/init.d", "/etc/rc.d"):
            self.files.mkdir(folder)
        for name, text in factory.PACKAGES.items():
            self.files.write(f"/etc/config/{name}", text.format(address=self.address).encode(), mode=0o600)
        for name, start in factory.SERVICES.items():
            self.files.write(f"/etc/init.d/{name}", b"#!/bin/sh /etc/rc.common\n# the system's own\n", mode=0o755)
            self.files.symlink(f"../init.d/{name}", f"/etc/rc.d/S{start:02}{name}")
        self.files.sync()

    def boot(self) -> None:
        """The start: each script of /etc/rc.d, in order."""
        process = self.new_process(["/etc/rc"])
        shell = Shell(self, process, ["/etc/rc"])
        for name in self.files.listing("/etc/rc.d"):
            if name.startswith("S"):
                shell.call(["rc.common", f"/etc/rc.d/{name}", "boot"], silent())

    def reboot(self) -> None:
        """As `reboot` does: what was written is written."""
        self.files.sync()
        self.box.reboot()

    # ------------------------------------------------------------------------------------------ processes

    def step(self, process: Process, words: list[str]) -> None:
        """A command that may change something is about to run: a moment at which something may go wrong."""
        del words
        process.check()
        self.box.step(process)
        process.check()

    def new_process(self, words: list[str], terminal: Any = None) -> Process:
        """One that its parent waits for."""
        process = Process(next(self.pids), words, terminal)
        self.processes[process.pid] = process
        return process

    def spawn(self, words: list[str], work: Callable[[Process], int], terminal: Any = None) -> Process:
        """One of its own."""
        process = self.new_process(words, terminal)

        def run() -> None:
            try:
                process.status = work(process)
            except Killed:
                process.status = 137
            finally:
                process.ended.set()

        threading.Thread(target=run, daemon=True).start()
        return process

    # ------------------------------------------------------------------------------------------ procd

    def service_set(self, name: str, words: list[str], respawn: tuple[int, int, int] | None) -> None:
        """A service's instance: the one that runs is kept where it is the same."""
        with self.lock:
            there = self.services.get(name)
            if there and there.words == words and not there.stopped.is_set():
                return
            self.service_delete(name)
            instance = Instance(words, respawn)
            self.services[name] = instance
            self._run(instance)
            threading.Thread(target=self._supervise, args=(instance,), daemon=True).start()

    def service_delete(self, name: str) -> None:
        """Stop a service."""
        with self.lock:
            if instance := self.services.pop(name, None):
                instance.stopped.set()
                if instance.process:
                    instance.process.killed.set()

    def _run(self, instance: Instance) -> None:
        def work(process: Process) -> int:
            text = self.files.read(instance.words[0]).decode("utf-8", "surrogateescape")
            return Shell(self, process, instance.words).run(text, silent())

        instance.process = self.spawn(instance.words, work)

    def _supervise(self, instance: Instance) -> None:
        crashes = 0
        while True:
            began = time.monotonic()
            assert instance.process
            instance.process.ended.wait()
            if instance.stopped.is_set() or instance.respawn is None:
                return
            threshold, timeout, retry = instance.respawn
            crashes = 0 if time.monotonic() - began >= threshold else crashes + 1
            if retry and crashes > retry:
                return  # procd: in a crash loop
            if instance.stopped.wait(timeout):
                return
            with self.lock:
                if instance.stopped.is_set():
                    return
                self._run(instance)

    def kill_helpers(self) -> None:
        """The fault `helper`: what procd runs is killed."""
        with self.lock:
            for instance in self.services.values():
                if instance.process:
                    instance.process.killed.set()

    # ------------------------------------------------------------------------------------------ the system's services

    def service(self, name: str, action: str, streams: Streams) -> int:
        """An init script of the system's own."""
        work = {"network": self._network, "firewall": self._firewall, "dnsmasq": self._dnsmasq, "system": self._system}.get(name)
        try:
            if name == "firewall":
                return self._firewall(action, streams)
            if work is not None and action in ("boot", "start", "restart", "reload"):
                work(action, streams)
            elif name == "dnsmasq" and action == "stop":
                self.names = None
            elif name == "network" and action == "stop":
                self.networks = {}
        except Wrong as wrong:
            streams.err(f"uci: {wrong}\n".encode())
            return 1
        return 0

    def package(self, name: str) -> Package:
        """A package as services read it."""
        return load(self.files, name)

    def _network(self, _action: str, _streams: Streams) -> int:
        found: Nets = {}
        for one in self.package("network").sections:
            if one.type == "interface" and str(one.options.get("disabled", "0")) != "1":
                found[one.name] = dict(one.options)
        self.networks = found
        return 0

    def _dnsmasq(self, _action: str, _streams: Streams) -> int:
        self.names = self.package("dhcp")
        return 0

    def _system(self, _action: str, _streams: Streams) -> int:
        named = next((one for one in self.package("system").sections if one.type == "system"), None)
        self.hostname = str(named.options.get("hostname", "OpenWrt")) if named else "OpenWrt"
        return 0

    def _firewall(self, action: str, streams: Streams) -> int:
        verb = {"boot": "start", "restart": "restart", "reload": "reload", "start": "start", "stop": "stop"}.get(action, "")
        return self.fw4(verb, streams) if verb else 0

    def fw4(self, verb: str, streams: Streams) -> int:
        """`fw4 check|start|reload|restart|stop`."""
        if verb == "stop":
            self.ruleset = None
            return 0
        ruleset, warnings, refused = firewall.made(self.package("firewall"), self.networks)
        streams.err("".join(f"{one}\n" for one in warnings).encode("utf-8", "surrogateescape"))
        if refused:
            streams.err(f"{refused}\n".encode())
            if verb == "restart":
                streams.err(b"The rendered ruleset contains errors, not doing firewall restart.\n")
            return int(verb not in ("start", "reload"))  # sbin/fw4 returns what its last step says, and that is not nft's
        if verb == "check":
            streams.out(b"Ruleset passes nftables check.\n")
        else:
            self.ruleset = ruleset
        return 0

    # ------------------------------------------------------------------------------------------ what it reaches

    def own_network(self) -> str:
        """The network that has the address by which it is reached; empty when none has."""
        return next((name for name, one in self.networks.items() if one.get("ipaddr") == self.address), "")

    def admits(self, port: int) -> bool:
        """Whether a new connection from the LAN gets in."""
        network = self.own_network()
        if not network:
            return False
        return self.ruleset is None or self.ruleset.admits(network, "tcp", port)

    def route(self) -> tuple[str, str] | None:
        """The way out: network and gateway."""
        for name, one in self.networks.items():
            if one.get("proto") == "dhcp" and name == "wan":
                return name, "100.64.0.1"
            if one.get("proto") == "pppoe" and one.get("username"):
                return name, "100.64.0.1"
            if one.get("proto") == "static" and one.get("gateway"):
                own = ip_interface(f"{one['ipaddr']}/{one.get('netmask', '255.255.255.0')}").network
                gateway = str(one["gateway"])
                return (name, gateway) if ip_address(gateway) in own and gateway in self.box.answers else None
        return None

    def reaches(self, address: str) -> bool:
        """Whether an echo comes back."""
        if address.startswith("127.") or any(address == one.get("ipaddr") for one in self.networks.values()):
            return True
        if address not in self.box.answers:
            return False
        for name, one in self.networks.items():
            if one.get("proto") == "static" and one.get("ipaddr"):
                own = ip_interface(f"{one['ipaddr']}/{one.get('netmask', '255.255.255.0')}").network
                if ip_address(address) in own:
                    return self.ruleset is None or self.ruleset.lets_out(name)
        out = self.route()
        return out is not None and (self.ruleset is None or self.ruleset.lets_out(out[0]))

    def resolves(self, name: str) -> str | None:
        """What its dnsmasq answers for one of its own names."""
        for one in self.names.sections if self.names else ():
            if one.type == "domain" and one.options.get("name") == name:
                return str(one.options.get("ip"))
        return None

    def dump(self) -> dict[str, Any]:
        """`ubus call network.interface dump` (netifd, ubus.c)."""
        out = self.route()
        return {"interface": [self._interface(name, one, out) for name, one in self.networks.items()]}

    def _interface(self, name: str, one: Mapping[str, Any], out: tuple[str, str] | None) -> dict[str, Any]:
        device = str(one.get("device", name)).lstrip("@")
        found: dict[str, Any] = {"interface": name, "up": True, "l3_device": device, "ipv4-address": [], "route": []}
        if one.get("ipaddr"):
            own = ip_interface(f"{one['ipaddr']}/{one.get('netmask', '255.255.255.0')}")
            found["ipv4-address"].append({"address": str(own.ip), "mask": own.network.prefixlen})
        elif one.get("proto") in ("dhcp", "pppoe"):
            found["ipv4-address"].append({"address": "100.64.0.9", "mask": 24})
        if out and out[0] == name:
            found["route"].append({"target": "0.0.0.0", "mask": 0, "nexthop": out[1]})  # noqa: S104 - no socket: the route of all
        return found

    def board(self) -> dict[str, Any]:
        """`ubus call system board`."""
        return {"kernel": "6.6.73", "hostname": self.hostname, "model": factory.BOARD, "release": factory.RELEASE}


def shown(value: object) -> bytes:
    """As ubus prints it."""
    return (json.dumps(value, indent="\t") + "\n").encode()


__all__ = ["Failed", "Machine", "shown", "silent", "uci_files"]
