"""Two people changed the same website's pages since they last had the same: what comes of it, file by file, line by line."""

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from provisioner.errors import Missing

Keep = Literal["", "inventory", "folder"]


@dataclass(frozen=True)
class Merged:
    """The pages that come of both: name -> content; `conflicts` are files that both changed in the same lines."""

    files: Mapping[str, bytes]
    conflicts: tuple[str, ...] = ()
    theirs: tuple[str, ...] = field(default=())  # what the inventory gets from the folder, deleted files too


def merge(
    base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str], content: Callable[[str], bytes], keep: Keep = ""
) -> Merged:
    """Three ways: what only one side changed is that side's; what both changed in different lines is both's.

    Args:
        base: what the inventory had when both last met: file -> name of its content, as the two others.
        ours: what the inventory has now.
        theirs: what the folder has now.
        content: a content by its name.
        keep: whose version of a file stays where both changed the same lines; without it the file is a conflict.
    """
    files: dict[str, bytes] = {}
    conflicts, changed = [], []
    for name in sorted({*base, *ours, *theirs}):
        was, mine, other = base.get(name), ours.get(name), theirs.get(name)
        chosen = mine if other in (was, mine) else other
        found = content(chosen) if chosen else None
        if mine not in (was, other) and other not in (was, mine):
            found = _lines(*(content(one) if one else None for one in (was, mine, other)))
            if found is None and not keep:
                conflicts.append(name)
            if found is None and (mine if keep != "folder" else other):
                found = content(str(mine if keep != "folder" else other))
        if found is not None:
            files[name] = found
        if found != (content(mine) if mine else None):
            changed.append(name)
    return Merged(files, tuple(conflicts), tuple(changed))


def _lines(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> bytes | None:
    """Both changes in one text; None where they touch the same lines, or where one side has no such file or no text.

    Line ends are each editor's own: a file that came back with all of Windows' is not changed in every line.
    """
    if ours is None or theirs is None or any(b"\0" in one for one in (base or b"", ours, theirs)):
        return None
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("ours", "base", "theirs")]
        for path, text in zip(paths, (ours, base or b"", theirs), strict=True):
            path.write_bytes(text.replace(b"\r\n", b"\n"))
        try:
            done = subprocess.run(["git", "merge-file", "-p", *map(str, paths)], capture_output=True, check=False)
        except FileNotFoundError as error:
            raise Missing("this laptop has no git", hint="provisioner doctor") from error
    return done.stdout if done.returncode == 0 else None
