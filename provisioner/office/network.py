"""A new inventory: its folders, its first reseller, the standard pack, its history; or a colleague's copy joined."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.errors import BadInput, Missing
from provisioner.hosts import keys
from provisioner.inventory import Inventory, open_inventory, schema, technicians
from provisioner.inventory.files import build, read, report
from provisioner.inventory.packs import Pack
from provisioner.inventory.rendering import SCHEMA, render
from provisioner.inventory.resellers import Reseller
from provisioner.inventory.rules import check_reseller
from provisioner.inventory.strict_yaml import Problem, parse
from provisioner.laptop import disk, git
from provisioner.laptop.installed import example

_GITIGNORE = "# What editors and a killed write leave.\n.*.swp\n*~\noffices/*/.*\n"


_README = """\
# The offices of a network / les bureaux d'un réseau

    resellers/       the members and their technicians / les membres et leurs techniciens
    packs/           the standards / les standards
    offices/         a folder per office / un dossier par bureau :
      dossier.yml      what the office is / ce qu'est le bureau
      vault.yml        its secrets / ses secrets
      vault.key        opens vault.yml; itself locked with the passphrase / ouvre vault.yml ; chiffré par la phrase de passe
      known_hosts      the keys its machines must show / les clés que ses machines doivent montrer
      runs/, records/  what was done, what was handed over / ce qui a été fait, ce qui a été remis
      proofs/          backups that were proven / les sauvegardes prouvées
    network.key      proves the passphrase right; opens nothing by itself / prouve la phrase de passe ; n'ouvre rien seul
"""


@dataclass(frozen=True)
class Technician:
    """Who founds an inventory; `key` is a public key's one line, or empty."""

    login: str
    name: str
    key: str = ""
    phone: str = ""
    email: str = ""


def refuse_full(root: Path) -> None:
    """Stop before anything is asked where no inventory can be made.

    Raises:
        BadInput: the folder is not empty.
    """
    if root.exists() and any(entry.name != ".git" for entry in root.iterdir()):
        raise BadInput(f"{root} is not empty", hint="a new folder")


def judge(reseller: str, organisation: Mapping[str, Any], technician: Technician) -> str:
    """The text of a reseller's file; nothing is written.

    Raises:
        BadInput: what is wrong with the answers, all at once.
    """
    about: dict[str, Any] = {"name": technician.name}
    about |= {word: said for word, said in (("email", technician.email), ("phone", technician.phone)) if said}
    about |= {"keys": [technician.key]} if technician.key else {}
    data = {"organisation": dict(organisation), "technicians": {technician.login: about}}
    text = render(data, {}, [SCHEMA.format("../schema/reseller.json")])
    noun, document = build(Reseller, parse(text.encode("utf-8", "backslashreplace")), reseller)
    check_reseller(document)
    if noun is None or document.problems:
        said = {Problem("", 0, p.field, p.what, p.hint) for p in document.problems}
        raise report(said)
    return text


def create(root: Path, reseller: str, organisation: Mapping[str, Any], technician: Technician) -> Inventory:
    """Make the folders, the reseller's file, the packs and the repository; note who works with it.

    Raises:
        BadInput: the folder is not empty, or as `judge`.
    """
    refuse_full(root)
    text = judge(reseller, organisation, technician)
    for folder in ("offices", "resellers", "packs"):
        (root / folder).mkdir(parents=True)
    (root / "offices" / ".gitkeep").touch()
    disk.write(root / "resellers" / f"{reseller}.yml", text, mode=0o644)
    disk.write(root / ".gitignore", _GITIGNORE, mode=0o644)
    disk.write(root / "README.md", _README, mode=0o644)
    schema.write(root)
    if packs := example():
        for path in sorted((packs / "packs").glob("*.yml")):
            if read(Pack, path, path.name, path.stem)[0]:
                shutil.copyfile(path, root / "packs" / path.name)
    git.create(root)
    git.attributes(root)
    _note(root, technician.login, reseller)
    return open_inventory(root)


def refuse_stranger(root: Path, technician: str, reseller: str) -> None:
    """Let through who works for this reseller.

    Raises:
        Missing: the inventory knows no such technician.
    """
    known = open_inventory(root).reseller(reseller).technicians
    if technician not in known:
        raise Missing(
            f"{reseller} has no technician '{technician}'",
            hint=f"one of {', '.join(known)}, or resellers/{reseller}.yml",
        )


def join(root: Path, technician: str, reseller: str) -> None:
    """Note who works with this copy of a network.

    Raises:
        Missing: the inventory knows no such technician.
        BadInput: it has no history to note it in.
    """
    refuse_stranger(root, technician, reseller)
    if not git.repository(root):
        raise BadInput(f"{root} is no git repository", hint=f"git -C {root} init")
    _note(root, technician, reseller)


def add_key(inventory: Inventory, reseller: str, technician: str, key: str) -> bool:
    """Write a technician's key into their reseller's file; whether it was not there yet."""
    before = inventory.reseller(reseller).technicians[technician].keys
    return len(technicians.add_key(inventory, reseller, technician, key).technicians[technician].keys) > len(before)


def commit(root: Path, message: str) -> str | None:
    """Commit what is new; the commit's id."""
    ours = (".gitattributes", ".gitignore", "README.md", "offices", "packs", "resellers", "schema", "network.key")
    paths = [root / name for name in ours]
    return git.commit(root, [path for path in paths if path.exists()], message)


def note_key(root: Path, key: Path) -> None:
    """Note which key logs in, where it is none of those that are found by themselves."""
    if key.parent != Path.home() / ".ssh" or key != keys.usual():
        git.note(root, "provisioner.key", str(key))


def _note(root: Path, technician: str, reseller: str) -> None:
    git.note(root, "provisioner.technician", technician)
    git.note(root, "provisioner.reseller", reseller)
