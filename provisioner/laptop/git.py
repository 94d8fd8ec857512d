"""The inventory's history, through git itself: who has the newer copy, and one commit per thing done.

Git is called with a configuration of ours: what the operator set for their own work (hooks, ignores, signatures, line ends,
colours, another repository in the environment) changes nothing of what is read or committed here. Only who they are, and which
folders of others they trust, is taken from theirs.
"""

import functools
import hashlib
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from provisioner.errors import BadInput, Missing
from provisioner.laptop import disk
from provisioner.laptop.strays import left_over

_WAIT_S = 2  # for a lock that somebody's git or editor holds just now

# Over the repository's own configuration, which the operator may have set as well (git-config(1)).
_CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",  # a program it may name
    "core.excludesFile": "/dev/null",
    "core.attributesFile": "/dev/null",
    "core.autocrlf": "false",
    "core.safecrlf": "false",
    "core.eol": "lf",
    "core.quotePath": "true",
    "color.ui": "false",
    "commit.gpgSign": "false",
    "commit.cleanup": "whitespace",
    "diff.renames": "false",
    "diff.orderFile": "/dev/null",
    "diff.ignoreSubmodules": "none",
    "i18n.commitEncoding": "utf-8",
    "i18n.logOutputEncoding": "utf-8",
    "log.showSignature": "false",
    "log.follow": "false",
    "log.mailmap": "false",
    "status.showUntrackedFiles": "all",
}
_ATTRIBUTES = "# Every copy has the same bytes, whatever a git does to line ends.\n* text=auto eol=lf\n*.pdf -text\n*.png -text\n"
_CONFIGURATIONS = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
# Files of ours that a commit of their folder holds, whatever a .gitignore made for other work says of `*.key` or `*.json`.
_KEPT = re.compile(r"dossier\.yml|vault\.(?:yml|key)|network\.key|known_hosts|\d{3,}-.+|[0-9a-f]{64}\.png")
_MIDDLE = {
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisect",
}


def _environment() -> dict[str, str]:
    """Ours without what would name another repository, index, configuration or program (`GIT_DIR`, as a hook has it)."""
    names = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in names}
    return kept | {"LC_ALL": "C", "GIT_LITERAL_PATHSPECS": "1", "GIT_NO_REPLACE_OBJECTS": "1"}


def _run(words: Sequence[str], environment: dict[str, str], given: str = "") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *words], input=os.fsencode(given), capture_output=True, check=False, env=environment)
    except FileNotFoundError as error:
        raise Missing("this laptop has no git", hint="provisioner doctor") from error


def _theirs(root: Path, *words: str) -> list[str]:
    """What the operator's own configuration says, the whole of it: system, global, repository."""
    named = {name: value for name, value in os.environ.items() if name in _CONFIGURATIONS}
    done = _run(["-C", str(root), "config", "-z", *words], _environment() | named)
    return os.fsdecode(done.stdout).split("\0")[:-1]


@functools.cache
def _trusted(root: Path) -> tuple[str, ...]:
    return tuple(_theirs(root, "--get-all", "safe.directory"))


def _raw(root: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[bytes]:
    settings = [*_CONFIG.items(), *(("safe.directory", folder) for folder in _trusted(root))]
    options = [word for name, value in settings for word in ("-c", f"{name}={value}")]
    environment = _environment() | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    return _run(["-C", str(root), *options, *words], environment, given)


def _git(root: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    done = _raw(root, *words, given=given)
    return subprocess.CompletedProcess(done.args, done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))


def repository(root: Path) -> bool:
    """Whether the inventory has a history.

    Raises:
        BadInput: it has one, and git does not open it: another user's folder, or a damaged one.
    """
    done = _git(root, "rev-parse", "--git-dir")
    if done.returncode == 0:
        return True
    if "dubious ownership" in done.stderr:
        folder = re.search(r"repository at '(.+?)'", done.stderr)
        where = folder[1] if folder else str(root)
        what = f"{where} is another user's folder: git does not open it, nothing could be committed"
        raise BadInput(
            what, hint=f"if you trust whoever writes there: git config --global --add safe.directory {shlex.quote(where)}"
        )
    if "not a git repository" in done.stderr:
        return False
    raise BadInput(f"git does not open {root}: {done.stderr.strip()}", hint=f"git -C {root} status")


def create(root: Path) -> None:
    """Make the history of a new inventory, unless there is one: nothing of the operator's template goes into it."""
    if not (root / ".git").exists():
        _done(_git(root, "init", "-q", "--template=", "-b", "main"), root)


def note(root: Path, name: str, value: str) -> None:
    """Write one line of the copy's own configuration (`provisioner.technician`)."""
    _done(_git(root, "config", name, value), root)


def setting(root: Path, name: str, *, path: bool = False) -> str:
    """One line of the operator's configuration; empty when it is nowhere; `path` with `~` resolved.

    Raises:
        BadInput: git does not open the inventory, so that nobody can tell.
    """
    found = _theirs(root, *(["--type=path"] if path else []), "--get", name)
    if not found:
        repository(root)
    return found[-1].strip() if found else ""


def _done(done: subprocess.CompletedProcess[str], root: Path) -> None:
    if done.returncode:
        raise BadInput(f"git: {done.stderr.strip() or done.stdout.strip()}", hint=f"git -C {root} status")


def head(root: Path) -> str | None:
    """The commit the copy stands at; None without git or before the first commit."""
    done = _git(root, "rev-parse", "--verify", "-q", "HEAD^{commit}")
    return done.stdout.strip() or None


def behind_s(root: Path) -> float | None:
    """How far this laptop's clock is behind the newest commit (s); negative: ahead of it. None before the first commit."""
    when = _git(root, "log", "-1", "--format=%ct").stdout.strip()
    return int(when) - time.time() if when else None


def contains(root: Path, commit: str) -> bool:
    """Whether our copy holds everything that `commit` held: it is HEAD or an ancestor of it."""
    return _git(root, "merge-base", "--is-ancestor", commit, "HEAD").returncode == 0


def changed(root: Path, paths: Sequence[Path]) -> list[str]:
    """What differs from HEAD below `paths`, new files included; paths relative to the repository's top.

    What the operator ignores in lists of their own is not ignored here, nor are files of ours; left-overs of editors are.
    """
    where = ["--", *map(str, paths)]
    known = _git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", *where).stdout
    new = ["ls-files", "-z", "--full-name", "--others", "--exclude-per-directory=.gitignore"]
    plain = _git(root, *new, *where).stdout.split("\0")
    named = {os.path.join(os.path.realpath(path.parent), path.name) for path in paths}  # noqa: PTH118 - the link itself, not its end
    top = _top(root)
    hidden = [
        name
        for name in _git(root, *new, "--ignored", *where).stdout.split("\0")
        if _KEPT.fullmatch(Path(name).name) or str(top / name) in named
    ]
    fresh = [name for name in (*plain, *hidden) if name and not name.endswith("/") and not left_over(Path(name).name)]
    return [*dict.fromkeys([*(entry[3:] for entry in known.split("\0") if entry), *fresh])]


def _top(root: Path) -> Path:
    return Path(_git(root, "rev-parse", "--show-toplevel").stdout.removesuffix("\n") or root)


def check_ready(root: Path) -> None:
    """Stop where a commit made now would not stay where it is made; an inventory without a history is let through.

    Raises:
        BadInput: it is in the middle of something, on no branch, or another user's.
    """
    if not repository(root):
        return
    asked = [word for name in _MIDDLE for word in ("--git-path", name)]
    found = [root / line for line in _git(root, "rev-parse", *asked).stdout.splitlines()]
    for path, what in zip(found, _MIDDLE.values(), strict=False):
        if path.exists():
            verb = what.removeprefix("a ")
            hint = f"git -C {root} status; then git {verb} --abort, or its end"
            raise BadInput(f"{root} is in the middle of {what}: a commit made now could be lost", hint=hint)
    if unmerged := _git(root, "ls-files", "-z", "--unmerged").stdout.split("\t")[1:]:
        name = unmerged[0].split("\0")[0]
        raise BadInput(
            f"{root}: {name} holds the conflict of a merge", hint=f"an editor, then git -C {root} add {shlex.quote(name)}"
        )
    if _git(root, "symbolic-ref", "-q", "HEAD").returncode:
        hint = f"git -C {root} switch main"
        raise BadInput(f"{root} stands on no branch (a detached HEAD): a commit made now would be lost", hint=hint)


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

    top = _top(root)
    for process in psutil.process_iter(["name", "cwd"]):
        name, folder = process.info["name"] or "", process.info["cwd"]
        if name.startswith("git") and folder and Path(folder).is_relative_to(top):
            return process.pid
    return 0


def commit(root: Path, paths: Sequence[Path], message: str, *, name: str = "", email: str = "") -> str | None:
    """Commit what changed below `paths`, and only that: what else is staged stays as it is.

    Args:
        root: the inventory; one that lacks our `.gitattributes` gets it with this commit.
        paths: files or folders; deleted ones count.
        message: its first line, then a blank one, then the rest.
        name: the author where git knows none of its own.
        email: the same.

    Returns:
        The new commit, or None when nothing changed there or the inventory has no history.

    Raises:
        BadInput: git refused, in its words; the inventory is in the middle of something; the commit holds something else.
    """
    if not repository(root):
        return None
    for top in paths:
        for folder in [top, *top.rglob("*/")] if top.is_dir() else []:
            disk.sweep(folder)
    if not changed(root, paths):
        return None
    check_ready(root)
    _check_locks(root)
    files = changed(root, [*paths, *attributes(root)])
    identity = [
        ("user.name", (_theirs(root, "--get", "user.name") or [name or "provisioner"])[-1]),
        ("user.email", (_theirs(root, "--get", "user.email") or [email or "provisioner@localhost"])[-1]),
    ]
    options = [word for key, value in identity for word in ("-c", f"{key}={value}")]
    listed = ["--pathspec-from-file=-", "--pathspec-file-nul"]
    above = _top(root)
    there = [file for file in files if os.path.lexists(above / file)]
    done = _git(above, "add", "-f", *listed, given="\0".join(there)) if there else None
    if not done or not done.returncode:
        done = _git(above, *options, "commit", "-q", "--only", "-m", message, *listed, given="\0".join(files))
    if done.returncode:
        raise BadInput(f"git did not take the commit: {done.stderr.strip() or done.stdout.strip()}", hint=f"git -C {root} status")
    _check_held(above, there)
    return head(root)


def attributes(root: Path) -> list[Path]:
    """See to it that every copy of the inventory has the same bytes; the file that says so when it was written just now."""
    path = root / ".gitattributes"
    if path.is_symlink():  # it may lead anywhere
        return []
    found = path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else ""
    if "* text=auto eol=lf" in found.splitlines():
        return []
    disk.write(path, os.fsencode(_ATTRIBUTES + found), mode=0o644)  # ours first: git takes the last line that fits
    return [path]


def _check_held(top: Path, files: Iterable[str]) -> None:
    """Compare what HEAD holds with what the files hold, line ends apart.

    Raises:
        BadInput: a filter of the repository's own made something else of a file, or left it out.
    """
    held: dict[str, str] = {}
    for entry in _git(top, "ls-tree", "-r", "-z", "HEAD").stdout.split("\0"):
        about, _, file = entry.partition("\t")
        held[file] = about.split()[2] if about else ""
    for file in files:
        path = top / file
        if path.is_dir():
            continue
        raw = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        if held.get(file) not in {
            _blob(raw, len(held.get(file, ""))),
            _blob(raw.replace(b"\r\n", b"\n"), len(held.get(file, ""))),
        }:
            what = f"the commit does not hold {file} as it is: a filter or a line of .gitattributes makes something else of it"
            raise BadInput(what, hint=f"git -C {top} check-attr -a -- {shlex.quote(file)}")


def _blob(raw: bytes, digits: int) -> str:
    """The name git gives a content (gitformat-pack(5)), in a repository of SHA-1 or of SHA-256."""
    make = hashlib.sha256 if digits == 64 else hashlib.sha1
    return make(b"blob %d\0" % len(raw) + raw).hexdigest()


def versions(root: Path, path: Path) -> list[str]:
    """Every text that any commit of our history gave a file, from new to old; none without git."""
    made = _git(root, "log", "--format=%H", "--follow", "--", str(path)).stdout.split()
    name = f"./{path.relative_to(root)}"
    return [
        done.stdout for done in (_git(root, "cat-file", "blob", f"{commit}:{name}") for commit in made) if not done.returncode
    ]


def remembered(root: Path, folder: Path) -> dict[str, str]:
    """Every file that any commit ever held directly in `folder`: name -> SHA-256 of its first version.

    Files that are only ever added, such as an audit's, must still be there as they were added.
    """
    done = _git(root, "log", "--diff-filter=A", "--format=", "--raw", "--no-abbrev", "-z", "--", str(folder))
    found: dict[str, str] = {}
    words = done.stdout.split("\0")
    for meta, name in zip(words[::2], words[1::2], strict=False):
        blob = meta.split()[3] if meta.startswith(":") else ""
        if blob:  # git log runs from new to old: the last one seen is the first version
            found[Path(name).name] = hashlib.sha256(_raw(root, "cat-file", "blob", blob).stdout).hexdigest()
    return found


def version_at(root: Path, path: Path, when: str) -> str | None:
    """The text that a file had at a day or moment (git-log(1), --before); None where no commit of then has it."""
    made = _git(root, "log", "-1", "--format=%H", f"--before={when}", "--", str(path)).stdout.strip()
    done = _git(root, "show", f"{made}:./{path.relative_to(root)}") if made else None
    return done.stdout if done and not done.returncode else None
