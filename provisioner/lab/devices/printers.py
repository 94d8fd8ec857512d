"""The lab's printers: a real IPP Everywhere program (ippeveprinter, of CUPS) for each printer of the dossier, at its address.

What it prints lies in the lab's folder as it came, to be looked at. Its path is `/ipp/print`, the standard's own
(PWG 5100.14, section 4.2.2); the program knows no other. Without DNS-SD: the office's queues are made from the dossier.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import HostFailed
from provisioner.lab import network as net
from provisioner.lab.devices.process_device import ProcessDevice, end
from provisioner.lab.requirements import path_of
from provisioner.lab.state import State
from provisioner.laptop.processes import last_lines, recorded, start

# What every office printer takes; PDF first, so that what lies in the folder can be looked at.
_FORMATS = "application/pdf,image/jpeg,image/pwg-raster,image/urf"

# The program does not start without a D-Bus to look for Avahi on, even when it is told not to look (`-r off`, CUPS 2.4.2
# [M]). So each has one of its own, in its own namespace, where nobody is: the laptop's Avahi never hears of it.
_BUS = "unix:abstract=provisioner-printer"
_BUS_CONFIGURATION = f"""\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>{_BUS}</listen>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
"""

_TIME_DIGITS = 15  # a time in nanoseconds has more, a job's number fewer
_ENTER = 'echo "$0" > /proc/sys/kernel/hostname; echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start; exec "$@"'


@dataclass(frozen=True, slots=True)
class Printer(ProcessDevice):
    """One printer of a lab: its plan, the network it stands in, and the folder with all that is its own."""

    plan: net.Printer
    network: net.Network
    folder: Path
    RECORD = ".process"

    @property
    def name(self) -> str:
        """The name of its queue."""
        return self.plan.cable.host

    @property
    def address(self) -> str:
        """Where it is met, on the LAN."""
        return self.plan.address.split("/")[0]

    @property
    def argv(self) -> list[str]:
        """The program, as /proc shows it."""
        return [
            *(path_of("ippeveprinter"), "-2", "-k", "-d", str(self.folder), "-K", str(self.folder / "keys"), "-r", "off"),
            # what it does with each job, and where that prints; without it the program sleeps for some seconds, to seem at work
            *("-c", path_of("true"), "-D", "file:///dev/null"),
            *("-p", str(self.plan.port), "-f", _FORMATS, "-s", "20,10"),
            *("-M", "Lab", "-m", self.plan.model or "Printer", "-l", self.plan.location, self.name),
        ]

    @property
    def bus(self) -> list[str]:
        """The bus it asks for, as /proc shows it."""
        return [path_of("dbus-daemon"), f"--config-file={self.folder}/.bus.conf", "--nofork", "--nosyslog", "--print-address"]

    def start(self) -> None:
        """Start its program.

        Raises:
            HostFailed: it did not start.
        """
        if self.running:
            return
        folder = self.folder
        (folder / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / ".bus.conf").write_text(_BUS_CONFIGURATION, encoding="utf-8")
        self._put_aside()
        net.unplug(self.network, self.name, plugged=True)
        space = f"--net={net.NAMESPACES / self.plan.cable.namespace}"
        # A host name of its own, with a dot: it says it to whoever asks, and would look a name without one up in the DNS.
        enter = ["nsenter", space, "--", "unshare", "--uts", "--", "sh", "-c", _ENTER, f"{self.name}.lab"]
        # As whoever started the lab: what it prints is theirs.
        enter += ["setpriv", f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--clear-groups", "--"]
        end(recorded(folder / ".bus", self.bus))
        start(self.bus, folder / ".bus", folder / ".bus.log", through=enter)
        until = time.monotonic() + 5
        while not last_lines(folder / ".bus.log", 1):
            if time.monotonic() > until:
                raise HostFailed(f"the printer {self.name} did not start: no D-Bus")
            time.sleep(0.005)
        found = ["env", f"DBUS_SYSTEM_BUS_ADDRESS={_BUS}"]
        start(self.argv, folder / ".process", folder / ".log", through=[*enter, *found])

    def stop(self) -> None:
        """End its program and take its port down."""
        ran = self.end()
        end(recorded(self.folder / ".bus", self.bus))
        if ran and (net.NAMESPACES / self.network.lan).exists():  # one that never ran may have no cable yet
            net.unplug(self.network, self.name, plugged=False)

    @property
    def printed(self) -> list[Path]:
        """What came out of it, oldest first, one file a job."""
        return sorted(self.folder.glob("[0-9]*-*"), key=lambda path: path.stat().st_mtime_ns)

    def _put_aside(self) -> None:
        """Give what came out a name by its time: a program started anew counts its jobs from 1, over those of before."""
        for job in self.printed:
            if len(job.name.split("-")[0]) < _TIME_DIGITS:
                job.rename(job.with_name(f"{job.stat().st_mtime_ns}-{job.name}"))


def of(state: State) -> list[Printer]:
    """The printers of a lab."""
    folder = state.folder / "printers"
    return [Printer(plan, state.network, folder / plan.cable.host) for plan in state.network.printers]
