"""A host's files, read whole or not at all, and root's own replaced so; as root, standard library only."""

import contextlib
import os
import stat
from collections.abc import Sequence

from provisioner.hosts.programs.host_processes import call

LIMIT = 16 << 20  # a file of keys beyond that is none


def text(path: str) -> str:
    """A file's text; of what is none, or not there, nothing."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return file.read(LIMIT).decode("utf-8", "surrogateescape")
    return ""


def put(path: str, content: str, mode: int, check: Sequence[str] = ()) -> None:
    """Replace one of root's own files, whole, once `check` (a command; the new file's path follows) accepts it."""
    beside = f"{path}~"  # sudo and cron leave names like this alone
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    code, said = call(*check, beside) if check else (0, "")
    if code:
        os.unlink(beside)
        raise OSError(f"{path} would be wrong: {said[:200]}")
    os.rename(beside, path)
