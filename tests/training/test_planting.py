"""A fault that does not apply is none: what it edits has to be there."""

from provisioner.runs import Event
from provisioner.training.planting import edits, idle
from tests.stage import EXAMPLE

LEASE = EXAMPLE / "courses/routeur-en-panne/faults/lease.yml"
TASK = "Another machine is named as the way out"


def told(what: str, host: str = "router", task: str = TASK) -> Event:
    """One event of a play."""
    return Event(what=what, at=0.0, host=host, task=task)


def test_what_a_fault_edits_is_known() -> None:
    """Tasks that change text which must stand there; a restart and a new file are none."""
    assert edits(LEASE) == {TASK}
    assert edits(EXAMPLE / "courses/depart-technicien/faults/job.yml") == set()


def test_an_edit_that_changed_nothing_is_named() -> None:
    """On no host: one that has it already says nothing about the others."""
    assert idle({TASK}, [told("host_ok"), told("host_ok", task="It is in force")]) == [TASK]
    assert idle({TASK}, [told("host_ok"), told("host_changed", "server")]) == []
    assert idle({TASK}, []) == []
