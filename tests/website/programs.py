"""The programs of role `website`, loaded as they are on a server."""

import importlib.util
from pathlib import Path
from types import ModuleType

FILES = Path(__file__).parents[2] / "playbooks/roles/website/files"


def load(name: str) -> ModuleType:
    """One of them."""
    spec = importlib.util.spec_from_file_location(f"website_{name}", FILES / f"{name}.py")
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
