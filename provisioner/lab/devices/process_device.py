"""What a device of a lab is that boots nothing: one program, known again by its record, and ended as power fails."""

from pathlib import Path
from typing import ClassVar

from provisioner.lab.blank import Origin
from provisioner.laptop.processes import Process, recorded


class ProcessDevice:
    """One program of a lab; whoever is one says its `folder` and its `argv`."""

    __slots__ = ()
    RECORD: ClassVar[str] = "process"  # the file in the folder that says which process it is
    packages: ClassVar[tuple[str, ...]] = ()
    machine: ClassVar[None] = None
    folder: Path

    @property
    def argv(self) -> list[str]:
        """The program, as /proc shows it."""
        raise NotImplementedError

    @property
    def running(self) -> bool:
        """Whether it is switched on."""
        return self.process is not None

    @property
    def process(self) -> Process | None:
        """It, while it runs."""
        process = recorded(self.folder / self.RECORD, self.argv)
        return process if process and process.alive else None

    def create(self, _origin: Origin) -> None:
        """Nothing: a program makes what it needs."""

    def end(self) -> bool:
        """End it, and say whether it ran."""
        running = self.process
        end(running)
        return running is not None


def end(process: Process | None) -> None:
    """End a process of ours, if there is one, and wait until it is gone."""
    if process:
        process.end()
        process.gone(3)
