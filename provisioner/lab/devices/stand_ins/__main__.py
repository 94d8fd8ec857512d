"""The process that is a stand-in: its argument is the folder of its box."""

import os
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

from provisioner.lab.devices import stand_ins
from provisioner.lab.devices.stand_ins import Box, System, ssh_server


def main() -> None:
    """Start, and run until the power fails."""
    time.sleep(float(os.environ.pop("BOOT_S", "0")))
    box = Box.read(Path(sys.argv[1]))
    system: System = import_module(f"{stand_ins.__name__}.{box.platform}").System(box)
    box.system = system
    threading.Thread(target=_ticking, args=(system,), daemon=True).start()
    ssh_server.serve(box, system)


def _ticking(system: System) -> None:
    while True:
        time.sleep(0.1)
        system.tick()


if __name__ == "__main__":
    main()
