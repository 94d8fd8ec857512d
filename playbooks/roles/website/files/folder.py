#!/usr/bin/env python3
"""folder.py CONFIG watch|ask: the folder on the office's share that its website is written in.

`watch` looks at the folder every few seconds, and builds what was saved once it rests; what cannot be built keeps the site as it
is and is told in a text file of that folder. Every version that was built, and every one that a technician meets, is a commit
of one history, `history.git` in the state folder. `ask` answers one question of a technician's laptop, JSON on standard input:
`fetch` tells what was written, `give` and `keep` carry contents, `equip` brings the builder and what it must know of the office,
`settle` takes the pages that came of both sides, `end` says that the laptop is done, `log` and `undo` are for former versions.

A loop and not a path unit: systemd watches no folders below; two equal looks, seconds apart, are a file at rest.
Both run as the shares' owner, who sees this folder alone there. Set by the office's pack; changes here are overwritten.
"""

import base64
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from history import History  # beside us on the server

LOOK_S, REST_S = 2, 5  # how often, and how long a saved file must have rested
HOLD_S = 180  # how long a laptop that brought pages has to publish them, before they are built here
BUILD_S, BUILD_BYTES, FILE_BYTES = 240, 1 << 30, 1 << 30  # what one build may take: processor time, memory, a file
PUBLISHER, PUBLISH_S = "/run/website-publish.sock", 130
ANSWER_BYTES = 16 << 20
AGAIN_S = 300  # after what is not the pages' fault
TOLD = {"fr": "_état.txt", "en": "_status.txt"}  # builder/source.py leaves them out
TEXTS = {
    "fr": {
        "head": "Votre site n’a pas changé, parce qu’il reste quelque chose à corriger :",
        "foot": "Corrigez, puis enregistrez : le site est à jour dans la minute, et ce fichier disparaît.",
        "help": "De l’aide : {help}",
        "empty": "Il n’y a plus aucune page dans ce dossier. Ce qui a été supprimé est dans la corbeille du partage ; "
        "votre technicien peut aussi reprendre une version d’avant.",
        "large": "La fabrication du site a pris trop de mémoire ou de temps. Derniers fichiers changés : {files}",
        "full": "Il n’y a plus de place sur le serveur.",
        "broken": "Le site n’a pas pu être fabriqué ; votre technicien en trouve la raison sur le serveur. "
        "Derniers fichiers changés : {files}",
    },
    "en": {
        "head": "Your website has not changed, because something is left to mend:",
        "foot": "Mend it, then save: the site is up to date within a minute, and this file goes away.",
        "help": "Help: {help}",
        "empty": "There is no page left in this folder. What was deleted is in the share's recycle bin; "
        "your technician can also bring a former version back.",
        "large": "Building the site took too much memory or time. Files changed last: {files}",
        "full": "No room is left on the server.",
        "broken": "The site could not be built; your technician finds the reason on the server. Files changed last: {files}",
    },
}


class Mistake(Exception):
    """Why nothing was built: sentences in the office's language."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class Folder:
    """The folder, its history and what was built of it last."""

    def __init__(self, config: dict[str, Any], state: Path) -> None:
        self.folder, self.state, self.help = Path(config["folder"]), state, config.get("help", "")
        self.language = config["language"] if config["language"] in TEXTS else "en"
        self.pages, self.code = state / "pages", state / "code"
        self.history = History(state / "history.git", self.pages)
        sys.path.insert(0, str(self.code))

    @property
    def source(self) -> Any:
        """The builder's own reading of folders; a technician brings it with the first pages."""
        from builder import source

        return source

    @property
    def equipped(self) -> str:
        """Which builder is here; empty before a technician brought one."""
        return self.code.readlink().name if self.code.is_symlink() else ""

    # what lies there

    def entries(self) -> tuple[list[Any], list[Any]]:
        """The files that may be pages or pictures, and what is wrong with others; nothing is opened."""
        found, wrong = self.source.walk(self.folder)
        wrong += self.source.judge(found)
        kinds = (".md", *self.source.PICTURES, *self.source.ATTACHED)
        kept = [e for e in found if Path(e.name).suffix.lower() in kinds and e.size <= self.source.FILE_LIMIT]
        return kept, [one for one in wrong if not one.warning]

    def look(self) -> str:
        """All that changes when somebody saves, in one digest."""
        found, _ = self.source.walk(self.folder)
        seen = [(e.name, e.size, e.mtime_ns, e.inode) for e in found]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()

    def take(self, entries: list[Any]) -> None:
        """Copy what lies there beside the history, so that what is built is what is kept."""
        self.pages.mkdir(exist_ok=True)
        wanted = {entry.name: entry for entry in entries}
        for path in sorted(self.pages.rglob("*"), reverse=True):
            name = str(path.relative_to(self.pages))
            if path.is_dir():
                with contextlib.suppress(OSError):  # not empty
                    path.rmdir()
            elif name not in wanted:
                path.unlink()
        for name, entry in wanted.items():
            path = self.pages / name
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                if (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns):
                    continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # gone again: the next look sees it
                _copy(entry.path, path, self.source.FILE_LIMIT)
                os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))

    # building

    def build(self) -> None:
        """Build what was taken, and publish it; within limits, as a process of its own.

        Raises:
            Mistake: it was not, and why.
        """

        def limits() -> None:
            for what, most in (("AS", BUILD_BYTES), ("CPU", BUILD_S), ("FSIZE", FILE_BYTES)):
                resource.setrlimit(getattr(resource, f"RLIMIT_{what}"), (most, most))

        words = [sys.executable, "-m", "builder", "facts.json", "pages", "out", "cache", "--language", self.language]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(self.code), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(
                words, capture_output=True, check=False, timeout=2 * BUILD_S, preexec_fn=limits, cwd=self.state, env=environment
            )
        except subprocess.TimeoutExpired:
            raise Mistake(self._say("large", files=self.history.changed())) from None
        said, error = (text.decode(errors="replace").strip() for text in (done.stdout, done.stderr))
        if done.returncode == 2 and said:
            raise Mistake(*json.loads(said)["problems"])
        if done.returncode < 0 or "MemoryError" in error:
            raise Mistake(self._say("large", files=self.history.changed()))
        if done.returncode:
            full = errno.ENOSPC if os.strerror(errno.ENOSPC) in error else errno.EIO
            raise OSError(full, error[-4000:])
        self.publish(json.loads(said)["release"])

    def publish(self, release: str) -> None:
        """Have the built release served, by the account whose site it is.

        Raises:
            OSError: it is not; the site is as it was.
        """
        with socket.socket(socket.AF_UNIX) as asked, asked.makefile("rw") as file:
            asked.settimeout(PUBLISH_S)
            asked.connect(PUBLISHER)
            file.write(json.dumps({"release": release}) + "\n")
            file.flush()
            answer = json.loads(file.readline() or "{}")
        if answer.get("served") != release:
            refused = str(answer.get("refused", "it was not served"))
            raise OSError(errno.ENOSPC if refused == "full" else errno.EIO, refused)
        self.note(release=release)

    def _say(self, word: str, **values: str) -> str:
        return TEXTS[self.language][word].format(**values)

    def tell(self, sentences: tuple[str, ...]) -> None:
        """Put the sentences into the folder, or take those of before away."""
        texts = TEXTS[self.language]
        for language, name in TOLD.items():
            if not sentences or language != self.language:
                (self.folder / name).unlink(missing_ok=True)
        if sentences:
            lines = [texts["head"], "", *(f"- {one}" for one in sentences[:20]), "", texts["foot"]]
            lines += [texts["help"].format(help=self.help)] if self.help else []
            _write(self.folder / TOLD[self.language], "".join(f"{line}\r\n" for line in lines).encode())

    def work(self) -> None:
        """Take what lies there, build and publish it; or tell what is wrong, and let the site be as it is."""
        look = self.look()
        try:
            entries, wrong = self.entries()
            if not any(entry.name.lower().endswith(".md") for entry in entries):
                if "built_at" not in self.remembered():  # nobody has brought the first pages yet
                    return
                raise Mistake(self._say("empty"))
            self.take(entries)
            if wrong:
                raise Mistake(*(one.sentence(self.language) for one in sorted(wrong)))
            self.build()
            self.history.commit("saved in the office's folder")
            self.tell(())
        except Mistake as mistake:
            self._failed(look, *mistake.sentences)
        except (OSError, subprocess.CalledProcessError) as error:
            print(error, getattr(error, "stderr", b""), file=sys.stderr)
            full = getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT)
            self._failed("", self._say("full") if full else self._say("broken", files=self.history.changed()))
        else:
            self.note(look=look, built_at=time.time(), sentences=[])

    def _failed(self, look: str, *sentences: str) -> None:
        """Tell it; what is not the pages' fault is tried again after a while."""
        with contextlib.suppress(OSError):  # a full disk
            self.tell(sentences)
        with contextlib.suppress(OSError):
            again = {} if look else {"hold_until": time.time() + AGAIN_S, "held": self.look()}
            self.note(look=look, failed_at=time.time(), sentences=sentences, **again)

    # what is remembered

    def remembered(self) -> dict[str, Any]:
        """What was built last, and how that went."""
        try:
            found: dict[str, Any] = json.loads((self.state / "state.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def note(self, **what: Any) -> None:
        """Remember."""
        _write(self.state / "state.json", json.dumps({**self.remembered(), **what}).encode(), 0o644)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else works on it meanwhile."""
        with (self.state / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # a technician's laptop

    def equip(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Take what builds the site, and what it must know of the office."""
        _write(self.state / "facts.json", json.dumps(asked["facts"]).encode(), 0o640)
        if asked["builder"]:
            folder = self.state / asked["version"]
            for name, text in asked["builder"].items():
                path = folder / "builder" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, text.encode(), 0o640)
            former, new = self.equipped, self.state / "code.new"
            new.unlink(missing_ok=True)
            new.symlink_to(folder.name)
            new.rename(self.code)
            if former and former != folder.name:
                shutil.rmtree(self.state / former)
        return {}

    def fetch(self, _asked: dict[str, Any]) -> dict[str, Any]:
        """What the office has written, and what the laptop's pages were when it came last: names and their contents' names."""
        if not self.equipped:
            return {"equipped": "", "head": "", "files": {}, "met": {}}
        self.take(self.entries()[0])
        head = self.history.commit("as it was when a technician came")
        met = self.history.tree(self.history.name("refs/heads/met"))
        return {"equipped": self.equipped, "head": head, "files": self.history.tree(head), "met": met}

    def give(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Contents by their names, as many as fit into one answer, at least one."""
        given: dict[str, str] = {}
        for name in asked["blobs"]:
            given[name] = base64.b64encode(self.history.git("cat-file", "blob", name)).decode()
            if sum(map(len, given.values())) > ANSWER_BYTES:
                break
        return {"contents": given}

    def keep(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Take contents, before the pages they are in."""
        for content in asked["contents"]:
            self.history.git("hash-object", "-w", "--stdin", given=base64.b64decode(content))
        return {}

    def settle(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Put the pages that came out of both into the folder, unless somebody saved since `head`."""
        entries, _ = self.entries()
        self.take(entries)
        before = self.history.commit("as it was when a technician came")
        if before != asked["head"]:
            return {"settled": False}
        met = self.history.git("commit-tree", self.history.make(asked["ours"]), "-m", "the technician's pages").decode().strip()
        self.history.git("update-ref", "refs/heads/met", met)
        self._bring(before, self.history.make(asked["files"]), f"deployed by {asked['by']}", entries)
        self.note(hold_until=time.time() + HOLD_S, held=self.look())
        return {"settled": True}

    def _bring(self, before: str, tree: str, subject: str, entries: list[Any]) -> str:
        """Make the folder what a tree is, file by file, and that tree the newest version."""
        old, wanted = self.history.tree(before), self.history.tree(tree)
        lying = {entry.name: entry for entry in entries}
        for name in [name for name in old if name not in wanted]:
            lying[name].path.unlink(missing_ok=True)
            for above in list((self.folder / name).parents)[: len(Path(name).parts) - 1]:
                with contextlib.suppress(OSError):
                    above.rmdir()
        for name, blob in wanted.items():
            if old.get(name) != blob:
                path = lying[name].path if name in lying else self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, self.history.git("cat-file", "blob", blob))
        head = self.history.git("commit-tree", tree, "-p", before, "-m", subject).decode().strip()
        self.history.git("update-ref", "refs/heads/main", head)
        self.take(self.entries()[0])
        return head

    def end(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The laptop published what it settled, or found it wrong: nothing is to be built until somebody saves."""
        self.note(hold_until=0, look=self.look())
        if asked["live"]:
            self.tell(())
            self.note(built_at=time.time(), sentences=[])
        return {}

    def log(self, _asked: dict[str, Any]) -> dict[str, Any]:
        """The newest versions, newest first."""
        return {"versions": self.history.log()}

    def undo(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Bring a former version into the folder, as a version of its own: the loop builds it."""
        known = self.history.name(asked["version"])
        if not known:
            return {"done": False}
        entries, _ = self.entries()
        self.take(entries)
        before = self.history.commit("as it was before a former version came back")
        self._bring(before, f"{known}^{{tree}}", f"{asked['version']} again, by {asked['by']}", entries)
        return {"done": True}


def _copy(source: Path, target: Path, limit: int) -> None:
    """A regular file's content; what became something else meanwhile is not followed."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        target.write_bytes(file.read(limit + 1))


def _write(path: Path, content: bytes, mode: int = 0o660) -> None:
    """Whole or not at all, with the mode that the shares' files have."""
    new = path.with_name(f".{path.name[:200]}.new")
    with new.open("wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def watch(folder: Folder) -> None:
    """For ever: two equal looks at something new, then build. It ends, to be started again, with the folder, or its builder."""
    seen, since, builder = "", time.monotonic(), folder.equipped
    while folder.folder.stat().st_nlink and folder.equipped == builder:
        time.sleep(LOOK_S)
        if not builder:
            continue
        look, known = folder.look(), folder.remembered()
        if look != seen:
            seen, since = look, time.monotonic()
        elif look != known.get("look") and time.monotonic() - since >= REST_S:
            if look == known.get("held") and time.time() < known.get("hold_until", 0):
                continue  # it waits, unless somebody saved something else
            with folder.alone():
                folder.work()


def main(words: list[str]) -> int:
    """Watch; or do what is asked by standard input, the answer goes out as JSON."""
    os.umask(0o007)
    with Path(words[0]).open(encoding="utf-8") as file:
        folder = Folder(json.load(file), Path(os.environ["STATE_DIRECTORY"]))
    if words[1] == "watch":
        watch(folder)
        return 1
    asked = json.load(sys.stdin)
    does = (folder.fetch, folder.give, folder.keep, folder.equip, folder.settle, folder.end, folder.log, folder.undo)
    with folder.alone():
        print(json.dumps({one.__name__: one for one in does}[asked["do"]](asked)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
