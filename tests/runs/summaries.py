"""Summaries of runs and counts of hosts, as tests of the audit keep them."""

from typing import Any

from provisioner.runs import COUNTS, HostRun


def host(**counts: int) -> HostRun:
    """One host's part with these counts."""
    return HostRun(counts={**dict.fromkeys(COUNTS, 0), **counts})


def entry(number: int) -> dict[str, Any]:
    """A summary as `keep` takes it."""
    return {"run": f"20260101T00{number:02d}00Z-{number:04x}", "started": f"2026-01-01T00:{number:02d}:00Z", "status": "changed"}
