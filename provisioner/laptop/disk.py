"""Writing a file so that a kill, or a full disk, leaves the old one or the new one, never half of either."""

import contextlib
import os
import re
import secrets
import shutil
from pathlib import Path

_BESIDE = re.compile(r"\..+\.(\d+)\.[0-9a-f]{8}")


def write(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `content` (text in UTF-8): written beside it, flushed to disk, renamed over it, and the folder flushed.

    Raises:
        OSError: no space, no permission; `path` is as it was, or whole and new where only its name may not be on disk yet.
    """
    new = beside(path)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    except BaseException as problem:
        if isinstance(problem, OSError):
            problem.filename = str(path)  # where it happened: writing itself does not say
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    flush(path.parent)


def move(new: Path, path: Path) -> None:
    """Put what is whole and on disk in the place of `path`, and its name too."""
    new.rename(path)
    flush(path.parent)


def flush(folder: Path) -> None:
    """Have the names in a folder on disk: after a power cut, a file that was only flushed itself may have none."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make(folder: Path) -> None:
    """Have a folder, its name on disk; one that is there stays as it is."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        flush(folder.parent)


def beside(path: Path) -> Path:
    """A name in the same folder for what is to become `path`; what others left there half-written goes first."""
    sweep(path.parent)
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")


def sweep(folder: Path) -> None:
    """Remove what a process that is no more left half-written in a folder: nobody else would, and git would keep it."""
    for left in folder.iterdir():
        by = _BESIDE.fullmatch(left.name)
        if by and not Path("/proc", by[1]).exists():
            with contextlib.suppress(OSError):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
