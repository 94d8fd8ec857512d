"""A release on disk: its folder, named by the hash of its content, and beside it the list of its files with their hashes."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .problems import Problem

KEPT = 5  # on the machine that builds; the one that serves keeps its own
GZIPPED = (".html", ".css", ".xml", ".svg", ".txt")


@dataclass(frozen=True)
class Release:
    """One built version: `files` are the SHA-256 of each by its path below `folder`; `built`: whether it was made just now."""

    name: str
    folder: Path
    files: Mapping[str, str]
    warnings: tuple[Problem, ...] = ()
    pages: int = 0
    built: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, out: Path, name: str) -> "Release":
        """A release that is there.

        Raises:
            OSError, ValueError, KeyError: it is not, or not whole.
        """
        from .memory import of_note

        told = json.loads((out / f"{name}.json").read_bytes())
        return cls(name, out / name, told["files"], tuple(map(of_note, told["warnings"])), told["pages"])


def name_of(files: Mapping[str, str]) -> str:
    """A release's name from the hashes of its files: 16 hexadecimal digits."""
    listed = "".join(f"{digest}  {path}\n" for path, digest in sorted(files.items()))
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


def write(
    out: Path, content: Mapping[str, bytes], linked: Mapping[str, tuple[Path, str]], warnings: tuple[Problem, ...], pages: int
) -> Release:
    """Write a release beside its place and rename it there: whole, or not at all.

    Args:
        out: where releases lie.
        content: bytes by path.
        linked: files that lie ready, with their SHA-256, by path.
        warnings: what was said of the pages and stopped nothing.
        pages: how many they are.
    """
    import secrets
    import shutil

    from .memory import as_note

    files = {path: hashlib.sha256(data).hexdigest() for path, data in content.items()}
    files.update({path: digest for path, (_, digest) in linked.items()})
    name = name_of(files)
    out.mkdir(parents=True, exist_ok=True)
    _sweep(out)
    if not (out / name).is_dir():
        new = out / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        made = set[Path]()
        for path in (*content, *linked):
            if (parent := (new / path).parent) not in made:
                parent.mkdir(parents=True, exist_ok=True)
                made.add(parent)
        for path, data in content.items():
            (new / path).write_bytes(data)
        for path, (ready, _) in linked.items():
            shutil.copyfile(ready, new / path)
        new.rename(out / name)
    told = {"release": name, "files": files, "pages": pages, "warnings": [as_note(one) for one in warnings]}
    note = out / f".{name}.json.{os.getpid()}"
    note.write_text(json.dumps(told, indent=1, sort_keys=True), encoding="utf-8")
    note.rename(out / f"{name}.json")
    os.utime(out / name)
    _forget(out)
    return Release(name, out / name, files, warnings, pages, built=True)


def listed(out: Path) -> list[Path]:
    """The releases' folders, the newest first."""
    found = [path for path in out.iterdir() if path.is_dir() and (out / f"{path.name}.json").is_file()] if out.is_dir() else []
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _forget(out: Path) -> None:
    import shutil

    for old in listed(out)[KEPT:]:
        (out / f"{old.name}.json").unlink()
        shutil.rmtree(old)


def _sweep(out: Path) -> None:
    """Remove what a build that was killed left."""
    import shutil

    for left in out.glob(".*.*"):
        parts = left.name.split(".")
        pid = parts[2] if len(parts) > 2 and parts[2].isdecimal() else parts[-1]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
