"""What stands around the hosts of a lab and is no host of the office: its line to the Internet, its providers there, its
printers on the LAN; and the stand-in of a router whose system cannot be had here, which bears the router's name.

Each sort is a file of this room, and to the rest of the lab all are alike: a name, an address, on or off. What only one
sort can do (what a printer printed, which mail arrived) is asked of that sort.
"""

from typing import Protocol

from provisioner.lab.blank import Origin
from provisioner.lab.devices import appliances, line, printers, provider
from provisioner.lab.machines import Machine
from provisioner.lab.state import State


class Device(Protocol):
    """One thing that stands there, as the rest of the lab sees it."""

    @property
    def name(self) -> str:
        """What `power_off` and `lab list` call it; a printer may bear the name of a host."""
        ...

    @property
    def address(self) -> str:
        """Where it is met."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """What its system has installed beyond the base; none for a mere program."""
        ...

    @property
    def machine(self) -> Machine | None:
        """The system that boots for it, whose sshd says when it is there; None for a mere program."""
        ...

    @property
    def running(self) -> bool:
        """Whether it is switched on."""
        ...

    def create(self, origin: Origin) -> None:
        """Make what it needs on disk, once and before its first start; the packages' layer is there."""
        ...

    def start(self) -> None:
        """Switch it on with what it has kept; one that runs stays as it is.

        Raises:
            HostFailed: it did not start.
        """
        ...

    def stop(self) -> None:
        """Cut its power, whatever of it was ever made: nothing answers at its address any more; what it took stays."""
        ...


def of(state: State) -> list[Device]:
    """All that stands around the lab's hosts, in the order `lab list` has."""
    return [*line.of(state), *appliances.of(state), *printers.of(state), *provider.of(state)]


def systems(state: State) -> dict[str, Machine]:
    """All of the lab that boots, by name: its hosts, then what stands around them."""
    return state.machines | {device.name: device.machine for device in of(state) if device.machine}
