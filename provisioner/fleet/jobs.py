"""What a job is, how its verb's end is judged, and when it is tried again. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# verb -> what is typed for one office
VERBS = {"check": ("check",), "update": ("update", "--yes"), "prove": ("backup", "prove")}


class Outcome(StrEnum):
    """How one execution of a job's verb ended."""

    DONE = "done"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    BUSY = "busy"  # somebody else works there
    INTERRUPTED = "interrupted"  # killed, with its machine perhaps: nobody knows its end


# How long after such an end the verb is tried again, each time in turn; after the last it is given up.
AGAIN_S: Mapping[Outcome, Sequence[float]] = {
    Outcome.UNREACHABLE: (900, 3600, 4 * 3600),
    Outcome.BUSY: (600,) * 12,
    Outcome.INTERRUPTED: (0, 0, 0),
}


@dataclass(frozen=True, slots=True)
class Job:
    """One verb for one office; `round` is shared by those that were added together, `then` waits for this one to end well.

    `asked`: when somebody asked for it again while it waited for another try (s since 1970, by the database).
    """

    id: int
    office: str
    verb: str
    round: str = ""
    then: tuple[str, ...] = ()
    asked: float = 0.0


@dataclass(frozen=True, slots=True)
class Execution:
    """The verb of a job, called once: moments in s since 1970; without an end it is under way, or its machine died.

    `told` is what its verb's object says in a word or a sentence (`told`); the whole of it, kilobytes, stays in the database.
    """

    id: int
    began: float
    machine: str
    ended: float | None = None
    outcome: Outcome | None = None
    code: int | None = None
    told: str = ""


def read(text: str) -> dict[str, Any]:
    """The one object that a verb printed; empty where it printed none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def judge(verb: str, code: int, said: Mapping[str, Any]) -> Outcome:
    """How a verb ended, from its exit code (README) and its object.

    `check` has judged an office, whatever it found there; where no machine of it answered it has judged nothing.
    """
    if code < 0 or code in (130, 137, 143):
        return Outcome.INTERRUPTED
    if code in (5, 6):
        return Outcome.UNREACHABLE if code == 5 else Outcome.BUSY
    if verb == "check" and code in (0, 7):
        return _looked(said)
    return Outcome.FAILED if code else Outcome.DONE


def _looked(said: Mapping[str, Any]) -> Outcome:
    offices = said.get("offices") or [{}]
    findings = offices[0].get("findings") or []
    if not findings or offices[0].get("problem"):
        return Outcome.FAILED
    if any(one.get("check") != "reached" for one in findings):
        return Outcome.DONE
    from provisioner.check.table import SILENT  # all that judges hosts comes with it: a second of a processor

    return Outcome.UNREACHABLE if all(one.get("sentence") == SILENT for one in findings) else Outcome.DONE


def due(executions: Sequence[Execution], asked: float = 0.0) -> float | None:
    """When a job's verb is to be called again (s since 1970, 0: now), from its executions that ended; None: never.

    What waits for another try is due as soon as somebody asked for it.
    """
    if not executions:
        return 0.0
    last = executions[-1]
    again = AGAIN_S.get(last.outcome or Outcome.INTERRUPTED, ())
    alike = 0
    for one in reversed(executions):
        if one.outcome != last.outcome:
            break
        alike += 1
    if alike > len(again):
        return None
    ended = last.ended or 0.0
    return 0.0 if asked > ended else ended + again[alike - 1]


def worse(job: Job, executions: Sequence[Execution]) -> bool:
    """Whether an update left its office worse than it was: the others of its round are not begun."""
    return job.verb == "update" and bool(executions) and executions[-1].code == 7


def told(said: str) -> str:
    """What a verb's object says in a word or a sentence: its error, or the worst that it found."""
    found = read(said)
    if found.get("error"):
        return str(found["error"])
    listed = found.get("offices") or found.get("places")
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
    return str(first.get("problem") or first.get("cause") or first.get("worst") or first.get("status") or "")
