"""What is written down of a run while it goes on: every event to the journal, to the fold, and to whoever watches."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from provisioner import __version__
from provisioner.operation.selection import Selection
from provisioner.runs import Event, Run, fold
from provisioner.runs.journal import Journal

Listener = Callable[[Event], None]


@dataclass
class Recorder:
    """Passes each event to the journal, to the fold and to whoever watches."""

    journal: Journal
    watch: Listener
    events: list[Event] = field(default_factory=list)
    torn: bool = False  # the journal could not be written; it ends where that happened

    def __call__(self, event: Event) -> None:
        """One event; those a later command relies on are on disk before we go on.

        Raises:
            OSError: the journal has no room; once, from then on it is left alone.
        """
        try:
            if not self.torn:
                self.journal.write(event, durable=event.what in ("run_started", "run_finished", "lease_taken"))
        except OSError as problem:
            self.torn, problem.filename = True, str(self.journal.path)
            raise
        finally:
            self.events.append(event)
            self.watch(event)


def begin(selection: Selection, verb: str, watch: Listener, **detail: Any) -> Recorder:
    """Open the journal of a run and write down who does what, where, with which version."""
    recorder = Recorder(Journal(selection.target.journals / f"{selection.run_id}.jsonl"), watch)
    recorder(
        Event(
            "run_started",
            detail={
                "run": selection.run_id, "office": selection.target.office, "verb": verb, "technician": selection.ssh.user,
                "lab": selection.target.lab, "version": __version__,
                **({"not_adopted": selection.not_adopted} if selection.not_adopted else {}), **detail,
            },
        )
    )  # fmt: skip
    return recorder


def end(recorder: Recorder, status: str, error: str = "") -> Run:
    """Close it, and say what it all amounts to; where the journal has no room for its end the recorder knows (`torn`)."""
    with contextlib.suppress(OSError):
        recorder(Event("run_finished", detail={"status": status, **({"error": error} if error else {})}))
        if not recorder.torn:
            recorder.journal.close()
    return fold(recorder.events)
