"""What editors, file managers and copiers leave beside the files of an inventory: left-overs, look-alikes."""

import os
import re
import stat
from pathlib import Path

SIZE_LIMIT = 1_000_000  # bytes; a dossier of 30 people is about 10,000

# Emacs `.#x` and `#x#`, vim `.x.swp` and `4913`, macOS `._x` and `.DS_Store`, Windows, patch(1), git's mergetool, rsync, `x~`.
_LEFT = re.compile(
    r"\..+|#.*#|.*~|4913|Thumbs\.db|desktop\.ini|Icon\r|.*\.(?:bak|orig|rej|swp|swo|tmp|part|old|dpkg-\w+|ucf-\w+)"
    r"|.*[._](?:BACKUP|BASE|LOCAL|REMOTE)[._]\d+.*",
    re.IGNORECASE | re.DOTALL,
)
_COPY = re.compile(r"[ (]|-conflict|conflicted|\bcopy\b", re.IGNORECASE)
_OURS = {".gitignore", ".gitattributes", ".gitkeep"}


def left_over(name: str) -> bool:
    """Whether a name is what a program leaves beside a file, and nobody's file."""
    return name not in _OURS and bool(_LEFT.fullmatch(name))


def copy(name: str) -> bool:
    """Whether a name looks like a copy of a file that somebody, or a shared folder, made: `x (copy)`, `x (conflicted copy …)`."""
    return bool(_COPY.search(name))


def refused(root: Path, path: Path, *, limit: int = SIZE_LIMIT) -> str:
    """Why a file of the inventory at `root` is not read nor written; empty when it is, or is not there. Nothing is opened.

    A link may stay within the inventory: one that leaves it could show, or overwrite, a file of the operator's.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return "is a link to nothing" if path.is_symlink() else ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    top = os.path.realpath(root)
    if os.path.commonpath([top, os.path.realpath(path)]) != top:
        return "is a link that leads out of the inventory, and is not read"
    if stat.S_ISDIR(status.st_mode):
        return "is a folder"
    if not stat.S_ISREG(status.st_mode):
        return "is not a file (a pipe, a socket or a device)"
    return f"has {status.st_size} bytes, {limit} are the limit" if status.st_size > limit else ""
