"""The lab's routers of systems that cannot be had here: a stand-in for each, at the router's address on the LAN.

The stand-in answers SSH there and keeps its configuration; the LAN's real gateway (its route, DHCP, the way out) goes on as a
Debian beneath, whose own sshd is off, in the same network namespace.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from provisioner.lab import network as net
from provisioner.lab.blank import Origin
from provisioner.lab.devices import stand_ins
from provisioner.lab.devices.process_device import ProcessDevice
from provisioner.lab.state import State
from provisioner.laptop.processes import start


@dataclass(frozen=True, slots=True)
class Appliance(ProcessDevice):
    """One router's stand-in: its plan, the lab's network, and the folder that is its box."""

    plan: net.Appliance
    network: net.Network
    folder: Path

    @property
    def name(self) -> str:
        """The router's."""
        return self.plan.host

    @property
    def address(self) -> str:
        """Where it is met, on the LAN."""
        return self.plan.address

    @property
    def argv(self) -> list[str]:
        """The program, as /proc shows it."""
        return [sys.executable, "-m", stand_ins.__name__, str(self.folder)]

    def create(self, origin: Origin) -> None:
        """What is soldered in: its key, its login with the password of the lab's vault, who answers around it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = self.folder / "host_key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
        told = {
            "platform": self.plan.platform, "address": self.address, "port": 22, "login": self.plan.login,
            "password": origin.kept.routers[self.name], "answers": [str(net.INTERNET.ip), *self.plan.answers],
        }  # fmt: skip
        (self.folder / "box.json").write_text(json.dumps(told), encoding="utf-8")

    def start(self) -> None:
        """Switch it on; it takes its address as soon as the gateway beneath has it.

        Raises:
            HostFailed: it did not start.
        """
        if self.running:
            return
        enter = ["nsenter", f"--net={net.NAMESPACES / self.network.cable(self.name).namespace}", "--"]
        start(self.argv, self.folder / "process", self.folder / "log", through=enter)

    def stop(self) -> None:
        """Cut its power."""
        self.end()


def of(state: State) -> list[Appliance]:
    """The stand-ins of a lab."""
    there = [plan for plan in state.network.appliances if not plan.real]
    return [Appliance(plan, state.network, state.folder / "appliances" / plan.host) for plan in there]
