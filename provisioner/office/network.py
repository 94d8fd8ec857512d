"""A new inventory: its folders, its first reseller, the standard pack, its history; or a colleague's copy joined."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.errors import BadInput, Missing
from provisioner.inventory import Inventory, open_inventory, schema
from provisioner.inventory.files import build, read, report
from provisioner.inventory.packs import Pack
from provisioner.inventory.rendering import SCHEMA, render
from provisioner.inventory.resellers import Reseller
from provisioner.inventory.strict_yaml import Problem, parse
from provisioner.laptop import disk, git
from provisioner.laptop.installed import example

_GITIGNORE = "# What editors and a killed write leave.\n.*.swp\n*~\noffices/*/.*\n"


@dataclass(frozen=True)
class Technician:
    """Who founds an inventory; `key` is a public key's one line, or empty."""

    login: str
    name: str
    key: str = ""


def create(root: Path, reseller: str, organisation: Mapping[str, Any], technician: Technician) -> Inventory:
    """Make the folders, the reseller's file, the packs and the repository; note who works with it.

    Raises:
        BadInput: the folder is not empty, or what is wrong with the answers, all at once.
    """
    if root.exists() and any(entry.name != ".git" for entry in root.iterdir()):
        raise BadInput(f"{root} is not empty", hint="a new folder")
    about: dict[str, Any] = {"name": technician.name} | ({"keys": [technician.key]} if technician.key else {})
    data = {"organisation": dict(organisation), "technicians": {technician.login: about}}
    text = render(data, {}, [SCHEMA.format("../schema/reseller.json")])
    noun, document = build(Reseller, parse(text.encode("utf-8", "backslashreplace")), reseller)
    if noun is None or document.problems:
        said = {Problem("", 0, p.field, p.what, p.hint) for p in document.problems}
        raise report(said)
    for folder in ("offices", "resellers", "packs"):
        (root / folder).mkdir(parents=True)
    (root / "offices" / ".gitkeep").touch()
    disk.write(root / "resellers" / f"{reseller}.yml", text, mode=0o644)
    disk.write(root / ".gitignore", _GITIGNORE, mode=0o644)
    schema.write(root)
    if packs := example():
        for path in sorted((packs / "packs").glob("*.yml")):
            if read(Pack, path, path.name, path.stem)[0]:
                shutil.copyfile(path, root / "packs" / path.name)
    git.create(root)
    git.attributes(root)
    _note(root, technician.login, reseller)
    return open_inventory(root)


def join(root: Path, technician: str, reseller: str) -> None:
    """Note who works with this copy of a network.

    Raises:
        Missing: the inventory knows no such technician.
        BadInput: it has no history to note it in.
    """
    known = open_inventory(root).reseller(reseller).technicians
    if technician not in known:
        raise Missing(
            f"{reseller} has no technician '{technician}'",
            hint=f"one of {', '.join(known)}, or resellers/{reseller}.yml",
        )
    if not git.repository(root):
        raise BadInput(f"{root} is no git repository", hint=f"git -C {root} init")
    _note(root, technician, reseller)


def commit(root: Path, message: str) -> str | None:
    """Commit what is new; the commit's id."""
    paths = [root / name for name in (".gitattributes", ".gitignore", "offices", "packs", "resellers", "schema", "network.key")]
    return git.commit(root, [path for path in paths if path.exists()], message)


def _note(root: Path, technician: str, reseller: str) -> None:
    git.note(root, "provisioner.technician", technician)
    git.note(root, "provisioner.reseller", reseller)
