"""Findings as Prometheus' text: the only importer of prometheus_client."""

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from provisioner.findings import Finding, Level


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


def text(reports: Iterable[Judged]) -> bytes:
    """The worst level of each check of each machine (0 ok, 1 warning, 2 unknown, 3 critical), and when each office was looked at.

    What does not apply has no sample; what somebody bears has `ignored="yes"`.
    """
    registry = CollectorRegistry()
    labels = ("office", "host", "check", "ignored")
    level = Gauge(
        "provisioner_check_level", "0 ok, 1 warning, 2 unknown, 3 critical: the worst of a check", labels, registry=registry
    )
    when = Gauge("provisioner_check_timestamp_seconds", "When an office was looked at", ("office",), registry=registry)
    for report in reports:
        when.labels(report.office).set(round(report.at, 1))
        worst: dict[tuple[str, str, str], int] = {}
        for finding, counts in report.counted:
            if finding.level > Level.NOT_APPLICABLE:
                key = (finding.about, finding.check, "no" if counts else "yes")
                worst[key] = max(int(finding.level), worst.get(key, 0))
        for key, value in worst.items():
            level.labels(report.office, *key).set(value)
    return generate_latest(registry)


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
