"""Removing what a lab leaves on disk, in a way that can never empty anything else.

A clean-up through a forgotten mount once emptied a machine's /dev (FACTS, Lab). So nothing is removed while anything is
mounted at or below it, and `rm` never crosses a file system.
"""

from pathlib import Path

from provisioner.errors import HostFailed
from provisioner.laptop.processes import run


def mounts_below(folder: Path) -> list[Path]:
    """Mount points at or below `folder`, deepest first (proc_pid_mountinfo(5), field 5, octal escapes undone)."""
    top = folder.resolve()
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        name = line.split(" ")[4].encode("utf-8", "surrogateescape")
        for escape, char in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
            name = name.replace(escape, char)
        point = Path(name.decode("utf-8", "surrogateescape"))
        if point.is_relative_to(top):
            found.append(point)
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def remove_tree(folder: Path) -> None:
    """Remove `folder` and all in it.

    Raises:
        HostFailed: something is mounted at or below it; nothing was removed.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    mounted = mounts_below(folder)
    if mounted:
        raise HostFailed(f"not removing {folder}: {mounted[0]} is still mounted", hint=f"findmnt {mounted[0]}")
    run(["rm", "-rf", "--one-file-system", "--", str(folder)])
