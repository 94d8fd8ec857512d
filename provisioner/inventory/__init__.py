"""The network on disk: resellers, packs and offices, read strictly, one office at a time.

An office costs its dossier, its reseller's file and its pack, however many others there are. Importing this module is
cheap; the models come when the first file is read.
"""

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from provisioner.errors import BadInput, Missing
from provisioner.laptop import strays
from provisioner.laptop.strays import stray

if TYPE_CHECKING:
    from pydantic import BaseModel

    from provisioner.inventory.dossier import Office
    from provisioner.inventory.listing import OfficeLine
    from provisioner.inventory.packs import Pack
    from provisioner.inventory.resellers import Reseller
    from provisioner.inventory.strict_yaml import Document, Problem

    N = TypeVar("N", bound=BaseModel)

_NAME = re.compile(r"[a-z][a-z0-9.-]{0,38}[a-z0-9]")  # what a file may be called; the models know better
_FIRST = {  # what to do where there is none of a kind yet
    "office": "provisioner office new NAME",
    "pack": "a file in packs/",
    "reseller": "a file in resellers/",
}


def open_inventory(root: Path) -> "Inventory":
    """Open an inventory; nothing is read yet.

    Raises:
        Missing: `root` has no folder `offices/`.
    """
    if not (root / "offices").is_dir():
        raise Missing(f"{root} is not an inventory: it has no folder offices/", hint=f"provisioner init {root}")
    return Inventory(root)


@dataclass(frozen=True)
class Inventory:
    """One network's files. Every reader raises `BadInput` with every problem of the files it read, or `Missing`."""

    root: Path
    _read: dict[Path, Any] | None = field(default=None, repr=False, compare=False)  # kept during one sweep only

    def sweep(self) -> "Inventory":
        """The same for a round over many offices: a member's and a pack's file is read once, and not again when it changes."""
        return Inventory(self.root, {})

    def office(self, name: str) -> "Office":
        """Read one office: its dossier, its reseller and its pack, nothing else."""
        from provisioner.inventory.files import report

        office, document, elsewhere = self._office(name)
        problems = document.problems + elsewhere
        if office is None or problems:
            raise report(problems)
        return office

    def moved(self, office: "Office", pack: str, variant: str) -> "Office":
        """The office as if its dossier named this pack or variant (empty: its own); nothing is written.

        Raises:
            BadInput: the pack has no such variant, or nothing for one of the office's hosts.
        """
        from provisioner.inventory.models import Kind

        wanted = self.pack(pack or office.pack)
        variant = variant or office.variant
        if variant not in wanted.variants:
            what = f"the pack {wanted.name} has no variant {variant[:40]!r}"
            raise BadInput(what, hint=f"one of {', '.join(wanted.variants)}")
        lacking = sorted({Kind(host.kind).value for host in office.hosts.values() if host.kind not in wanted.kinds})
        if lacking:
            raise BadInput(f"the pack {wanted.name} has nothing for a {lacking[0]}", hint="provisioner pack list")
        return office.model_copy(update={"pack": wanted.name, "variant": variant})

    def lines_of(self, name: str) -> dict[str, int]:
        """The line of each field of an office's dossier, by its name as messages have it: `organisation.siren`."""
        from provisioner.inventory.strict_yaml import dotted

        return {dotted(place): line for place, line in self._office(name)[1].lines.items() if place}

    def office_names(self) -> list[str]:
        """The names of all offices, in order: the folders that hold a dossier or should; nothing is read."""
        with os.scandir(self.root / "offices") as found:
            return sorted(entry.name for entry in found if entry.is_dir() and not stray(entry.name))

    def lines(self) -> "list[OfficeLine]":
        """One line per office in the order of names, from a cache that notices every change."""
        from provisioner.inventory import listing

        return listing.lines(self.root)

    def reseller(self, name: str) -> "Reseller":
        """Read one member of the network."""
        from provisioner.inventory.resellers import Reseller

        return self._whole(Reseller, "resellers", name)

    def resellers(self) -> "list[Reseller]":
        """Read all members of the network, in the order of names."""
        from provisioner.inventory.resellers import Reseller

        return self._all(Reseller, "resellers")

    def pack(self, name: str) -> "Pack":
        """Read one pack."""
        from provisioner.inventory.packs import Pack

        return self._whole(Pack, "packs", name)

    def packs(self) -> "list[Pack]":
        """Read all packs, in the order of names."""
        from provisioner.inventory.packs import Pack

        return self._all(Pack, "packs")

    def check(self) -> "list[Problem]":
        """Every problem and warning of every file, in the order of files and lines; two offices with one ULA prefix too."""
        from provisioner.inventory.packs import Pack
        from provisioner.inventory.resellers import Reseller
        from provisioner.inventory.strict_yaml import Problem

        sweep = self.sweep()
        found: set[Problem] = set()
        prefixes: dict[object, str] = {}
        served: dict[str, str] = {}
        for name in self._files("resellers"):
            found.update(sweep._noun(Reseller, "resellers", name, warned=found)[1])
        for name in self._files("packs"):
            found.update(sweep._noun(Pack, "packs", name)[1])
        for name in self.office_names():
            try:
                office, document, elsewhere = sweep._office(name)
            except Missing as error:
                found.add(Problem(f"offices/{name}", 0, "", str(error), error.hint))
                continue
            if office and (first := prefixes.setdefault(office.ula, name)) != name:
                document.add_problem(("ula",), f"{office.ula} is also the prefix of {first}", "a new random one")
            if office and not document.problems and not elsewhere:
                sweep.follow(office, document, self.root / "offices" / name)
            found.update(document.problems, document.warnings, elsewhere)
            if office:
                served[name] = office.reseller
        return sorted(found.union(self._returned(served), self._look_alikes()))

    def _returned(self, served: dict[str, str]) -> "set[Problem]":
        """Who stands in a reseller's file though an audit, or another member's file, says that they were shut out."""
        from provisioner.inventory import revocations
        from provisioner.inventory.files import read
        from provisioner.inventory.resellers import Reseller
        from provisioner.inventory.strict_yaml import Problem

        found: set[Problem] = set()
        try:
            revocations.written(self)
        except BadInput as error:
            found.add(Problem("", 0, "", str(error), error.hint))
        try:
            revoked = revocations.everywhere(self, served)
        except (BadInput, Missing):  # a file is wrong, and said already
            return found
        for name in self._files("resellers"):
            reseller, document = read(Reseller, self.root / "resellers" / f"{name}.yml", f"resellers/{name}.yml", name)
            for place, what, hint in revocations.returned(reseller, revoked) if reseller else ():
                document.add_problem(place, what, hint)
            found.update(document.problems)
        return found

    def whoami(self) -> tuple[str, str] | None:
        """Who works with this copy: (technician's login, reseller), as `init` wrote it into git's config."""
        from provisioner.laptop import git

        said = [git.setting(self.root, f"provisioner.{word}") for word in ("technician", "reseller")]
        return (said[0], said[1]) if all(said) else None

    def _office(self, name: str) -> "tuple[Office | None, Document, list[Problem]]":
        """The office, its dossier with every problem of it, and the problems of its reseller's and pack's files."""
        from provisioner.inventory.dossier import Office
        from provisioner.inventory.files import read
        from provisioner.inventory.strict_yaml import Problem

        path = self.root / "offices" / name / "dossier.yml"
        if not _NAME.fullmatch(name) or not os.path.lexists(path):
            if name in self.office_names():
                raise Missing(f"office {name} has no dossier.yml", hint=f"git checkout -- offices/{name}")
            raise self._missing("office", name, self.office_names())
        office, document = read(Office, path, f"offices/{name}/dossier.yml", name)
        for where, why in strays.refusals(self.root, path.parent):
            if where != f"offices/{name}/dossier.yml":
                document.problems.append(Problem(where, 0, "", why))
        return office, document, self.conflicts(document)

    def follow(self, office: "Office", document: "Document", kept: Path, *, force: bool = False) -> None:
        """Judge an office against what was installed by its applies; what no apply can follow is added to the document's.

        `kept` holds the summaries `runs/` and the pins `known_hosts`: the office's folder, or a lab's.
        """
        from provisioner.inventory import installed
        from provisioner.inventory.placement import roles

        if (was := installed.read(kept / "runs")) is None:
            return
        pack = self.pack(office.pack)
        now = {name: roles(pack, office, host) for name, host in office.hosts.items()}
        for one in installed.judge(was, office, now, installed.pins(kept / "known_hosts", office.name), force=force):
            note = document.add_warning if one.warning else document.add_problem
            note(one.place, one.what, one.hint)

    def refuse_unfollowable(self, name: str, kept: Path, *, force: bool = False) -> "list[Problem]":
        """Stop where no apply could bring an installed office to its dossier; what is only lost from sight is returned.

        Raises:
            BadInput: every such change, by line.
        """
        from provisioner.inventory.files import report

        office, document, _ = self._office(name)
        document.warnings.clear()  # of the dossier alone: `check` says those
        if office:
            self.follow(office, document, kept, force=force)
        if document.problems:
            raise report(document.problems)
        return document.warnings

    def conflicts(self, document: "Document") -> "list[Problem]":
        """Judge a dossier against itself, its reseller and its pack; the problems of their files are returned.

        Those of the dossier itself, and what is only doubtful there, are added to the document's.
        """
        from provisioner.inventory.packs import Pack
        from provisioner.inventory.resellers import Reseller
        from provisioner.inventory.rules import judge

        dossier = document.value if isinstance(document.value, dict) else {}
        elsewhere: list[Problem] = []
        reseller = self._part(Reseller, "resellers", dossier.get("reseller"), document, elsewhere)
        pack = self._part(Pack, "packs", dossier.get("pack"), document, elsewhere)
        for misfit in judge(dossier, reseller, pack):
            if document.holes and misfit.refers:
                continue  # what it refers to may stand in a line that could not be read
            note = document.add_warning if misfit.warning else document.add_problem
            note(misfit.place, misfit.what, misfit.hint)
        return elsewhere

    def _part(self, model: "type[N]", folder: str, name: object, document: "Document", elsewhere: "list[Problem]") -> "N | None":
        """The reseller or pack a dossier names; that there is none is a problem of the dossier."""
        if not isinstance(name, str):
            return None  # the model says so
        try:
            noun, found = self._noun(model, folder, name)
        except Missing as error:
            word = folder.removesuffix("s")
            if not any(problem.field == word for problem in document.problems):
                document.add_problem((word,), str(error), error.hint)
            return None
        elsewhere += found
        return noun

    def _all(self, model: "type[N]", folder: str) -> "list[N]":
        """Every noun of a folder, or every problem of all its files at once."""
        from provisioner.inventory.files import report

        found = [self._noun(model, folder, name) for name in self._files(folder)]
        if problems := [problem for _, its in found for problem in its]:
            raise report(problems)
        return [noun for noun, _ in found if noun is not None]

    def _whole(self, model: "type[N]", folder: str, name: str) -> "N":
        from provisioner.inventory.files import report

        noun, problems = self._noun(model, folder, name)
        if noun is None or problems:
            raise report(problems)
        return noun

    def _noun(
        self, model: "type[N]", folder: str, name: str, warned: "set[Problem] | None" = None
    ) -> "tuple[N | None, list[Problem]]":
        """The noun of a file and the file's problems; what is only doubtful there goes into `warned`."""
        from provisioner.inventory.files import read
        from provisioner.inventory.rules import check_reseller, judge_pack

        path = self.root / folder / f"{name}.yml"
        if self._read is not None and path in self._read:
            known: tuple[N | None, list[Problem]] = self._read[path]
            return known
        if not _NAME.fullmatch(name) or not os.path.lexists(path):
            raise self._missing(folder.removesuffix("s"), name, self._files(folder))
        noun, document = read(model, path, f"{folder}/{name}.yml", name)
        if folder == "resellers":
            check_reseller(document)
        if folder == "packs" and isinstance(document.value, dict):
            for misfit in judge_pack(document.value):
                if not (document.holes and misfit.refers):
                    document.add_problem(misfit.place, misfit.what, misfit.hint)
        if warned is not None:
            warned.update(document.warnings)
        if self._read is not None:
            self._read[path] = noun, document.problems
        return noun, document.problems

    def _files(self, folder: str) -> list[str]:
        return sorted(path.stem for path in (self.root / folder).glob("*.yml") if not stray(path.name))

    def _look_alikes(self) -> "Iterator[Problem]":
        """What lies among the resellers, packs and offices and looks like a copy of one: left out, and said."""
        from provisioner.inventory.strict_yaml import Problem

        for folder in ("resellers", "packs", "offices"):
            for path in (self.root / folder).iterdir() if (self.root / folder).is_dir() else ():
                if strays.copy(path.name) and not strays.left_over(path.name):
                    what = "looks like a copy that somebody or a shared folder made, and is left out"
                    yield Problem(
                        f"{folder}/{path.name}", 0, "", what, "comparing it with its original, then deleting it", warning=True
                    )

    def _missing(self, what: str, name: str, known: list[str]) -> Missing:
        near = difflib.get_close_matches(name[:50], known[:10_000], 1)
        others = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
        hint = near[0] if near else f"one of {others}" if known else _FIRST[what]
        where = f"the inventory {self.root}" if what == "office" else "this inventory"
        return Missing(f"no {what} '{name[:50]}' in {where}", hint=hint)
