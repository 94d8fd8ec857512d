"""What a machine says of its condition (`hosts/programs/condition.py`), read by shape; a section that does not fit is unknown."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from provisioner.hosts import facts
from provisioner.hosts.answers import Answer, Line, Short, plain
from provisioner.hosts.facts import System

Count = Annotated[int, Field(ge=0, le=1 << 62)]
Moment = Annotated[float, Field(ge=0, le=1e11)]  # s since 1970; a clock may be wrong, not endless
Shape = TypeVar("Shape")


class Disk(Answer):
    """A file system of a disk; sizes in bytes."""

    where: Line
    device: Line
    bytes: Count
    free: Count
    inodes: Count
    inodes_free: Count
    read_only: bool


class Memory(Answer):
    """In bytes; `killed`: processes that the kernel ended for want of it, since the start."""

    bytes: Count
    available: Count
    killed: Count


class Updates(facts.Updates):
    """With the age of apt's lists in seconds, and what waits for a restart."""

    lists_s: float | None
    restart: bool | Line


class Clock(Answer):
    """Its time, in seconds since 1970, and whether it follows the world's."""

    now: Moment
    kept: bool
    synchronised: bool


class Place(Answer):
    """What is remembered of a backup place; moments as ISO 8601, empty when never."""

    last_success: Short = ""
    last_failure: Short = ""
    cause: Line = ""
    odd: Line = ""
    checked_at: Short = ""


class WaysIn(Answer):
    """Accounts of people and root, members of sudo, keys by the file they lie in."""

    accounts: list[Short] = Field(max_length=5000)
    sudo: list[Short] = Field(max_length=1000)
    keys: dict[Line, list[Line]] = Field(max_length=1000)


class Listener(Answer):
    """A port that answers to other machines."""

    protocol: Short
    port: Annotated[int, Field(ge=1, le=65535)]
    program: Short


class Drive(Answer):
    """What a drive says of itself: `passed` as it judges, `worn` by smartctl's names."""

    drive: Short
    passed: bool | None
    worn: dict[Short, Count] = Field(max_length=50)


class Array(Answer):
    """A software RAID: `[UU]` is whole, `[U_]` lacks a member."""

    name: Short
    members: Short


class Queue(Answer):
    """A printer's."""

    printer: Short
    stopped: bool
    waiting: Count


class Battery(Answer):
    """An uninterruptible power supply, in NUT's words."""

    ups: Short
    state: Short
    charge: Short


class Drift(Answer):
    """What is not as the last apply wrote it (path -> `changed` or `gone`), or the last push left it; None: nothing is noted."""

    files: Annotated[dict[Line, Short], Field(max_length=5000)] | None
    pushed: Annotated[list[Line], Field(max_length=1000)] | None


class Website(Answer):
    """A website that lies here; `unchanged`: its files are those its release is named by, None where that has another name."""

    domain: Short
    release: Short
    unchanged: bool | None
    status: int
    same: bool
    problem: Short


# section -> what its answer must be; None where the machine has nothing of the kind
SHAPES: Mapping[str, Any] = {
    "system": System,
    "disks": Annotated[list[Disk], Field(max_length=200)],
    "memory": Memory,
    "units": Annotated[list[Short], Field(max_length=1000)],
    "updates": Updates,
    "clock": Clock,
    "backups": Annotated[dict[Short, Place], Field(max_length=20)] | None,
    "certificates": Annotated[dict[Line, Moment], Field(max_length=200)],
    "ways_in": WaysIn,
    "listening": Annotated[list[Listener], Field(max_length=2000)],
    "firewall": Annotated[list[Short], Field(max_length=1000)] | None,
    "drives": Annotated[list[Drive], Field(max_length=64)] | None,
    "arrays": Annotated[list[Array], Field(max_length=64)],
    "queues": Annotated[list[Queue], Field(max_length=200)] | None,
    "batteries": Annotated[list[Battery], Field(max_length=20)] | None,
    "drift": Drift,
    "websites": Annotated[list[Website], Field(max_length=500)] | None,
    "answering": Annotated[dict[Short, Short], Field(max_length=20)],
    "active": Annotated[dict[Short, Short], Field(max_length=100)],
}


@dataclass(frozen=True, slots=True)
class Section(Generic[Shape]):
    """A part of the answer: what it `is`, or why that is not known."""

    value: Shape | None = None
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A machine's answer; `at` is when it came, by this laptop's clock (s since 1970)."""

    sections: Mapping[str, Section[Any]]
    at: float

    def __getitem__(self, name: str) -> Section[Any]:
        return self.sections.get(name, Section(lacks="the machine says nothing of it"))


def read(said: str, at: float) -> Condition:
    """A machine's answer, section by section.

    Raises:
        ValueError: it is no answer at all.
    """
    found = plain(said)
    if not isinstance(found, dict):
        raise ValueError("the answer is no object")
    return Condition({name: _section(found.get(name), shape) for name, shape in SHAPES.items()}, at)


@functools.cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    """Made once: making one costs as much as all that a machine says."""
    return TypeAdapter(shape)


def _section(said: object, shape: Any) -> Section[Any]:
    if not isinstance(said, dict) or not said.keys() & {"is", "lacks"}:
        return Section(lacks="the machine says nothing of it")
    if "lacks" in said:
        return Section(lacks=str(said["lacks"])[:400])
    try:
        return Section(_adapter(shape).validate_json(json.dumps(said["is"])))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return Section(lacks=f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:400])
