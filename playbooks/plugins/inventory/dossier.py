"""Ansible's way to a dossier: hosts by kind, and two variables, `office` and `this_host`.

Nothing else may bring client text into a play: values set here are untrusted strings, never evaluated, while
group_vars, host_vars, extra vars and inventory files are templates to Ansible.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = """
name: dossier
short_description: the hosts of an office, from its dossier
description: Reads offices/OFFICE/dossier.yml of an inventory; with PROVISIONER_HANDOVER, what the tool hands over for a run.
options: {}
"""


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc] - Ansible's base classes have no types
    """Reads `dossier.yml`."""

    NAME = "dossier"

    def verify_file(self, path: str) -> bool:
        """Only files named dossier.yml."""
        return Path(path).name == "dossier.yml" and bool(super().verify_file(path))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the hosts with their variables."""
        super().parse(inventory, loader, path, cache)
        from provisioner.errors import ProvisionerError
        from provisioner.plays.handover import hosts

        try:
            found = hosts(Path(path))
        except ProvisionerError as error:
            raise AnsibleParserError(str(error)) from error
        for name, (kind, variables) in found.items():
            group = inventory.add_group(f"kind_{kind}")
            inventory.add_host(name, group=group)
            for key, value in variables.items():
                inventory.set_variable(name, key, value)
