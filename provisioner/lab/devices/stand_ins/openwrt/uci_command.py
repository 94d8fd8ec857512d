"""The command `uci` (openwrt.org, "The UCI system", "Command-line utility"; its cli.c for what it prints and for its exit codes).

Changes wait in /tmp/.uci until `commit`; `revert` drops them. A commit of a package that did not change writes nothing.
"""

import re
from dataclasses import dataclass

from provisioner.lab.devices.stand_ins.openwrt import uci_files
from provisioner.lab.devices.stand_ins.openwrt.files import Failed, Files
from provisioner.lab.devices.stand_ins.openwrt.shell import Shell, Streams
from provisioner.lab.devices.stand_ins.openwrt.uci_files import CONFIG, NAME, STAGED, Change, Package, Section, Wrong, quoted

_USAGE = "Usage: uci [<options>] <command> [<arguments>]\n"


@dataclass(frozen=True, slots=True)
class Reference:
    """`package[.section[.option]][=value]`."""

    package: str
    section: str
    option: str
    value: str | None


def reference(text: str) -> Reference:
    """One, as it is written.

    Raises:
        Wrong: it is none.
    """
    found = re.fullmatch(r"([\w-]+)(?:\.(@[^.\[]*\[-?\d+\]|\w+))?(?:\.(\w+))?(?:=(.*))?", text, re.S)
    if not found:
        raise Wrong("Invalid argument")
    return Reference(found[1], found[2] or "", found[3] or "", found[4])


class Uci:
    """One call."""

    def __init__(self, files: Files, streams: Streams, folder: str, *, quiet: bool, long_names: bool) -> None:
        self.files, self.streams, self.folder, self.quiet, self.long_names = files, streams, folder, quiet, long_names

    def say(self, text: str) -> None:
        """Print."""
        self.streams.out(text.encode("utf-8", "surrogateescape"))

    def run(self, words: list[str]) -> int:
        """One command; its exit code."""
        work = getattr(self, f"do_{words[0]}", None)
        if work is None:
            self.streams.err(_USAGE.encode())
            return 255
        try:
            work(words[1:])
        except Wrong as wrong:
            if not self.quiet:
                self.streams.err(f"uci: {wrong}\n".encode())
            return 1
        return 0

    def _load(self, name: str) -> Package:
        return uci_files.load(self.files, name, self.folder)

    def _section(self, where: Reference) -> tuple[Package, Section]:
        package = self._load(where.package)
        section = package.find(where.section)
        if section is None:
            raise Wrong("Entry not found")
        return package, section

    def _label(self, package: Package, section: Section) -> str:
        return section.name if self.long_names else package.label(section)

    # ------------------------------------------------------------------------------------------ reading

    def do_show(self, words: list[str]) -> None:
        """Each option on a line."""
        for word in words or self._packages():
            where = reference(word)
            package = self._load(where.package)
            sections = package.sections if not where.section else [self._section(where)[1]]
            for section in sections:
                named = f"{package.name}.{self._label(package, section)}"
                if where.option and where.option not in section.options:
                    raise Wrong("Entry not found")
                if not where.option:
                    self.say(f"{named}={section.type}\n")
                for key, value in section.options.items():
                    if where.option in ("", key):
                        shown = [value] if isinstance(value, str) else value
                        self.say(f"{named}.{key}={' '.join(quoted(one) for one in shown)}\n")

    def do_get(self, words: list[str]) -> None:
        """One value; a list's with blanks between."""
        where = reference(words[0])
        _, section = self._section(where)
        if not where.option:
            self.say(f"{section.type}\n")
            return
        if where.option not in section.options:
            raise Wrong("Entry not found")
        value = section.options[where.option]
        self.say((value if isinstance(value, str) else " ".join(value)) + "\n")

    def do_export(self, words: list[str]) -> None:
        """As a file, with the package's name at its head."""
        for name in words or self._packages():
            self.say(f"package {name}\n{self._load(name).written()}")

    def do_changes(self, words: list[str]) -> None:
        """What waits."""
        for name in words or self._packages():
            for one in uci_files.staged(self.files, name):
                named = f"{name}.{one.section}" + (f".{one.option}" if one.option else "")
                sign = {"|": "+=", "~": "-="}.get(one.command, "=")
                if one.command == "-":
                    self.say(f"-{named}\n")
                else:
                    self.say(f"{named}{sign}{quoted(one.value)}\n")

    def _packages(self) -> list[str]:
        try:
            return [name for name in self.files.listing(self.folder) if not name.startswith(".")]
        except Failed:
            return []

    # ------------------------------------------------------------------------------------------ changing

    def _stage(self, name: str, change: Change) -> None:
        self._load(name).apply(change)
        uci_files.stage(self.files, name, change)

    def _own(self, where: Reference) -> str:
        """A section's own name, whatever it was called by."""
        if where.section.startswith("@"):
            return self._section(where)[1].name
        return where.section

    def do_set(self, words: list[str]) -> None:
        """A value, or a section's type."""
        where = reference(words[0])
        if where.value is None or not where.section:
            raise Wrong("Invalid argument")
        self._stage(where.package, Change("", self._own(where), where.option, where.value))

    def do_add_list(self, words: list[str]) -> None:
        """One more value of a list."""
        where = reference(words[0])
        if where.value is None or not where.option:
            raise Wrong("Invalid argument")
        self._stage(where.package, Change("|", self._own(where), where.option, where.value))

    def do_del_list(self, words: list[str]) -> None:
        """One value of a list fewer."""
        where = reference(words[0])
        if where.value is None or not where.option:
            raise Wrong("Invalid argument")
        self._stage(where.package, Change("~", self._own(where), where.option, where.value))

    def do_add(self, words: list[str]) -> None:
        """A section without a name; what it is called is printed."""
        name, kind = words
        package = self._load(name)
        made = package.unnamed(kind)
        self._stage(name, Change("+", made, "", kind))
        self.say(f"{made}\n")

    def do_delete(self, words: list[str]) -> None:
        """A section, an option, or one value."""
        where = reference(words[0])
        self._section(where)
        if where.value is not None and where.option:
            self.do_del_list(words)
            return
        self._stage(where.package, Change("-", self._own(where), where.option, ""))

    def do_rename(self, words: list[str]) -> None:
        """Another name."""
        where = reference(words[0])
        if not where.value or not NAME.fullmatch(where.value):
            raise Wrong("Invalid argument")
        self._stage(where.package, Change("@", self._own(where), where.option, where.value))

    def do_commit(self, words: list[str]) -> None:
        """What waits is written; a package of which nothing waits is left alone."""
        for name in words or self._packages():
            if not uci_files.staged(self.files, name):
                self._load(name)
                continue
            text = self._load(name).written()
            self.files.write(f"{self.folder}/.{name}.uci-new", text.encode("utf-8", "surrogateescape"), mode=0o600)
            self.files.rename(f"{self.folder}/.{name}.uci-new", f"{self.folder}/{name}")
            self.files.unlink(f"{STAGED}/{name}")

    def do_revert(self, words: list[str]) -> None:
        """What waits is dropped."""
        for word in words:
            where = reference(word)
            if self.files.look(f"{STAGED}/{where.package}"):
                self.files.unlink(f"{STAGED}/{where.package}")

    def do_import(self, words: list[str]) -> None:
        """A package as it comes in is its file from now on.

        Raises:
            Wrong: it is none; nothing is written.
        """
        text = self.streams.inp.read().decode("utf-8", "surrogateescape")
        named = re.search(r"^\s*package\s+'?([\w-]+)", text, re.M)
        name = words[0] if words else named[1] if named else ""
        if not name:
            raise Wrong("Invalid argument")
        written = uci_files.read(name, text).written()
        self.files.write(f"{self.folder}/{name}", written.encode("utf-8", "surrogateescape"))

    def do_batch(self, _words: list[str]) -> None:
        """A command a line."""
        while line := self.streams.inp.line().decode("utf-8", "surrogateescape"):
            found = next((words for _, words in uci_files.words_of(line)), None)
            if found:
                self.run(found)


def uci(shell: Shell, words: list[str], streams: Streams) -> int:
    """`uci [-q] [-X] [-c FOLDER] COMMAND …`."""
    rest, quiet, long_names, folder = words[1:], False, False, CONFIG
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "-c" and rest:
            folder = rest.pop(0)
        elif option in ("-q", "-X", "-S"):
            quiet, long_names = quiet or option == "-q", long_names or option == "-X"
        else:
            streams.err(_USAGE.encode())
            return 255
    if not rest:
        streams.err(_USAGE.encode())
        return 255
    try:
        return Uci(shell.machine.files, streams, folder, quiet=quiet, long_names=long_names).run(rest)
    except (IndexError, ValueError):
        streams.err(_USAGE.encode())
        return 255
