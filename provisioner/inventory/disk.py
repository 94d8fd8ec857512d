"""Writing a file so that a kill, or a full disk, leaves the old one or the new one, never half of either."""

import contextlib
import os
import secrets
from pathlib import Path


def write(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `content` (text in UTF-8): written beside it, flushed to disk, renamed over it, and the folder flushed.

    Raises:
        OSError: no space, no permission; `path` is as it was.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except BaseException as problem:
        if isinstance(problem, OSError):
            problem.filename = str(path)  # where it happened: writing itself does not say
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
