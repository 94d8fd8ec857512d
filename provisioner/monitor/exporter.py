"""Findings and inventory as Prometheus' text: the only importer of prometheus_client.

The text of an office is made once, when its report or its line of the inventory changes; a scrape only joins what is there, and
asks no office. prometheus_client's own objects for the same series cost ten times the CPU (docs/numbers.md).
"""

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

from provisioner.alerting import Described
from provisioner.findings import Finding, Level

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LEVEL, WHEN = "provisioner_check_level", "provisioner_check_timestamp_seconds"
INFO, HOSTS, PEOPLE = "provisioner_office_info", "provisioner_office_hosts", "provisioner_office_people"
HELP: Mapping[str, str] = {
    INFO: "An office of the inventory; pushes: whether its pack gives it an agent",
    HOSTS: "Machines and routers in the dossier of an office",
    PEOPLE: "People in the dossier of an office",
    LEVEL: "0 ok, 1 warning, 2 unknown, 3 critical: the worst of a check",
    WHEN: "When an office was looked at",
}


class Judged(Protocol):
    """What was found in an office: its name, when (s since 1970), the findings, and those that are not counted by their place."""

    @property
    def office(self) -> str:
        """Its name."""

    @property
    def at(self) -> float:
        """When."""

    @property
    def counted(self) -> Iterable[tuple[Finding, bool]]:
        """Each finding, and whether it is counted."""


class Samples(Protocol):
    """The lines of one office, by family."""

    def get(self, family: str, /) -> bytes | None:
        """Those of a family."""


class Packed:
    """The lines of a report, compressed: those of ten thousand offices are 20 MB otherwise, and are needed once a minute."""

    __slots__ = ("_levels", "_when", "bears")

    def __init__(self, samples: Mapping[str, bytes]) -> None:
        self._levels = zlib.compress(samples[LEVEL], 1)
        self._when = samples[WHEN]
        self.bears = b'ignored="yes"' in samples[LEVEL]  # whether something is borne in it

    def get(self, family: str, /) -> bytes | None:
        """The lines of a family."""
        return zlib.decompress(self._levels) if family == LEVEL else self._when if family == WHEN else None


def found(report: Judged) -> dict[str, bytes]:
    """The lines of a report: the worst level of each check of each machine, and when the office was looked at.

    What does not apply has no sample; what somebody bears has `ignored="yes"`.
    """
    worst: dict[tuple[str, str, str], int] = {}
    for finding, counts in report.counted:
        if finding.level > Level.NOT_APPLICABLE:
            key = (finding.about, finding.check, "no" if counts else "yes")
            worst[key] = max(int(finding.level), worst.get(key, 0))
    levels = (
        _line(LEVEL, value, office=report.office, host=host, check=check, ignored=ignored)
        for (host, check, ignored), value in worst.items()
    )
    return {LEVEL: "".join(levels).encode(), WHEN: _line(WHEN, round(report.at, 1), office=report.office).encode()}


def described(office: Described) -> dict[str, bytes]:
    """The lines of an office of the inventory."""
    info = _line(
        INFO, 1, office=office.name, organisation=office.organisation, city=office.city, reseller=office.reseller,
        pack=office.pack, pushes="yes" if office.pushes else "no",
    )  # fmt: skip
    return {
        INFO: info.encode(),
        HOSTS: _line(HOSTS, office.hosts, office=office.name).encode(),
        PEOPLE: _line(PEOPLE, office.people, office=office.name).encode(),
    }


def joined(offices: Iterable[Samples]) -> Iterator[bytes]:
    """The whole text, family after family, because a family's lines have to stand together (Prometheus, exposition formats)."""
    kept = list(offices)
    for family, said in HELP.items():
        head = f"# HELP {family} {said}\n# TYPE {family} gauge\n".encode()
        for office in kept:
            if lines := office.get(family):
                yield head + lines
                head = b""


def process() -> bytes:
    """What this process is and costs, as every exporter tells it."""
    from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return generate_latest(registry)


def text(reports: Iterable[Judged]) -> bytes:
    """Reports as one text, for a file."""
    return b"".join(joined(map(found, reports)))


def write(path: Path, reports: Iterable[Judged]) -> None:
    """Put that text into a file, whole or not at all: a collector may read it at any moment (mode 0644).

    Raises:
        OSError: it cannot be written there.
    """
    said = text(reports)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(said)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).rename(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _line(family: str, value: float, **labels: str) -> str:
    said = ",".join(f'{name}="{_escaped(label)}"' for name, label in labels.items())
    return f"{family}{{{said}}} {value!r}\n"


def _escaped(label: str) -> str:
    """What a client wrote, as the text format has it: a quote or a newline in it ends no label."""
    text = label.encode("utf-8", "replace").decode()  # a lone surrogate has no UTF-8, and would cost all others their samples
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"") if not text.isalnum() else text
