"""The facts of a site as they were worked out last, told again while all that they were read of is the same.

Reading a dossier by its rules costs ten times what an unchanged build does. What is remembered is taken only where every file
that was read then has the same content now, nothing stands in the office's folder that would be refused, and the rules are the
same; else, or where the note is damaged, all is read anew. It saves time and decides nothing.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner.laptop import disk, strays

if TYPE_CHECKING:
    from provisioner.inventory.target import Target

NOTE = "website-facts.json"
Told = tuple[dict[str, Any], Sequence[Path]]  # the facts, and every file that they were read of


def facts(target: "Target", read: Callable[["Target"], Told]) -> dict[str, Any]:
    """What `read` tells of a site, or what it told last."""
    root = target.inventory
    if not os.path.lexists(target.folder / "dossier.yml") or target.folder.parent != root / "offices":
        return read(target)[0]  # which says what is wrong, and leaves no folder of state behind
    note = target.state / NOTE
    if (kept := _kept(note, root)) is not None:
        return kept
    found, files = read(target)
    names = {str(path.relative_to(root)): digest for path in files if (digest := _digest(path))}
    disk.write(note, json.dumps({"rules": _rules(), "root": str(root), "files": names, "facts": found}, ensure_ascii=False))
    return found


def _kept(note: Path, root: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(note.read_bytes())
        files, found = dict(told["files"]), dict(told["facts"])
        if (told["rules"], told["root"]) != (_rules(), str(root)) or not files:
            return None
        if any(_digest(root / name) != was for name, was in files.items()):
            return None
        folders = {(root / name).parent for name in files if name.startswith("offices/")}
        if any(True for folder in folders for _ in strays.refusals(root, folder)):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def _digest(path: Path) -> str:
    """A plain file's content; a link, or what cannot be read, has none and equals nothing."""
    try:
        return "" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


@cache
def _rules() -> str:
    """All that reads a dossier, by its text: other rules may refuse it, or tell other facts."""
    package = Path(__file__).parent.parent
    files = [*sorted((package / "inventory").glob("*.py")), Path(__file__), Path(__file__).with_name("__init__.py")]
    return hashlib.sha256(b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in files)).hexdigest()
