"""The office's own edits: its folder on the share and the inventory's pages become one before a site is deployed.

The server keeps the history (role `website`, files/folder.py). A deployment fetches what the office wrote, merges it with the
inventory's pages, keeps the result in the inventory as a commit of its own, and puts it into the folder. What both changed in
the same lines is a conflict that names the file: nothing is sent, and each side has what it had. A lab's folder changes nothing
of the inventory.
"""

import base64
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from provisioner.errors import BadInput, Busy, HostFailed, Unreadable
from provisioner.hosts import answers, programs
from provisioner.hosts.access import UNREADABLE, SshAccess
from provisioner.hosts.answers import Answer, Short
from provisioner.inventory.target import Target
from provisioner.laptop import disk, git
from provisioner.website import facts
from provisioner.website import pages as folder_of_pages
from provisioner.website.builder import source
from provisioner.website.merge import Keep, Merged, merge

TIMEOUT_S = 300
LIMIT_BYTES = 64 << 20  # an answer of contents ends soon after 16 MB; one content is 27 MB in base64 at most
SENT_BYTES = 16 << 20
KINDS = (".md", *source.PICTURES, *source.ATTACHED)

# A file's place below the folder: no hidden part, nothing that leads out, nothing that turns a terminal's line.
Place = Annotated[
    str,
    Field(
        max_length=400, pattern=r"^(?:[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*/){0,8}[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*$"
    ),
]
Name = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Fetched(Answer):
    """What the folder has, and what the inventory's pages were when they met last: file -> git's name of its content.

    `equipped` names the builder that the server has; without one it has looked at nothing yet.
    """

    equipped: Short
    head: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")]
    files: dict[Place, Name] = Field(max_length=source.FILES_LIMIT)
    met: dict[Place, Name] = Field(max_length=source.FILES_LIMIT)


class Given(Answer):
    """Contents by their names, in base64."""

    contents: dict[Name, str]


class Settled(Answer):
    """Whether the pages were taken; not where somebody saved meanwhile."""

    settled: bool


class Version(Answer):
    """One version of the pages; `at` in seconds since 1970."""

    version: Short
    at: int
    subject: Short
    files: list[Short] = Field(max_length=20)


class Versions(Answer):
    """The newest versions, newest first."""

    versions: list[Version] = Field(max_length=100)


class Undone(Answer):
    """Whether there was such a version."""

    done: bool


class Nothing(Answer):
    """No more than that it was done."""


AnyAnswer = TypeVar("AnyAnswer", bound=Answer)


@dataclass(frozen=True)
class OfficeFolder:
    """The folder of an office on its server, and who speaks with it."""

    target: Target
    ssh: SshAccess
    host: str
    address: str

    def ask(self, do: str, shape: type[AnyAnswer], **what: object) -> AnyAnswer:
        """One question to the server.

        Raises:
            HostFailed: the server has no such folder yet, or could not do it.
            Unreadable, Unreachable, HostKeyChanged: as `SshAccess.run`.
        """
        done = programs.run(
            self.ssh, self.host, self.address, programs.source("website_folder"), {"do": do, **what},
            timeout_s=TIMEOUT_S, limit_bytes=LIMIT_BYTES,
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]
            raise HostFailed(
                f"{self.host} cannot say what the office's people wrote for their website: {last}",
                hint=f"provisioner apply {self.target.words}",
            )
        try:
            return answers.read(done.stdout, shape)
        except ValueError as error:
            raise Unreadable(f"{self.host} says of the website's folder: {error}", hint=UNREADABLE) from error

    def contents(self, names: Iterable[str]) -> dict[str, bytes]:
        """Contents by their names, each held against it.

        Raises:
            Unreadable: one is another's.
        """
        lacking, found = sorted(set(names)), dict[str, bytes]()
        while lacking:
            given = self.ask("give", Given, blobs=lacking).contents
            for name, text in given.items():
                found[name] = base64.b64decode(text)
                if name not in lacking or blob(found[name]) != name:
                    raise Unreadable(f"{self.host} gives another content than the one it was asked for", hint=UNREADABLE)
            lacking = [name for name in lacking if name not in found] if given else []
        return found

    def equip(self, has: str) -> None:
        """Bring the builder, unless the server `has` it, and what it must know of the office: what is saved is built there."""
        folder = Path(source.__file__).parent
        paths = sorted(one for one in folder.rglob("*") if one.suffix in (".py", ".yml", ".html", ".css"))
        texts = {str(one.relative_to(folder)): one.read_text(encoding="utf-8") for one in paths}
        version = f"builder-{hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:16]}"
        self.ask("equip", Nothing, facts=facts(self.target), version=version, builder={} if has == version else texts)

    def versions(self) -> list[Version]:
        """What was written when, newest first."""
        return self.ask("log", Versions).versions

    def undo(self, version: str, by: str) -> None:
        """Bring a former version back; the server builds it within a minute.

        Raises:
            BadInput: there is none of that name.
        """
        if not self.ask("undo", Undone, version=version, by=by).done:
            raise BadInput(
                f"the website of {self.target.office} has no version {version!r}",
                hint=f"provisioner website versions {self.target.words}",
            )


@dataclass(frozen=True)
class Meeting:
    """What came of both: the pages to build, and what was there before."""

    folder: OfficeFolder
    fetched: Fetched
    merged: Merged
    ours: Mapping[str, bytes]  # the inventory's pages as they are from now on

    @property
    def files(self) -> Mapping[str, bytes]:
        """The pages and pictures to build: file -> content."""
        return self.merged.files

    def settle(self, by: str) -> None:
        """Put the pages into the folder; whoever looks there sees them, and the server waits for our deployment.

        Raises:
            Busy: somebody saved there meanwhile; nothing was changed.
        """
        self.folder.equip(self.fetched.equipped)
        known = {*self.fetched.files.values(), *self.fetched.met.values()}
        new = {blob(data): data for side in (self.files, self.ours) for data in side.values()}
        batch: list[str] = []
        for data in (data for name, data in new.items() if name not in known):
            batch.append(base64.b64encode(data).decode())
            if sum(map(len, batch)) > SENT_BYTES:
                self.folder.ask("keep", Nothing, contents=batch)
                batch = []
        if batch:
            self.folder.ask("keep", Nothing, contents=batch)
        files, ours = ({name: blob(data) for name, data in side.items()} for side in (self.files, self.ours))
        if not self.folder.ask("settle", Settled, head=self.fetched.head, files=files, ours=ours, by=by).settled:
            raise Busy(
                f"somebody saved in the website's folder of {self.folder.target.office} just now; nothing was deployed",
                hint="the same command again takes it along",
            )

    def end(self, *, live: bool) -> None:
        """Nothing is to be built of it there: its release is served, or was found wrong. Killed before, the server does."""
        self.folder.ask("end", Nothing, live=live)

    def lay_out(self) -> Path:
        """A folder with these pages, to build of: the inventory's own, but of a lab's beside."""
        target = self.folder.target
        if not target.lab:
            return folder_of_pages(target)
        folder = target.state / "website-pages"
        lying = {path for path in folder.rglob("*") if path.is_file()}
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path not in lying or path.read_bytes() != data:
                disk.write(path, data)
        for path in lying - {folder / name for name in self.files}:
            path.unlink()
        return folder


def pages(target: Target) -> dict[str, bytes]:
    """The inventory's pages and pictures: file -> content."""
    folder = folder_of_pages(target)
    found, _ = source.walk(folder) if folder.is_dir() else ([], [])
    return {
        one.name: one.path.read_bytes() for one in found if one.size <= source.FILE_LIMIT and one.name.lower().endswith(KINDS)
    }


def meet(folder: OfficeFolder, *, keep: Keep = "", commit: bool = True, say: Callable[[str], None] = print) -> Meeting:
    """Fetch what the office wrote, merge it with the inventory's pages, and keep the result there; nothing is sent.

    Args:
        folder: the office's.
        keep: whose version stays where both changed the same lines; without it that is refused.
        commit: commit what the inventory gets.
        say: told what the office wrote.

    Raises:
        BadInput: a conflict, naming the files; nothing was changed on either side.
        HostFailed, Unreadable, Unreachable: the server's answer.
    """
    target = folder.target
    ours = pages(target)
    named = {name: blob(data) for name, data in ours.items()}
    have = {blob(data): data for data in ours.values()}
    fetched = folder.ask("fetch", Fetched)
    if not fetched.equipped:
        folder.equip("")
        fetched = folder.ask("fetch", Fetched)
    have |= folder.contents({*fetched.files.values(), *fetched.met.values()} - set(have))
    merged = merge(fetched.met, named, fetched.files, have.__getitem__, keep)
    if merged.conflicts:
        files = ", ".join(merged.conflicts)
        raise BadInput(
            f"{files}: changed in the inventory and in the office's folder, in the same lines; nothing was deployed",
            hint="--keep folder or --keep inventory says whose stays; the other one's stays in the history",
        )
    if merged.theirs and not target.lab:
        _take(target, merged)
        say(f"The office's people wrote: {', '.join(merged.theirs)}.")
        if commit:
            paths = [folder_of_pages(target) / name for name in merged.theirs]
            git.commit(target.inventory, paths, f"{target.office}: what the office wrote for its website")
        ours = dict(merged.files)
    return Meeting(folder, fetched, merged, ours)


def _take(target: Target, merged: Merged) -> None:
    """Write what the inventory gets, file by file; nothing is followed out of the pages' folder."""
    top = folder_of_pages(target)
    for name in merged.theirs:
        path = top / name
        if not os.path.realpath(path).startswith(f"{os.path.realpath(top)}/"):
            raise BadInput(f"{path} leads out of the inventory: nothing is written there", hint="a plain file or folder there")
        if name in merged.files:
            path.parent.mkdir(parents=True, exist_ok=True)
            disk.write(path, merged.files[name], mode=0o644)
        else:
            path.unlink(missing_ok=True)


def blob(data: bytes) -> str:
    """Git's name of a content (gitformat-pack(5))."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - a name, as git's repositories have it
