"""The history of a website's pages: one commit a version, made of a folder of plain files beside it.

Set by the office's pack; changes here are overwritten.
"""

import subprocess
from pathlib import Path
from typing import Any

NEWEST = 100  # versions that are told


class History:
    """A git repository of its own, `folder`, whose files lie in `pages`; no configuration but ours counts."""

    def __init__(self, folder: Path, pages: Path) -> None:
        self.folder, self.pages = folder, pages

    def git(self, *words: str, given: bytes = b"", index: str = "index") -> bytes:
        """Git on the history, with no configuration but ours."""
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_DIR": str(self.folder), "GIT_WORK_TREE": str(self.pages), "GIT_INDEX_FILE": str(self.folder / index),
            **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
               for what, value in (("NAME", "office"), ("EMAIL", "office@localhost"))},
        }  # fmt: skip
        return subprocess.run(["git", *words], input=given, capture_output=True, check=True, env=environment).stdout

    def commit(self, subject: str) -> str:
        """Make what was taken a commit, unless it is the newest already; the newest commit."""
        if not self.name("refs/heads/main"):
            self.git("init", "-q", "--template=", "-b", "main")
        self.git("add", "-A", "-f", ".")
        head = self.name("refs/heads/main")
        if not head or self.git("write-tree").strip() != self.git("rev-parse", f"{head}^{{tree}}").strip():
            self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.name("refs/heads/main")

    def name(self, ref: str) -> str:
        """The commit that a name means; empty where it means none."""
        try:
            return self.git("rev-parse", "--verify", "-q", f"{ref}^{{commit}}").decode().strip()
        except subprocess.CalledProcessError:
            return ""

    def tree(self, commit: str) -> dict[str, str]:
        """The files of a commit: name -> git's name of its content."""
        listed = self.git("ls-tree", "-r", "-z", commit).decode().split("\0") if commit else []
        return {name: about.split()[2] for about, _, name in (line.partition("\t") for line in listed if line)}

    def changed(self) -> str:
        """The files that differ from the newest version, for a sentence."""
        try:
            self.git("add", "-A", "-f", ".")
            names = self.git("diff", "--cached", "--name-only", "-z", "HEAD").decode().split("\0")
        except (OSError, subprocess.CalledProcessError):  # no room, or no version yet
            names = []
        return ", ".join(name for name in names[:5] if name) or "?"

    def make(self, files: dict[str, str]) -> str:
        """A tree of contents that are kept already; its name."""
        (self.folder / "new").unlink(missing_ok=True)
        lines = "".join(f"100644 {blob}\t{name}\0" for name, blob in files.items())
        self.git("update-index", "-z", "--index-info", given=lines.encode(), index="new")
        return self.git("write-tree", index="new").decode().strip()

    def log(self) -> list[dict[str, Any]]:
        """The newest versions, newest first: `version`, `at`, `subject`, `files`."""
        lines = self.git("log", f"-{NEWEST}", "-z", "--format=%h %ct %s").decode().split("\0") if self.name("HEAD") else []
        found = []
        for line in filter(None, lines):
            version, when, subject = line.strip().split(" ", 2)
            names = self.git("diff-tree", "-r", "--root", "--no-commit-id", "--name-only", "-z", version).decode().split("\0")
            found.append({"version": version, "at": int(when), "subject": subject, "files": [n for n in names if n][:20]})
        return found
