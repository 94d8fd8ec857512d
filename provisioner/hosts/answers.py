"""What a host says, taken as data: bounded in size and in time, and read by shape.

A machine of an office may have been taken over. Whatever it answers is held against a model of what was asked; what does not
fit is that host's failure, named, and never reaches another host.
"""

import json
import os
import select
import selectors
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import IO, Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

LIMIT_BYTES = 4 << 20  # the longest honest answer, a whole verification's pictures apart, is some hundred kB
Short = Annotated[str, Field(max_length=400)]
Line = Annotated[str, Field(max_length=4000)]


class Answer(BaseModel):
    """What all answers share: read strictly, what was not asked for is dropped."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


AnyAnswer = TypeVar("AnyAnswer", bound=Answer)


class TooMuch(Exception):
    """A program said more than an answer can hold; it was ended there."""


def read(said: str, shape: type[AnyAnswer]) -> AnyAnswer:
    """One JSON object of the shape that was asked for.

    Raises:
        ValueError: it is another; the first thing that does not fit is named.
    """
    try:
        return shape.model_validate_json(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where or 'the answer'}: {first['msg']}") from None


def plain(said: str) -> object:
    """Any JSON value; one nested beyond reason is none.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(said)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def call(
    command: Sequence[str], *, stdin: str | None = "", timeout_s: float, limit_bytes: int = LIMIT_BYTES
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, its words kept as long as they are few enough; with `stdin` None it reads what we were given.

    Raises:
        TooMuch: it said more than `limit_bytes` on stdout or stderr; it was ended.
        subprocess.TimeoutExpired: it took longer than `timeout_s`; it was ended.
    """
    until = time.monotonic() + timeout_s
    with nullcontext() if stdin is None else to_read(stdin) as given:
        process = subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    with process:
        try:
            out, err = gather([process.stdout.fileno(), process.stderr.fileno()], until=until, limit_bytes=limit_bytes)
            process.wait(max(0.1, until - time.monotonic()))
        except TimeoutError:
            process.kill()
            raise subprocess.TimeoutExpired(list(command), timeout_s) from None
        except BaseException:
            process.kill()
            raise
    return completed(command, process.returncode, out, err)


def completed(command: Sequence[str], code: int, out: bytes, err: bytes) -> subprocess.CompletedProcess[str]:
    """A program's end; what is no UTF-8 in its words is marked."""
    return subprocess.CompletedProcess(list(command), code, out.decode(errors="replace"), err.decode(errors="replace"))


def to_read(text: str) -> IO[bytes]:
    """A file in memory that a program reads `text` from; unlike a pipe, nobody has to feed it while its answer is read."""
    given = os.fdopen(os.memfd_create("stdin", os.MFD_CLOEXEC), "r+b", buffering=0)
    given.write(text.encode("utf-8", "surrogateescape"))
    given.seek(0)
    return given


def gather(streams: Sequence[int], *, until: float, limit_bytes: int, last: int | None = None) -> list[bytes]:
    """All that each of these descriptors says to its end; once `last` has ended, only what the others hold already is taken.

    Raises:
        TooMuch: one said more than `limit_bytes`.
        TimeoutError: it is later than `until` (`time.monotonic`).
    """
    said = {stream: bytearray() for stream in streams}
    waiting = select.poll()
    for stream in streams:
        waiting.register(stream, select.POLLIN)
    open_, ended = set(streams), False
    while open_:
        ready = waiting.poll(0 if ended else max(0.0, until - time.monotonic()) * 1000)
        if not ready and ended:
            break
        if not ready:
            raise TimeoutError
        for stream, _ in ready:
            try:
                chunk = os.read(stream, 65536)
            except ConnectionResetError:  # of a socket whose other end is gone
                chunk = b""
            said[stream] += chunk
            if not chunk:
                waiting.unregister(stream)
                open_.discard(stream)
                ended = ended or stream == last
            if len(said[stream]) > limit_bytes:
                raise TooMuch(f"more than {limit_bytes >> 20} MB")
    return [bytes(said[stream]) for stream in streams]


def follow(
    pipe: IO[bytes], beside: Mapping[IO[bytes], bytearray], *, idle_s: float, line_bytes: int, all_bytes: int
) -> Iterator[str]:
    """The lines of a running program as they come, until it closes `pipe`; what comes `beside` is kept, its first 64 kB.

    Raises:
        TooMuch: a line, or all of them, are longer than they may be.
        TimeoutError: nothing came for `idle_s`.
    """
    rest, total = bytearray(), 0
    with selectors.DefaultSelector() as selector:
        for stream in (pipe, *beside):
            selector.register(stream, selectors.EVENT_READ)
        while pipe in {key.fileobj for key in selector.get_map().values()}:
            ready = selector.select(idle_s)
            if not ready:
                raise TimeoutError(f"nothing for {idle_s / 60:.0f} minutes")
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                if key.fileobj is not pipe:
                    kept = next(kept for stream, kept in beside.items() if stream is key.fileobj)
                    kept += chunk[: max(0, 65536 - len(kept))]
                    continue
                rest += chunk
                total += len(chunk)
                while (end := rest.find(b"\n")) >= 0:
                    yield rest[:end].decode(errors="replace")
                    del rest[: end + 1]
                if len(rest) > line_bytes or total > all_bytes:
                    raise TooMuch(f"more than {min(line_bytes, all_bytes) >> 20} MB")
    if rest:
        yield rest.decode(errors="replace")
