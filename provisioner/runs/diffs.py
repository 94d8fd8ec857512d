"""What a change amounts to, read off its diff: which files are new, which grow or shrink, which are worth showing whole."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

SMALL = 6  # lines of a diff that are read at a glance

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_PACKAGES = re.compile(r"^(\d+) upgraded, (\d+) newly installed, (\d+) to remove", re.MULTILINE)


@dataclass
class FileDiff:
    """One file's part of a diff, or that of a thing which is no file (`name` is empty then); `lines` have no headers."""

    name: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def added(self) -> int:
        """How many lines come."""
        return sum(line.startswith("+") for line in self.lines)

    @property
    def removed(self) -> int:
        """How many lines go."""
        return sum(line.startswith("-") for line in self.lines)

    @property
    def new(self) -> bool:
        """Whether nothing was there before."""
        return bool(self.lines) and self.lines[0].startswith("@@ -0,0 ")

    @property
    def gone(self) -> bool:
        """Whether nothing is left of it."""
        return bool(self.lines) and self.lines[0].startswith("@@ ") and " +0,0 @@" in self.lines[0]

    @property
    def program(self) -> bool:
        """Whether it is a new one; what lies in /etc is a setting, whoever reads it."""
        return self.new and len(self.lines) > 1 and self.lines[1].startswith("+#!") and not self.name.startswith("/etc/")


def files(diff: str) -> list[FileDiff]:
    """The parts of a diff as `plays.results` writes it; what is no unified diff, such as apt's words, has no name."""
    found: list[FileDiff] = []
    lines = diff.split("\n") if diff else []
    at = 0
    while at < len(lines):
        if lines[at].startswith("--- ") and lines[at + 1 : at + 2] and lines[at + 1].startswith("+++ "):
            was, name = lines[at][4:].rstrip(), lines[at + 1][4:].rstrip()
            found.append(FileDiff(next((one for one in (name, was) if one.startswith("/") and one != "/dev/null"), "")))
            at += 2
            while at < len(lines) and (hunk := _HUNK.match(lines[at])):
                end = _end(lines, at + 1, *(int(count or 1) for count in hunk.groups("1")))
                found[-1].lines += lines[at:end]
                at = end
        else:
            if lines[at].strip():
                if not found or found[-1].name or found[-1].lines[0].startswith("@@"):
                    found.append(FileDiff())
                found[-1].lines.append(lines[at])
            at += 1
    return found


def _end(lines: list[str], at: int, old: int, new: int) -> int:
    """Where a hunk ends: by its own count, because a line that is taken away may read `--- ` itself."""
    while at < len(lines) and (old > 0 or new > 0 or lines[at].startswith("\\")):
        old -= lines[at][:1] in (" ", "-", "")
        new -= lines[at][:1] in (" ", "+", "")
        at += 1
    return at


def in_short(diff: str, task: str = "") -> tuple[str, list[str]]:
    """A change in a few words, and the lines below it that are worth showing: small changes of what is there already.

    A file that the task names already is not named again.
    """
    parts = files(diff)
    fresh, rest = [part for part in parts if part.new and part.name], [part for part in parts if not (part.new and part.name)]
    words = list(_counted(fresh, task))
    below: list[str] = []
    for part in rest:
        if packages := _PACKAGES.search("\n".join(part.lines)):
            words += _packages(*map(int, packages.groups()))
        elif not part.name:
            words.append(_named(part))
        elif part.gone:
            words.append(f"{part.name} removed")
        else:
            below.append(f"{part.name}  +{part.added} -{part.removed}")
            if part.added + part.removed <= SMALL:
                below += ["  " + line for line in part.lines]
    return ", ".join(words), below


def _named(part: FileDiff) -> str:
    """What a module says it did, thing by thing: `nginx.service: enabled, started`; of much only how much it is."""
    said: dict[str, list[str]] = {}
    for line in part.lines:
        if line[:1] in ("+", "-"):
            thing, _, done = line[1:].strip(" ,").replace('"', "").partition(": ")  # Ansible's own tell a state as JSON
            said.setdefault(thing, []).append(done)
    if not said or len(said) > SMALL:
        return f"{part.added + part.removed or len(part.lines):,} lines"
    between = " → " if part.removed else ", "
    return "; ".join(f"{thing}: {between.join(done)}" if any(done) else thing for thing, done in said.items())


def _packages(upgraded: int, installed: int, removed: int) -> Iterator[str]:
    for count, what in ((installed, "new"), (upgraded, "upgraded"), (removed, "removed")):
        if count:
            yield f"{count:,} package{'s' * (count != 1)} {what}"


def _counted(fresh: list[FileDiff], task: str) -> Iterator[str]:
    for what, found in (
        ("program", [part for part in fresh if part.program]),
        ("file", [part for part in fresh if not part.program]),
    ):
        count = sum(part.added for part in found)
        lines = f"{count:,} line{'s' * (count != 1)}"
        if len(found) == 1:
            named = "" if task.endswith(found[0].name) else f" {found[0].name}"
            yield f"new {what}{named}, {lines}"
        elif found:
            yield f"{len(found)} new {what}s, {lines}"
