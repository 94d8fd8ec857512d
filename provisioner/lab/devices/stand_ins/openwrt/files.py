"""The stand-in's own files: a tree in memory, of which all but /tmp lies on the box's permanent storage once it is synced.

From the documents: an overlay over the read-only system keeps what is written (openwrt.org, "The OpenWrt Flash Layout"), `/var`
is a link to `/tmp` and that is a tmpfs ("Filesystems"). What was written and not synced is lost in a power cut, the least that
JFFS2 and UBIFS promise (UBIFS FAQ, "write-back support"); a file `through` in the box's folder is a disk that writes at once.
No name in here is ever one of this laptop's: the only files touched are the box's, under names of the box's making.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from provisioner.lab.devices.stand_ins import Box

VOLATILE = ("/tmp", "/proc", "/sys", "/dev", "/bin", "/sbin", "/usr", "/rom", "/lib")  # noqa: S108 - the router's
_LINKS = 16


class Failed(Exception):
    """A system call's error, in the words of libc."""


@dataclass(frozen=True, slots=True)
class Node:
    """A file, a folder or a link; a link's `data` is where it leads."""

    kind: str
    data: bytes = b""
    mode: int = 0o644


class Files:
    """The tree, by absolute names."""

    def __init__(self, box: Box) -> None:
        self.box, self.lock, self.readonly = box, threading.RLock(), False
        self.made: dict[str, Callable[[], bytes]] = {}  # what the kernel makes when it is read
        self.nodes: dict[str, Node] = {"/": Node("d", mode=0o755)}
        self.dirty: set[str] = set()
        for name in box.files:
            head, _, data = (box.load(name) or "").partition("\n")
            kind, mode = head.split()
            self.nodes[name] = Node(kind, data.encode("latin-1"), int(mode, 8))
        self.new = len(self.nodes) == 1
        for name in VOLATILE:
            self.nodes[name] = Node("d", mode=0o755)
        self.nodes["/var"] = Node("l", b"/tmp")
        for name in ("/tmp/run", "/tmp/.uci"):  # noqa: S108 - the router's
            self.nodes[name] = Node("d", mode=0o755)

    # ------------------------------------------------------------------------------------------ storage

    def sync(self) -> None:
        """All that was written is on the permanent storage."""
        with self.lock:
            for name in sorted(self.dirty):
                node = self.nodes.get(name)
                if node is None:
                    self.box.delete(name)
                else:
                    self.box.save(name, f"{node.kind} {node.mode:o}\n{node.data.decode('latin-1')}")
            self.dirty.clear()

    def _put(self, name: str, node: Node | None) -> None:
        if node is None:
            self.nodes.pop(name, None)
        else:
            self.nodes[name] = node
        if name != "/var" and not any(name == one or name.startswith(f"{one}/") for one in VOLATILE):
            if self.readonly:
                raise Failed("Read-only file system")
            self.dirty.add(name)
            if (self.box.folder / "through").exists():
                self.sync()

    # -------------------------------------------------------------------------------------------- names

    def resolve(self, name: str, cwd: str = "/", *, last: bool = True) -> str:
        """The absolute name, links followed; `last`: the last one too.

        Raises:
            Failed: it leads through what is no folder, or in circles.
        """
        todo = [piece for piece in (name if name.startswith("/") else f"{cwd}/{name}").split("/") if piece not in ("", ".")]
        at, links = "", 0
        while todo:
            piece = todo.pop(0)
            if piece == "..":
                at = at.rpartition("/")[0]
                continue
            node = self.nodes.get(f"{at}/{piece}")
            if node and node.kind == "l" and (todo or last):
                links += 1
                if links > _LINKS:
                    raise Failed("Too many symbolic links encountered")
                target = node.data.decode("utf-8", "surrogateescape")
                at = "" if target.startswith("/") else at
                todo = [one for one in target.split("/") if one not in ("", ".")] + todo
            elif todo and node and node.kind == "f":
                raise Failed("Not a directory")
            else:
                at = f"{at}/{piece}"
        return at or "/"

    def look(self, name: str, cwd: str = "/", *, last: bool = True) -> Node | None:
        """What is there; None where nothing is."""
        with self.lock:
            try:
                full = self.resolve(name, cwd, last=last)
            except Failed:
                return None
            return Node("f", self.made[full](), 0o444) if full in self.made else self.nodes.get(full)

    def _place(self, name: str, cwd: str, *, last: bool = True) -> str:
        """Where something may be made: its folder is there."""
        full = self.resolve(name, cwd, last=last)
        parent = self.nodes.get(full.rpartition("/")[0] or "/")
        if parent is None:
            raise Failed("No such file or directory")
        if parent.kind != "d":
            raise Failed("Not a directory")
        return full

    # -------------------------------------------------------------------------------------------- calls

    def read(self, name: str, cwd: str = "/") -> bytes:
        """A file's bytes."""
        with self.lock:
            node = self.look(name, cwd)
            if node is None:
                raise Failed("No such file or directory")
            if node.kind == "d":
                raise Failed("Is a directory")
            return node.data

    def write(self, name: str, data: bytes, cwd: str = "/", *, append: bool = False, mode: int | None = None) -> None:
        """Write a file; one that is there keeps its mode."""
        with self.lock:
            full = self._place(name, cwd)
            node = self.nodes.get(full)
            if node and node.kind == "d":
                raise Failed("Is a directory")
            former = node.data if node and append else b""
            self._put(full, Node("f", former + data, mode if mode is not None else node.mode if node else 0o644))

    def mkdir(self, name: str, cwd: str = "/") -> None:
        """Make a folder."""
        with self.lock:
            full = self._place(name, cwd)
            if full in self.nodes:
                raise Failed("File exists")
            self._put(full, Node("d", mode=0o755))

    def symlink(self, target: str, name: str, cwd: str = "/") -> None:
        """Make a link, if nothing bears its name."""
        with self.lock:
            full = self._place(name, cwd, last=False)
            if full in self.nodes:
                raise Failed("File exists")
            self._put(full, Node("l", target.encode("utf-8", "surrogateescape"), 0o777))

    def unlink(self, name: str, cwd: str = "/") -> None:
        """Remove a file or a link."""
        with self.lock:
            full = self.resolve(name, cwd, last=False)
            node = self.nodes.get(full)
            if node is None:
                raise Failed("No such file or directory")
            if node.kind == "d":
                raise Failed("Is a directory")
            self._put(full, None)

    def rmdir(self, name: str, cwd: str = "/") -> None:
        """Remove an empty folder."""
        with self.lock:
            full = self.resolve(name, cwd, last=False)
            if full not in self.nodes:
                raise Failed("No such file or directory")
            if self.children(full):
                raise Failed("Directory not empty")
            self._put(full, None)

    def rename(self, old: str, new: str, cwd: str = "/") -> None:
        """Rename: what bore the new name is replaced in the same moment."""
        with self.lock:
            source, target = self.resolve(old, cwd, last=False), self._place(new, cwd, last=False)
            node, there = self.nodes.get(source), self.nodes.get(target)
            if node is None:
                raise Failed("No such file or directory")
            if source == target:
                return
            if there and there.kind == "d" and (node.kind != "d" or self.children(target)):
                raise Failed("Directory not empty" if node.kind == "d" else "Is a directory")
            moved = [name for name in self.nodes if name == source or name.startswith(f"{source}/")]
            nodes = {name: self.nodes[name] for name in moved}
            for name in moved:
                self._put(target + name.removeprefix(source), nodes[name])
                self._put(name, None)

    def chmod(self, name: str, mode: int, cwd: str = "/") -> None:
        """Set a mode."""
        with self.lock:
            full = self.resolve(name, cwd)
            if full not in self.nodes:
                raise Failed("No such file or directory")
            self._put(full, replace(self.nodes[full], mode=mode))

    def children(self, full: str) -> list[str]:
        """The names in a folder."""
        prefix = full.rstrip("/") + "/"
        inner = (name[len(prefix) :] for name in self.nodes if name.startswith(prefix) and name != "/")
        return sorted(name for name in inner if "/" not in name)

    def listing(self, name: str, cwd: str = "/") -> list[str]:
        """The names in a folder; of a file its own name."""
        with self.lock:
            full = self.resolve(name, cwd)
            if full not in self.nodes:
                raise Failed("No such file or directory")
            return self.children(full) if self.nodes[full].kind == "d" else [name]
