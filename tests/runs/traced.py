"""A verb under strace: which calls change files, and one of them struck, by a kill before it or by a disk that is full.

The kernel itself does it (strace(1), `inject`): the tool cannot tell such a fault from a real one.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHANGING = (
    *("openat", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "fchmod", "chmod", "mkdir", "mkdirat", "rmdir"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat"),
)
ROOM = (
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
)
_LINE = re.compile(r"(?P<name>\w+)\((?P<given>.*)\)\s+= (?P<answer>.*)")
_OWN = re.compile(r"\.(?P<name>[^/]+)\.\d+\.[0-9a-f]{8}")  # disk.py's names beside
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")


@dataclass(frozen=True)
class Call:
    """One call that changes a file: the `nth` of its name in the process, on `path` (below the folders watched)."""

    name: str
    nth: int
    path: str
    size: int = 0  # bytes written

    @property
    def writes(self) -> bool:
        """Whether it puts content into a file."""
        return self.name in ("write", "pwrite64")

    @property
    def full(self) -> bool:
        """Whether a full disk can refuse it."""
        return self.name in ROOM


@dataclass(frozen=True)
class Trace:
    """What a verb did: its exit code, what it said, every changing call on files below the folders watched."""

    code: int
    said: str
    calls: list[Call]
    struck: Call | None = None


def traced(
    words: Sequence[str], watched: Mapping[str, Path], log: Path, *, env: Mapping[str, str], stdin: str = "", strike: str = ""
) -> Trace:
    """Run a command; `strike` is strace's word for what happens to one call, such as `fsync:signal=KILL:when=3`."""
    inject = ["-e", f"inject={strike}"] if strike else []
    command = ["strace", "-y", "-o", str(log), "-e", f"trace={','.join(CHANGING)}", *inject, "--", *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env=dict(env), cwd="/")
    count: dict[str, int] = dict.fromkeys(CHANGING, 0)
    calls: list[Call] = []
    struck = None
    for line in log.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        name, given = found["name"], found["given"]
        count[name] += 1
        if (name == "openat" and "O_CREAT" not in given) or found["answer"].startswith("-1 EEXIST"):
            continue
        for place, folder in watched.items():
            if f"{folder}/" in f"{given.replace('>', '/').replace(chr(34), '/')}/":
                rest = re.split(r"[>\",]", given.rsplit(str(folder), 1)[1], maxsplit=1)[0]
                path = place + _RUN.sub("RUN", _OWN.sub(r"\g<name>", rest))
                size = int(found["answer"].split()[0]) if name == "write" and found["answer"][0].isdigit() else 0
                calls.append(Call(name, count[name], path, size))
                if "(INJECTED)" in line or found["answer"] == "?":
                    struck = calls[-1]
                break
    return Trace(done.returncode, done.stdout + done.stderr, calls, struck)
