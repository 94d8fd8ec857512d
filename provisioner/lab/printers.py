"""The lab's printers: a real IPP Everywhere program (ippeveprinter, of CUPS) for each printer of the dossier, at its address.

What it prints lies in the lab's folder as it came, to be looked at. Its path is `/ipp/print`, the standard's own
(PWG 5100.14, section 4.2.2); the program knows no other. Without DNS-SD: the office's queues are made from the dossier.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import HostFailed
from provisioner.lab import network as net
from provisioner.lab.requirements import path_of
from provisioner.laptop.processes import Process, last_lines, recorded, start

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
class Printer:
    """Where one printer of a lab lies and how it is run; pure."""

    place: net.Printer
    folder: Path

    @property
    def argv(self) -> list[str]:
        """The program, as /proc shows it."""
        return [
            *(path_of("ippeveprinter"), "-2", "-k", "-d", str(self.folder), "-K", str(self.folder / "keys"), "-r", "off"),
            # what it does with each job, and where that prints; without it the program sleeps for some seconds, to seem at work
            *("-c", path_of("true"), "-D", "file:///dev/null"),
            *("-p", str(self.place.port), "-f", _FORMATS, "-s", "20,10"),
            *("-M", "Lab", "-m", self.place.model or "Printer", "-l", self.place.location, self.place.cable.host),
        ]

    @property
    def bus(self) -> list[str]:
        """The bus it asks for, as /proc shows it."""
        return [path_of("dbus-daemon"), f"--config-file={self.folder}/.bus.conf", "--nofork", "--nosyslog", "--print-address"]

    @property
    def process(self) -> Process | None:
        """The program that runs, None when the printer is off."""
        process = recorded(self.folder / ".process", self.argv)
        return process if process and process.alive else None


def switch_on(printer: Printer, network: net.Network) -> None:
    """Start it; one that runs stays as it is.

    Raises:
        HostFailed: it did not start.
    """
    if printer.process:
        return
    folder = printer.folder
    (folder / "keys").mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ".bus.conf").write_text(_BUS_CONFIGURATION, encoding="utf-8")
    _put_aside(printer)
    net.unplug(network, printer.place.cable.host, plugged=True)
    space = f"--net={net.NAMESPACES / printer.place.cable.namespace}"
    # A host name of its own, with a dot: it says it to whoever asks, and would look a name without one up in the DNS.
    enter = ["nsenter", space, "--", "unshare", "--uts", "--", "sh", "-c", _ENTER, f"{printer.place.cable.host}.lab"]
    # As whoever started the lab: what it prints is theirs.
    enter += ["setpriv", f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--clear-groups", "--"]
    _end(recorded(folder / ".bus", printer.bus))
    start(printer.bus, folder / ".bus", folder / ".bus.log", through=enter)
    until = time.monotonic() + 5
    while not last_lines(folder / ".bus.log", 1):
        if time.monotonic() > until:
            raise HostFailed(f"the printer {printer.place.cable.host} did not start: no D-Bus")
        time.sleep(0.005)
    found = ["env", f"DBUS_SYSTEM_BUS_ADDRESS={_BUS}"]
    start(printer.argv, folder / ".process", folder / ".log", through=[*enter, *found])


def switch_off(printers: Iterable[Printer], network: net.Network) -> None:
    """Cut their power: nothing answers at their addresses any more."""
    for printer in printers:
        running = printer.process
        _end(running)
        _end(recorded(printer.folder / ".bus", printer.bus))
        if running and (net.NAMESPACES / network.lan).exists():  # one that never ran may have no cable yet
            net.unplug(network, printer.place.cable.host, plugged=False)


def _end(process: Process | None) -> None:
    if process:
        process.end()
        process.gone(3)


def printed(printer: Printer) -> list[Path]:
    """What came out of it, oldest first, one file a job."""
    return sorted(printer.folder.glob("[0-9]*-*"), key=lambda path: path.stat().st_mtime_ns)


def _put_aside(printer: Printer) -> None:
    """Give what came out a name by its time: a program started anew counts its jobs from 1, over those of before."""
    for job in printed(printer):
        if len(job.name.split("-")[0]) < _TIME_DIGITS:
            job.rename(job.with_name(f"{job.stat().st_mtime_ns}-{job.name}"))
