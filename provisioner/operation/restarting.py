"""Restarting hosts inside an operation: all at once, as after a power cut, and waiting until each answers in another boot."""

import concurrent.futures
import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from provisioner.errors import Unreachable
from provisioner.operation.selection import Selection

RESTART_S = 240
_ASK = ["cat", "/proc/sys/kernel/random/boot_id"]


@dataclass(frozen=True, slots=True)
class Restart:
    """How a host came back: whether it answers in another boot, systemd's word for its state, seconds since it was told to."""

    back: bool
    state: str
    took_s: float

    @property
    def good(self) -> bool:
        """Whether it is there again and settled."""
        return self.back and self.state in ("running", "degraded")


def restart(selection: Selection, hosts: Iterable[str]) -> Mapping[str, Restart]:
    """Restart these of the hosts that were met; one that is not told so, or does not come back, is no error."""
    wanted = {host: selection.met[host] for host in hosts}
    previous: dict[str, str] = {}
    for host, address in wanted.items():
        with contextlib.suppress(Unreachable):  # it is said by its result: it did not come back
            previous[host] = selection.ssh.run(host, address, _ASK).stdout
            selection.ssh.run(host, address, ["sudo", "-n", "systemd-run", "--on-active=1", "systemctl", "reboot"])
    selection.ssh.close()
    began = time.time()

    def wait(host: str) -> Restart:
        back, state = False, ""
        while not back and time.time() - began < RESTART_S:
            with contextlib.suppress(Unreachable):
                said = selection.ssh.run(host, wanted[host], _ASK, timeout_s=10).stdout
                back = said not in ("", previous.get(host, ""))
            time.sleep(0 if back else 0.5)
        with contextlib.suppress(Unreachable):
            if back:
                settled = ["systemctl", "is-system-running", "--wait"]
                state = selection.ssh.run(host, wanted[host], settled, timeout_s=120).stdout.strip()
        return Restart(back and host in previous, state, time.time() - began)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return dict(zip(wanted, pool.map(wait, wanted), strict=True))
