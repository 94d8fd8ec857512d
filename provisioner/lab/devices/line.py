"""The near end of the office's line: the Internet provider's DHCP and names, by a real dnsmasq, for whatever router asks there.

A static line has the provider's address of the dossier at this end too. The provider knows the names of those whom the office's
machines speak to (mail, the backup's second place, the authority of certificates), as the real one's servers would, and the
office's website's, which leads to the line: `names/` holds it, and is read again when it changes (dnsmasq(8), --hostsdir).
"""

from dataclasses import dataclass
from pathlib import Path

from provisioner.inventory.dossier import ACME_HOST
from provisioner.lab import network as net
from provisioner.lab.devices.process_device import ProcessDevice
from provisioner.lab.requirements import path_of
from provisioner.lab.state import State
from provisioner.laptop.processes import start


@dataclass(frozen=True, slots=True)
class InternetLine(ProcessDevice):
    """The line of one lab, and the folder with what is its own."""

    network: net.Network
    folder: Path

    @property
    def name(self) -> str:
        """What it is called; no host nor printer is."""
        taken = {cable.host for cable in self.network.wired}
        return next(name for name in ("line", "lab-line", "line-of-the-lab") if name not in taken)

    @property
    def address(self) -> str:
        """The provider's address, which is every router's next machine."""
        return str(net.INTERNET.ip)

    @property
    def argv(self) -> list[str]:
        """The program, as /proc shows it."""
        outside = self.network.outside
        known = {one["host"] for one in (self._provider.mail, self._provider.backup) if one} if self._provider else set()
        known |= {ACME_HOST} if self._website else set()
        return [
            path_of("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--log-facility=-", "--pid-file=",
            f"--interface={net.INTERNET_LINK}", "--except-interface=lo", "--bind-interfaces", "--no-resolv", "--no-hosts",
            f"--dhcp-leasefile={self.folder}/leases", "--dhcp-authoritative", "--no-ping",
            f"--dhcp-range={outside.ip},{outside.ip},{outside.network.netmask},1h",
            *([f"--shared-network={net.INTERNET_LINK},{outside.ip}"] if self.network.line else []),
            f"--dhcp-option=option:router,{net.INTERNET.ip}", f"--dhcp-option=option:dns-server,{net.INTERNET.ip}",
            *(f"--host-record={name},{net.INTERNET.ip}" for name in sorted(known)),
            *([f"--hostsdir={self.names}"] if self._website else []),
        ]  # fmt: skip

    @property
    def names(self) -> Path:
        """The folder with a file of hosts(5) for what the world knows of the office."""
        return self.folder / "names"

    @property
    def _website(self) -> str:
        return self._provider.website if self._provider else ""

    @property
    def _provider(self) -> net.Provider | None:
        return self.network.provider

    def start(self) -> None:
        """Plug the line in and start the provider's program.

        Raises:
            HostFailed: it did not start.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        net.ip(self.network.internet, f"link set {net.INTERNET_LINK} up")
        if self._website:
            self.names.mkdir(mode=0o700, exist_ok=True)
            (self.names / "website").write_text(f"{self.network.outside.ip} {self._website}\n", encoding="ascii")
        if not self.running:
            enter = ["nsenter", f"--net={net.NAMESPACES / self.network.internet}", "--"]
            start(self.argv, self.folder / "process", self.folder / "log", through=enter)

    def stop(self) -> None:
        """End the program and take the line down, as a digger does."""
        if self.end() and (net.NAMESPACES / self.network.internet).exists():
            net.ip(self.network.internet, f"link set {net.INTERNET_LINK} down")


def of(state: State) -> list[InternetLine]:
    """The line of a lab."""
    return [InternetLine(state.network, state.folder / "line")]
