"""What a role is given on a host, as Ansible will have it when it plays it: for what is decided for all roles at once."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from provisioner.laptop.installed import playbooks


def folder_of(role: str) -> Path:
    """Where the role lies."""
    return playbooks() / "roles" / role


@cache
def specification(role: str) -> dict[str, Any]:
    """Its arguments by name, as its specification has them; and the sentence that this begins with."""
    found: dict[str, Any] = yaml.safe_load((folder_of(role) / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    main: dict[str, Any] = found["argument_specs"]["main"]
    return main


def purposes() -> dict[str, str]:
    """What each role does, in the sentence its own specification begins with."""
    names = sorted(path.parents[1].name for path in (playbooks() / "roles").glob("*/meta/argument_specs.yml"))
    return {name: str(specification(name)["short_description"]) for name in names}


def arguments(role: str, names: set[str], known: dict[str, Any], loader: Any, templar: Any) -> dict[str, Any]:
    """The values of a role's variables on a host, of those of `names` that there are.

    Args:
        role: its name.
        names: variables, `<role>_…`.
        known: the variables of the host, in Ansible's form; the role's defaults give way to them.
        loader: Ansible's DataLoader.
        templar: Ansible's Templar.
    """
    folder = str(folder_of(role))
    defaults = loader.load_from_file(f"{folder}/defaults/main.yml", trusted_as_template=True) or {}
    variables = defaults | known | {"role_path": folder, "ansible_search_path": [folder]}
    here = templar.copy_with_new_env(searchpath=[folder], available_variables=variables)
    found: dict[str, Any] = here.template({name: variables[name] for name in names if name in variables})
    return found
