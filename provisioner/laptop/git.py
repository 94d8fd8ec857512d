"""The inventory's history, through git itself: who has the newer copy, and one commit per thing done."""

import shlex
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import BadInput
from provisioner.laptop import disk

_WAIT_S = 2  # for a lock that somebody's git or editor holds just now


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)


def repository(root: Path) -> bool:
    """Whether the inventory has a history."""
    return _git(root, "rev-parse", "--git-dir").returncode == 0


def head(root: Path) -> str | None:
    """The commit the copy stands at; None without git or before the first commit."""
    done = _git(root, "rev-parse", "--verify", "-q", "HEAD^{commit}")
    return done.stdout.strip() or None


def behind_s(root: Path) -> float | None:
    """How far this laptop's clock is behind the newest commit (s); negative: ahead of it. None before the first commit."""
    import time

    when = _git(root, "log", "-1", "--format=%ct").stdout.strip()
    return int(when) - time.time() if when else None


def contains(root: Path, commit: str) -> bool:
    """Whether our copy holds everything that `commit` held: it is HEAD or an ancestor of it."""
    return _git(root, "merge-base", "--is-ancestor", commit, "HEAD").returncode == 0


def changed(root: Path, paths: Sequence[Path]) -> list[str]:
    """What differs from HEAD below `paths`, new files included; paths relative to the repository's top."""
    done = _git(root, "status", "--porcelain", "-z", "--untracked-files=all", "--", *map(str, paths))
    return [entry[3:] for entry in done.stdout.split("\0") if entry]


def _check_locks(root: Path) -> None:
    """Stop where a git holds the repository, or died and left its lock: git itself never takes that away, and nor do we.

    Raises:
        BadInput: who holds it, or how to be rid of the lock of one that died.
    """
    branch = _git(root, "symbolic-ref", "-q", "HEAD").stdout.strip() or "HEAD"
    asked = [word for name in ("index", "HEAD", branch) for word in ("--git-path", f"{name}.lock")]
    locks = [root / line for line in _git(root, "rev-parse", *asked).stdout.splitlines()]
    until = time.monotonic() + _WAIT_S
    while (held := [lock for lock in locks if lock.exists()]) and time.monotonic() < until:
        time.sleep(0.1)
    if held:
        at_work = _at_work(root)
        who = f"git (process {at_work}) works there" if at_work else "a git that was killed left its lock"
        hint = "wait for it, then again" if at_work else f"is no editor or git at work there? rm {shlex.join(map(str, held))}"
        raise BadInput(f"{root} cannot be committed to: {who}: {held[0].name}", hint=hint)


def _at_work(root: Path) -> int:
    """The process of somebody's git in this repository; 0 when there is none that we may see."""
    import psutil

    top = _git(root, "rev-parse", "--show-toplevel").stdout.strip()
    for process in psutil.process_iter(["name", "cwd"]):
        name, folder = process.info["name"] or "", process.info["cwd"]
        if name.startswith("git") and folder and Path(folder).is_relative_to(top):
            return process.pid
    return 0


def commit(root: Path, paths: Sequence[Path], message: str, *, name: str = "", email: str = "") -> str | None:
    """Commit what changed below `paths`, and only that: what else is staged stays as it is.

    Args:
        root: the inventory.
        paths: files or folders; deleted ones count.
        message: its first line, then a blank one, then the rest.
        name: the author where git knows none of its own.
        email: the same.

    Returns:
        The new commit, or None when nothing changed there or the inventory has no history.

    Raises:
        BadInput: git refused, in its words.
    """
    if not repository(root) or not changed(root, paths):
        return None
    _check_locks(root)
    for top in paths:
        for folder in [top, *top.rglob("*/")] if top.is_dir() else []:
            disk.sweep(folder)
    identity: list[str] = []
    if not _git(root, "config", "user.email").stdout.strip():
        identity = ["-c", f"user.name={name or 'provisioner'}", "-c", f"user.email={email or 'provisioner@localhost'}"]
    added = _git(root, "add", "--", *map(str, paths))
    done = added if added.returncode else _git(
        root, *identity, "commit", "-q", "--no-gpg-sign", "--only", "-m", message, "--", *map(str, paths)
    )  # fmt: skip
    if done.returncode:
        raise BadInput(f"git did not take the commit: {done.stderr.strip() or done.stdout.strip()}", hint=f"git -C {root} status")
    return head(root)


def versions(root: Path, path: Path) -> list[str]:
    """Every text that any commit of our history gave a file, from new to old; none without git."""
    made = _git(root, "log", "--format=%H", "--follow", "--", str(path)).stdout.split()
    name = f"./{path.relative_to(root)}"
    return [done.stdout for done in (_git(root, "show", f"{commit}:{name}") for commit in made) if not done.returncode]


def remembered(root: Path, folder: Path) -> dict[str, str]:
    """Every file that any commit ever held directly in `folder`: name -> SHA-256 of its first version.

    Files that are only ever added, such as an audit's, must still be there as they were added.
    """
    import hashlib

    done = _git(root, "log", "--diff-filter=A", "--format=", "--raw", "--no-abbrev", "-z", "--", str(folder))
    found: dict[str, str] = {}
    words = done.stdout.split("\0")
    for meta, name in zip(words[::2], words[1::2], strict=False):
        blob = meta.split()[3] if meta.startswith(":") else ""
        if blob:  # git log runs from new to old: the last one seen is the first version
            raw = subprocess.run(["git", "-C", str(root), "cat-file", "blob", blob], capture_output=True, check=False)
            found[Path(name).name] = hashlib.sha256(raw.stdout).hexdigest()
    return found


def version_at(root: Path, path: Path, when: str) -> str | None:
    """The text that a file had at a day or moment (git-log(1), --before); None where no commit of then has it."""
    made = _git(root, "log", "-1", "--format=%H", f"--before={when}", "--", str(path)).stdout.strip()
    done = _git(root, "show", f"{made}:./{path.relative_to(root)}") if made else None
    return done.stdout if done and not done.returncode else None
