"""One word a capability, through verb, module, role and tests: who knows one of them finds the others."""

import tomllib
from pathlib import Path

import pytest

from provisioner.cli.__main__ import VERBS

ROOT = Path(__file__).parents[2]
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
WORKFLOWS = [word for layer in LAYERS[1 : LAYERS.index("operation")] for word in layer.split(" | ")]
ROOMS = {word for layer in LAYERS for word in layer.split(" | ")}
ROLES = sorted(path.name for path in (ROOT / "playbooks/roles").iterdir() if path.is_dir())
TESTS = sorted(path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists())
# What tests are about beside rooms and roles: nouns of the inventory that verbs are named by, and the suite's own.
OTHERS = {"pack", "deep", "knobs"}
# Parts of a capability that run on several machines, which have a name each in their field.
PARTS = {"backup_place": "backup", "metrics_agent": "monitor", "monitoring_hub": "monitor", "node_exporter": "monitor"}


@pytest.mark.parametrize("word", WORKFLOWS)
def test_a_workflow_is_a_verb_a_module_and_a_folder_of_tests(word: str) -> None:
    """`provisioner backup`, provisioner/backup, cli/backup.py, tests/backup."""
    assert word in VERBS
    assert (ROOT / "provisioner/cli" / f"{word}.py").is_file()
    assert (ROOT / "provisioner" / word).is_dir() or (ROOT / "provisioner" / f"{word}.py").is_file()
    assert word in TESTS


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_tests_of_its_name(role: str) -> None:
    """What a server gives and its client's part are one capability."""
    assert PARTS.get(role, role.removesuffix("_client")) in TESTS
    if role.endswith("_client"):
        assert role.removesuffix("_client") in ROLES


def test_no_folder_of_tests_has_a_word_of_its_own() -> None:
    """Each is a room of the package, a role, or one of a few others."""
    assert [name for name in TESTS if name not in ROOMS | set(ROLES) | OTHERS] == []
