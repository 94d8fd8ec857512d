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


def stray(name: str) -> bool:
    """Whether nothing of ours has such a name: left behind, or a copy."""
    return left_over(name) or copy(name)


def refused(root: Path, path: Path, *, limit: int = SIZE_LIMIT) -> str:
    """Why a file of the inventory at `root` is not read; empty when it is. Nothing is opened.

    A link may stay within the inventory: one that leaves it could show, or overwrite, a file of the operator's.

    Raises:
        FileNotFoundError: there is no such name.
    """
    link = stat.S_ISLNK(path.lstat().st_mode)
    top = os.path.realpath(root)
    if os.path.commonpath([top, os.path.realpath(path)]) != top:
        return "is a link that leads out of the inventory, and is not read" if link else "lies behind a link out of the inventory"
    try:
        status = path.stat()
    except OSError as error:
        return "is a link to nothing" if link else f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return "is not a file"
    return f"has {status.st_size} bytes, {limit} are the limit" if status.st_size > limit else ""


def refusals(root: Path, folder: Path) -> list[tuple[str, str]]:
    """What lies in an office's folder and could lead out of the inventory, or stop whoever reads it: name below `root`, why.

    Nothing is opened, and of a plain file nothing is asked; a folder that is not there holds nothing.
    """
    found = [(folder, entry) for entry in _entries(folder)]
    if folder.is_symlink() and (why := refused(root, folder)) != "is not a file":
        return [(str(folder.relative_to(root)), why)]
    said = []
    while found:
        above, entry = found.pop()
        path = above / entry.name
        if entry.is_symlink():
            why = refused(root, path)
            if why and not (why == "is not a file" and path.is_dir()):
                said.append((str(path.relative_to(root)), why))
        elif entry.is_dir():
            found += [(path, one) for one in _entries(path)]
        elif not entry.is_file():
            said.append((str(path.relative_to(root)), "is not a file"))
        elif above == folder and (why := refused(root, path)):
            said.append((str(path.relative_to(root)), why))
    return sorted(one for one in said if not left_over(Path(one[0]).name))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []
