"""Installs the packages of all roles of a host in one call of apt.

Each role that stands on packages names them in `<role>_packages`. A call of apt costs a host a second even when nothing is to do,
and as many runs of dpkg's triggers as there are calls when there is.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from provisioner.plays import roles


class ActionModule(ActionBase):  # type: ignore[misc] - Ansible's base classes have no types
    """`role_packages: {of: [printing, calendar]}`: those of these roles."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("of",))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Gather them, and let `apt` do the rest."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        known = task_vars or {}
        names = [
            package
            for role in self._task.args["of"]
            for packages in roles.arguments(role, {f"{role}_packages"}, known, self._loader, self._templar).values()
            for package in packages
        ]
        if not names:
            return result | {"skipped": True}
        asked = {"name": list(dict.fromkeys(names)), "install_recommends": False, "lock_timeout": 300}
        return result | self._execute_module(module_name="ansible.builtin.apt", module_args=asked, task_vars=task_vars)
