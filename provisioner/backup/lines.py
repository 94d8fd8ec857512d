"""What `office-backup` on the server says, line by line, each read by the shape its event has."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from provisioner.hosts.answers import Answer, Line, Short, plain

LINE_BYTES = 4 << 20  # thousands of nights
ALL_BYTES = 64 << 20  # of a whole conversation: each second of a long backup says how far it is

PlaceName = Literal["disk", "remote"]
Count = Annotated[int, Field(ge=0, le=1 << 60)]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{4,64}$")]


def _moment(text: str) -> str:
    moment(text)
    return text


def moment(text: str) -> datetime:
    """restic's time, nanoseconds and any zone (RFC 3339), to the second."""
    import re

    at = datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return at


Moment = Annotated[Short, AfterValidator(_moment)]


class Kept(Answer):
    """One snapshot in a list."""

    id: Hex
    time: Moment
    hostname: Short
    bytes: Count


class Item(Answer):
    """One part of what a restore would put back."""

    name: Short
    path: Line
    target: Line
    files: Count
    bytes: Count
    replaces: bool
    how: Short


class Snapshots(Answer):
    """What a place holds, and what the server remembers of it."""

    event: Literal["snapshots"]
    place: PlaceName
    snapshots: tuple[Kept, ...] = Field(max_length=20_000)
    last_success: Short | None = None
    last_failure: Short | None = None
    cause: Line | None = None
    note: Line | None = None
    gone: Line = ""


class PlaceStarted(Answer):
    """A place is being written to."""

    event: Literal["place_started"]
    place: PlaceName


class Held(Answer):
    """A snapshot that a place has now."""

    id: Hex
    time: Moment


class PlaceDone(Answer):
    """A place has tonight's snapshot; `held` are the newest it has now."""

    event: Literal["place_done"]
    place: PlaceName
    snapshot: Hex
    bytes: Count
    added: Count
    files: Count
    seconds: float
    held: tuple[Held, ...] = Field(default=(), max_length=1000)
    note: Line = ""


class PlaceFailed(Answer):
    """A place that could not be asked or written to."""

    event: Literal["place_failed"]
    place: PlaceName
    cause: Line


class Failed(Answer):
    """Nothing more will come; `input` where it was the asker's mistake."""

    event: Literal["failed"]
    cause: Line
    input: bool = False


class Progress(Answer):
    """How far a place is, in bytes."""

    event: Literal["progress"]
    place: PlaceName
    done: Count
    total: Count


class Plan(Answer):
    """What a restore would put back."""

    event: Literal["plan"]
    items: tuple[Item, ...] = Field(max_length=1000)


class Entry(Answer):
    """One file or folder of a snapshot; the time is the server's, to the second."""

    path: Line
    kind: Literal["dir", "file", "symlink", "other"]
    bytes: Count
    time: Short = ""


class Files(Answer):
    """What lies in a folder of a snapshot; `more` were left out."""

    event: Literal["files"]
    place: PlaceName
    snapshot: Short
    time: Moment
    path: Line
    files: tuple[Entry, ...] = Field(max_length=5000)
    more: Count = 0


class Step(Answer):
    """What a restore does now."""

    event: Literal["staging", "moving"]
    names: tuple[Line, ...] = Field(max_length=1000)


class Restored(Answer):
    """What was put back."""

    event: Literal["restored"]
    snapshot: Short
    items: tuple[Line, ...] = Field(max_length=1000)
    accounts: Count | None = None
    sid: Short = ""


class Accepted(Answer):
    """A person said why snapshots are missing; what is there now counts."""

    event: Literal["accepted"]
    place: PlaceName
    missing: Count
    snapshots: Count


Message = Files | Snapshots | PlaceStarted | PlaceDone | PlaceFailed | Failed | Progress | Plan | Step | Restored | Accepted
_SAID: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="event")])


def read(line: str) -> Message | None:
    """One line; None for an event that nobody here waits for.

    Raises:
        ValueError: a known event of another shape.
    """
    try:
        return _SAID.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "union_tag_invalid" and _names_an_event(line):
            return None
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _names_an_event(line: str) -> bool:
    found = plain(line)
    return isinstance(found, dict) and isinstance(found.get("event"), str)


def as_detail(said: Answer) -> dict[str, Any]:
    """What the journal keeps of a line."""
    return said.model_dump(mode="json", exclude={"event"}, exclude_none=True)
